#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The .deb alone in a bare Debian 12: what it depends on is there to be installed, and what the README and the
# generated workflow do works, within a minute.
#   bare_root.sh DEB [ROOT]     as root, with debootstrap and a mirror (MIRROR); ROOT is kept, and used again; SECONDS_MOST
#                               for a machine that has other things to do
set -euo pipefail

deb=$(readlink -f -- "$1")
root=${2:-$(mktemp -d)}
seconds_most=${SECONDS_MOST:-60}

fail() {
  printf 'bare root: %s\n' "$1"
  exit 1
}
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
  http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" sh -ec "$1"; }
cleanup() {
  umount "$root/proc" 2>/dev/null || true
  [ -n "${kept:-}" ] || rm -rf "$root"
}
kept=${2:-}
trap cleanup EXIT

[ "$(id -u)" = 0 ] || fail "this is not root"
[ -f "$deb" ] || fail "$deb: there is no such package"
if [ ! -x "$root/bin/sh" ]; then
  command -v debootstrap >/dev/null || fail "there is no debootstrap"
  debootstrap --variant=minbase bookworm "$root" ${MIRROR:+"$MIRROR"} >"$root.log" 2>&1 || fail "no root: $(tail -n 3 "$root.log")"
fi
cp -f /etc/resolv.conf "$root/etc/resolv.conf"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc" || fail "no /proc in it"
inside 'command -v clang-19 gcc iommucheck && exit 1 || true' >/dev/null || [ -n "$kept" ] || fail "it is not bare"

# As the workflow installs it; what the package depends on comes with it.
cp -f "$deb" "$root/tmp/iommucheck.deb"
inside 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends /tmp/iommucheck.deb clang-19 gcc libc6-dev' \
  >"$root/tmp/install.log" 2>&1 || fail "it is not installed: $(tail -n 5 "$root/tmp/install.log")"
inside 'iommucheck --version' >/dev/null || fail "the command does not run: $(inside 'iommucheck --version' 2>&1)"

# A driver, and the workflow's own steps.
inside 'rm -rf /work && mkdir /work && cd /work && iommucheck init driver mine && iommucheck init ci mine' >/dev/null || fail "init"
begin=$SECONDS
for step in Build Judge; do
  line=$(sed -n "/- name: $step\$/{n;s/^ *run: //p}" "$root/work/mine/.github/workflows/iommucheck.yml")
  [ -n "$line" ] || fail "the workflow has no step $step"
  inside "cd /work/mine && $line" >"$root/tmp/step.log" 2>&1 || fail "$step: $(tail -n 5 "$root/tmp/step.log")"
done
took=$((SECONDS - begin))
[ "$took" -lt "$seconds_most" ] || fail "the workflow takes $took s"
[ -s "$root/work/mine/out/iommucheck.sarif" ] || fail "there is no SARIF"
# The twin: it fails where the driver is wrong.
inside 'cd /work/mine && sed -i "1i #define FORGET_THE_INVALIDATION" driver.c && sh build.sh'
inside 'cd /work/mine && sh check.sh --runs 300 --findings 1' >"$root/tmp/twin.log" 2>&1 && fail "a wrong driver holds"
grep -q 'by put at driver.c:[0-9]*, in unmap at driver.c:' "$root/tmp/twin.log" || fail "a finding has no place: $(cat "$root/tmp/twin.log")"

# The other doors.
inside 'cd /work && iommucheck init device device && sh device/build.sh && sh device/check.sh --only "register*"' >/dev/null ||
  fail "a device"
inside 'cd /work && iommucheck init backend backend && sh backend/build.sh && sh backend/check.sh --runs 20 --out ""' >/dev/null ||
  fail "a backend"
inside "iommucheck ask 'use std; store word B 1 0; barrier; access 1 0x1000 r'" >/dev/null || fail "a question"
inside 'cd /work && iommucheck campaign c --driver builtin --runs 200 --slice 200' >/dev/null || fail "a campaign"
printf 'bare root: the package alone does what the README says; the workflow takes %s s\n' "$took"
