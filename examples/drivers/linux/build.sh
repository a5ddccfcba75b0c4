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
fail() { printf 'build.sh: %s\n' "$*" >&2; exit 2; }
[ -d "$1/drivers/iommu/arm/arm-smmu-v3" ] || fail "$1 is no Linux tree: it has no drivers/iommu/arm/arm-smmu-v3"
command=$(command -v "${IOMMUCHECK:-iommucheck}") || fail "no ${IOMMUCHECK:-iommucheck}: IOMMUCHECK has to name it"
command=$(realpath "$command")
for tool in clang-19 ld.lld-19 llvm-ar-19 make flex bison bc; do
  command -v "$tool" >/dev/null || fail "kbuild needs $tool: apt-get install clang-19 lld-19 llvm-19 make flex bison bc"
done
named=$1
tree=$(cd -- "$1" && pwd)
plugin=$2
if [ "$#" -ge 3 ]; then
  mkdir -p "$3"
  work=$(cd -- "$3" && pwd)
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
# kbuild takes no tree in which something was built: it is seen without that, through links.
if [ -f "$tree/.config" ] || [ -d "$tree/include/config" ]; then
  links=$work/iommucheck_tree
  rm -rf "$links"
  cp -as "$tree/." "$links" # .git too: few links
  rm -rf "$links"/.config "$links"/include/{config,generated} "$links"/arch/*/include/generated
  tree=$links
fi
include=$here/../../../include
shim=$here/../../kernel_shim
iommu=drivers/iommu
smmu=$iommu/arm/arm-smmu-v3

# What it says is told if it fails.
quietly() {
  "$@" >"$work/iommucheck.log" 2>&1 || {
    grep -E -m 40 'error|Error|\*\*\*|not clean|not found|mrproper' "$work/iommucheck.log" >&2 ||
      tail -n 20 "$work/iommucheck.log" >&2
    fail "$named does not build as ARCH=um LLVM=-19; all that it said: $work/iommucheck.log"
  }
}
kbuild() { quietly make -C "$tree" O="$work" ARCH=um LLVM=-19 "$@"; }

# put FILE: standard input, as it is, if it is not there already (kbuild goes by dates).
put() {
  mkdir -p "$(dirname "$work/$1")"
  cat >"$work/iommucheck.new"
  cmp -s "$work/iommucheck.new" "$work/$1" || cp "$work/iommucheck.new" "$work/$1"
}

# kbuild takes a Kconfig of the output folder for the tree's. There an ARM64 is any machine with an MMU.
for file in $iommu/Kconfig $iommu/arm/Kconfig; do
  [ -f "$tree/$file" ] || continue
  sed 's/\bARM64\b/MMU/g' "$tree/$file" | put "$file"
done
if [ ! -f "$work/include/generated/autoconf.h" ]; then
  kbuild KCONFIG_ALLCONFIG="$here/config" allnoconfig
  kbuild prepare
fi
grep -q '^CONFIG_ARM_SMMU_V3=y' "$work/.config" || fail "$named has no CONFIG_ARM_SMMU_V3 for ARCH=um: see $work/.config"

# Files of ours, of that kbuild too.
put $iommu/iommucheck_glue.c <"$here/glue.c"
put $iommu/iommucheck_kernel.c <"$here/kernel.c"

# What the driver asks of an arm64 CPU (prelude.h has the rest): none of it is there.
{ grep -ohE '\bsystem_supports_[a-z0-9_]+' "$tree/$smmu"/*.c || true; } | sort -u | sed 's/.*/#define &() 0/' | put iommucheck_cpu.h

