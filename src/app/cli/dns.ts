// posthorn dns <domain> [--check]

import type { Command } from 'commander'
import { realClock } from '../../base/index.ts'
import {
  type CheckedRecord,
  checkRecords,
  type DomainFacts,
  type WantedRecord,
  wantedRecords,
} from '../../mailauth/index.ts'
import type { CertificateAdmin } from '../../tls/index.ts'
import type { Config } from '../config/index.ts'
import { createConfiguredEgress } from '../egress.ts'
import { ownStsPolicy } from '../own-sts.ts'
import { createConfiguredResolver } from '../resolver.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, exitCodes, formatTable, formatTxt } from './output.ts'

export function dnsCommands(program: Command): void {
  command(program, 'dns <domain>', 'the records that a domain should have, as lines of a zone')
    .option('--check', 'asks what is published now')
    .action(async (domain: string, options: Shared & { check?: boolean }) => {
      const { facts, config } = await withServices(options, async ({ queries, dkim, certificates }, config) => {
        const domains = await queries.domains()
        const known = domains.find(({ name }) => name === domain.toLowerCase())
        if (!known) throw new CommandError(`there is no domain ${domain} here`, exitCodes.refused)
        const keys = (await dkim.list(known.name)).filter(({ state }) => state !== 'retired')
        // An alias is as the domain that it stands for.
        const owner = domains.find(({ name }) => name === known.aliasOf) ?? known
        const sts = await ownStsPolicy(owner.settings, config.hostname)
        return { facts: { ...(await factsOf(known.name, config, keys, certificates)), ...(sts && { sts }) }, config }
      })
      if (!options.check) {
        const wanted = wantedRecords(facts)
        outputOf(options).result(wanted, () => [...wanted.map(formatLine), ...hints(facts, config)].join('\n'))
        return
      }
      const resolver = createConfiguredResolver(config, realClock)
      const egress = createConfiguredEgress(config, resolver)
      const port = config.egress.stsPort
      const fetchPolicy = async (name: string) => {
        const { fetchStsPolicy } = await import('../../queue/index.ts')
        return fetchStsPolicy({ egress, port }, name)
      }
      const checked = await checkRecords({ resolver, fetchPolicy }, facts)
      resolver.close()
      outputOf(options).result(checked, () => [formatChecked(checked), ...hints(facts, config)].join('\n'))
      if (checked.some(({ weight, state }) => weight === 'needed' && state !== 'ok'))
        process.exitCode = exitCodes.refused
    })
}

function hints({ domain, keys, sts }: DomainFacts, { listen }: Config): string[] {
  const signed = keys.length > 0 ? [] : [`; its mail is not signed yet: posthorn dkim add ${domain}`]
  const served = !sts || listen.https ? [] : ['; nobody can fetch the MTA-STS policy: there is no listen.https']
  return [...signed, ...served]
}

async function factsOf(
  domain: string,
  config: Config,
  keys: DomainFacts['keys'],
  certificates: CertificateAdmin,
): Promise<DomainFacts> {
  const { hostname, listen } = config
  const [tlsa, caa] = await Promise.all([pins(hostname, certificates), certificates.authority()])
  // Absent listeners are said not to be there (RFC 6186 §3.4).
  const offered = {
    submissions: 'submissions',
    submission: 'submission',
    imaps: 'imaps',
    imap: 'imap',
    pop3s: 'pop3s',
  } as const
  const standard = { submissions: 465, submission: 587, imaps: 993, imap: 143, pop3s: 995 }
  const services = Object.fromEntries(
    Object.entries(offered).map(([service, name]) => [service, listen[name] ? standard[name] : 0]),
  )
  return { domain, hostname, keys, services, tlsa, ...(caa && { caa }) }
}

/** Of the key that other servers meet, and of the one that comes next. One that was made here is nobody's to pin: it is made anew when its time comes. */
async function pins(hostname: string, certificates: CertificateAdmin): Promise<string[]> {
  const known = await certificates.list()
  const file = known.find(({ source }) => source === 'file')
  const chosen =
    file ??
    known.find(({ source, names, state }) => source !== 'self-signed' && state === 'valid' && names.includes(hostname))
  if (!chosen) return []
  const { tlsa, nextTlsa } = chosen.source === 'file' ? chosen : await certificates.show(chosen.name)
  return [tlsa, nextTlsa].filter((one) => one !== undefined)
}

function formatLine({ name, type, value, why, weight }: WantedRecord): string {
  const text = type === 'TXT' ? formatTxt(value) : value
  return `; ${why}${weight === 'needed' ? '' : ` (${weight})`}\n${name}. 3600 IN ${type} ${text}`
}

function formatChecked(checked: readonly CheckedRecord[]): string {
  const table = formatTable(
    ['for', 'name', 'state', 'remark'],
    checked.map(({ purpose, name, state, weight, remark }) => [
      purpose,
      name,
      state,
      remark ?? (state === 'missing' ? `${weight}: see posthorn dns` : ''),
    ]),
    '',
  )
  const wrong = checked.filter(({ state }) => state === 'different')
  const shown = wrong.map(({ name, type, found }) => `${name}. ${type} is now ${found.join(' and ')}`)
  return [table, ...(shown.length > 0 ? ['', ...shown] : [])].join('\n')
}
