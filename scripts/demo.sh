#!/usr/bin/env bash
# Real work end to end: some 2,000 text files are word-counted by four shell workers with nothing but curl, while
# the daemon is killed with -9 twice. At the end the sum must be right to the word.
#
#   scripts/demo.sh [path of the roost binary]      (or ROOST_BIN; FILES and WORKERS change the size)
set -euo pipefail

roost=${1:-${ROOST_BIN:-.build/release/roost}}
files=${FILES:-2000}
workers=${WORKERS:-4}
[[ -x "$roost" ]] || { echo "demo: no binary at $roost; build it with make build" >&2; exit 64; }
roost=$(realpath "$roost")

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-demo.XXXXXX")
daemon='' port=0
worker_pids=()
cleanup() {
  local status=$?
  trap - EXIT INT TERM
  if ((status != 0)); then
    echo "demo: failed; the daemon's last lines:" >&2
    tail -n 20 "$work/daemon.log" >&2 || true
  fi
  exec 2>/dev/null # the shell's notes about killed children
  for pid in "${worker_pids[@]}" $daemon; do kill -9 "$pid" || true; done
  wait || true
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf 'demo: %s\n' "$*"; }

# Starts the daemon and waits until it says where it listens. After the first start the port stays the same, so the
# workers find the daemon again by trying again.
start_daemon() {
  : >"$work/daemon.log"
  "$roost" serve --dev --host 127.0.0.1 --port "$port" --wal-dir "$work/data" --lease-duration 5s \
    --segment-bytes 1MiB >"$work/keys" 2>"$work/daemon.log" &
  daemon=$!
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    port=$(sed -n 's|^listening on http://.*:\([0-9][0-9]*\)$|\1|p' "$work/daemon.log" | head -n 1)
    [[ -n $port ]] && return 0
    kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

kill_daemon() {
  kill -9 "$daemon"
  wait "$daemon" 2>/dev/null || true
}

key() { sed -n "s/^$1_key=//p" "$work/keys"; }

# A curl configuration holds the key: in the list of processes nobody sees it.
curl_config() { # curl_config KEY
  printf 'header = "Authorization: Bearer %s"\nsilent\nshow-error\nconnect-timeout = 5\nmax-time = 30\n' "$1"
}

# The text of a field in a flat JSON object.
text_field() { # text_field NAME JSON
  local rest=${2#*\"$1\":\"}
  printf '%s' "${rest%%\"*}"
}

# One worker: lease a job, count the words of its file, acknowledge with the result. Whatever goes wrong, it asks
# again: a lost answer costs at most the lease. Ends when the file "done" appears.
worker() { # worker NUMBER
  local config="$work/worker.curl" dir="$work/worker-$1" status body job id lease path words
  body=$dir/job
  while [[ ! -e $work/done ]]; do
    status=$(curl -K "$config" -o "$body" -w '%{http_code}' -H 'Content-Type: application/json' \
      -d "{\"queues\":[\"words\"],\"wait\":\"1s\",\"worker_id\":\"shell-$1\"}" \
      "http://127.0.0.1:$port/jobs/lease" 2>/dev/null) || status=000
    if [[ $status != 200 ]]; then
      [[ $status == 404 ]] || sleep 0.1
      continue
    fi
    job=$(<"$body")
    id=$(text_field job_id "$job") lease=$(text_field lease_id "$job") path=$(text_field payload "$job")
    words=$(wc -w <"$path")
    # The same acknowledgement again gets the same success, so an answer that the kill took is asked for again.
    while [[ ! -e $work/done ]]; do
      status=$(curl -K "$config" -o "$dir/ack" -w '%{http_code}' -H 'Content-Type: application/json' \
        -d "{\"lease_id\":\"$lease\",\"result\":\"$words\"}" \
        "http://127.0.0.1:$port/jobs/$id/ack" 2>/dev/null) || status=000
      case $status in
        200) echo "$id $words" >>"$dir/acked"; break ;;
        409) echo "$id" >>"$dir/lost"; break ;; # the lease went to another worker: its count stands
        404) echo "$id" >>"$dir/unknown"; break ;;
        *) sleep 0.1 ;;
      esac
    done
  done
}

