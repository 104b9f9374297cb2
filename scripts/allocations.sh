#!/usr/bin/env bash
# Counts the allocations of a cycle over HTTP (submit, lease, acknowledgement, one connection): without tracing, and with it.
#
#   scripts/allocations.sh <roost> [<another roost> …]     such as the one before a change
#
# Each figure is the difference of two runs of different length, so that starts and timers hardly count. Needs cc.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
[[ $# -gt 0 ]] || { echo "usage: scripts/allocations.sh <roost> [<another roost> …]" >&2; exit 64; }
work=$(mktemp -d "${TMPDIR:-/tmp}/roost-allocations.XXXXXX")
daemon=
trap '[[ -z $daemon ]] || kill -9 "$daemon" 2>/dev/null; rm -rf "$work"' EXIT
cc -O2 -Wall -Werror -shared -fPIC -o "$work/count.so" "$root/Benchmarks/alloc-count.c"

run() { # roost cycles [environment …]
  local roost=$1 cycles=$2
  rm -rf "$work/data" "$work/out" "$work/err"
  env "${@:3}" LD_PRELOAD="$work/count.so" "$roost" serve --dev --port 0 --wal-dir "$work/data" \
    >"$work/out" 2>"$work/err" &
  daemon=$!
  until grep -q 'listening on http' "$work/err"; do
    kill -0 "$daemon" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    sleep 0.05
  done
  python3 - "$work" "$cycles" <<'PYTHON'
import http.client
import json
import re
import sys

work, cycles = sys.argv[1], int(sys.argv[2])
port = re.search(r"listening on http://[^ ]*:(\d+)", open(work + "/err").read()).group(1)
keys = dict(line.split("=", 1) for line in open(work + "/out").read().splitlines() if "_key=" in line)
connection = http.client.HTTPConnection("127.0.0.1", int(port))


def ask(path, key, body, status):
    connection.request("POST", path, json.dumps(body), {"Authorization": "Bearer " + keys[key]})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == status, text
    return json.loads(text)


for _ in range(cycles):
    ask("/jobs", "client_key", {"payload": {"to": "ada"}, "queue": "mail"}, 201)
    job = ask("/jobs/lease", "worker_key", {"queues": ["mail"]}, 200)
    ask("/jobs/" + job["job_id"] + "/ack", "worker_key", {"lease_id": job["lease_id"]}, 200)
PYTHON
  kill -TERM "$daemon"
  wait "$daemon"
  daemon=
  awk '/^allocations:/ { print $2 }' "$work/err"
}

measure() { # roost name [environment …]
  local few many
  few=$(run "$1" 1000 "${@:3}")
  many=$(run "$1" 5000 "${@:3}")
  awk -v a=$((many - few)) -v roost="$1" -v name="$2" 'BEGIN { printf "%s, %s: %.1f allocations a cycle\n", roost, name, a / 4000 }'
}

for roost in "$@"; do
  measure "$roost" "tracing off"
  # Nobody listens there: spans are made and dropped. One that does not know the variables ignores them.
  measure "$roost" "tracing on" OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1
  measure "$roost" "tracing on, nothing sampled" OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 \
    OTEL_TRACES_SAMPLER=always_off
done
