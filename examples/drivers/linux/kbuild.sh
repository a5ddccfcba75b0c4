# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What build.sh and kunit.sh share: a Linux tree's own kbuild, as ARCH=um, outside of the tree. Sourced by them.
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit "${status_of_failure:-2}"; }

# What kbuild and command say is told if they fail.
quietly() {
  "$@" >"$work/iommucheck.log" 2>&1 || {
    grep -E -m 40 'error|Error|\*\*\*|not clean|not found|mrproper' "$work/iommucheck.log" >&2 ||
      tail -n 20 "$work/iommucheck.log" >&2
    fail "$named does not build as ARCH=um LLVM=-19; all that it said: $work/iommucheck.log"
  }
}
jobs=${IOMMUCHECK_JOBS:-$(nproc)}
kbuild() { quietly make -C "$tree" O="$work" ARCH=um LLVM=-19 "$@"; }

# put FILE: standard input, as it is, if it is not there already (kbuild goes by dates).
put() {
  mkdir -p "$(dirname "$work/$1")"
  cat >"$work/iommucheck.new"
  cmp -s "$work/iommucheck.new" "$work/$1" || cp "$work/iommucheck.new" "$work/$1"
}

# begin_kbuild TREE WORK CONFIG: a kernel of CONFIG, prepared. Sets tree, work, command, include, shim.
begin_kbuild() {
  local tool file
  named=$1
  [ -d "$1/drivers/iommu/arm/arm-smmu-v3" ] || fail "$1 is no Linux tree: it has no drivers/iommu/arm/arm-smmu-v3"
  command=$(command -v "${IOMMUCHECK:-iommucheck}") || fail "no ${IOMMUCHECK:-iommucheck}: IOMMUCHECK has to name it"
  command=$(realpath "$command")
  for tool in clang-19 ld.lld-19 llvm-ar-19 llvm-objcopy-19 make flex bison bc; do
    command -v "$tool" >/dev/null || fail "kbuild needs $tool: apt-get install clang-19 lld-19 llvm-19 make flex bison bc"
  done
  tree=$(cd -- "$1" && pwd)
  mkdir -p "$2"
  work=$(cd -- "$2" && pwd)
  # kbuild takes no tree in which something was built: it is seen without that, through links.
  if [ -f "$tree/.config" ] || [ -d "$tree/include/config" ]; then
    local links=$work/iommucheck_tree
    rm -rf "$links"
    cp -as "$tree/." "$links" # .git too: few links
    rm -rf "$links"/.config "$links"/include/{config,generated} "$links"/arch/*/include/generated
    tree=$links
  fi
  include=$here/../../../include
  shim=$here/../../kernel_shim
  iommu=drivers/iommu
  smmu=$iommu/arm/arm-smmu-v3
  # kbuild takes a Kconfig of the output folder for the tree's. There an ARM64 is any machine with an MMU, and memory is
  # to be synced for devices that do not look into caches.
  for file in $iommu/Kconfig $iommu/arm/Kconfig kernel/dma/Kconfig; do
    [ -f "$tree/$file" ] || continue
    sed 's/\bARM64\b/MMU/g; s/def_bool ARCH_HAS_SYNC_DMA_FOR_DEVICE\b/def_bool y/' "$tree/$file" | put "$file"
  done
  if [ ! -f "$work/include/generated/autoconf.h" ]; then
    kbuild KCONFIG_ALLCONFIG="$3" allnoconfig
    kbuild -j"$jobs" prepare
  fi
  grep -q '^CONFIG_ARM_SMMU_V3=y' "$work/.config" || fail "$named has no CONFIG_ARM_SMMU_V3 for ARCH=um: see $work/.config"
  # What the driver asks of an arm64 CPU (prelude.h has the rest): none of it is there.
  { grep -ohE '\bsystem_supports_[a-z0-9_]+' "$tree/$smmu"/*.c || true; } | sort -u | sed 's/.*/#define &() 0/' | put iommucheck_cpu.h
  find_features
  hooks=$(IOMMUCHECK_CC='echo' "$command" cc -c | sed -E 's/(^| )-c / /; s/-I[^ ]*//g')
  prelude="-mcmodel=small -Wno-error -w -include $here/prelude.h -include $work/iommucheck_cpu.h"
  ours="-I$here/include -I$here -I$include -I$shim -DIOMMUCHECK_LINUX_VERSION=\\\"$version\\\" ${has[*]}"
}

