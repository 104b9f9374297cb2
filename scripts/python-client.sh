#!/usr/bin/env bash
# The Python client as its users get it: installed from the tree by pip, its types judged by mypy, its tests against daemons
# of their own, the programs of its README among them.
#
#   scripts/python-client.sh <roost binary> [flags of `python -m unittest`]
#
# mypy and setuptools come from PyPI, once, into a folder beside the build; without PyPI this fails.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
roost=$(realpath "${1:?usage: scripts/python-client.sh <roost binary> [flags]}")
tools=$("$root/scripts/python-tools.sh" python-client "$root/scripts/python-requirements.txt" "$roost")

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-python.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 TMPDIR=$work

# A copy: setuptools builds beside what it reads.
cp -r "$root/clients/python" "$work/python"
cd "$work"
python=$tools/venv/bin/python
"$python" -m pip install -q --root-user-action ignore --no-index --no-deps --no-build-isolation --target site ./python
rm -r python/roost
[[ -e site/roost/py.typed ]] || { echo "python-client: it is installed without py.typed" >&2; exit 1; }

(cd python && MYPYPATH=$work/site "$python" -m mypy --strict --no-incremental --cache-dir /dev/null \
  ../site/roost/__init__.py tests)
export PYTHONPATH=$work/site:$work/python/tests ROOST_BIN=$roost ROOST_PYTHON=$work/python
"$python" -W ignore::ResourceWarning -m unittest discover -s python/tests "${@:2}"
