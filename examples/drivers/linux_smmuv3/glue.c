/* SPDX-License-Identifier: MIT
 *
 * Linux's SMMUv3 driver, drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c with its tables, as they are,
 * behind the door: what their callers (iommu.c, the buses, the interrupt core) do, and nothing
 * more. One context at a time. Devices that have ATS are PCI devices with ATS. Without -DSVA nobody
 * has PASIDs, and nothing stalls; with it, arm-smmu-v3-sva.c and what it stands on are there, too
 * (glue_sva.h).
 *
 * What is wrong in the driver and hides what comes behind it can be mended from here:
 *
 *   -DFIX_ORDER  a WRITE_ONCE orders the stores before it: the STEs of a second-level stream table
 *                before the L1STD that leads to them
 *   -DFIX_L1STD  CMD_CFGI_STE goes out with Leaf = 0
 *   -DFIX_GBPA   GBPA.ABORT is set when the SMMU goes off, as firmware might have
 *   -DFIX_TTL    CMD_TLBI_NH_VA goes out without a level
 *   -DFIX_SYNC   what unmap_fast has gathered is invalidated before a detach
 *   -DFIX_ALL    these five
 *
 * and of SVA:
 *
 *   -DFIX_ASID      an attach that fails gives its ASID back
 *   -DFIX_STALL     faults stall where they have a PASID and IOMMU_DEV_FEAT_IOPF is enabled
 *   -DFIX_QUIET     those of a process that has gone do not, and leave no record
 *   -DFIX_IDLE      what still stalls is answered before an unbind or an exit returns
 *   -DFIX_NUMBERS   a PASID is given back with the last bond, and the lowest is not the next one
 *   -DFIX_WHOLE     a notifier is told of the 48 bits that there are, not of all that a word holds,
 *   -DFIX_SCALE     and of 8 TiB at a time, so that a SCALE has 5 bits
 *
 * -DLATE_WORK: faults are handled at the interrupt after theirs, not at once.
 */
#ifdef FIX_ALL
#define FIX_ORDER
#define FIX_L1STD
#define FIX_GBPA
#define FIX_SYNC
#define FIX_TTL
#endif
#include "linux_kernel.h"

#include "drivers/iommu/io-pgtable-arm.c"
#undef pr_fmt
#include "drivers/iommu/io-pgtable.c"

#include "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.h"
#ifdef FIX_L1STD
#undef CMDQ_CFGI_1_LEAF
#define CMDQ_CFGI_1_LEAF 0
#endif
#ifdef FIX_TTL /* in arm_smmu_cmdq_build_cmd; one page of no level is no range, or it is reserved \
                */
#undef CMDQ_TLBI_1_TTL
#undef CMDQ_TLBI_1_TG
#define CMDQ_TLBI_1_TTL 0
#define CMDQ_TLBI_1_TG (ent->tlbi.num != 0 || ent->tlbi.scale != 0 ? GENMASK(11, 10) : 0)
#endif
#ifdef FIX_STALL /* in arm_smmu_write_ctx_desc */
#undef CTXDESC_CD_0_S
#define CTXDESC_CD_0_S (ssid != 0 && asks_for_faults(smmu_domain) ? 1ul << 44 : 0)
static bool asks_for_faults(const struct arm_smmu_domain* domain) {
  return !list_empty(&domain->devices) &&
         list_first_entry(&domain->devices, struct arm_smmu_master, domain_head)->iopf_enabled;
}
#endif
#ifdef FIX_QUIET /* val |= EPD0, in arm_smmu_write_ctx_desc */
#undef CTXDESC_CD_0_TCR_EPD0
#define CTXDESC_CD_0_TCR_EPD0 quiet(&val)
static u64 quiet(u64* word) {
  *word &= ~(1ul << 44 | CTXDESC_CD_0_R);
  return 1ul << 14;
}
#endif
#ifdef FIX_ORDER
#undef WRITE_ONCE
#define WRITE_ONCE(x, value) \
  (shim_barrier(IOMMUCHECK_DMA_WMB), *(volatile __typeof__(x)*)&(x) = (value))
