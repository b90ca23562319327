// The settings of a domain: one table of keys that validates, explains and writes them. Knows no store.

import { normaliseLocal, parseAddress, toAscii } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import { defaultDetail } from './resolve.ts'
import type { Allowance, DomainSettings } from './types.ts'

interface Setting<T> {
  /** One line for people: what it does, what may be given. */
  readonly explain: string
  /** What holds when nothing is set. */
  readonly standard: string
  /** Undefined when the text has no meaning here. */
  parse(text: string): T | undefined
  format(value: T): string
}

type VerdictKey = 'spam' | 'spamScore' | 'spamRejectScore' | 'virus' | 'quarantineDigest'

const bytes: Setting<number>['parse'] = (text) => parseSize(text)
const count: Setting<number>['parse'] = (text) => toCount(text)
/** A count, or `unlimited`. */
export const toAllowance = (text: string): Allowance | undefined => (text === 'unlimited' ? text : toCount(text))
const allowance: Pick<Setting<Allowance>, 'parse' | 'format'> = { parse: toAllowance, format: (value) => `${value}` }
const switches: Readonly<Record<string, boolean>> = { on: true, off: false, true: true, false: false }
const onOff: Pick<Setting<boolean>, 'parse' | 'format'> = {
  parse: (text) => (Object.hasOwn(switches, text) ? switches[text] : undefined),
  format: (value) => (value ? 'on' : 'off'),
}

/** One of these words. */
function oneWord<T extends string>(...words: readonly T[]): Pick<Setting<T>, 'parse' | 'format'> {
  return { parse: (text) => words.find((word) => word === text), format: (value) => value }
}

/** On the scales of the filters, some of which go below zero. */
const maxScore = 1_000
const score: Pick<Setting<number>, 'parse' | 'format'> = {
  parse(text) {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    return Math.abs(value) <= maxScore ? value : undefined
  },
  format: (value) => `${value}`,
}

/** Those about verdicts that users have too. */
const verdictSettings = {
  spam: {
    explain: 'reject, quarantine, junk, tag or off: what is done with mail that a filter takes for spam',
    standard: 'as the filter proposes',
    ...oneWord('reject', 'quarantine', 'junk', 'tag', 'off'),
  },
  spamScore: {
    explain: "the score from which on a message is spam, in the place of the filter's own threshold",
    standard: "the filter's",
    ...score,
  },
  spamRejectScore: {
    explain: 'the score from which on spam is refused; below it is never',
    standard: "the filter's",
    ...score,
  },
  virus: {
    explain: 'reject, quarantine or off: what is done with malware',
    standard: 'reject',
    ...oneWord('reject', 'quarantine', 'off'),
  },
  quarantineDigest: {
    explain: 'off or daily: whether users are told each day what came into the quarantine for them',
    standard: 'off',
    ...oneWord('off', 'daily'),
  },
} satisfies { [K in VerdictKey]: Setting<Required<DomainSettings>[K]> }

