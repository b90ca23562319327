// The DNS as the checks of one message see it: within one budget of time, and in the shape that the library for DKIM, ARC and DMARC asks in.

import type { Clock } from '../base/index.ts'
import type { Answer, Resolver } from '../dns/index.ts'

/** A resolver whose every question ends when the budget does: then nobody could say. `end` gives the timer back. */
export function withBudget(resolver: Resolver, clock: Clock, ms: number): Resolver & { end(): void } {
  let over = false
  let tell = () => {}
  const ended = new Promise<void>((resolve) => {
    tell = resolve
  })
  const cancel = clock.after(ms, () => {
    over = true
    tell()
  })
  const late: Answer<never> = { status: 'failed', reason: `no answer within ${ms / 1000} s for the whole message` }
  const within = async <T>(ask: () => Promise<Answer<T>>): Promise<Answer<T>> =>
    over ? late : Promise.race([ask(), ended.then(() => late)])
  return {
    mx: (name) => within(() => resolver.mx(name)),
    a: (name) => within(() => resolver.a(name)),
    aaaa: (name) => within(() => resolver.aaaa(name)),
    txt: (name) => within(() => resolver.txt(name)),
    ptr: (ip) => within(() => resolver.ptr(ip)),
    srv: (name) => within(() => resolver.srv(name)),
    tlsa: (name) => within(() => resolver.tlsa(name)),
    close() {},
    end() {
      cancel()
      over = true
      tell()
    },
  }
}

/** As `resolve` of node:dns answers and fails. */
export type LibraryResolver = (name: string, type: string) => Promise<unknown>

export function toLibrary(resolver: Resolver): LibraryResolver {
  return async (name, type) => {
    switch (type) {
      case 'TXT':
        return orThrow(name, await resolver.txt(name)).map((text) => [text])
      case 'A':
        return orThrow(name, await resolver.a(name))
      case 'AAAA':
        return orThrow(name, await resolver.aaaa(name))
      case 'MX':
        return orThrow(name, await resolver.mx(name)).map(({ preference, exchange }) => ({
          priority: preference,
          exchange,
        }))
      default:
        throw failure('ENODATA', `${type} of ${name} is not asked for`)
    }
  }
}

function orThrow<T>(name: string, answer: Answer<T>): readonly T[] {
  if (answer.status === 'ok') return answer.records
  if (answer.status === 'failed') throw failure('ETIMEOUT', answer.reason)
  throw failure(answer.status === 'nxdomain' ? 'ENOTFOUND' : 'ENODATA', `${name}: nothing there`)
}

const failure = (code: string, message: string) => Object.assign(new Error(message), { code })
