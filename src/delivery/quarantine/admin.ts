// The quarantine for people: `posthorn quarantine`, later the web.

import type { AccountReads } from '../../accounts/index.ts'
import { toAscii } from '../../address/index.ts'
import { type AccountId, type DomainId, Fault, isFault } from '../../base/index.ts'
import { domainRows, quarantineRows, type Reader } from '../../store/index.ts'
import { type LetOutParts, release, remove } from './let-out.ts'
import { previewOf } from './preview.ts'
import type { QuarantineAdmin, QuarantineAnswer, Quarantined } from './types.ts'

export interface QuarantineAdminParts extends LetOutParts {
  readonly accounts: Pick<AccountReads, 'account' | 'findUser' | 'domains'>
}

const usualList = 100
const maxList = 1_000
const maxIds = 1_000

export function createQuarantineAdmin(parts: QuarantineAdminParts): QuarantineAdmin {
  const { store } = parts
  return {
    async list({ domain, user, before = Number.MAX_SAFE_INTEGER, limit = usualList } = {}) {
      const account = user === undefined ? undefined : await knownUser(parts, user)
      const most = Math.min(Math.max(1, limit), maxList)
      const rows = await store.read(async (tx) => {
        const id = domain === undefined ? undefined : await knownDomain(tx, domain)
        return quarantineRows.list(tx, { domain: id, account, before }, most + 1)
      })
      const shown = rows.slice(0, most)
      const entries = await toEntries(parts, shown)
      return rows.length > most ? { entries, next: shown.at(-1)!.id } : { entries }
    },
    async show(id) {
      const [row] = await store.read((tx) => quarantineRows.list(tx, { before: id + 1 }, 1))
      if (row?.id !== id) throw new Fault('not-found', `there is no message ${id} in the quarantine`)
      const [entry] = await toEntries(parts, [row])
      const shown = await previewOf(store, row.content)
      return { ...entry!, header: shown?.header ?? [], lines: shown?.lines ?? [] }
    },
    release: (ids, by) => each(ids, (id) => release(parts, id, by)),
    remove: (ids, by) => each(ids, (id) => remove(parts, id, by)),
  }
}

async function each(ids: readonly number[], work: (id: number) => Promise<string>): Promise<QuarantineAnswer[]> {
  if (ids.length > maxIds) throw new Fault('limit', `at most ${maxIds} messages at once`)
  const answers: QuarantineAnswer[] = []
  for (const id of ids)
    try {
      answers.push({ id, to: await work(id) })
    } catch (error) {
      if (!isFault(error) || error.code === 'internal') throw error
      answers.push({ id, error: error.message })
    }
  return answers
}

async function knownUser({ accounts }: QuarantineAdminParts, text: string): Promise<AccountId> {
  const found = await accounts.findUser(text)
  if (!found) throw new Fault('not-found', `there is no user ${text}`)
  return found.id
}

async function knownDomain(tx: Reader, text: string): Promise<DomainId> {
  const found: Pick<domainRows.DomainRow, 'id'> | undefined = await domainRows.findTarget(
    tx,
    toAscii(text.trim()) ?? '',
  )
  if (!found) throw new Fault('not-found', `there is no domain ${text} here`)
  return found.id
}

async function toEntries(
  { accounts }: QuarantineAdminParts,
  rows: readonly quarantineRows.ListedRow[],
): Promise<Quarantined[]> {
  if (rows.length === 0) return []
  const domains = new Map((await accounts.domains()).map(({ id, name }) => [id, name] as const))
  const users = new Map<AccountId, string | undefined>()
  for (const { account } of rows)
    if (account !== null && !users.has(account)) users.set(account, (await accounts.account(account))?.email)
  return rows.map((row) => {
    const user = row.account === null ? undefined : users.get(row.account)
    return {
      id: row.id,
      trace: row.trace,
      to: row.address,
      domain: domains.get(row.domain as DomainId) ?? '',
      ...(user !== undefined && { user }),
      sender: row.sender ?? '',
      from: row.author,
      subject: row.subject,
      size: row.size,
      kind: row.kind as Quarantined['kind'],
      reasons: JSON.parse(row.reasons) as string[],
      receivedAt: row.received_at,
      expiresAt: row.expires_at,
    }
  })
}
