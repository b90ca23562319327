// check_host() of Sender Policy Framework (RFC 7208 §4): one client, one sender, the records of its domain. Asks the DNS and nothing else.

import { isIPv4 } from 'node:net'
import { toAscii } from '../../address/index.ts'
import { SyntaxFault, toClientIp } from '../../base/index.ts'
import { type Answer, isAskable, type Resolver } from '../../dns/index.ts'
import { isInNetwork } from '../network.ts'
import { expand, expandDomain } from './macro.ts'
import { isSpfRecord, parseExplanation, parseSpf } from './parse.ts'
import type {
  Directive,
  MacroString,
  MacroValues,
  Mechanism,
  Qualifier,
  SpfAnswer,
  SpfQuestion,
  SpfRecord,
  SpfResult,
} from './types.ts'

/** RFC 7208 §4.6.4: terms that cause lookups, lookups that find nothing, names of one MX or PTR that are looked at. */
const maxTerms = 10
const maxVoid = 2
const maxNames = 10

const resultOf: Readonly<Record<Qualifier, SpfResult>> = { '+': 'pass', '-': 'fail', '~': 'softfail', '?': 'neutral' }

/** Asks the policy of the sender's domain; of the null reverse-path that of HELO (RFC 7208 §2.4). Never throws: what fails is a result. */
export async function checkSpf(resolver: Resolver, question: SpfQuestion): Promise<SpfAnswer> {
  const { helo } = question
  const scope = question.sender === '' ? 'helo' : 'mfrom'
  const given = scope === 'helo' ? helo : question.sender
  const at = given.lastIndexOf('@')
  const domain = given.slice(at + 1)
  // RFC 7208 §4.3: without a local part it is postmaster.
  const local = at > 0 ? given.slice(0, at) : 'postmaster'
  const asked = { ...question, ip: toClientIp(question.ip.toLowerCase()), sender: `${local}@${domain}` }
  const check = new Check(resolver, asked)
  try {
    return { ...(await check.host(toAscii(domain) ?? domain.toLowerCase(), true)), domain, scope }
  } catch (error) {
    if (!(error instanceof Decided)) throw error
    return { result: error.result, domain, scope, problem: error.message }
  }
}

/** Ends the whole check, from within whatever record it is in. */
class Decided extends Error {
  readonly result: 'temperror' | 'permerror'
  constructor(result: 'temperror' | 'permerror', problem: string) {
    super(problem)
    this.result = result
  }
}

type Outcome = Pick<SpfAnswer, 'result' | 'mechanism' | 'explanation' | 'problem'>

class Check {
  readonly #dns: Resolver
  readonly #question: SpfQuestion
  readonly #is4: boolean
  #terms = 0
  #voids = 0
  #clientNames: Promise<readonly string[]> | undefined

  constructor(dns: Resolver, question: SpfQuestion) {
    this.#dns = dns
    this.#question = question
    this.#is4 = isIPv4(question.ip)
  }

