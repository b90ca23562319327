// posthorn queue list | show | retry | hold | release | remove

import type { Command } from 'commander'
import type { QueuedMessage } from '../../queue/index.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatBytes, formatSpan, formatTable } from './output.ts'

export function queueCommands(program: Command): void {
  const queue = program.command('queue').description('mail on its way out')

  command(queue, 'list', 'shows what waits, and why')
    .option('--limit <n>', 'at most so many messages', '100')
    .option('--after <id>', 'continue after this message')
    .action(async (options: Shared & { limit: string; after?: string }) => {
      const page = { limit: toId(options.limit), ...(options.after && { after: toId(options.after) }) }
      const found = await withServices(options, ({ queue }) => queue.list(page))
      outputOf(options).result(found, () =>
        formatTable(
          ['id', 'age', 'size', 'from', 'to', 'state', 'next', 'tries', 'why', 'reason'],
          found.flatMap(rows),
          'the queue is empty',
        ),
      )
    })

  command(queue, 'show <id>', 'shows one message with its header').action(async (id: string, options: Shared) => {
    const found = await withServices(options, ({ queue }) => queue.show(toId(id)))
    outputOf(options).result(found, () => {
      const table = formatTable(
        ['to', 'state', 'next', 'tries', 'why', 'reason'],
        rows(found).map((row) => row.slice(4)),
        '',
      )
      return `message ${found.id} from ${found.sender || '<>'}, ${formatBytes(found.size)}\n${table}\n\n${found.header.trimEnd()}`
    })
  })

  command(queue, 'retry [id]', 'tries one message, or all that are not held, at once').action(
    async (id: string | undefined, options: Shared) => {
      const count = await withServices(options, ({ queue }) => queue.retry(id === undefined ? undefined : toId(id)))
      outputOf(options).result({ recipients: count }, () => `${counted(count)} will be tried now`)
    },
  )
  command(queue, 'hold <id>', 'keeps a message from being tried').action(async (id: string, options: Shared) => {
    const count = await withServices(options, ({ queue }) => queue.hold(toId(id)))
    outputOf(options).result({ recipients: count }, () => `${counted(count)} held`)
  })
  command(queue, 'release <id>', 'lets a held message go on').action(async (id: string, options: Shared) => {
    const count = await withServices(options, ({ queue }) => queue.release(toId(id)))
    outputOf(options).result({ recipients: count }, () => `${counted(count)} released`)
  })
  command(queue, 'remove <id>', 'takes a message out')
    .option('--bounce', 'tell the sender')
    .action(async (id: string, options: Shared & { bounce?: boolean }) => {
      const count = await withServices(options, ({ queue }) =>
        queue.remove(toId(id), { bounce: options.bounce === true }),
      )
      outputOf(options).result({ recipients: count }, () => `${counted(count)} removed`)
    })
}

function rows(message: QueuedMessage): (string | number)[][] {
  const now = Date.now()
  return message.recipients.map(({ address, state, nextAt, attempts, why, reason }) => [
    message.id,
    formatSpan(now - message.createdAt),
    formatBytes(message.size),
    message.sender || '<>',
    address,
    state,
    state === 'held' ? '' : nextAt <= now ? 'now' : `in ${formatSpan(nextAt - now)}`,
    attempts,
    why,
    reason,
  ])
}

const counted = (count: number) => `${count} recipient${count === 1 ? '' : 's'}`

function toId(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) throw new CommandError(`expected a number, found ${text}`)
  return Number(text)
}
