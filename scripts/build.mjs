// Builds the server into dist/: the same program in few files. It starts in about half the time and takes about 35 MB less memory
// than from several hundred modules in each of two threads. bin/posthorn runs it as long as no source is newer.
//   npm run build        also done by `npm start` and `npm test` when something has changed

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { builtins, tables } from './bundle.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
/**
 * What begins anew: the server, the commands, the threads (src/app/entry.ts). Each is built alone, with all it needs, into one file and
 * what it loads later, instead of the twenty that they could share: none of them sees what another has loaded.
 */
const parts = {
  main: 'src/app/main.ts',
  program: 'src/app/cli/program.ts',
  doors: 'src/app/doors.ts',
  indexing: 'src/app/indexing.ts',
}
/** A server that runs loads parts of its own build later on: an older one stays for a while. */
const kept = 5

const began = new Date()
mkdirSync(dist, { recursive: true })
const fresh = mkdtempSync(join(dist, '.build-'))
try {
  for (const name of Object.keys(parts))
    await build({
      absWorkingDir: root,
      entryPoints: { [name]: parts[name] },
      outdir: fresh,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node26',
      plugins: [otherParts(name), builtins, tables(fresh)],
      // Never asked for: pg looks whether it is there.
      external: ['pg-native'],
      legalComments: 'linked',
      logLevel: 'warning',
    })
  install(fresh)
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
await startOnce()

/** Under a name of its content; `dist/current` leads to it from one moment to the next. */
function install(folder) {
  const hash = createHash('sha256')
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)))
  const id = hash.digest('hex').slice(0, 12)
  const target = join(dist, id)
  chmodSync(folder, 0o755)
  // As old as what it was built from: a source that changed meanwhile is newer.
  utimesSync(join(folder, 'main.js'), began, began)
  if (existsSync(target)) utimesSync(join(target, 'main.js'), began, began)
  else renameSync(folder, target)
  const link = join(dist, `.current-${process.pid}`)
  symlinkSync(id, link)
  renameSync(link, join(dist, 'current'))
  const builds = readdirSync(dist)
    .filter((name) => !name.startsWith('.') && name !== 'current' && name !== id)
    .map((name) => ({ name, at: lstatSync(join(dist, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at)
  for (const { name } of builds.slice(kept - 1)) rmSync(join(dist, name), { recursive: true, force: true })
}

/** What one part loads of another stands there. */
function otherParts(own) {
  const names = new Map(Object.entries(parts).map(([name, path]) => [join(root, path), name]))
  return {
    name: 'other-parts',
    setup({ onResolve }) {
      onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
        const name = kind === 'dynamic-import' && names.get(join(resolveDir, path))
        return name && name !== own ? { path: `./${name}.js`, external: true } : undefined
      })
    },
  }
}

/**
 * What a start compiles is kept for the next: it is done here, in a folder that goes again, so that the first start is as quick as the
 * others. Where it cannot be done the first start is slower.
 */
async function startOnce() {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-build-'))
  try {
    const config = join(folder, 'posthorn.yaml')
    writeFileSync(config, `hostname: localhost\ndata: data\nlisten:\n  smtp: 127.0.0.1:0\n`)
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POSTHORN_')))
    const stdio = ['ignore', 'pipe', 'ignore']
    const child = spawn(join(root, 'bin', 'posthorn'), ['run', '--config', config], { env, stdio, timeout: 30_000 })
    // Its first words are that it is ready; when it ends in order, it keeps what it compiled.
    child.stdout.once('data', () => child.kill()).resume()
    await new Promise((done) => child.once('error', done).once('exit', done))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
