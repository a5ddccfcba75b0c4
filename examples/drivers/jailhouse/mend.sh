#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A copy of Jailhouse's SMMUv3 driver without what is known to be wrong in it but FIX_CELL, which is the glue's.
#   mend.sh SOURCES COPY     SOURCES: the folder that has hypervisor/; COPY: a folder that is made
set -euo pipefail

[ "$#" -eq 2 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
driver=hypervisor/arch/arm64/smmu-v3.c
begin_mending "$1" "$2" "$driver"

# QUEUE_COMMAND_ILLEGAL: EL2's translations are there where IDR0.Hyp says so.
mend "$driver" 's/cmd.opcode = CMDQ_OP_TLBI_EL2_ALL;/if (mmio_read32(smmu->base) \& 1 << 9) &/'
# TORN_STE: an STE that is valid becomes invalid before another word of it is stored, and valid behind all of them.
mend "$driver" '/^	val = 0;/s/$/ if (smmu) { dst[0] = 0; dsb(ishst); arm_smmu_sync_ste_for_sid(smmu, sid); }/'
mend "$driver" '/^		dst\[0\] = val;/s/^/		dsb(ishst); if (smmu) arm_smmu_sync_ste_for_sid(smmu, sid);/'
# PROMISE_OUTCOME: what calls itself translated is looked at, where there is ATS.
mend "$driver" 's/enables = CR0_CMDQEN;/enables = CR0_CMDQEN | (mmio_read32(smmu->base) >> 10 \& 1) << 4;/'
