#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Linux trees that IOMMUCHECK_LINUX names (with : between) break what is known of their versions and nothing
# else, and are as they were before. Skipped (77) where it names none.
#   linux_trees_test.sh IOMMUCHECK SOURCE WORK
set -euo pipefail

export IOMMUCHECK=$1
work=$3

if [ -z "${IOMMUCHECK_LINUX:-}" ]; then
  printf 'linux_trees: skipped: IOMMUCHECK_LINUX names no Linux tree (6.1 or later, with : between)\n'
  exit 77
fi
IFS=: read -ra trees <<<"$IOMMUCHECK_LINUX"
number=0
for tree in "${trees[@]}"; do
  number=$((number + 1))
  rm -rf "$work-$number"
  mkdir -p "$work-$number"
  touch "$work-$number/before"
  "$2/examples/drivers/linux/run.sh" "$tree" "$work-$number" >"$work-$number/report.txt" 2>&1 ||
    { cat "$work-$number/report.txt"; printf 'linux_trees: %s: see above\n' "$tree"; exit 1; }
  # KUnit cases, from 6.10 on.
  if [ -f "$tree/drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-test.c" ]; then
    "$2/examples/drivers/linux/kunit.sh" "$tree" "$work-$number/kunit" >"$work-$number/kunit.txt" 2>&1 ||
      { cat "$work-$number/kunit.txt"; printf 'linux_trees: KUnit of %s: see above\n' "$tree"; exit 1; }
  fi
  touched=$(find "$tree" -newer "$work-$number/before" -not -path '*/.git/*' | head -n 1)
  [ -z "$touched" ] || { printf 'linux_trees: %s was written to\n' "$touched"; exit 1; }
  tail -n 1 "$work-$number/report.txt"
done
