// How mail of a kind travels: by which program it is written, which fields it has, who vouches for it. A style is shared by many families.

import type { Random } from './random.ts'

export interface Style {
  /** Where the address of From stands, when the family does not say. */
  readonly from: 'person' | 'free' | 'company' | 'throwaway' | 'hacked'
  /** How the body is written: probabilities of plain, html, both. */
  readonly forms: readonly [plain: number, html: number, both: number]
  /** Where links lead: to the sender's own host, to somebody's who counts clicks, elsewhere. */
  readonly links: 'own' | 'tracked' | 'foreign' | 'bad'
  readonly programs: readonly string[]
  /** Probabilities of passing SPF, DKIM; of failing DMARC; the rest has none. */
  readonly passes: readonly [spf: number, dkim: number, dmarcFails: number]
  /** Message-ID of the sender's own host. */
  readonly ownId: number
  readonly fields: (random: Random, domain: string) => readonly string[]
  readonly hops: readonly [least: number, most: number]
  /** The reverse-path is of another domain. */
  readonly bounces: number
}

const desks = [
  'User-Agent: Mozilla Thunderbird',
  'X-Mailer: Apple Mail (2.3774.600.62)',
  'X-Mailer: Microsoft Outlook 16.0',
  'X-Mailer: iPhone Mail (21F90)',
  'User-Agent: K-9 Mail for Android',
  'X-Mailer: Evolution 3.48.4',
  'User-Agent: Mutt/2.2.12',
  'User-Agent: Roundcube Webmail/1.6',
  '',
  '',
  '',
]
const machines = [
  '',
  '',
  '',
  'X-Mailer: PHPMailer 6.8.0',
  'X-Mailer: Symfony',
  'X-Mailer: nodemailer',
  'X-Mailer: Salesforce',
  'X-Mailer: sendgrid',
]
const bots = [
  '',
  '',
  '',
  'X-Mailer: Microsoft Outlook Express 6.00.2900.5512',
  'X-Mailer: Microsoft Windows Live Mail 14.0.8117.416',
  'X-Mailer: PHPMailer 5.2.9',
  'X-Mailer: The Bat! (v4.0.24) UNREG',
  'X-Mailer: Microsoft Outlook 16.0',
  'X-Mailer: Foxmail 7.0',
  'User-Agent: Mozilla Thunderbird',
  'X-Mailer: WPMailSMTP',
]
const none = () => []
const unsubscribe = (random: Random, domain: string, post: number): string[] => [
  `List-Unsubscribe: <https://${domain}/u/${random.below(1e9).toString(36)}>${random.chance(0.5) ? `, <mailto:unsubscribe@${domain}>` : ''}`,
  ...(random.chance(post) ? ['List-Unsubscribe-Post: List-Unsubscribe=One-Click'] : []),
]

