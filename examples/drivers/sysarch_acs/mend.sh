#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A copy of the SMMUv3 driver of sysarch-acs without what is known to be wrong in it but FIX_ORDER, which is the glue's.
#   mend.sh SOURCES COPY     SOURCES: the folder that has val/; COPY: a folder that is made
set -euo pipefail

[ "$#" -eq 2 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/drivers/foreign.sh
. "$here/../foreign.sh"
driver=val/driver/smmu_v3/smmu_v3.c
begin_mending "$1" "$2" "$driver" val/driver/smmu_v3/smmu_{v3,reg}.h

mend "$driver" '0,/^static /s//static void smmu_tlbi_cfgi(smmu_dev_t *); static int smmu_gbpa_write_sync(smmu_dev_t *, uint32_t);\nstatic /'
# WILD_STRUCTURE: tables begin as zeros, what leads to them is stored behind what they hold.
mend "$driver" 's/val_memory_alloc(2 \* l1_tbl_size)/val_memory_calloc(2, l1_tbl_size)/; s/val_memory_alloc(size\*2)/val_memory_calloc(2, size)/'
mend "$driver" 's/^    smmu_strtab_write_level1_desc(strtab/    dmbsy();&/'
# TORN_STE: words 1 to 3 are told before word 0 leads to them.
mend "$driver" 's/^    ste\[0\] = val;/    dmbsy(); smmu_tlbi_cfgi(master->smmu);&/'
# TAG_REGIMES, TAG_STAGE2: a number for each master.
mend "$driver" 's/cd\.asid = 0;/cd.asid = master->sid;/'
mend "$driver" 's/cfg->vmid = 0;/cfg->vmid = master->sid;/'
# PROMISE_TRANSIENT: CDs are given back when nothing leads to them any more.
mend "$driver" '/^    smmu_cdtab_free(master);/d; s/^    smmu_tlbi_cfgi(master->smmu);/& smmu_cdtab_free(master);/'
# WILD_STRUCTURE: an STE of two levels is where map has stored it.
mend "$driver" 's/strtab = master->smmu->strtab_cfg.strtab64 + .*/strtab = smmu_strtab_get_ste_for_sid(master->smmu, master_attr.streamid);/'
# PROMISE_OUTCOME: what is switched off denies.
mend "$driver" 's/ret = smmu_reg_write_sync(smmu, 0, SMMU_CR0_OFFSET, SMMU_CR0ACK_OFFSET);/smmu_gbpa_write_sync(smmu, SMMU_GBPA_ABORT); &/'
# TORN_STE, and TABLE_FREE: an STE that ends is told to be invalid before its words go, and TLBs are emptied behind that.
mend "$driver" 's/^    smmu_strtab_write_ste(NULL, strtab);/    strtab[0] = 1; dmbsy(); smmu_tlbi_cfgi(master->smmu);&/'
# CRASH_NEVER: align_to_size adds a size to what is aligned already.
mend "$driver" 's/val_memory_calloc (1, evntq_size)/val_memory_calloc (2, evntq_size)/'
# LEAK_NOTHING: masters are given back, and the CDs of those that are still attached.
mend "$driver" 's/^    val_memory_free(g_smmu);/    for (struct smmu_master_node *node = g_smmu_master_list_head, *next; node; node = next) { next = node->next; if (node->master->stage1_config.cdcfg.cdtab_ptr) smmu_cdtab_free(node->master); val_memory_free(node->master); val_memory_free(node); }&/'
# QUEUE_RECORD_ORDER: a record is loaded before CONS gives its slot back.
mend "$driver" 's/^    smmu_queue_read(evntq, event);/&dmbsy();/'
