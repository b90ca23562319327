// Reads the hand-written families of messages: text with alternatives in brackets and slots in braces. Knows not what they mean.
//
//   == NAME ham|spam LANGUAGE STYLE [word=value …]
//   From: …            header fields (From, Subject, To, Reply-To, Attach …), then an empty line, then the body
//   [one|another|]     a choice, may be nested;   {slot} {slot:argument}   filled in by lexicon.ts

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from './random.ts'

export type Language = 'en' | 'de' | 'fr' | 'es'

export interface Family {
  readonly name: string
  readonly kind: 'ham' | 'spam'
  readonly language: Language
  readonly style: string
  readonly options: ReadonlyMap<string, string>
  readonly fields: ReadonlyMap<string, string>
  readonly body: string
}

/** All families in the text files of a folder, by file name and as they stand. */
export function readFamilies(folder: string): Family[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
  const families = files.flatMap((name) => parseFamilies(readFileSync(join(folder, name), 'utf8'), name))
  const names = new Set<string>()
  for (const { name } of families) {
    if (names.has(name)) throw new Error(`there are two families ${name}`)
    names.add(name)
  }
  return families
}

export function parseFamilies(text: string, file: string): Family[] {
  return text
    .split(/^== /m)
    .slice(1)
    .map((block) => parseFamily(block, file))
}

function parseFamily(block: string, file: string): Family {
  const lines = block.split('\n')
  const [name = '', kind, language, style, ...rest] = lines[0]!.trim().split(/\s+/)
  if ((kind !== 'ham' && kind !== 'spam') || !['en', 'de', 'fr', 'es'].includes(language ?? '') || style === undefined)
    throw new Error(`${file}: ${lines[0]}`)
  const blank = lines.indexOf('', 1)
  const fields = lines.slice(1, blank).map((line) => {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`${file}: ${name}: ${line}`)
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  const options = rest.map((one) => one.split('=') as [string, string])
  const body = lines
    .slice(blank + 1)
    .join('\n')
    .trim()
  if (body.split('[').length !== body.split(']').length) throw new Error(`${file}: ${name}: brackets`)
  return { name, kind, language: language as Language, style, options: new Map(options), fields: new Map(fields), body }
}

/** Chooses between alternatives, and fills in slots with what `slot` says. */
export function expand(text: string, random: Random, slot: (name: string, argument: string) => string): string {
  let at = 0
  const read = (ends: string): string => {
    let out = ''
    while (at < text.length && !ends.includes(text[at]!)) {
      const c = text[at++]!
      if (c === '[') {
        const options = [read('|]')]
        while (text[at] === '|') {
          at++
          options.push(read('|]'))
        }
        at++
        out += random.pick(options)
      } else if (c === '{') {
        const [name = '', ...argument] = read('}').split(':')
        at++
        out += `\u0001${name}\u0002${argument.join(':')}\u0003`
      } else out += c
    }
    return out
  }
  // Slots of what was not chosen are never filled: they would change what comes after.
  return read('').replace(/\u0001([^\u0002]*)\u0002([^\u0003]*)\u0003/g, (_, name: string, argument: string) =>
    slot(name, argument),
  )
}
