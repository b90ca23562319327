// OpenSMTPD as a peer.

import type { PeerKind } from './peer.ts'

export const opensmtpd: PeerKind = {
  name: 'opensmtpd',
  package: 'opensmtpd',
  // Announced, but no handshake ever succeeds: Debian's build is older than its OpenSSL (OpenSMTPD issue 1171). Mail comes without.
  server: ['DSN'],
  client: ['STARTTLS', 'DSN'],
  files: ({ folder, domain, plain, tls, next }) => ({
    '/etc/smtpd.conf': `pki mx.${domain} cert "${folder}/cert.pem"
pki mx.${domain} key "${folder}/key.pem"
smtp max-message-size 50M
listen on 127.0.0.1 port ${plain} hostname mx.${domain}
listen on 127.0.0.1 port ${tls} tls pki mx.${domain} hostname mx.${domain}
action "local" maildir
action "tls" relay host smtp+tls://127.0.0.1:${next} tls no-verify
action "bare" relay host smtp+notls://127.0.0.1:${next}
match from any for domain { "${domain}", "plain.${domain}" } action "local"
match from any for domain "plain.test" action "bare"
match from any for domain "posthorn.test" action "tls"
`,
  }),
  start: ({ folder, domain }) => `
    echo mx.${domain} > /etc/mailname
    chmod 600 ${folder}/key.pem
    smtpd -d > ${folder}/log 2>&1 &`,
}
