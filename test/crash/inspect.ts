// Opens what a killed server left behind and says what is in it and what is wrong with it.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { realClock, silentLog } from '../../src/base/index.ts'
import { sweepContents } from '../../src/jobs/index.ts'
import { checkMail, createMailReads } from '../../src/mail/index.ts'
import { blobRows, jobRows, mailboxRows, openStore, queueRows } from '../../src/store/index.ts'
import { type Installation, run } from '../server.ts'

export interface Found {
  /** All messages in all mailboxes by their subjects, each as often as it is there. */
  readonly arrivals: readonly Arrival[]
  /** Recipients that wait in the queue. */
  readonly queued: number
  readonly problems: readonly string[]
}

export interface Arrival {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export type Opened = Awaited<ReturnType<typeof openStore>>

/** Opens the store that is left in a data folder which no server uses. */
export function openLeft(data: string): Promise<Opened> {
  return openStore({
    store: 'sqlite',
    data,
    clock: realClock,
    log: silentLog,
    onFatal: (error) => {
      throw error
    },
  })
}

/** What is wrong with it. Sweeps first, as the server would an hour later. */
export async function findProblems(store: Opened, data: string): Promise<string[]> {
  await sweepContents(store, { olderThanMs: -1_000 })
  return [...(await store.check()), ...(await checkMail(store)), ...(await strayFiles(store, data))]
}

/** The server must not run. */
export const inspect = ({ data }: Installation): Promise<Found> => inspectData(data)

/** The same by a process of its own, which may see another file system. */
export async function inspectBy(by: readonly string[], data: string): Promise<Found> {
  const [command, ...args] = [...by, process.execPath, import.meta.filename, data]
  const ran = await run(command!, args)
  if (ran.code !== 0) throw new Error(`inspecting ${data}: ${ran.stderr}`)
  return JSON.parse(ran.stdout)
}

async function inspectData(data: string): Promise<Found> {
  const store = await openLeft(data)
  try {
    const problems = await findProblems(store, data)
    const queued = await store.read((tx) => queueRows.counts(tx))
    return { arrivals: await arrivals(store), queued: queued.recipients, problems }
  } finally {
    await store.close()
  }
}

async function arrivals(store: Opened): Promise<Arrival[]> {
  const mail = createMailReads(store)
  const found: Arrival[] = []
  for (const { id } of await store.read((tx) => mailboxRows.accounts(tx, 0)))
    for (const mailbox of await mail.mailboxes(id as never))
      for (let after = 1; after < mailbox.uidNext; ) {
        const rows = await mail.facts(mailbox.id, [[after, mailbox.uidNext]], ['subject', 'receivedAt'])
        if (rows.length === 0) break
        found.push(...rows.map((row) => ({ id: row.subject!, at: row.receivedAt! })))
        after = rows.at(-1)!.uid + 1
      }
  return found
}

/** Files that neither a row nor a waiting job to unlink them names. */
async function strayFiles(store: Opened, data: string): Promise<string[]> {
  const tmp = readdirSync(join(data, 'blobs', 'tmp')).map((name) => `blobs/tmp/${name} is left over`)
  const files = await store.blobs.list(-1_000)
  const used = await store.read((tx) => blobRows.filesInUse(tx, files))
  const jobs = await store.read((tx) => jobRows.payloadsOf(tx, 'unlink-blobs', 1_000))
  const leaving = new Set(jobs.flatMap((payload) => (JSON.parse(payload) as { files: string[] }).files))
  return [
    ...tmp,
    ...files.filter((file) => !used.has(file) && !leaving.has(file)).map((file) => `no row names the file ${file}`),
  ]
}

if (process.argv[1] === import.meta.filename) process.stdout.write(JSON.stringify(await inspectData(process.argv[2]!)))
