// The resolver that the configuration names, behind one that stays: other servers may be named while the queue asks.

import type { Clock } from '../base/index.ts'
import { type CaaResolver, createResolver } from '../dns/index.ts'
import type { Config } from './config/index.ts'

export interface ConfiguredResolver extends CaaResolver {
  /** Questions from now on go where this configuration says; those under way get their answers. */
  reconfigure(config: Config): void
}

/** Throws Fault `invalid` for a server that is no address. */
export function createConfiguredResolver(config: Config, clock: Clock): ConfiguredResolver {
  const open = ({ dns }: Config) =>
    createResolver({ ...(dns.resolver && { servers: dns.resolver }), dnssec: dns.dnssec, clock })
  let current = open(config)
  let named = JSON.stringify(config.dns)
  return {
    mx: (name) => current.mx(name),
    a: (name) => current.a(name),
    aaaa: (name) => current.aaaa(name),
    txt: (name) => current.txt(name),
    ptr: (ip) => current.ptr(ip),
    srv: (name) => current.srv(name),
    tlsa: (name) => current.tlsa(name),
    caa: (name) => current.caa(name),
    close: () => current.close(),
    reconfigure(next) {
      // What is cached stays good while nobody names other servers.
      if (JSON.stringify(next.dns) === named) return
      named = JSON.stringify(next.dns)
      current = open(next)
    },
  }
}
