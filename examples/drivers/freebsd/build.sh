#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of FreeBSD's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has sys/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
sources=$sources/sys
shift 2
for file in sys/queue.h sys/tree.h sys/bitstring.h dev/iommu/iommu.h dev/iommu/iommu_types.h \
  arm64/iommu/{smmu.c,smmu_quirks.c,smmureg.h,smmuvar.h,iommu.h,iommu_pmap.c,iommu_pmap.h,iommu_pte.h}; do
  take "$file" "$file"
done
for file in armreg.h pte.h vm.h; do take "arm64/include/$file" "machine/$file"; done

# Every other header that they include is freebsd.h.
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$sources"/arm64/iommu/{smmu.c,smmu_quirks.c,iommu_pmap.c} \
  "$sources"/sys/{queue,tree,bitstring}.h | sed -E 's/.*[<"](.*)[>"]/\1/' | sort -u |
  grep -vE '^(smmureg|smmuvar|iommu)\.h$' |  # beside their sources
  stand_in freebsd.h

compile "$plugin" "$@"
