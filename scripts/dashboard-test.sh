#!/usr/bin/env bash
# Uses the dashboard of daemons of its own in Chromium: signing in, each action, hostile texts, keys without rights, a
# daemon that restarts, the keyboard, and what axe finds.
#
#   scripts/dashboard-test.sh <roost binary> [arguments of python's unittest, such as -k keyboard]
#
# Chromium and its driver come from Debian (scripts/bootstrap.sh test), selenium and axe from PyPI, once, into a folder
# beside the build. With ROOST_SCREENSHOTS=<folder> it leaves pictures of every page there.
set -euo pipefail

here=$(cd "$(dirname "$0")/dashboard" && pwd)
roost=$(realpath "${1:?usage: scripts/dashboard-test.sh <roost binary> [arguments of unittest]}")
tools=$("$here/../python-tools.sh" dashboard "$here/requirements.txt" "$roost")
cd "$here"
ROOST_BIN=$roost PYTHONDONTWRITEBYTECODE=1 exec "$tools/venv/bin/python" -m unittest "${@:2}" test_dashboard