# What the tree's headers have: version, has.
has=()
feature() { # NAME FILE PATTERN
  if [ -f "$tree/$2" ] && grep -zqE "$3" "$tree/$2"; then has+=("-D$1=1"); fi
}
find_features() {
  feature HAVE_PAGING_ALLOC include/linux/iommu.h 'iommu_paging_domain_alloc\('
  feature HAVE_IDENTITY_DOMAIN "$smmu/arm-smmu-v3.c" '\.identity_domain'
  feature HAVE_DOMAIN_OWNER include/linux/iommu.h 'struct iommu_ops \*owner'
  feature HAVE_BLOCKED_DOMAIN "$smmu/arm-smmu-v3.c" '\.blocked_domain'
  feature HAVE_MAP_GFP include/linux/iommu.h 'iommu_map\([^)]*gfp_t'
  feature HAVE_FWSPEC_INIT_OPS include/linux/iommu.h 'iommu_fwspec_init\([^)]*ops\)'
  feature HAVE_IOMMU_PRIV "$iommu/iommu-priv.h" .
  feature HAVE_ATTACH_HANDLE "$iommu/iommu-priv.h" 'iommu_replace_group_handle\('
  feature HAVE_REPLACE_DOMAIN "$iommu/iommu-priv.h" 'iommu_group_replace_domain\('
  feature HAVE_ATTACH_PASID include/linux/iommu.h 'iommu_attach_device_pasid\([^)]*iommu_attach_handle'
  feature HAVE_SVA include/linux/iommu.h 'iommu_attach_device_pasid\([^)]*iommu_attach_handle' # processes, by 6.12's calls
  feature HAVE_DEVICE_FEATURES include/linux/iommu.h 'iommu_dev_enable_feature\('
  feature HAVE_REMOVE_NEW include/linux/platform_device.h 'remove_new'
  version=$(make -s -C "$tree" O="$work" ARCH=um LLVM=-19 kernelversion | grep -E '^[0-9]')
}

# compile NAMES OF WITH HOOKS -- NAMES WITHOUT: those of them that the version has become $objects. Without hooks is what
# the others stand on.
compile() {
  local object hooked=1 flags=()
  objects=()
  for object in "$@"; do
    if [ "$object" = -- ]; then hooked=0; continue; fi
    [ -f "$tree/${object%.o}.c" ] || [ -f "$work/${object%.o}.c" ] || continue
    objects+=("$object")
    case $object in
      *iommucheck_*) flags+=("CFLAGS_${object##*/}=$hooks $prelude $ours") ;;
      lib/*) flags+=("CFLAGS_${object##*/}=-fPIC -mcmodel=small -w") ;;
      *) if [ "$hooked" = 1 ]; then
           flags+=("CFLAGS_${object##*/}=$hooks $prelude")
         else
           flags+=("CFLAGS_${object##*/}=-fPIC -gline-tables-only $prelude")
         fi ;;
    esac
  done
  kbuild -j"$jobs" "${flags[@]}" "${objects[@]}"
}
# shellcheck disable=SC2034 # for who sources this
libraries="lib/xarray.o lib/idr.o lib/radix-tree.o lib/rbtree.o lib/bitmap.o lib/find_bit.o lib/hweight.o lib/list_sort.o lib/sort.o"

link() { (cd "$work" && "$command" cc -std=gnu11 -ffreestanding -O2 -w -I "$shim" "$@"); }

# missing ARGUMENTS OF link: writes functions for the names that nobody has: each says so when it is called.
missing() {
  {
    printf 'void iommucheck_missing(const char* name);\n'
    { link "$@" -Wl,-z,defs -Wl,--error-limit=0 -o iommucheck_try.so 2>&1 || true; } |
      sed -nE 's/.*undefined symbol: ([A-Za-z0-9_]+).*/\1/p' | sort -u |
      sed 's/.*/void &(void); void &(void) { iommucheck_missing("&"); }/'
  } >"$work/iommucheck_missing.c"
}
