#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Jailhouse's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has hypervisor/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
take hypervisor/arch/arm64/smmu-v3.c smmu-v3.c
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include/smmu-v3.c" | sed -E 's/.*[<"](.*)[>"]/\1/' |
  stand_in jailhouse.h

compile "$plugin" -I "$here/.." "$@"
