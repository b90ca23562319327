// The settings of a domain: one table of keys that validates, explains and writes them. Knows no store.

import { normaliseLocal, parseAddress, toAscii } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import { defaultDetail } from './resolve.ts'
import type { DomainSettings } from './types.ts'

interface Setting<T> {
  /** One line for people: what it does, what may be given. */
  readonly explain: string
  /** What holds when nothing is set. */
  readonly standard: string
  /** Undefined when the text has no meaning here. */
  parse(text: string): T | undefined
  format(value: T): string
}

const bytes: Setting<number>['parse'] = (text) => parseSize(text)
const count: Setting<number>['parse'] = (text) => toCount(text)
const switches: Readonly<Record<string, boolean>> = { on: true, off: false, true: true, false: false }
const onOff: Pick<Setting<boolean>, 'parse' | 'format'> = {
  parse: (text) => (Object.hasOwn(switches, text) ? switches[text] : undefined),
  format: (value) => (value ? 'on' : 'off'),
}

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
      'enforce, junk or record: whether mail that fails DMARC is refused or goes to Junk, as its domain asks, goes to Junk in both cases, or is only marked',
    standard: 'enforce',
    parse: (text) => (text === 'enforce' || text === 'junk' || text === 'record' ? text : undefined),
    format: (value) => value,
  },
  dkimRotation: {
    explain: 'days after which new DKIM keys are made by themselves; they wait until their records are published',
    standard: 'never',
    parse: (text) => ((toCount(text) ?? 0) >= 7 && (toCount(text) ?? 0) <= 3_650 ? toCount(text) : undefined),
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

const units = 'KMGT'

/** `500`, `20K`, `1.5G`: bytes. Undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const unit = units.indexOf(text.slice(-1).toUpperCase() || ' ')
  if (unit < 0) return toCount(text)
  const number = text.length > 1 ? Number(text.slice(0, -1)) : Number.NaN
  const size = Math.round(number * 1024 ** (unit + 1))
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
