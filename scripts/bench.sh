#!/usr/bin/env bash
# Measures Roost and prints the figures of Benchmarks/README.md but those of ten million jobs, of cold reads, of compaction
# and of the soak, which have commands of their own there: some six minutes, 2 GB of disk, bounded in time.
#
#   scripts/bench.sh <release folder>      holding roost, roost-bench and roost-echo; `make bench` builds them
#   TMPDIR                                 where the logs go: a real disk, not tmpfs
#   ROOST_BENCH_SECONDS                    of each load over HTTP, default 2
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
release=${1:?usage: scripts/bench.sh <release folder>}
release=$(cd "$release" && pwd)
seconds=${ROOST_BENCH_SECONDS:-2}
work=$(mktemp -d "${TMPDIR:-/tmp}/roost-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

bench() { SWIFT_BACKTRACE=enable=no timeout 240 "$release/roost-bench" "$@"; }

# A log of its own for each measurement; nothing is left behind for the next.
engine() { # commands-per-batch sync|nosync cycles
  rm -rf "$work/engine"
  bench engine "$work/engine" 1000000 "$@"
}

echo "== machine: $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
bench disk "$work/disk"

echo "== the engine alone, a million resident jobs, one thread"
for batch in 192 1024 4096; do
  engine "$batch" nosync 400000
done
for batch in 192 1024 4096; do
  engine "$batch" sync $((batch * 64))
done

if command -v cc >/dev/null; then
  cc -O2 -Wall -Werror -shared -fPIC -o "$work/alloc-count.so" "$root/Benchmarks/alloc-count.c"
  allocations() { # cycles
    rm -rf "$work/engine"
    timeout 120 env LD_PRELOAD="$work/alloc-count.so" "$release/roost-bench" engine "$work/engine" 200000 1024 nosync "$1" \
      2>&1 >"$work/line" | awk '/^allocations:/ { print $2 }'
  }
  events() { awk -F', ' '{ for (i = 1; i <= NF; i++) if ($i ~ / events$/) { sub(/ events/, "", $i); print $i } }' "$work/line"; }
  few=$(allocations 100000)
  few_events=$(events)
  many=$(allocations 300000)
  many_events=$(events)
  awk -v a=$((many - few)) -v e=$((many_events - few_events)) \
    'BEGIN { printf "allocations: %d in %d events, %.5f an event\n", a, e, a / e }'
fi

echo "== memory"
bench memory "$work/memory"
rm -rf "$work/memory" "$work/engine"

echo "== replay, from the page cache, one thread"
bench fill "$work/small" 2000000 64
bench fill "$work/large" 100000 4096
for _ in 1 2 3; do
  for log in small large; do
    bench replay "$work/$log" keep
  done
done
rm -rf "$work/small" "$work/large"

echo "== start: empty, and with a million waiting jobs of 256 bytes"
bench start "$release/roost" "$work/empty" 9
bench fill "$work/million" 1000000 256
bench start "$release/roost" "$work/million" 9
rm -rf "$work/empty" "$work/million"

echo "== HTTP: submits and cycles (submit, lease, ack) beside a bare Hummingbird echo, medians of three runs"
mkdir "$work/http"
bench http "$release/roost" "$release/roost-echo" "$work/http" "$seconds"

echo "== cycles a job at a time, with lease_next, and in batches of 100, with the CPU time of a job; medians of three runs"
mkdir "$work/cycles"
bench cycles "$release/roost" "$work/cycles" "$seconds"

echo "== the SDK beside raw HTTP: submits, cycles, batches of 1,000, medians of three runs"
mkdir "$work/sdk"
bench sdk "$release/roost" "$work/sdk" "$seconds"
bench disk "$work/disk"
