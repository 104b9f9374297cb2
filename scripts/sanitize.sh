#!/usr/bin/env bash
# Builds the tests with AddressSanitizer and then with ThreadSanitizer and runs those of everything that holds memory or
# threads of its own: API, core, log, engine, simulation, keys and the fuzzer's corpora.
#
#   scripts/sanitize.sh <scratch folder> [sanitizer…]     default: address thread
#
# A report of a sanitizer, or a failed test, fails it. Release builds of their own: in debug it takes hours.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${1:?usage: scripts/sanitize.sh <scratch folder> [sanitizer…]}
shift
sanitizers=("$@")
[[ ${#sanitizers[@]} -gt 0 ]] || sanitizers=(address thread)
tests='^(RoostAPITests|RoostCoreTests|RoostLogTests|RoostEngineTests|RoostSimulationTests|RoostKeysTests|FuzzingTests)\.'

# The Swift runtime keeps a few hundred bytes for as long as it runs.
export ASAN_OPTIONS=detect_leaks=0
export TSAN_OPTIONS=halt_on_error=1
for sanitizer in "${sanitizers[@]}"; do
  folder=$scratch/$sanitizer
  swift build -c release --scratch-path "$folder" --sanitize "$sanitizer" --build-tests
  swift test -c release --disable-testable-imports --scratch-path "$folder" --sanitize "$sanitizer" --skip-build --filter "$tests"
done
