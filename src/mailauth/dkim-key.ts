// Keys of DKIM: made, and written as the record that others look for (RFC 6376 §3.6.1, RFC 8463 §4).

import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Resolver } from '../dns/index.ts'

export const dkimAlgorithms = ['rsa2048', 'rsa4096', 'ed25519'] as const
export type DkimAlgorithm = (typeof dkimAlgorithms)[number]

const generate = promisify(generateKeyPair)

/** A new private key as PKCS #8 in PEM. */
export async function makeDkimKey(algorithm: DkimAlgorithm): Promise<string> {
  const { privateKey } =
    algorithm === 'ed25519'
      ? await generate('ed25519')
      : await generate('rsa', { modulusLength: algorithm === 'rsa2048' ? 2_048 : 4_096 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** The text of `<selector>._domainkey.<domain>` for a private key. */
export function toDkimRecord(privateKey: string | KeyObject): string {
  const key = createPublicKey(privateKey)
  const der = key.export({ type: 'spki', format: 'der' })
  // RFC 8463 §4: the 32 bytes alone, without the frame of SPKI.
  if (key.asymmetricKeyType === 'ed25519') return `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`
  return `v=DKIM1; k=rsa; p=${der.toString('base64')}`
}

/** `other`: something else stands there. `unknown`: nobody could say. */
export type Published = 'published' | 'missing' | 'other' | 'unknown'

/** Whether the record of a key stands where others look for it. */
export async function lookForDkimRecord(
  dns: Pick<Resolver, 'txt'>,
  { name, record }: { readonly name: string; readonly record: string },
): Promise<Published> {
  const answer = await dns.txt(name)
  if (answer.status === 'failed') return 'unknown'
  if (answer.status !== 'ok') return 'missing'
  return answer.records.some((text) => isSameRecord(text, record)) ? 'published' : 'other'
}

/** Whether what is published means the same key: blanks and the order of tags do not count. */
export function isSameRecord(published: string, record: string): boolean {
  const [theirs, ours] = [readTags(published), readTags(record)]
  return theirs.get('p') === ours.get('p') && (theirs.get('k') ?? 'rsa') === (ours.get('k') ?? 'rsa')
}

function readTags(text: string): Map<string, string> {
  const tags = text.split(';').map((tag): [string, string] => {
    const at = tag.indexOf('=')
    return [tag.slice(0, at).trim(), tag.slice(at + 1).replaceAll(/\s+/g, '')]
  })
  return new Map(tags)
}
