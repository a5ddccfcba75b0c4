#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A copy of Bao's SMMUv3 driver without what is known to be wrong in it: what is judged then shows what else there is.
#   mend.sh SOURCES COPY     SOURCES: the folder that has src/; COPY: a folder that is made
set -euo pipefail

[ "$#" -eq 2 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
driver=src/arch/armv8/armv8-a/smmuv3.c
begin_mending "$1" "$2" "$driver" src/arch/armv8/armv8-a/inc/arch/smmuv3.h src/lib/inc/bit.h

# TORN_STE, and what follows from it: words 1 to 7 are told before V = 1 is stored.
mend "$driver" '/data\[0\] = STE_W0_V | (STE_W0_CONFIG_S2/s/^/smmuv3_cmdq_cfgi_ste(sid); smmuv3_cmdq_sync(); /'
# QUEUE_RECORD_ORDER: what is loaded comes behind the read of PROD, and before CONS is written.
mend "$driver" '/cons = \*smmu.evtq_cons & /s/$/ fence_ord_read();/'
mend "$driver" '/^    \*smmu.evtq_cons = cons;/s/^/    fence_sync();/'
# EVENT_OVERFLOW_ACK: OVACKFLG follows OVFLG.
mend "$driver" 's/prod = \*smmu.evtq_prod & wrapmask/told = *smmu.evtq_prod, prod = told \& wrapmask/'
mend "$driver" 's/evtq_cons = cons;/evtq_cons = cons | (told \& 1u << 31);/'
# EVENT_LEFT: until nothing has come meanwhile, no overflow either.
mend "$driver" 's/^    smmuv3_drain_events();/    do smmuv3_drain_events(); while ((*smmu.evtq_prod ^ *smmu.evtq_cons) \& 0x800000ff);/'
# PROMISE_OUTCOME: what calls itself translated is looked at, where there is ATS.
mend "$driver" 's/hw->CR0 = SMMUV3_CR0_CMDQEN/& | (smmu.hw->IDR0 >> 10 \& 1) << 4/'
