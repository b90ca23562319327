// The one schema of the configuration: validation, types, the commented example and docs/configuration.md all come from here.
// Knows the shape of the file, not what the rooms do with it.

import * as z from 'zod'
import { parseAddress } from '../../address/index.ts'
import { address, duration, durationOrNone, name, noted, secret, server, size, whole } from './pieces.ts'
import { acme } from './schema-acme.ts'
import { filters } from './schema-filters.ts'
import { isNetwork, parseEndpoint } from './units.ts'

const endpoint = z
  .string()
  .transform((text) => parseEndpoint(text))
  .refine((found) => found !== undefined)
const endpoints = z.union([endpoint.transform((one) => [one!]), z.array(endpoint.transform((one) => one!))])
const listenExpected = 'an address and port as 127.0.0.1:25, [::]:25 or *:25, or a list of them'
const listen = (description: string, example: string) =>
  noted(endpoints.optional(), { description, expected: listenExpected, example })
const source = z.union([
  address.transform((text) => ({ address: text })),
  z.strictObject({ address, helo: z.string().min(1).optional() }),
])
const sourceRule = z.strictObject({ sender: name.optional(), recipient: name.optional(), pool: z.string() })
const limit = z
  .strictObject({
    provider: name.optional(),
    domain: name.optional(),
    source: address.optional(),
    connections: whole(1, 10_000).optional(),
    perMinute: whole(1, 1_000_000).optional(),
    perHour: whole(1, 10_000_000).optional(),
    perConnection: whole(1, 10_000).optional(),
  })
  .refine(({ provider, domain, source }) => [provider, domain, source].filter((one) => one !== undefined).length === 1)
const store = secret.refine((value) => typeof value !== 'string' || isStore(value))

/** Whether `text` names a store. */
export const isStore = (text: string): boolean => text === 'sqlite' || /^postgres(ql)?:\/\//.test(text)

