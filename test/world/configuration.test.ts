// What somebody meets who writes a configuration: every mistake is one clear line and exit 2, and nothing is left half started.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { freePorts, full, has, Installation, type Ran, run, startInstallation } from '../server.ts'
import { dial, sleep } from './talk.ts'

const posthorn = resolve(import.meta.dirname, '../../bin/posthorn')
const isRoot = process.getuid?.() === 0

/** Root can try what somebody else may do, unless this project stands where nobody else may look, such as below /root. */
async function needsOthers(): Promise<false | string> {
  if (!isRoot) return 'needs root'
  if (!(await has('setpriv'))) return 'needs setpriv'
  const look = await run('setpriv', [...asNobody, 'test', '-r', import.meta.filename])
  return look.code !== 0 && `needs a folder that others may read: ${resolve(import.meta.dirname, '../..')} is closed`
}
const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups']

function folderOf(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-config-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** `run` with this configuration, which must be refused: at once, in one line, and without a data folder. */
async function refused(folder: string, yaml: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const file = join(folder, 'posthorn.yaml')
  writeFileSync(file, yaml)
  const ran = await run(posthorn, ['run', '--config', file], { cwd: folder, timeoutMs: 10_000, env })
  assertOneLine(ran)
  return ran.stderr
}

function assertOneLine(ran: Ran): void {
  assert.equal(ran.code, 2, ran.stdout + ran.stderr)
  assert.equal(ran.stdout, '')
  assert.match(ran.stderr, /^posthorn: [^\n]+\n$/)
}

test('a mistake in the file is one line that names file, line, key and what was expected', async (t) => {
  const folder = folderOf(t)
  let seen = 0
  for (const [yaml, expected] of [
    ['hostnam: mail.example.test\n', /posthorn\.yaml:1: hostnam: unknown key, did you mean hostname\?/],
    [
      'data: ./data\nlisten:\n  smpt: 127.0.0.1:2525\n',
      /posthorn\.yaml:3: listen\.smpt: unknown key, did you mean smtp\?/,
    ],
    ['listen: { smtp: nonsense }\n', /posthorn\.yaml:1: listen\.smtp: expected an address and port.*found "nonsense"/],
    ['listen: { smtp: 127.0.0.1:70000 }\n', /listen\.smtp: expected an address and port/],
    ['smtp:\n  maxRecipients: many\n', /posthorn\.yaml:2: smtp\.maxRecipients: expected a whole number.*found "many"/],
    ['auth: { plaintext: sometimes }\n', /auth\.plaintext: expected never, loopback or always/],
    ['store: mysql://x\n', /store: expected sqlite or a postgres:\/\/ URL/],
    [
      'queue: { routes: { "*": { file: missing } } }\n',
      /queue\.routes\.\*: cannot read missing: there is no such file/,
    ],
    ['queue: { routes: { "*": "no port" } }\n', /posthorn\.yaml: the route target "no port" names no host/],
    ['hostname: [a\n', /posthorn\.yaml:\d+: /],
    ['tls: { cert: missing.pem, key: missing.key }\n', /missing\.pem.*no such file/],
    ['user: nobody-of-this-name\n', isRoot ? /user: there is no user nobody-of-this-name/ : /./],
  ] as const) {
    if (yaml.startsWith('user') && !isRoot) continue
    // Each is a process of its own: the gate takes every other one.
    if (!full && ++seen % 2 === 0) continue
    assert.match(await refused(folder, yaml), expected)
    assert.equal(existsSync(join(folder, 'data')), false, `${yaml} left a data folder`)
  }
  const missing = await run(posthorn, ['run', '--config', join(folder, 'none.yaml')])
  assertOneLine(missing)
  assert.match(missing.stderr, /none\.yaml: cannot read the configuration: there is no such file/)
  const file = join(folder, 'posthorn.yaml')
  writeFileSync(file, 'hostnam: x\nlisten: { smtp: y }\n')
  const both = await run(posthorn, ['config', 'check', '--config', file])
  assert.equal(both.code, 2)
  assert.equal(both.stderr.trimEnd().split('\n').length, 2, 'check names everything that is wrong')
  const json = await run(posthorn, ['config', 'check', '--json', '--config', file])
  assert.match(JSON.parse(json.stderr).error, /found "y"; .*did you mean hostname\?$/)
})

test('a port that is taken is named, and nothing else stays open', async (t) => {
  const folder = folderOf(t)
  const [free] = await freePorts(1)
  const holder = createServer().listen(0, '127.0.0.1')
  t.after(() => void holder.close())
  await sleep(20)
  const taken = (holder.address() as { port: number }).port
  const yaml = `data: ./data\nlisten: { imap: "127.0.0.1:${free}", smtp: "127.0.0.1:${taken}" }\n`
  assert.match(
    await refused(folder, yaml),
    new RegExp(`listen\\.smtp: cannot listen on 127\\.0\\.0\\.1:${taken}: the address is in use`),
  )
  await assert.rejects(dial(free!), /ECONNREFUSED/)
  // The folder is free again: a command opens the store under the lock.
  const listed = await run(posthorn, ['domain', 'list', '--json', '--config', join(folder, 'posthorn.yaml')])
  assert.deepEqual([listed.code, listed.stdout], [0, '[]\n'], listed.stderr)
})

test('a folder that cannot be written is named', { skip: isRoot && (await needsOthers()) }, async (t) => {
  const folder = folderOf(t)
  const file = join(folder, 'posthorn.yaml')
  mkdirSync(join(folder, 'mail'), { mode: 0o755 })
  chmodSync(folder, 0o755)
  writeFileSync(file, 'data: ./mail/data\nlisten: { smtp: "127.0.0.1:0" }\n')
  if (!isRoot) chmodSync(join(folder, 'mail'), 0o555)
  const as = isRoot ? ['setpriv', ...asNobody] : ['env']
  for (const command of [['run'], ['domain', 'list']]) {
    const ran = await run(as[0]!, [...as.slice(1), posthorn, ...command, '--config', file], { timeoutMs: 10_000 })
    assertOneLine(ran)
    assert.match(ran.stderr, /data: cannot write to .*mail\/data: permission denied/)
  }
})

test('the example is accepted by check, the environment wins over the file', async (t) => {
  const folder = folderOf(t)
  const example = await run(posthorn, ['config', 'example'])
  const file = join(folder, 'example.yaml')
  writeFileSync(file, example.stdout)
  const check = async (env: NodeJS.ProcessEnv = {}) => {
    const ran = await run(posthorn, ['config', 'check', '--json', '--config', file], { env })
    return ran.code === 0 ? JSON.parse(ran.stdout) : ran
  }
  assert.equal((await check()).hostname, 'mail.example.test')
  assert.match((await run(posthorn, ['config', 'check', '--config', file])).stdout, /example\.yaml is right\n/)
  const changed = await check({
    POSTHORN_HOSTNAME: 'other.example.test',
    POSTHORN_LISTEN__SMTP: '["127.0.0.1:25", "[::]:2525"]',
    POSTHORN_SMTP__MAX_RECIPIENTS: '7',
  })
  assert.deepEqual([changed.hostname, changed.listen.smtp], ['other.example.test', ['127.0.0.1:25', '[::]:2525']])
  const wrong = await check({ POSTHORN_LISTEN__SMTP: 'nowhere' })
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /environment: POSTHORN_LISTEN__SMTP: listen\.smtp: expected/)
  assert.match((await check({ POSTHORN_LISTENN: 'x' })).stderr, /environment: POSTHORN_LISTENN: there is no such key/)
})

