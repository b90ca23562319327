// Brings a database to the schema of this program: numbered steps, forward only, each in a transaction of its own.

import { Fault } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Sql } from '../types.ts'
import { mail } from './0001-mail.ts'
import { sharing } from './0002-sharing.ts'
import { scheduler } from './0003-scheduler.ts'
import { returned } from './0004-returned.ts'
import { trace } from './0005-trace.ts'
import { literal } from './0006-literal.ts'
import { fetchBlocks } from './0007-fetch-blocks.ts'
import { dkim } from './0008-dkim.ts'
import { quarantine } from './0009-quarantine.ts'
import { abuse } from './0010-abuse.ts'
import { sts } from './0011-sts.ts'
import { reports } from './0012-reports.ts'
import { certificates } from './0013-certificates.ts'
import { classifier } from './0014-classifier.ts'

export interface Migration {
  readonly name: string
  readonly statements: readonly string[]
}

export const migrations: readonly Migration[] = [
  mail,
  sharing,
  scheduler,
  returned,
  trace,
  literal,
  fetchBlocks,
  dkim,
  quarantine,
  abuse,
  sts,
  reports,
  certificates,
  classifier,
]

/** What a database must offer to be migrated. */
export interface Schema {
  readonly words: { readonly [word: string]: string }
  /** Names of the steps already taken; makes the table that holds them. */
  applied(): Promise<string[]>
  /** Runs the statements and notes the name, all or nothing. */
  apply(name: string, statements: readonly string[]): Promise<void>
}

/** Takes the steps that are missing. Refuses a database that a newer program has changed. */
export async function migrate(schema: Schema, steps: readonly Migration[] = migrations): Promise<void> {
  const applied = new Set(await schema.applied())
  for (const name of applied)
    if (!steps.some((step) => step.name === name))
      throw new Fault('unsupported', `the database has the step ${name}, which this version of Posthorn does not know`)
  for (const { name, statements } of steps)
    if (!applied.has(name))
      await schema.apply(
        name,
        statements.map((text) => translate(text, schema.words)),
      )
}

/** Reads the names of the steps taken. */
export const namesOfSteps: Sql = sql`SELECT name FROM migration LIMIT 1000`

export function noteStep(name: string, now: number): Sql {
  return sql`INSERT INTO migration (name, applied_at) VALUES (${name}, ${now})`
}

function translate(text: string, words: Schema['words']): string {
  return text.replace(/\{([a-z]+)\}/g, (whole, word: string) => words[word] ?? whole)
}