#endif
#include "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c"
#ifdef SVA
#ifdef FIX_NUMBERS
#define xa_alloc xa_alloc_next
#endif
#include "drivers/iommu/ioasid.c"
#undef xa_alloc
#include "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c"
#include "drivers/iommu/io-pgfault.c"
#include "drivers/iommu/iommu-sva-lib.c"
#include "faults_of_iommu.c"
#endif

enum { DOMAINS = 256, DEVICES = 64, ACTIONS = 8, BLOCKS = 512, IRQS = 3 };
enum { EVENT_IRQ = 1, ERROR_IRQ = 2 };

static struct {
  const struct iommucheck_config* config;
  struct platform_device platform;
  struct resource registers;
  int up;
  u32 output_bits;
  struct pci_dev devices[DEVICES];
  struct iommu_fwspec fwspecs[DEVICES];
  int added[DEVICES];
  iommucheck_handle domain_of[DEVICES];
  struct {
    struct iommu_domain* domain;
    unsigned users;
    struct iommu_iotlb_gather gather;
  } domains[DOMAINS];
  struct {
    void (*action)(void*);
    void* data;
  } actions[ACTIONS];
  unsigned action_count;
  void* blocks[BLOCKS];
  struct {
    irq_handler_t handler, thread;
    void* data;
  } irqs[IRQS];
} it;

/* ---- what the kernel gives ---- */

struct device* driver_find_device_by_fwnode(struct device_driver* driver,
                                            struct fwnode_handle* node) {
  (void)driver;
  (void)node;
  return &it.platform.dev;
}
struct resource* platform_get_resource(struct platform_device* device, unsigned type, unsigned n) {
  (void)device;
  (void)type;
  (void)n;
  return &it.registers;
}
int platform_get_irq_byname_optional(struct platform_device* device, const char* name) {
  (void)device;
  return name[0] == 'e' ? EVENT_IRQ : name[0] == 'g' ? ERROR_IRQ : -ENXIO;
}
int of_property_read_u32(void* node, const char* name, u32* value) {
  (void)node;
  (void)name;
  *value = 1; /* #iommu-cells */
  return 0;
}
bool of_dma_is_coherent(void* node) {
  (void)node;
  return true;
}
bool dev_is_pci(struct device* device) { return to_pci_dev(device)->has_ats != 0; }
void ats_enable(struct pci_dev* pci, int on) {
  shim_ats_enable(it.config, (uint32_t)(pci - it.devices), on);
}

void* dmam_alloc_coherent(struct device* device, size_t bytes, dma_addr_t* dma, gfp_t flags) {
  size_t align = PAGE_SIZE;
  int i;
  (void)device;
  (void)flags;
  while (align < bytes) align *= 2;
  for (i = 0; i < BLOCKS && it.blocks[i] != NULL; ++i) continue;
  if (i == BLOCKS) shim_panic("more blocks than the glue can count");
  return it.blocks[i] = shim_dma_alloc(bytes, align, 1, dma);
}
void dmam_free_coherent(struct device* device, size_t bytes, void* memory, dma_addr_t dma) {
  int i;
  (void)device;
  (void)bytes;
  (void)dma;
  for (i = 0; i < BLOCKS && it.blocks[i] != memory; ++i) continue;
  if (i == BLOCKS) shim_panic("free of memory that was not given");
  it.blocks[i] = NULL;
  shim_dma_free(memory);
}
int devm_add_action_or_reset(struct device* device, void (*action)(void*), void* data) {
  (void)device;
  if (it.action_count == ACTIONS) shim_panic("more actions than the glue can count");
  it.actions[it.action_count].action = action;
  it.actions[it.action_count++].data = data;
  return 0;
}
int devm_request_threaded_irq(struct device* device, unsigned irq, irq_handler_t handler,
                              irq_handler_t thread, unsigned long flags, const char* name,
                              void* data) {
  (void)device;
  (void)flags;
  (void)name;
  it.irqs[irq].handler = handler;
  it.irqs[irq].thread = thread;
  it.irqs[irq].data = data;
  return 0;
}

