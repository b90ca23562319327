// posthorn cert list | show | request | renew | import | revoke | remove

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { CertificateInfo } from '../../tls/index.ts'
import { systemWords } from '../system-words.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatSpan, formatTable } from './output.ts'

export function certCommands(program: Command): void {
  const cert = program
    .command('cert')
    .description('certificates: those of files, imported ones, and those of an authority (ACME)')

  command(cert, 'list', 'shows all certificates, what is left of each, and what keeps it from being renewed').action(
    async (options: Shared) => {
      const found = await withServices(options, ({ certificates }) => certificates.list())
      outputOf(options).result(found, formatList)
    },
  )

  command(cert, 'show <name>', 'tells all of a certificate of the store')
    .option('--chain', 'prints the certificate with its chain, PEM')
    .action(async (name: string, options: Shared & { chain?: boolean }) => {
      const found = await withServices(options, ({ certificates }) => certificates.show(name))
      outputOf(options).result(found, () => (options.chain ? found.chain.trimEnd() : formatInfo(found)))
    })

  command(cert, 'request [names...]', 'orders a certificate for these names, without names for this server').action(
    async (names: string[], options: Shared) => {
      const made = await withServices(options, ({ certificates }) => certificates.request(names))
      outputOf(options).result(made, formatInfo)
    },
  )

  command(cert, 'renew <name>', 'orders a certificate again now')
    .option('--new-key', 'with another key: at once, or where DANE pins the key, once the DNS announces the next one')
    .action(async (name: string, options: Shared & { newKey?: boolean }) => {
      const { newKey = false } = options
      const made = await withServices(options, ({ certificates }) => certificates.renew(name, { newKey }))
      outputOf(options).result(made, () => [formatInfo(made), ...announcement(made)].join('\n'))
    })

  command(cert, 'import <certificate> <key>', 'keeps a certificate with its key from two PEM files, for all nodes')
    .option('--name <name>', 'what it is called here (default: its first name)')
    .action(async (certificate: string, key: string, options: Shared & { name?: string }) => {
      const pair = { cert: read(certificate), key: read(key) }
      const kept = await withServices(options, ({ certificates }) => certificates.import(pair, options.name))
      outputOf(options).result(kept, formatInfo)
    })

  command(
    cert,
    'revoke <name>',
    'has a certificate declared void; what is wanted still is ordered anew with another key',
  )
    .option(
      '--reason <reason>',
      'unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation',
      'unspecified',
    )
    .action(async (name: string, options: Shared & { reason: string }) => {
      await withServices(options, ({ certificates }) => certificates.revoke(name, options.reason))
      outputOf(options).result({ revoked: name }, () => `the certificate of ${name} is revoked`)
    })

  command(cert, 'remove <name>', 'throws a certificate of the store and its key away; revokes nothing').action(
    async (name: string, options: Shared) => {
      await withServices(options, ({ certificates }) => certificates.remove(name))
      outputOf(options).result({ removed: name }, () => `${name} removed`)
    },
  )
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${systemWords(error)}`)
  }
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)

function formatList(found: readonly CertificateInfo[]): string {
  const table = formatTable(
    ['name', 'source', 'state', 'until', 'days left', 'renewal', 'also for'],
    found.map(({ name, names, source, state, notAfter, daysLeft, renewAt, error }) => [
      name,
      source,
      error === undefined ? state : `${state}, failing`,
      notAfter === undefined ? '' : day(notAfter),
      daysLeft ?? '',
      renewAt === undefined ? '' : day(renewAt),
      names.filter((one) => one !== name).join(' '),
    ]),
    '',
  )
  const failing = found.filter(({ error }) => error !== undefined)
  return [table, ...failing.map((one) => `\n${one.name}: ${one.error}${retryWords(one)}`)].join('\n')
}

const retryWords = ({ retryAt }: CertificateInfo) =>
  retryAt === undefined ? '' : `\n  tried again in ${formatSpan(Math.max(retryAt - Date.now(), 0))}`

function formatInfo(one: CertificateInfo): string {
  const { notBefore, notAfter, daysLeft, renewAt } = one
  const lines: (readonly [string, string | undefined])[] = [
    ['name', one.name],
    ['names', one.names.join(' ')],
    ['source', one.source],
    ['state', one.state],
    ['valid', notBefore && notAfter ? `${day(notBefore)} to ${day(notAfter)}, ${daysLeft} days left` : undefined],
    ['renewal', renewAt === undefined ? undefined : new Date(renewAt).toISOString()],
    ['issuer', one.issuer],
    ['authority', one.authority],
    ['serial', one.serial],
    ['SHA-256', one.fingerprint],
    ['TLSA', one.tlsa],
    ['next TLSA', one.nextTlsa],
    ['error', one.error === undefined ? undefined : `${one.error}${retryWords(one)}`],
  ]
  return lines.flatMap(([key, value]) => (value === undefined ? [] : `${key.padEnd(10)} ${value}`)).join('\n')
}

/** What to publish before the next key can serve. */
function announcement({ names, nextTlsa }: CertificateInfo): string[] {
  if (nextTlsa === undefined) return []
  return [
    '',
    'The DNS pins the key of this server. Publish this record beside the one that is there:',
    '',
    ...names.map((name) => `_25._tcp.${name}. 3600 IN TLSA ${nextTlsa}`),
    '',
    'The new key serves by itself once the record has been there for twice its TTL, at least for an hour.',
  ]
}
