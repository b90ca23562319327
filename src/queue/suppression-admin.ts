// The suppression lists for people: `posthorn suppression`, later the API and the web.

import { type Address, addressKey, parseAddress, toAscii } from '../address/index.ts'
import { type Clock, Fault } from '../base/index.ts'
import { domainRows, type Reader, type Store, suppressionRows } from '../store/index.ts'
import { toSuppression } from './suppression.ts'
import { oneLine } from './transmit.ts'
import type { NewSuppression, Suppression, SuppressionAdmin } from './types.ts'

/** Rows read at once, and entries that one call takes. */
const page = 1_000
const maxList = 1_000

export function createSuppressionAdmin({
  store,
  clock,
}: {
  readonly store: Store
  readonly clock: Clock
}): SuppressionAdmin {
  return {
    async list({ domain, class: kind, source, search = '', after = 0, limit = 100, counted = false }) {
      const target = await store.read((tx) => known(tx, domain))
      const wanted = (row: suppressionRows.SuppressionRow) =>
        (kind === undefined || row.class === kind) &&
        (source === undefined || row.source === source) &&
        row.address.includes(search.toLowerCase()) &&
        (counted || (row.active === 1 && (row.expires_at === null || row.expires_at > clock.now())))
      const entries: Suppression[] = []
      const most = Math.min(limit, maxList)
      for (let from = after; ; ) {
        const rows = await store.read((tx) => suppressionRows.list(tx, target.id, from, page))
        for (const row of rows) {
          if (!wanted(row)) continue
          if (entries.length === most) return { entries, next: entries.at(-1)!.id }
          entries.push(toSuppression(target.name, row))
        }
        if (rows.length < page) return { entries }
        from = rows.at(-1)!.id
      }
    },
    async find(domain, address) {
      const key = addressKey(parse(address))
      return store.read(async (tx) => {
        const target = await known(tx, domain)
        const row = await suppressionRows.find(tx, target.id, key)
        return row && toSuppression(target.name, row)
      })
    },
    async add(domain, entries, by) {
      if (entries.length > maxList) throw new Fault('limit', `at most ${maxList} addresses at once`)
      return store.write('server', async (tx) => {
        const target = await known(tx, domain)
        const answers = []
        for (const entry of entries) {
          const address = parseAddress(entry.address)
          if (address) await suppressionRows.put(tx, toRow(target.id, address, entry, by, tx.now))
          answers.push({ address: entry.address, ...(!address && { error: 'this is not an e-mail address' }) })
        }
        tx.ring('suppression')
        return answers
      })
    },
    async remove(domain, addresses) {
      if (addresses.length > maxList) throw new Fault('limit', `at most ${maxList} addresses at once`)
      const keys = addresses.map((text) => addressKey(parse(text)))
      return store.write('server', async (tx) => {
        const target = await known(tx, domain)
        tx.ring('suppression')
        return suppressionRows.remove(tx, target.id, keys)
      })
    },
  }
}

function toRow(
  domain: suppressionRows.SuppressionRow['domain'],
  address: Address,
  { class: kind = 'manual', reason = '', expiresAt }: NewSuppression,
  by: string,
  now: number,
): Omit<suppressionRows.SuppressionRow, 'id'> {
  return {
    domain,
    address: addressKey(address),
    class: kind,
    source: 'hand',
    reason: oneLine(reason),
    created_by: oneLine(by),
    active: 1,
    times: 1,
    first_at: now,
    last_at: now,
    expires_at: expiresAt ?? null,
  }
}

async function known(tx: Reader, text: string): Promise<Pick<domainRows.DomainRow, 'id' | 'name'>> {
  const found = await domainRows.findTarget(tx, toAscii(text.trim()) ?? '')
  if (!found) throw new Fault('not-found', `there is no domain ${text} here`)
  return found
}

function parse(text: string): Address {
  const address = parseAddress(text)
  if (!address) throw new Fault('invalid', `${JSON.stringify(text)} is not an e-mail address`)
  return address
}
