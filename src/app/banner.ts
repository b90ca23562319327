// What a person sees when the server is up: what listens where, the first password, and three lines to try it.

import { styleText } from 'node:util'
import { type Endpoint, formatEndpoint, type ListenerName } from './config/index.ts'
import type { FirstUser } from './first-start.ts'

export interface BannerFacts {
  readonly version: string
  readonly hostname: string
  readonly data: string
  readonly source: string
  readonly bound: readonly Bound[]
  readonly certificate: { readonly fingerprint: string; readonly validTo: string } | undefined
  readonly firstUser: FirstUser | undefined
}
/** A listener that is open. */
export interface Bound extends Endpoint {
  readonly name: ListenerName
}

const about: Readonly<Record<ListenerName, string>> = {
  smtp: 'mail from other servers',
  submission: 'mail from our users, STARTTLS',
  submissions: 'mail from our users, TLS',
  lmtp: 'mail from a server in front',
  imap: 'reading mail, STARTTLS',
  imaps: 'reading mail, TLS',
  pop3: 'fetching mail, STLS',
  pop3s: 'fetching mail, TLS',
  http: '/health and /metrics',
  https: 'the same, TLS',
  acme: 'proof for certificate authorities',
}

export function formatBanner(facts: BannerFacts): string {
  const bold = (text: string) => styleText('bold', text)
  const dim = (text: string) => styleText('dim', text)
  const lines = [
    '',
    `${bold(`Posthorn ${facts.version}`)} is ready as ${facts.hostname}.`,
    dim(`Configuration: ${facts.source}. Data: ${facts.data}.`),
    '',
    ...facts.bound.map((at) => `  ${at.name.padEnd(12)} ${formatEndpoint(at).padEnd(22)} ${dim(about[at.name])}`),
    '',
  ]
  if (facts.certificate)
    lines.push(
      dim(`Self-signed certificate until ${facts.certificate.validTo}, SHA-256 ${facts.certificate.fingerprint}`),
      '',
    )
  if (facts.firstUser) lines.push(...firstSteps(facts.firstUser, facts.bound))
  return `${lines.join('\n')}\n`
}

/** Told once: the user, the password and how to see a first mail. */
function firstSteps({ email, password }: FirstUser, bound: readonly Bound[]): string[] {
  const at = (name: ListenerName) => formatEndpoint(bound.find((one) => one.name === name)!)
  const login = `-u '${email}:${password}'`
  return [
    'The first user was made; this password is shown only now:',
    '',
    `  user      ${styleText('bold', email)}`,
    `  password  ${styleText('bold', password)}`,
    '',
    'Send it a message, look into its inbox, and read the message:',
    '',
    `  printf 'From: <you@example.org>\\nTo: <${email}>\\nSubject: Hello\\n\\nThe post is here.\\n' | curl -sS smtp://${at('smtp')} --crlf --mail-from you@example.org --mail-rcpt ${email} -T -`,
    `  curl -sS imap://${at('imap')}/INBOX ${login} -X 'FETCH 1:* (UID FLAGS ENVELOPE)'`,
    `  curl -sS -k 'imaps://${at('imaps')}/INBOX;MAILINDEX=1' ${login}`,
    '',
  ]
}
