// What is seen of a message's header, and of what this server put before it: who vouches for the sender, and where it came from.

import { decodeWords, fieldValue, type HeaderField, parseAddressList, parseFields } from '../../mime/index.ts'
import { registered } from './links.ts'
import type { TokenSet } from './token-set.ts'
import { readWords } from './words.ts'

const mostFields = 300
const mostSubject = 500

/** Providers at whom anybody has an address. */
const freeMail: ReadonlySet<string> = new Set(
  (
    'gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.de yahoo.fr yahoo.co.uk ymail.com aol.com gmx.de gmx.net ' +
    'gmx.com gmx.at gmx.ch web.de freenet.de t-online.de mail.ru yandex.ru yandex.com inbox.ru bk.ru list.ru proton.me protonmail.com ' +
    'icloud.com me.com mail.com zohomail.com orange.fr free.fr laposte.net wanadoo.fr sfr.fr libero.it qq.com 163.com 126.com sina.com posteo.de mailbox.org'
  ).split(' '),
)
/** Fields whose being there says something. */
const telling: ReadonlySet<string> = new Set([
  'list-id',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'list-post',
  'in-reply-to',
  'references',
  'precedence',
  'auto-submitted',
  'x-mailer',
  'user-agent',
  'x-priority',
  'importance',
  'sender',
  'organization',
  'x-php-originating-script',
  'x-originating-ip',
  'feedback-id',
  'content-language',
  'thread-index',
  'autocrypt',
  'x-auto-response-suppress',
  'return-receipt-to',
  'disposition-notification-to',
  'mime-version',
  'cc',
  'x-php-script',
  'x-report-abuse',
])
const read: ReadonlySet<string> = new Set([
  'from',
  'reply-to',
  'to',
  'subject',
  'message-id',
  'x-mailer',
  'user-agent',
  'precedence',
  'date',
])

/** What is known of a message beside its bytes. */
export interface Circumstances {
  /** The reverse-path, '' for the null sender; absent: not known. */
  readonly sender?: string
  /** Authentication-Results as this server wrote them; absent: nobody was asked. */
  readonly results?: string
}

/** Adds the header's tokens and returns the domain of its author. */
export function readHeader(header: Buffer, known: Circumstances, tokens: TokenSet): string {
  const fields = parseFields(header).slice(0, mostFields)
  const values = new Map<string, string>()
  let hops = 0
  for (const field of fields) {
    const name = field.name.toLowerCase()
    if (name === 'received') hops++
    if (telling.has(name)) tokens.fact(`header:${name}`)
    if (read.has(name) && !values.has(name)) values.set(name, startOf(header, field))
  }
  tokens.fact(`hops:${Math.min(hops, 6)}`)
  for (const name of ['date', 'message-id', 'to', 'from', 'subject'])
    if (!values.has(name)) tokens.fact(`header:no ${name}`)
  const from = readFrom(values.get('from') ?? '', tokens)
  readSubject(values, tokens)
  readOthers(values, from, tokens)
  readSender(known.sender, from, tokens)
  if (known.results !== undefined) readResults(known.results, tokens)
  return from
}

const startOf = (header: Buffer, field: HeaderField): string =>
  fieldValue(header, { ...field, end: Math.min(field.end, field.start + 4_000) })

function readFrom(value: string, tokens: TokenSet): string {
  const [author, second] = parseAddressList(value)
  if (second) tokens.fact('from:several')
  const { name = '', local = '' } = author ?? {}
  const domain = (author?.domain ?? '').toLowerCase()
  const shown = decodeWords(name).slice(0, 200)
  if (domain !== '') {
    tokens.fact(`from:${registered(domain)}`)
    tokens.fact(`from:.${domain.slice(domain.lastIndexOf('.') + 1)}`)
    if (domain.split('.').length > 3) tokens.fact('from:deep')
    if (freeMail.has(domain)) tokens.fact('from:free mail')
  }
  let digits = 0
  for (const char of local) if (char >= '0' && char <= '9') digits++
  if (digits >= 4) tokens.fact('from:digits')
  if (shown === '') tokens.fact('from:no name')
  else readName(shown, local.toLowerCase(), domain, tokens)
  return domain
}

/** A name that the address does not bear out is what phishing has in common. */
function readName(shown: string, local: string, domain: string, tokens: TokenSet): void {
  readWords(shown, 'name', tokens)
  if (shown.includes('@'))
    tokens.fact(
      shown.toLowerCase().includes(`@${domain}`) ? 'from:name is its address' : 'from:name is another address',
    )
  const words = shown
    .toLowerCase()
    .split(' ')
    .map(letters)
    .filter(({ length }) => length >= 3)
  const [inLocal, inDomain] = [letters(local), letters(domain)]
  if (words.some((word) => inDomain.includes(word))) tokens.fact('from:name in domain')
  else if (words.some((word) => inLocal.includes(word))) tokens.fact('from:name in address')
  else tokens.fact('from:name elsewhere')
}

