/* SPDX-License-Identifier: MIT */
/* clang-format off
 *
 * FreeBSD's SMMUv3 driver behind the door: what its callers (sys/arm64/iommu/iommu.c and busdma) do,
 * and nothing more. They keep which ranges are mapped, so the glue answers for bad arguments;
 * whatever reaches memory or registers is done by smmu.c and iommu_pmap.c, which stand here as they
 * are.
 *
 * INPUT_BITS      how many bits of an address the caller believes in. smmu.c builds tables for 40, and
 *                 gives its callers 48: 48 shows what comes of it.
 * PLAY_MSI        completes a CMD_SYNC as if the SMMU had MSIs. Without it, and without IDR0.MSI, each
 *                 sync runs into its time-out, which smmu.c ignores.
 *
 * What is wrong in the driver and hides what comes behind it can be mended from here, the sources
 * untouched:
 *
 * FIX_QUEUE_SIZE  smmureg.h has PRIQ_BASE_WA as (1UL < 62), which is 1: queues claim twice their size.
 * FIX_ORDER       a write to a register orders the stores before it; bus_write_4 is one str.
 * FIX_ZEROS       contigmalloc orders its zeros before what is stored next.
 * FIX_WIDTH       EVENTQ_PROD and EVENTQ_CONS are read one by one.
 * FIX_READ_ORDER  what is loaded comes after the register that was read before it, and before the one
 *                 that is written behind it; bus_read_8 is one ldr.
 * FIX_ATTRIBUTES  CDs say that tables are walked write-back and shareable, as they are written.
 *
 * clang-format on */
#include "freebsd.h"

#include "arm64/iommu/smmureg.h"
#ifdef FIX_QUEUE_SIZE
#undef PRIQ_BASE_WA
#define PRIQ_BASE_WA (1ul << 62)
#endif

#ifdef FIX_ATTRIBUTES
#undef CD0_AA64
#define CD0_AA64 (1ul << 41 | 1ul << 8 /* IR0 */ | 1ul << 10 /* OR0 */ | 3ul << 12 /* SH0 */)
#endif

#include "arm64/iommu/iommu_pmap.c"
#include "arm64/iommu/smmu.c"
#include "arm64/iommu/smmu_quirks.c"

#ifndef INPUT_BITS
#define INPUT_BITS 40
#endif

enum { DOMAINS = 64, DEVICES = 64, STREAMS = 8, MAP_PAGES = 1024, BUCKETS = 256 };

struct device {
  int none;
};

int bootverbose;
struct driver_class smmu_driver;

static struct {
  const struct iommucheck_config* config;
  struct device device;
  struct smmu_softc softc;
  struct {
    struct iommu_domain* domain;
    int users;
  } domains[DOMAINS];
  struct {
    int added;
    iommucheck_handle domain;
    struct iommu_ctx* context[STREAMS];
  } devices[DEVICES];
  vm_page_t pages[BUCKETS];
  struct vm_page mapped[MAP_PAGES];
  vm_page_t mapped_at[MAP_PAGES];
} machine;

void* device_get_softc(device_t device) { return (void)device, &machine.softc; }
bool iommu_is_buswide_ctx(struct iommu_unit* unit, u_int bus) {
  return (void)unit, (void)bus, false;
}

/* ---- pages of tables ---- */

static vm_page_t* bucket_of(vm_paddr_t pa) { return &machine.pages[pa / PAGE_SIZE % BUCKETS]; }

vm_page_t vm_page_alloc_noobj(int request) {
  struct vm_page* page = shim_alloc(sizeof *page);
  void* memory;
  if (page == NULL) return NULL;
  do {
    memory = shim_dma_alloc(PAGE_SIZE, 0, (request & VM_ALLOC_ZERO) != 0, &page->pa);
  } while (memory == NULL && (request & VM_ALLOC_WAITOK) != 0);
  if (memory == NULL) return shim_free(page), NULL;
  page->ref_count = 1;
  page->next = *bucket_of(page->pa);
  return *bucket_of(page->pa) = page;
}

vm_page_t freebsd_page_at(vm_paddr_t pa) {
  vm_page_t page = *bucket_of(pa);
  while (page != NULL && page->pa != pa) page = page->next;
  if (page == NULL) panic("no page at 0x%lx", pa);
  return page;
}

void vm_page_free(vm_page_t page) {
  vm_page_t* place = bucket_of(page->pa);
  while (*place != page) place = &(*place)->next;
  *place = page->next;
  shim_dma_free(shim_va(page->pa));
  shim_free(page);
}

/* ---- waiting ---- */

void freebsd_spinwait(void) {
#ifdef PLAY_MSI
  const struct smmu_queue* q = &machine.softc.cmdq;
  const uint32_t last = q->lc.prod - 1;
  if (shim_read32(SMMU_CMDQ_CONS) == q->lc.prod) {
    *(volatile uint32_t*)((char*)q->vaddr + Q_IDX(q, last) * CMDQ_ENTRY_DWORDS * 8) = 0;
  }
#else
  shim_spin();
#endif
}

/* ---- life ---- */

