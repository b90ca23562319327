// A client of SCRAM for transcripts: the final message that answers a server's challenge. Written apart from the server's side.

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/**
 * `SHA-256 p=tls-exporter,, user password challenge` → the client's final message in base64. The client's first message must have been
 * the gs2-header and `n=user,r=abc`.
 */
export function answerScram(words: string, socket: Socket): string {
  const [hash, gs2 = '', user = '', password = '', challenge = ''] = words.split(' ')
  const name = hash === 'SHA-1' ? 'sha1' : 'sha256'
  const hmac = (key: Buffer, text: string) => createHmac(name, key).update(text).digest()
  const serverFirst = Buffer.from(challenge, 'base64').toString()
  const [nonce = '', salt = '', iterations = ''] = serverFirst.split(',').map((part) => part.slice(2))
  const bound = Buffer.concat([Buffer.from(gs2), bindingData(gs2, socket)]).toString('base64')
  const withoutProof = `c=${bound},r=${nonce}`
  const length = name === 'sha1' ? 20 : 32
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), length, name)
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash(name).update(clientKey).digest()
  const signature = hmac(storedKey, `n=${user},r=abc,${serverFirst},${withoutProof}`)
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!))
  return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`).toString('base64')
}

/** What the client's end of the connection says for `p=type,,`. */
function bindingData(gs2: string, socket: Socket): Buffer {
  if (!gs2.startsWith('p=') || !(socket instanceof TLSSocket)) return Buffer.alloc(0)
  if (gs2.startsWith('p=tls-exporter,'))
    return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  if (gs2.startsWith('p=tls-unique,')) return socket.getFinished() as Buffer
  const { raw } = socket.getPeerX509Certificate()!
  return createHash('sha256').update(raw).digest()
}
