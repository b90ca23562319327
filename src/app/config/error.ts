// What is wrong with a configuration. Apart from the reading of it, which loads much that a door never needs.

/** All that is wrong with a configuration, one line each. */
export class ConfigError extends Error {
  readonly lines: readonly string[]
  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.name = 'ConfigError'
    this.lines = lines
  }
}
