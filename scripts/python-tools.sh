#!/usr/bin/env bash
# Installs tools from PyPI once, into a folder beside the build, and prints that folder; its programs are in venv/bin.
#
#   scripts/python-tools.sh <name> <requirements file> <roost binary>
#
# Without PyPI it fails with 69. Two runs may begin at once: the second waits for the first one's installation.
set -euo pipefail

name=$1 requirements=$2 roost=$3
tools=$(dirname "$(dirname "$roost")")/$name-$(cksum <"$requirements" | cut -d' ' -f1)
mkdir -p "$tools"
exec 9>"$tools/lock"
flock 9
if [[ ! -e $tools/ready ]]; then
  echo "$name: installing into $tools" >&2
  python3 -m venv --clear "$tools/venv"
  "$tools/venv/bin/python" -m pip install -q --no-deps -r "$requirements" >&2 ||
    { echo "$name: PyPI cannot be reached, or lacks a version of $requirements" >&2; exit 69; }
  touch "$tools/ready"
fi
echo "$tools"
