#!/bin/bash
# Reads mail in Thunderbird as a person would, on a private X server, answers one message, and keeps a screenshot.
#   scripts/thunderbird.sh [OUT.png]        default docs/thunderbird.png; KEEP=1 leaves the folder with logs and pictures of a failure
# Debian packages: thunderbird xvfb xdotool imagemagick openssl curl. It starts a server of its own in a temporary folder; the
# account stands in prefs.js, the server's own certificate is accepted as by a click, and the password is typed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath "${1:-$root/docs/thunderbird.png}")
for program in thunderbird Xvfb xdotool import openssl curl node; do
  command -v "$program" >/dev/null || { echo "thunderbird.sh: $program is missing" >&2; exit 2; }
done
work=$(mktemp -d)
profile=$work/profile
password='engine number 2'
started=()
finish() {
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do kill "${started[i]}" 2>/dev/null || true; done
  wait
  [ -n "${KEEP:-}" ] && echo "kept: $work" >&2 || rm -rf "$work"
}
trap finish EXIT
say() { echo "thunderbird: $*" >&2; }
die() { say "$*"; grep -v '"level":[123]0' "$work/server.log" >&2 || true; exit 1; }

# ---- the server and its people

read -r smtp submissions imap imaps http <<<"$(node -e '
  const servers = [...Array(5)].map(() => require("node:net").createServer().listen(0, "127.0.0.1"))
  setTimeout(() => { console.log(...servers.map((one) => one.address().port)); process.exit() }, 50)')"
cat >"$work/posthorn.yaml" <<Y
hostname: localhost
data: ./data
listen:
  smtp: 127.0.0.1:$smtp
  submissions: 127.0.0.1:$submissions
  imap: 127.0.0.1:$imap
  imaps: 127.0.0.1:$imaps
  http: 127.0.0.1:$http
Y
posthorn() { "$root/bin/posthorn" "$@" --config "$work/posthorn.yaml"; }
posthorn domain add posthorn.test >/dev/null
for person in 'ada:Ada Lovelace' 'charles:Charles Babbage' 'mary:Mary Somerville'; do
  posthorn user add "${person%%:*}@posthorn.test" --name "${person#*:}" --password-stdin <<<"$password" >/dev/null
done
"$root/bin/posthorn" run --config "$work/posthorn.yaml" >"$work/server.log" 2>&1 &
started+=($!)
until curl -fs "http://127.0.0.1:$http/health" >/dev/null; do sleep 0.1; done

# ---- the mail that is there

ago() { date -R -d "$1 ago"; }
arrive() { curl -sS "smtp://127.0.0.1:$smtp" --crlf --mail-from "$1" --mail-rcpt ada@posthorn.test -T -; }
submit() {
  curl -sSk "smtps://127.0.0.1:$submissions" --crlf -u "$1@posthorn.test:$password" \
    --mail-from "$1@posthorn.test" --mail-rcpt "$2@posthorn.test" -T -
}
# APPEND names the size first, so it wants a file.
append() {
  sed 's/$/\r/' >"$work/append.eml"
  curl -sSk "imaps://127.0.0.1:$imaps/$1" -u "ada@posthorn.test:$password" -T "$work/append.eml"
}
ask() { curl -sSk "imaps://127.0.0.1:$imaps/$2" -u "$1@posthorn.test:$password" -X "$3"; }

submit charles ada <<M
From: Charles Babbage <charles@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Subject: The engine at last
Date: $(ago '2 days')
Message-ID: <one@posthorn.test>
Content-Type: text/plain; charset=utf-8

Dear Ada,

the mill turns, and the store holds fifty digits. Will you look over
the cards for the Bernoulli numbers before I show them in Turin?

Yours, C. B.
M
append Sent <<M
From: Ada Lovelace <ada@posthorn.test>
To: Charles Babbage <charles@posthorn.test>
Subject: Re: The engine at last
Date: $(ago '46 hours')
Message-ID: <two@posthorn.test>
In-Reply-To: <one@posthorn.test>
References: <one@posthorn.test>

With pleasure. Send them over.

Ada
M
submit charles ada <<M
From: Charles Babbage <charles@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Subject: Re: The engine at last
Date: $(ago '45 hours')
Message-ID: <three@posthorn.test>
In-Reply-To: <two@posthorn.test>
References: <one@posthorn.test> <two@posthorn.test>

