// What is known against a message, from everybody who was asked: the filters, and the domain of its author.

import { type FilterAction, type FilterAnswer, toHeader } from '../../filters/index.ts'
import type { DmarcAnswer, Verification } from '../../mailauth/index.ts'
import type { Finding } from './decide.ts'

/** A filter's answer with its name. */
export interface NamedAnswer extends FilterAnswer {
  readonly by?: string
  /** It could not be asked; the answer is the configured one. */
  readonly failed?: boolean
}

const maxAnswers = 20
const maxReasons = 20
const maxReason = 300
const maxSymbols = 100
const maxFields = 20

/** An answer as it is kept: of bounded size, its words one line each. */
export function boundAnswers(answers: readonly NamedAnswer[]): readonly NamedAnswer[] {
  return answers.slice(0, maxAnswers).map((answer) => ({
    ...answer,
    by: oneLine(answer.by ?? 'filter', maxReason),
    reasons: answer.reasons.slice(0, maxReasons).map((reason) => oneLine(reason, maxReason)),
    ...(answer.virus !== undefined && { virus: oneLine(answer.virus, maxReason) || 'unnamed' }),
    ...(answer.symbols && { symbols: answer.symbols.slice(0, maxSymbols).map((one) => oneLine(one, maxReason)) }),
    ...(answer.headers && {
      headers: answer.headers.slice(0, maxFields).flatMap(({ name, value }) => toHeader(name, value) ?? []),
    }),
  }))
}

export function findingsOf({
  verification,
  answers = [],
  allowed,
}: {
  readonly verification?: Verification
  readonly answers?: readonly NamedAnswer[]
  /** A recipient's list lets the sender in: of what is said against him only malware and DMARC count, and that a filter could not look. */
  readonly allowed?: true
}): readonly Finding[] {
  const disowned = verification && disownedBy(verification.dmarc)
  const heard = allowed ? answers.filter(({ virus, action }) => virus !== undefined || action === 'defer') : answers
  const found = heard.map(toFinding).filter((one) => one.action !== 'accept' || one.score !== undefined)
  return disowned ? [disowned, ...found] : found
}

function toFinding({ by = 'filter', action, reasons, score, threshold, virus, failed, sure }: NamedAnswer): Finding {
  return {
    by,
    action: virus === undefined ? action : withMalware(action),
    reasons,
    ...(score !== undefined && { score }),
    ...(threshold !== undefined && { threshold }),
    ...(virus !== undefined && { virus }),
    ...(failed && { failed }),
    ...(sure !== undefined && { sure }),
  }
}

/** Malware is nowhere where it can be opened by mistake, whatever is proposed. */
const withMalware = (action: FilterAction): FilterAction =>
  action === 'accept' ? 'reject' : action === 'junk' ? 'quarantine' : action

function disownedBy({ result, policy, from }: DmarcAnswer): Finding | undefined {
  if (result !== 'fail' || policy === undefined || policy === 'none') return undefined
  const words = `${from ?? 'the domain of From'} asks to ${policy} mail that does not pass DMARC, and this does not`
  return { by: 'DMARC', action: policy === 'reject' ? 'reject' : 'junk', dmarc: policy, reasons: [words] }
}

/** Visible characters and single blanks, at most so many. */
export function oneLine(text: string, most: number): string {
  let out = ''
  for (const char of text) {
    if (out.length >= most) break
    const code = char.codePointAt(0)!
    const blank = code <= 32 || (code >= 127 && code <= 160) || code === 0x2028 || code === 0x2029
    if (!blank) out += char
    else if (out !== '' && !out.endsWith(' ')) out += ' '
  }
  return out.trimEnd()
}
