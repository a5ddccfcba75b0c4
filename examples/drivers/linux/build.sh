#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of a Linux tree's SMMUv3 driver, unmodified, by the tree's own headers and kbuild. Nothing is written
# to the tree.
#   build.sh DIR PLUGIN [WORK]     DIR: a Linux tree, from 6.1 on; WORK: a folder for kbuild's output, kept (a
#                                  temporary one). A file of WORK takes the place of the tree's of that name.
# IOMMUCHECK: the command (iommucheck); IOMMUCHECK_DOMAINS: how many callers may have (128). Needs clang-19, lld-19,
# llvm-19, make, flex, bison, bc.
set -euo pipefail

[ "$#" -ge 2 ] || { sed -n '5,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/linux/kbuild.sh
. "$here/kbuild.sh"
folder=${3:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
begin_kbuild "$1" "$folder" "$here/config"
ours="$ours ${IOMMUCHECK_DOMAINS:+-DIOMMUCHECK_DOMAINS=$IOMMUCHECK_DOMAINS}"

# Files of ours, of that kbuild too.
for file in glue kernel mm; do put "$iommu/iommucheck_$file.c" <"$here/$file.c"; done

# With hooks: what touches what the SMMU sees.
# shellcheck disable=SC2086 # several names
compile "$smmu"/arm-smmu-v3{,-sva}.o "$iommu"/io-pgtable{,-arm}.o "$iommu"/iommu-pages.o \
  "$iommu"/iommucheck_{glue,kernel,mm}.o -- "$iommu"/{iommu,iommu-sva,iommu-sva-lib,io-pgfault,ioasid}.o \
  mm/mmu_notifier.o $libraries
# PASIDs of domains and of processes are of one set (pasids.h).
llvm-objcopy-19 --globalize-symbol=iommu_global_pasid_ida "$work/$iommu/iommu.o"

link -c -o iommucheck_symbols.o "$here/symbols.c"
link -c -o iommucheck_shim.o "$shim/kernel_shim.c"
all=("${objects[@]}" iommucheck_symbols.o iommucheck_shim.o -shared "-Wl,-Bsymbolic" "-Wl,-z,notext" -fuse-ld=lld)
missing "${all[@]}"
link "${all[@]}" iommucheck_missing.c -o iommucheck.so
cp "$work/iommucheck.so" "$2"
