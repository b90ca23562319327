// Rspamd's JSON as an answer of ours: its actions, score, symbols and header fields. Text in, value out.

import { foldWords, toHeader, toWords } from './headers.ts'
import type { FilterAction, FilterAnswer, FilterHeader } from './types.ts'

/** What becomes of mail that it wants rejected. */
export type RejectAction = 'reject' | 'quarantine' | 'junk'

const maxSymbols = 100
const maxHeaders = 20

type Tree = { readonly [key: string]: unknown }
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)
const toTree = (value: unknown): Tree => (isTree(value) ? value : {})

/** What it says of an error. */
export function parseRspamdError(body: string): string | undefined {
  const said = toTree(readJson(body))['error']
  return typeof said === 'string' ? toWords(said) : undefined
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Reply {
  readonly skipped: boolean
  readonly action: string
  readonly score: number
  readonly threshold: number | undefined
  /** Those that count first. */
  readonly symbols: readonly string[]
  readonly words: string | undefined
  readonly milter: Tree
}

/** The answer to a message, or undefined when the reply is none. */
export function parseRspamdReply(body: string, reject: RejectAction): FilterAnswer | undefined {
  const reply = readReply(body)
  return reply && toAnswer(reply, reject)
}

function readReply(body: string): Reply | undefined {
  const reply = readJson(body)
  const { action, score } = toTree(reply)
  if (typeof action !== 'string' || typeof score !== 'number' || !Number.isFinite(score)) return undefined
  const { is_skipped: skipped, required_score: required, thresholds, symbols, messages, milter } = reply as Tree
  const own = toTree(thresholds)[action]
  const threshold = typeof own === 'number' ? own : required
  const said = toTree(messages)['smtp_message']
  return {
    skipped: skipped === true,
    action,
    score,
    threshold: typeof threshold === 'number' && Number.isFinite(threshold) ? threshold : undefined,
    symbols: Object.entries(toTree(symbols))
      .map(([symbol, value]) => ({ symbol: toWords(symbol, 80), score: Number(toTree(value)['score'] ?? 0) || 0 }))
      .filter(({ symbol }) => symbol !== '')
      .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
      .slice(0, maxSymbols)
      .map(({ symbol }) => symbol),
    words: typeof said === 'string' && said !== '' ? toWords(said) : undefined,
    milter: toTree(milter),
  }
}

/**
 * `greylist` is left over when Rspamd has no memory of its own to greylist with; with one it says `soft reject` until the time has come.
 * So it keeps nobody waiting for ever.
 */
const actions: Readonly<Record<string, FilterAction>> = {
  'no action': 'accept',
  greylist: 'accept',
  'add header': 'junk',
  'rewrite subject': 'junk',
  'soft reject': 'defer',
  reject: 'reject',
}

function toAnswer(reply: Reply, reject: RejectAction): FilterAnswer {
  const { action: said, score, threshold, symbols, words, milter } = reply
  const known = actions[said]
  // What it refuses at first sight it calls skipped too.
  if (reply.skipped && known === 'accept') return { action: 'accept', reasons: ['Rspamd did not look at it'] }
  const held = milter['reject'] === 'discard' || milter['reject'] === 'quarantine'
  // What it would throw away without a word is kept where somebody can look.
  const action = held ? 'quarantine' : known === 'reject' ? reject : (known ?? 'accept')
  const rounded = Math.round(score * 100) / 100
  const scale = `${rounded}${threshold === undefined ? '' : ` of ${threshold}`}`
  const list = symbols.length > 0 ? `: ${symbols.join(', ')}` : ''
  return {
    action,
    score: rounded,
    ...(threshold !== undefined && { threshold }),
    symbols,
    reasons: [toWords(`Rspamd says ${said} (${scale})${words ? ` "${words}"` : ''}${list}`, 500)],
    headers: toHeaders(reply, rounded, action),
  }
}

/** What it wants added, or, when it says nothing of it, its result. */
function toHeaders({ milter, symbols, threshold }: Reply, score: number, action: FilterAction): FilterHeader[] {
  const wanted = Object.entries(toTree(milter['add_headers'])).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => toHeader(name, String(isTree(one) ? one['value'] : one))),
  )
  const isSpam = action !== 'accept'
  const tests = foldWords(symbols.length > 0 ? symbols : ['none'], ',')
  const required = threshold === undefined ? '' : ` required=${threshold}`
  const own = [
    ...(isSpam ? [toHeader('X-Spam-Flag', 'YES')] : []),
    toHeader('X-Spam-Status', `${isSpam ? 'Yes' : 'No'}, score=${score}${required}\ntests=${tests}`),
  ]
  return (wanted.length > 0 ? wanted : own).filter((header) => header !== undefined).slice(0, maxHeaders)
}