  /** `explains`: a failure is asked why (RFC 7208 §6.2), which an included record is not. */
  async host(domain: string, explains: boolean): Promise<Outcome> {
    if (!isFullName(domain)) return { result: 'none', problem: `${domain || 'the empty name'} is no domain` }
    const record = await this.#record(domain)
    if (!record) return { result: 'none', problem: `${domain} publishes no SPF record` }
    const values = { ...this.#question, domain }
    for (const directive of record.directives) {
      if (!(await this.#matches(directive, values))) continue
      const result = resultOf[directive.qualifier]
      const outcome = { result, mechanism: directive.text }
      if (result !== 'fail' || !explains || !record.exp) return outcome
      const explanation = await this.#explain(record.exp, values)
      return explanation === undefined ? outcome : { ...outcome, explanation }
    }
    if (!record.redirect) return { result: 'neutral', mechanism: 'default' }
    this.#count('redirect')
    const target = await this.#expand(record.redirect, values)
    const redirected = await this.host(target, explains)
    if (redirected.result === 'none')
      throw new Decided('permerror', `redirect of ${domain}: ${redirected.problem ?? 'none'}`)
    return redirected
  }

  async #record(domain: string): Promise<SpfRecord | undefined> {
    const found = await this.#dns.txt(domain)
    if (found.status === 'failed') throw new Decided('temperror', found.reason)
    const records = found.status === 'ok' ? found.records.filter(isSpfRecord) : []
    if (records.length > 1) throw new Decided('permerror', `${domain} publishes ${records.length} SPF records`)
    try {
      return records[0] === undefined ? undefined : parseSpf(records[0])
    } catch (error) {
      if (!(error instanceof SyntaxFault)) throw error
      throw new Decided('permerror', `the SPF record of ${domain}: ${error.message}`)
    }
  }

  async #matches({ mechanism, text }: Directive, values: MacroValues): Promise<boolean> {
    switch (mechanism.name) {
      case 'all':
        return true
      case 'ip4':
      case 'ip6':
        return isInNetwork(this.#question.ip, mechanism.network, mechanism.bits)
      default:
        this.#count(text)
        return this.#matchesByDns(mechanism, values)
    }
  }

  async #matchesByDns(
    mechanism: Exclude<Mechanism, { name: 'all' | 'ip4' | 'ip6' }>,
    values: MacroValues,
  ): Promise<boolean> {
    const target = mechanism.spec ? await this.#expand(mechanism.spec, values) : values.domain
    switch (mechanism.name) {
      case 'include':
        return this.#includes(target)
      case 'exists':
        return isAskable(target) && this.#found(await this.#dns.a(target)).length > 0
      case 'a':
        return isAskable(target) && this.#holds(this.#found(await this.#addresses(target)), mechanism)
      case 'mx':
        return isAskable(target) && this.#exchanges(target, mechanism)
      case 'ptr':
        return (await this.#names()).some((name) => isWithin(name, target))
    }
  }

  /** RFC 7208 §5.2. */
  async #includes(target: string): Promise<boolean> {
    const { result, problem } = await this.host(target, false)
    if (result === 'none') throw new Decided('permerror', `include: ${problem ?? target}`)
    return result === 'pass'
  }

  /** RFC 7208 §5.4. */
  async #exchanges(target: string, network: { readonly bits4: number; readonly bits6: number }): Promise<boolean> {
    const hosts = this.#found(await this.#dns.mx(target))
    if (hosts.length > maxNames) throw new Decided('permerror', `${target} has more than ${maxNames} MX hosts`)
    for (const { exchange } of hosts) {
      if (!isAskable(exchange)) continue
      const found = await this.#addresses(exchange)
      if (found.status === 'failed') throw new Decided('temperror', found.reason)
      if (found.status === 'ok' && this.#holds(found.records, network)) return true
    }
    return false
  }

  #addresses(name: string): Promise<Answer<string>> {
    return this.#is4 ? this.#dns.a(name) : this.#dns.aaaa(name)
  }

  #holds(addresses: readonly string[], { bits4, bits6 }: { readonly bits4: number; readonly bits6: number }): boolean {
    const bits = this.#is4 ? bits4 : bits6
    return addresses.some((address) => isInNetwork(this.#question.ip, address, bits))
  }

  #found<T>(answer: Answer<T>): readonly T[] {
    if (answer.status === 'ok') return answer.records
    if (answer.status === 'failed') throw new Decided('temperror', answer.reason)
    if (++this.#voids > maxVoid) throw new Decided('permerror', `more than ${maxVoid} lookups found nothing`)
    return []
  }

  #count(term: string): void {
    if (++this.#terms > maxTerms)
      throw new Decided('permerror', `more than ${maxTerms} terms need lookups, "${term}" is one too many`)
  }

  /** The client's names that lead back to its address (RFC 7208 §5.5). What fails is left out. */
  #names(): Promise<readonly string[]> {
    return (this.#clientNames ??= this.#findNames())
  }

  async #findNames(): Promise<string[]> {
    const { ip } = this.#question
    const pointers = await this.#dns.ptr(ip)
    if (pointers.status !== 'ok') return []
    const names: string[] = []
    for (const name of pointers.records.slice(0, maxNames)) {
      const found = await this.#addresses(name)
      if (found.status === 'ok' && found.records.some((address) => isInNetwork(ip, address, 128))) names.push(name)
    }
    return names
  }

  /** The `p` macro (RFC 7208 §7.3): the domain itself, else a name within it, else any, else `unknown`. */
  async #clientName(domain: string): Promise<string> {
    const names = await this.#names()
    return (
      names.find((name) => name === domain) ?? names.find((name) => isWithin(name, domain)) ?? names[0] ?? 'unknown'
    )
  }

  #expansion(values: MacroValues) {
    return { values, clientName: () => this.#clientName(values.domain) }
  }

  async #expand(spec: MacroString, values: MacroValues): Promise<string> {
    return (await expandDomain(spec, this.#expansion(values))).toLowerCase()
  }

  /** RFC 7208 §6.2: whatever is wrong with it, there is then no explanation. */
  async #explain(spec: MacroString, values: MacroValues): Promise<string | undefined> {
    try {
      const found = await this.#dns.txt(await this.#expand(spec, values))
      if (found.status !== 'ok' || found.records.length !== 1) return undefined
      return await expand(parseExplanation(found.records[0]!), this.#expansion(values))
    } catch (error) {
      if (!(error instanceof SyntaxFault)) throw error
      return undefined
    }
  }
}

/** RFC 7208 §4.3: a name that can be asked for, of at least two labels, that is no address literal. */
const isFullName = (domain: string): boolean => isAskable(domain) && domain.includes('.')

function isWithin(name: string, domain: string): boolean {
  return name === domain.toLowerCase() || name.endsWith(`.${domain.toLowerCase()}`)
}
