#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Linux's io-pgtable-arm.c, unmodified, from sources that you have.
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
mkdir -p "$include/linux" "$include/asm"
take() {
  [ -f "$sources/$1" ] || { printf 'build.sh: %s is not in the sources\n' "$sources/$1" >&2; exit 2; }
  ln -s "$sources/$1" "$include/$2"
}
take drivers/iommu/io-pgtable-arm.c io-pgtable-arm.c
take drivers/iommu/io-pgtable-arm.h io-pgtable-arm.h
take include/linux/io-pgtable.h linux/io-pgtable.h

# Every other header that they include is linux.h.
grep -hoE '^#include[[:space:]]+<[^>]+>' "$include/io-pgtable-arm.c" "$include/linux/io-pgtable.h" |
  sed -E 's/.*<(.*)>/\1/' | sort -u |
  while IFS= read -r header; do
    [ -e "$include/$header" ] && continue
    mkdir -p "$include/$(dirname "$header")"
    printf '#include "linux.h"\n' >"$include/$header"
  done

"${IOMMUCHECK:-iommucheck}" cc -std=gnu11 -ffreestanding -O2 -w -I "$include" -I "$here" -I "$examples" \
  -I "$examples/kernel_shim" "$@" -shared -o "$plugin" "$here/glue.c" "$examples/kernel_shim/kernel_shim.c"
