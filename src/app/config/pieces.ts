// Pieces of which the configuration's schema is made: what a key says about itself, and values that come again.

import { isIP } from 'node:net'
import * as z from 'zod'
import { parseDuration, parseEndpoint, parseSize } from './units.ts'

/** What a key says about itself. */
export interface Note {
  /** One or two sentences for the example and the docs page. */
  readonly description: string
  /** Completes "expected …" in an error. */
  readonly expected: string
  /** Shown in the example when there is no default, commented out. */
  readonly example?: unknown
  /** Whether HUP takes it over without a restart. */
  readonly reload?: boolean
}
export const notes = new Map<z.ZodType, Note>()

export function noted<S extends z.ZodType>(schema: S, note: Note): S {
  notes.set(schema, note)
  return schema
}

export const size = (least: number) =>
  z
    .union([z.number(), z.string()])
    .transform((value) => parseSize(value) ?? Number.NaN)
    .refine((bytes) => Number.isFinite(bytes) && bytes >= least)
export const durationOrNone = z
  .union([z.number(), z.string()])
  .transform((value) => parseDuration(value) ?? Number.NaN)
  .refine((ms) => ms >= 0)
export const duration = durationOrNone.refine((ms) => ms > 0)
/** A text, or `{file: path}` whose contents are taken without the last line end. */
export const secret = z.union([z.string().min(1), z.strictObject({ file: z.string().min(1) })])
export const whole = (least: number, most: number) => z.int().min(least).max(most)
export const address = z.string().refine((text) => isIP(text) !== 0)
export const server = z.string().refine((text) => isIP(text) !== 0 || parseEndpoint(text) !== undefined)
export const name = z.string().min(1).toLowerCase()
