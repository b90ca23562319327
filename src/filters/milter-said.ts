// What a milter said in one conversation: what it wants changed, and the answer that comes of it. Knows no connection.

import { SyntaxFault } from '../base/index.ts'
import { toHeader, toWords } from './headers.ts'
import type { MilterReply } from './milter-wire.ts'
import type { FilterAction, FilterAnswer, FilterHeader, Modification } from './types.ts'

/** Fields and changes that one milter may ask for. */
const maxChanges = 200

/** What ends the conversation before the message's end, or the recipient's place in it. */
export type Verdict = { readonly action: Exclude<FilterAction, 'tag' | 'junk'>; readonly reason: string }

export class MilterSaid {
  readonly #name: string
  readonly #headers: FilterHeader[] = []
  readonly #modifications: Modification[] = []
  #newBody = 0
  #quarantine: string | undefined

  constructor(name: string) {
    this.#name = name
  }

  /** Whether the reply was a change; it is kept. */
  note(reply: MilterReply): boolean {
    switch (reply.kind) {
      case 'add-header':
        this.#addHeader(reply.name, reply.value, false)
        return true
      case 'insert-header':
        this.#addHeader(reply.name, reply.value, true)
        return true
      case 'change-header': {
        const { kind, name, index, value } = reply
        this.change({ kind, name: toWords(name, 76), index, ...(value !== '' && { value: toWords(value, 1_000) }) })
        return true
      }
      case 'change-sender':
      case 'add-recipient':
      case 'remove-recipient':
        this.change({ kind: reply.kind, address: toAddress(reply.address) })
        return true
      case 'replace-body':
        this.#newBody += reply.size
        return true
      case 'quarantine':
        this.#quarantine = toWords(reply.reason)
        return true
      default:
        return false
    }
  }

  /** At the top, whatever place it names: a later one goes above an earlier, what is added stands below. */
  #addHeader(name: string, value: string, top: boolean): void {
    const header = toHeader(name, value)
    if (!header) throw new SyntaxFault('it adds a header field without a name')
    if (this.#headers.length === maxChanges) throw new SyntaxFault('it adds more header fields than it should')
    if (top) this.#headers.unshift(header)
    else this.#headers.push(header)
  }

  change(modification: Modification): void {
    if (this.#modifications.length === maxChanges) throw new SyntaxFault('it wants more changed than it should')
    this.#modifications.push(modification)
  }

  /** Undefined: go on. */
  toVerdict(reply: MilterReply): Verdict | undefined {
    const by = `milter ${this.#name}`
    switch (reply.kind) {
      case 'continue':
        return undefined
      case 'accept':
        return { action: 'accept', reason: '' }
      case 'reject':
        return { action: 'reject', reason: `${by} rejects it` }
      case 'tempfail':
        return { action: 'defer', reason: `${by} wants it later` }
      case 'shutdown':
        return { action: 'defer', reason: `${by} takes nothing now` }
      case 'discard':
        return { action: 'quarantine', reason: `${by} would discard it` }
      case 'reply': {
        const text = toWords(reply.text.replaceAll('%%', '%'))
        if (text[0] !== '4' && text[0] !== '5') throw new SyntaxFault('it gives a reply that refuses nothing')
        return { action: text[0] === '5' ? 'reject' : 'defer', reason: `${by}: ${text}` }
      }
      default:
        throw new SyntaxFault(`it says ${reply.kind} where that has no place`)
    }
  }

  toAnswer(verdict: Verdict | undefined): FilterAnswer {
    const held = this.#quarantine
    const headers = { headers: this.#headers }
    const modifications: readonly Modification[] = [
      ...this.#modifications,
      ...(this.#newBody > 0 ? [{ kind: 'replace-body' as const, size: this.#newBody }] : []),
    ]
    const changes = { ...(modifications.length > 0 && { modifications }) }
    const undone = modifications.map((one) => `milter ${this.#name} ${describeModification(one)}`)
    if (verdict && verdict.action !== 'accept')
      return { action: verdict.action, reasons: [verdict.reason, ...undone], ...headers, ...changes }
    if (held === undefined) return { action: 'accept', reasons: undone, ...headers, ...changes }
    const words = `milter ${this.#name} wants it in quarantine${held === '' ? '' : `: ${held}`}`
    return { action: 'quarantine', reasons: [words, ...undone], ...headers, ...changes }
  }
}

/** `Subject changed`, for people. */
export function describeModification(modification: Modification): string {
  switch (modification.kind) {
    case 'change-header':
      return `wants ${modification.name} ${modification.value === undefined ? 'removed' : 'changed'}`
    case 'change-sender':
      return `wants the sender to be <${modification.address}>`
    case 'add-recipient':
      return `wants <${modification.address}> to get it too`
    case 'remove-recipient':
      return `wants <${modification.address}> not to get it`
    case 'refuse-recipient':
      return `refuses it for <${modification.address}>: ${modification.reason}`
    case 'replace-body':
      return `wants the body replaced by ${modification.size} bytes`
  }
}

/** `<ann@a.test>` and `ann@a.test` are the same. */
function toAddress(text: string): string {
  const words = toWords(text, 320)
  return words.startsWith('<') && words.endsWith('>') ? words.slice(1, -1) : words
}
