// GETMETADATA and SETMETADATA (RFC 5464): what clients note about mailboxes and about the server.

import { Fault } from '../../../base/index.ts'
import { type Access, type AnnotationChange, type Located, metadataLimits, serverAccess } from '../../../mail/index.ts'
import { type Cursor, formatAstring, formatMailbox, isQuotable, quote } from '../../wire/index.ts'
import { type AuthenticatedContext, type Command, command } from '../command.ts'
import type { Output } from '../output.ts'
import { specialUseOf } from '../special-use.ts'

interface Options {
  /** Values beyond this are left out. */
  readonly maxSize: number
  readonly depth: 0 | 1 | typeof Number.POSITIVE_INFINITY
}

interface GetArguments extends Options {
  readonly name: string
  readonly entries: readonly string[]
}

/** Of one command: more ask for what nobody noted. */
const MAX_ENTRIES = 100

/** An entry as it was written; it is compared in lower case (RFC 5464 §3.2). `orTree`: clients that ask for everything below name the tree itself. */
function parseEntry(p: Cursor, orTree = false): string {
  const entry = p.astringText()
  const folded = entry.toLowerCase()
  if (orTree && (folded === '/private' || folded === '/shared')) return entry
  if (!folded.startsWith('/private/') && !folded.startsWith('/shared/')) p.fail('an entry is /private/… or /shared/…')
  if (entry.length > 255 || entry.endsWith('/') || entry.includes('//')) p.fail('this is no name of an entry')
  for (let i = 0; i < entry.length; i++) {
    const c = entry.charCodeAt(i)
    if (c < 0x20 || c > 0x7e || c === 0x2a || c === 0x25) p.fail('this is no name of an entry')
  }
  return entry
}

/** `(entry entry …)` or a single one, as GETMETADATA and LIST (RFC 9590 §2) have it. */
export function parseEntries(p: Cursor, orTree = false): readonly string[] {
  const entries = p.peek() === '(' ? p.list(() => parseEntry(p, orTree)) : [parseEntry(p, orTree)]
  if (entries.length > MAX_ENTRIES) p.fail(`more than ${MAX_ENTRIES} entries`)
  return entries
}

function parseOptions(p: Cursor): Options {
  let maxSize = Number.POSITIVE_INFINITY
  let depth: Options['depth'] = 0
  p.list(() => {
    const option = p.word()
    p.sp()
    if (option === 'MAXSIZE') maxSize = p.number64()
    else if (option === 'DEPTH') depth = depths[p.word()] ?? p.fail('DEPTH is 0, 1 or infinity')
    else p.fail(`GETMETADATA knows no ${option}`)
  })
  return { maxSize, depth }
}
const depths: { readonly [word: string]: Options['depth'] } = { 0: 0, 1: 1, INFINITY: Number.POSITIVE_INFINITY }

function parseGet(p: Cursor): GetArguments {
  let options: Options = { maxSize: Number.POSITIVE_INFINITY, depth: 0 }
  const given = p.sp().peek() === '('
  if (given) {
    options = parseOptions(p)
    p.sp()
  }
  const name = p.mailbox()
  // The examples of RFC 5464 §4.2 have the options behind the mailbox, and so have clients.
  if (!given && p.sp().peek() === '(' && isLetter(p.peekSecond())) {
    options = parseOptions(p)
    p.sp()
  } else if (given) p.sp()
  return { ...options, name, entries: parseEntries(p, options.depth > 0) }
}

const isLetter = (char: string): boolean => char.toUpperCase() !== char.toLowerCase()

async function find({ services, account }: AuthenticatedContext, name: string) {
  return name === '' ? undefined : services.reads.resolve(account, name, 'l')
}

/** Lower-case names that the entries ask for, each as the client wrote it where it did. */
function chosen(names: readonly { entry: string; size: number }[], { entries, depth }: GetArguments) {
  const found = new Map<string, { readonly shown: string; readonly size: number }>()
  for (const shown of entries) {
    const asked = shown.toLowerCase()
    for (const { entry, size } of names) {
      const below = entry.startsWith(`${asked}/`) ? entry.slice(asked.length + 1).split('/').length : undefined
      if (entry === asked) found.set(entry, { shown, size })
      else if (below !== undefined && below <= depth && !found.has(entry)) found.set(entry, { shown: entry, size })
    }
  }
  return found
}

/** RFC 6154 §5.4: the use of a mailbox is an entry too, which is read only. */
const USE = '/private/specialuse'