static struct iommu_domain* find_domain(iommucheck_handle handle) {
  return handle >= 1 && handle <= DOMAINS ? it.domains[handle - 1].domain : NULL;
}

#ifdef SVA
#include "glue_sva.h"
#endif

/* ---- life ---- */

static int init(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
                void** self) {
  static const unsigned char sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  const u32 idr0 = platform->mmio_read32(platform->ctx, ARM_SMMU_IDR0);
  shim_begin(platform, 0);
  it.config = config;
  it.registers.size = SZ_128K;
  it.platform.dev.of_node = &it;
  it.output_bits = sizes[platform->mmio_read32(platform->ctx, ARM_SMMU_IDR5) & 7];
#ifdef SVA
  sva_begin(idr0, platform->mmio_read32(platform->ctx, ARM_SMMU_IDR5));
#endif
  *self = &it;
  /* dma_alloc_coherent is not cached where the SMMU does not look into caches: not of this shim. */
  return (idr0 & IDR0_COHACC) ? 0 : -IOMMUCHECK_ENODEV;
}

static int translated(int error) { return error == -ENXIO ? -IOMMUCHECK_ENODEV : error; }

static int reset(void* self) {
  (void)self;
  shim_enter();
  return translated(arm_smmu_driver.probe(&it.platform));
}

static int shutdown(void* self) {
  int i;
  (void)self;
  shim_enter();
  for (i = 0; i < DEVICES; ++i) {
#ifdef SVA
    if (it.added[i]) sva_device_goes((u32)i);
#endif
    if (it.added[i]) arm_smmu_ops.release_device(&it.devices[i].dev);
    it.added[i] = 0;
  }
  for (i = 0; i < DOMAINS; ++i) {
    if (it.domains[i].domain) it.domains[i].domain->ops->free(it.domains[i].domain);
    it.domains[i].domain = NULL;
  }
#ifdef FIX_GBPA
  arm_smmu_update_gbpa(it.platform.dev.drvdata, GBPA_ABORT, 0);
#endif
  arm_smmu_driver.remove(&it.platform);
  while (it.action_count != 0) {
    --it.action_count;
    it.actions[it.action_count].action(it.actions[it.action_count].data);
  }
  for (i = 0; i < BLOCKS; ++i) {
    if (it.blocks[i] != NULL) shim_dma_free(it.blocks[i]);
    it.blocks[i] = NULL;
  }
  return 0;
}

static int device_add(void* self, u32 number) {
  const struct iommucheck_device* config;
  struct device* device = &it.devices[number].dev;
  unsigned i;
  (void)self;
  if (number >= it.config->device_count || number >= DEVICES) return -IOMMUCHECK_EINVAL;
  if (it.added[number]) return -IOMMUCHECK_EEXIST;
  shim_enter();
  config = it.config->devices[number];
  it.fwspecs[number].ops = &arm_smmu_ops;
  it.fwspecs[number].num_ids = config->stream_id_count;
  for (i = 0; i < config->stream_id_count; ++i) it.fwspecs[number].ids[i] = config->stream_ids[i];
  it.fwspecs[number].flags = config->flags & IOMMUCHECK_DEVICE_ATS ? IOMMU_FWSPEC_PCI_RC_ATS : 0;
  it.devices[number].has_ats = (config->flags & IOMMUCHECK_DEVICE_ATS) != 0;
  ats_enable(&it.devices[number], 0);
  device->fwspec = &it.fwspecs[number];
#ifdef SVA
  it.devices[number].pasid_bits = config->ssid_bits;
  it.devices[number].can_stall = (config->flags & IOMMUCHECK_DEVICE_STALL) != 0;
  sva_device_comes(number);
#endif
  const struct iommu_device* made = arm_smmu_ops.probe_device(device);
  if (IS_ERR(made)) return PTR_ERR(made) == -ERANGE ? -IOMMUCHECK_ENODEV : (int)PTR_ERR(made);
  it.added[number] = 1;
  return 0;
}

