#!/usr/bin/env bash
# Lets libFuzzer look for inputs that make a reader trap, or read what it should refuse.
#
#   scripts/fuzz.sh <scratch folder> <time> [target…]     time as 90s, 10m or 1h, shared among the targets
#
# It begins with Tests/Fuzzing/Corpora. What widens the coverage goes to <scratch folder>/corpus; a finding stops its
# target and is named: reproduce it with `roost-fuzz <target> <file>`, mend it, and keep the file in the corpora.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${1:?usage: scripts/fuzz.sh <scratch folder> <time> [target…]}
time=${2:?usage: scripts/fuzz.sh <scratch folder> <time> [target…]}
shift 2
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(json body words head segment directory records cron zone)
case $time in
*h) seconds=$((${time%h} * 3600)) ;;
*m) seconds=$((${time%m} * 60)) ;;
*) seconds=${time%s} ;;
esac

toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
ROOST_FUZZ=$(dirname "$(find "$toolchain/lib/clang" -name "libclang_rt.fuzzer_no_main-$(uname -m).a" | head -n 1)")
export ROOST_FUZZ
[[ $ROOST_FUZZ != . ]] || { echo "this toolchain has no libFuzzer" >&2; exit 69; }
swift build -c release --scratch-path "$scratch" --product roost-fuzz

failed=0
for target in "${targets[@]}"; do
  mkdir -p "$scratch/corpus/$target" "$scratch/findings/$target"
  echo "fuzzing $target"
  "$scratch/release/roost-fuzz" "$target" --samples "$scratch/corpus/$target"
  SWIFT_BACKTRACE=enable=no "$scratch/release/roost-fuzz" "$target" \
    -max_total_time=$((seconds / ${#targets[@]})) -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$scratch/findings/$target/" "$scratch/corpus/$target" "Tests/Fuzzing/Corpora/$target" \
    2>"$scratch/findings/$target.log" || { failed=1 && tail -n 20 "$scratch/findings/$target.log"; }
  # Inputs fed, inputs that widened the coverage, and the coverage reached.
  grep -E '^stat::(number_of_executed_units|new_units_added)' "$scratch/findings/$target.log" || true
  grep -oE 'cov: [0-9]+' "$scratch/findings/$target.log" | tail -n 1 || true
done
exit "$failed"