export const schema = z.strictObject({
  hostname: noted(
    z
      .string()
      .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/)
      .optional(),
    {
      description:
        'The name of this server: in the SMTP banner, in HELO, in Received and in the certificate. Absent: what the machine calls itself.',
      expected: 'a host name such as mail.example.org',
      example: 'mail.example.test',
    },
  ),
  data: noted(z.string().min(1).default('./data'), {
    description: 'The folder where everything is kept. Relative to this file.',
    expected: 'a folder',
  }),
  store: noted(store.default('sqlite'), {
    description:
      'sqlite, or postgres://user:password@host/database. A secret may stand in a file: {file: /run/secrets/db}.',
    expected: 'sqlite or a postgres:// URL',
  }),
  blobs: noted(z.string().min(1).optional(), {
    description: 'The folder of large contents. Absent: blobs in the data folder. On PostgreSQL all nodes share it.',
    expected: 'a folder',
    example: '/srv/posthorn/blobs',
  }),
  user: noted(z.string().min(1).optional(), {
    description: 'When started as root: the user to become once the ports are bound.',
    expected: 'the name or number of a user',
    example: 'posthorn',
  }),
  listen: noted(
    z
      .strictObject({
        smtp: listen('Mail from other servers (port 25), STARTTLS.', '127.0.0.1:2525'),
        submission: listen('Mail from our users, STARTTLS (port 587).', '127.0.0.1:2587'),
        submissions: listen('Mail from our users, TLS from the first byte (port 465).', '127.0.0.1:2465'),
        lmtp: listen('Mail from a server in front, one answer for each recipient (RFC 2033).', '127.0.0.1:2424'),
        imap: listen('Reading mail, STARTTLS (port 143).', '127.0.0.1:2143'),
        imaps: listen('Reading mail, TLS from the first byte (port 993).', '127.0.0.1:2993'),
        pop3: listen('Fetching mail by POP3, STLS (port 110). Off unless given.', '127.0.0.1:2110'),
        pop3s: listen('The same, TLS from the first byte (port 995). Off unless given.', '127.0.0.1:2995'),
        http: listen('/health and /metrics.', '127.0.0.1:8980'),
        https: listen('The same over TLS.', '127.0.0.1:8943'),
        acme: listen(
          'Where a certificate authority asks for proof of a name over HTTP (port 80); nothing else is answered there. The port of `http` answers it too.',
          '127.0.0.1:8980',
        ),
      })
      .prefault({}),
    {
      description:
        'What listens where; what is absent is off. Each value is one address with its port, or a list of them.',
      expected: 'a table of listeners',
    },
  ),
  tls: noted(
    z
      .strictObject({
        cert: noted(z.string().min(1), {
          description: 'The certificate with its chain, PEM.',
          expected: 'a file',
          example: '/etc/letsencrypt/live/mail.example.test/fullchain.pem',
          reload: true,
        }),
        key: noted(z.string().min(1), {
          description: 'Its private key, PEM.',
          expected: 'a file',
          example: '/etc/letsencrypt/live/mail.example.test/privkey.pem',
          reload: true,
        }),
      })
      .optional(),
    {
      description: 'Absent: a self-signed certificate is made and kept in the data folder.',
      expected: 'a table with cert and key',
      reload: true,
    },
  ),
  certificates: noted(z.array(z.strictObject({ cert: z.string().min(1), key: z.string().min(1) })).default([]), {
    description:
      'Further certificates in files, each for the names in it, at every door. All files are looked at each minute: who renews them need tell nobody.',
    expected: 'a list of {cert, key}',
    example: [{ cert: '/etc/ssl/other/fullchain.pem', key: '/etc/ssl/other/privkey.pem' }],
    reload: true,
  }),
  acme,
  proxyProtocol: noted(z.array(z.string().refine(isNetwork)).default([]), {
    description:
      'Proxies in front, such as HAProxy with send-proxy or send-proxy-v2. Whatever connects from these networks to a mail port must begin with a header of the PROXY protocol (version 1 or 2), before TLS too; the address in it is the client: for limits, trusted networks and the log. It never counts as this machine. From elsewhere no such header is taken.',
    expected: 'a list of networks such as 10.0.0.5 or 10.0.0.0/8',
    reload: true,
  }),
  auth: noted(
    z
      .strictObject({
        plaintext: noted(z.enum(['never', 'loopback', 'always']).default('loopback'), {
          description: 'Where a password may be sent without TLS. `always` is for closed networks only.',
          expected: 'never, loopback or always',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Signing in.', expected: 'a table' },
  ),
  smtp: noted(
    z
      .strictObject({
        trustedNetworks: noted(z.array(z.string().refine(isNetwork)).default([]), {
          description: 'Networks that may relay without signing in, as 10.0.0.0/8 or 2001:db8::/32.',
          expected: 'a list of networks',
          reload: true,
        }),
        xclient: noted(z.array(z.string().refine(isNetwork)).default([]), {
          description:
            'Proxies that may take the part of another client with XCLIENT, its address and its login without a password, such as nginx. A list of its own: who may relay may not be anybody.',
          expected: 'a list of networks',
          reload: true,
        }),
        xforward: noted(z.array(z.string().refine(isNetwork)).default([]), {
          description:
            'Servers that may say with XFORWARD where a message came from before them, for Received and the log, such as a content filter behind Postfix. It gives no right.',
          expected: 'a list of networks',
          reload: true,
        }),
        greetingDelay: noted(durationOrNone.default(1000), {
          description:
            'How long a client of the port for other servers waits for its greeting when nothing good is known of its address. Who speaks before it is turned away. Never of this machine or a trusted network. 0 greets everybody at once.',
          expected: 'a duration such as 1s, or 0',
          reload: true,
        }),
        verify: noted(z.boolean().default(false), {
          description:
            'Answer VRFY and EXPN, to who signed in and to trusted networks only. Otherwise who has a mailbox is told at RCPT, and no list shows its members.',
          expected: 'true or false',
          reload: true,
        }),
        maxMessageSize: noted(size(1024).default(52_428_800), {
          description: 'Largest message taken, in bytes or as 50M.',
          expected: 'a size of at least 1K',
          reload: true,
        }),
        maxRecipients: noted(whole(1, 10_000).default(100), {
          description: 'Recipients taken in one transaction. RFC 5321 asks for at least 100.',
          expected: 'a whole number from 1 to 10000',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Receiving mail.', expected: 'a table' },
  ),
  dns: noted(
    z
      .strictObject({
        resolver: noted(z.union([server.transform((one) => [one]), z.array(server)]).optional(), {
          description:
            'The resolver to ask, best one on this machine that validates. Absent: the system’s. Names under .test, .example, .invalid and .localhost are asked only of a resolver named here.',
          expected: 'an address, or an address and port as 127.0.0.1:53, or a list of them',
          example: '127.0.0.1:5353',
          reload: true,
        }),
        dnssec: noted(z.boolean().default(true), {
          description:
            'Whether a resolver at a loopback address is believed when it says that it has validated an answer (DNSSEC); DANE needs that. Off where what listens there only passes on what others say.',
          expected: 'true or false',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Names.', expected: 'a table' },
  ),
  egress: noted(
    z
      .strictObject({
        allow: noted(z.array(z.string().refine(isNetwork)).default([]), {
          description:
            'Networks that may be asked over HTTP on behalf of others though they are private or otherwise special. What is fetched is named by strangers: allow no more than is needed.',
          expected: 'a list of networks such as 10.0.0.0/8',
          example: ['10.1.2.0/24'],
          reload: true,
        }),
        ca: noted(z.string().min(1).optional(), {
          description: 'More certificate authorities for that, PEM, beside those that everybody trusts.',
          expected: 'a file',
          example: '/etc/posthorn/ca.pem',
          reload: true,
        }),
        stsPort: noted(whole(1, 65_535).default(443), {
          description:
            'The port where other domains serve their MTA-STS policies. Another than 443 is for closed networks and tests.',
          expected: 'a port from 1 to 65535',
        }),
      })
      .prefault({}),
    { description: 'What is fetched from the web: MTA-STS policies.', expected: 'a table' },
  ),
  queue: noted(
    z
      .strictObject({
        routes: noted(z.record(z.string(), secret).default({}), {
          description:
            'Where mail for a domain goes instead of its MX: host:port or user:password@host:port; "*" is for every other domain.',
          expected: 'a table from domain to host:port or user:password@host:port',
          example: { 'relay.test': '127.0.0.1:2626', '*': 'user:pass@relay.example:587' },
          reload: true,
        }),
        schedule: noted(
          z
            .array(duration)
            .min(1)
            .default([5, 15, 30, 60, 120, 240, 480, 960, 1440].map((m) => m * 60_000)),
          {
            description: 'When delivery is tried again, counted from arrival; after the last, as long again each time.',
            expected: 'a list of durations such as 5m, 1h',
            reload: true,
          },
        ),
        lifetime: noted(duration.default(432_000_000), {
          description: 'How long delivery is tried before the sender is told that it failed.',
          expected: 'a duration such as 5d',
          reload: true,
        }),
        delayNotice: noted(duration.default(14_400_000), {
          description: 'When the sender is told that delivery takes longer.',
          expected: 'a duration such as 4h',
          reload: true,
        }),
        concurrency: noted(whole(1, 10_000).default(200), {
          description:
            'Messages under way outward at one time. A sender, and a destination, has at most as many of them as are left free.',
          expected: 'a whole number from 1 to 10000',
          reload: true,
        }),
        port: noted(whole(1, 65_535).default(25), {
          description:
            'The port of other servers found by MX records. Another than 25 is for closed networks and tests.',
          expected: 'a port from 1 to 65535',
        }),
        tls: noted(z.record(z.string(), z.enum(['none', 'may', 'encrypt', 'verify'])).default({}), {
          description:
            'What is asked of TLS to the mail servers of a domain, patterns as in routes. none and may stand above what the domain publishes (DANE, MTA-STS); encrypt and verify are the least: TLS, or TLS with a certificate for its name.',
          expected: 'a table from domain to none, may, encrypt or verify',
          example: { 'partner.example': 'verify', 'broken.example': 'may' },
          reload: true,
        }),
        perHost: noted(whole(1, 1000).default(20), {
          description:
            'Messages under way to one destination from one address at the most. Each begins with 5 and learns how many it bears.',
          expected: 'a whole number from 1 to 1000',
          reload: true,
        }),
        sources: noted(z.record(z.string().regex(/^[^\s]+$/), z.array(source).min(1)).default({}), {
          description:
            'Addresses of this machine that mail leaves from, in named pools; each may have its own name for EHLO. The pool default is for all that no rule names; without it the system chooses.',
          expected: 'a table from name to a list of addresses, or of {address, helo}',
          example: { default: ['192.0.2.1'], news: [{ address: '192.0.2.2', helo: 'news.example' }, '192.0.2.3'] },
          reload: true,
        }),
        sourceRules: noted(z.array(sourceRule).default([]), {
          description:
            'Which mail leaves from which pool: by sender (domain, .domain for all below it, or address) and by recipient domain. The first that fits decides.',
          expected: 'a list of {sender, recipient, pool}',
          example: [{ sender: 'news.example', pool: 'news' }],
          reload: true,
        }),
        limits: noted(z.array(limit).default([]), {
          description:
            'What a provider (end of the names of its mail hosts), a domain (.domain for all below it, "*" for each by itself) or a source address may have: connections at once, messages a minute, an hour and over one connection.',
          expected: 'a list of {provider | domain | source, connections, perMinute, perHour, perConnection}',
          example: [
            { provider: 'google.com', connections: 20, perMinute: 600 },
            { domain: '*', perConnection: 50 },
          ],
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Sending mail.', expected: 'a table' },
  ),
  filters,
  search: noted(
    z
      .strictObject({
        index: noted(z.boolean().default(true), {
          description:
            'Whether texts are indexed in the background, in search.db in the data folder. Without it every search reads the messages, and finds the same.',
          expected: 'true or false',
        }),
      })
      .prefault({}),
    { description: 'Searching mail.', expected: 'a table' },
  ),
  trace: noted(
    z
      .strictObject({
        keep: noted(durationOrNone.default(1_209_600_000), {
          description:
            'How long the timeline of each message is kept: who sent it, to whom, and what became of it; no subject and no text. More than queue.lifetime, or mail is forgotten that still waits. 0 keeps none.',
          expected: 'a duration such as 14d, or 0',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'What `posthorn trace` can tell.', expected: 'a table' },
  ),
  reports: noted(
    z
      .strictObject({
        send: noted(z.boolean().default(true), {
          description:
            'Whether other domains are told each day what came in their name (DMARC) and how TLS with their servers went, when they ask for it.',
          expected: 'true or false',
          reload: true,
        }),
        from: noted(
          z
            .string()
            .refine((text) => parseAddress(text) !== undefined)
            .optional(),
          {
            description:
              'In whose name reports are sent. A domain above it should have DKIM keys here, or reports are not believed. Absent: noreply-dmarc@ and the hostname.',
            expected: 'an address such as noreply@example.org',
            example: 'noreply-dmarc@mail.example.test',
            reload: true,
          },
        ),
        organization: noted(z.string().min(1).max(200).optional(), {
          description: 'What reports call this server. Absent: its hostname.',
          expected: 'a name',
          example: 'Example Mail',
          reload: true,
        }),
        contact: noted(z.string().min(1).max(200).optional(), {
          description: 'How else somebody is reached about a report: an address, a page.',
          expected: 'a text',
          example: 'postmaster@example.test',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Reports about authentication and TLS: docs/reports.md.', expected: 'a table' },
  ),
  limits: noted(
    z
      .strictObject({
        connections: noted(whole(1, 1_000_000).optional(), {
          description: 'Connections of all clients to one door. Absent: what each door thinks right.',
          expected: 'a whole number of at least 1',
          example: 2000,
          reload: true,
        }),
        connectionsPerAddress: noted(whole(1, 1_000_000).optional(), {
          description: 'Connections from one address to one door. Absent: what each door thinks right.',
          expected: 'a whole number of at least 1',
          example: 100,
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'What one client may take.', expected: 'a table' },
  ),
  disk: noted(
    z
      .strictObject({
        minimumFree: noted(size(0).default(268_435_456), {
          description: 'Below this much free space no mail is taken (452 4.3.1) and /health says so.',
          expected: 'a size such as 256M',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Storage.', expected: 'a table' },
  ),
  log: noted(
    z
      .strictObject({
        level: noted(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'), {
          description: 'How much is logged, as JSON lines in UTC on standard output.',
          expected: 'trace, debug, info, warn, error or silent',
          reload: true,
        }),
      })
      .prefault({}),
    { description: 'Logs.', expected: 'a table' },
  ),
  doors: noted(whole(1, 64).default(1), {
    description: 'Threads that hold connections. More than one share the ports.',
    expected: 'a whole number from 1 to 64',
  }),
})

/** The file as written, with defaults: before paths and secrets are resolved. */
export type FileConfig = z.output<typeof schema>
export type ListenerName = keyof FileConfig['listen']
