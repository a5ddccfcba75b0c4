#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of the SMMUv3 driver of Arm's sysarch-acs, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has val/
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
for file in smmu_v3.c smmu_v3.h smmu_reg.h; do take "val/driver/smmu_v3/$file" "$file"; done
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include"/smmu_*.[ch] | sed -E 's/.*[<"](.*)[>"]/\1/' | stand_in acs.h

compile "$plugin" -I "$here/.." "$@"
