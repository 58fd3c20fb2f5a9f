# What the scripts here share; sourced, never run. Needs bash.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$here/.." && pwd)
cache=${DIALPOST_IMAGE_CACHE:-$tree/.cache/image}
release=trixie  # Debian 13, which is what the station runs

begun=$SECONDS

say() { # TEXT...: a line of progress with the time since the start
  printf '[%4d s] %s\n' $((SECONDS - begun)) "$*"
}

die() {
  printf 'image: %s\n' "$*" >&2
  exit 1
}

words() { # FILE: its words without comments
  sed 's/#.*//' "$1" | xargs
}

# The package sources configured on this machine, only Debian's own, with the station's release instead of this
# machine's.
sources() { # COMPONENT...
  local own id
  . /etc/os-release
  own=${VERSION_CODENAME:?"/etc/os-release names no release: this needs Debian"} id=${ID^}
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE)' 'Created-By: Packages' "Origin: $id" |
    sed -E "s/ $own\b/ $release/" | sort -u | sed "s/\$/ $*/"
}

# This machine's way of reaching its package sources (a proxy, for example) applies in the chroots as well.
apt_settings() {
  apt-config dump --no-empty --format '%F "%v";%n' Acquire
}

digest() { # reads stdin
  sha256sum | cut -c1-20
}

# Files and folders by name and content, in a fixed order: part of a cache's key.
contents() { # PATH...
  local path
  for path in "$@"; do
    [ ! -d "$path" ] || (cd "$path" && find . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0r sha256sum
      find . -type l -printf '%p -> %l\n' | sort)
    [ ! -f "$path" ] || sha256sum <"$path"
  done
}

# One command in a chroot with /proc, /dev and an empty /run and /tmp, in its own namespaces: nothing started inside
# outlives it. The cache's folder is visible inside as /work.
inside() { # CHROOT COMMAND...
  local root=$1
  shift
  setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child=SIGKILL -- \
    bash -euc '
      root=$1 work=$2
      shift 2
      mount -t proc proc "$root/proc"
      mount --rbind /dev "$root/dev"
      mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
      mount -t tmpfs -o mode=755 tmpfs "$root/run"
      if [ -d "$root/work" ]; then mount --bind "$work" "$root/work"; fi
      status=0
      chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TZ=UTC \
        SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" "$@" || status=$?
      exit $status
    ' inside "$root" "$cache" "$@"
}

# The time (Unix seconds) in `manifest`: when its versions were taken from the archive.
manifest_epoch() {
  sed -n 's/^epoch=//p' "$here/manifest"
}
