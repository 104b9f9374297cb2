#!/usr/bin/env bash
# Makes a Debian package of a built daemon. It needs no Swift where it is installed: the libraries of Swift that the
# binary needs are inside. docs/deployment.md says what lies where.
#
#   scripts/package.sh <roost binary> <build folder>      .build/release/roost .build: what `make package` gives
#
# The package appears in the build folder, whose checkouts give the licences of what the binary contains. Other
# libraries come from Debian; the versions it depends on are those of the machine that builds, so build on the oldest
# release that it shall run on. DEBFULLNAME and DEBEMAIL name the maintainer.
set -euo pipefail

usage='usage: scripts/package.sh <roost binary> <build folder>'
root=$(cd "$(dirname "$0")/.." && pwd)
roost=$(realpath "${1:?$usage}")
scratch=$(realpath "${2:?$usage}")
for tool in dpkg-deb dpkg-shlibdeps chrpath strip; do
  command -v "$tool" >/dev/null || { echo "package: $tool is missing: scripts/bootstrap.sh package" >&2; exit 69; }
done

version=$("$roost" --version)
architecture=$(dpkg --print-architecture)
# The same sources give the same times in the package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d "${TMPDIR:-/tmp}/roost-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The layout that dpkg-shlibdeps expects: what it finds below debian/*/DEBIAN belongs to the package itself.
stage=$work/debian/roost
umask 022
mkdir -p "$stage/DEBIAN"

# The binary and Swift's libraries: it looks for them beside itself, and nowhere in a toolchain's folder.
"$root/scripts/install.sh" "$roost" "$stage/usr" >/dev/null
chrpath --replace "\$ORIGIN" "$stage/usr/lib/roost/roost" >/dev/null
strip "$stage/usr/lib/roost/roost"
find "$stage/usr/lib/roost" -name '*.so' -exec strip --strip-unneeded {} +

# The service: a user that stays, so that `roost keys` and `roost backup` can be run as that user.
install -d "$stage/usr/lib/systemd/system"
sed -e 's|/usr/local/bin/roost|/usr/bin/roost|' -e 's|^# Installed by `make install`, with its libraries:|# Of the package roost:|' \
  -e 's|^# A user that exists while the service runs, and|# The user that the package makes, and|' \
  -e 's|^DynamicUser=yes|DynamicUser=no|' "$root/packaging/roost.service" >"$stage/usr/lib/systemd/system/roost.service"
install -D -m 0600 "$root/packaging/roost.env" "$stage/etc/roost/roost.env"
echo /etc/roost/roost.env >"$stage/DEBIAN/conffiles"

documents=$stage/usr/share/doc/roost
install -D -m 0644 "$root/packaging/roost.1" "$stage/usr/share/man/man1/roost.1"
gzip -9n "$stage/usr/share/man/man1/roost.1"
install -D -m 0644 -t "$documents" "$root"/docs/* "$root/packaging/debian/copyright"
# The licences and notices of what the binary contains, and of Swift's libraries.
toolchain=$(dirname "$(ldd "$roost" | sed -n 's/.* => \(\/.*\/libswiftCore\.so\) (0x.*/\1/p')")
for file in "$scratch"/checkouts/*/{LICENSE,NOTICE}* "$toolchain"/../../../share/swift/LICENSE.txt; do
  [[ -f $file ]] || continue
  name=$(basename "$(dirname "$file")")
  install -D -m 0644 "$file" "$documents/third-party/$name/$(basename "$file")"
done
[[ -d $documents/third-party ]] || { echo "package: no licences in $scratch/checkouts" >&2; exit 73; }

maintainer="${DEBFULLNAME:-Roost developers} <${DEBEMAIL:-roost@localhost}>"
gzip -9n >"$documents/changelog.gz" <<EOF
roost ($version) unstable; urgency=medium

  * Release $version.

 -- $maintainer  $(date -uRd "@$SOURCE_DATE_EPOCH")
EOF

# What the binary and the libraries need of Debian. Beside that the unit needs /bin/kill, of procps, and postinst adduser.
printf 'Source: roost\n\nPackage: roost\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -l"$stage/usr/lib/roost" "$stage"/usr/lib/roost/* 2>"$work/remarks" |
  sed -n 's/^shlibs:Depends=//p')
[[ -n $depends ]] || { cat "$work/remarks" >&2; exit 73; }
install -m 0755 "$root"/packaging/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"
cat >"$stage/DEBIAN/control" <<EOF
Package: roost
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$stage" | cut -f 1)
Depends: $depends, adduser, procps
Section: net
Priority: optional
Description: durable job queue
 Clients submit jobs over HTTP; workers lease them, do them and acknowledge
 them. Every answer waits until what it says is on disk. The log on disk is the
 only database.
EOF
(cd "$stage" && find etc usr -type f ! -path etc/roost/roost.env -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)
find "$stage" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

package=$scratch/roost_${version}_$architecture.deb
dpkg-deb --build --root-owner-group -Zxz "$stage" "$package" >/dev/null
echo "$package: $(($(stat -c %s "$package") / 1000000)) MB, installed $(sed -n 's/^Installed-Size: //p' "$stage/DEBIAN/control") KiB, needs $depends"
