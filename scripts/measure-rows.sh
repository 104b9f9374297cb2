#!/usr/bin/env bash
# Measures the row layout: events/s, bytes a row and pauses (roost-rows itself), then instructions and allocations
# per event, each as the difference of two run lengths so that start and population cancel out.
#
#   scripts/measure-rows.sh [rows] [events]    default 10000000 4000000
#   ROOST_ROWS=<program>                       measure this program instead of building one
#   INSTRUCTION_ROWS, INSTRUCTION_EVENTS       size under callgrind, default 200000 and 200000
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rows=${1:-10000000}
events=${2:-4000000}
small_rows=${INSTRUCTION_ROWS:-200000}
small_events=${INSTRUCTION_EVENTS:-200000}

missing=()
command -v valgrind >/dev/null || missing+=(valgrind)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq "${missing[@]}"
fi

program=${ROOST_ROWS:-}
if [ -z "$program" ]; then
  swift build --package-path "$root" -c release --product roost-rows
  program=$(swift build --package-path "$root" -c release --show-bin-path)/roost-rows
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -Wall -Werror -shared -fPIC -o "$work/alloc-count.so" "$root/Benchmarks/alloc-count.c"

instructions() { # kind events
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" run "$1" "$small_rows" "$2" 2>"$work/callgrind"
  awk '/Collected/ { print $4 }' "$work/callgrind"
}

allocations() { # kind events
  LD_PRELOAD="$work/alloc-count.so" "$program" run "$1" $((rows / 10)) "$2" 2>"$work/allocations"
  awk '/^allocations:/ { print $2 }' "$work/allocations"
}

"$program" "$rows" "$events"

echo
echo "instructions per event (callgrind, $small_rows jobs), allocations per event ($((rows / 10)) jobs)"
"$program" kinds | while IFS=$'\t' read -r kind title; do
  few=$(instructions "$kind" "$small_events")
  many=$(instructions "$kind" $((small_events * 3)))
  few_allocations=$(allocations "$kind" "$events")
  many_allocations=$(allocations "$kind" $((events * 3)))
  awk -v title="$title" -v i=$((many - few)) -v n=$((small_events * 2)) \
    -v a=$((many_allocations - few_allocations)) -v e=$((events * 2)) \
    'BEGIN { printf "%-38s %8.1f %12.7f (%d in %d events)\n", title, i / n, a / e, a, e }'
done
