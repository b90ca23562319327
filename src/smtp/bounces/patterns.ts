// What servers say, as data: phrases of real replies and the class each gives away. The first class in order whose phrase is found
// wins, so what is specific stands before what is vague. Words are folded as the reply is (classify.ts): letters and digits only.
// `..` stands for any words between; `*` at the end lets the last word go on; a comma ends a phrase.

import type { ReplyClass } from './classes.ts'

export const textPatterns: readonly (readonly [ReplyClass, string])[] = [
  ['protocol', 'helo command rejected, invalid helo, helo name, bad helo, ehlo command rejected'],
  ['content', 'duplicate header, multiple from headers, message id header'],
  ['spam', 'likely unsolicited, likely suspicious, reputation of the sending domain, reputation of the domain'],
  ['policy', 'rejected for policy reasons'],
  ['routing', 'establish an smtp connection'],
  ['system', 'temporary locked, temporarily locked'],
  ['relay-denied', 'relaying denied, relaying .. is not allowed'],
  ['mailbox-full', 'mailbox size limit'],
  ['dns', 'dns domain'],
  ['blocked-address', 'the ip you re using, not accepted from this ip, ipcheck, spams from your ip'],
  [
    'greylisted',
    `
      greylist*, graylist*, grey list*, gray list*, postgrey, milter greylist, temporarily greylisted, try again in
      a few minutes and the message will be accepted, you are being greylisted
    `,
  ],
  [
    'loop',
    `
      hop count exceeded, too many hops, mail loop, loops back to myself, routing loop, looping, loop detected, too
      many received, excessive recursion, mail forwarding loop, exceeded maximum hop count, forwarding loop, maximum
      hop count, loops back to me, infinite loop
    `,
  ],
  [
    'dns',
    `
      null mx, nullmx, does not accept mail, nxdomain, does not receive mail, no such domain
    `,
  ],
  [
    'too-large',
    `
      message size exceeds, message too large, message too big, message is too large, message is too big, exceeds
      fixed maximum message size, exceeded the maximum size, exceeds maximum message size, size limit exceeded,
      message exceeds, larger than the current system limit, exceeds size limit, exceeds the maximum size, message
      length exceeds, exceeded google s message size limits, message size limit, max message size, maximum message
      size, size exceeds, messagetoolarge, message larger than, exceeds limit of, message file too big, headers too
      large, too much mail data, message was larger than, data size exceeds, sendersizeexceeded, message header size
      exceeds, recipsizelimit, rcptsizelimit, exceeds administrative limit, mail size limit, size exceeded
    `,
  ],
  [
    'mailbox-full',
    `
      mailbox full, mailbox is full, mailbox for .. is full, over quota, overquota, quota exceeded, exceeded ..
      quota, quota exceed, out of storage space, inbox is full, inbox is out of storage, mailfolder is full, over
      the quota, mailbox has exceeded, exceeded storage allocation, exceeded its storage, exceeds the limit of
      mailbox, mail quota, full mailbox, not enough storage space, mailboxfull, mailbox .. is full, disk quota,
      quotaexceeded, is over .. quota, user is overquota, mailbox too full, account is full, boite pleine, boite aux
      lettres pleine, storequota, user s disk quota, maildir delivery failed .. over, storage limit, no space left
      in mailbox, mail box full, mail box is full, exceeded the quota, mailbox quota, postfach ist voll, postfach
      voll, maildirs over, exceeded the maximum storage, is using .. quota, mailbox limit
    `,
  ],
  [
    'rate-limited',
    `
      tss04, ts01, unusual rate, rate limit*, ratelimit*, too many messages, too many connections, too many
      concurrent, receiving mail at a rate, receiving email at a rate, sending mail too fast, too fast, too many
      sessions, throttl*, too many recipients, unexpected volume, daily .. quota, daily sending quota, exceeded the
      rate, exceeded .. message rate, connection limit, connection rate, frequency limited, frequency limit,
      connection frequency, sending frequency, number of messages exceeds, exceeded your maximum limit, max message
      per connection, too many emails, too many mails, maximum number of messages, rp 001, rp 002, rp 003, daily
      message limit, hourly limit, max defers and failures, max emails per hour, rate exceeded, concurrent
      connection*, too much mail, recipient limit, too many invalid recipients, too many unknown users, mail server
      .. temporarily rate limited, too many errors, try reducing, too many transactions, deferring connection,
      permits .. unverifyable, suspicious activity .. try again later, exceeded the limit of number of messages,
      sent too many, threshold exceeded, submission quota, messages per connection, sms 01, sms 02, too many open
      connections, sending limit
    `,
  ],
  [
    'unauthenticated',
    `
      dmarc, spf check, spf record, spf records, spf fail*, spf validation, spf unauthorized, fail spf, fails spf,
      failed spf, not spf, spf, dkim, unauthenticated email, unauthenticated mail, sender is unauthenticated,
      authentication information, authentication checks, sending domain .. does not pass authentication, does not
      designate, is not allowed to send mail from, is not authorized to use .. in, sender id, domain owner
      discourages, due to domain owner policy, arc validation, authenticated 5 7 515, is not allowed to send from,
      required authentication level, local authentication policy, message fails authentication
    `,
  ],
  [
    'blocked-address',
    `
      spamhaus, sbl, xbl, pbl, spamcop, sorbs, barracudacentral, barracuda reputation, dnsbl, rbl, uceprotect*,
      abusix, senderscore, block list, blocklist*, blacklist*, black list*, block listed, denylist*, deny list,
      bl001, s3140, s3150, as3140, banned sending ip, sending ip, client host .. blocked, client host rejected,
      reverse dns, ptr record*, ptr rr, no ptr, rdns, reverse lookup, reverse hostname, your ip, ip address ..
      blocked, ip address .. rejected, blocked for abuse, poor reputation, bad reputation, low reputation, ip
      reputation, reputation, tss09, tss11, tss05, tss06, blocked by ldap, dynamic ip, dynamic address, dynamic
      pool, dynamic or residential, dialup, dial up, ip name lookup failed, ip is blocked, ip blocked, has been
      blocked by, blocked using, listed at, listed by, is listed, cloudmark, csi cloudmark, ipbl*, sender ip,
      banned, cannot find your hostname, cannot find your reverse hostname, bad dns ptr, forward confirmed, ip ..
      not allowed, hostname .. does not match, connections from this host, not accepted from this host, connections
      not accepted from, connection refused by policy, no ip lookup, unresolvable ip, generic rdns, sender s mail
      server, too many bad commands from, ip has been, nemesis esmtp service not available, transaction failed
      reject due to policy restrictions, invalid hostname in reverse, ofr 506, ofr506, a problem occurred .. bl,
      ipv6 sending guidelines, ip .. blocked, is listed in, are listed, listed on, messages from .. weren t sent,
      zen spamhaus
    `,
  ],
  [
    'spam',
    `
      spam, spammy, antispam, anti spam, unsolicited, ube, uce, bulk email, junk mail, junk, hvu*, surbl, uribl,
      dbl, considered unsolicited, spamassassin, high on spam*, identified as spam, suspicious due to, phishing,
      very low reputation, tagged as spam, suspected spam, mail content denied, looks like spam, spam message, spam
      detected, rejected by content filter, blocked by content filter, content rejected as, cs01, cs02, bulk mail,
      message rejected under suspicion, scored, malicious, user complaints, mcspamsignature*, dt spm
    `,
  ],
  [
    'disabled',
    `
      account disabled, account is disabled, disabled recipient, mailbox disabled, mailbox is disabled, account ..
      is disabled, account .. is inactive, is inactive, inactive user, user is inactive, account inactive, account
      is locked, account suspended, account is suspended, user suspended, user is suspended, suspended, account has
      been disabled, not accepting messages, account is not active, account expired, account closed, account is
      closed, mailbox is inactive, mailbox inactive, deactivated, mailbox currently suspended, discontinued, user
      disabled, mailbox locked, account locked, mailbox blocked, mailbox is blocked, user is blocked, account ..
      blocked, compte du destinataire est bloque, mailbox is frozen, inactivity, address no longer active, domain is
      not active, user terminated, account has been closed, no longer active, mailbox unavailable user has been
      disabled, dd requested mail action aborted, recipient not active, unrouteable mailbox disabled, account has
      been locked, mailbox has been locked
    `,
  ],
  [
    'moved',
    `
      has moved, user has moved, moved to, please try .. instead, user not local please try, mailbox has moved,
      changed address, address changed, address has changed, please forward to, no longer works here, no longer
      with, left the company, no longer on server
    `,
  ],
  [
    'relay-denied',
    `
      relay access denied, relay not permitted, unable to relay, no relaying, we do not relay, not permitted to
      relay, relaying not allowed, relay denied, relay not allowed, relaying is not, not our customer, rcpthosts,
      relaying not permitted, relaying prohibited, cannot relay, relay rejected, relay operation rejected, not a
      gateway, unable to relay for, not a relay, open relay, relay prohibited, relaying temporarily denied, that
      domain isn t in my list, is currently not permitted to relay, sorry that domain, no such domain at this
      location, invalid final delivery relay
    `,
  ],
  [
    'bad-sender',
    `
      sender address rejected, sender rejected, domain of sender, sender domain, sender verify failed, sender
      verification, sender address verification, sender not accepted, invalid sender, sender denied, sender is not
      allowed, not allowed to send as, send as this sender, senders domain, invalid domain name, mail from ..
      rejected, mail from .. domain, envelope sender, sender address, blocked sender, sender blocked, from address,
      return address, bad return path, return path, could not complete sender verify, verification failed for,
      unknown sender, domain name rejected, sendernotauthenticated, spoof*, impersonat*, bad sender, anonymous
      sender, no valid mx .. sender, sender email address, send yourself, not allowed sender, badmailfrom, null
      sender, empty envelope senders, sender .. has been, invalid mail from, no reply address, from header, bounces
      with
    `,
  ],
  [
    'auth-required',
    `
      authentication required, authentication is required, authenticationrequired, authrequired, authentication credentials invalid,
      authentication failed, authentication unsuccessful, auth required, authentication needed, must authenticate,
      requires authentication, unauthenticated senders, username and password not accepted, not authenticated,
      please authenticate, smtp auth, bad credentials, application specific password required, delivery restriction,
      restricted, delivery not authorized, not authorized, not allowed to post, posting to this group, permission to
      post, rst notauthorized, rst reciprestricted, only accepts mail from, not permitted to send to, not on the
      list of, sender not permitted, members only, user s permission, does not have permission, is not allowed to
      send to, posting permission, confirmation required, credential*, please log in, authorization required
    `,
  ],
  [
    'bad-mailbox',
    `
      user unknown, unknown user, no such user, no such recipient, recipient unknown, unknown recipient, no such
      mailbox, mailbox not found, mailbox unavailable, mailbox does not exist, mailbox doesn t exist, account that
      you tried to reach does not exist, recipient not found, recipnotfound, invalid recipient, invalid mailbox,
      recipient address rejected access denied, addresses rejected access denied, user not found, unknown address,
      address unknown, unknown or illegal alias, not a valid mailbox, no mailbox, no mailbox here, user doesn t
      have, doesn t have a .. account, user doesn t have a, not a known user, unknown local part, unrouteable
      address, unroutable address, recipient name is not recognized, no valid recipients, invalid address, bad
      destination mailbox, addressee unknown, undeliverable address, unknown account, account not found, no account,
      no such account, no such person, not a valid recipient, user does not exist, recipient does not exist, unknown
      mailbox, mailbox name not allowed, adresse destinataire invalide, no such address, no such id, not our user,
      user invalid, invalid user, bad address, bad recipient, recipient invalid, address does not exist, recipient
      no longer, user not exist, recipient verify failed, could not deliver mail to this user, user is unknown,
      invalid final delivery userid, recipient is unknown, nosuchuser, badrcptto, mailbox not available, rcp p1,
      unknown virtual user, unknown in virtual, user not known, unknown or invalid, mailbox for .. not found,
      address not found, address not present, address invalid, not a user, email address could not be found,
      mailboxnotfound, mailbox .. is unknown, non existent, nonexistent, mailbox unknown, account does not exist,
      account that does not exist, does not exist here, address doesn t exist, user doesn t exist, recipient doesn t
      exist, address couldn t be found, not listed in public, no recipients found
    `,
  ],
  [
    'dns',
    `
      host unknown, host not found, name service error, domain not found, unknown domain, no mx, no mx record*,
      couldn t find any host, could not find a gateway, dns error, dns query failed, name or service not known,
      unrouteable domain, domain is not reachable, host or domain name not found, mx record*, no such host, domain
      does not exist, unable to resolve, name server*, couldn t find a mail exchanger, bad destination host, domain
      name not found, all relevant mx records point to non existent hosts, lookup of .. responded, unknown host,
      name has no usable address, domain cannot be resolved, invalid domain, dns failure, dns lookup, could not
      resolve
    `,
  ],
  [
    'tls',
    `
      starttls, tls, ssl, encryption required, requires encryption, encryption needed, certificate*, mta sts, sts
      policy, requiretls, secure connection, must issue a starttls, handshake failure, encrypted connection, dane
      validation, tlsa
    `,
  ],
  [
    'content',
    `
      virus, malware, infected, attachment*, message content rejected, content rejected, header error, missing
      header, missing message id, illegal attachment, bare lf, bare newline, bare linefeed, line too long, lines
      longer, not rfc, rfc 5322, rfc 2822, rfc5322, invalid header*, malformed, content not accepted, smtputf8,
      8bit, non ascii, multiple .. headers, message contains, content restrictions, not rfc compliant, invalid
      message, header field, file type, no message id, bad header, message format, contains a url, url in this,
      blocked url, eicar, exploit, trojan, message is redundant, e mail is redundant, executable, null characters,
      non compliant, syntactically invalid header, header syntax, message does not comply, line length
    `,
  ],
  [
    'expired',
    `
      retry timeout exceeded, retry time not reached, queue too long, envelope expired, message expired, delivery
      time expired, giving up, could not deliver for the last, unable to deliver this message after, message timed
      out, delivery timeout, undeliverable after, cannot send message for, could not send message for, delivery
      expired, maximum time in queue, expired, couldn t deliver for, too old, ttl expired, still undelivered
    `,
  ],
  [
    'policy',
    `
      policy, policies, access denied, administrative prohibition, administratively, not permitted, prohibited,
      security, rejected by recipient, local policy violation, recipient preferences, denied, not accepted for, not
      allowed, violation, unacceptable, blocked, refused by, tenantattribution, reject id, filter*, not accepting
      connections, not acceptable, forbidden, refused due to, mailfilter, refused to accept, bounce attacks,
      insufficient permission, permanent failure for one or more recipients
    `,
  ],
  ['bad-mailbox', 'recipient address rejected, recipient rejected, address rejected, does not exist, doesn t exist'],
  [
    'routing',
    `
      connection refused, connection timed out, connection reset, unable to connect, couldn t connect, could not
      connect, accept our requests to connect, no route to host, network is unreachable, unreachable, host not
      reachable, lost connection, connection died, econnrefused, etimedout, ehostunreach, enetunreach, econnreset,
      no answer, timed out, timeout, no host to try, bad connection, socket error, unrouteable, no servers, error
      transferring to, host is down, conversation with .. timed out, connection closed, connection dropped, connect
      to, closed connection, no connection, read error, did not respond, not responding, server hung up, connection
      broken, broken pipe, closed the connection
    `,
  ],
  [
    'protocol',
    `
      syntax error, command not recognized, unrecognized command, command unrecognized, command rejected, bad
      sequence, improper sequence, not implemented, protocol error, out of sequence, sequence of commands,
      unsupported, parameter*, invalid command, unknown command, need mail, no valid rcpt, need rcpt,
      synchronization error, unexpected, pipelining, bad command, valid rcpt command, duplicate command,
      unimplemented, commands error, does not advertise
    `,
  ],
  [
    'system',
    `
      local error, service unavailable, service currently unavailable, service not available, temporary failure,
      temporarily unavailable, try again later, try later, please try again, resources temporarily, insufficient
      system, insufficient storage, internal error, server error, system error, service temporarily, temporary
      lookup failure, temporary error, server busy, busy, system resources, out of memory, local problem,
      configuration error, couldn t create, could not create, no such file, disk full, no space, command died,
      command failed, pipe, temporary local problem, temporarily deferred, deferred, temporarily rejected,
      temporary, requested action aborted, error in processing, queue file write error, data format, storage, not
      available, exit status, local configuration, unable to process, shutting down, maintenance, overload*, load
      average, load too high, procmail, veuillez essayer plus tard, system not accepting, storedrv, server
      configuration, transient, closing transmission channel, closing connection, mailing list, cannot open mailbox,
      cannot open, failed to read, service is currently, come back later
    `,
  ],
]

