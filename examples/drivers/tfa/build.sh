#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Trusted Firmware-A's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has drivers/ and include/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

[ "$#" -ge 2 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
sources=$(cd -- "$1" && pwd)
plugin=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
include=$work/include
take drivers/arm/smmu/smmu_v3.c smmu_v3.c
take include/drivers/arm/smmu_v3.h drivers/arm/smmu_v3.h
: >"$include/nothing.h"
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include/smmu_v3.c" "$include/drivers/arm/smmu_v3.h" |
  sed -E 's/.*[<"](.*)[>"]/\1/' | grep -v '^stdint.h$' | stand_in nothing.h

compile "$plugin" "$@"
