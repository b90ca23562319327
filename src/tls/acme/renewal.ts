// When a certificate is to be renewed: within the window that the authority suggests (RFC 9773), else when a third of its life is left.

import { renewalId } from '../request.ts'
import type { AcmeClient } from './client.ts'

export interface Life {
  readonly chain: string
  readonly notBefore: number
  readonly notAfter: number
  /** What was planned before; kept while it fits. */
  readonly planned?: number | undefined
}

export interface RenewalPlan {
  readonly renewAt: number
  /** When to ask again. */
  readonly askAt: number
  /** It comes from the authority. */
  readonly suggested: boolean
  /** A page of the authority that says why, when it has a reason. */
  readonly explanation?: string
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** RFC 9773 §4.3.2 leaves it to us when the answer does not say. */
const askEveryMs = 6 * hourMs
const askBounds = { least: 60_000, most: dayMs }

/** Plans by asking; an authority that is silent or knows no windows leaves the rule of thumb. `random`: 0 to 1. Never throws. */
export async function planRenewal(
  client: Pick<AcmeClient, 'directory' | 'get'>,
  life: Life,
  now: number,
  random: () => number = Math.random,
): Promise<RenewalPlan> {
  const fallback = { renewAt: thirdBeforeEnd(life), askAt: now + askEveryMs, suggested: false }
  const id = renewalId(life.chain)
  try {
    const { renewalInfo } = await client.directory()
    if (renewalInfo === undefined || id === undefined) return { ...fallback, askAt: now + dayMs }
    const { json, retryAfterMs } = await client.get(`${renewalInfo}/${id}`, 'renewal information')
    const window = toWindow(json['suggestedWindow'])
    if (!window) return fallback
    const ask = Math.min(Math.max(retryAfterMs ?? askEveryMs, askBounds.least), askBounds.most)
    const url = json['explanationURL']
    return {
      renewAt: choose(window, life.planned, random),
      askAt: now + ask,
      suggested: true,
      ...(typeof url === 'string' && { explanation: url.slice(0, 500) }),
    }
  } catch {
    return fallback
  }
}

/** RFC 9773 §4.2: any moment of the window, the same as long as the window holds it. */
function choose({ start, end }: Window, planned: number | undefined, random: () => number): number {
  if (planned !== undefined && planned >= start && planned <= end) return planned
  return Math.round(start + random() * (end - start))
}

interface Window {
  readonly start: number
  readonly end: number
}

function toWindow(value: unknown): Window | undefined {
  if (typeof value !== 'object' || value === null || !('start' in value) || !('end' in value)) return undefined
  const [start, end] = [Date.parse(String(value.start)), Date.parse(String(value.end))]
  return Number.isFinite(start) && end > start ? { start, end } : undefined
}

export const thirdBeforeEnd = ({ notBefore, notAfter }: Life): number =>
  notAfter - Math.round((notAfter - notBefore) / 3)
