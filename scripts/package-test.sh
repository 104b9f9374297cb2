#!/usr/bin/env bash
# Installs a Debian package of the daemon in a bare Debian 12 in a folder, runs a job through it there, installs the
# package again, removes and purges it, and checks that jobs and settings stay as long as they should.
#
#   scripts/package-test.sh <package.deb> [bare Debian]
#
# Root, debootstrap and a mirror are needed: that of DEBIAN_MIRROR, or the one that this machine's apt has for Debian 12.
# The second argument names a folder with a bare Debian 12, made at the first use and copied at every use; without it
# the folder is made and removed each time.
set -euo pipefail

package=$(realpath "${1:?usage: scripts/package-test.sh <package.deb> [bare Debian]}")
release=bookworm
export PATH="$PATH:/usr/sbin:/sbin"
[[ $EUID == 0 ]] || { echo "package-test: run it as root: a folder becomes a root" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "package-test: debootstrap is missing: apt-get install debootstrap" >&2; exit 69; }

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-package-test.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
bare=${2:-$work/bare}
if [[ ! -e $bare/etc/debian_version ]]; then
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v release=$release '$2 == release { print $1; exit }')}
  [[ -n $mirror ]] || { echo "package-test: apt has no mirror of Debian 12: set DEBIAN_MIRROR" >&2; exit 64; }
  debootstrap --variant=minbase "$release" "$bare" "$mirror" >"$work/log" || { tail "$work/log" >&2; exit 69; }
fi
host=$work/host
if [[ $bare == "$work"/* ]]; then mv "$bare" "$host"; else cp -a "$bare" "$host"; fi
cp "$package" "$host/root/roost.deb"
# Not before the folder is complete: nothing of the machine's own may start a service, and this is no system that runs.
printf '#!/bin/sh\nexit 101\n' >"$host/usr/sbin/policy-rc.d"
chmod +x "$host/usr/sbin/policy-rc.d"
if compgen -G "$host/opt/swift*" >/dev/null || chroot "$host" sh -c 'command -v swift' >/dev/null; then
  echo "package-test: the bare Debian has Swift: it would prove nothing" >&2
  exit 64
fi

# Runs in the folder, with processes and mounts of its own: both end with it.
unshare --mount --pid --fork bash -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/bash -euo pipefail -s' \
  package-test "$host" <<'INSIDE'
export DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /root
say() { echo "package-test: $*"; }
fail() { say "$*" >&2; exit 1; }
quietly() { "$@" >log 2>&1 || { cat log >&2; fail "failed: $*"; }; }
as_roost=(setpriv --reuid=roost --regid=roost --init-groups) # with no rights of root, as the service
data=/var/lib/roost

start() { # a daemon on the service's directory, with keys in `keys`
  : >serve.log
  chmod 0644 serve.log
  "${as_roost[@]}" roost serve --dev --port 0 --wal-dir $data >keys 2>serve.log &
  daemon=$!
  for ((i = 0; i < 300; i++)); do
    ROOST_URL=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' serve.log)
    [[ -z $ROOST_URL ]] || break
    kill -0 $daemon 2>/dev/null || break
    sleep 0.1
  done
  [[ -n $ROOST_URL ]] || { cat serve.log >&2; fail "the daemon did not start"; }
  export ROOST_URL
}
key() { sed -n "s/^$1_key=//p" keys; }
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
stop() {
  kill -TERM $daemon
  wait $daemon || fail "the daemon ended with $?"
}

quietly apt-get update -q
quietly apt-get install -q -y --no-install-recommends ./roost.deb
say "installed: $(dpkg-query -W -f '${Package} ${Version}' roost); with it: $(grep -c '^Setting up' log) packages"

[[ $(roost --version) == "$(dpkg-query -W -f '${Version}' roost)" ]] || fail "roost --version is $(roost --version)"
if ldd /usr/lib/roost/* | grep 'not found'; then fail "a library is missing"; fi
[[ $(stat -c '%U %a' /etc/roost/roost.env $data | xargs) == 'root 600 roost 700' ]] || fail "owner or mode is wrong"
[[ -L /etc/systemd/system/multi-user.target.wants/roost.service ]] || fail "the service is not enabled"
[[ -s /usr/share/man/man1/roost.1.gz || ! -e /usr/share/man/man1 ]] || fail "the man page is missing"
dpkg --verify roost || fail "files differ from the package's"
say "roost $(roost --version) runs; settings, user, directory and service are there"

start
job=$(ROOST_KEY=$(key client) roost submit '{"to":"ada"}' | value job_id)
lease=$(ROOST_KEY=$(key worker) roost lease | value lease_id)
ROOST_KEY=$(key worker) roost ack --lease-id "$lease" --result '"sent"' "$job" >/dev/null
state() { ROOST_KEY=$(key client) roost get "$job" | value state; }
[[ $(state) == ACKED ]] || fail "the job is $(state)"
stop
"${as_roost[@]}" roost keys create --wal-dir $data --name shop --owner shop --type client >/dev/null 2>&1
[[ $(stat -c %U $data/keys.json) == roost ]] || fail "keys.json belongs to $(stat -c %U $data/keys.json)"
say "job $job: submitted, leased, acknowledged; the daemon stopped in good order"

echo LOG_LEVEL=debug >>/etc/roost/roost.env
quietly dpkg --install roost.deb
grep -q LOG_LEVEL=debug /etc/roost/roost.env || fail "an upgrade lost the settings"
quietly apt-get install -q -y --no-install-recommends systemd
systemd-analyze verify roost.service || fail "systemd objects to the unit"
score=$(systemd-analyze security --offline=true --threshold=15 --no-pager roost.service | tail -n 1)
say "unit: ${score#*→ }"
quietly apt-get remove -q -y roost
[[ ! -e /usr/bin/roost && ! -e /usr/lib/roost && -e /etc/roost/roost.env && -e $data/HEAD ]] || fail "removed too much or too little"
quietly apt-get purge -q -y roost
[[ ! -e /etc/roost && -e $data/HEAD ]] || fail "purged too much or too little"
quietly dpkg --install roost.deb
start
[[ $(state) == ACKED ]] || fail "after a purge the job is $(state)"
stop
say "installed again, removed, purged, installed: the settings stayed until the purge, the job stays"
INSIDE
