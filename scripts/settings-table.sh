#!/usr/bin/env bash
# Writes the table of settings in docs/configuration.md from the one in the code. Usage: settings-table.sh [roost]
set -euo pipefail
cd "$(dirname "$0")/.."

roost=${1:-.build/release/roost}
document=docs/configuration.md
table=$(mktemp)
trap 'rm -f "$table" "$table.new"' EXIT

"$roost" serve --print-config-table >"$table"
awk -v table="$table" '
  /^<!-- end of settings -->/ { skip = 0 }
  !skip
  /^<!-- settings:/ { skip = 1; while ((getline line < table) > 0) print line }
' "$document" >"$table.new"
cat "$table.new" >"$document"
