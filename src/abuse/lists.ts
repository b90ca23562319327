// The lists of whom to let in and whom to keep out, as the way of each message asks them: everybody's, the recipient's domain's, his own.
// The nearest list that says anything decides, and in it the most exact word.

import type { DomainPolicies } from '../accounts/index.ts'
import { type Address, addressKey, parseAddress, toAscii } from '../address/index.ts'
import { type AccountId, type Clock, Fault } from '../base/index.ts'
import { abuseListRows, type ReadStore } from '../store/index.ts'
import { createPresence } from './bans.ts'
import { networksAround, toNetwork } from './networks.ts'
import type { ListAction } from './types.ts'

export interface ListQuestion {
  /** Absent: lists of networks do not speak of this client. */
  readonly ip?: string
  /** Null: the null sender. */
  readonly from: Address | null
  /** The recipient. */
  readonly to: Address
  /** Who has his mail. */
  readonly accounts: readonly AccountId[]
}
export interface ListVerdict {
  readonly action: ListAction
  /** What stands in the list. */
  readonly value: string
}

export interface ListReads {
  /** Whether anybody has a list. */
  any(): Promise<boolean>
  judge(question: ListQuestion): Promise<ListVerdict | undefined>
}

export function createListReads(parts: {
  readonly store: ReadStore
  readonly policies: DomainPolicies
  readonly clock: Clock
}): ListReads {
  const { store, policies } = parts
  const presence = createPresence(parts, 'abuse', abuseListRows.hasAny)
  return {
    any: presence.any,
    async judge({ ip, from, to, accounts }) {
      if (!(await presence.any())) return undefined
      const values = valuesOf(from, ip)
      const asked = accounts.slice(0, maxAccounts)
      const rows = await store.read(async (tx) => {
        const domain = await policies.of(tx, to.domain)
        return abuseListRows.matching(tx, values, domain ? [domain.id] : [], asked)
      })
      return decide(rows, asked)
    },
  }
}

/** Users behind one address whose lists are asked. */
const maxAccounts = 100

/** Everything that a list may have of a sender, the most exact first. */
export function valuesOf(from: Address | null, ip: string | undefined): string[] {
  const values = ip === undefined ? [] : networksAround(ip)
  if (!from) return values
  const labels = from.domain.split('.')
  const above = labels.slice(1).map((_, i) => `.${labels.slice(i + 1).join('.')}`)
  return [addressKey(from), from.domain, `.${from.domain}`, ...above, ...values]
}

/** How exact a value is; senders before networks, who can only be guessed at. */
function exactness(value: string): number {
  if (value.includes('@')) return 10_000
  if (toNetwork(value) !== undefined) return Number(value.split('/')[1] ?? 128)
  return value.startsWith('.') ? 1_000 + value.length : 5_000
}

function decide(rows: readonly abuseListRows.ListRow[], accounts: readonly AccountId[]): ListVerdict | undefined {
  const best = (wanted: (row: abuseListRows.ListRow) => boolean): ListVerdict | undefined => {
    const found = rows.filter(wanted).sort((a, b) => exactness(b.value) - exactness(a.value))[0]
    return found && { action: found.action as ListAction, value: found.value }
  }
  const own = accounts.map((account) => best((row) => row.account === account))
  // Of several users behind one address one who wants the mail is enough.
  const allowed = own.find((one) => one?.action === 'allow')
  if (allowed) return allowed
  if (own.length > 0 && own.every((one) => one?.action === 'block')) return own[0]
  return best((row) => row.account === 0 && row.domain !== 0) ?? best((row) => row.account === 0 && row.domain === 0)
}

/** What somebody types into a list, in its one spelling; Fault `invalid` when it is none of what a list may have. */
export function toListValue(text: string): string {
  const value = text.trim()
  const network = toNetwork(value)
  if (network !== undefined) return network
  const address = value.startsWith('@') ? undefined : parseAddress(value)
  if (address) return addressKey(address)
  const below = value.startsWith('.')
  const domain = toAscii(value.slice(below || value.startsWith('@') ? 1 : 0))
  if (domain === undefined || value.includes('/'))
    throw new Fault('invalid', `${text} is no address, domain, .domain (all below it) or network`)
  return below ? `.${domain}` : domain
}
