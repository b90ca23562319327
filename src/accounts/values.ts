// Rows of the store as the values that accounts hands out. No decision is made here.

import { formatAddress } from '../address/index.ts'
import type { accountRows, aliasRows, domainRows } from '../store/index.ts'
import type { Account, AccountSettings, Alias, Domain, DomainSettings } from './types.ts'

export function toDomain(row: domainRows.DomainRow): Domain {
  const settings = JSON.parse(row.settings) as DomainSettings
  return { id: row.id, name: row.name, ...(row.alias_of === null ? {} : { aliasOf: row.alias_of }), settings }
}

export function toAccount(row: accountRows.AccountRow): Account {
  return {
    id: row.id,
    email: formatAddress(row),
    name: row.name,
    disabled: row.disabled !== 0,
    admin: row.admin !== 0,
    ...(row.quota_bytes === null ? {} : { quotaBytes: row.quota_bytes }),
    ...(row.quota_messages === null ? {} : { quotaMessages: row.quota_messages }),
    usedBytes: row.used_bytes,
    usedMessages: row.used_messages,
    settings: JSON.parse(row.settings ?? '{}') as AccountSettings,
  }
}

export function toAlias(row: aliasRows.AliasRow): Alias {
  const address = row.local === '' ? `@${row.domain}` : formatAddress(row)
  return { id: row.id, address, destinations: JSON.parse(row.destinations) as string[] }
}
