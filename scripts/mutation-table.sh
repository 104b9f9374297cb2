#!/usr/bin/env bash
# Puts each known mistake into core, store or log and prints the table of which check noticed it first, and where; exit 1
# if one goes unnoticed; a minute. With --check it only makes sure that the daemon cannot have a mistake put in.
#
#   scripts/mutation-table.sh [release folder]      holding roost-sim; default .build/release
set -euo pipefail
cd "$(dirname "$0")/.."

# Defects come in through `init`: who never names them has none.
if grep -rnwiE 'defects?|mutations?' Sources/RoostServer Sources/RoostCommand Sources/RoostAPI Sources/RoostKeys \
  Sources/RoostClient Sources/RoostEngine/Engine*.swift; then
  echo "the daemon names a defect; only tests may put one in" >&2
  exit 1
fi
[[ ${1:-} == --check ]] || exec "${1:-.build/release}/roost-sim" --mutations
