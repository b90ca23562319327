#!/bin/bash
# Reads mail in Thunderbird as a person would, on a private X server, and keeps a screenshot.
#   scripts/thunderbird.sh IMAPS_PORT SUBMISSIONS_PORT USER PASSWORD CERTIFICATE OUT.png [SECONDS]
# Debian packages: thunderbird xvfb xdotool imagemagick libnss3-tools. The account stands in prefs.js, the server's
# certificate is trusted through certutil, and the password is typed.
set -eu
imaps=$1 submissions=$2 user=$3 password=$4 certificate=$5 out=$6 wait=${7:-25}
work=$(mktemp -d)
profile=$work/profile
mkdir -p "$profile"
certutil -d "sql:$profile" -N --empty-password
certutil -d "sql:$profile" -A -n posthorn -t 'CP,,' -i "$certificate"
cat > "$profile/prefs.js" <<P
user_pref("mail.accountmanager.accounts", "account1,account2");
user_pref("mail.accountmanager.defaultaccount", "account1");
user_pref("mail.accountmanager.localfoldersserver", "server2");
user_pref("mail.account.account1.identities", "id1");
user_pref("mail.account.account1.server", "server1");
user_pref("mail.account.account2.server", "server2");
user_pref("mail.identity.id1.fullName", "Ada Lovelace");
user_pref("mail.identity.id1.useremail", "$user");
user_pref("mail.identity.id1.smtpServer", "smtp1");
user_pref("mail.identity.id1.valid", true);
user_pref("mail.server.server1.type", "imap");
user_pref("mail.server.server1.hostname", "localhost");
user_pref("mail.server.server1.port", $imaps);
user_pref("mail.server.server1.socketType", 3);
user_pref("mail.server.server1.authMethod", 3);
user_pref("mail.server.server1.userName", "$user");
user_pref("mail.server.server1.name", "$user");
user_pref("mail.server.server1.login_at_startup", true);
user_pref("mail.server.server1.check_new_mail", true);
user_pref("mail.server.server2.type", "none");
user_pref("mail.server.server2.hostname", "Local Folders");
user_pref("mail.server.server2.name", "Local Folders");
user_pref("mail.server.server2.userName", "nobody");
user_pref("mail.smtpservers", "smtp1");
user_pref("mail.smtpserver.smtp1.hostname", "localhost");
user_pref("mail.smtpserver.smtp1.port", $submissions);
user_pref("mail.smtpserver.smtp1.try_ssl", 3);
user_pref("mail.smtpserver.smtp1.authMethod", 3);
user_pref("mail.smtpserver.smtp1.username", "$user");
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.rights.version", 1);
user_pref("mail.provider.suppress_dialog_on_startup", true);
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
display=:$((90 + RANDOM % 900))
Xvfb "$display" -screen 0 1440x900x24 > "$work/xvfb.log" 2>&1 &
xvfb=$!
export DISPLAY=$display HOME=$work MOZ_CRASHREPORTER_DISABLE=1
sleep 1
thunderbird --profile "$profile" --no-remote > "$work/thunderbird.log" 2>&1 &
bird=$!
trap 'kill $bird 2>/dev/null || true; sleep 1; kill $xvfb 2>/dev/null || true; rm -rf "$work"' EXIT
# The password dialog: wait for it, type, enter.
for i in $(seq 60); do
  dialog=$(xdotool search --name 'Enter .*password' 2>/dev/null | head -n 1 || true)
  [ -n "$dialog" ] && break
  sleep 0.5
done
if [ -n "${dialog:-}" ]; then
  xdotool windowfocus "$dialog" 2>/dev/null || true
  xdotool type --delay 20 "$password"
  xdotool key Return
fi
sleep "$wait"
[ -n "${STEPS:-}" ] && eval "$STEPS"
import -window root "$out"
echo "$out"
