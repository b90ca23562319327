// Domain names as mail uses them: A-labels in, A-labels out, U-labels for people. Knows no DNS.

import { domainToASCII, domainToUnicode } from 'node:url'

const DOT = 46
const HYPHEN = 45

/** Longest domain in octets (RFC 5321 §4.5.3.1.2); longest label (RFC 1035 §2.3.4). */
const MAX_DOMAIN = 255
const MAX_LABEL = 63

/**
 * The lower-case A-label form of a domain in ASCII or Unicode (UTS 46, non-transitional), or undefined when it is none.
 * Only letters, digits and hyphens are host names (RFC 5321 §4.1.2): an underscore, an empty label, a trailing dot and
 * an all-numeric top label (which would be read as an IP address) are refused.
 */
export function toAscii(domain: string): string | undefined {
  if (domain.length === 0 || domain.length > MAX_DOMAIN) return undefined
  let ascii = true
  for (let i = 0; i < domain.length; i++) {
    const c = domain.charCodeAt(i)
    if (c > 127) ascii = false
    else if (!isLetDig(c) && c !== HYPHEN && c !== DOT) return undefined
  }
  const lower = ascii ? domain.toLowerCase() : domainToASCII(domain)
  if (!isHostName(lower)) return undefined
  return lower.includes('xn--') && !lower.split('.').every(isDecodable) ? undefined : lower
}

/** An A-label must come from a U-label (RFC 5890 §2.3.2.1): a name in xn-- that means nothing may look like anything. */
function isDecodable(label: string): boolean {
  if (!label.startsWith('xn--')) return true
  const unicode = domainToUnicode(label)
  return unicode !== label && domainToASCII(unicode) === label
}

/** The form people read: A-labels become U-labels; what does not decode stays. Address literals stay. */
export function toUnicode(domain: string): string {
  return domain.includes('xn--') ? domainToUnicode(domain) || domain : domain
}

/** Whether a lower-case ASCII name keeps the rules of a host name. */
function isHostName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_DOMAIN) return false
  let start = 0
  let numeric = true
  for (let i = 0; i <= name.length; i++) {
    const c = i < name.length ? name.charCodeAt(i) : DOT
    if (c === DOT) {
      const size = i - start
      if (size === 0 || size > MAX_LABEL) return false
      if (name.charCodeAt(start) === HYPHEN || name.charCodeAt(i - 1) === HYPHEN) return false
      if (i < name.length) numeric = true
      start = i + 1
    } else if (c === HYPHEN || isLetDig(c)) {
      if (c < 48 || c > 57) numeric = false
    } else return false
  }
  return !numeric
}

function isLetDig(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57)
}
