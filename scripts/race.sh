#!/usr/bin/env bash
# Races Roost against other job queues: the same generator, machine, hour and durability. Benchmarks/README.md says what
# is measured. Within a cell (what, connections) the peers run in turn, and the turn is repeated, so that a slow minute
# meets all of them. Each run has a fresh server in a fresh directory.
#
#   scripts/race.sh <release folder>      holding roost; `make race` builds it
#   PEERS="roost toy redis beanstalkd"    toy: the least that a durable queue over HTTP can cost
#   MODES="cycle next batch submit tls h2 many idle start"
#   CONNECTIONS="1 16 64 256 1000"        BATCH_CONNECTIONS="1 16" and BATCH=100 jobs a request for `batch`
#   REPS=3 SECONDS=3                      repetitions; seconds a run
#   IDLE=10000                            connections of `idle`, and those beside 64 busy ones in `many`
#   BACKLOG=1000000                       jobs that wait while a server is killed and started again
#   IDLE_LOAD=0.5                         begins when the load of the machine is below, or after ten minutes
#   RACE_OUT=.build/race                  gets race.jsonl (a line a run), race.md (the tables), errors.log
#   TMPDIR                                where the servers keep their logs: a real disk, not tmpfs
#
# Exits 1 if any run lost, repeated or altered a job, was refused a request, or failed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
release=${1:?usage: scripts/race.sh <release folder>}
release=$(cd "$release" && pwd)
peers=${PEERS:-roost toy redis beanstalkd}
modes=${MODES:-cycle next batch submit tls h2 many idle start}
connections=${CONNECTIONS:-1 16 64 256 1000}
batch_connections=${BATCH_CONNECTIONS:-1 16}
batch=${BATCH:-100}
reps=${REPS:-3}
seconds=$(tr '\0' '\n' <"/proc/$$/environ" | sed -n 's/^SECONDS=//p') # bash counts in the variable itself
seconds=${seconds:-3}
idle=${IDLE:-10000}
backlog=${BACKLOG:-1000000}
idle_load=${IDLE_LOAD:-0.5}
busy_beside_idle=64
h2_connections=4 h2_streams=100 # as few connections as there may be, of at most so many streams

out=${RACE_OUT:-$root/.build/race}
mkdir -p "$out"
out=$(cd "$out" && pwd)
raw=$out/race.jsonl
: >"$raw" >"$out/errors.log"
work=$(mktemp -d "${TMPDIR:-/tmp}/roost-race.XXXXXX")
device=$(stat -c %Hd:%Ld "$work")
server_pid=
failures=0
trap 'stop KILL; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { echo "$(date +%T) $*" >&2; }
has_word() { [[ " $2 " == *" $1 "* ]]; }

# ---- what has to be installed

install() { # packages
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  say "installing $*"
  { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@"; } \
    >>"$out/errors.log" 2>&1
}
need() { command -v "$1" >/dev/null || install "$2"; } # program package

build_generator() {
  need cc gcc
  need make make
  if [[ "$modes" == *tls* || "$modes" == *h2* ]]; then
    need openssl openssl
    printf '#include <openssl/ssl.h>\n#include <nghttp2/nghttp2.h>\n' | cc -E -x c - >/dev/null 2>&1 ||
      install libssl-dev libnghttp2-dev || say "building without TLS or HTTP/2"
  fi
  make --silent -f "$root/Benchmarks/race/Makefile" OUT="$work/bin"
}
race() { "$work/bin/race" "$@"; }

# ---- the servers: `command_of PEER PORT DIRECTORY KIND` sets `server`. KIND is plain, tls, or fill: a server without a
# group commit is filled unsynced, which saves minutes and changes nothing of what is measured then.

command_of() {
  local port=$2 directory=$3 kind=$4
  case $1 in
    roost)
      server=(env PORT="$port" WAL_DIR="$directory")
      [ "$kind" != tls ] || server+=(TLS_CERT="$work/tls.pem" TLS_KEY="$work/tls.key")
      server+=("$release/roost" serve --dev)
      ;;
    toy) server=("$work/bin/toy" "$port" "$directory/log") ;;
    redis)
      server=(redis-server --bind 127.0.0.1 --port "$port" --dir "$directory" --save "" --appendonly yes --appendfsync always
        --maxclients 100000)
      ;;
    beanstalkd)
      local sync=-f0
      [ "$kind" != fill ] || sync=-F
      server=(beanstalkd -l 127.0.0.1 -p "$port" -b "$directory" "$sync")
      ;;
  esac
}

