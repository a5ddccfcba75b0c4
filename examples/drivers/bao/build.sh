#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Bao's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has src/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
take src/arch/armv8/armv8-a/smmuv3.c smmuv3.c
take src/arch/armv8/armv8-a/inc/arch/smmuv3.h arch/smmuv3.h
take src/lib/inc/bit.h bit.h
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include/smmuv3.c" | sed -E 's/.*[<"](.*)[>"]/\1/' | stand_in bao.h

compile "$plugin" -I "$here/.." "$@"
