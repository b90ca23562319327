// Dates in headers (RFC 5322 §3.3 with the obsolete forms of §4.3): text to milliseconds and back.

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** Minutes east of UTC; single letters and unknown names count as -0000 (RFC 5322 §4.3). */
const zones: { readonly [name: string]: number } = {
  ut: 0,
  utc: 0,
  gmt: 0,
  z: 0,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  cet: 60,
  cest: 120,
  bst: 60,
  jst: 540,
}

/**
 * Milliseconds since 1970 UTC of a date as headers have it: `Sat, 20 Nov 2021 14:22:01 -0800`. The day's name, seconds and zone may
 * be missing, comments may stand anywhere, years may have two digits. A day without a time that can be read is its midnight (RFC 5256 §2.2).
 * Undefined when it is no date.
 */
export function parseDate(value: string): number | undefined {
  const tokens = tokenise(value)
  let i = tokens[0] !== undefined && isDayName(tokens[0]) ? 1 : 0
  let day = toNumber(tokens[i])
  let month = monthOf(tokens[i + 1])
  if (day === undefined) {
    // The order of C's asctime: `Sat Nov 20 14:22:01 2021`.
    month = monthOf(tokens[i])
    day = toNumber(tokens[i + 1])
  }
  if (day === undefined || month < 0 || day < 1 || day > 31) return undefined
  i += 2
  let year = toYear(tokens[i])
  const time = parseTime(tokens[year === undefined ? i : i + 1] ?? '') ?? [0, 0, 0]
  if (year === undefined) year = toYear(tokens[i + 1])
  if (year === undefined) return undefined
  const zone = zoneMinutes(tokens[i + 2] ?? '')
  // Date.UTC takes the years 0–99 for 19xx, which toYear has settled.
  const at = Date.UTC(year, month, day, time[0], time[1] - zone, time[2])
  return Number.isNaN(at) ? undefined : at
}

/** `Sun, 22 Nov 2026 10:26:31 +0000`: always UTC. */
export function formatDate(ms: number): string {
  const date = new Date(ms)
  const two = (n: number) => String(n).padStart(2, '0')
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  return `${days[date.getUTCDay()]}, ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${year} ${clock} +0000`
}

/** Words without white space, commas and comments; the hyphens of `20-Nov-2021` separate too. At most 8. */
function tokenise(value: string): string[] {
  const tokens: string[] = []
  let depth = 0
  let word = ''
  for (let i = 0; i <= value.length && tokens.length < 8; i++) {
    const char = value[i] ?? ' '
    if (char === '(') depth++
    const inWord = depth === 0 && char > ' ' && char !== ',' && !(char === '-' && word !== '' && tokens.length < 4)
    if (char === ')' && depth > 0) depth--
    if (inWord) word += char
    else if (word !== '') {
      tokens.push(word)
      word = ''
    }
    if (word.length > 40) return tokens
  }
  return tokens
}

function isDayName(token: string): boolean {
  const name = token.slice(0, 3).toLowerCase()
  return days.some((day) => day.toLowerCase() === name)
}

function monthOf(token: string | undefined): number {
  const name = token?.slice(0, 3).toLowerCase()
  return months.findIndex((month) => month.toLowerCase() === name)
}

function toNumber(token: string | undefined): number | undefined {
  if (token === undefined || token === '' || token.length > 6) return undefined
  for (let i = 0; i < token.length; i++) if (token[i]! < '0' || token[i]! > '9') return undefined
  return Number(token)
}

/** RFC 5322 §4.3: 00–49 are 20xx; 50–99 and three digits count from 1900. */
function toYear(token: string | undefined): number | undefined {
  const year = toNumber(token)
  if (year === undefined || token!.length < 2) return undefined
  if (token!.length === 2) return year < 50 ? 2000 + year : 1900 + year
  return token!.length === 3 ? 1900 + year : year
}

function parseTime(token: string): [number, number, number] | undefined {
  const pieces = token.split(token.includes(':') ? ':' : '.').map(toNumber)
  const [hour, minute, second = 0] = pieces
  if (hour === undefined || minute === undefined || pieces.length > 3) return undefined
  return hour < 25 && minute < 60 && second < 61 ? [hour, minute, second] : undefined
}

function zoneMinutes(token: string): number {
  const sign = token[0]
  const digits = sign === '+' || sign === '-' ? token.slice(1).replace(':', '') : ''
  if (digits.length === 4 && toNumber(digits) !== undefined) {
    const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
    return sign === '-' ? -minutes : minutes
  }
  return zones[token.toLowerCase()] ?? 0
}
