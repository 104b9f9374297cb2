#!/usr/bin/env bash
# Checks that every fault promised so far has a test that names it, and prints the table of faults and tests.
# With --check it prints only what is missing; exit 1 if anything is. Rows come from docs/reliability.md.
set -euo pipefail
cd "$(dirname "$0")/.."

numbers=({1..24} {26..50})
# One title a line; it may stand on the line below its attribute, and may name several faults: "faults 7, 8: …".
names=$(find Tests -name '*.swift' -exec cat {} + | tr '\n' ' ' |
  grep -oE '@Test\( *"faults? [0-9]+(, [0-9]+)*: [^"]*"' | sed -E 's/^@Test\( *"//; s/"$//' || true)
missing=0
table='| fault | promise | shown by |\n|---|---|---|\n'

for number in "${numbers[@]}"; do
  promise=$(sed -nE "s/^\| $number \| ([^|]*) \|.*/\1/p" docs/reliability.md | head -n 1)
  tests=$(grep -E "^faults? ([0-9]+, )*$number(, [0-9]+)*: " <<<"$names" | sed -E 's/^faults? [0-9, ]+: //' | sort -u |
    paste -sd '|' | sed 's/|/ · /g' || true)
  if [[ -z $promise ]]; then
    echo "fault $number has no row in docs/reliability.md" >&2
    missing=1
  fi
  if [[ -z $tests ]]; then
    echo "fault $number has no test named '@Test(\"fault $number: …\")'" >&2
    missing=1
  fi
  table+="| $number | $promise | $tests |\n"
done

[[ ${1:-} == --check ]] || printf '%b' "$table"
exit "$missing"
