#!/usr/bin/env bash
# Installs what the build and the tests need beside the Swift toolchain, and only what is missing.
# Debian and Ubuntu: through apt-get, with sudo when not root. Elsewhere it says what is missing.
set -euo pipefail

need=()
want() { # want COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || need+=("$2")
}

# The compiler links with the C library's start files, libstdc++ and zlib.
has_header() { # has_header HEADER PACKAGE
  local found
  for found in /usr/include/"$1" /usr/include/*/"$1" /usr/include/*/*/"$1"; do
    [[ -e "$found" ]] && return 0
  done
  need+=("$2")
}

want git git # SwiftPM fetches packages with it
want curl curl # the worked example and the demonstration
want cc gcc
has_header stdlib.h libc6-dev
has_header zlib.h zlib1g-dev
if ! ls /usr/lib/gcc/*/*/libstdc++.so >/dev/null 2>&1; then need+=(libstdc++-12-dev); fi
if ! ls /etc/ssl/certs/ca-certificates.crt >/dev/null 2>&1; then need+=(ca-certificates); fi

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
