// The lines that say what was found: Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 §9.1). Everything in them may have been
// chosen by a stranger: nothing can end a line, a comment or a quoted string.

import { isVisible } from './ascii.ts'
import type { SpfAnswer } from './spf/index.ts'
import type { DkimSignature, DmarcAnswer, Verification } from './types.ts'

export interface HeaderFacts {
  /** The name under which we answer for what stands here. */
  readonly authservId: string
  readonly ip: string
  readonly helo: string
  /** `local@domain`, or the empty string. */
  readonly sender: string
}

const maxValue = 200

/** Both fields, each line with its end. */
export function formatResults(facts: HeaderFacts, results: Omit<Verification, 'header'>): string {
  const methods = [
    formatSpf(facts, results.spf),
    ...(results.dkim.length > 0 ? results.dkim.map(formatDkim) : ['dkim=none']),
    ...(results.arc.result === 'none' ? [] : [formatArc(results)]),
    formatDmarc(results.dmarc),
    `iprev=${results.iprev.result} policy.iprev=${toValue(facts.ip)}${results.iprev.name ? ` (${toComment(results.iprev.name)})` : ''}`,
  ]
  return `${fold(`Authentication-Results: ${facts.authservId}`, methods)}${formatReceivedSpf(facts, results.spf)}`
}

const fold = (name: string, parts: readonly string[]): string => `${[name, ...parts].join(';\r\n\t')}\r\n`

function formatSpf({ sender, helo }: HeaderFacts, { result, scope, domain, problem }: SpfAnswer): string {
  const identity =
    scope === 'helo' ? `smtp.helo=${toValue(helo)}` : `smtp.mailfrom=${toValue(isVisible(sender) ? sender : domain)}`
  const reason = problem === undefined || result === 'none' ? '' : ` reason=${quote(problem)}`
  return `spf=${result}${reason} ${identity}`
}

function formatDkim({ result, reason, domain, selector, algorithm, tag, uncovered }: DkimSignature): string {
  const why = reason === undefined ? '' : ` reason=${quote(reason)}`
  const open = uncovered === undefined ? '' : ` (${uncovered} bytes of the body are not signed)`
  return `dkim=${result}${open}${why} header.d=${toValue(domain)} header.s=${toValue(selector)} header.a=${toValue(algorithm)} header.b=${toValue(tag)}`
}

function formatArc({ arc: { result, reason, instance, sealer } }: Pick<Verification, 'arc'>): string {
  const why = reason === undefined ? '' : ` reason=${quote(reason)}`
  return `arc=${result} (i=${instance}${sealer ? ` sealed by ${toComment(sealer)}` : ''})${why}`
}

function formatDmarc({ result, from, policy, published, reason }: DmarcAnswer): string {
  const asked = published ? ` (p=${published.p}${published.testing ? ' t=y' : ''})` : ''
  const why = reason === undefined ? '' : ` reason=${quote(reason)}`
  const author = from === undefined ? '' : ` header.from=${toValue(from)}`
  return `dmarc=${result}${asked}${why}${author}${policy === undefined ? '' : ` policy.dmarc=${policy}`}`
}

const words: Readonly<Record<SpfAnswer['result'], string>> = {
  none: 'no policy',
  neutral: 'no statement about this client',
  pass: 'the client may send for the domain',
  fail: 'the client may not send for the domain',
  softfail: 'the client should not send for the domain',
  temperror: 'the policy could not be asked for now',
  permerror: 'the policy cannot be read',
}

function formatReceivedSpf({ authservId, ip, helo, sender }: HeaderFacts, spf: SpfAnswer): string {
  const identity = spf.scope === 'helo' ? 'helo' : 'mailfrom'
  const said = spf.problem === undefined ? words[spf.result] : spf.problem
  const pairs = [
    `client-ip=${toValue(ip)}`,
    `envelope-from=${quote(sender)}`,
    `helo=${toValue(helo)}`,
    `identity=${identity}`,
    `receiver=${authservId}`,
    ...(spf.mechanism === undefined ? [] : [`mechanism=${quote(spf.mechanism)}`]),
  ]
  return `Received-SPF: ${spf.result} (${authservId}: ${toComment(said)})\r\n\t${pairs.join(';\r\n\t')}\r\n`
}

/** Characters of a value that stands without quotes: those of tokens (RFC 2045 §5.1) and what joins the two parts of an address. */
const plain = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._+@!#$%&'*^`{|}~")

/** As it is when nothing in it means anything, else quoted. */
function toValue(text: string): string {
  if (text === '' || text.length > maxValue) return quote(text)
  for (const c of text) if (!plain.has(c)) return quote(text)
  return text
}

function quote(text: string): string {
  let out = ''
  for (const c of shorten(text)) {
    if (c < ' ' || c > '~') out += '?'
    else out += c === '"' || c === '\\' ? `\\${c}` : c
  }
  return `"${out}"`
}

function toComment(text: string): string {
  let out = ''
  for (const c of shorten(text)) out += c < ' ' || c > '~' || '()\\'.includes(c) ? '?' : c
  return out
}

const shorten = (text: string): string => (text.length > maxValue ? `${text.slice(0, maxValue)}...` : text)
