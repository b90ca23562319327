// Dates as IMAP writes them. Days are compared as numbers, because SEARCH disregards time and zone (RFC 9051 §6.4.4).

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const monthNumbers = new Map(months.map((month, i) => [month.toLowerCase(), i]))

/** Whole days since 1970 of a calendar date, or undefined when there is no such day. `month` is `Jan` in any case. */
export function calendarDay(day: string, month: string, year: string): number | undefined {
  const d = digits(day, 1, 2)
  const m = monthNumbers.get(month.toLowerCase())
  const y = digits(year, 4, 4)
  if (d === undefined || m === undefined || y === undefined) return undefined
  const at = Date.UTC(y, m, d)
  return new Date(at).getUTCDate() === d ? at / DAY : undefined
}

const DAY = 86_400_000

/** The UTC day of a time. */
export const dayOf = (ms: number) => Math.floor(ms / DAY)

function digits(text: string, min: number, max: number): number | undefined {
  if (text.length < min || text.length > max) return undefined
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) return undefined
  return Number(text)
}

/** `dd-Mon-yyyy hh:mm:ss +zzzz`; the day may have a space or nothing in front of one digit. */
export function parseDateTime(text: string): number | undefined {
  const [date = '', time = '', zone = '', ...rest] = text.trimStart().split(' ')
  const [day = '', month = '', year = '', ...more] = date.split('-')
  const [h = '', m = '', s = '', ...extra] = time.split(':')
  const days = calendarDay(day, month, year)
  const hours = digits(h, 2, 2)
  const minutes = digits(m, 2, 2)
  const seconds = digits(s, 2, 2)
  const offset = parseZone(zone)
  if (rest.length + more.length + extra.length > 0 || days === undefined || offset === undefined) return undefined
  if (hours === undefined || minutes === undefined || seconds === undefined) return undefined
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  return days * DAY + ((hours * 60 + minutes - offset) * 60 + seconds) * 1000
}

/** Minutes east of UTC. */
function parseZone(zone: string): number | undefined {
  const sign = zone[0] === '+' ? 1 : zone[0] === '-' ? -1 : 0
  const value = digits(zone.slice(1), 4, 4)
  if (sign === 0 || value === undefined || value % 100 > 59) return undefined
  return sign * (Math.floor(value / 100) * 60 + (value % 100))
}

const two = (n: number) => (n < 10 ? `0${n}` : `${n}`)

/** INTERNALDATE of a time, in UTC and with its quotes. */
export function formatDateTime(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const day = Math.floor(seconds / 86_400)
  // Messages side by side mostly came on one day.
  if (day !== lastDay) {
    lastDay = day
    lastDate = formatDay(day)
  }
  const rest = seconds - day * 86_400
  const hours = (rest / 3600) | 0
  const minutes = ((rest / 60) | 0) % 60
  return `"${lastDate} ${two(hours)}:${two(minutes)}:${two(rest % 60)} +0000"`
}

let lastDay = Number.NaN
let lastDate = ''

function formatDay(day: number): string {
  const t = new Date(day * DAY)
  const date = t.getUTCDate()
  return `${date < 10 ? ' ' : ''}${date}-${months[t.getUTCMonth()]}-${String(t.getUTCFullYear()).padStart(4, '0')}`
}

/** The calendar day that a Date header names in its own zone, or undefined when it names none: `Mon, 1 Jan 2024 …`. */
export function headerDay(date: string): number | undefined {
  const comma = date.indexOf(',')
  const words = date
    .slice(comma + 1)
    .trim()
    .split(' ')
    .filter((word) => word !== '')
  const [day = '', month = '', year = ''] = words
  const two = digits(year, 2, 2)
  return calendarDay(day, month.slice(0, 3), two === undefined ? year : String(two < 50 ? 2000 + two : 1900 + two))
}
