#!/usr/bin/env bash
# Installs what is missing beside the Swift toolchain, and says how long that took.
#
#   scripts/bootstrap.sh run        what building and running the daemon needs
#   scripts/bootstrap.sh package    and what `make package` needs
#   scripts/bootstrap.sh test       and what the tests start or ask; the default
#
# Debian and Ubuntu: through apt-get, with sudo when not root. Elsewhere it says what is missing.
set -euo pipefail

usage() {
  echo "usage: scripts/bootstrap.sh [run|package|test]" >&2
  exit 64
}

(($# <= 1)) || usage
purpose=${1:-test}
need=()
want() { # want PACKAGE COMMAND…: the package, unless the command succeeds
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || need+=("$package")
}

has_library() { ldconfig -p | grep -q "$1"; }
has_file() { compgen -G "$1"; }

want_for_build() {
  want curl command -v curl                     # the README's example
  want git command -v git                       # SwiftPM fetches packages with it
  want ca-certificates has_file /etc/ssl/certs/ca-certificates.crt
  want binutils command -v ld.gold              # the toolchain's linker
  want libc6-dev has_file '/usr/include/stdlib.h'
  want libstdc++-12-dev has_file '/usr/lib/gcc/*/*/libstdc++.so' # with libgcc and the start files; clang compiles
  want zlib1g-dev has_file '/usr/include/zlib.h'
  want libhiredis-dev has_file '/usr/include/hiredis/hiredis.h'
  want libsqlite3-dev has_file '/usr/include/sqlite3.h' # the example of payments
  # What the toolchain's own programs are linked with.
  want libcurl4 has_library libcurl.so.4
  want libncurses6 has_library libncurses.so.6
  want libsqlite3-0 has_library libsqlite3.so.0
  want libxml2 has_library libxml2.so.2
}

want_for_package() {
  want dpkg-dev command -v dpkg-shlibdeps       # computes what the package depends on
  want chrpath command -v chrpath               # takes the toolchain's folder out of the binary
}

want_for_tests() {
  want gcc command -v gcc                       # C programs of the tests' own
  want redis-server command -v redis-server
  want openssl command -v openssl               # certificates
  want prometheus command -v promtool           # checks /metrics
  want nodejs command -v node                   # a worker of docs/workers.md, as are jq and curl
  want jq command -v jq
  want ffmpeg command -v ffmpeg                 # the video example
  want docker-compose command -v docker-compose # validates docker-compose.yml
  want systemd command -v systemd-analyze       # validates packaging/roost.service
  want chromium command -v chromium             # the dashboard's tests
  want chromium-driver command -v chromedriver
  want python3-venv python3 -c 'import ensurepip, venv' # schemathesis, hadolint and selenium, from PyPI
}

export PATH="$PATH:/usr/sbin:/sbin" # ldconfig
case $purpose in
run) want_for_build ;;
package) want_for_build && want_for_package ;;
test) want_for_build && want_for_tests ;;
*) usage ;;
esac

if ((${#need[@]} > 0)); then
  echo "bootstrap: missing: ${need[*]}" >&2
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "bootstrap: this is no Debian or Ubuntu; install them with your package manager" >&2
    exit 69
  fi
  as_root=()
  if [[ $(id -u) != 0 ]]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${need[@]}"
fi

if ! command -v swift >/dev/null 2>&1; then
  echo "bootstrap: no swift found; install Swift 6.3 or later from https://www.swift.org/install and try again" >&2
  exit 69
fi
echo "packages: $SECONDS s" >&2