/** Every key of `posthorn domain set`. */
export const domainSettings = {
  detail: {
    explain: 'the character that begins the detail in user+detail, or empty for none',
    standard: defaultDetail,
    parse: (text) => (text === '' || (text.length === 1 && '+-_=.#~!*%&'.includes(text)) ? text : undefined),
    format: (value) => value,
  },
  quotaBytes: {
    explain: 'room of new users: bytes, or a number with K, M, G or T (of 1024)',
    standard: 'unlimited',
    parse: bytes,
    format: (value) => `${value}`,
  },
  quotaMessages: {
    explain: 'messages that new users may keep',
    standard: 'unlimited',
    parse: count,
    format: (value) => `${value}`,
  },
  suppression: {
    explain: 'on or off: whether addresses that do not exist any more go on the suppression list by themselves',
    standard: 'off',
    ...onOff,
  },
  returnPath: {
    explain: 'on or off: whether mail leaves under a signed return path, so that late bounces find their message',
    standard: 'off',
    ...onOff,
  },
  passBounces: {
    explain: 'on or off: whether late bounces also go to the mailbox of who sent the message',
    standard: 'on',
    ...onOff,
  },
  srs: {
    explain: 'on or off: whether what is forwarded to others leaves under a rewritten sender, so that SPF holds',
    standard: 'on',
    ...onOff,
  },
  dmarc: {
    explain:
      'enforce, quarantine, junk or record: whether mail that fails DMARC is refused or goes to Junk, as its domain asks, goes to the quarantine or to Junk in both cases, or is only marked',
    standard: 'enforce',
    ...oneWord('enforce', 'quarantine', 'junk', 'record'),
  },
  ...verdictSettings,
  userVerdicts: {
    explain:
      "none, spam or all: which settings of users count before the domain's: none, those about spam, or virus too",
    standard: 'spam',
    ...oneWord('none', 'spam', 'all'),
  },
  quarantineDays: {
    explain: 'days that mail stays in the quarantine, 1 to 365',
    standard: '30',
    parse: (text) => ((toCount(text) ?? 0) > 0 && (toCount(text) ?? 0) <= 365 ? toCount(text) : undefined),
    format: (value) => `${value}`,
  },
  dmarcReports: {
    explain:
      'on or off: whether mail to the domain is counted in the daily reports that the domains of its authors ask for',
    standard: 'on',
    ...onOff,
  },
  dmarcFailureReports: {
    explain:
      "off, on or subject: whether the author's domain is told of each message that fails, without names and text, and with its subject",
    standard: 'off',
    parse: (text) => (text === 'off' || text === 'on' || text === 'subject' ? text : undefined),
    format: (value) => value,
  },
  dkimRotation: {
    explain: 'days after which new DKIM keys are made by themselves; they wait until their records are published',
    standard: 'never',
    parse: (text) => ((toCount(text) ?? 0) >= 7 && (toCount(text) ?? 0) <= 3_650 ? toCount(text) : undefined),
    format: (value) => `${value}`,
  },
  classifier: {
    explain: 'on or off: whether the built-in spam filter looks at mail from outside',
    standard: 'on',
    ...onOff,
  },
  spamThreshold: {
    explain: 'from how many percent on the built-in filter takes mail for spam: 50 to 100',
    standard: '90',
    parse: (text) => toPercent(text),
    format: (value) => `${value}`,
  },
  mtaSts: {
    explain:
      'enforce, testing or none: what the MTA-STS policy that we serve for the domain asks of others: TLS with our certificate or no delivery, only reports, or nothing any more',
    standard: 'no policy is served',
    parse: (text) => (text === 'enforce' || text === 'testing' || text === 'none' ? text : undefined),
    format: (value) => value,
  },
  mtaStsMx: {
    explain: 'mail servers that the MTA-STS policy names beside this one, as mx2.example.net,*.example.org',
    standard: 'none',
    parse: (text) => parseHosts(text),
    format: (value) => value.join(','),
  },
  backupMx: {
    explain: 'on or off: whether mail for the domain is taken for its own mail servers and sent on to them',
    standard: 'off',
    ...onOff,
  },
  backupFor: {
    explain: 'as backup MX: the only local parts that are taken, as ann,bob, or empty for all',
    standard: 'all',
    parse: (text) => parseLocals(text),
    format: (value) => value.join(','),
  },
  backupDays: {
    explain: "as backup MX: days that mail waits for the domain's own servers",
    standard: 'as queue.lifetime',
    parse: (text) => ((toCount(text) ?? 0) > 0 && (toCount(text) ?? 0) <= 365 ? toCount(text) : undefined),
    format: (value) => `${value}`,
  },
  userPerHour: {
    explain: 'recipients that each user may write to in an hour, or unlimited',
    standard: '500',
    ...allowance,
  },
  domainPerHour: {
    explain: 'recipients that all users of the domain together may write to in an hour, or unlimited',
    standard: '5000',
    ...allowance,
  },
  strangerPerMinute: {
    explain:
      'recipients of the domain that one unauthenticated address may name in a minute, by its history, or unlimited',
    standard: '200',
    ...allowance,
  },
  greylist: {
    explain: 'on or off: whether mail of unknown senders that neither SPF nor DMARC vouches for is to come again',
    standard: 'on',
    ...onOff,
  },
  greylistDelay: {
    explain: 'seconds after which such mail may come again, 1 to 3600',
    standard: '60',
    parse: (text) => ((toCount(text) ?? 0) > 0 && (toCount(text) ?? 0) <= 3_600 ? toCount(text) : undefined),
    format: (value) => `${value}`,
  },
} satisfies { [K in keyof Required<DomainSettings>]: Setting<Required<DomainSettings>[K]> }

