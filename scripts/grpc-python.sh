#!/usr/bin/env bash
# The worker in Python of docs/grpc.md, as it stands there, against a daemon of the caller's: the code of the contract is
# generated anew.
#
#   ROOST_KEY=<worker's key> ROOST_GRPC=<host:port> JOBS=<how many> scripts/grpc-python.sh <roost binary>
#
# grpcio and grpcio-tools come from PyPI, once, into a folder beside the build; without PyPI it fails with 69.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
roost=$(realpath "${1:?usage: scripts/grpc-python.sh <roost binary>}")
tools=$("$root/scripts/python-tools.sh" grpc-python "$root/scripts/grpc-requirements.txt" "$roost")

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-grpc.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export PYTHONDONTWRITEBYTECODE=1
cd "$work"
python=$tools/venv/bin/python
"$python" -m grpc_tools.protoc -I "$root/proto" --python_out=. --grpc_python_out=. roost/v1/roost.proto
awk '/^<!-- grpc: python -->/ { wanted = 1 } wanted && /^```$/ { exit } inside { print } wanted && /^```python$/ { inside = 1 }' \
  "$root/docs/grpc.md" >worker.py
[[ -s worker.py ]] || { echo "grpc-python: docs/grpc.md has no worker" >&2; exit 1; }
"$python" worker.py
