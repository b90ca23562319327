// What the operating system refuses, in words for one line.

/** What the system said, in a few words. */
export function systemWords(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return systemErrors[code] ?? (error instanceof Error ? error.message : String(error))
}
const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOSPC: 'the disk is full',
}
