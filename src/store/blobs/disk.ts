// Large contents, a file each: written under tmp, synced, renamed, folder synced. A name is never used twice.
// Refuses to know what a content is, or which rows name it.

import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { constants, type FileHandle, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, type Log, notePassing } from '../../base/index.ts'
import type { FaultPoint } from '../fault-points.ts'
import { makeFolder, syncFolder } from '../folder.ts'
import type { Blobs, BlobWriter } from '../types.ts'

const chunkSize = 65_536
/**
 * What is not longer is read in this thread, in pieces of that size, as SQLite reads the contents that it keeps: a trip to another
 * thread and back takes as long as reading a quarter of it.
 */
const notLong = 1_048_576
const wideChunk = 262_144
const pageSize = 1_000

export interface DiskOptions {
  readonly folder: string
  readonly inlineLimit: number
  readonly log: Log
  readonly now: () => number
  readonly fault?: (point: FaultPoint) => void
}

/** Opens the folder (0700), making it when missing. */
export async function openDiskBlobs({ folder, inlineLimit, log, now, fault }: DiskOptions): Promise<Blobs> {
  await makeFolder(folder)
  await makeFolder(join(folder, 'tmp'))
  const made = new Set<string>()

  const ensureFolder = async (name: string) => {
    if (made.has(name)) return
    await mkdir(join(folder, name), { recursive: true, mode: 0o700 })
    await syncFolder(folder)
    made.add(name)
  }
  const noFile = (name: string, error: unknown): never => {
    if (!isMissing(error)) throw error
    log.error({ blob: name }, 'a content has lost its file')
    throw new Fault('internal', `the file of content ${name} is missing`)
  }
  const openBlob = (name: string): Promise<FileHandle> =>
    open(pathOf(folder, name), 'r').catch((error: unknown) => noFile(name, error))
  const openHere = (name: string): number => {
    try {
      return openSync(pathOf(folder, name), 'r')
    } catch (error) {
      return noFile(name, error)
    }
  }

  return {
    inlineLimit,
    create: () => createWriter(folder, ensureFolder, fault),
    async read(name, start, end) {
      const file = await openBlob(name)
      try {
        const out = Buffer.allocUnsafe(Math.max(0, end - start))
        await fill(file, out, start, name)
        return out
      } finally {
        await file.close()
      }
    },
    async *stream(name, start = 0, end = Number.POSITIVE_INFINITY) {
      if (end - start <= notLong) return yield* streamHere(openHere(name), name, start, end)
      const file = await openBlob(name)
      try {
        const last = Number.isFinite(end) ? end : (await file.stat()).size
        for (let at = start; at < last; at += chunkSize) {
          const chunk = Buffer.allocUnsafe(Math.min(chunkSize, last - at))
          await fill(file, chunk, at, name)
          notePassing(chunk.length)
          yield chunk
        }
      } finally {
        // Nobody waits for it: there is nothing that a file that was read could lose.
        file.close().catch((error: unknown) => log.warn({ err: error, blob: name }, 'a file could not be closed'))
      }
    },
    async remove(name) {
      await unlink(pathOf(folder, name)).catch(ignoreMissing)
      fault?.('blob.removed')
    },
    list: (olderThanMs, after = '') => listOlder(folder, now() - olderThanMs, after),
    async free() {
      const { bavail, bsize } = await statfs(folder)
      return bavail * bsize
    },
  }
}

async function createWriter(
  folder: string,
  ensureFolder: (name: string) => Promise<void>,
  fault: DiskOptions['fault'],
): Promise<BlobWriter> {
  const id = randomBytes(10).toString('hex')
  const path = join(folder, 'tmp', id)
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600).catch(refuseFull)
  fault?.('blob.created')
  let opened = true
  const close = async () => {
    if (opened) await file.close()
    opened = false
  }
  return {
    // Into the system's cache, in this thread: the disk is waited for at the end, elsewhere.
    async write(chunk) {
      try {
        for (let at = 0; at < chunk.length; ) at += writeSync(file.fd, chunk, at)
      } catch (error) {
        refuseFull(error)
      }
    },
    async finish(hash) {
      const name = `${hash.slice(0, 16)}-${id}`
      const target = pathOf(folder, name)
      try {
        fault?.('blob.written')
        await file.datasync()
        await close()
        fault?.('blob.synced')
        await ensureFolder(name.slice(0, 2))
        await rename(path, target)
        fault?.('blob.renamed')
        await syncFolder(join(folder, name.slice(0, 2)))
        fault?.('blob.folder-synced')
      } catch (error) {
        await close()
        await unlink(path).catch(ignoreMissing)
        return refuseFull(error)
      }
      return name
    },
    async abort() {
      await close()
      await unlink(path).catch(ignoreMissing)
    },
  }
}

function* streamHere(file: number, name: string, start: number, end: number): Generator<Buffer> {
  try {
    for (let at = start; at < end; at += wideChunk) {
      const chunk = Buffer.allocUnsafe(Math.min(wideChunk, end - at))
      for (let filled = 0; filled < chunk.length; ) {
        const read = readSync(file, chunk, filled, chunk.length - filled, at + filled)
        if (read === 0) throw shorter(name)
        filled += read
      }
      notePassing(chunk.length)
      yield chunk
    }
  } finally {
    closeSync(file)
  }
}

const shorter = (name: string) => new Fault('internal', `the file of content ${name} is shorter than asked`)

/** Reads exactly the length of `out` from `at`. */
async function fill(file: FileHandle, out: Buffer, at: number, name: string): Promise<void> {
  for (let filled = 0; filled < out.length; ) {
    const { bytesRead } = await file.read(out, filled, out.length - filled, at + filled)
    if (bytesRead === 0) throw shorter(name)
    filled += bytesRead
  }
}

/** One page of names, in order: folders 00 … ff, then leftovers as `tmp/<id>`. */
async function listOlder(folder: string, before: number, after: string): Promise<string[]> {
  const page: string[] = []
  const folders = (await readdir(folder)).filter((name) => name === 'tmp' || name.length === 2).sort()
  for (const sub of folders) {
    if (sub < after.slice(0, sub.length)) continue
    for (const file of (await readdir(join(folder, sub))).sort()) {
      const name = sub === 'tmp' ? `tmp/${file}` : file
      if (name <= after || !isName(name)) continue
      const found = await stat(join(folder, sub, file)).catch(ignoreMissing)
      if (found && found.mtimeMs < before) page.push(name)
      if (page.length === pageSize) return page
    }
  }
  return page
}

/** A name never leaves the folder: hex, one dash, hex. */
function isName(name: string): boolean {
  return /^(tmp\/[0-9a-f]+|[0-9a-f]{2,16}-[0-9a-f]+)$/.test(name)
}

function pathOf(folder: string, name: string): string {
  if (!isName(name)) throw new Fault('invalid', `not the name of a content's file: ${JSON.stringify(name)}`)
  return name.startsWith('tmp/') ? join(folder, name) : join(folder, name.slice(0, 2), name)
}

function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOENT'
}

/** No space, or none left of the quota: the operator's to mend. */
function refuseFull(error: unknown): never {
  const { code } = error as { code?: string }
  if (code === 'ENOSPC' || code === 'EDQUOT') throw new Fault('disk-full', 'the disk of large contents is full')
  throw error
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
  return undefined
}