static void handle_irq(void* self, u64 source) {
  const int irq = (u32)source == IOMMUCHECK_IRQ_EVENT_QUEUE    ? EVENT_IRQ
                  : (u32)source == IOMMUCHECK_IRQ_GLOBAL_ERROR ? ERROR_IRQ
                                                               : 0;
  (void)self;
  shim_enter();
  if (irq == 0) return;
#if defined SVA && defined LATE_WORK
  flush_workqueue(NULL);
#endif
  if (it.irqs[irq].handler) it.irqs[irq].handler(irq, it.irqs[irq].data);
  if (it.irqs[irq].thread) it.irqs[irq].thread(irq, it.irqs[irq].data);
#if defined SVA && !defined LATE_WORK
  flush_workqueue(NULL);
#endif
}

/* ---- domains, as iommu.c has them ---- */

static int domain_alloc(void* self, const struct iommucheck_domain_params* params,
                        iommucheck_handle* handle) {
  const int paging = params->kind == IOMMUCHECK_DOMAIN_PAGING;
  int i = 0;
  (void)self;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!paging && params->kind != IOMMUCHECK_DOMAIN_IDENTITY) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits != 0 && params->input_bits != 48) return IOMMUCHECK_NOT_BUILT;
  while (i < DOMAINS && it.domains[i].domain != NULL) ++i;
  if (i == DOMAINS) return IOMMUCHECK_NOT_BUILT;
  struct iommu_domain* domain =
      arm_smmu_ops.domain_alloc(paging ? IOMMU_DOMAIN_UNMANAGED : IOMMU_DOMAIN_IDENTITY);
  if (domain == NULL) return -IOMMUCHECK_ENOMEM;
  domain->ops = arm_smmu_ops.default_domain_ops;
  domain->type = paging ? IOMMU_DOMAIN_UNMANAGED : IOMMU_DOMAIN_IDENTITY;
  domain->pgsize_bitmap = arm_smmu_ops.pgsize_bitmap;
  it.domains[i].domain = domain;
  it.domains[i].users = 0;
  iommu_iotlb_gather_init(&it.domains[i].gather);
  *handle = (iommucheck_handle)i + 1;
  return 0;
}

static int domain_free(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (it.domains[handle - 1].users != 0) return -IOMMUCHECK_EBUSY;
  shim_enter();
  domain->ops->free(domain);
  it.domains[handle - 1].domain = NULL;
  return 0;
}

static int domain_get_info(void* self, iommucheck_handle handle,
                           struct iommucheck_domain_info* info) {
  const struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  info->input_bits = 48;
  info->output_bits = it.output_bits;
  info->page_sizes = domain->type == IOMMU_DOMAIN_IDENTITY ? 0 : SZ_4K | SZ_2M | SZ_1G;
  info->table_pa = 0;
  return 0;
}

static int iotlb_sync(void* self, iommucheck_handle handle);
static int detach(void* self, iommucheck_handle handle, u32 device) {
  (void)self;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  if (find_domain(handle) == NULL || it.domain_of[device] != handle) return -IOMMUCHECK_EINVAL;
  shim_enter();
#ifdef FIX_SYNC
  if (it.domains[handle - 1].domain->type != IOMMU_DOMAIN_IDENTITY) iotlb_sync(self, handle);
#endif
#ifdef SVA
  sva_disable(device);
#endif
  /* What release_device does; detaching callers of iommu.c put an empty domain there instead. */
  arm_smmu_detach_dev(dev_iommu_priv_get(&it.devices[device].dev));
  --it.domains[handle - 1].users;
  it.domain_of[device] = 0;
  return 0;
}

