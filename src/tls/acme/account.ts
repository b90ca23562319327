// Our account at an authority (RFC 8555 §7.3): made once, kept in the store, its key sealed.

import type { Sealer } from '../../base/index.ts'
import { certificateRows, type Store } from '../../store/index.ts'
import type { AcmeClient, Signer } from './client.ts'
import { macJws, makeAccountKey, toJwk } from './jws.ts'
import { AcmeError, type AcmeSettings } from './types.ts'

export type Account = Required<Signer>

interface Parts {
  readonly client: AcmeClient
  readonly store: Store
  readonly sealer: Sealer
}

const purpose = (directory: string) => `the account key at ${directory}`

/** The account, made when there is none. Throws AcmeError. */
export async function openAccount(parts: Parts, settings: AcmeSettings): Promise<Account> {
  const { client, store, sealer } = parts
  const row = await store.read((tx) => certificateRows.findAccount(tx, client.url))
  if (!row) return makeAccount(parts, settings, makeAccountKey())
  return { key: sealer.open(row.private_key, purpose(client.url)).toString(), kid: row.url }
}

/** Registers a key; one that the authority knows already gets its account back. */
export async function makeAccount(
  { client, store, sealer }: Parts,
  settings: AcmeSettings,
  key: string,
): Promise<Account> {
  const { newAccount, meta } = await client.directory()
  const { email, eab } = settings
  const payload = {
    termsOfServiceAgreed: true,
    ...(email !== undefined && { contact: [`mailto:${email}`] }),
    ...(eab && {
      externalAccountBinding: JSON.parse(macJws(eab.hmac, { kid: eab.kid, url: newAccount }, toJwk(key))) as unknown,
    }),
  }
  const { location } = await client.post(newAccount, payload, { key }, `an account at ${client.url}`)
  if (location === undefined) throw new AcmeError('unavailable', `${client.url}: the new account has no address`, '')
  const row = {
    directory: client.url,
    url: location,
    private_key: sealer.seal(Buffer.from(key), purpose(client.url)),
    caa: JSON.stringify(meta.caaIdentities),
  }
  await store.write('server', (tx) => certificateRows.putAccount(tx, row))
  return { key, kid: location }
}