# Submits every file, each with an idempotency key, all over one kept connection. Sent again until each has an id:
# the key makes sure that no file becomes two jobs.
submit_all() {
  local round
  for ((round = 0; round < 60; round++)); do
    {
      for ((i = 0; i < files; i++)); do
        ((i == 0)) || echo next
        cat "$work/client.curl"
        echo "url = \"http://127.0.0.1:$port/jobs\""
        echo 'header = "Content-Type: application/json"'
        echo "header = \"Idempotency-Key: file-$i\""
        echo "data = \"{\\\"payload\\\":\\\"$work/texts/$i.txt\\\",\\\"queue\\\":\\\"words\\\",\\\"max_retries\\\":50}\""
        echo 'write-out = "\n"'
      done
    } >"$work/submit.curl"
    curl -K "$work/submit.curl" 2>/dev/null |
      sed -n 's/.*"job_id":"\([^"]*\)".*/\1/p' | sort -u >"$work/ids.now" || true
    if (($(wc -l <"$work/ids.now") == files)); then
      mv "$work/ids.now" "$work/ids"
      return 0
    fi
    sleep 0.2
  done
  return 1
}

# Reads every job over one connection and prints "STATE RESULT" for each.
read_all() {
  local first=1 id
  while read -r id; do
    ((first)) || echo next
    first=0
    cat "$work/client.curl"
    echo "url = \"http://127.0.0.1:$port/jobs/$id\""
    echo 'write-out = "\n"'
  done <"$work/ids" >"$work/read.curl"
  curl -K "$work/read.curl" 2>/dev/null |
    sed -n 's/.*"state":"\([A-Z]*\)".*/\1 &/p' | sed 's/^\([A-Z]*\) .*"result":"\{0,1\}\([0-9]*\).*/\1 \2/'
}

acked() { cat "$work"/worker-*/acked | wc -l; }

wait_for_acked() { # wait_for_acked COUNT
  local tries
  for ((tries = 0; tries < 1800; tries++)); do
    (($(acked) >= $1)) && return 0
    sleep 0.1
  done
  echo "demo: only $(acked) of $1 files were counted in time" >&2
  return 1
}

say "writing $files text files"
mkdir -p "$work/texts" "$work/data"
awk -v files="$files" -v dir="$work/texts" 'BEGIN {
  srand(7)
  split("roost job queue lease worker attempt log segment frame durable crash restart", word, " ")
  for (i = 0; i < files; i++) {
    name = dir "/" i ".txt"; count = 1 + int(rand() * 200)
    for (j = 0; j < count; j++) printf "%s%s", word[1 + int(rand() * 12)], (j % 11 == 10 ? "\n" : " ") > name
    print "" > name; close(name)
  }
}'
expected=$(cat "$work"/texts/*.txt | wc -w)

start_daemon || { echo "demo: the daemon did not start" >&2; exit 1; }
curl_config "$(key client)" >"$work/client.curl"
curl_config "$(key worker)" >"$work/worker.curl"
say "daemon $daemon listens on port $port; $workers workers begin while the files are being submitted"
for ((n = 1; n <= workers; n++)); do
  mkdir "$work/worker-$n"
  touch "$work/worker-$n"/{acked,lost,unknown}
  worker "$n" &
  worker_pids+=($!)
done
submit_all &
submitter=$!
worker_pids+=("$submitter")

for part in 1 2; do
  wait_for_acked $((files * part / 3))
  kill_daemon
  say "kill -9 number $part after $(acked) files"
  start_daemon || { echo "demo: the daemon did not start again" >&2; exit 1; }
  say "daemon $daemon is back on port $port"
done

wait "$submitter" || { echo "demo: not every file could be submitted" >&2; exit 1; }
# Every acknowledged file is a line; one whose lease was lost after its success counts by the daemon's own word.
for ((tries = 0; tries < 300; tries++)); do
  read_all >"$work/states"
  (($(grep -c '^ACKED' "$work/states" || true) == files)) && break
  sleep 0.5
done
touch "$work/done"
counted=$(awk '$1 == "ACKED" { sum += $2 } END { print sum + 0 }' "$work/states")
finished=$(grep -c '^ACKED' "$work/states" || true)
lost=$(cat "$work"/worker-*/lost | wc -l)
say "$finished of $files jobs acknowledged, $lost late acknowledgements fenced off"
if cat "$work"/worker-*/unknown | grep -q .; then
  echo "demo: a leased job was unknown after a restart" >&2
  exit 1
fi
if ((finished != files || counted != expected)); then
  echo "demo: counted $counted words, there are $expected" >&2
  exit 1
fi
say "counted $counted words, and that is right"
