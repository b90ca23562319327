// Reads a list of users: email,password[,name,quota], RFC 4180 quotes, a header line if there is one.

import { parseSize } from '../config/units.ts'

export interface ImportLine {
  readonly line: number
  readonly email: string
  readonly password: string
  readonly name?: string
  readonly quotaBytes?: number
}
export interface ImportError {
  readonly line: number
  readonly email: string
  readonly error: string
}

/** Every record of the text: users, and the lines that are none. */
export function parseUsers(text: string): { users: ImportLine[]; errors: ImportError[] } {
  const users: ImportLine[] = []
  const errors: ImportError[] = []
  for (const [i, { line, fields }] of parseCsv(text).entries()) {
    if (i === 0 && fields[0]!.trim().toLowerCase() === 'email') continue
    const [email = '', password = '', name = '', quota = ''] = fields.map((field, n) =>
      n === 1 ? field : field.trim(),
    )
    const quotaBytes = quota === '' ? undefined : parseSize(quota)
    const error = wrong(fields.length, email, password, quota, quotaBytes)
    if (error) errors.push({ line, email, error })
    else users.push({ line, email, password, ...(name && { name }), ...(quotaBytes !== undefined && { quotaBytes }) })
  }
  return { users, errors }
}

function wrong(count: number, email: string, password: string, quota: string, bytes: number | undefined) {
  if (count < 2 || count > 4) return `expected email,password[,name,quota], found ${count} fields`
  if (!email.includes('@')) return `expected an address, found "${email}"`
  if (password === '') return 'the password is empty'
  return quota !== '' && bytes === undefined ? `expected a size such as 2G, found "${quota}"` : undefined
}

/** Records with the line they begin at; empty lines are left out. */
export function parseCsv(text: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = []
  let fields: string[] = []
  let field = ''
  let quoted = false
  let line = 1
  let start = 1
  const endRecord = () => {
    fields.push(field)
    if (fields.length > 1 || field.trim() !== '') records.push({ line: start, fields })
    fields = []
    field = ''
  }
  for (let i = text.startsWith('\ufeff') ? 1 : 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '\n') line++
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') field += text[i++]
      else quoted = false
    } else if (c === '"' && field.trim() === '') {
      field = ''
      quoted = true
    } else if (c === ',') {
      fields.push(field)
      field = ''
    } else if (c === '\n') {
      endRecord()
      start = line
    } else if (c !== '\r') field += c
  }
  endRecord()
  return records
}
