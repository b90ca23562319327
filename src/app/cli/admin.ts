// posthorn create-admin: the first person of a server.

import type { Command } from 'commander'
import { readPassword } from '../password.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, exitCodes } from './output.ts'
import { askPassword } from './user.ts'

interface AdminOptions extends Shared {
  readonly email?: string
  readonly name?: string
  readonly passwordStdin?: boolean
}

export function adminCommands(program: Command): void {
  command(program, 'create-admin', 'makes a user who may administer the server, and the domain if it is new')
    .option('--email <address>', 'the address')
    .option('--name <name>', 'the display name')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (options: AdminOptions) => {
      const email = options.email ?? (await ask('Address', 'anna@example.org'))
      const name = options.name ?? (options.email ? '' : await ask('Name', 'Anna'))
      const domain = email.slice(email.lastIndexOf('@') + 1)
      if (!email.includes('@') || domain === '') throw new CommandError(`expected an address, found ${email}`)
      const password = options.passwordStdin ? await readPassword(process.stdin) : await askPassword()
      const added = await withServices(options, async ({ accounts, queries }) => {
        const known = (await queries.domains()).some((one) => one.name === domain.toLowerCase())
        if (!known) await accounts.addDomain(domain)
        return accounts.addAccount({ email, password, name, admin: true })
      })
      outputOf(options).result(added, () => `${added.email} added, an administrator`)
    })
}

async function ask(message: string, placeholder: string): Promise<string> {
  if (!process.stdin.isTTY) throw new CommandError('give --email, --name and --password-stdin')
  const { isCancel, text } = await import('@clack/prompts')
  const answer = await text({ message, placeholder, validate: (value) => (value ? undefined : 'It must not be empty') })
  if (isCancel(answer)) throw new CommandError('nothing was made', exitCodes.refused)
  return answer
}
