#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of FreeBSD's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has sys/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

[ "$#" -ge 2 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
sys=$(cd -- "$1/sys" && pwd)
plugin=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
include=$work/include

# What is taken from the sources, under the name that they include it by.
take() {
  [ -f "$sys/$1" ] || { printf 'build.sh: %s is not in the sources\n' "sys/$1" >&2; exit 2; }
  mkdir -p "$include/$(dirname "$2")"
  ln -s "$sys/$1" "$include/$2"
}
for file in sys/queue.h sys/tree.h sys/bitstring.h dev/iommu/iommu.h dev/iommu/iommu_types.h \
  arm64/iommu/{smmu.c,smmu_quirks.c,smmureg.h,smmuvar.h,iommu.h,iommu_pmap.c,iommu_pmap.h,iommu_pte.h}; do
  take "$file" "$file"
done
for file in armreg.h pte.h vm.h; do take "arm64/include/$file" "machine/$file"; done

# Every other header that they include is freebsd.h.
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$sys"/arm64/iommu/{smmu.c,smmu_quirks.c,iommu_pmap.c} \
  "$sys"/sys/{queue,tree,bitstring}.h | sed -E 's/.*[<"](.*)[>"]/\1/' | sort -u |
  while IFS= read -r header; do
    [ -e "$include/$header" ] && continue
    case $header in smmureg.h | smmuvar.h | iommu.h) continue ;; esac  # beside their sources
    mkdir -p "$include/$(dirname "$header")"
    printf '#include "freebsd.h"\n' >"$include/$header"
  done

"${IOMMUCHECK:-iommucheck}" cc -std=gnu11 -ffreestanding -O2 -w -I "$include" -I "$here" -I "$here/../../kernel_shim" "$@" \
  -shared -o "$plugin" "$here/glue.c" "$here/../../kernel_shim/kernel_shim.c"
