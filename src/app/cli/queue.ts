// posthorn queue list | show | retry | hold | release | remove | expire | requeue | route | stats | sites | tls | lanes | pause | resume | rules

import type { Command } from 'commander'
import type { NewQueueRule, QueuedMessage, QueuedRecipient, QueueRule, TlsView } from '../../queue/index.ts'
import { command, isNumber, outputOf, type Shared, toNumber, withServices } from './context.ts'
import { CommandError, formatBytes, formatSpan, formatTable } from './output.ts'

export function queueCommands(program: Command): void {
  const queue = program.command('queue').description('mail on its way out')
  messageCommands(queue)
  siteCommands(queue)
  ruleCommands(queue)
}

function messageCommands(queue: Command): void {
  command(queue, 'list', 'shows what waits, and why')
    .option('--limit <n>', 'at most so many messages', '100')
    .option('--after <id>', 'continue after this message')
    .option('--sender <address>', 'only from this address or domain')
    .option('--domain <domain>', 'only to this domain')
    .option('--state <state>', 'only what is waiting, ready or held')
    .addHelpText('after', '\nExample:\n  posthorn queue list --domain b.example --state waiting')
    .action(
      async (options: Shared & { limit: string; after?: string; sender?: string; domain?: string; state?: string }) => {
        const { sender, domain } = options
        const state = toState(options.state)
        const filter = {
          limit: toNumber(options.limit),
          ...(sender !== undefined && { sender }),
          ...(domain !== undefined && { domain }),
          ...(state !== undefined && { state }),
          ...(options.after && { after: toNumber(options.after) }),
        }
        const found = await withServices(options, ({ queue }) => queue.list(filter))
        outputOf(options).result(found, () =>
          formatTable(
            ['id', 'age', 'size', 'from', 'to', 'state', 'next', 'tries', 'why', 'reason'],
            found.flatMap(rows),
            sender || domain || state ? 'nothing in the queue is so' : 'the queue is empty',
          ),
        )
      },
    )

  command(queue, 'show <id>', 'shows one message with its header').action(async (id: string, options: Shared) => {
    const found = await withServices(options, ({ queue }) => queue.show(toNumber(id)))
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
      const count = await withServices(options, ({ queue }) => queue.retry(id === undefined ? undefined : toNumber(id)))
      outputOf(options).result({ recipients: count }, () => `${counted(count)} will be tried now`)
    },
  )
  command(queue, 'hold <id>', 'keeps a message from being tried').action(async (id: string, options: Shared) => {
    const count = await withServices(options, ({ queue }) => queue.hold(toNumber(id)))
    outputOf(options).result({ recipients: count }, () => `${counted(count)} held`)
  })
  command(queue, 'release <id>', 'lets a held message go on').action(async (id: string, options: Shared) => {
    const count = await withServices(options, ({ queue }) => queue.release(toNumber(id)))
    outputOf(options).result({ recipients: count }, () => `${counted(count)} released`)
  })
  command(queue, 'remove <id>', 'takes a message out')
    .option('--bounce', 'tell the sender')
    .action(async (id: string, options: Shared & { bounce?: boolean }) => {
      const count = await withServices(options, ({ queue }) =>
        queue.remove(toNumber(id), { bounce: options.bounce === true }),
      )
      outputOf(options).result({ recipients: count }, () => `${counted(count)} removed`)
    })
  command(queue, 'expire <id>', 'gives a message up now: the sender gets the report').action(
    async (id: string, options: Shared) => {
      const count = await withServices(options, ({ queue }) => queue.expire(toNumber(id)))
      outputOf(options).result({ recipients: count }, () => `${counted(count)} given up`)
    },
  )
  command(queue, 'requeue <id>', 'begins anew, as if the message had come now').action(
    async (id: string, options: Shared) => {
      const count = await withServices(options, ({ queue }) => queue.requeue(toNumber(id)))
      outputOf(options).result({ recipients: count }, () => `${counted(count)} queued anew`)
    },
  )
  command(queue, 'route <id|domain> [target]', 'sends a message, or a domain, to another next hop')
    .option('--reason <words>', 'why, for the list of rules')
    .addHelpText(
      'after',
      [
        '',
        'The target is as in queue.routes, without a password; "mx" means by DNS, whatever is configured. Without a target a',
        'message goes where it would go by itself; a domain is freed by "posthorn queue resume RULE".',
        '',
        'Examples:',
        '  posthorn queue route 4711 relay.example:25',
        '  posthorn queue route b.example mx --reason "their relay is down"',
      ].join('\n'),
    )
    .action(async (what: string, target: string | undefined, options: Shared & { reason?: string }) => {
      if (isNumber(what)) {
        const count = await withServices(options, ({ queue }) => queue.route(toNumber(what), target))
        outputOf(options).result(
          { recipients: count },
          () => `${counted(count)} will go to ${target ?? 'where they would'}`,
        )
        return
      }
      if (target === undefined) throw new CommandError('a domain needs a target: host:port, or mx', 2)
      await addRule(options, { kind: 'route', about: 'domain', pattern: what, target: target === 'mx' ? '' : target })
    })
}

