#!/usr/bin/env bash
# Makes the golden data directory (Tests/Golden/<format>) anew, after the format on disk was changed on purpose.
# Look at the difference of its state.txt before it is committed. ROOST_SCRATCH is the build folder.
set -euo pipefail
cd "$(dirname "$0")/.."

ROOST_GOLDEN=write swift test -c release --disable-testable-imports --scratch-path "${ROOST_SCRATCH:-.build}" \
  --filter GoldenTests
git status --short Tests/Golden
