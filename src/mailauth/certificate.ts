// What DANE must know of an X.509 certificate and Node does not tell: the bytes of its key, how long a path it may begin, and whether it
// makes conditions that we cannot check. Reads DER (ITU-T X.690); what it cannot read is undefined, never an error.

export interface CertificateFacts {
  /** SubjectPublicKeyInfo as it stands there. */
  readonly key: Buffer
  /** Certificates of authorities that may stand between it and the leaf (RFC 5280 §4.2.1.9); absent: any number. */
  readonly pathLength?: number
  /** It has a critical extension that we do not know, such as name constraints: nobody may rely on it (RFC 5280 §4.2). */
  readonly unknown: boolean
}

interface Value {
  readonly tag: number
  readonly start: number
  readonly end: number
  /** Where the value begins with its tag. */
  readonly at: number
}

const sequenceTag = 0x30
const explicitVersion = 0xa0
const explicitExtensions = 0xa3
const booleanTag = 0x01
const integerTag = 0x02
const octetsTag = 0x04
const oidTag = 0x06

const basicConstraints = '551d13'
/** Key usage, key identifiers, subject names, policies, extended usage: Node or OpenSSL looks at them, or they constrain nothing here. */
const known = new Set([basicConstraints, '551d0f', '551d0e', '551d23', '551d11', '551d20', '551d25'])

export function readCertificate(der: Buffer): CertificateFacts | undefined {
  const outer = valueAt(der, 0, der.length)
  const body = outer?.tag === sequenceTag ? valueAt(der, outer.start, outer.end) : undefined
  if (body?.tag !== sequenceTag) return undefined
  const fields = valuesIn(der, body)
  // RFC 5280 §4.1: version, serial number, signature, issuer, validity, subject, key.
  const key = fields?.[fields[0]?.tag === explicitVersion ? 6 : 5]
  if (!fields || key?.tag !== sequenceTag) return undefined
  const wrapped = fields.find(({ tag }) => tag === explicitExtensions)
  const list = wrapped && valueAt(der, wrapped.start, wrapped.end)
  const extensions = list ? valuesIn(der, list) : []
  if (!extensions) return undefined
  const facts: { key: Buffer; pathLength?: number; unknown: boolean } = {
    key: der.subarray(key.at, key.end),
    unknown: false,
  }
  for (const extension of extensions) {
    const [oid, ...rest] = valuesIn(der, extension) ?? []
    const content = rest.at(-1)
    if (oid?.tag !== oidTag || content?.tag !== octetsTag) return undefined
    const critical = rest.length > 1 && rest[0]!.tag === booleanTag && der[rest[0]!.start] !== 0
    const name = der.toString('hex', oid.start, oid.end)
    if (critical && !known.has(name)) facts.unknown = true
    const length = name === basicConstraints ? pathLengthOf(der, content) : undefined
    if (length !== undefined) facts.pathLength = length
  }
  return facts
}

function pathLengthOf(der: Buffer, content: Value): number | undefined {
  const constraints = valueAt(der, content.start, content.end)
  const number = constraints && valuesIn(der, constraints)?.find(({ tag }) => tag === integerTag)
  // A longer number is no limit that matters; a damaged one allows nothing.
  return number && (number.end - number.start === 1 ? der[number.start]! : 0)
}

/** The values that stand one behind the other in another. */
function valuesIn(der: Buffer, outer: Value): Value[] | undefined {
  const found: Value[] = []
  for (let at = outer.start; at < outer.end; ) {
    const value = valueAt(der, at, outer.end)
    if (!value) return undefined
    found.push(value)
    at = value.end
  }
  return found
}

function valueAt(der: Buffer, at: number, limit: number): Value | undefined {
  if (at + 2 > limit) return undefined
  let start = at + 2
  let length = der[at + 1]!
  if (length > 0x7f) {
    const bytes = length & 0x7f
    if (bytes === 0 || bytes > 3 || start + bytes > limit) return undefined
    length = der.readUIntBE(start, bytes)
    start += bytes
  }
  const end = start + length
  return end > limit ? undefined : { tag: der[at]!, start, end, at }
}
