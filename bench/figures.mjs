// What a run has measured: for each figure the repetitions of every side, and the table made of them.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { median } from './lib.mjs'

/** Above this share of foreign work on the machine a repetition counts as noisy. */
const noisy = 0.12

const short = (value) => {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (Math.abs(value) >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}

/** The figures of one run. A side is `posthorn` or the name of a peer (`postfix`, `sdbox`, `mdbox`, `maildir`). */
export class Figures {
  rows = new Map()
  /** Called with each figure that is complete, for showing the run as it goes. */
  constructor(told = () => {}) {
    this.told = told
  }
  /**
   * One repetition of `figure` on `side`. `about` is {unit, wanted}: `wanted` is the ratio ours to theirs that is aimed at, as '≤ 0.5' or '≥ 4',
   * or a bound for our own figure, as '≤ 90 MB'.
   */
  add(figure, about, side, value, noise = 0) {
    let row = this.rows.get(figure)
    if (!row) this.rows.set(figure, (row = { figure, ...about, sides: {}, noise: {} }))
    ;(row.sides[side] ??= []).push(value)
    ;(row.noise[side] ??= []).push(noise)
  }
  /** The row of one figure, summed up: the best of the peers is whose median is best. */
  sum(row) {
    const more = row.unit.endsWith('/s')
    const ours = row.sides.posthorn ?? []
    const peers = Object.entries(row.sides).filter(([side]) => side !== 'posthorn')
    const best = peers.sort(([, a], [, b]) => (more ? median(b) - median(a) : median(a) - median(b)))[0]
    const pairs = best ? ours.slice(0, best[1].length).map((value, i) => value / best[1][i]) : []
    const noise = Math.max(0, ...Object.values(row.noise).map((values) => median(values)))
    const ratio = pairs.length > 0 ? median(pairs) : undefined
    return {
      ...row,
      ours: median(ours),
      theirs: best && median(best[1]),
      peer: best?.[0],
      pairs,
      ratio,
      noise,
      holds: holds(row.wanted, ratio, median(ours)),
    }
  }
  say(figure) {
    const row = this.rows.get(figure)
    if (row) this.told(line(this.sum(row)))
  }
  get sums() {
    return [...this.rows.values()].map((row) => this.sum(row))
  }
}

function holds(wanted, ratio, ours) {
  const found = wanted && /^([≤≥]) ([\d.]+)(?: (\S+))?$/.exec(wanted)
  const value = found?.[3] ? ours : ratio
  if (!found || value === undefined || Number.isNaN(value)) return undefined
  return found[1] === '≤' ? value <= Number(found[2]) : value >= Number(found[2])
}

const cells = (sum) => [
  sum.figure,
  `${short(sum.ours)} ${sum.unit}`,
  sum.peer ? `${short(sum.theirs)} ${sum.peer}` : '',
  sum.ratio === undefined ? '' : `${short(sum.ratio)} ×`,
  sum.wanted
    ? `${sum.wanted}${/\d$/.test(sum.wanted) ? ' ×' : ''}${sum.holds === undefined ? '' : sum.holds ? ' ✓' : ' ✗'}`
    : '',
  `${short(sum.noise)}${sum.noise > noisy ? ' (noisy)' : ''}`,
]
const widths = [44, 14, 18, 9, 12, 0]
const line = (sum) =>
  cells(sum)
    .map((cell, i) => cell.padEnd(widths[i]))
    .join(' ')
export const heading = ['figure', 'ours', 'theirs', 'ratio', 'wanted', 'noise']
  .map((cell, i) => cell.padEnd(widths[i]))
  .join(' ')

/** The machine in one line, and how fast it is at this moment: 100 M turns of a loop, in ms. */
export function machine() {
  const began = process.hrtime.bigint()
  let x = 0
  for (let i = 0; i < 100_000_000; i++) x = (x + i) | 0
  const loop = Number(process.hrtime.bigint() - began) / 1e6
  const git = () => {
    try {
      return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
        cwd: import.meta.dirname,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    } catch {
      return ''
    }
  }
  return {
    when: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? '',
    cores: os.cpus().length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release().split('-')[0]}`,
    node: process.version,
    commit: git(),
    loop: Math.round(loop),
  }
}

/** Writes `<date>-<label>.json` with every repetition and the table as `.md` beside it. */
export function keep(folder, label, about, figures) {
  fs.mkdirSync(folder, { recursive: true })
  const name = `${about.when.slice(0, 16).replace('T', '-').replace(':', '')}-${label}`
  fs.writeFileSync(
    path.join(folder, `${name}.json`),
    `${JSON.stringify({ ...about, figures: figures.sums }, null, 1)}\n`,
  )
  const rows = figures.sums.map((sum) => `| ${cells(sum).join(' | ')} |`)
  const head = `${about.when.slice(0, 16)} UTC, ${about.cores} cores (${about.cpu}), ${about.memory}, ${about.system}, Node ${about.node}, ${about.commit}; ${about.command}`
  fs.writeFileSync(
    path.join(folder, `${name}.md`),
    `${head}\n\n| figure | ours | theirs | ratio | wanted | noise |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`,
  )
  return path.join(folder, name)
}