static int init(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
                void** self) {
  shim_begin(platform, 0);
  machine.config = config;
  if (config->device_count > DEVICES || config->iommu_count != 1) return -IOMMUCHECK_ENODEV;
  LIST_INIT(&machine.softc.unit.domain_list);
  *self = &machine;
  return 0;
}

static int reset(void* self) {
  (void)self;
  shim_enter();
  switch (smmu_attach(&machine.device)) {
    case 0: return 0;
    case ENOMEM: return -IOMMUCHECK_ENOMEM;
    default: return -IOMMUCHECK_ENODEV;
  }
}

static void handle_irq(void* self, uint64_t source) {
  (void)self;
  shim_enter();
  if (source == IOMMUCHECK_IRQ_EVENT_QUEUE) smmu_event_intr(&machine.softc);
  if (source == IOMMUCHECK_IRQ_GLOBAL_ERROR) smmu_gerr_intr(&machine.softc);
}

static int device_add(void* self, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= machine.config->device_count) return -IOMMUCHECK_EINVAL;
  if (machine.devices[device].added) return -IOMMUCHECK_EEXIST;
  const struct iommucheck_device* config = machine.config->devices[device];
  if (config->stream_id_count > STREAMS) return -IOMMUCHECK_ENODEV;
  for (uint32_t n = 0; n < config->stream_id_count; ++n) {
    if (machine.softc.sid_bits < 32 && config->stream_ids[n] >> machine.softc.sid_bits != 0)
      return -IOMMUCHECK_ENODEV;
  }
  machine.devices[device].added = 1;
  return 0;
}

/* ---- domains: iommu_domain_alloc, iommu_domain_free ---- */

static struct smmu_domain* find(iommucheck_handle handle) {
  if (handle < 1 || handle > DOMAINS) return NULL;
  return (struct smmu_domain*)machine.domains[handle - 1].domain;
}

static int domain_alloc(void* self, const struct iommucheck_domain_params* params,
                        iommucheck_handle* handle) {
  (void)self;
  shim_enter();
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits != 0 && params->input_bits != INPUT_BITS) return IOMMUCHECK_NOT_BUILT;
  unsigned free_one = 0;
  while (free_one < DOMAINS && machine.domains[free_one].domain != NULL) ++free_one;
  if (free_one == DOMAINS) return IOMMUCHECK_NOT_BUILT;
  struct iommu_domain* domain = smmu_domain_alloc(&machine.device, &machine.softc.unit.iommu);
  if (domain == NULL) return -IOMMUCHECK_ENOMEM;
  domain->iommu = &machine.softc.unit.iommu;
  mtx_init(&domain->lock, "iommu domain", NULL, MTX_DEF);
  domain->end = 1ul << INPUT_BITS;
  machine.domains[free_one].domain = domain;
  machine.domains[free_one].users = 0;
  *handle = free_one + 1;
  return 0;
}

static pt_entry_t* entry_of(struct smmu_domain* domain, uint64_t iova) {
  int level;
  return pmap_pte(&domain->p, iova, &level);
}

static struct iommucheck_result unmap(void* self, iommucheck_handle handle, uint64_t iova,
                                      uint64_t bytes);

/* All that is mapped, lowest first: the next one at or above `iova`, or the end. */
static uint64_t next_mapped(struct smmu_domain* domain, uint64_t iova) {
  while (iova < domain->iodom.end) {
    int level;
    if (pmap_pte(&domain->p, iova, &level) != NULL) return iova;
    const unsigned shift = level == 0 ? 39 : level == 1 ? 30 : level == 2 ? 21 : 12;
    iova = ((iova >> shift) + 1) << shift;
  }
  return domain->iodom.end;
}

