// Commands of any state: what the server can do, who the client is, good-bye.

import { formatString } from '../../wire/index.ts'
import { type Command, command, noArguments, type State } from '../command.ts'

const anyState: readonly State[] = ['greeted', 'authenticated', 'selected']

export const capability = command({
  name: 'CAPABILITY',
  rfc: 'RFC 9051 §6.1.1',
  states: anyState,
  refresh: 'before',
  parse: noArguments,
  run({ out, connection }) {
    out.line(`* CAPABILITY ${connection.capabilities()}`)
    return { text: 'that is all' }
  },
})

export const noop = command({
  name: 'NOOP',
  rfc: 'RFC 9051 §6.1.2',
  states: anyState,
  parse: noArguments,
  run: () => ({ text: 'done' }),
})

export const logout = command({
  name: 'LOGOUT',
  rfc: 'RFC 9051 §6.1.3',
  states: anyState,
  refresh: 'never',
  parse: noArguments,
  run({ out, connection }) {
    out.line('* BYE see you')
    connection.leave()
    return { text: 'logged out' }
  },
})

const MAX_ID_FIELDS = 30

export const id = command({
  name: 'ID',
  rfc: 'RFC 2971 §3.1',
  states: anyState,
  capabilities: ['ID'],
  refresh: 'before',
  parse(p) {
    p.sp()
    if (p.hasWord('NIL')) return undefined
    const fields: [string, string][] = []
    p.expect('(')
    while (!p.has(')')) {
      const name = p.string().toString('utf8', 0, 30)
      fields.push([name, p.sp().nstring()?.toString('utf8', 0, 1024) ?? ''])
      if (fields.length > MAX_ID_FIELDS) p.fail(`more than ${MAX_ID_FIELDS} fields`)
      p.has(' ')
    }
    return fields
  },
  run(context, fields) {
    const { out, log, options } = context
    if (fields) log.info({ client: Object.fromEntries(fields) }, 'client')
    const own = ['name', 'Posthorn', 'version', options.version ?? '']
    // Whoever runs the server is reached there; who is not signed in has no domain yet.
    if ('login' in context && context.login)
      own.push('support-url', `mailto:postmaster@${context.login.email.split('@').at(-1)}`)
    out.line(`* ID (${own.map((text) => formatString(text)).join(' ')})`)
    return { text: 'pleased to meet you' }
  },
})

export const sessionCommands: readonly Command[] = [capability, noop, logout, id]
