#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A Linux tree, of Debian's package linux-source.
#   fetch.sh VERSION DIR     VERSION: of a package linux-source-VERSION that the configured apt has (6.1, 6.12); or a
#                            suite, whose newest it is (sid, trixie-backports); DIR: a folder that is made
# A suite is asked of the configured archive by an apt of its own, in a temporary folder: nothing of the system's changes.
set -euo pipefail

fail() { printf 'fetch.sh: %s\n' "$*" >&2; exit 2; }
[ "$#" -eq 2 ] || { sed -n '4,5s/^# //p' "$0" >&2; exit 2; }
version=$1
directory=$2
[ ! -e "$directory" ] || fail "$directory is there already"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt becomes another user

apt=(-q)
package=linux-source-$version
case $version in
  [0-9]*) ;;
  *)
    # shellcheck disable=SC2016 # apt's, not the shell's
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u | grep -m 1 '/debian/*$') ||
      fail "no archive of Debian's is configured"
    mkdir -p "$work"/{lists,cache/archives}/partial
    printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg "$site" "$version" \
      >"$work/sources.list"
    apt+=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Status=/dev/null
      -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Acquire::Languages=none)
    apt-get "${apt[@]}" update >&2 || fail "there is no $version in $site"
    package=$(apt-cache "${apt[@]}" depends linux-source | sed -n 's/^ *Depends: //p')
    [ -n "$package" ] || fail "$version has no linux-source"
    ;;
esac
(cd "$work" && apt-get "${apt[@]}" download "$package") >&2 || fail "apt has no $package"
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO "./usr/src/$package.tar.xz" >"$work/linux.tar.xz"
mkdir -p "$directory"
tar -xJf "$work/linux.tar.xz" -C "$directory" --strip-components=1
printf '%s: Linux %s\n' "$directory" "$(make -s -C "$directory" kernelversion)"
