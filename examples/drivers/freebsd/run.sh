#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# FreeBSD's SMMUv3 driver, unmodified, judged in the variants of expected.txt: what hides other bugs is
# mended from the glue in the later ones (glue.c). Ends with 0 if each variant breaks all the rules that are
# expected of it.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has sys/; OUT: reports and traces (out/freebsd)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
out=${2:-out/freebsd}
mkdir -p "$out"
status=0
number=0
while IFS='|' read -r flags machine rules; do
  case $flags in '#'* | '') continue ;; esac
  number=$((number + 1))
  # shellcheck disable=SC2086
  "$here/build.sh" "$1" "$out/freebsd-$number.so" $flags
  "${IOMMUCHECK:-iommucheck}" check --driver "$out/freebsd-$number.so" --machine "${machine// /}" --seed 1 --runs 400 \
    --time 300 --hang 1 --findings 30 --out "$out" >"$out/freebsd-$number.txt" 2>&1 || true
  found=$(sed -n 's/^VIOLATION \([A-Z_]*\).*/\1/p' "$out/freebsd-$number.txt" | sort -u)
  missing=$(comm -13 <(printf '%s\n' "$found") <(printf '%s\n' $rules | sort -u) | tr '\n' ' ')
  printf '%s (machine%s)\n  broken: %s\n' "${flags% }" "${machine% }" "$(tr '\n' ' ' <<<"$found")"
  [ -z "$missing" ] || { printf '  NOT FOUND: %s\n' "$missing"; status=1; }
done <"$here/expected.txt"
exit "$status"
