// How a name is proven to be ours: by a text or a certificate that the web door shows (the store tells all doors of all nodes), or by a record
// in the DNS. Knows no order.

import { createHash } from 'node:crypto'
import type { Clock, Log } from '../../base/index.ts'
import { Fault } from '../../base/index.ts'
import type { Authority } from '../../dns/index.ts'
import { certificateRows, type Store } from '../../store/index.ts'
import type { DnsProvider } from './dns-providers.ts'
import type { Proof, Solver } from './order.ts'

/** An order lasts minutes. */
const challengeLifeMs = 900_000
/** Until the doors of all nodes have heard the bell. */
const heardMs = 500

/** `http-01` and `tls-alpn-01`. */
export function createDoorSolver(type: 'http-01' | 'tls-alpn-01', store: Store, clock: Clock): Solver {
  const identify = ({ name, token }: Proof) => (type === 'http-01' ? token : name)
  return {
    type,
    async present(proofs) {
      await store.write('server', async (tx) => {
        for (const proof of proofs) {
          const expires = tx.now + challengeLifeMs
          await certificateRows.putChallenge(tx, type, identify(proof), proof.keyAuthorization, expires)
        }
      })
      await pause(clock, heardMs)
      return () =>
        store.write('server', async (tx) => {
          for (const proof of proofs) await certificateRows.removeChallenge(tx, type, identify(proof))
        })
    },
  }
}

export interface DnsSolverParts {
  readonly provider: DnsProvider
  readonly authority: Authority
  /** Who must show the record; absent: the servers of its zone. */
  readonly servers?: readonly string[]
  readonly clock: Clock
  readonly log: Log
}

const lookEveryMs = 2_000
const arrivalMs = 180_000
/** When no server of the zone can be asked from here: how long to wait before the authority tries. */
const blindMs = 30_000

/** `dns-01` (RFC 8555 §8.4). Aliases of `_acme-challenge` are followed: the record may stand in a zone of its own. */
export function createDnsSolver(parts: DnsSolverParts): Solver {
  const { provider, authority } = parts
  return {
    type: 'dns-01',
    async present(proofs) {
      const records = await Promise.all(
        proofs.map(async (proof) => toRecord(proof, await authority.follow(`_acme-challenge.${proof.name}`))),
      )
      const added: Record[] = []
      const takeAway = async () => {
        for (const record of added) {
          await provider.remove(record.name, record.value).catch((error: unknown) => {
            parts.log.warn({ err: error, name: record.name }, 'acme: a record of a challenge could not be taken away')
          })
        }
      }
      try {
        for (const record of records) {
          await provider.add(record.name, record.value)
          added.push(record)
        }
        await Promise.all(records.map((record) => awaitArrival(parts, record)))
      } catch (error) {
        await takeAway()
        throw error
      }
      return takeAway
    },
  }
}

interface Record {
  readonly name: string
  readonly value: string
}

const toRecord = ({ keyAuthorization }: Proof, name: string): Record => ({
  name,
  value: createHash('sha256').update(keyAuthorization).digest('base64url'),
})

/** Waits until every server of the zone that can be asked shows the record. Fault `unavailable` naming one that does not. */
async function awaitArrival(
  { authority, servers, clock, log }: DnsSolverParts,
  { name, value }: Record,
): Promise<void> {
  const zone = servers ? undefined : await authority.zoneOf(name)
  const asked = servers ?? (zone === undefined ? [] : await authority.serversOf(zone))
  const began = clock.monotonic()
  let waiting = asked
  let silent = true
  while (asked.length > 0) {
    const answers = await Promise.all(
      waiting.map(async (server) => [server, await authority.shows(server, name, value)] as const),
    )
    silent &&= answers.every(([, shown]) => typeof shown === 'string')
    waiting = answers.filter(([, shown]) => shown !== true).map(([server]) => server)
    const behind = answers.filter(([, shown]) => shown === false).map(([server]) => server)
    const passed = clock.monotonic() - began
    if (waiting.length === 0 || (behind.length === 0 && !silent)) return
    if (silent && passed > blindMs) break
    if (passed > arrivalMs)
      throw new Fault(
        'unavailable',
        `TXT of ${name} has not arrived at ${waiting.join(', ')} after ${arrivalMs / 60_000} minutes`,
      )
    await pause(clock, lookEveryMs)
  }
  if (asked.length === 0) await pause(clock, blindMs)
  log.warn({ name }, 'acme: no name server of the zone can be asked from here: the authority is told to look anyway')
}

const pause = (clock: Clock, ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
