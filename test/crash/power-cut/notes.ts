// Reads what shim.c noted: which file or folder each change, sync and reply meant. An inode's number may be used again after its
// file is gone: a file is told by the creation that began it.

export interface FileWrite {
  readonly kind: 'write'
  readonly file: number
  readonly at: number
  readonly bytes: Buffer
}
export interface FileSize {
  readonly kind: 'size'
  readonly file: number
  readonly size: number
}
/** A name in a folder begins to mean a file (or a folder of that path), or nothing. */
export interface NameChange {
  readonly kind: 'name'
  readonly folder: string
  readonly name: string
  readonly means: number | 'folder' | 'nothing'
}
/** `began` is the number of the note before which everything is covered. */
export interface Sync {
  readonly kind: 'synced'
  readonly file?: number
  readonly folder?: string
  readonly began: number
}
export interface Reply {
  readonly kind: 'reply'
  readonly port: number
  readonly text: string
}
/** What one note means; a rename means two changes, and the beginning of a sync none. */
export type Note = readonly (FileWrite | FileSize | NameChange | Sync | Reply)[]

const headBytes = 32

interface Raw {
  readonly kind: string
  readonly inode: bigint
  readonly at: bigint
  /** Below the data folder, '' for itself. */
  readonly path: string
  readonly data: Buffer
}

function* readRaw(log: Buffer, root: string): Generator<Raw> {
  for (let at = 0; at < log.length; ) {
    const pathEnd = at + headBytes + log.readUInt32LE(at + 4)
    const end = pathEnd + log.readUInt32LE(at + 8)
    yield {
      kind: String.fromCharCode(log.readUInt32LE(at)),
      inode: log.readBigUInt64LE(at + 16),
      at: log.readBigUInt64LE(at + 24),
      path: below(root, log.toString('utf8', at + headBytes, pathEnd)),
      data: log.subarray(pathEnd, end),
    }
    at = end
  }
}

function below(root: string, path: string): string {
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path === root ? '' : path
}

/** Every note of the log, in order. `root` is the watched folder: it must not have been there when the log began. */
export function readNotes(log: Buffer, root: string): Note[] {
  const files = new Map<bigint, number>()
  const names = new Map<string, number>()
  const began = new Map<bigint, { note: number; sync: Omit<Sync, 'began'> }>()
  const notes: Note[] = []
  const known = (inode: bigint) => {
    const file = files.get(inode)
    if (file === undefined) throw new Error(`note ${notes.length} is of a file whose creation was not noted`)
    return file
  }
  const mean = ({ kind, inode, at, path, data }: Raw): Note => {
    if (kind === 'c') {
      files.set(inode, notes.length)
      names.set(path, notes.length)
      return [nameChange(path, notes.length)]
    }
    if (kind === 'w') return [{ kind: 'write', file: known(inode), at: Number(at), bytes: data }]
    if (kind === 's') return [{ kind: 'size', file: known(inode), size: Number(at) }]
    if (kind === 'u') return [nameChange(path, 'nothing')]
    if (kind === 'd') return path === '' ? [] : [nameChange(path, 'folder')]
    if (kind === 'r') {
      const to = below(root, data.toString())
      const file = names.get(path)
      if (file === undefined) throw new Error(`${path} was renamed and is not known`)
      names.delete(path)
      names.set(to, file)
      return [nameChange(to, file), nameChange(path, 'nothing')]
    }
    if (kind === 'B') {
      const file = files.get(inode)
      // A folder never had a creation of a file; its inode may be that of a file that is gone.
      const isFile = file !== undefined && names.get(path) === file
      began.set(at, { note: notes.length, sync: { kind: 'synced', ...(isFile ? { file } : { folder: path }) } })
      return []
    }
    if (kind === 'E') {
      const { note, sync } = began.get(at)!
      return [{ ...sync, began: note }]
    }
    if (kind === 'R') return [{ kind: 'reply', port: Number(at), text: data.toString('latin1') }]
    throw new Error(`${path} was changed by ${data}, which the disk of this test does not know`)
  }
  for (const raw of readRaw(log, root)) notes.push(mean(raw))
  return notes
}

function nameChange(path: string, means: NameChange['means']): NameChange {
  const slash = path.lastIndexOf('/')
  return { kind: 'name', folder: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1), means }
}