/** Enhanced codes that say more than any text. */
export const decisiveStatuses: readonly (readonly [string, ReplyClass])[] = [
  ['1.7', 'bad-sender'],
  ['1.8', 'bad-sender'],
  ['7.23', 'unauthenticated'],
  ['7.25', 'blocked-address'],
  ['7.26', 'unauthenticated'],
]

/** By enhanced code (RFC 3463 §3) without its class, when the text says nothing; the longest that fits. A dot at the end: all below. */
export const statusPatterns: readonly (readonly [string, ReplyClass])[] = [
  ['1.1', 'bad-mailbox'],
  ['1.2', 'dns'],
  ['1.3', 'bad-mailbox'],
  ['1.4', 'bad-mailbox'],
  ['1.5', 'unknown'],
  ['1.6', 'moved'],
  ['1.7', 'bad-sender'],
  ['1.8', 'bad-sender'],
  ['1.9', 'unknown'],
  ['1.10', 'dns'],
  ['1.', 'bad-mailbox'],
  ['2.1', 'disabled'],
  ['2.2', 'mailbox-full'],
  ['2.3', 'too-large'],
  ['2.', 'bad-mailbox'],
  ['3.1', 'system'],
  ['3.3', 'protocol'],
  ['3.4', 'too-large'],
  ['3.', 'system'],
  ['4.3', 'dns'],
  ['4.4', 'dns'],
  ['4.6', 'loop'],
  ['4.7', 'expired'],
  ['4.', 'routing'],
  ['5.3', 'rate-limited'],
  ['5.', 'protocol'],
  ['6.', 'content'],
  ['7.4', 'tls'],
  ['7.5', 'tls'],
  ['7.6', 'tls'],
  ['7.7', 'content'],
  ['7.8', 'auth-required'],
  ['7.9', 'auth-required'],
  ['7.10', 'tls'],
  ['7.13', 'disabled'],
  ['7.17', 'moved'],
  ['7.20', 'unauthenticated'],
  ['7.21', 'unauthenticated'],
  ['7.22', 'unauthenticated'],
  ['7.23', 'unauthenticated'],
  ['7.24', 'unauthenticated'],
  ['7.25', 'blocked-address'],
  ['7.26', 'unauthenticated'],
  ['7.27', 'bad-sender'],
  ['7.28', 'rate-limited'],
  ['7.30', 'tls'],
  ['7.', 'policy'],
]

/** By reply code, when nothing else told. What is not here says too little. */
export const codePatterns: readonly (readonly [number, ReplyClass])[] = [
  [421, 'system'],
  [430, 'system'],
  [432, 'auth-required'],
  [450, 'system'],
  [451, 'system'],
  [452, 'system'],
  [454, 'tls'],
  [455, 'protocol'],
  [500, 'protocol'],
  [501, 'protocol'],
  [502, 'protocol'],
  [503, 'protocol'],
  [504, 'protocol'],
  [521, 'dns'],
  [523, 'too-large'],
  [525, 'disabled'],
  [530, 'auth-required'],
  [534, 'auth-required'],
  [535, 'auth-required'],
  [538, 'tls'],
  [551, 'moved'],
  [552, 'mailbox-full'],
  [553, 'bad-mailbox'],
  [555, 'protocol'],
  [556, 'dns'],
]
