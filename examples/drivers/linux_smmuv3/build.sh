#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Linux's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has drivers/ and include/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
for file in drivers/iommu/io-pgtable{.c,-arm.c,-arm.h} drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3{.c,.h}; do
  take "$file" "$file"
done
take include/linux/io-pgtable.h linux/io-pgtable.h
take include/linux/ioasid.h linux/ioasid.h
take drivers/iommu/iommu-sva-lib.h drivers/iommu/iommu-sva-lib.h
case " $* " in
  *" -DSVA "*)
    for file in drivers/iommu/{ioasid,iommu-sva-lib,io-pgfault,arm/arm-smmu-v3/arm-smmu-v3-sva}.c; do
      take "$file" "$file"
    done
    functions drivers/iommu/iommu.c faults_of_iommu.c iommu_register_device_fault_handler \
      iommu_unregister_device_fault_handler iommu_report_device_fault iommu_page_response
    ;;
esac

# Every other header that they include is linux_kernel.h.
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include"/drivers/iommu/*.[ch] "$include"/linux/*.h \
  "$include"/drivers/iommu/arm/arm-smmu-v3/* | sed -E 's/.*[<"](.*)[>"]/\1/' | sort -u |
  while IFS= read -r header; do
    case $header in
      arm-smmu-v3.h | io-pgtable-arm.h | iommu-sva-lib.h) ;;
      ../../*) printf 'drivers/iommu/%s\n' "${header#../../}" ;;
      *) printf '%s\n' "$header" ;;
    esac
  done | stand_in linux_kernel.h

compile "$plugin" -I "$here/../linux_io_pgtable" "$@"
