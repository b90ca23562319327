// Names of mailboxes: parents, and the patterns of LIST. Knows no store.

export const SEPARATOR = '/'

/** Every name above `name`, nearest last: `a`, `a/b` of `a/b/c`. */
export function parentsOf(name: string): string[] {
  const out: string[] = []
  for (let at = name.indexOf(SEPARATOR); at >= 0; at = name.indexOf(SEPARATOR, at + 1)) out.push(name.slice(0, at))
  return out
}

/**
 * Whether `name` matches a LIST pattern: `*` any characters, `%` any but the separator (RFC 9051 §6.3.9).
 * Takes time in the product of the lengths whatever the pattern is: it keeps the set of reachable places, never goes back.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  let places = new Uint8Array(name.length + 1)
  places[0] = 1
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    const next = new Uint8Array(name.length + 1)
    const wild = c === '*' || c === '%'
    for (let at = 0; at <= name.length; at++) {
      if (wild) {
        const through = at > 0 && next[at - 1] === 1 && (c === '*' || name[at - 1] !== SEPARATOR)
        next[at] = places[at] === 1 || through ? 1 : 0
      } else if (at > 0 && places[at - 1] === 1 && name[at - 1] === c) next[at] = 1
    }
    places = next
  }
  return places[name.length] === 1
}

/** The pattern of LIST with its reference in front; INBOX is matched in any case. */
export function joinPattern(reference: string, pattern: string): string {
  const joined = reference + pattern
  const head = joined.slice(0, 5).toUpperCase()
  if (head !== 'INBOX') return joined
  const next = joined[5]
  return next === undefined || next === SEPARATOR || next === '*' || next === '%' ? `INBOX${joined.slice(5)}` : joined
}