export const styles: Readonly<Record<string, Style>> = {
  /** Somebody writes to somebody. */
  person: {
    from: 'person',
    forms: [0.5, 0.15, 0.35],
    links: 'foreign',
    programs: desks,
    passes: [0.88, 0.78, 0.02],
    ownId: 0.6,
    fields: none,
    hops: [1, 4],
    bounces: 0.02,
  },
  work: {
    from: 'company',
    forms: [0.35, 0.25, 0.4],
    links: 'own',
    programs: desks,
    passes: [0.92, 0.75, 0.02],
    ownId: 0.7,
    hops: [2, 6],
    bounces: 0.02,
    fields: (random) =>
      random.chance(0.3)
        ? ['Content-Language: en-US', 'Thread-Index: AdoxQmVhY2gx']
        : random.chance(0.1)
          ? ['Importance: high']
          : [],
  },
  /** A shop, a bank, a service writes because something was done. */
  service: {
    from: 'company',
    forms: [0.2, 0.35, 0.45],
    links: 'own',
    programs: machines,
    passes: [0.95, 0.92, 0.01],
    ownId: 0.5,
    hops: [1, 4],
    bounces: 0.6,
    fields: (random, domain) => [
      ...(random.chance(0.3) ? ['Auto-Submitted: auto-generated'] : []),
      ...(random.chance(0.3) ? [`Feedback-ID: ${random.below(1e6)}:${domain}`] : []),
      ...(random.chance(0.15) ? unsubscribe(random, domain, 0.5) : []),
    ],
  },
  /** What somebody has subscribed to. */
  news: {
    from: 'company',
    forms: [0.05, 0.4, 0.55],
    links: 'tracked',
    programs: machines,
    passes: [0.96, 0.95, 0.01],
    ownId: 0.5,
    hops: [1, 4],
    bounces: 0.85,
    fields: (random, domain) => [
      ...unsubscribe(random, domain, 0.7),
      ...(random.chance(0.5) ? [`Feedback-ID: ${random.below(1e6)}:${domain}`] : []),
      ...(random.chance(0.4) ? [`List-Id: <news.${domain}>`] : []),
      ...(random.chance(0.3) ? ['Precedence: bulk'] : []),
    ],
  },
  list: {
    from: 'person',
    forms: [0.9, 0.02, 0.08],
    links: 'foreign',
    programs: desks,
    passes: [0.9, 0.55, 0.08],
    ownId: 0.6,
    hops: [3, 7],
    bounces: 1,
    fields: (random) => [
      'Precedence: list',
      `List-Id: <${random.pick(['users', 'dev', 'announce', 'discuss', 'talk'])}.lists.example.org>`,
      'List-Post: <mailto:users@lists.example.org>',
      'List-Unsubscribe: <mailto:leave@lists.example.org>',
      'Sender: users-bounces@lists.example.org',
    ],
  },
  /** Servers and programs write to who looks after them. */
  machine: {
    from: 'company',
    forms: [0.85, 0.05, 0.1],
    links: 'own',
    programs: [''],
    passes: [0.8, 0.55, 0.02],
    ownId: 0.8,
    hops: [1, 3],
    bounces: 0.1,
    fields: (random) => (random.chance(0.6) ? ['Auto-Submitted: auto-generated'] : []),
  },
  /** From infected machines and rented servers, under any name. */
  botnet: {
    from: 'throwaway',
    forms: [0.35, 0.4, 0.25],
    links: 'bad',
    programs: bots,
    passes: [0.35, 0.2, 0.3],
    ownId: 0.35,
    hops: [1, 3],
    bounces: 0.4,
    fields: (random) => (random.chance(0.15) ? ['X-Priority: 1'] : random.chance(0.1) ? ['Importance: High'] : []),
  },
  /** Accounts at free providers. */
  free: {
    from: 'free',
    forms: [0.75, 0.05, 0.2],
    links: 'bad',
    programs: ['', '', ...bots],
    passes: [0.9, 0.85, 0.03],
    ownId: 0.8,
    hops: [1, 4],
    bounces: 0.05,
    fields: none,
  },
  /** Domains that were bought for it, with everything in order. */
  bulk: {
    from: 'throwaway',
    forms: [0.1, 0.6, 0.3],
    links: 'bad',
    programs: machines,
    passes: [0.85, 0.75, 0.05],
    ownId: 0.7,
    hops: [1, 3],
    bounces: 0.3,
    fields: (random, domain) => [
      ...(random.chance(0.6) ? unsubscribe(random, domain, 0.4) : []),
      ...(random.chance(0.3) ? ['Precedence: bulk'] : []),
    ],
  },
  /** Web sites and mailboxes that were broken into. */
  hacked: {
    from: 'hacked',
    forms: [0.25, 0.5, 0.25],
    links: 'bad',
    programs: ['X-Mailer: PHPMailer 5.2.22', 'X-Mailer: WPMailSMTP', '', ''],
    passes: [0.7, 0.45, 0.1],
    ownId: 0.6,
    hops: [1, 4],
    bounces: 0.3,
    fields: (random) => (random.chance(0.4) ? ['X-PHP-Originating-Script: 1001:mailer.php'] : []),
  },
}
