/* SPDX-License-Identifier: MIT
 *
 * Processes, as the driver's neighbour: mm_structs over the tables that the door gives, their
 * notifiers by the tree's own mmu_notifier.c, and faults of theirs. A file of the tree's own
 * kbuild; with HAVE_SVA alone. */
#include "glue.h"

#ifdef HAVE_SVA
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

#define IS(name, function) asm(".globl " #name "\n.set " #name ", " #function);
#define OURS(name) IS(name, our_##name)

enum { PROCESSES = 32 };
/* By handle, from 1; NULL: nobody of it is bound. A handle is another's when its process ended. */
static struct mm_struct* processes[PROCESSES];

static struct mm_struct* find(iommucheck_handle handle) {
  return handle >= 1 && handle <= PROCESSES ? processes[handle - 1] : NULL;
}

/* ---- counts: mm_users ends the address space, mm_count its struct ---- */

void our___mmdrop(struct mm_struct* mm) {
  mmu_notifier_subscriptions_destroy(mm);
  mm_pasid_drop(mm);
  kfree(mm);
}
void our_mmput(struct mm_struct* mm) {
  if (!atomic_dec_and_test(&mm->mm_users)) return;
  mmu_notifier_release(mm);
  mmdrop(mm);
}

struct mm_struct* iommucheck_mm(const struct iommucheck_mm* given) {
  struct mm_struct* mm = find(given->mm);
  if (mm != NULL || given->table_pa == 0) return mm;
  if (given->mm < 1 || given->mm > PROCESSES) shim_panic("more processes than mm.c can count");
  mm = kzalloc(sizeof *mm, GFP_KERNEL);
  if (mm == NULL) return NULL;
  mm->pgd = __va(given->table_pa);
  atomic_set(&mm->mm_users, 1);
  atomic_set(&mm->mm_count, 1);
  atomic_long_set(&mm->mmap_lock.count, 1); /* held, says who asks */
  machine.mair = given->mair;
  return processes[given->mm - 1] = mm;
}

/* It has ended; or nobody is bound to it any more, and its end is not told. */
void iommucheck_leave_mm(struct mm_struct* mm) {
  int i = 0;
  while (i < PROCESSES && processes[i] != mm) ++i;
  if (i == PROCESSES) return;
  processes[i] = NULL;
  mmput(mm);
}

void iommucheck_mm_release(iommucheck_handle handle) {
  if (find(handle) != NULL) iommucheck_leave_mm(find(handle));
}

/* arm64's TLB maintenance names no more than so many pages: beyond, everything is told. */
void iommucheck_mm_invalidate(iommucheck_handle handle, u64 start, u64 bytes) {
  struct mm_struct* mm = find(handle);
  if (mm == NULL || bytes == 0) return;
  if (bytes >> PAGE_SHIFT > 1 << 21) {
    start = 0;
    bytes = -1UL;
  }
  mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, start + bytes);
}

int our_mm_take_all_locks(struct mm_struct* mm) { return 0; }
void our_call_srcu(void* domain, struct rcu_head* head, rcu_callback_t call) { call(head); }

/* ---- faults: everything may be touched, and who handles it says whether ---- */

void* our_mtree_load(void* tree, unsigned long address) {
  static struct vm_area_struct all;
  vm_flags_init(&all, VM_READ | VM_WRITE | VM_EXEC);
  return &all;
}

static const struct iopf_group* handled;
void iommucheck_begin_work(struct work_struct* work) {
  handled = container_of(work, struct iopf_group, work);
}

vm_fault_t our_handle_mm_fault(struct vm_area_struct* area, unsigned long address,
                               unsigned int flags, struct pt_regs* registers) {
  const struct iommucheck_platform* platform = shim_platform();
  const u32 prot = flags & FAULT_FLAG_WRITE         ? IOMMUCHECK_PROT_WRITE
                   : flags & FAULT_FLAG_INSTRUCTION ? IOMMUCHECK_PROT_EXEC
                                                    : IOMMUCHECK_PROT_READ;
  const u32 device = iommucheck_number(handled->fault_param->dev);
  const int answer = platform->handle_fault(platform->ctx, device,
                                            handled->last_fault.fault.prm.pasid, address, prot);
  return answer == IOMMUCHECK_FAULT_SUCCESS ? 0 : VM_FAULT_SIGSEGV;
}

OURS(__mmdrop)
OURS(mmput)
OURS(mm_take_all_locks)
OURS(call_srcu)
OURS(mtree_load)
OURS(handle_mm_fault)
#endif