# What its headers have.
has=()
feature() { # NAME FILE PATTERN
  if [ -f "$tree/$2" ] && grep -zqE "$3" "$tree/$2"; then has+=("-D$1=1"); fi
}
feature HAVE_PAGING_ALLOC include/linux/iommu.h 'iommu_paging_domain_alloc\('
feature HAVE_IDENTITY_DOMAIN $smmu/arm-smmu-v3.c '\.identity_domain'
feature HAVE_BLOCKED_DOMAIN $smmu/arm-smmu-v3.c '\.blocked_domain'
feature HAVE_MAP_GFP include/linux/iommu.h 'iommu_map\([^)]*gfp_t'
feature HAVE_FWSPEC_INIT_OPS include/linux/iommu.h 'iommu_fwspec_init\([^)]*ops\)'
feature HAVE_IOMMU_PRIV $iommu/iommu-priv.h .
feature HAVE_ATTACH_HANDLE $iommu/iommu-priv.h 'iommu_replace_group_handle\('
feature HAVE_REPLACE_DOMAIN $iommu/iommu-priv.h 'iommu_group_replace_domain\('
feature HAVE_ATTACH_PASID include/linux/iommu.h 'iommu_attach_device_pasid\([^)]*iommu_attach_handle'
feature HAVE_REMOVE_NEW include/linux/platform_device.h 'remove_new'
version=$(make -s -C "$tree" O="$work" ARCH=um LLVM=-19 kernelversion | grep -E '^[0-9]')

# With hooks: what touches what the SMMU sees. Without: what these stand on. Those that the version has.
with=("$smmu"/arm-smmu-v3{,-sva}.o "$iommu"/io-pgtable{,-arm}.o "$iommu"/{iommu-pages,iommucheck_glue,iommucheck_kernel}.o)
without=("$iommu"/{iommu,iommu-sva,iommu-sva-lib,io-pgfault,ioasid}.o
  lib/{xarray,idr,radix-tree,rbtree,bitmap,find_bit,hweight,list_sort,sort}.o)
hooks=$(IOMMUCHECK_CC='echo' "$command" cc -c | sed -E 's/(^| )-c / /; s/-I[^ ]*//g')
prelude="-mcmodel=small -Wno-error -w -include $here/prelude.h -include $work/iommucheck_cpu.h"
ours="-I$here/include -I$here -I$include -I$shim -DIOMMUCHECK_LINUX_VERSION=\\\"$version\\\" ${has[*]} ${IOMMUCHECK_DOMAINS:+-DIOMMUCHECK_DOMAINS=$IOMMUCHECK_DOMAINS}"
objects=() flags=()
for object in "${with[@]}" "${without[@]}"; do
  source=${object%.o}.c
  [ -f "$tree/$source" ] || [ -f "$work/$source" ] || continue
  objects+=("$object")
  case $object in
    *iommucheck_*) flags+=("CFLAGS_${object##*/}=$hooks $prelude $ours") ;;
    lib/*) flags+=("CFLAGS_${object##*/}=-fPIC -mcmodel=small -w") ;;
    *) case " ${with[*]} " in
        *" $object "*) flags+=("CFLAGS_${object##*/}=$hooks $prelude") ;;
        *) flags+=("CFLAGS_${object##*/}=-fPIC -gline-tables-only $prelude") ;;
      esac ;;
  esac
done
kbuild -j"${IOMMUCHECK_JOBS:-$(nproc)}" "${flags[@]}" "${objects[@]}"

# A name that nobody has says so when it is called, and not before.
link() { (cd "$work" && "$command" cc -std=gnu11 -ffreestanding -O2 -w -I "$shim" "$@"); }
link -c -o iommucheck_symbols.o "$here/symbols.c"
link -c -o iommucheck_shim.o "$shim/kernel_shim.c"
objects+=(iommucheck_symbols.o iommucheck_shim.o)
all=("${objects[@]}" -shared "-Wl,-Bsymbolic" "-Wl,-z,notext" -fuse-ld=lld)
{
  printf 'void iommucheck_missing(const char* name);\n'
  { link "${all[@]}" -Wl,-z,defs -Wl,--error-limit=0 -o iommucheck_try.so 2>&1 || true; } |
    sed -nE 's/.*undefined symbol: ([A-Za-z0-9_]+).*/\1/p' | sort -u |
    sed 's/.*/void &(void); void &(void) { iommucheck_missing("&"); }/'
} >"$work/iommucheck_missing.c"
link "${all[@]}" iommucheck_missing.c -o iommucheck.so
cp "$work/iommucheck.so" "$plugin"
