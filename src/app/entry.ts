// Where the threads of the program begin.

import { extname } from 'node:path'

/** The module in which a thread begins: beside this one, built or as it was written. */
export const entry = (name: 'doors' | 'indexing'): URL =>
  new URL(`./${name}${extname(import.meta.url)}`, import.meta.url)
