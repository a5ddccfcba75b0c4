#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Linux's SMMUv3 driver, unmodified, judged in the variants of expected.txt. Ends with 0 if each breaks the
# rules that are expected of it, and no others.
#   run.sh SOURCES [OUT]     SOURCES: the folder that has drivers/ and include/; OUT: reports and traces
#                            (out/linux_smmuv3)
set -euo pipefail

[ "$#" -ge 1 ] || { sed -n '5,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
out=${2:-out/linux_smmuv3}
mkdir -p "$out"
status=0
number=0
while IFS='|' read -r flags machine rules; do
  case $flags in '#'* | '') continue ;; esac
  number=$((number + 1))
  # shellcheck disable=SC2086
  "$here/build.sh" "$1" "$out/smmuv3-$number.so" $flags
  "${IOMMUCHECK:-iommucheck}" check --driver "$out/smmuv3-$number.so" --machine "${machine// /}" --seed 1 \
    --runs "${IOMMUCHECK_RUNS:-1000}" --hang 2 --findings 10 --out "$out" >"$out/smmuv3-$number.txt" 2>&1 || true
  found=$(sed -n 's/^VIOLATION \([A-Z_]*\).*/\1/p' "$out/smmuv3-$number.txt" | sort -u)
  printf '%s (machine%s)\n  broken: %s\n  %s\n' "${flags% }" "${machine% }" "$(tr '\n' ' ' <<<"$found")" \
    "$(tail -n 1 "$out/smmuv3-$number.txt")"
  if [ "$found" != "$(printf '%s\n' $rules | sort -u)" ]; then
    printf '  EXPECTED: %s\n' "$rules"
    status=1
  fi
done <"$here/expected.txt"
exit "$status"
