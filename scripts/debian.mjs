// Programs of Debian that tests and the bench run. Plain JavaScript for any Node ≥ 18.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const policy = '/usr/sbin/policy-rc.d'
/** Whether we may install. */
export const isRoot = process.getuid?.() === 0

/** Installs Debian packages; the lists are fetched when there are none or they are too old. What apt says is shown only when it fails. */
export function apt(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' }
  let said = ''
  const run = (...args) => {
    const ran = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
    said = ran.stderr ?? `${ran.error}`
    return ran.status === 0
  }
  const add = () => run('install', '-y', '-qq', '--no-install-recommends', ...packages)
  const listed = readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'))
  if ((listed && add()) || (run('update', '-qq') && add())) return true
  console.error(said.trim())
  return false
}

/** Whether a program is in the path; a path, or with `*` a pattern of paths, is there. */
export function hasProgram(name) {
  if (name.includes('*')) return spawnSync('sh', ['-c', `ls -d ${name}`], { stdio: 'ignore' }).status === 0
  if (name.startsWith('/')) return existsSync(name)
  const folders = `${process.env.PATH}:/usr/sbin:/sbin`.split(':')
  return folders.some((folder) => existsSync(join(folder, name)))
}

/** Who runs this starts daemons himself: none is started by its package. */
function withoutDaemons(work) {
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    work()
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
}

/**
 * Installs what is missing of `programs`, each [program, package, …] as `hasProgram` knows it, when root on Debian: all together, or one by one when that
 * fails. `say` is told the packages before. Returns those that are missing still.
 */
export function installMissing(programs, say) {
  const missing = programs.filter(([program]) => !hasProgram(program))
  if (missing.length === 0 || !isRoot || !hasProgram('apt-get')) return missing
  const packages = missing.map(([, name]) => name)
  say(packages.join(', '))
  withoutDaemons(() => apt(packages) || packages.forEach((name) => void apt([name])))
  return missing.filter(([program]) => !hasProgram(program))
}
