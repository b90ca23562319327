// The table `acme` of the configuration: certificates from an authority.

import * as z from 'zod'
import { name, noted, secret, server } from './pieces.ts'

const acmeDns = z
  .strictObject({
    provider: noted(z.enum(['rfc2136', 'cloudflare']), {
      description: 'rfc2136: a name server that takes updates. cloudflare: its API.',
      expected: 'rfc2136 or cloudflare',
      example: 'rfc2136',
      reload: true,
    }),
    server: noted(server.optional(), {
      description: 'rfc2136: the primary name server of the zone.',
      expected: 'an address, or an address and port as 127.0.0.1:53',
      example: '192.0.2.53',
      reload: true,
    }),
    zone: noted(name.optional(), {
      description: 'rfc2136: the zone that is changed. Absent: found by asking.',
      expected: 'a domain',
      example: 'example.test',
      reload: true,
    }),
    keyName: noted(name.optional(), {
      description: 'rfc2136: the name of the TSIG key. Absent: updates are not signed.',
      expected: 'a name',
      example: 'posthorn-key',
      reload: true,
    }),
    keyAlgorithm: noted(z.enum(['hmac-sha256', 'hmac-sha384', 'hmac-sha512']).default('hmac-sha256'), {
      description: 'rfc2136: its algorithm. Absent: hmac-sha256.',
      expected: 'hmac-sha256, hmac-sha384 or hmac-sha512',
      example: 'hmac-sha256',
      reload: true,
    }),
    keySecret: noted(secret.optional(), {
      description: 'rfc2136: its secret, in base64.',
      expected: 'a text, or {file: path}',
      example: { file: '/run/secrets/tsig' },
      reload: true,
    }),
    token: noted(secret.optional(), {
      description: 'cloudflare: an API token that may read zones and edit their DNS.',
      expected: 'a text, or {file: path}',
      example: { file: '/run/secrets/cloudflare' },
      reload: true,
    }),
    api: noted(z.url().default('https://api.cloudflare.com/client/v4'), {
      description: 'cloudflare: where its API is. Absent: where everybody’s is.',
      expected: 'a URL',
      example: 'https://api.cloudflare.com/client/v4',
      reload: true,
    }),
    servers: noted(z.array(server).optional(), {
      description:
        'Name servers that must show the record before the authority is told to look. Absent: those of its zone.',
      expected: 'a list of addresses, or of addresses and ports',
      example: ['192.0.2.53'],
      reload: true,
    }),
  })
  .refine(({ provider, server, keyName, keySecret, token }) =>
    provider === 'cloudflare'
      ? token !== undefined
      : server !== undefined && (keyName === undefined) === (keySecret === undefined),
  )

export const acme = noted(
  z
    .strictObject({
      agree: noted(z.boolean().default(false), {
        description:
          'Whether you agree to the terms of the authority. Only then are certificates ordered, for hostname and the names below: see docs/certificates.md.',
        expected: 'true or false',
        reload: true,
      }),
      email: noted(z.email().optional(), {
        description: 'Where the authority may write to.',
        expected: 'an address',
        example: 'hostmaster@example.test',
        reload: true,
      }),
      directory: noted(z.url({ protocol: /^https$/ }).optional(), {
        description: 'The authority: the URL of its ACME directory. Absent: Let’s Encrypt.',
        expected: 'an https URL',
        example: 'https://acme.example.test/directory',
        reload: true,
      }),
      staging: noted(z.boolean().default(false), {
        description:
          'Let’s Encrypt’s staging environment, to try everything without its limits; nobody trusts its certificates.',
        expected: 'true or false',
        reload: true,
      }),
      challenge: noted(z.enum(['http-01', 'tls-alpn-01', 'dns-01']).default('http-01'), {
        description:
          'How names are proven: http-01 (port 80 leads to `listen.acme` or `listen.http`), tls-alpn-01 (port 443 leads to `listen.https`), dns-01 (a record in the zone; the only one for wildcards).',
        expected: 'http-01, tls-alpn-01 or dns-01',
        reload: true,
      }),
      names: noted(z.array(name).default([]), {
        description: 'Further names in the certificate of hostname.',
        expected: 'a list of host names',
        example: ['smtp.example.test', 'imap.example.test'],
        reload: true,
      }),
      domains: noted(z.boolean().default(true), {
        description:
          'Whether mta-sts, autoconfig and autodiscover of each domain get certificates once these names lead here. Only with `listen.https`.',
        expected: 'true or false',
        reload: true,
      }),
      keyType: noted(z.enum(['ec256', 'ec384', 'rsa2048', 'rsa4096']).default('ec256'), {
        description: 'The kind of new keys.',
        expected: 'ec256, ec384, rsa2048 or rsa4096',
        reload: true,
      }),
      keepKey: noted(z.boolean().default(true), {
        description:
          'Whether a renewal keeps the key, so that TLSA records stay true. `posthorn cert renew --new-key` changes it in order.',
        expected: 'true or false',
        reload: true,
      }),
      profile: noted(z.string().min(1).optional(), {
        description: 'The kind of certificate, where the authority has several.',
        expected: 'a name',
        example: 'shortlived',
        reload: true,
      }),
      eab: noted(
        z
          .strictObject({
            kid: noted(z.string().min(1), {
              description: 'What the authority calls the account.',
              expected: 'a text',
              example: 'kid-1',
              reload: true,
            }),
            hmac: noted(secret, {
              description: 'Its key, in base64url.',
              expected: 'a text, or {file: path}',
              example: { file: '/run/secrets/eab' },
              reload: true,
            }),
          })
          .optional(),
        {
          description: 'External account binding, for authorities that want an account that they know.',
          expected: 'a table with kid and hmac',
          reload: true,
        },
      ),
      dns: noted(acmeDns.optional(), {
        description: 'Who changes the zone for dns-01.',
        expected: 'provider rfc2136 with server (and keyName with keySecret), or provider cloudflare with token',
        reload: true,
      }),
      ca: noted(z.string().min(1).optional(), {
        description:
          'Authorities, PEM, that are trusted besides the usual ones when the directory is asked: for an authority of your own.',
        expected: 'a file',
        example: '/etc/ssl/own-ca.pem',
        reload: true,
      }),
    })
    .prefault({}),
  { description: 'Certificates from an authority by ACME (RFC 8555).', expected: 'a table' },
)
