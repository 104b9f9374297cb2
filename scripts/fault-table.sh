#!/usr/bin/env bash
# Checks that every fault has a row in docs/reliability.md that names exactly the tests whose names begin with
# `fault <number>:`, and that no test names a fault without a row. A row may say `no test: <why>` instead.
#
#   scripts/fault-table.sh            prints the rows as they should be
#   scripts/fault-table.sh --check    prints only what is missing or different; exit 1 if anything is
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

# One title a line; it may stand on the line below its attribute, and may name several faults: "faults 7, 8: …".
names=$(find Tests -name '*.swift' -exec cat {} + | tr '\n' ' ' |
  grep -oE '@Test\( *"faults? [0-9]+(, [0-9]+)*: [^"]*"' | sed -E 's/^@Test\( *"//; s/"$//' || true)
wrong=0
complain() {
  echo "$1" >&2
  wrong=1
}

table='| fault | what happens, and what Roost does | shown by |\n|---|---|---|\n'
named=$(sed -E 's/^faults? ([0-9, ]+): .*/\1/' <<<"$names" | tr -d ' ' | tr ',' '\n')
for number in $({ seq 1 52 && echo "$named"; } | sort -nu); do
  row=$(grep -E "^\| $number \|" docs/reliability.md | head -n 1 || true)
  promise=$(sed -nE 's/^\| [0-9]+ \| ([^|]*) \|.*/\1/p' <<<"$row")
  shown=$(sed -nE 's/^\| [0-9]+ \| [^|]* \| (.*) \|$/\1/p' <<<"$row")
  tests=$(grep -E "^faults? ([0-9]+, )*$number(, [0-9]+)*: " <<<"$names" | sed -E 's/^faults? [0-9, ]+: //' | sort -u |
    paste -sd '|' | sed 's/|/ · /g' || true)
  if [[ -z $row ]]; then
    complain "fault $number has no row in docs/reliability.md${tests:+; tests name it: $tests}"
  elif [[ -z $tests && $shown != 'no test: '* ]]; then
    complain "fault $number has no test named '@Test(\"fault $number: …\")', and its row does not say 'no test: <why>'"
  elif [[ -n $tests && $shown != "$tests" ]]; then
    complain "fault $number: its row in docs/reliability.md should name these tests: $tests"
  fi
  table+="| $number | $promise | ${tests:-$shown} |\n"
done

[[ ${1:-} == --check ]] || printf '%b' "$table"
exit "$wrong"
