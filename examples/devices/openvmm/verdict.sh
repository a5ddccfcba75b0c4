#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether OpenVMM's SMMUv3 breaks what expected.txt says that it breaks:
#   verdict.sh OPENVMM [IOMMUCHECK]
# 0: it does; 1: other rules, or other kinds of one; 77: there is no rustc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
iommucheck=${2:-iommucheck}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/build.sh" "${1:?usage: verdict.sh OPENVMM [IOMMUCHECK]}" "$work/openvmm_smmu.so"
status=0
"$iommucheck" conform --device "$work/openvmm_smmu.so" --seed 1 --cases 1 --format json \
  >"$work/verdict.json" || status=$?
[ "$status" -le 1 ] || { cat "$work/verdict.json"; exit "$status"; }
# One line for each rule, and how many kinds of it were found.
grep -o '"rule":"[A-Z0-9_]*","family"' "$work/verdict.json" | cut -d'"' -f4 | LC_ALL=C sort | uniq -c |
  awk '{ print $2, $1 }' >"$work/found.txt"
grep -v '^#' "$here/expected.txt" | diff - "$work/found.txt" && echo "as expected"
