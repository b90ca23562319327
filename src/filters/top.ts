// What a filter that reads Received lines must find at the top of a message: who handed it to us, as the copy in the mailbox will say.

import { isIPv6 } from 'node:net'
import { formatDate } from '../mime/index.ts'
import type { FilterRequest } from './types.ts'

const maxWord = 255

/** Return-Path, what is known of the sender, Received; each line with its end. `now` is the time of arrival. */
export function formatTop(request: FilterRequest, hostname: string, now: number): Buffer {
  const { from, helo, ptr, ip, trace, account, verification } = request
  const name = toWord(ptr ?? '')
  const address = `[${isIPv6(ip) ? 'IPv6:' : ''}${toWord(ip)}]`
  const received = [
    `Received: from ${toWord(helo) || 'unknown'} (${name === '' ? '' : `${name} `}${address})`,
    // RFC 3848: the A says that the client signed in.
    `\tby ${hostname} (Posthorn) with ${account === undefined ? 'ESMTP' : 'ESMTPA'} id ${toWord(trace)}; ${formatDate(now)}`,
  ]
  const path = `Return-Path: <${toPath(from)}>\r\n`
  return Buffer.from(`${path}${verification?.header ?? ''}${received.join('\r\n')}\r\n`)
}

/** One word that means nothing in a header: no white space, controls, brackets or comments. */
function toWord(text: string): string {
  return [...text.slice(0, maxWord)]
    .filter((char) => char > ' ' && char < '\x7f' && !'()<>"\\;,[]'.includes(char))
    .join('')
}

/** An address as it came, but for what could end it or its line. */
function toPath(address: string): string {
  return [...address.slice(0, 2 * maxWord)]
    .filter((char) => char >= ' ' && char !== '\x7f' && !'<>'.includes(char))
    .join('')
}