static int domain_free(void* self, iommucheck_handle handle) {
  shim_enter();
  struct smmu_domain* domain = find(handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (machine.domains[handle - 1].users != 0) return -IOMMUCHECK_EBUSY;
  /* iommu_domain_unload comes first: iommu_pmap_remove_pages panics where something is mapped. */
  for (uint64_t at = next_mapped(domain, 0); at < domain->iodom.end; at = next_mapped(domain, at)) {
    unmap(self, handle, at, PAGE_SIZE);
  }
  machine.domains[handle - 1].domain = NULL;
  smmu_domain_free(&machine.device, &domain->iodom);
  return 0;
}

static int domain_get_info(void* self, iommucheck_handle handle,
                           struct iommucheck_domain_info* info) {
  (void)self;
  shim_enter();
  const struct smmu_domain* domain = find(handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  info->input_bits = INPUT_BITS;
  info->output_bits = machine.softc.oas < 48 ? machine.softc.oas : 48;
  info->page_sizes = PAGE_SIZE;
  info->table_pa = domain->p.pm_l0_paddr;
  return 0;
}

/* ---- devices: iommu_get_ctx, iommu_free_ctx, one context a stream ---- */

static void leave(uint32_t device) {
  const uint32_t count = machine.config->devices[device]->stream_id_count;
  for (uint32_t n = 0; n < count; ++n) {
    if (machine.devices[device].context[n] == NULL) continue;
    smmu_ctx_free(&machine.device, machine.devices[device].context[n]);
    machine.devices[device].context[n] = NULL;
  }
  if (machine.devices[device].domain != 0)
    --machine.domains[machine.devices[device].domain - 1].users;
  machine.devices[device].domain = 0;
}

static int attach(void* self, iommucheck_handle handle, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= machine.config->device_count || !machine.devices[device].added)
    return -IOMMUCHECK_ENODEV;
  struct smmu_domain* domain = find(handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (machine.devices[device].domain == handle) return 0;
  leave(device); /* a context belongs to one domain for its life */
  const struct iommucheck_device* config = machine.config->devices[device];
  machine.devices[device].domain = handle;
  ++machine.domains[handle - 1].users;
  for (uint32_t n = 0; n < config->stream_id_count; ++n) {
    struct iommu_ctx* context =
        smmu_ctx_alloc(&machine.device, &domain->iodom, &machine.device, false);
    context->domain = &domain->iodom;
    ((struct smmu_ctx*)context)->sid = (int)config->stream_ids[n];
    machine.devices[device].context[n] = context;
    if (smmu_ctx_init(&machine.device, context) != 0) return leave(device), -IOMMUCHECK_ENOMEM;
  }
  return 0;
}

static int detach(void* self, iommucheck_handle handle, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= machine.config->device_count || !machine.devices[device].added)
    return -IOMMUCHECK_ENODEV;
  if (find(handle) == NULL || machine.devices[device].domain != handle) return -IOMMUCHECK_EINVAL;
  leave(device);
  return 0;
}

/* ---- map and unmap: iommu_map, iommu_unmap ---- */

static int fits(uint64_t start, uint64_t bytes, unsigned bits) {
  return start + (bytes - 1) >= start && (start + (bytes - 1)) >> bits == 0;
}

static int map(void* self, iommucheck_handle handle, uint64_t iova, uint64_t pa, uint64_t bytes,
               uint32_t prot) {
  struct iommucheck_domain_info info;
  (void)self;
  shim_enter();
  struct smmu_domain* domain = find(handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (bytes == 0) return 0;
  if ((iova | pa | bytes) % PAGE_SIZE != 0 || (prot & 7) == 0) return -IOMMUCHECK_EINVAL;
  if ((prot & ~(IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE | IOMMUCHECK_PROT_DEVICE)) != 0) {
    return IOMMUCHECK_NOT_BUILT;
  }
  domain_get_info(self, handle, &info);
  if (!fits(iova, bytes, INPUT_BITS) || !fits(pa, bytes, info.output_bits))
    return -IOMMUCHECK_ERANGE;
  if (bytes > MAP_PAGES * (uint64_t)PAGE_SIZE) return IOMMUCHECK_NOT_BUILT;
  for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
    if (entry_of(domain, iova + at) != NULL) return -IOMMUCHECK_EEXIST;
    machine.mapped[at / PAGE_SIZE].pa = pa + at;
    machine.mapped_at[at / PAGE_SIZE] = &machine.mapped[at / PAGE_SIZE];
  }
  vm_prot_t rights = VM_PROT_READ;
  if ((prot & IOMMUCHECK_PROT_WRITE) != 0) rights |= VM_PROT_WRITE;
  switch (smmu_map(&machine.device, &domain->iodom, iova, machine.mapped_at, bytes, rights)) {
    case 0: return 0;
    default: return -IOMMUCHECK_ENOMEM;
  }
}

static struct iommucheck_result unmap(void* self, iommucheck_handle handle, uint64_t iova,
                                      uint64_t bytes) {
  struct iommucheck_result result = {0, 0, 0};
  (void)self;
  shim_enter();
  struct smmu_domain* domain = find(handle);
  if (domain == NULL || bytes == 0 || (iova | bytes) % PAGE_SIZE != 0 ||
      !fits(iova, bytes, INPUT_BITS))
    return result;
  while (result.bytes < bytes && entry_of(domain, iova + result.bytes) != NULL)
    result.bytes += PAGE_SIZE;
  if (result.bytes != 0) smmu_unmap(&machine.device, &domain->iodom, iova, result.bytes);
  return result;
}

static uint64_t iova_to_phys(void* self, iommucheck_handle handle, uint64_t iova) {
  (void)self;
  shim_enter();
  struct smmu_domain* domain = find(handle);
  if (domain == NULL || iova >> INPUT_BITS != 0) return 0;
  const pt_entry_t* entry = entry_of(domain, iova);
  return entry == NULL ? 0 : (*entry & ~ATTR_MASK) | (iova & PAGE_MASK);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "FreeBSD smmu",
      .init = init,
      .reset = reset,
      .handle_irq = handle_irq,
      .device_add = device_add,
      .domain_alloc = domain_alloc,
      .domain_free = domain_free,
      .domain_get_info = domain_get_info,
      .attach = attach,
      .detach = detach,
      .map = map,
      .unmap = unmap,
      .iova_to_phys = iova_to_phys,
  };
  return &driver;
}
