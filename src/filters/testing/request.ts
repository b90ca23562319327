// Messages and settings for tests of filters.

import type { FilterRequest, FilterSettings } from '../index.ts'

/** A message from outside, with everything that a filter wants to know; read in pieces of `piece` bytes. */
export function toRequest(text: string, change: Partial<FilterRequest> = {}, piece = 10_000): FilterRequest {
  const bytes = Buffer.from(text, 'latin1')
  return {
    trace: 't1',
    ip: '192.0.2.1',
    helo: 'out.good.test',
    from: 'bert@good.test',
    to: ['ann@here.test'],
    header: bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4),
    size: bytes.length,
    async *bytes() {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
    },
    ...change,
  }
}

const daemon = {
  timeout: 30_000,
  onFailure: 'accept',
  connections: 10,
  maxSize: 52_428_800,
  submissions: true,
} as const

/** All off but these. */
export function filterSettings(change: Partial<FilterSettings>): FilterSettings {
  return {
    clamav: { ...daemon, action: 'reject' },
    spamassassin: daemon,
    rspamd: { ...daemon, reject: 'reject' },
    milters: [],
    dnsbl: { lists: [], timeout: 5_000, onFailure: 'accept' },
    ...change,
  }
}

export const milterSettings = daemon
