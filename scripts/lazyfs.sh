#!/usr/bin/env bash
# Kills the daemon under load in LazyFS, a FUSE file system that forgets what is not synced, and checks the whole
# history after each restart: the kill-and-restart test, each kill of it a power cut.
#
#   scripts/lazyfs.sh <roost binary> <lazyfs binary or checkout> [rounds]
#
# The test bundle must stand beside the roost binary (`make build-tests`). LazyFS (https://github.com/dsrhaslab/lazyfs)
# is no part of this repository: build it by its own instructions. fusermount3 and /dev/fuse are needed.
# ROOST_CRASH_SEED repeats the choices of a run.
set -euo pipefail

usage="usage: scripts/lazyfs.sh <roost binary> <lazyfs binary or checkout> [rounds]"
tests=$(dirname "$(readlink -f "${1:?$usage}")")/roostPackageTests.xctest
lazyfs=$(readlink -f "${2:?$usage}")
rounds=${3:-100}
[[ -d $lazyfs ]] && lazyfs=$lazyfs/lazyfs/build/lazyfs
[[ -x $tests ]] || { echo "no test bundle beside $1" >&2; exit 66; }
[[ -f $lazyfs && -x $lazyfs ]] || { echo "no program in $2" >&2; exit 66; }
command -v fusermount3 >/dev/null || { echo "fusermount3 is missing: install fuse3" >&2; exit 69; }
[[ -r /dev/fuse && -w /dev/fuse ]] || { echo "/dev/fuse is missing, or closed to this user" >&2; exit 69; }

# What a run that was broken off leaves is unmounted, and never removed through the mount.
# By its real path, which is what the table of mounts shows.
place=$(readlink -f "$(mktemp -d)")
clean_up() {
  local mount
  while read -r _ mount _; do
    [[ $mount != "$place"/* ]] || fusermount3 -u -z "$mount"
  done </proc/mounts
  rm -rf --one-file-system "$place"
}
trap clean_up EXIT

TMPDIR=$place ROOST_LAZYFS=$lazyfs ROOST_CRASH_ROUNDS=$rounds "$tests" \
  --testing-library swift-testing --filter KillAndRestart