/* A domain has PASIDs and stalls as its first device: callers have one for each group. */
static int is_for_others(const struct arm_smmu_domain* domain,
                         const struct arm_smmu_master* master) {
  return domain->smmu != NULL && domain->stage == ARM_SMMU_DOMAIN_S1 &&
         (domain->s1_cfg.s1cdmax != master->ssid_bits ||
          domain->stall_enabled != master->stall_enabled);
}

static int attach(void* self, iommucheck_handle handle, u32 device) {
  struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (it.domain_of[device] == handle) return 0;
  if (is_for_others(to_smmu_domain(domain), dev_iommu_priv_get(&it.devices[device].dev))) {
    return IOMMUCHECK_NOT_BUILT;
  }
  shim_enter();
  const iommucheck_handle old = it.domain_of[device];
  const int error = domain->ops->attach_dev(domain, &it.devices[device].dev);
#ifdef FIX_ASID
  for (u32 asid = 1; error == -ENOMEM && asid < ARM_SMMU_MAX_ASIDS; ++asid) {
    if (to_smmu_domain(domain)->smmu != NULL) break;
    if (xa_load(&arm_smmu_asid_xa, asid) != &to_smmu_domain(domain)->s1_cfg.cd) continue;
    xa_erase(&arm_smmu_asid_xa, asid);
  }
#endif
  if (old != 0) --it.domains[old - 1].users;
  it.domain_of[device] = error == 0 ? handle : 0;
  if (error == 0) ++it.domains[handle - 1].users;
#ifdef SVA
  if (error == 0 && sva_enable(device) != 0) shim_panic("SVA cannot be enabled again");
#endif
  return translated(error);
}

static int device_remove(void* self, u32 device) {
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_EINVAL;
  (void)self;
  shim_enter();
#ifdef SVA
  sva_device_goes(device); /* by its driver, which goes first */
#endif
  arm_smmu_ops.release_device(&it.devices[device].dev);
  dev_iommu_priv_set(&it.devices[device].dev, NULL);
  if (it.domain_of[device] != 0) --it.domains[it.domain_of[device] - 1].users;
  it.domain_of[device] = 0;
  it.added[device] = 0;
  return 0;
}

/* A domain gets its tables with its first device; nobody maps before. */
static int is_ready(const struct iommu_domain* domain) {
  return to_smmu_domain((struct iommu_domain*)domain)->pgtbl_ops != NULL;
}

static u64 page_for(const struct iommu_domain* domain, u64 iova, u64 pa, u64 bytes, u64* count) {
  static const u64 sizes[] = {SZ_1G, SZ_2M, SZ_4K};
  u64 larger = 0, till;
  int i;
  for (i = 0; i < 2; larger = sizes[i++]) {
    if ((domain->pgsize_bitmap & sizes[i]) == 0) continue;
    if (((iova | pa) & (sizes[i] - 1)) == 0 && bytes >= sizes[i]) break;
  }
  till = larger == 0 ? 0 : larger - (iova & (larger - 1));
  if (till != 0 && ((iova ^ pa) & (larger - 1)) == 0 && till + larger <= bytes) bytes = till;
  *count = bytes / sizes[i];
  return sizes[i];
}

static int map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct iommu_domain* domain = find_domain(handle);
  const int rights = (prot & IOMMUCHECK_PROT_WRITE ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ) |
                     (prot & IOMMUCHECK_PROT_EXEC ? 0 : IOMMU_NOEXEC) |
                     (prot & IOMMUCHECK_PROT_PRIVILEGED ? IOMMU_PRIV : 0) |
                     (prot & IOMMUCHECK_PROT_DEVICE ? IOMMU_MMIO : IOMMU_CACHE);
  (void)self;
  if (domain == NULL || domain->type == IOMMU_DOMAIN_IDENTITY || (iova | pa | bytes) % PAGE_SIZE ||
      !(prot & 7)) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!is_ready(domain)) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  while (bytes != 0) {
    u64 count;
    const u64 page = page_for(domain, iova, pa, bytes, &count);
    size_t mapped = 0;
    const int error =
        domain->ops->map_pages(domain, iova, pa, page, count, rights, GFP_KERNEL, &mapped);
    if (error != 0) return error;
    iova += mapped;
    pa += mapped;
    bytes -= mapped;
  }
  return 0;
}