/** The names and sizes of what is noted, with what the server itself knows. */
async function namesOf({ services }: AuthenticatedContext, access: Access, use: string | undefined) {
  const names = await services.reads.annotationNames(access)
  return use === undefined ? names : [...names, { entry: USE, size: use.length }]
}

type Shown = readonly (readonly [entry: string, shown: string])[]

/** Values of one statement: each may have 16 KiB. */
const PAGE = 16

/** The untagged METADATA; NIL for what is not there. */
async function writeMetadata(context: AuthenticatedContext, located: Located | undefined, pairs: Shown): Promise<void> {
  const { services, account, out, connection } = context
  const access = located?.access ?? serverAccess(account)
  const use = specialUseOf(located?.mailbox.role)
  out.text(`* METADATA ${formatMailbox(located?.mailbox.name ?? '', connection.utf8)} (`)
  for (let at = 0; at < pairs.length; at += PAGE) {
    const page = pairs.slice(at, at + PAGE)
    const entries = page.map(([entry]) => entry)
    const values = new Map(
      (await services.reads.annotations(access, entries)).map(({ entry, value }) => [entry, value] as const),
    )
    if (use !== undefined) values.set(USE, Buffer.from(use))
    for (const [i, [entry, shown]] of page.entries()) {
      out.text(`${at + i > 0 ? ' ' : ''}${formatAstring(shown)} `)
      writeValue(out, values.get(entry))
    }
    await out.pace()
  }
  out.text(')\r\n')
}

function writeValue(out: Output, value: Uint8Array | undefined): void {
  const bytes = value && Buffer.from(value)
  const text = bytes?.toString('latin1')
  if (bytes === undefined || text === undefined) out.text('NIL')
  else if (text.length <= 1000 && isQuotable(text)) out.text(quote(text))
  else {
    // What holds a NUL is a literal8 (RFC 5464 §5).
    out.text(`${bytes.includes(0) ? '~' : ''}{${bytes.length}}\r\n`)
    out.bytes(bytes)
  }
}

/** What LIST returns of a mailbox (RFC 9590 §2); nothing where one may not look. */
export async function writeListMetadata(context: AuthenticatedContext, located: Located, entries: readonly string[]) {
  if (![...'rswip'].some((right) => located.access.rights.includes(right))) return
  await writeMetadata(
    context,
    located,
    entries.map((entry) => [entry.toLowerCase(), entry] as const),
  )
}

export const getMetadata = command({
  name: 'GETMETADATA',
  rfc: 'RFC 5464 §4.2',
  states: ['authenticated', 'selected'],
  capabilities: ['METADATA', 'METADATA-SERVER'],
  parse: parseGet,
  async run(context, args) {
    const located = await find(context, args.name)
    const access = located?.access ?? serverAccess(context.account)
    const found = chosen(await namesOf(context, access, specialUseOf(located?.mailbox.role)), args)
    const pairs: [entry: string, shown: string][] = []
    let longest = 0
    for (const [entry, { shown, size }] of found) {
      if (size > args.maxSize) longest = Math.max(longest, size)
      else pairs.push([entry, shown])
    }
    // What is asked for by its name and is not there is told so.
    if (args.depth === 0)
      for (const shown of args.entries) if (!found.has(shown.toLowerCase())) pairs.push([shown.toLowerCase(), shown])
    if (pairs.length > 0) await writeMetadata(context, located, pairs)
    return longest > 0 ? { code: `METADATA LONGENTRIES ${longest}`, text: 'done' } : { text: 'done' }
  },
})

function parseChanges(p: Cursor): readonly AnnotationChange[] {
  const changes = p.list(() => ({ entry: parseEntry(p).toLowerCase(), value: p.sp().nvalue() ?? null }))
  if (changes.length > MAX_ENTRIES) p.fail(`more than ${MAX_ENTRIES} entries`)
  return changes
}

export const setMetadata = command({
  name: 'SETMETADATA',
  rfc: 'RFC 5464 §4.3',
  states: ['authenticated', 'selected'],
  capabilities: ['METADATA'],
  codes: { 'too-large': `METADATA MAXSIZE ${metadataLimits.value}`, limit: 'METADATA TOOMANY' },
  parse: (p) => ({ name: p.sp().mailbox(), changes: parseChanges(p.sp()) }),
  async run(context, { name, changes }) {
    const located = await find(context, name)
    if (changes.some(({ entry }) => entry === USE))
      throw new Fault('denied', 'a mailbox gets its use when it is created')
    await context.services.writes.setMetadata(located?.access ?? serverAccess(context.account), changes)
    return { text: 'done' }
  },
})

export const metadataCommands: readonly Command[] = [getMetadata, setMetadata]
