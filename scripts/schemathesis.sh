#!/usr/bin/env bash
# Asks a daemon of its own everything that docs/openapi.yaml allows, and much that it does not, for a bounded time:
# no 5xx, no status, header, type or field that does not stand there, nothing wrong accepted, nothing without a key.
#
#   scripts/schemathesis.sh <roost binary> [seconds, default 30] [flags of `schemathesis run`]
#
# schemathesis comes from PyPI, once, into a folder beside the build; without PyPI this fails.
set -euo pipefail

here=$(cd "$(dirname "$0")/schemathesis" && pwd)
roost=$(realpath "${1:?usage: scripts/schemathesis.sh <roost binary> [seconds] [flags]}")
seconds=${2:-30}
tools=$("$here/../python-tools.sh" schemathesis "$here/requirements.txt" "$roost")

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-schemathesis.XXXXXX")
daemon=''
cleanup() {
  local status=$?
  trap - EXIT INT TERM
  if ((status != 0)) && [[ -s $work/daemon.log ]]; then
    echo "schemathesis: the daemon's last lines:" >&2
    tail -n 20 "$work/daemon.log" >&2
  fi
  if [[ -n $daemon ]]; then kill -9 "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; fi
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

: >"$work/daemon.log" # it is read below, perhaps before the daemon's shell has opened it
"$roost" serve --dev --host 127.0.0.1 --port 0 --wal-dir "$work/data" --segment-bytes 4MiB \
  >"$work/keys" 2>"$work/daemon.log" &
daemon=$!
port=''
while [[ -z $port ]]; do
  kill -0 "$daemon" 2>/dev/null || { echo "schemathesis: the daemon did not start" >&2; exit 1; }
  port=$(sed -n 's|^listening on http://.*:\([0-9][0-9]*\)$|\1|p' "$work/daemon.log" | head -n 1)
  [[ -n $port ]] || sleep 0.05
done

cp "$here/schemathesis.toml" "$work/"
cd "$work"
ROOST_KEY=$(sed -n 's/^admin_key=//p' keys) PYTHONPATH=$here SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 \
  "$tools/venv/bin/schemathesis" run "http://127.0.0.1:$port/openapi.yaml" \
  --seed 20261121 --max-time "$seconds" --request-timeout 60 --suppress-health-check all "${@:3}" </dev/null

# It lived through all that: it still says so, and stops in good order.
curl -sf "http://127.0.0.1:$port/readyz" >/dev/null || { echo "schemathesis: the daemon is not ready" >&2; exit 1; }
kill -TERM "$daemon"
wait "$daemon"
daemon=''
