// docs/standards.tsv against the code: each RFC that a line obeys is listed with the sections cited and the rooms that cite them.
// POSTHORN_REWRITE=1 writes sections and rooms anew; number, title and state are a person's.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '..')
const file = join(root, 'docs/standards.tsv')
const head = 'rfc\ttitle\tstate\trooms\tsections'

interface Row {
  rfc: number
  title: string
  state: string
  rooms: string
  sections: string
}

function citations(): Map<number, { rooms: Set<string>; sections: Set<string> }> {
  const found = new Map<number, { rooms: Set<string>; sections: Set<string> }>()
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue
    const path = join(entry.parentPath, entry.name)
    const pieces = relative(join(root, 'src'), path).split('/')
    const room = ['smtp', 'imap', 'http'].includes(pieces[0]!) ? pieces.slice(0, 2).join('/') : pieces[0]!
    for (const [, rfc, section] of readFileSync(path, 'utf8').matchAll(/RFC (\d{3,5})(?: §([\dA-Z]+(?:\.[\dA-Z]+)*))?/g)) {
      const row = found.get(Number(rfc)) ?? { rooms: new Set(), sections: new Set() }
      found.set(Number(rfc), row)
      row.rooms.add(room)
      if (section) row.sections.add(section)
    }
  }
  return found
}

const rows = (): Row[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [rfc, title, state, rooms, sections] = line.split('\t')
      return { rfc: Number(rfc), title: title!, state: state!, rooms: rooms!, sections: sections ?? '' }
    })

const join_ = (values: Iterable<string>) => [...values].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).join(' ')

test('docs/standards.tsv lists what the code cites', () => {
  const cited = citations()
  const listed = new Map(rows().map((row) => [row.rfc, row]))
  if (process.env['POSTHORN_REWRITE'] === '1') {
    for (const rfc of cited.keys()) if (!listed.has(rfc)) listed.set(rfc, { rfc, title: '?', state: '?', rooms: '', sections: '' })
    const lines = [...listed.values()]
      .sort((a, b) => a.rfc - b.rfc)
      .map((row) => [row.rfc, row.title, row.state, join_(cited.get(row.rfc)?.rooms ?? []), join_(cited.get(row.rfc)?.sections ?? [])].join('\t'))
    writeFileSync(file, `${[head, ...lines].join('\n')}\n`)
  }
  assert.deepEqual(
    rows().map(({ rfc, rooms, sections }) => ({ rfc, rooms, sections })),
    [...new Set([...listed.keys(), ...cited.keys()])].sort((a, b) => a - b).map((rfc) => ({ rfc, rooms: join_(cited.get(rfc)?.rooms ?? []), sections: join_(cited.get(rfc)?.sections ?? []) })),
  )
})

test('every standard has a title and a state', () => {
  assert.deepEqual(
    rows().filter(({ title, state }) => title.length < 4 || !['yes', 'partial', 'no'].includes(state)),
    [],
  )
})

test('a standard that is listed as kept is cited somewhere', () => {
  assert.deepEqual(rows().filter(({ state, rooms }) => state !== 'no' && rooms === '').map(({ rfc }) => rfc), [])
})
