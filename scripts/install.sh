#!/usr/bin/env bash
# Installs the daemon so that it runs without the toolchain it was built with: the binary, and beside it those of
# Swift's libraries that it needs, in <prefix>/lib/roost; a link to it in <prefix>/bin.
#
#   scripts/install.sh <roost binary> [prefix]      default: /usr/local
set -euo pipefail

roost=$(realpath "${1:?usage: scripts/install.sh <roost binary> [prefix]}")
prefix=${2:-/usr/local}

# The binary looks beside itself ($ORIGIN) for what the toolchain's folder does not hold, or no longer.
libraries=$(ldd "$roost" | sed -n 's/.* => \(\/.*\) (0x.*/\1/p')
core=$(grep '/libswiftCore\.so$' <<<"$libraries" || true)
install -d "$prefix/bin" "$prefix/lib/roost"
# One file or the other, never half of one: a daemon may be running from it.
install -m 0755 "$roost" "$prefix/lib/roost/roost.new"
if [[ -n $core ]]; then
  while read -r library; do
    [[ $(dirname "$library") == "$(dirname "$core")" ]] || continue
    install -m 0644 "$library" "$prefix/lib/roost/$(basename "$library").new"
    mv -f "$prefix/lib/roost/$(basename "$library").new" "$prefix/lib/roost/$(basename "$library")"
  done <<<"$libraries"
fi
mv -f "$prefix/lib/roost/roost.new" "$prefix/lib/roost/roost"
ln -sfn ../lib/roost/roost "$prefix/bin/roost"
echo "$prefix/bin/roost: $("$prefix/bin/roost" --version)"
