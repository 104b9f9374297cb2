#!/usr/bin/env bash
# Installs what the build and the tests need beside the Swift toolchain, and only what is missing.
# Debian and Ubuntu: through apt-get, with sudo when not root. Elsewhere it says what is missing.
set -euo pipefail

need=()
want() { # want PACKAGE COMMAND…: the package, unless the command succeeds
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || need+=("$package")
}

has_library() { ldconfig -p | grep -q "$1"; }
has_file() { compgen -G "$1"; }

export PATH="$PATH:/usr/sbin:/sbin" # ldconfig

want curl command -v curl                     # the worked example and the demonstration
want git command -v git                       # SwiftPM fetches packages with it
want ca-certificates has_file /etc/ssl/certs/ca-certificates.crt
want binutils command -v ld.gold              # the toolchain's linker
want gcc command -v gcc                       # start files, libgcc
want libc6-dev has_file '/usr/include/stdlib.h'
want libstdc++-12-dev has_file '/usr/lib/gcc/*/*/libstdc++.so'
want zlib1g-dev has_file '/usr/include/zlib.h'
want libhiredis-dev has_file '/usr/include/hiredis/hiredis.h'
# What the tests start or ask.
want redis-server command -v redis-server
want openssl command -v openssl               # certificates
want prometheus command -v promtool           # checks /metrics
want ffmpeg command -v ffmpeg                 # the video example
want docker-compose command -v docker-compose # validates docker-compose.yml
want systemd command -v systemd-analyze     # validates packaging/roost.service
want python3-venv python3 -c 'import ensurepip, venv' # schemathesis and hadolint, from PyPI
# What the toolchain's own programs are linked with.
want libcurl4 has_library libcurl.so.4
want libncurses6 has_library libncurses.so.6
want libsqlite3-0 has_library libsqlite3.so.0
want libxml2 has_library libxml2.so.2

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