function siteCommands(queue: Command): void {
  command(queue, 'stats', 'counts what is in the queue').action(async (options: Shared) => {
    const found = await withServices(options, ({ queue }) => queue.stats())
    outputOf(options).result(found, () =>
      formatTable(
        ['what', 'count'],
        [
          ['messages', found.messages],
          ['recipients', found.recipients],
          ['  waiting for their time', found.waiting],
          ['  ready, waiting for their turn', found.ready],
          ['  held', found.held],
          ['recipients in memory', found.inMemory],
          ['being tried', found.active],
          ['lanes in memory', found.lanes],
          ['next hops known', found.sites],
          ['next hops dead', found.sitesDead],
        ],
        '',
      ),
    )
  })
  command(queue, 'sites', 'shows next hops: how much they bear, since when they are dead, what failed last').action(
    async (options: Shared) => {
      const found = await withServices(options, ({ queue }) => queue.sites())
      outputOf(options).result(found, () =>
        formatTable(
          ['next hop', 'from', 'window', 'active', 'dead', 'failed last'],
          found.map(({ next, source, window, active, deadForMs, failure }) => [
            next,
            source || 'any',
            window,
            active,
            deadForMs > 0 ? `for ${formatSpan(deadForMs)}` : '',
            failure,
          ]),
          'nothing was sent yet',
        ),
      )
    },
  )
  command(queue, 'tls <domain>', 'shows what is asked of TLS to the mail servers of a domain, and who asks it').action(
    async (domain: string, options: Shared) => {
      const found = await withServices(options, ({ queue }) => queue.tls(domain))
      outputOf(options).result(found, () => formatTls(found))
    },
  )
  command(queue, 'lanes', 'shows destinations with mail in memory').action(async (options: Shared) => {
    const found = await withServices(options, ({ queue }) => queue.lanes())
    outputOf(options).result(found, () =>
      formatTable(
        ['lane', 'in memory', 'in the store', 'active', 'hosts'],
        found.map(({ lane, waiting, more, active, hosts }) => [
          lane,
          waiting,
          more ? 'more' : '',
          active,
          hosts.join(' '),
        ]),
        'no mail is ready',
      ),
    )
  })
}

function formatTls({ domain, route, problem, sts, hosts }: TlsView): string {
  if (route !== undefined) return `mail for ${domain} goes to ${route}, which says itself what it asks of TLS`
  const policy = sts === 'none' ? [] : [`MTA-STS: ${sts === 'failed' ? 'announced, and it cannot be had' : sts}`]
  if (problem !== undefined) return [problem, ...policy].join('\n')
  const rows = hosts.map(({ host, level, by }) => [host, level ?? 'no mail', by])
  return [formatTable(['host', 'asked', 'by'], rows, 'it has no mail servers'), ...policy].join('\n')
}

interface Pattern {
  readonly domain?: string
  readonly provider?: string
  readonly sender?: string
  readonly recipient?: string
}
type RuleOptions = Shared & Pattern & { readonly reason?: string }