They are with the carrier, twenty-five in a box. Mind the seventh:
it wants to be read twice.
M
submit charles ada <<M
From: Charles Babbage <charles@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Cc: Mary Somerville <mary@posthorn.test>
Subject: Re: The engine at last
Date: $(ago '3 hours')
Message-ID: <four@posthorn.test>
In-Reply-To: <three@posthorn.test>
References: <one@posthorn.test> <two@posthorn.test> <three@posthorn.test>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Dear Ada,

your note G is longer than the memoir — and better. The seventh card
now carries your correction; the engine halted where you said it would.

Shall we say Thursday at four? Mary brings the drawings.

Yours, C. B.
M
arrive news@gazette.test <<M
From: "The Analytical Gazette" <news@gazette.test>
To: ada@posthorn.test
Subject: =?utf-8?Q?This_week:_looms,_cards_=E2=9C=82_and_caf=C3=A9s?=
Date: $(ago '26 hours')
Message-ID: <week-46@gazette.test>
List-Id: The Analytical Gazette <news.gazette.test>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=news

--news
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This week: looms, cards and cafés.
--news
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<html><body style="font-family:serif"><h1 style="color:#884400">The Analytical Gazette</h1>
<p>This week: <b>looms</b>, <i>cards</i> and the best <u>cafés</u> of Turin.</p>
<ul><li>Jacquard’s heirs</li><li>Fifty digits, and what to do with them</li></ul></body></html>
--news--
M
submit mary ada <<M
From: Mary Somerville <mary@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Subject: Drawings, and a table
Date: $(ago '22 hours')
Message-ID: <drawings@posthorn.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=parts

--parts
Content-Type: text/plain; charset=utf-8

The table is attached; the drawings I bring on Thursday.
Mary
--parts
Content-Type: text/csv; name="bernoulli.csv"
Content-Disposition: attachment; filename="bernoulli.csv"
Content-Transfer-Encoding: base64

$(printf 'n,B(n)\r\n0,1\r\n1,-1/2\r\n2,1/6\r\n4,-1/30\r\n' | base64)
--parts--
M
append Archive <<M
From: Mary Somerville <mary@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Subject: On the connexion of the sciences
Date: $(ago '300 days')
Message-ID: <sciences@posthorn.test>

The second edition is out.
M
ask ada INBOX 'STORE 1:2,4 +FLAGS.SILENT (\Seen)' >/dev/null
ask ada INBOX 'STORE 1 +FLAGS.SILENT (\Answered)' >/dev/null
ask ada INBOX 'STORE 5 +FLAGS.SILENT (\Flagged \Seen)' >/dev/null

# ---- Thunderbird

