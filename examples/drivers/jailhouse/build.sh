#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A plug-in of Jailhouse's SMMUv3 driver, unmodified, from sources that you have.
#   build.sh SOURCES PLUGIN [COMPILER OPTIONS]     SOURCES: the folder that has hypervisor/
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
take hypervisor/arch/arm64/smmu-v3.c smmu-v3.c
grep -hoE '^#include[[:space:]]+[<"][^>"]+[>"]' "$include/smmu-v3.c" | sed -E 's/.*[<"](.*)[>"]/\1/' |
  stand_in jailhouse.h

compile "$plugin" -I "$here/.." "$@"