certificate() { # is its own authority
  [ -e "$work/tls.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.pem" 2>>"$out/errors.log"
}

free_port() {
  while port=$((20000 + RANDOM % 10000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
  done
}
read_keys() { # of the development keys that roost wrote
  RACE_CLIENT_KEY=$(sed -n 's/^client_key=//p' "$1/dev.keys" 2>/dev/null || true)
  RACE_WORKER_KEY=$(sed -n 's/^worker_key=//p' "$1/dev.keys" 2>/dev/null || true)
  export RACE_CLIENT_KEY RACE_WORKER_KEY
}

start() { # PEER KIND: a fresh server, once a few jobs went through it
  local try
  directory=$work/$1
  rm -rf "$directory"
  mkdir -m 700 "$directory"
  free_port
  command_of "$1" "$port" "$directory" "$2"
  "${server[@]}" >/dev/null 2>>"$out/errors.log" &
  server_pid=$!
  client=(--peer "$1" --port "$port")
  [ "$2" != tls ] || client+=(--tls "$work/tls.pem")
  for ((try = 0; try < 200; try++)); do
    kill -0 "$server_pid" 2>/dev/null || break
    read_keys "$directory"
    race "${client[@]}" --mode cycle --connections 2 --jobs 40 >/dev/null 2>"$work/not-ready" && return
    sleep 0.1
  done
  say "$1 does not start: $(head -2 "$work/not-ready")"
  return 1
}
stop() { # SIGNAL
  [ -n "$server_pid" ] || return 0
  kill "-$1" "$server_pid" 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}

# ---- one run

busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8, $2 + $3 + $4 + $5 + $6 + $7 + $8; exit }' /proc/stat; }
flushes() { awk '{ print $16 }' "/sys/dev/block/$device/stat" 2>/dev/null || echo 0; }
# The processors were nine tenths idle for 0.3 s, and the disk had next to nothing to flush (a fresh roost fills its spare
# segments with zeros for a second); or 20 s are over.
settle() {
  local try busy all flushed busy_now all_now
  for ((try = 0; try < 60; try++)); do
    flushed=$(flushes)
    read -r busy all < <(busy_ticks)
    sleep 0.3
    read -r busy_now all_now < <(busy_ticks)
    (((busy_now - busy) * 10 > all_now - all || $(flushes) - flushed > 2)) || return 0
  done
}
failed() { # what
  failures=$((failures + 1))
  say "FAILED: $*"
}
note() { # CELL REP LINE [more fields]
  [ -z "$3" ] || echo "{\"cell\":\"$1\",\"rep\":$2,${4:+$4,}${3#\{}" >>"$raw"
}
measure() { # PEER CELL REP KIND arguments: a run on a fresh server
  local peer=$1 cell=$2 rep=$3 kind=$4 line
  shift 4
  if start "$peer" "$kind"; then
    settle
    line=$(race "${client[@]}" --pid "$server_pid" --directory "$directory" "$@" 2>>"$out/errors.log") || failed "$peer $cell $*"
    note "$cell" "$rep" "$line"
  else
    failed "$peer $cell $*"
  fi
  stop TERM
  rm -rf "$work/$peer"
}

measure_start() { # PEER REP: an empty directory, then a log full of waiting jobs after kill -9
  local peer=$1 rep=$2 line filled
  [ "$peer" != toy ] || return 0 # it cannot read its log
  directory=$work/$peer
  mkdir -m 700 "$directory"
  free_port
  command_of "$peer" "$port" "$directory" plain
  settle
  line=$(race --peer "$peer" --port "$port" --mode start -- "${server[@]}" 2>>"$out/errors.log") || failed "$peer start"
  note start "$rep" "$line"
  rm -rf "$directory"

  local run=(--run 77 --jobs "$backlog")
  if start "$peer" fill && filled=$(race "${client[@]}" --pid "$server_pid" --mode submit --connections 4 --batch 100 "${run[@]}" \
    2>>"$out/errors.log"); then
    stop KILL
    sync
    free_port
    command_of "$peer" "$port" "$directory" plain
    settle
    line=$(race --peer "$peer" --port "$port" --mode start "${run[@]}" -- "${server[@]}" 2>>"$out/errors.log") ||
      failed "$peer start with $backlog jobs"
    filled=$(sed -n 's/.*"memory_kib":\([0-9]*\).*/\1/p' <<<"$filled")
    note restart "$rep" "$line" "\"filled_memory_kib\":$filled"
  else
    failed "$peer filling with $backlog jobs"
    stop KILL
  fi
  rm -rf "$directory"
}

cell() { # CELL KIND PEERS arguments: the peers in turn, repeated
  local cell=$1 kind=$2 in_turn=$3 rep peer
  shift 3
  for ((rep = 1; rep <= reps; rep++)); do
    for peer in $in_turn; do measure "$peer" "$cell" "$rep" "$kind" "$@"; done
  done
  say "$cell $*"
}

mode() {
  local c rep peer roost_only= limit
  ! has_word roost "$peers" || roost_only=roost
  case $1 in
    cycle | next | submit)
      for c in $connections; do cell "$1" plain "$peers" --mode "$1" --connections "$c" --seconds "$seconds"; done
      ;;
    batch)
      for c in $batch_connections; do
        cell batch plain "$peers" --mode batch --batch "$batch" --connections "$c" --seconds "$seconds"
      done
      ;;
    tls)
      certificate
      for c in $connections; do cell tls tls "$roost_only" --mode cycle --connections "$c" --seconds "$seconds"; done
      ;;
    h2)
      certificate
      for c in $connections; do
        local links=$(((c + h2_streams - 1) / h2_streams))
        ((links >= h2_connections)) || links=$h2_connections
        cell h2 tls "$roost_only" --mode cycle --connections "$c" --h2 "$links" --seconds "$seconds"
      done
      ;;
    many)
      cell many plain "$peers" --mode cycle --connections "$busy_beside_idle" --idle "$idle" --seconds "$seconds"
      ;;
    idle) cell idle plain "$peers" --mode idle --connections "$idle" ;;
    start)
      for ((rep = 1; rep <= reps; rep++)); do
        for peer in $peers; do measure_start "$peer" "$rep"; done
        say "start $rep"
      done
      ;;
  esac
}

