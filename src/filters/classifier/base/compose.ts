// Makes a message of a family as it would arrive: bytes, the reverse-path, and what this server would have noted of its sender.

import { encodeWords, formatDate } from '../../../mime/index.ts'
import type { Sample } from '../tokenize.ts'
import { expand, type Family } from './families.ts'
import { createLexicon, type Lexicon, type Person } from './lexicon.ts'
import { createRandom, type Random, seedOfText } from './random.ts'
import { type Style, styles } from './styles.ts'
import {
  escapeHtml,
  fold72,
  isAscii,
  longestLine,
  namedTo,
  obscure,
  phrase,
  pickForm,
  toLocal,
  toQuotedPrintable,
  types,
  wrap,
} from './write-text.ts'

export interface Composed {
  readonly family: Family
  readonly sample: Required<Omit<Sample, 'size' | 'bytes'>> & { readonly bytes: Buffer; readonly size: number }
}

/** The `index`th message of the family: always the same. */
export function compose(family: Family, index: number): Composed {
  return new Composer(family, createRandom(seedOfText(`${family.name} ${index}`))).compose()
}

interface Link {
  readonly label: string
  readonly url: string
}
const mark = '\u0004'

class Composer {
  readonly #family: Family
  readonly #random: Random
  readonly #lexicon: Lexicon
  readonly #style: Style
  readonly #me: Person
  readonly #you: Person
  readonly #company: string
  readonly #recipient: string
  readonly #kept = new Map<string, string>()
  readonly #links: Link[] = []
  #domain = ''

  constructor(family: Family, random: Random) {
    const style = styles[family.style]
    if (!style) throw new Error(`${family.name}: there is no style ${family.style}`)
    this.#family = family
    this.#random = random
    this.#style = style
    this.#lexicon = createLexicon(family.language, random)
    this.#me = this.#lexicon.person()
    this.#you = this.#lexicon.person()
    this.#company = this.#lexicon.company()
    this.#recipient = `${this.#lexicon.local(this.#you)}@${random.pick(['here.example', 'example.net', 'home.example', 'office.example'])}`
    this.#domain = this.#ownDomain()
  }

  compose(): Composed {
    const { fields, options } = this.#family
    const from = this.#from(this.#fill(fields.get('from') ?? '{me}'))
    const subject = this.#fill(fields.get('subject') ?? '')
    const text = this.#disguise(this.#fill(this.#family.body))
    const sender = this.#sender(from.address)
    const body = this.#body(text)
    const whole = this.#header(from, subject)
    const bare = options.get('bare') === 'yes'
    const header = bare ? this.#thin(whole) : whole
    const bytes = Buffer.from(
      `${[...header, ...(bare && isAscii(body.text) && this.#random.chance(0.7) ? [] : body.fields)].join('\r\n')}\r\n\r\n${body.text.replaceAll('\n', '\r\n')}\r\n`,
    )
    const results = options.get('results') === 'none' ? '' : this.#results(from.domain, sender)
    return { family: this.#family, sample: { bytes, size: bytes.length, sender, results } }
  }

  #ownDomain(): string {
    const [lexicon, random] = [this.#lexicon, this.#random]
    switch (this.#style.from) {
      case 'free':
        return lexicon.freeMail()
      case 'person':
        return random.chance(0.6)
          ? lexicon.freeMail()
          : lexicon.domainOf(
              random.chance(0.5) ? `${this.#me.last.normalize('NFD').replace(/[^\w]/g, '')}` : this.#company,
            )
      case 'throwaway':
        return lexicon.throwaway()
      default:
        return lexicon.domainOf(this.#company)
    }
  }

  #fill(template: string): string {
    return expand(template, this.#random, (name, argument) => this.#slot(name, argument))
  }

  /** What a slot with a number says once is said again: `{full:1}`. */
  #slot(name: string, argument: string): string {
    if (argument === '' || !/^\d$/.test(argument) || name === 'n') return this.#value(name, argument)
    const key = `${name}:${argument}`
    const known = this.#kept.get(key) ?? this.#value(name, '')
    this.#kept.set(key, known)
    return known
  }

  #value(name: string, argument: string): string {
    const [lexicon, random] = [this.#lexicon, this.#random]
    const simple: Readonly<Record<string, () => string>> = {
      me: () => this.#me.full,
      'me.first': () => this.#me.first,
      'me.last': () => this.#me.last,
      you: () => this.#you.first,
      'you.last': () => this.#you.last,
      'you.full': () => this.#you.full,
      'you.mail': () => this.#recipient,
      'you.local': () => this.#recipient.split('@')[0]!,
      'you.domain': () => this.#recipient.split('@')[1]!,
      first: () => lexicon.person().first,
      last: () => lexicon.person().last,
      full: () => lexicon.person().full,
      company: () => this.#company,
      firm: () => lexicon.company(),
      city: () => lexicon.city(),
      street: () => lexicon.street(),
      month: () => lexicon.month(),
      weekday: () => lexicon.weekday(),
      goods: () => lexicon.goods(),
      code: () => lexicon.code(),
      domain: () => this.#domain,
      throwaway: () => lexicon.throwaway(),
      free: () => lexicon.freeMail(),
      day: () => `${1 + random.below(28)}`,
      year: () => `${2022 + random.below(6)}`,
      time: () => `${7 + random.below(14)}:${random.pick(['00', '15', '30', '45', '05', '20'])}`,
      date: () => this.#date(),
      phone: () => `+${random.pick(['49', '44', '1', '33', '34'])} ${lexicon.digits(3)} ${lexicon.digits(6)}`,
      price: () => lexicon.money(5, 180),
      sum: () => lexicon.money(150, 4_800),
      fortune: () => lexicon.money(450_000, 38_000_000).replace(/[.,]\d\d(?!\d)/, ''),
      wallet: () => `${random.pick(['bc1q', '1', '3'])}${lexicon.hex(10)}${this.#letters(22)}`,
      id: () => lexicon.hex(8),
      password: () => `${lexicon.goods().slice(0, 4).toLowerCase()}${lexicon.digits(3)}`,
      hash: () => lexicon.hex(10),
      hashwords: () => this.#hashwords(),
      ip: () => `${lexicon.digits(2)}.${lexicon.digits(2)}.${lexicon.digits(2)}.${lexicon.digits(2)}`,
      url: () => this.#url(),
      link: () => this.#link(argument),
      badlink: () => this.#link(argument, 'bad'),
      n: () => lexicon.digits(Number(argument) || 2),
    }
    const value = simple[name]
    if (!value) throw new Error(`${this.#family.name}: there is no slot {${name}}`)
    return value()
  }

  #letters(count: number): string {
    let out = ''
    for (let i = 0; i < count; i++)
      out += this.#random.pick([...'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'])
    return out
  }

