// Exim as a peer, with one configuration file in the place of Debian's many.

import type { PeerKind } from './peer.ts'

export const exim: PeerKind = {
  name: 'exim',
  package: 'exim4-daemon-heavy',
  server: ['STARTTLS', 'SMTPUTF8', 'DSN', 'CHUNKING'],
  client: ['STARTTLS', 'SMTPUTF8', 'DSN', 'CHUNKING'],
  files: ({ folder, domain, plain, tls, next }) => ({
    '/etc/exim4/exim4.conf': `primary_hostname = mx.${domain}
domainlist local_domains = ${domain} : plain.${domain}
local_interfaces = <; 127.0.0.1
daemon_smtp_ports = ${plain} : ${tls}
tls_advertise_hosts = \${if eq{$received_port}{${tls}}{*}{}}
tls_certificate = ${folder}/cert.pem
tls_privatekey = ${folder}/key.pem
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
accept_8bitmime = true
pipelining_advertise_hosts = *
message_size_limit = 50M
log_file_path = ${folder}/log-%s
log_selector = +all
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
never_users = root
host_lookup =
rfc1413_hosts =
queue_run_in_order = true
remote_max_parallel = 4
smtp_accept_queue_per_connection = 0

begin acl
rcpt:
  require verify = recipient
  accept hosts = 127.0.0.0/8

begin routers
away:
  driver = manualroute
  domains = ! +local_domains
  transport = \${if eq{$domain}{plain.test}{bare}{smtp}}
  route_list = * 127.0.0.1
  self = send
umlaut:
  driver = redirect
  local_parts = björn
  data = bob@${domain}
local:
  driver = accept
  local_part_suffix = +*
  local_part_suffix_optional
  check_local_user
  transport = maildir

begin transports
smtp:
  driver = smtp
  port = ${next}
  tls_verify_hosts =
  tls_try_verify_hosts =
  hosts_try_chunking = *
bare:
  driver = smtp
  port = ${next}
  hosts_avoid_tls = *
maildir:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,1h,1m
`,
  }),
  start: ({ folder }) => `
    mkdir -p /var/log/exim4 /var/spool/exim4 && chown -R Debian-exim:Debian-exim /var/spool/exim4
    chown Debian-exim ${folder} ${folder}/key.pem 
    ln -s log-main ${folder}/log
    exim4 -bdf -q30m > /dev/null 2>&1 &`,
}