static struct iommucheck_result unmap_gathered(struct iommu_domain* domain, u64 iova, u64 bytes,
                                               struct iommu_iotlb_gather* gather) {
  struct iommucheck_result result = {0, 0, 0};
  if (domain == NULL || !is_ready(domain) || (iova | bytes) % PAGE_SIZE) return result;
  shim_enter();
  while (result.bytes < bytes) {
    u64 count;
    const u64 at = iova + result.bytes;
    const u64 page = page_for(domain, at, at, bytes - result.bytes, &count);
    const size_t done = domain->ops->unmap_pages(domain, at, page, count, gather);
    if (done == 0) break;
    result.bytes += done;
  }
  return result;
}

static struct iommucheck_result unmap(void* self, iommucheck_handle handle, u64 iova, u64 bytes) {
  struct iommu_domain* domain = find_domain(handle);
  struct iommu_iotlb_gather gather;
  (void)self;
  iommu_iotlb_gather_init(&gather);
  const struct iommucheck_result result = unmap_gathered(domain, iova, bytes, &gather);
  if (domain != NULL) iommu_iotlb_sync(domain, &gather);
  return result;
}

static struct iommucheck_result unmap_fast(void* self, iommucheck_handle handle, u64 iova,
                                           u64 bytes) {
  (void)self;
  return unmap_gathered(find_domain(handle), iova, bytes,
                        find_domain(handle) ? &it.domains[handle - 1].gather : NULL);
}

static int iotlb_sync(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (domain == NULL || domain->type == IOMMU_DOMAIN_IDENTITY) return -IOMMUCHECK_EINVAL;
  shim_enter();
  iommu_iotlb_sync(domain, &it.domains[handle - 1].gather);
  return 0;
}

static int flush_iotlb_all(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (domain == NULL || domain->type == IOMMU_DOMAIN_IDENTITY) return -IOMMUCHECK_EINVAL;
  shim_enter();
  domain->ops->flush_iotlb_all(domain);
  iommu_iotlb_gather_init(&it.domains[handle - 1].gather);
  return 0;
}

static u64 iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct iommu_domain* domain = find_domain(handle);
  (void)self;
  if (domain == NULL) return 0;
  if (domain->type == IOMMU_DOMAIN_IDENTITY) return iova;
  return is_ready(domain) && iova >> 48 == 0 ? domain->ops->iova_to_phys(domain, iova) : 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "linux_smmuv3",
      .flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE |
               IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES | IOMMUCHECK_DRIVER_CALLER_UNROLLS,
      .init = init,
      .reset = reset,
      .shutdown = shutdown,
      .device_add = device_add,
      .device_remove = device_remove,
      .handle_irq = handle_irq,
      .domain_alloc = domain_alloc,
      .domain_free = domain_free,
      .domain_get_info = domain_get_info,
      .attach = attach,
      .detach = detach,
      .map = map,
      .unmap = unmap,
      .unmap_fast = unmap_fast,
      .iotlb_sync = iotlb_sync,
      .flush_iotlb_all = flush_iotlb_all,
#ifdef SVA
      .sva_device_init = sva_device_init,
      .sva_device_shutdown = sva_device_shutdown,
      .bind_device = bind_device,
      .unbind_device = unbind_device,
      .unbind_dev_all = unbind_dev_all,
      .mm_invalidate = mm_invalidate,
      .mm_release = mm_release,
#endif
      .iova_to_phys = iova_to_phys};
  return &driver;
}
