// The filters that the configuration names: loaded with the first message that one is asked about, made anew when it names others.

import { createFilters, type FilterParts, type Filters } from '../filters/index.ts'
import type { Config } from './config/index.ts'

/** Those of the moment; undefined when none is named. */
export function configuredFilters(config: () => Config, parts: FilterParts): () => Promise<Filters | undefined> {
  let made: Promise<Filters> | undefined
  let named: Config['filters'] | undefined
  return async () => {
    const { filters } = config()
    if (!namesAny(filters)) return undefined
    // A configuration that was read again is another value, and mostly says the same.
    if (filters !== named && JSON.stringify(filters) !== JSON.stringify(named)) made = undefined
    named = filters
    return (made ??= createFilters(filters, parts))
  }
}

function namesAny({ clamav, spamassassin, rspamd, milters, dnsbl }: Config['filters']): boolean {
  const named = [clamav, spamassassin, rspamd].some(({ address }) => address !== undefined)
  return named || milters.length > 0 || dnsbl.lists.length > 0
}
