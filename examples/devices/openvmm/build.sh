#!/bin/sh
# SPDX-License-Identifier: MIT
# OpenVMM's SMMUv3 as ./openvmm_smmu.so, from its unmodified sources, with rustc alone:
#   build.sh OPENVMM [OUTPUT]     OPENVMM: a clone of github.com/microsoft/openvmm, or its smmu/src
# Exit status 77: there is no rustc, or one older than 1.85.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: build.sh OPENVMM [OUTPUT]}
output=${2:-openvmm_smmu.so}
[ -f "$source/lib.rs" ] || source=$source/vm/devices/iommu/smmu/src
[ -f "$source/lib.rs" ] || { echo "$1 has no vm/devices/iommu/smmu/src/lib.rs" >&2; exit 2; }
command -v rustc >/dev/null 2>&1 || { echo "skipped: there is no rustc"; exit 77; }
minor=$(rustc --version | sed 's/^rustc 1\.\([0-9]*\).*/\1/')
[ "$minor" -ge 85 ] || { echo "skipped: rustc 1.85 at least"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() { rustc --edition 2024 -O -L "$work" --out-dir "$work" "$@"; }

compile --crate-type proc-macro --crate-name macros --extern proc_macro "$here/macros.rs"
compile --crate-type rlib --crate-name stand_ins --extern "macros=$work/libmacros.so" \
  "$here/stand_ins.rs"
externs=
for name in anyhow bitfield_struct chipset_device guestmem inspect iommu_common mesh open_enum \
  pal_event parking_lot pci_core thiserror tracelimit tracing vmcore zerocopy; do
  externs="$externs --extern $name=$work/libstand_ins.rlib"
done
# shellcheck disable=SC2086
compile --crate-type rlib --crate-name smmu --cap-lints allow $externs "$source/lib.rs"
# shellcheck disable=SC2086
compile --crate-type cdylib --crate-name openvmm_smmu $externs \
  --extern "smmu=$work/libsmmu.rlib" "$here/shim.rs"
cp "$work/libopenvmm_smmu.so" "$output"
