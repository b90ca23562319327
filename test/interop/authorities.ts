// Debian's pebble, an authority that forgets everything when it ends; knot, a name server that takes updates; and a proxy in front of
// pebble that adds what Debian's does not have yet (renewal information), as RFC 9773 documents it. All on loopback, in folders of their own.

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSelfSigned } from '../../src/tls/self-signed.ts'
import { freePorts } from '../server.ts'
import { eventually } from './programs.ts'

interface Ends {
  after(fn: () => Promise<void>): void
}

export interface Pebble {
  /** URL of its directory, and the file with the certificate by which it is trusted. */
  readonly directory: string
  readonly ca: string
  readonly port: number
  /** What it said. */
  readonly output: () => string
  /** The root that its certificates lead to, PEM. */
  root(): Promise<string>
  /** Ends it and starts it again: it has forgotten every account, order and key. */
  restart(): Promise<void>
}

export interface PebbleOptions {
  /** `ip:port` of the resolver that it asks. */
  readonly dns: string
  /** Where it looks for proof instead of on ports 80 and 443. */
  readonly httpPort?: number
  readonly tlsPort?: number
  readonly env?: NodeJS.ProcessEnv
  /** Account keys that it wants to know (external account binding). */
  readonly accounts?: { readonly [kid: string]: string }
}

/** Starts pebble; every seventh nonce of a client or so is refused, as it does for sport. */
export async function startPebble(t: Ends, options: PebbleOptions): Promise<Pebble> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-pebble-'))
  const [port = 0, management = 0, unused = 0] = await freePorts(3)
  const own = createSelfSigned(['localhost', '127.0.0.1'], Date.now())
  const [ca, key, file] = ['cert.pem', 'key.pem', 'pebble.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(ca, own.cert)
  await writeFile(key, own.key)
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: ca,
    privateKey: key,
    httpPort: options.httpPort ?? unused,
    tlsPort: options.tlsPort ?? unused,
    externalAccountBindingRequired: options.accounts !== undefined,
    externalAccountMACKeys: options.accounts ?? {},
  }
  await writeFile(file, JSON.stringify({ pebble }))
  const sport = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '15', PEBBLE_AUTHZREUSE: '0' }
  let output = ''
  const start = () => {
    const child = spawn('/usr/bin/pebble', ['-config', file, '-dnsserver', options.dns], {
      env: { ...process.env, ...sport, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    return { child, ended: new Promise((done) => child.on('close', done)) }
  }
  let running = start()
  const stop = async () => {
    running.child.kill()
    await running.ended
  }
  t.after(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  })
  const directory = `https://127.0.0.1:${port}/dir`
  const answers = () => eventually('pebble answers', () => get(directory).then(Boolean, () => false))
  await answers()
  return {
    directory,
    ca,
    port,
    output: () => output,
    root: () => get(`https://127.0.0.1:${management}/roots/0`),
    async restart() {
      await stop()
      running = start()
      await answers()
    },
  }
}

function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    https
      .get(url, { rejectUnauthorized: false, agent: false }, (response) => {
        let text = ''
        response.on('data', (chunk) => (text += chunk))
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))))
      })
      .on('error', reject)
  })
}

export interface Knot {
  /** `127.0.0.1:port`. */
  readonly address: string
  readonly keyName: string
  /** Base64. */
  readonly secret: string
}

/** A primary of the zone, which the key may update; `records` are lines of a zone file. */
export async function startKnot(t: Ends, zone: string, records: readonly string[]): Promise<Knot> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-knot-'))
  const [port] = await freePorts(1)
  const keyName = 'posthorn-key'
  const secret = Buffer.alloc(32, 7).toString('base64')
  const soa = `${zone}. 60 IN SOA ns.${zone}. hostmaster.${zone}. 1 60 60 600 5`
  await writeFile(join(folder, 'zone'), `${[soa, `${zone}. 60 IN NS ns.${zone}.`, ...records].join('\n')}\n`)
  await writeFile(
    join(folder, 'knot.conf'),
    `
server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: ${folder}
log:
  - target: stderr
    any: warning
key:
  - id: ${keyName}
    algorithm: hmac-sha256
    secret: ${secret}
acl:
  - id: update
    key: ${keyName}
    action: update
    update-type: [TXT]
zone:
  - domain: ${zone}
    storage: ${folder}
    file: zone
    acl: update
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
`,
  )
  const child = spawn('/usr/sbin/knotd', ['-c', join(folder, 'knot.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', (chunk) => (output += chunk))
  const ended = new Promise((done) => child.on('close', done))
  t.after(async () => {
    child.kill()
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const address = `127.0.0.1:${port}`
  const { createAuthority } = await import('../../src/dns/index.ts')
  const { realClock } = await import('../../src/base/index.ts')
  const asked = createAuthority({ servers: [address], clock: realClock })
  await eventually(`knot answers: ${output}`, async () => (await asked.zoneOf(`x.${zone}`)) === zone)
  return { address, keyName, secret }
}

export interface Extended {
  readonly directory: string
  /** Certificates that new orders said to replace. */
  readonly replaced: string[]
  /** Ids whose renewal information was asked for. */
  readonly asked: string[]
  /** What is answered to that; absent: 404. */
  window: { start: string; end: string } | undefined
  /** Answers new orders with this problem instead of passing them on. */
  refusal: { status: number; problem: object; headers?: Record<string, string> } | undefined
}

/** In front of pebble under its own port; it must be trusted by the same certificate. */
export async function extendPebble(t: Ends, pebble: Pebble, own: { cert: string; key: string }): Promise<Extended> {
  const state: Extended = { directory: '', replaced: [], asked: [], window: undefined, refusal: undefined }
  const server = https.createServer(own, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => void answer(request, response, Buffer.concat(chunks)))
  })
  const answer = async (
    request: import('node:http').IncomingMessage,
    response: import('node:http').ServerResponse,
    body: Buffer,
  ) => {
    const url = request.url ?? ''
    const json = (status: number, value: object, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
    if (url.startsWith('/renewal-info/')) {
      state.asked.push(url.slice('/renewal-info/'.length))
      return state.window ? json(200, { suggestedWindow: state.window }, { 'retry-after': '21600' }) : json(404, {})
    }
    if (url === '/order-plz') {
      const payload = JSON.parse(Buffer.from(JSON.parse(body.toString()).payload, 'base64url').toString())
      if (payload.replaces) state.replaced.push(payload.replaces)
      if (state.refusal) {
        const { status, problem, headers } = state.refusal
        return json(status, problem, { 'content-type': 'application/problem+json', ...headers })
      }
    }
    const onward = https.request(
      {
        port: pebble.port,
        host: '127.0.0.1',
        path: url,
        method: request.method,
        headers: request.headers,
        rejectUnauthorized: false,
        agent: false,
      },
      (answered) => {
        if (url !== '/dir') {
          response.writeHead(answered.statusCode!, answered.headers)
          answered.pipe(response)
          return
        }
        let text = ''
        answered.on('data', (chunk) => (text += chunk))
        answered.on('end', () =>
          json(200, { ...JSON.parse(text), renewalInfo: state.directory.replace('/dir', '/renewal-info') }),
        )
      },
    )
    onward.on('error', () => response.destroy())
    onward.end(body)
  }
  const [port] = await freePorts(1)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return Object.assign(state, { directory: `https://127.0.0.1:${port}/dir` })
}