test('a listener may be a list, and [::] takes both families', async (t) => {
  const made = await Installation.make()
  t.after(() => made.remove())
  const [second, both] = await freePorts(2)
  await made.reconfigure({
    listen: {
      smtp: [`127.0.0.1:${made.ports.smtp}`, `127.0.0.1:${second}`, `[::]:${both}`],
      imap: `127.0.0.1:${made.ports.imap}`,
    },
  })
  await made.start()
  for (const [port, host] of [
    [second, '127.0.0.1'],
    [both, '127.0.0.1'],
    [both, '::1'],
  ] as const) {
    const talk = await dial(port!, host)
    assert.match(await talk.until(/\r\n/), /^220 mail\.example\.test /)
    talk.close()
  }
  // What is absent is off.
  await assert.rejects(dial(made.ports.http), /ECONNREFUSED/)
})

const lowPorts = [25, 143].map((port) => port + 640)

test('root binds ports below 1024 and then is somebody else for good', { skip: await needsOthers() }, async (t) => {
  const made = await Installation.make()
  t.after(() => made.remove())
  chmodSync(made.folder, 0o755)
  const [smtp, imap] = lowPorts
  const ports = { ...made.ports, smtp: smtp!, imap: imap! }
  Object.assign(made, { ports })
  await made.reconfigure({ user: 'nobody', listen: { smtp: `127.0.0.1:${smtp}`, imap: `127.0.0.1:${imap}` } })
  await made.start()
  const status = readFileSync(`/proc/${made.pid}/status`, 'utf8')
  assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m)
  assert.match(status, /^Groups:\t65534 $/m)
  assert.match(status, /^CapEff:\t0+$/m)
  for (const thread of readdirTasks(made.pid))
    assert.match(readFileSync(thread, 'utf8'), /^Uid:\t65534\t65534\t65534\t65534$/m)
  assert.equal(await made.stop(), 0)
})

test('without root the capability is enough for ports below 1024', { skip: await needsOthers() }, async (t) => {
  const folder = folderOf(t)
  chmodSync(folder, 0o777)
  const file = join(folder, 'posthorn.yaml')
  writeFileSync(file, `data: ./data\nlisten: { smtp: "127.0.0.1:${lowPorts[0]}" }\nlog: { level: info }\n`)
  const { spawn } = await import('node:child_process')
  const as = [...asNobody, '--inh-caps=+net_bind_service', '--ambient-caps=+net_bind_service']
  const child = spawn('setpriv', [...as, posthorn, 'run', '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => void child.kill('SIGKILL'))
  await new Promise<void>((done, fail) => {
    child.stdout.on('data', (chunk) => /"ready"/.test(String(chunk)) && done())
    child.once('exit', (code) => fail(new Error(`the server ended with ${code}`)))
  })
  const talk = await dial(lowPorts[0]!)
  assert.match(await talk.until(/\r\n/), /^220 /)
  child.kill('SIGTERM')
  await new Promise((done) => child.once('exit', done))
})

function readdirTasks(pid: number): string[] {
  const { readdirSync } = process.getBuiltinModule('node:fs')
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/status`)
}

test('a second server on the same folder is refused; the first goes on', async (t) => {
  const server = await startInstallation(t)
  const second = await server.cli('run')
  assertOneLine(second)
  assert.match(second.stderr, new RegExp(`the data folder .* is in use by process ${server.pid}`))
  const talk = await dial(server.ports.smtp)
  assert.match(await talk.until(/\r\n/), /^220 /)
  talk.close()
})
