// Secrets at rest: sealed with a key that does not stand where they stand. AES-256-GCM; what was changed does not open.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Fault } from './fault.ts'

const ivLength = 12
const tagLength = 16
export const sealingKeyLength = 32

export interface Sealer {
  /** `purpose` says what the secret is for; it opens for nothing else. */
  seal(secret: Buffer, purpose: string): Buffer
  /** Fault `internal` when it was sealed with another key or for another purpose, or was changed. */
  open(sealed: Uint8Array, purpose: string): Buffer
}

/** `key`: 32 bytes. */
export function createSealer(key: Buffer): Sealer {
  return {
    seal(secret, purpose) {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose))
      return Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed, purpose) {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivLength))
        decipher.setAAD(Buffer.from(purpose)).setAuthTag(sealed.subarray(sealed.length - tagLength))
        return Buffer.concat([decipher.update(sealed.subarray(ivLength, sealed.length - tagLength)), decipher.final()])
      } catch {
        throw new Fault('internal', `the secret of ${purpose} does not open: it was sealed with another secret key`)
      }
    },
  }
}
