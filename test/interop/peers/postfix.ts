// Postfix as a peer: its own master and queue in the overlay, everything else as Debian ships it.

import type { PeerKind } from './peer.ts'

export const postfix: PeerKind = {
  name: 'postfix',
  package: 'postfix',
  server: ['STARTTLS', 'SMTPUTF8', 'DSN', 'CHUNKING'],
  client: ['STARTTLS', 'SMTPUTF8', 'DSN'],
  files: ({ folder, domain, plain, tls, next }) => ({
    '/etc/postfix/main.cf': `compatibility_level = 3.6
myhostname = mx.${domain}
mydestination = ${domain}, plain.${domain}
virtual_alias_maps = inline:{ {björn@${domain}=bob@${domain}} }
alias_maps =
alias_database =
home_mailbox = Maildir/
recipient_delimiter = +
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_mynetworks, reject
message_size_limit = 52428800
mailbox_size_limit = 0
transport_maps = inline:{ {posthorn.test=smtp:[127.0.0.1]:${next}} {plain.test=bare:[127.0.0.1]:${next}} }
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = may
smtpd_tls_cert_file = ${folder}/cert.pem
smtpd_tls_key_file = ${folder}/key.pem
smtpd_tls_received_header = yes
smtputf8_enable = yes
in_flow_delay = 0
maillog_file = ${folder}/log
maillog_file_prefixes = ${folder}
bounce_queue_lifetime = 1h
`,
    '/etc/postfix/master.cf': `127.0.0.1:${plain} inet n - n - - smtpd -o smtpd_tls_security_level=none
127.0.0.1:${tls} inet n - n - - smtpd -o smtpd_tls_security_level=may
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
bare unix - - n - - smtp -o smtp_tls_security_level=none
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`,
  }),
  start: ({ folder }) => `touch ${folder}/log; rm -f /etc/aliases; postfix start > /dev/null`,
}
