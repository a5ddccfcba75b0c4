#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Linux's io-pgtable-arm.c, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has drivers/ and include/
# IOMMUCHECK: the command (iommucheck).
set -euo pipefail

# shellcheck source=examples/drivers/foreign.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../foreign.sh"
begin_build "$@"
shift 2
take drivers/iommu/io-pgtable-arm.c io-pgtable-arm.c
take drivers/iommu/io-pgtable-arm.h io-pgtable-arm.h
take include/linux/io-pgtable.h linux/io-pgtable.h

# Every other header that they include is linux.h.
grep -hoE '^#include[[:space:]]+<[^>]+>' "$include/io-pgtable-arm.c" "$include/linux/io-pgtable.h" |
  sed -E 's/.*<(.*)>/\1/' | sort -u |
  stand_in linux.h

compile "$plugin" -I "$here/../.." "$@"
