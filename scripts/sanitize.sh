#!/usr/bin/env bash
# Builds the tests with AddressSanitizer and then with ThreadSanitizer and runs those of everything that holds memory or
# threads of its own: API, core, log, engine, simulation, keys and the fuzzer's corpora.
#
#   scripts/sanitize.sh <scratch folder> [sanitizer…]     default: address thread
#
# A failed test or a report of AddressSanitizer fails it. ThreadSanitizer's reports are kept in <scratch folder>/thread for
# a person to read: a lock of Swift's `Mutex` that had to wait is taken inside of the standard library, where it does not
# see it, so that what such a lock guards is reported, too. Release builds of their own: in debug it takes hours.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${1:?usage: scripts/sanitize.sh <scratch folder> [sanitizer…]}
shift
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
sanitizers=("$@")
[[ ${#sanitizers[@]} -gt 0 ]] || sanitizers=(address thread)
tests='^(RoostAPITests|RoostCoreTests|RoostLogTests|RoostEngineTests|RoostSimulationTests|RoostKeysTests|FuzzingTests)\.'

# The Swift runtime keeps a few hundred bytes for as long as it runs.
export ASAN_OPTIONS=detect_leaks=0
export TSAN_OPTIONS="halt_on_error=0 exitcode=0 log_path=$scratch/thread/reports"
for sanitizer in "${sanitizers[@]}"; do
  folder=$scratch/$sanitizer
  swift build -c release --scratch-path "$folder" --sanitize "$sanitizer" --build-tests
  swift test -c release --disable-testable-imports --scratch-path "$folder" --sanitize "$sanitizer" --skip-build --filter "$tests"
done
if compgen -G "$scratch/thread/reports.*" >/dev/null; then
  echo "ThreadSanitizer: $(cat "$scratch"/thread/reports.* | grep -c '^WARNING') reports in $scratch/thread/reports.*"
fi