export type DomainSettingKey = keyof typeof domainSettings

/**
 * One `KEY=VALUE` of `posthorn domain set` as a change for `setDomain`; the value `default` takes the setting away (it is undefined then).
 * Fault `invalid` names the key and what was expected.
 */
export function parseDomainSetting(key: string, value: string): DomainSettings {
  if (!isKey(key))
    throw new Fault('invalid', `there is no setting ${key}; there are ${Object.keys(domainSettings).join(', ')}`)
  if (value === 'default') return { [key]: undefined }
  const parsed = domainSettings[key].parse(value)
  if (parsed === undefined) throw new Fault('invalid', `${key}: ${value} is not ${domainSettings[key].explain}`)
  return { [key]: parsed }
}

/** The settings that are set, as `KEY=VALUE`. */
export function formatDomainSettings(settings: DomainSettings): string[] {
  return Object.entries(settings).flatMap(([key, value]) => {
    if (!isKey(key) || value === undefined) return []
    const format: (value: never) => string = domainSettings[key].format
    return [`${key}=${format(value as never)}`]
  })
}

/** Settings that came as a value from a caller; Fault `invalid` as parseDomainSetting. */
export function checkDomainSettings(settings: DomainSettings): DomainSettings {
  const checked = Object.entries(settings).map(([key, value]) =>
    parseDomainSetting(key, value?.toString() ?? 'default'),
  )
  return Object.assign({}, ...checked) as DomainSettings
}

function isKey(key: string): key is DomainSettingKey {
  return Object.hasOwn(domainSettings, key)
}

const maxLocals = 1_000

function parseLocals(text: string): readonly string[] | undefined {
  const locals = text
    .split(',')
    .map((local) => local.trim())
    .filter(Boolean)
  const right = locals.every((local) => parseAddress(`${local}@a.test`) !== undefined)
  return right && locals.length <= maxLocals ? locals.map(normaliseLocal) : undefined
}

const maxHosts = 20

/** Hosts, or `*.` and a domain (RFC 8461 §4.1). */
function parseHosts(text: string): readonly string[] | undefined {
  const hosts = text
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean)
  const ascii = hosts.map((host) => (host.startsWith('*.') ? `*.${toAscii(host.slice(2)) ?? ''}` : toAscii(host)))
  const right = ascii.every((host) => host !== undefined && host !== '*.')
  return right && hosts.length <= maxHosts ? (ascii as readonly string[]) : undefined
}

/** A whole number from 0 on; undefined when it is none. */
export function toCount(text: string): number | undefined {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

/** How sure the built-in spam filter must be, in percent. */
function toPercent(text: string): number | undefined {
  const number = toCount(text)
  return number !== undefined && number >= 50 && number <= 100 ? number : undefined
}

const units = 'KMGT'

/** `500`, `20K`, `1.5G`: bytes. Undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const unit = units.indexOf(text.slice(-1).toUpperCase() || ' ')
  if (unit < 0) return toCount(text)
  const number = text.length > 1 ? Number(text.slice(0, -1)) : Number.NaN
  const size = Math.round(number * 1024 ** (unit + 1))
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
