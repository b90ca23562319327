// posthorn user add | list | set | passwd | rename | disable | enable | remove | import

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import {
  type Account,
  accountSettings,
  formatAccountSettings,
  joinAccountChanges,
  parseAccountSetting,
} from '../../accounts/index.ts'
import { parseSize } from '../config/units.ts'
import { generatePassword, readPassword } from '../password.ts'
import type { AdminServices } from '../services.ts'
import { systemWords } from '../system-words.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { type ImportError, parseUsers } from './csv.ts'
import { CommandError, exitCodes, formatBytes, formatTable } from './output.ts'
import { explainKeys, parsePairs } from './pairs.ts'

interface PasswordOptions {
  readonly passwordStdin?: boolean
  readonly generate?: boolean
}

/** How many users one call of an import makes: the server answers others in between. */
const importPage = 50

export function userCommands(program: Command): void {
  const user = program.command('user').description('people with a mailbox')
  changing(user)
  setting(user)
  listing(user)
  removing(user)
  importing(user)
}

function changing(user: Command): void {
  withPassword(command(user, 'add <email>', 'makes a user with INBOX, Drafts, Sent, Junk, Trash and Archive'))
    .option('--name <name>', 'the display name')
    .option('--quota <size>', 'room for mail, as 2G')
    .option('--messages <n>', 'room for so many messages')
    .option('--admin', 'may administer the server')
    .action(async (email: string, options: Shared & PasswordOptions & AddOptions) => {
      const password = await choosePassword(options)
      const account = { email, password: password.text, ...newAccount(options) }
      const added = await withServices(options, ({ accounts }) => accounts.addAccount(account))
      outputOf(options).result({ ...added, ...password.shown }, () => `${added.email} added${said(password)}`)
    })

  withPassword(command(user, 'passwd <email>', 'changes the password')).action(
    async (email: string, options: Shared & PasswordOptions) => {
      const password = await choosePassword(options)
      await withServices(options, ({ accounts }) => accounts.setPassword(email, password.text))
      outputOf(options).result({ email, ...password.shown }, () => `${email}: password changed${said(password)}`)
    },
  )

  command(user, 'rename <email> <to>', 'gives a user another address; the mail stays').action(
    async (email: string, to: string, options: Shared) => {
      const renamed = await withServices(options, ({ accounts }) => accounts.renameAccount(email, to))
      outputOf(options).result(renamed, () => `${email} is now ${renamed.email}`)
    },
  )
  for (const [name, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const)
    command(user, `${name} <email>`, disabled ? 'no login and no mail, until enabled' : 'takes disable back').action(
      async (email: string, options: Shared) => {
        await withServices(options, ({ accounts }) => accounts.setDisabled(email, disabled))
        outputOf(options).result({ email, disabled }, () => `${email} ${name}d`)
      },
    )
}

function setting(user: Command): void {
  command(user, 'set <email> <key=value...>', 'changes settings of a user')
    .addHelpText('after', explainKeys(accountSettings))
    .action(async (email: string, pairs: string[], options: Shared) => {
      const change = joinAccountChanges(parsePairs(pairs, parseAccountSetting))
      const set = await withServices(options, ({ accounts }) => accounts.updateAccount(email, change))
      outputOf(options).result(set, () => `${set.email}: ${formatAccountSettings(set).join(' ') || 'no settings'}`)
    })
}

interface AddOptions {
  readonly name?: string
  readonly quota?: string
  readonly messages?: string
  readonly admin?: boolean
}

function newAccount({ name, quota, messages, admin }: AddOptions) {
  const quotaBytes = quota === undefined ? undefined : parseSize(quota)
  if (quota !== undefined && quotaBytes === undefined)
    throw new CommandError(`--quota: expected a size such as 2G, found ${quota}`)
  if (messages !== undefined && !/^\d{1,12}$/.test(messages))
    throw new CommandError(`--messages: expected a number, found ${messages}`)
  return {
    ...(name !== undefined && { name }),
    ...(admin && { admin }),
    ...(quotaBytes !== undefined && { quotaBytes }),
    ...(messages !== undefined && { quotaMessages: Number(messages) }),
  }
}

function listing(user: Command): void {
  command(user, 'list [domain]', 'shows the users').action(async (domain: string | undefined, options: Shared) => {
    const found = await withServices(options, ({ queries }) => allAccounts(queries, domain))
    outputOf(options).result(found, () =>
      formatTable(
        ['email', 'name', 'used', 'quota', 'messages', ''],
        found.map((one) => [
          one.email,
          one.name,
          formatBytes(one.usedBytes),
          one.quotaBytes === undefined ? '' : formatBytes(one.quotaBytes),
          one.usedMessages,
          [one.admin ? 'admin' : '', one.disabled ? 'disabled' : ''].filter((mark) => mark !== '').join(' '),
        ]),
        'no user yet: posthorn user add anna@example.org --generate',
      ),
    )
  })
}

async function allAccounts(queries: AdminServices['queries'], domain: string | undefined): Promise<Account[]> {
  const all: Account[] = []
  for (;;) {
    const page = await queries.accounts({
      ...(domain && { domain }),
      ...(all.length > 0 && { after: all.at(-1)!.email }),
    })
    all.push(...page)
    if (page.length < 1000) return all
  }
}

function removing(user: Command): void {
  command(user, 'remove <email>', 'takes a user and all mail away; says what goes and asks')
    .option('--yes', 'do not ask')
    .action(async (email: string, options: Shared & { yes?: boolean }) => {
      await withServices(options, async ({ accounts }) => {
        const goes = await accounts.describeRemoval(email)
        const aliases = goes.aliases.length > 0 ? `; no longer lead anywhere: ${goes.aliases.join(', ')}` : ''
        const what = `${goes.email}: ${goes.messages} messages (${formatBytes(goes.bytes)}) in ${goes.mailboxes} mailboxes${aliases}`
        if (!options.yes) {
          if (options.json || !process.stdin.isTTY)
            throw new CommandError(`this takes away ${what}; say --yes to do it`, exitCodes.refused)
          const { confirm } = await import('@clack/prompts')
          const sure = await confirm({ message: `This takes away ${what}. Remove?`, initialValue: false })
          if (sure !== true) throw new CommandError('nothing was removed', exitCodes.refused)
        }
        await accounts.removeAccount(email)
        outputOf(options).result({ removed: goes }, () => `removed ${what}`)
      })
    })
}

function importing(user: Command): void {
  command(user, 'import <file>', 'makes users from lines of email,password[,name,quota]').action(
    async (file: string, options: Shared) => {
      const { users, errors } = parseUsers(readList(file))
      const failed: ImportError[] = [...errors]
      let made = 0
      await withServices(options, async ({ accounts }) => {
        for (let i = 0; i < users.length; i += importPage) {
          const page = users.slice(i, i + importPage)
          const answers = await accounts.addAccounts(page.map(({ line: _, ...account }) => account))
          for (const [n, { email, error }] of answers.entries()) {
            if (error === undefined) made++
            else failed.push({ line: page[n]!.line, email, error })
          }
          showProgress(options, Math.min(i + importPage, users.length), users.length)
        }
      })
      failed.sort((a, b) => a.line - b.line)
      if (!options.json)
        for (const { line, email, error } of failed) process.stderr.write(`${file}:${line}: ${email}: ${error}\n`)
      outputOf(options).result(
        { made, failed },
        () => `${made} users made${failed.length > 0 ? `, ${failed.length} lines refused` : ''}`,
      )
      if (failed.length > 0) process.exitCode = exitCodes.refused
    },
  )
}

function readList(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file}: ${systemWords(error)}`)
  }
}

function showProgress(options: Shared, done: number, all: number): void {
  if (options.json || !process.stderr.isTTY) return
  process.stderr.write(`\r${done} of ${all}${done === all ? '\n' : ''}`)
}

const withPassword = (one: Command) =>
  one
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate', 'make a password and print it')

interface Chosen {
  readonly text: string
  /** Present when we made it: what the answer adds. */
  readonly shown: { readonly password?: string }
}
const said = ({ shown }: Chosen) => (shown.password ? `, password ${shown.password}` : '')

async function choosePassword(options: PasswordOptions): Promise<Chosen> {
  if (options.generate) {
    const text = generatePassword()
    return { text, shown: { password: text } }
  }
  if (options.passwordStdin) return { text: await readPassword(process.stdin), shown: {} }
  return { text: await askPassword(), shown: {} }
}

/** Asks at the terminal; without one it says which options there are. */
export async function askPassword(): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CommandError('give the password with --password-stdin, or let --generate make one')
  const { isCancel, password } = await import('@clack/prompts')
  const answer = await password({
    message: 'Password',
    validate: (text) => (text ? undefined : 'It must not be empty'),
  })
  if (isCancel(answer)) throw new CommandError('nothing was changed', exitCodes.refused)
  return answer
}