# ---- the race

for p in $peers; do has_word "$p" "roost toy redis beanstalkd" || { say "no such peer: $p" && exit 64; }; done
for m in $modes; do
  has_word "$m" "cycle next batch submit tls h2 many idle start" || { say "no such mode: $m" && exit 64; }
done
! has_word roost "$peers" || [ -x "$release/roost" ] || { say "no roost in $release" && exit 64; }
! has_word redis "$peers" || need redis-server redis-server
! has_word beanstalkd "$peers" || need beanstalkd beanstalkd
need python3 python3
build_generator

# Roost serves half as many connections as it may have descriptors; all peers get what it can take.
ulimit -n "$(ulimit -H -n)"
limit=$(ulimit -n)
if [ "$limit" != unlimited ] && ((idle > limit / 2 - 200)); then
  idle=$((limit / 2 - 200))
  say "the limit of $limit descriptors allows $idle idle connections"
fi

for ((try = 0; try < 120; try++)); do
  read -r load _ </proc/loadavg
  ! awk -v load="$load" -v most="$idle_load" 'BEGIN { exit !(load < most) }' || break
  ((try > 0)) || say "waiting for an idle machine: the load is $load"
  sleep 5
done
say "racing $peers; load $load"
printf '{"machine":{"time":"%s","load":%s,"cores":%d,"kernel":"%s"}}\n' "$(date -u +%FT%TZ)" "$load" "$(nproc)" "$(uname -r)" >>"$raw"

for m in $modes; do mode "$m"; done
python3 "$root/Benchmarks/race/report.py" "$raw" | tee "$out/race.md"
((failures == 0)) || { say "$failures runs failed; see $out/errors.log" && exit 1; }
