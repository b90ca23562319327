// What may be changed of a user: one table of keys that explains them, reads `KEY=VALUE` as a change and writes it. Knows no store.

import { Fault } from '../base/index.ts'
import { domainSettings, parseSize, toAllowance, toCount } from './settings.ts'
import type { Account, AccountSettings, AccountWrites } from './types.ts'

/** As `updateAccount` takes it. */
export type AccountChange = Parameters<AccountWrites['updateAccount']>[1]

interface Setting {
  /** One line for people: what it does, what may be given. */
  readonly explain: string
  /** What holds when nothing is set. */
  readonly standard: string
  /** Undefined when the text has no meaning here. Addresses are checked where they are written. */
  parse(text: string): AccountChange | undefined
  /** As it is given; empty: not set. */
  format(account: Account): string
}

const truths: Readonly<Record<string, boolean>> = { true: true, false: false }

/** Every key of `posthorn user set`. */
export const accountSettings = {
  name: {
    explain: 'the display name',
    standard: 'empty',
    parse: (name) => ({ name }),
    format: ({ name }) => name,
  },
  quota: {
    explain: 'room for mail: bytes, or a number with K, M, G or T (of 1024), or none',
    standard: 'none',
    parse: (text) => limit(parseSize, text, (quotaBytes) => ({ quotaBytes })),
    format: ({ quotaBytes }) => `${quotaBytes ?? ''}`,
  },
  quotaMessages: {
    explain: 'messages that may be kept, or none for no limit',
    standard: 'none',
    parse: (text) => limit(toCount, text, (quotaMessages) => ({ quotaMessages })),
    format: ({ quotaMessages }) => `${quotaMessages ?? ''}`,
  },
  forward: {
    explain: 'addresses, with commas, that get everything that arrives, or none',
    standard: 'none',
    parse: (text) => ({ settings: { forward: text === 'none' ? [] : text.split(',').map((one) => one.trim()) } }),
    format: ({ settings }) => settings.forward?.join(',') ?? '',
  },
  keepCopy: {
    explain: 'true or false: whether the mailbox keeps a copy of what is forwarded',
    standard: 'true',
    parse: (text) => truth(text, (keepCopy) => ({ settings: { keepCopy } })),
    format: ({ settings }) => `${settings.keepCopy ?? ''}`,
  },
  saveSent: {
    explain: 'true or false: whether mail that the user sends over SMTP is filed in Sent',
    standard: 'false',
    parse: (text) => truth(text, (saveSent) => ({ settings: { saveSent } })),
    format: ({ settings }) => `${settings.saveSent ?? ''}`,
  },
  'imap.hide': {
    explain:
      'extensions of IMAP, with commas, that no client of this user is offered, such as NOTIFY,COMPRESS, or none',
    standard: 'none',
    parse: (text) => {
      const imapHide =
        text === 'none'
          ? []
          : text
              .toUpperCase()
              .split(',')
              .map((one) => one.trim())
      return imapHide.length <= maxHidden && imapHide.every(isCapability) ? { settings: { imapHide } } : undefined
    },
    format: ({ settings }) => settings.imapHide?.join(',') ?? '',
  },
  spam: ofDomainToo('spam'),
  spamScore: ofDomainToo('spamScore'),
  spamRejectScore: ofDomainToo('spamRejectScore'),
  virus: ofDomainToo('virus'),
  quarantineDigest: ofDomainToo('quarantineDigest'),
  classifier: ofDomainToo('classifier'),
  spamThreshold: ofDomainToo('spamThreshold'),
  perHour: {
    explain: 'recipients that the user may write to in an hour, unlimited, or none for what his domain says',
    standard: 'none',
    parse: (text) => {
      const perHour = text === 'none' ? undefined : toAllowance(text)
      return text === 'none' || perHour !== undefined ? { settings: { perHour } } : undefined
    },
    format: ({ settings }) => `${settings.perHour ?? ''}`,
  },
  admin: {
    explain: 'true or false: whether the user may administer the server',
    standard: 'false',
    parse: (text) => truth(text, (admin) => ({ admin })),
    format: ({ admin }) => (admin ? 'true' : ''),
  },
} satisfies Readonly<Record<string, Setting>>

/** A setting that the user's domain has too; `default` takes it away. */
function ofDomainToo(key: keyof typeof domainSettings & keyof AccountSettings): Setting {
  const { explain, parse, format } = domainSettings[key]
  return {
    explain: `${explain}; or default`,
    standard: "the domain's",
    parse(text) {
      if (text === 'default') return { settings: { [key]: undefined } }
      const value = parse(text)
      return value === undefined ? undefined : { settings: { [key]: value } }
    },
    format({ settings }) {
      const value = settings[key]
      return value === undefined ? '' : (format as (value: never) => string)(value as never)
    },
  }
}

/** There are some eighty names. */
const maxHidden = 100
const isCapability = (text: string) => /^[A-Z0-9][A-Z0-9=+-]{0,63}$/.test(text)

type Key = keyof typeof accountSettings

/** One `KEY=VALUE` of `posthorn user set` as a change for `updateAccount`. Fault `invalid` names the key and what was expected. */
export function parseAccountSetting(key: string, value: string): AccountChange {
  if (!Object.hasOwn(accountSettings, key))
    throw new Fault('invalid', `there is no setting ${key}; there are ${Object.keys(accountSettings).join(', ')}`)
  const setting: Setting = accountSettings[key as Key]
  const change = setting.parse(value)
  if (!change) throw new Fault('invalid', `${key}: ${value} is not ${setting.explain}`)
  return change
}

/** Several changes as one; of the same key the last holds. */
export function joinAccountChanges(changes: readonly AccountChange[]): AccountChange {
  const settings = Object.assign({}, ...changes.map((change) => change.settings)) as AccountChange['settings']
  return { ...(Object.assign({}, ...changes) as AccountChange), ...(Object.keys(settings!).length > 0 && { settings }) }
}

/** What is set, as `KEY=VALUE`. */
export function formatAccountSettings(account: Account): string[] {
  return Object.entries<Setting>(accountSettings).flatMap(([key, { format }]) => {
    const text = format(account)
    return text === '' ? [] : [`${key}=${text}`]
  })
}

function limit(
  parse: (text: string) => number | undefined,
  text: string,
  change: (value: number | null) => AccountChange,
): AccountChange | undefined {
  if (text === 'none') return change(null)
  const value = parse(text)
  return value === undefined ? undefined : change(value)
}

function truth(text: string, change: (value: boolean) => AccountChange): AccountChange | undefined {
  const value = Object.hasOwn(truths, text) ? truths[text] : undefined
  return value === undefined ? undefined : change(value)
}
