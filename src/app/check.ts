// What rooms say about their part of a configuration before anything is made or opened. Knows what to ask, not what is right.

import { isFault } from '../base/index.ts'
import { createSources, parseRoutes, parseTlsWords } from '../queue/index.ts'
import { readPair } from '../tls/index.ts'
import { acmeSettings } from './certificates.ts'
import { type Config, ConfigError } from './config/index.ts'
import { readEgress } from './egress.ts'

/** Routes that mean nothing, certificates that cannot be read: one line each. Throws ConfigError. */
export function checkParts(config: Config): void {
  const { tls, certificates, queue } = config
  const checks = [
    ...Object.entries(queue.routes).map(
      ([pattern, target]) =>
        () =>
          void parseRoutes({ [pattern]: target }),
    ),
    () => void createSources({ pools: queue.sources, rules: queue.sourceRules }),
    () => void parseTlsWords(queue.tls),
    () => void readEgress(config),
    ...[...(tls ? [tls] : []), ...certificates].map((files) => () => void readPair(files)),
    () => void acmeSettings(config),
  ]
  const lines = checks.flatMap((check) => {
    try {
      check()
      return []
    } catch (error) {
      if (isFault(error)) return [`${config.source}: ${error.message}`]
      throw error
    }
  })
  if (lines.length > 0) throw new ConfigError(lines)
}