  /** Words that have nothing to do with anything, as they are put behind spam. */
  #hashwords(): string {
    const { goods, city, person, month } = this.#lexicon
    return Array.from({ length: 12 + this.#random.below(30) }, () =>
      this.#random
        .pick([goods, city, () => person().last, month, () => this.#letters(3 + this.#random.below(6)).toLowerCase()])()
        .toLowerCase(),
    ).join(' ')
  }

  #date(): string {
    const { language } = this.#family
    const [day, month] = [1 + this.#random.below(28), this.#lexicon.month()]
    const year = 2022 + this.#random.below(6)
    if (language === 'de')
      return this.#random.chance(0.4) ? `${day}. ${month} ${year}` : `${day}.${1 + this.#random.below(12)}.${year}`
    if (language === 'en') return this.#random.chance(0.5) ? `${month} ${day}, ${year}` : `${day} ${month} ${year}`
    return language === 'es' ? `${day} de ${month} de ${year}` : `${day} ${month} ${year}`
  }

  #url(kind: Style['links'] = this.#style.links): string {
    const [lexicon, random] = [this.#lexicon, this.#random]
    const path = `${random.pick(['a', 'p', 'view', 'en', 'account', 'order', 'articles', 'go', 'c', 'docs'])}/${random.chance(0.5) ? lexicon.hex(6 + random.below(20)) : lexicon.digits(5)}`
    if (kind === 'own') return `https://${random.pick(['www.', '', 'my.', 'shop.'])}${this.#domain}/${path}`
    if (kind === 'foreign') return `https://${random.pick(['www.', ''])}${lexicon.domainOf(lexicon.company())}/${path}`
    if (kind === 'tracked')
      return random.chance(0.5)
        ? `https://${random.pick(['click', 'links', 'email', 'e'])}.${this.#domain}/${path}${lexicon.hex(12)}`
        : `https://${random.pick(['u', 'click', 'track'])}${lexicon.digits(4)}.${random.pick(['list-manage.com', 'sendgrid.net', 'mailjet.com', 'hubspotlinks.com', 'cmail19.com', 'rs6.net'])}/ls/${lexicon.hex(20)}`
    const bad = random()
    if (bad < 0.22)
      return `https://${lexicon.freePage()}/${random.pick(['', 'login', 'index.html', path, `#${this.#recipient}`])}`
    if (bad < 0.34) return `https://${lexicon.shortened()}`
    if (bad < 0.4)
      return `http://${lexicon.digits(2)}.${lexicon.digits(2)}.${lexicon.digits(2)}.${lexicon.digits(2)}/${path}`
    if (bad < 0.55)
      return `http${random.chance(0.5) ? 's' : ''}://${lexicon.domainOf(lexicon.company())}/${random.pick(['wp-content/', 'wp-includes/', 'images/', '.well-known/', 'cgi/'])}${lexicon.hex(5)}/${random.pick(['', 'index.php', 'login.html', 'doc.zip', 'view.php?e='])}`
    if (bad < 0.7 && this.#style.from !== 'free')
      return `http${random.chance(0.7) ? 's' : ''}://${this.#domain}/${path}`
    return `http${random.chance(0.7) ? 's' : ''}://${lexicon.throwaway()}/${path}`
  }

  #link(label: string, kind?: Style['links']): string {
    const link = { label: label === '' ? this.#url(kind) : label, url: this.#url(kind) }
    // A link that shows one host and leads to another.
    if (label === '' && !(this.#family.kind === 'spam' && this.#random.chance(0.3)))
      this.#links.push({ label: link.url, url: link.url })
    else this.#links.push(link)
    return `${mark}${this.#links.length - 1}${mark}`
  }

  #from(text: string): { name: string; address: string; domain: string } {
    const open = text.lastIndexOf('<')
    const name = (open < 0 ? text : text.slice(0, open)).trim()
    const given =
      open < 0
        ? ''
        : text
            .slice(open + 1)
            .replace('>', '')
            .trim()
    const local = given.includes('@') ? given.slice(0, given.lastIndexOf('@')) : given
    const domain = given.includes('@') ? given.slice(given.lastIndexOf('@') + 1) : this.#domain
    if (this.#style.from !== 'free') this.#domain = domain
    const full =
      local === ''
        ? this.#lexicon.local(
            this.#style.from === 'free' || this.#style.from === 'throwaway'
              ? this.#random.chance(0.4)
                ? this.#me
                : this.#lexicon.person()
              : this.#me,
          )
        : toLocal(local)
    return { name, address: `${full}@${domain}`, domain }
  }

  #sender(address: string): string {
    const random = this.#random
    if (this.#family.options.get('sender') === 'null' || (this.#style.from === 'throwaway' && random.chance(0.04)))
      return ''
    if (!random.chance(this.#style.bounces)) return address
    const bounce = `${random.pick(['bounce', 'bounces', 'return', 'b'])}${random.pick(['-', '+'])}${this.#lexicon.digits(6)}`
    const own = address.slice(address.indexOf('@') + 1)
    if (this.#style.from === 'company' && random.chance(0.6))
      return `${bounce}@${random.pick(['bounce', 'mail', 'em'])}.${own}`
    if (this.#style.from === 'throwaway' || this.#style.from === 'hacked')
      return `${this.#lexicon.local(this.#lexicon.person())}@${this.#lexicon.throwaway()}`
    return `${bounce}@${random.pick(['amazonses.com', 'sendgrid.net', 'mailgun.org', 'mcsv.net', 'lists.example.org'])}`
  }

  #results(domain: string, sender: string): string {
    const [spfPass, dkimPass, fails] = this.#style.passes
    const random = this.#random
    const spf = random.chance(spfPass) ? 'pass' : random.pick(['none', 'softfail', 'fail', 'none', 'neutral'])
    const dkim = random.chance(dkimPass) ? 'pass' : random.pick(['none', 'none', 'none', 'fail'])
    const aligned = spf === 'pass' || dkim === 'pass'
    const dmarc = random.chance(fails)
      ? 'fail'
      : aligned && random.chance(0.8)
        ? 'pass'
        : random.chance(0.85)
          ? 'none'
          : aligned
            ? 'pass'
            : 'fail'
    const iprev = random.chance(this.#family.kind === 'ham' ? 0.95 : 0.7) ? 'pass' : 'fail'
    return `mx.here.example; spf=${spf} smtp.mailfrom=${sender}; dkim=${dkim} header.d=${domain}; dmarc=${dmarc} header.from=${domain}; iprev=${iprev}`
  }

  #header(from: { name: string; address: string; domain: string }, subject: string): string[] {
    const [random, lexicon] = [this.#random, this.#lexicon]
    const { fields, options } = this.#family
    const [least, most] = this.#style.hops
    const at = Date.UTC(
      2024 + random.below(3),
      random.below(12),
      1 + random.below(28),
      random.below(24),
      random.below(60),
    )
    const received = Array.from(
      { length: least + random.below(most - least + 1) },
      (_, i) =>
        `Received: from ${i === 0 ? `mail.${from.domain}` : `host${lexicon.digits(2)}.internal`} by mx${i}.relay.example with ESMTP id ${lexicon.hex(8)}; ${formatDate(at)}`,
    )
    const idHost = random.chance(this.#style.ownId)
      ? from.domain
      : random.pick([
          'mail.gmail.com',
          `host-${lexicon.digits(3)}.local`,
          'amazonses.com',
          lexicon.throwaway(),
          `srv${lexicon.digits(2)}.hosting.example`,
          'localhost',
        ])
    const to = fields.has('to')
      ? this.#fill(fields.get('to')!)
      : random.chance(0.6)
        ? `${this.#you.full} <${this.#recipient}>`
        : this.#recipient
    const reply = fields.has('reply-to') ? [`Reply-To: ${this.#fill(fields.get('reply-to')!)}`] : []
    const isReply = options.get('reply') === 'yes'
    const references = isReply
      ? [
          `In-Reply-To: <${lexicon.hex(12)}@${this.#recipient.split('@')[1]}>`,
          `References: <${lexicon.hex(12)}@${this.#recipient.split('@')[1]}>`,
        ]
      : []
    const program = random.pick(this.#style.programs)
    const cc = fields.has('cc') ? [`Cc: ${this.#fill(fields.get('cc')!)}`] : []
    return [
      ...received,
      `From: ${from.name === '' ? from.address : `${phrase(from.name)} <${from.address}>`}`,
      ...(to === 'none' ? [] : [`To: ${to.includes('<') && !to.startsWith('undisclosed') ? namedTo(to) : to}`]),
      ...cc,
      ...reply,
      `Subject: ${isAscii(subject) ? subject : encodeWords(subject)}`,
      `Date: ${formatDate(at)}`,
      ...(this.#family.kind === 'spam' && random.chance(0.04) ? [] : [`Message-ID: <${lexicon.hex(16)}@${idHost}>`]),
      ...references,
      ...(program === '' ? [] : [program]),
      ...this.#style.fields(random, from.domain),
      'MIME-Version: 1.0',
    ]
  }

  /** What scripts and small machines leave out. */
  #thin(header: readonly string[]): string[] {
    const kept = new Map(
      ['MIME-Version', 'Message-ID', 'Date', 'To', 'Received', 'Subject'].map((name) => [
        name,
        this.#random.chance(name === 'Subject' ? 0.9 : 0.6),
      ]),
    )
    return header.filter((field) => kept.get(field.slice(0, field.indexOf(':'))) ?? true)
  }

  #body(text: string): { readonly type: string; readonly fields: readonly string[]; readonly text: string } {
    const random = this.#random
    const { options, fields } = this.#family
    const [plain, html] = this.#style.forms
    const chosen = options.get('form') ?? pickForm(random(), plain, html)
    const alternatives: Piece[] = []
    if (chosen === 'plain' || chosen === 'both') alternatives.push(this.#encoded('text/plain', this.#toPlain(text)))
    if (chosen !== 'plain') alternatives.push(this.#encoded('text/html', this.#toHtml(text, chosen === 'picture')))
    const main = alternatives.length === 1 ? alternatives[0]! : this.#multipart('alternative', alternatives)
    const attached = fields.has('attach')
      ? this.#attached(this.#fill(fields.get('attach')!))
      : chosen === 'picture' && random.chance(0.4)
        ? this.#attached('image001.png')
        : undefined
    const whole = attached ? this.#multipart('mixed', [main, attached]) : main
    return { type: chosen, fields: whole.fields, text: whole.text }
  }

  #multipart(subtype: string, pieces: readonly Piece[]): Piece {
    const boundary = `--=_${this.#lexicon.hex(18)}`
    const text = `${pieces.map((piece) => `--${boundary}\n${piece.fields.join('\n')}\n\n${piece.text}\n`).join('')}--${boundary}--\n`
    return { fields: [`Content-Type: multipart/${subtype}; boundary="${boundary}"`], text }
  }

  #encoded(type: string, text: string): Piece {
    const random = this.#random
    if (isAscii(text) && random.chance(0.5) && longestLine(text) < 900)
      return {
        fields: [
          `Content-Type: ${type}; charset=${random.pick(['utf-8', 'us-ascii', 'UTF-8'])}`,
          'Content-Transfer-Encoding: 7bit',
        ],
        text,
      }
    const field = `Content-Type: ${type}; charset=${random.pick(['utf-8', 'UTF-8', '"utf-8"'])}`
    if (random.chance(this.#family.kind === 'spam' ? 0.3 : 0.18))
      return { fields: [field, 'Content-Transfer-Encoding: base64'], text: wrap(Buffer.from(text).toString('base64')) }
    return { fields: [field, 'Content-Transfer-Encoding: quoted-printable'], text: toQuotedPrintable(text) }
  }

  #attached(name: string): Piece {
    const end = name.split('.').at(-1)!.toLowerCase()
    const type = types[end] ?? 'application/octet-stream'
    const size = 300 + this.#random.below(3_000)
    const data = Buffer.from(this.#lexicon.hex(size), 'hex')
    return {
      fields: [
        `Content-Type: ${type}; name="${name}"`,
        'Content-Transfer-Encoding: base64',
        `Content-Disposition: ${end === 'png' && this.#family.kind === 'spam' ? 'inline' : 'attachment'}; filename="${name}"`,
      ],
      text: wrap(data.toString('base64')),
    }
  }

  #toPlain(text: string): string {
    const lined = text.replace(/\u0004(\d+)\u0004/g, (_, i: string) => {
      const { label, url } = this.#links[Number(i)]!
      return label === url ? url : `${label}${this.#random.pick([': ', '\n', ' <', ' '])}${url}`
    })
    return this.#random.chance(0.5) ? lined.split('\n').map(fold72).join('\n') : lined
  }

  #toHtml(text: string, picture: boolean): string {
    const random = this.#random
    const [plainStyle, spacer] = [random.chance(0.4), random.pick(['', '<div style="height:20px"></div>', '<br>'])]
    const look = random.pick([
      '',
      ' style="font-family:Arial,sans-serif;font-size:14px;color:#333333"',
      ' class="body-text"',
    ])
    const link = (i: string) => {
      const { label, url } = this.#links[Number(i)]!
      return `<a href="${url}"${random.pick(['', ' target="_blank"', ' style="color:#1a73e8"', ' class="btn"'])}>${label}</a>`
    }
    if (picture) {
      const url = this.#url()
      return `<html><body><a href="${url}"><img src="${random.chance(0.5) ? 'cid:image001' : `${this.#url('bad')}.jpg`}" border="0"></a><br>${random.chance(0.5) ? `<p>${escapeHtml(text).replace(/\u0004(\d+)\u0004/g, (_, i: string) => link(i))}</p>` : ''}</body></html>`
    }
    const paragraphs = text.split(/\n\n+/).map(
      (one) =>
        `<p${look}>${escapeHtml(one)
          .replaceAll('\n', '<br>\n')
          .replace(/\u0004(\d+)\u0004/g, (_, i: string) => link(i))}</p>`,
    )
    if (plainStyle || this.#style.from === 'person')
      return `<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>${paragraphs.join(`\n${spacer}`)}</body></html>`
    const logo = random.chance(0.6)
      ? `<img src="https://${random.pick(['img', 'cdn', 'static'])}.${this.#domain}/logo.png" width="160" alt="${escapeHtml(this.#company)}">`
      : ''
    const hidden = random.chance(this.#style.links === 'tracked' ? 0.6 : 0.15)
      ? `<div style="display:none;max-height:0">${escapeHtml(text.slice(0, 80).replaceAll(/\u0004\d*\u0004?/g, ''))}</div>`
      : ''
    const pixel = random.chance(this.#style.links === 'tracked' ? 0.7 : 0.2)
      ? `<img src="${this.#url()}" width="1" height="1">`
      : ''
    return `<!DOCTYPE html><html><head><meta charset="utf-8"><style>td{font-family:Arial}</style></head><body>${hidden}<table width="600" align="center"><tr><td>${logo}</td></tr><tr><td>${paragraphs.join(`\n${spacer}`)}</td></tr></table>${pixel}</body></html>`
  }

  /** Letters of other scripts, digits, blanks and marks that nobody sees, in some messages of families that do so. */
  #disguise(text: string): string {
    const how = this.#family.options.get('disguise')
    const random = this.#random
    if (how === undefined || random.chance(0.25)) return text
    const kind = how === 'any' ? random.pick(['script', 'digits', 'marks', 'spelled']) : how
    return text
      .split(/(\u0004\d+\u0004|\s+)/)
      .map((word) =>
        word.startsWith(mark) || word.length < 5 || !random.chance(0.4) ? word : obscure(word, kind, random),
      )
      .join('')
  }
}

interface Piece {
  readonly fields: readonly string[]
  readonly text: string
}