mkdir -p "$profile"
# What "Confirm security exception" writes: Thunderbird trusts no certificate that signed itself, whatever certutil says of it.
print=$(openssl x509 -in "$work/data/tls/cert.pem" -noout -fingerprint -sha256 | cut -d= -f2)
printf 'localhost:%s:\tOID.2.16.840.1.101.3.4.2.1\t%s\t\n' "$imaps" "$print" "$submissions" "$print" >"$profile/cert_override.txt"
cat >"$profile/prefs.js" <<P
user_pref("mail.accountmanager.accounts", "account1,account2");
user_pref("mail.accountmanager.defaultaccount", "account1");
user_pref("mail.accountmanager.localfoldersserver", "server2");
user_pref("mail.account.account1.identities", "id1");
user_pref("mail.account.account1.server", "server1");
user_pref("mail.account.account2.server", "server2");
user_pref("mail.identity.id1.fullName", "Ada Lovelace");
user_pref("mail.identity.id1.useremail", "ada@posthorn.test");
user_pref("mail.identity.id1.smtpServer", "smtp1");
user_pref("mail.identity.id1.compose_html", false);
user_pref("mail.identity.id1.valid", true);
user_pref("mail.server.server1.type", "imap");
user_pref("mail.server.server1.hostname", "localhost");
user_pref("mail.server.server1.port", $imaps);
user_pref("mail.server.server1.socketType", 3);
user_pref("mail.server.server1.authMethod", 3);
user_pref("mail.server.server1.userName", "ada@posthorn.test");
user_pref("mail.server.server1.name", "ada@posthorn.test");
user_pref("mail.server.server1.login_at_startup", true);
user_pref("mail.server.server1.check_new_mail", true);
user_pref("mail.server.server2.type", "none");
user_pref("mail.server.server2.hostname", "Local Folders");
user_pref("mail.server.server2.name", "Local Folders");
user_pref("mail.server.server2.userName", "nobody");
user_pref("mail.smtpservers", "smtp1");
user_pref("mail.smtp.defaultserver", "smtp1");
user_pref("mail.smtpserver.smtp1.hostname", "localhost");
user_pref("mail.smtpserver.smtp1.port", $submissions);
user_pref("mail.smtpserver.smtp1.try_ssl", 3);
user_pref("mail.smtpserver.smtp1.authMethod", 3);
user_pref("mail.smtpserver.smtp1.username", "ada@posthorn.test");
user_pref("mail.pane_config.dynamic", 0);
user_pref("mail.threadpane.listview", 1);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.rights.version", 1);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.biff.show_alert", false);
user_pref("mail.warn_on_send_accel_key", false);
user_pref("mail.SpellCheckBeforeSend", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("mailnews.start_page_override.mstone", "ignore");
user_pref("app.donation.eoy.version.viewed", 999);
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("mail.inappnotifications.enabled", false);
P
# Xvfb finds a free display and writes its number.
mkfifo "$work/display"
Xvfb -displayfd 7 -screen 0 1280x800x24 7>"$work/display" >"$work/xvfb.log" 2>&1 &
started+=($!)
read -r number <"$work/display"
export DISPLAY=:$number HOME=$work MOZ_CRASHREPORTER_DISABLE=1
thunderbird --profile "$profile" --no-remote >"$work/thunderbird.log" 2>&1 &
started+=($!)

# The number of the window with this title, once it is there and drawn.
window() {
  local id
  for _ in $(seq 300); do
    id=$(xdotool search --onlyvisible --name "$1" 2>/dev/null | tail -n 1 || true)
    if [ -n "$id" ]; then
      sleep 1
      echo "$id"
      return
    fi
    sleep 0.2
  done
  show failed
  die "no window is called $1"
}
show() { import -window root "$work/$1.png" || true; }
# A window that is not there yet gets the keyboard as soon as it is.
focus() { xdotool windowfocus "$(window "$1")"; }
# Waits until IMAP answers something that matches: WHO MAILBOX COMMAND PATTERN WHAT.
until_mail() {
  for _ in $(seq 150); do
    if ask "$1" "$2" "$3" | grep -qE "$4"; then return; fi
    sleep 0.2
  done
  show failed
  die "not seen: $5"
}
type_password() {
  focus "$1"
  xdotool type --delay 20 "$password"
  xdotool key Return
}
type_password 'Enter .*[Pp]assword|Password Required'
main=$(window 'Inbox .*Thunderbird|ada@posthorn.test.*Thunderbird')
xdotool windowmove "$main" 0 0 windowsize "$main" 1280 800
say 'signed in'

# `n` opens the next message that is not read.
sleep 5
xdotool windowfocus "$main" key n
until_mail ada INBOX 'FETCH 3 (FLAGS)' 'Seen' 'the message was opened and marked as read'
say 'a message was read'

xdotool windowfocus "$main" key ctrl+r
focus 'Write: Re: The engine'
sleep 2
xdotool type --delay 15 'Thursday at four it is. I bring the seventh card.'
show write
xdotool key ctrl+Return
type_password 'Enter .*[Pp]assword|Password Required'
until_mail charles INBOX 'FETCH 1:* (ENVELOPE)' 'Re: The engine at last' 'the reply arrived'
until_mail ada Sent 'FETCH 2 (ENVELOPE)' 'Re: The engine at last' 'the reply was filed in Sent'
until_mail ada INBOX 'FETCH 3 (FLAGS)' 'Answered' 'the message was marked as answered'
say 'a reply left, arrived and was filed in Sent'

# Told by IDLE: nobody asks Thunderbird to look.
submit charles ada <<M
From: Charles Babbage <charles@posthorn.test>
To: Ada Lovelace <ada@posthorn.test>
Subject: Re: The engine at last
Date: $(date -R)
Message-ID: <six@posthorn.test>
In-Reply-To: <four@posthorn.test>
References: <one@posthorn.test> <four@posthorn.test>

Splendid. I shall oil the mill.
M
sleep 4
import -window root +dither -colors 200 "$out"
if grep -vE '"level":[123]0' "$work/server.log" >&2; then die 'the server complained'; fi
say "the server has nothing to complain about; see $out"
