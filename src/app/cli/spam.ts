// posthorn spam test | stats | forget

import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import type { SpamStats, SpamTest } from '../../filters/index.ts'
import type { AdminServices } from '../services.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, exitCodes, formatTable } from './output.ts'

interface OfUser extends Shared {
  readonly user?: string
}

/** Bytes of a file that the filter looks at. */
const sampleBytes = 131_072

export function spamCommands(program: Command): void {
  const spam = program.command('spam').description('the built-in spam filter: what it says, what it has learnt')

  command(
    spam,
    'test <file>',
    'says how the filter sees the message in a file, and which of its words count; - reads standard input',
  )
    .option('--user <email>', 'as this user has taught it')
    .action(async (file: string, options: OfUser) => {
      const { bytes, size } = await readStart(file)
      const found = await withServices(options, async ({ spam: admin, queries }) => {
        const account = options.user === undefined ? undefined : await idOf(queries, options.user)
        return admin.test(bytes.toString('base64'), size, account)
      })
      outputOf(options).result(found, formatTest)
    })

  command(spam, 'stats', 'says how much users have taught the filter')
    .option('--user <email>', 'only this one')
    .action(async (options: OfUser) => {
      const found = await withServices(options, ({ spam: admin, queries }) => readStats(admin, queries, options.user))
      outputOf(options).result(found, (list) =>
        formatTable(
          ['user', 'spam', 'good', 'tokens', 'sure', 'changed'],
          list.map(toRow),
          'nobody has taught it anything',
        ),
      )
    })

  command(spam, 'forget', 'forgets what a user has taught the filter')
    .requiredOption('--user <email>', 'whose')
    .action(async (options: OfUser & { readonly user: string }) => {
      await withServices(options, async ({ spam: admin, queries }) => admin.forget(await idOf(queries, options.user)))
      outputOf(options).result(
        { forgotten: options.user },
        () => `forgotten what ${options.user} has taught the spam filter`,
      )
    })
}

async function idOf(queries: AdminServices['queries'], user: string) {
  const account = await queries.findAccount(user)
  if (!account) throw new CommandError(`there is no user ${user}`, exitCodes.refused)
  return account.id
}

type UserStats = SpamStats & { readonly user: string }

async function readStats(
  admin: AdminServices['spam'],
  queries: AdminServices['queries'],
  user: string | undefined,
): Promise<UserStats[]> {
  if (user !== undefined) return [{ user, ...(await admin.stats(await idOf(queries, user))) }]
  const all: UserStats[] = []
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page: Awaited<ReturnType<typeof queries.accounts>> = await queries.accounts({ after })
    for (const { id, email } of page) {
      const stats = await admin.stats(id)
      if (stats.changedAt !== undefined) all.push({ user: email, ...stats })
    }
    after = page.at(-1)?.email
  }
  return all
}

function toRow({ user, spam, ham, tokens, known, changedAt }: UserStats): (string | number)[] {
  return [
    user,
    spam,
    ham,
    tokens,
    known ? 'yes' : 'no',
    changedAt === undefined ? '' : new Date(changedAt).toISOString().slice(0, 10),
  ]
}

function formatTest({ score = 0, threshold = 0, action, tokens }: SpamTest): string {
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`
  const verdict = `${action === 'junk' ? 'spam' : 'no spam'}: ${percent(score)} (spam from ${percent(threshold)} on)`
  const rows = tokens.filter(({ weight }) => weight !== 0).slice(0, 25)
  const lines = rows.map(
    ({ token, weight }) => `${`${weight > 0 ? '+' : ''}${weight.toFixed(2)}`.padStart(7)}  ${token}`,
  )
  return [verdict, ...lines].join('\n')
}

async function readStart(file: string): Promise<{ bytes: Buffer; size: number }> {
  if (file === '-') {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of process.stdin) {
      if (size < sampleBytes) chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
    }
    return { bytes: Buffer.concat(chunks).subarray(0, sampleBytes), size }
  }
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(Math.min(size, sampleBytes))
    await handle.read(bytes, 0, bytes.length, 0)
    return { bytes, size }
  } finally {
    await handle.close()
  }
}
