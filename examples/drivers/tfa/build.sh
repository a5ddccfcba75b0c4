#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Trusted Firmware-A's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has drivers/ and include/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
take drivers/arm/smmu/smmu_v3.c smmu_v3.c
take include/drivers/arm/smmu_v3.h drivers/arm/smmu_v3.h
: >"$include/nothing.h"
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include/smmu_v3.c" "$include/drivers/arm/smmu_v3.h" |
  sed -E 's/.*[<"](.*)[>"]/\1/' | grep -v '^stdint.h$' | stand_in nothing.h

compile "$plugin" "$@"
