// Which name servers to ask: from the configuration's words or the system's /etc/resolv.conf. Opens no socket.

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Fault } from '../base/index.ts'

export interface Server {
  readonly ip: string
  readonly port: number
}

const defaultPort = 53
/** As the C library does (resolv.conf(5): MAXNS). */
const maxServers = 3

/** `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`. Throws Fault `invalid`. */
export function parseServer(text: string): Server {
  const plain = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(plain)) return { ip: plain, port: defaultPort }
  const cut = text.lastIndexOf(':')
  const host = text.slice(0, cut)
  const ip = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const port = Number(text.slice(cut + 1))
  if (cut < 0 || !isIP(ip) || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new Fault(
      'invalid',
      `a DNS resolver is named by its address, "192.0.2.53" or "[2001:db8::53]:5353", not "${text}"`,
    )
  return { ip, port }
}

/** The `nameserver` lines of a resolv.conf; the local host when there is none (resolv.conf(5)). */
export function parseResolvConf(text: string): readonly Server[] {
  const found: Server[] = []
  for (const line of text.split('\n')) {
    const [word, value] = line.trim().split('\t').join(' ').split(' ').filter(Boolean)
    if (word === 'nameserver' && value && isIP(value.split('%')[0] ?? '')) found.push({ ip: value, port: defaultPort })
  }
  return found.length > 0 ? found.slice(0, maxServers) : [{ ip: '127.0.0.1', port: defaultPort }]
}

/** The system's servers; read each time, because a laptop or a container changes them under us. */
export function systemServers(): readonly Server[] {
  try {
    return parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8'))
  } catch {
    return parseResolvConf('')
  }
}
