#!/bin/sh
# The proof that nothing relies on what a machine happened to have: a bare Debian 12 with Node 20 and npm, a clone of the last
# commit, `npm start` with a first mail sent and read by the printed lines, and then `.ci/run`. As root; takes some minutes.
#   scripts/fresh.sh            both           scripts/fresh.sh start      npm start only      scripts/fresh.sh test   .ci/run only
# Sources, mirrors and certificates of apt and npm are this machine's own, read while it runs.
set -eu
what=${1:-all}
root=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d /var/tmp/posthorn-fresh.XXXXXX)
inner=

say() { echo "fresh: $*" >&2; }
die() { say "$*"; exit 1; }
finish() {
  [ -z "$inner" ] || kill -TERM "$inner" 2>/dev/null || true
  rm -rf --one-file-system "$tree"
}
trap finish EXIT
trap 'exit 1' INT TERM

[ "$(id -u)" = 0 ] || die 'only root can make a Debian tree'
for program in mmdebstrap node curl git unshare; do
  command -v "$program" >/dev/null || die "$program is missing on this machine"
done

say "a bare Debian in $tree"
sources=$(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
mmdebstrap --quiet --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$tree" "$sources"

say 'Node and npm of this machine into it'
node=$(readlink -f "$(command -v node)")
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
mkdir -p "$tree/usr/lib/node_modules"
cp "$node" "$tree/usr/bin/node"
cp -r "$npm" "$tree/usr/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$tree/usr/bin/npx"

# How this machine reaches its mirrors: name service, certificates, npm's and apt's settings.
for file in /etc/resolv.conf /etc/hosts /etc/npmrc /usr/etc/npmrc /root/.npmrc /etc/ssl/certs/ca-certificates.crt; do
  [ ! -e "$file" ] || { mkdir -p "$tree$(dirname "$file")"; cp -L "$file" "$tree$file"; }
done
cp -rn /etc/apt/apt.conf.d/. "$tree/etc/apt/apt.conf.d/"

say 'a clone of the last commit'
git clone --quiet "$root" "$tree/srv/posthorn"

# Becomes a command in the tree, in a namespace of its own for mounts and processes: whatever is left running ends with it. The network is this machine's.
inside() {
  exec unshare --mount --pid --fork --kill-child sh -eu -c '
    tree=$1
    shift
    mount --make-rprivate /
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    mount -t sysfs sysfs "$tree/sys"
    # Of our environment only POSTHORN_*: other ports, when these are taken here.
    for name in $(env | sed -n "s/^\(POSTHORN_[A-Z_]*\)=.*/\1/p"); do
      eval "value=\$$name"
      set -- "$@" "$name=$value"
    done
    command=$1
    shift
    exec chroot "$tree" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      LANG=C.UTF-8 NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$@" sh -eu -c "$command"' inside "$tree" "$1"
}

try_start() {
  say 'npm start'
  log=$tree/root/start.log
  inside 'cd /srv/posthorn && exec npm start' >"$log" 2>&1 &
  inner=$!
  tries=0
  until grep -q '"msg":"ready"' "$log"; do
    kill -0 "$inner" 2>/dev/null || { cat "$log" >&2; die 'npm start ended'; }
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { cat "$log" >&2; die 'npm start was not ready in ten minutes'; }
    sleep 1
  done
  lines=$tree/root/lines.sh
  grep -E "^  (printf|curl) " "$log" >"$lines"
  [ "$(wc -l <"$lines")" = 3 ] || { cat "$log" >&2; die 'there are no three lines to paste'; }
  sh -eu "$lines" >"$tree/root/read.txt" || die 'the printed lines fail'
  grep -q 'The post is here' "$tree/root/read.txt" || { cat "$tree/root/read.txt" >&2; die 'the message was not read back'; }
  kill -KILL "$inner"
  wait "$inner" 2>/dev/null || true
  inner=
  say 'npm start holds; the message was read back:'
  tail -n 6 "$tree/root/read.txt" >&2
}

try_test() {
  say '.ci/run'
  (inside 'cd /srv/posthorn && exec .ci/run')
  say '.ci/run holds'
}

[ "$what" = test ] || try_start
[ "$what" = start ] || try_test
say 'both commands hold on a fresh machine'
