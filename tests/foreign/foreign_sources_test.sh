#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Judges the drivers of others by their run.sh, of sources that the user names: IOMMUCHECK_BAO, IOMMUCHECK_JAILHOUSE,
# IOMMUCHECK_SYSARCH_ACS, IOMMUCHECK_TFA are folders. Without any of them it is skipped (77).
#   foreign_sources_test.sh IOMMUCHECK SOURCE WORK
set -euo pipefail

export IOMMUCHECK=$1
any=0
for driver in bao jailhouse sysarch_acs tfa; do
  name=IOMMUCHECK_${driver^^}
  [ -n "${!name:-}" ] || continue
  any=1
  "$2/examples/drivers/$driver/run.sh" "${!name}" "$3/$driver"
done
[ "$any" -eq 1 ] || { echo 'skipped: IOMMUCHECK_BAO and others name no sources'; exit 77; }
