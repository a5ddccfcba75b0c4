#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Linux's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has drivers/ and include/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

[ "$#" -ge 2 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
examples=$here/../..
sources=$(cd -- "$1" && pwd)
plugin=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
include=$work/include
take() {
  [ -f "$sources/$1" ] || { printf 'build.sh: %s is not in the sources\n' "$sources/$1" >&2; exit 2; }
  mkdir -p "$include/$(dirname "$2")"
  ln -s "$sources/$1" "$include/$2"
}
for file in drivers/iommu/io-pgtable{.c,-arm.c,-arm.h} drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3{.c,.h}; do
  take "$file" "$file"
done
take include/linux/io-pgtable.h linux/io-pgtable.h

# Every other header that they include is linux_kernel.h.
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include"/drivers/iommu/*.c "$include"/linux/io-pgtable.h \
  "$include"/drivers/iommu/arm/arm-smmu-v3/* | sed -E 's/.*[<"](.*)[>"]/\1/' | sort -u |
  while IFS= read -r header; do
    case $header in arm-smmu-v3.h | io-pgtable-arm.h) continue ;; ../../*) header=drivers/iommu/${header#../../} ;; esac
    [ -e "$include/$header" ] && continue
    mkdir -p "$include/$(dirname "$header")"
    printf '#include "linux_kernel.h"\n' >"$include/$header"
  done

"${IOMMUCHECK:-iommucheck}" cc -std=gnu11 -ffreestanding -O2 -w -I "$include" -I "$here" -I "$here/../linux_io_pgtable" \
  -I "$examples/kernel_shim" "$@" -shared -o "$plugin" "$here/glue.c" "$examples/kernel_shim/kernel_shim.c"
