// The table `filters` of the configuration: who else looks at mail.

import * as z from 'zod'
import { duration, noted, secret, size, whole } from './pieces.ts'
import { parseAnswers, parsePlace } from './units.ts'

const place = z
  .string()
  .transform((text) => parsePlace(text))
  .refine((found) => found !== undefined)
  .transform((found) => found!)
const placeExpected = 'host:port, or the path of a socket'
const score = z.number().min(-1_000).max(1_000)
const onFailure = z.enum(['accept', 'tempfail'])
/** What every daemon has that looks at messages; a list of milters has no notes inside. */
const daemonKeys = (timeout: number, maxSize: number, submissions: boolean) => ({
  timeout: duration.default(timeout),
  onFailure: onFailure.default('accept'),
  connections: whole(1, 1_000).default(10),
  maxSize: size(1).default(maxSize),
  submissions: z.boolean().default(submissions),
})
const daemon = (timeout: number, maxSize: number, submissions: boolean, example: string) => {
  const keys = daemonKeys(timeout, maxSize, submissions)
  return {
    address: noted(place.optional(), {
      description: 'Where it listens: host:port, or the path of its socket. Absent: it is not asked.',
      expected: placeExpected,
      example,
    }),
    timeout: noted(keys.timeout, {
      description: 'How long it has for one message.',
      expected: 'a duration such as 30s',
    }),
    onFailure: noted(keys.onFailure, {
      description:
        'What becomes of mail when it cannot be asked or does not answer: accept takes it, tempfail answers 451, so that it comes again later.',
      expected: 'accept or tempfail',
    }),
    connections: noted(keys.connections, {
      description: 'Messages that each thread of doors gives it at one time; others wait.',
      expected: 'a whole number from 1 to 1000',
    }),
    maxSize: noted(keys.maxSize, {
      description: 'It is not asked about larger messages; their timeline says so.',
      expected: 'a size such as 25M',
    }),
    submissions: noted(keys.submissions, {
      description: 'Whether it is asked about mail that our own users and trusted networks hand in.',
      expected: 'true or false',
    }),
  }
}
const milter = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9._-]{1,40}$/),
  address: place,
  ...daemonKeys(30_000, 52_428_800, true),
})
const answers = z
  .string()
  .transform((text) => parseAnswers(text))
  .refine((found) => found !== undefined)
  .transform((found) => found!)
const dnsList = z.strictObject({
  zone: z.string().regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/),
  of: z.enum(['address', 'domains']).default('address'),
  answers: z.array(answers).default([]),
  weight: score.default(1),
})

export const filters = noted(
  z
    .strictObject({
      clamav: noted(
        z
          .strictObject({
            ...daemon(30_000, 26_214_400, true, '/run/clamav/clamd.ctl'),
            action: noted(z.enum(['tag', 'junk', 'quarantine', 'reject']).default('reject'), {
              description: 'What becomes of a message in which it finds something; tag only adds X-Virus-Status.',
              expected: 'tag, junk, quarantine or reject',
            }),
          })
          .prefault({}),
        {
          description: 'ClamAV: clamd, asked with INSTREAM. Keep maxSize at or below its StreamMaxLength.',
          expected: 'a table',
          reload: true,
        },
      ),
      spamassassin: noted(
        z
          .strictObject({
            ...daemon(30_000, 524_288, false, '127.0.0.1:783'),
            user: noted(
              z
                .string()
                .regex(/^[A-Za-z0-9._@+-]{1,64}$/)
                .optional(),
              {
                description: 'Whose settings and Bayes spamd uses. Absent: those of the user it runs as.',
                expected: 'a name',
                example: 'posthorn',
              },
            ),
            junk: noted(score.optional(), {
              description: 'Score from which mail is junk. Absent: what spamd has as required_score.',
              expected: 'a number',
              example: 5,
            }),
            reject: noted(score.optional(), {
              description: 'Score from which mail is refused. Absent: none is.',
              expected: 'a number',
              example: 15,
            }),
          })
          .prefault({}),
        {
          description: 'SpamAssassin: spamd. It learns when it was started with --allow-tell.',
          expected: 'a table',
          reload: true,
        },
      ),
      rspamd: noted(
        z
          .strictObject({
            ...daemon(30_000, 52_428_800, false, '127.0.0.1:11333'),
            controller: noted(place.optional(), {
              description: 'Its controller worker, for learning. Absent: it does not learn from here.',
              expected: placeExpected,
              example: '127.0.0.1:11334',
            }),
            password: noted(secret.optional(), {
              description: 'The password of its controller.',
              expected: 'a text, or {file: path}',
              example: { file: '/run/secrets/rspamd' },
            }),
            reject: noted(z.enum(['reject', 'quarantine', 'junk']).default('reject'), {
              description: 'What becomes of mail that it wants rejected.',
              expected: 'reject, quarantine or junk',
            }),
          })
          .prefault({}),
        { description: 'Rspamd: its normal worker.', expected: 'a table', reload: true },
      ),
      milters: noted(
        z
          .array(milter)
          .refine((list) => new Set(list.map(({ name }) => name)).size === list.length)
          .default([]),
        {
          description:
            'Milters (protocol 6), asked one after the other when the message is there; each has the keys timeout, onFailure, connections, maxSize and submissions as above.',
          expected: 'a list of {name, address, timeout, onFailure, connections, maxSize, submissions}, each name once',
          example: [{ name: 'opendkim', address: '/run/opendkim/opendkim.sock', onFailure: 'tempfail' }],
          reload: true,
        },
      ),
      dnsbl: noted(
        z
          .strictObject({
            lists: noted(z.array(dnsList).max(50).default([]), {
              description:
                'Block and allow lists. `of: address` asks for the client’s address, `of: domains` for the domains of author, envelope and HELO; `answers` are those that count (all, unless given); `weight` is what the list adds to the score, below 0 for an allow list.',
              expected: 'a list of {zone, of, answers, weight}',
              example: [
                { zone: 'zen.spamhaus.org', answers: ['127.0.0.2-11'], weight: 2 },
                { zone: 'dbl.spamhaus.org', of: 'domains', answers: ['127.0.1.2-99'] },
                { zone: 'list.dnswl.org', answers: ['127.0.*.1-3'], weight: -2 },
              ],
            }),
            timeout: noted(duration.default(5_000), {
              description: 'How long one list has.',
              expected: 'a duration such as 5s',
            }),
            onFailure: noted(onFailure.default('accept'), {
              description: 'What becomes of mail when no list answers.',
              expected: 'accept or tempfail',
            }),
            junk: noted(score.optional(), {
              description: 'Sum of the weights from which mail is junk. Absent: none is.',
              expected: 'a number',
              example: 1,
            }),
            reject: noted(score.optional(), {
              description: 'Sum of the weights from which mail is refused. Absent: none is.',
              expected: 'a number',
              example: 4,
            }),
          })
          .prefault({}),
        {
          description:
            'Lists asked by DNS, for mail from outside. Ask through a resolver of your own: many lists answer no public one.',
          expected: 'a table',
          reload: true,
        },
      ),
    })
    .prefault({}),
  { description: 'Who else looks at mail before it is taken. All off unless named.', expected: 'a table' },
)