const plain: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' }

/** Letters and digits alone, umlauts as addresses write them. */
function letters(text: string): string {
  let out = ''
  for (const char of text.slice(0, 200)) {
    const base = plain[char] ?? char.normalize('NFD')[0]!
    for (const one of base) if ((one >= 'a' && one <= 'z') || (one >= '0' && one <= '9')) out += one
  }
  return out
}

function readSubject(values: ReadonlyMap<string, string>, tokens: TokenSet): void {
  const raw = values.get('subject') ?? ''
  const subject = decodeWords(raw).slice(0, mostSubject)
  if (subject === '') return
  readWords(subject, 'subject', tokens)
  const start = subject.slice(0, 5).toLowerCase()
  if (
    start.startsWith('re:') ||
    start.startsWith('aw:') ||
    start.startsWith('fwd:') ||
    start.startsWith('fw:') ||
    start.startsWith('wg:')
  )
    tokens.fact(
      tokens.has('header:references') || tokens.has('header:in-reply-to')
        ? 'subject:reply'
        : 'subject:reply to nothing',
    )
  if (subject.includes('?')) tokens.fact('subject:?')
  if (subject.includes('!')) tokens.fact('subject:!')
  if (subject.length > 90) tokens.fact('subject:long')
}

function readOthers(values: ReadonlyMap<string, string>, from: string, tokens: TokenSet): void {
  const reply = domainsOf(values.get('reply-to') ?? '')[0]
  if (reply !== undefined) {
    tokens.fact(registered(reply) === registered(from) ? 'reply-to:same' : 'reply-to:differs')
    if (freeMail.has(reply)) tokens.fact(freeMail.has(from) ? 'reply-to:free mail' : 'reply-to:free mail for another')
  }
  const to = domainsOf(values.get('to') ?? '')
  if (values.has('to'))
    tokens.fact(to.length === 0 ? 'to:nobody' : to.length === 1 ? 'to:one' : to.length < 6 ? 'to:few' : 'to:many')
  if (from !== '' && to.includes(from)) tokens.fact('to:own domain')
  const id = (values.get('message-id') ?? '').toLowerCase()
  if (id !== '') {
    const host = id
      .slice(id.lastIndexOf('@') + 1)
      .replace('>', '')
      .trim()
    tokens.fact(
      registered(host) === registered(from)
        ? 'message-id:same'
        : host.includes('.')
          ? 'message-id:differs'
          : 'message-id:odd',
    )
  }
  const program = values.get('x-mailer') ?? values.get('user-agent')
  if (program !== undefined) tokens.fact(`program:${program.slice(0, 40).toLowerCase().split(' ')[0]!.split('/')[0]!}`)
  const precedence = values.get('precedence')
  if (precedence !== undefined) tokens.fact(`precedence:${precedence.slice(0, 10).toLowerCase()}`)
}

const domainsOf = (value: string): string[] =>
  parseAddressList(value).flatMap(({ domain }) => (domain === undefined ? [] : [domain.toLowerCase()]))

function readSender(sender: string | undefined, from: string, tokens: TokenSet): void {
  if (sender === undefined) return
  if (sender === '') {
    tokens.fact('sender:null')
    return
  }
  const domain = sender.slice(sender.lastIndexOf('@') + 1).toLowerCase()
  tokens.fact(registered(domain) === registered(from) ? 'sender:same' : 'sender:differs')
}

/** Methods that count (RFC 8601 §2.7). */
const methods: readonly string[] = ['spf', 'dkim', 'dmarc', 'iprev', 'arc']

/** What the first result of each method says; of several signatures the best. */
function readResults(results: string, tokens: TokenSet): void {
  const found = new Map<string, string>()
  for (const clause of clausesOf(results)) {
    const equals = clause.indexOf('=')
    const method = clause.slice(0, Math.max(0, equals))
    if (!methods.includes(method)) continue
    let end = equals + 1
    while (end < clause.length && clause.charCodeAt(end) >= 97 && clause.charCodeAt(end) <= 122) end++
    const result = clause.slice(equals + 1, end)
    if (!found.has(method) || (method === 'dkim' && result === 'pass')) found.set(method, result)
  }
  for (const [method, result] of found) tokens.fact(`${method}:${result}`)
}

const mostClauses = 50
const longestResults = 8_000

/** Pieces between semicolons; what a stranger has chosen stands in quotes and comments, where none counts. */
function clausesOf(text: string): string[] {
  const clauses: string[] = []
  let [from, quoted, depth] = [0, false, 0]
  const length = Math.min(text.length, longestResults)
  for (let i = 0; i < length && clauses.length < mostClauses; i++) {
    const c = text[i]
    if (c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (!quoted && c === '(') depth++
    else if (!quoted && c === ')') depth--
    else if (!quoted && depth <= 0 && c === ';') {
      clauses.push(text.slice(from, i).trim())
      from = i + 1
    }
  }
  return [...clauses, text.slice(from, length).trim()]
}