function ruleCommands(queue: Command): void {
  const patterned = (usage: string, description: string) =>
    command(queue, usage, description)
      .option('--domain <domain>', 'mail to this domain; .example: all below it')
      .option('--sender <address>', 'mail of this sender; @example: of this domain; <>: of none')
      .option('--reason <words>', 'why, for the list of rules')
  patterned('pause', 'stops the mail of a domain, a provider or a sender until "resume"')
    .option('--provider <name>', 'mail to hosts whose names end so')
    .option('--recipient <address>', 'mail to this recipient')
    .addHelpText(
      'after',
      '\nExamples:\n  posthorn queue pause --provider google.com --reason "they block us"\n  posthorn queue pause --sender news@a.example',
    )
    .action(async (options: RuleOptions) => addRule(options, { kind: 'pause', ...toPattern(options) }))
  patterned('hold-new', 'holds what comes from now on, until somebody looks at it')
    .option('--recipient <address>', 'mail to this recipient')
    .addHelpText('after', '\nExample:\n  posthorn queue hold-new --sender @a.example --reason "account stolen?"')
    .action(async (options: RuleOptions) => addRule(options, { kind: 'hold', ...toPattern(options) }))
  command(queue, 'rules', 'shows what is paused, held or sent elsewhere').action(async (options: Shared) => {
    const found = await withServices(options, ({ queue }) => queue.rules())
    outputOf(options).result(found, () =>
      formatTable(['rule', 'does', 'about', 'made by', 'at', 'reason'], found.map(ruleRow), 'there are no rules'),
    )
  })
  command(queue, 'resume <rule>', 'takes a rule away; what it held goes on')
    .option('--keep', 'only lets go what it holds: the rule stays')
    .addHelpText('after', '\nExample:\n  posthorn queue rules\n  posthorn queue resume 3')
    .action(async (id: string, options: Shared & { keep?: boolean }) => {
      const count = await withServices(options, ({ queue }) =>
        options.keep ? queue.releaseRule(toNumber(id)) : queue.removeRule(toNumber(id)),
      )
      outputOf(options).result({ recipients: count }, () => `${counted(count)} released`)
    })
}

async function addRule(options: Shared & { readonly reason?: string }, rule: NewQueueRule): Promise<void> {
  const by = process.env['SUDO_USER'] ?? process.env['USER'] ?? ''
  const more = { by, ...(options.reason !== undefined && { reason: options.reason }) }
  const made = await withServices(options, ({ queue }) => queue.addRule({ ...rule, ...more }))
  const words = {
    pause: () => `rule ${made.id}: ${counted(made.recipients)} held`,
    hold: () => `rule ${made.id} holds from now on`,
    route: () => `rule ${made.id}: mail for ${rule.pattern} goes to ${rule.target || 'its MX'}`,
  }
  outputOf(options).result(made, words[rule.kind])
}

function toPattern(options: Pattern): Pick<NewQueueRule, 'about' | 'pattern'> {
  const given = (['domain', 'provider', 'sender', 'recipient'] as const).filter((name) => options[name] !== undefined)
  const [about] = given
  if (about === undefined || given.length > 1)
    throw new CommandError('name one of --domain, --provider, --sender, --recipient', 2)
  return { about, pattern: options[about]! }
}

function ruleRow({ id, kind, about, pattern, target, reason = '', by = '', madeAt }: QueueRule): (string | number)[] {
  const does = { pause: 'pauses', hold: 'holds new mail', route: `sends to ${target || 'the MX'}` }[kind]
  return [id, does, `${about} ${pattern}`, by, new Date(madeAt).toISOString().slice(0, 16), reason]
}

const states = ['waiting', 'ready', 'held'] as const
function toState(text: string | undefined): QueuedRecipient['state'] | undefined {
  if (text === undefined) return undefined
  const found = states.find((state) => state === text)
  if (!found) throw new CommandError(`expected ${states.join(', ')}, found ${text}`, 2)
  return found
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
