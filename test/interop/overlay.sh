#!/bin/bash
# A shell on a private copy of this machine, with one more Debian package than the machine has: for mail servers that exclude one another.
#   overlay.sh PACKAGE FOLDER      reads commands from standard input; FOLDER is there under its own name, shared with the machine
# The root below it is an overlay: what is written stays in memory and is gone at the end. Processes have a number space of their own:
# when the shell's input ends, or whoever called this dies, the kernel ends all of them, and the mounts go with the last.
# No daemon is started by its package. Exit 3: this machine cannot do it, and standard error says why.
# What a package adds is kept in /var/cache/posthorn-overlay, as long as the machine's own packages stay as they are.
set -euo pipefail
package=$1 folder=$2 cache=/var/cache/posthorn-overlay
cannot() {
  echo "overlay: $*" >&2
  exit 3
}

if [ "${3:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || cannot 'only root can mount'
  [ -x /usr/bin/apt-get ] || cannot 'apt-get is not there'
  grep -qw overlay /proc/filesystems || modprobe overlay 2> /dev/null || cannot 'the kernel has no overlay file system'
  unshare --mount --pid --fork true 2> /dev/null || cannot 'namespaces are not allowed here'
  exec setpriv --pdeathsig=KILL unshare --mount --pid --fork --kill-child=KILL --propagation private bash "$0" "$package" "$folder" inside
fi

# Covers a folder that is on every Debian, for this script and its children only.
base=/mnt
mount -t tmpfs -o size=1g,mode=755 posthorn-overlay $base || cannot 'a tmpfs cannot be mounted'

# copy NAME: a copy-on-write view of the root at $base/NAME/root, written to $base/NAME/upper, which may hold something already.
copy() {
  mkdir -p $base/"$1"/{upper,work,root}
  mount -t overlay -o "lowerdir=/,upperdir=$base/$1/upper,workdir=$base/$1/work" posthorn-overlay $base/"$1"/root ||
    cannot 'the root cannot be overlaid'
  mount -t proc proc $base/"$1"/root/proc
  mount --rbind /dev $base/"$1"/root/dev
  # In a container these are mounts, which the overlay does not see through.
  for file in resolv.conf hosts; do [ ! -s /etc/$file ] || cat /etc/$file > $base/"$1"/root/etc/$file; done
}

# install: the package, in a copy of its own; leaves what it added in $base/install/upper.
install() {
  copy install
  local root=$base/install/root
  mkdir -p $cache/debs/partial
  mount --bind $cache/debs $root/var/cache/apt/archives
  # The package's daemon stays quiet; the downloads are kept; the index of manual pages is nobody's need.
  printf '#!/bin/sh\nexit 101\n' > $root/usr/sbin/policy-rc.d
  chmod 755 $root/usr/sbin/policy-rc.d
  rm -f $root/etc/apt/apt.conf.d/docker-clean $root/var/lib/man-db/auto-update
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
  local apt=(chroot $root apt-get -qq -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0)
  local add=("${apt[@]}" install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$package")
  local said
  said=$("${add[@]}" 2>&1 < /dev/null) ||
    { "${apt[@]}" update > /dev/null 2>&1 < /dev/null && said=$("${add[@]}" 2>&1 < /dev/null); } ||
    cannot "apt-get install $package: $said"
  umount -R $root
  rm -rf $base/install/upper/var/{cache,lib/apt,log}
}

mkdir -p $base/run
if ! dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q ' installed$'; then
  mkdir -p -m 700 $cache
  kept=$cache/$package-$(cat /var/lib/dpkg/status "$0" | sha256sum | cut -c1-16)
  exec 9> $cache/lock
  flock 9
  if [ -d "$kept" ]; then
    cp -a "$kept" $base/run/upper
  else
    install
    mv $base/install/upper $base/run/upper
    rm -rf $cache/"$package"-*
    # A name that only a whole copy gets. Where the marks of deleted files cannot be copied, nothing is kept.
    new=$cache/$package-new
    if cp -a $base/run/upper "$new" 2> /dev/null; then mv "$new" "$kept"; else rm -rf "$new"; fi
  fi
  exec 9>&-
fi
copy run
root=$base/run/root
mount -t tmpfs -o mode=1777 posthorn-overlay $root/tmp
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
cd /
exec chroot $root /bin/bash
