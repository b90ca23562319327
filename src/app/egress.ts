// The client of the web that the configuration describes, behind one that stays: other networks may be allowed while it is used.

import { readFileSync } from 'node:fs'
import { Fault } from '../base/index.ts'
import { createEgress, type Egress, type EgressOptions } from '../egress/index.ts'
import type { Config } from './config/index.ts'
import { systemWords } from './system-words.ts'

export interface ConfiguredEgress extends Pick<Egress, 'fetch'> {
  /** Requests from now on are as this configuration says. Fault `invalid` as readEgress. */
  reconfigure(config: Config): void
}

export function createConfiguredEgress(config: Config, dns: EgressOptions['dns']): ConfiguredEgress {
  const egress = createEgress({ dns, ...readEgress(config) })
  return {
    fetch: (request) => egress.fetch(request),
    reconfigure: (next) => egress.reconfigure(readEgress(next)),
  }
}

/** Fault `invalid` when the file of authorities cannot be read. */
export function readEgress({ egress: { allow, ca } }: Config): Pick<EgressOptions, 'allow' | 'ca'> {
  if (ca === undefined) return { allow }
  try {
    return { allow, ca: readFileSync(ca, 'utf8') }
  } catch (error) {
    throw new Fault('invalid', `egress.ca: cannot read ${ca}: ${systemWords(error)}`)
  }
}
