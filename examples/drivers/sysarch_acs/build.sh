#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of the SMMUv3 driver of Arm's sysarch-acs, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has val/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
for file in smmu_v3.c smmu_v3.h smmu_reg.h; do take "val/driver/smmu_v3/$file" "$file"; done
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include"/smmu_*.[ch] | sed -E 's/.*[<"](.*)[>"]/\1/' | stand_in acs.h

compile "$plugin" -I "$here/.." "$@"
