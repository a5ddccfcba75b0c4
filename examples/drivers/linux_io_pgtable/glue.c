/* SPDX-License-Identifier: MIT
 *
 * Linux's tables for Arm, drivers/iommu/io-pgtable-arm.c as it is, behind the door: its maps and
 * unmaps are called as iommu_map and iommu_unmap of iommu.c call them, and what it wants
 * invalidated is done as arm-smmu-v3.c does it. The SMMU around them is the one of
 * examples/simple_driver.c, which is not under test (IOMMUCHECK_DRIVER_TABLES_ONLY).
 *
 *   -DASKS_BEYOND      iova_to_phys is asked beyond the input range, too
 */
#define iommucheck_driver_entry simple_driver_entry
#include "simple_driver.c"
#undef iommucheck_driver_entry
#undef TABLE
#undef LEAF

#include "io-pgtable-arm.c"

static struct {
  struct io_pgtable* iop;
  struct iommu_iotlb_gather gather; /* of unmap_fast, until iotlb_sync */
} tables[DOMAINS];                  /* by index of the domain */
static struct driver* smmu;

/* ---- invalidation, as in arm-smmu-v3.c ---- */

static u64 asid_of(const struct domain* domain) { return (u64)(domain - smmu->domain) + 1; }

static void flush_all(void* cookie) {
  shim_barrier(IOMMUCHECK_WMB);
  tlbi_asid(smmu, asid_of(cookie));
}
static void flush_range(const struct domain* domain, u64 iova, u64 size, u64 granule, u64 leaf) {
  enum { COMMANDS_MAX = 32 };
  u64 done;
  if (size == 0) return;
  shim_barrier(IOMMUCHECK_WMB);
  if (size / granule > COMMANDS_MAX) {
    tlbi_asid(smmu, asid_of(domain)); /* as newer kernels do */
    return;
  }
  for (done = 0; done < size; done += granule) {
    command(smmu, 0x12 | asid_of(domain) << 48, (iova + done) | leaf);
  }
  sync(smmu);
}
static void flush_walk(unsigned long iova, size_t size, size_t granule, void* cookie) {
  flush_range(cookie, iova, size, granule, 0);
}
static void sync_gather(const struct domain* domain, struct iommu_iotlb_gather* gather) {
  if (gather->pgsize != 0) {
    flush_range(domain, gather->start, gather->end - gather->start + 1, gather->pgsize, 1);
  }
  gather->start = ~0ul;
  gather->end = 0;
  gather->pgsize = 0;
}
static void add_page(struct iommu_iotlb_gather* gather, unsigned long iova, size_t granule,
                     void* cookie) {
  const unsigned long last = iova + granule - 1;
  const int apart = gather->end != 0 && (last + 1 < gather->start || iova > gather->end + 1);
  if ((gather->pgsize && gather->pgsize != granule) || apart) sync_gather(cookie, gather);
  gather->pgsize = granule;
  if (gather->start > iova) gather->start = iova;
  if (gather->end < last) gather->end = last;
}
static const struct iommu_flush_ops flush_ops = {flush_all, flush_walk, add_page};

/* ---- domains ---- */

static struct io_pgtable* iop_of(const struct domain* domain) {
  return tables[domain - smmu->domain].iop;
}

static int linux_alloc(void* self, const struct iommucheck_domain_params* params,
                       iommucheck_handle* handle) {
  struct driver* d = self;
  struct iommucheck_domain_params any = *params;
  const int is_paging = params->kind == IOMMUCHECK_DOMAIN_PAGING;
  struct io_pgtable_cfg cfg = {.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
                               .ias = params->input_bits ? params->input_bits : 48,
                               .oas = d->output_bits,
                               .coherent_walk = 1,
                               .tlb = &flush_ops};
  struct domain* domain;
  struct io_pgtable* iop;
  int error;
  if (is_paging && (cfg.ias < 25 || cfg.ias > 48)) return -IOMMUCHECK_EINVAL;
  if (is_paging) any.input_bits = 0;
  if ((error = domain_alloc(self, &any, handle)) != 0) return error;
  domain = find(d, *handle);
  iop = io_pgtable_arm_64_lpae_s1_init_fns.alloc(&cfg, domain);
  if (iop == NULL) {
    domain_free(self, *handle);
    return -IOMMUCHECK_ENOMEM;
  }
  iop->fmt = ARM_64_LPAE_S1;
  iop->cookie = domain;
  iop->cfg = cfg;
  tables[domain - d->domain].iop = iop;
  tables[domain - d->domain].gather.start = ~0ul;
  tables[domain - d->domain].gather.end = tables[domain - d->domain].gather.pgsize = 0;
  /* As arm_smmu_write_ctx_desc makes the CD of this configuration. Nobody has linked it yet. */
  free_table(d, domain->root, PAGE);
  domain->root = cfg.arm_lpae_s1_cfg.ttbr;
  put(d, domain->cd + 24, cfg.arm_lpae_s1_cfg.mair);
  put(d, domain->cd + 8, domain->root);
  put(d, domain->cd,
      cfg.arm_lpae_s1_cfg.tcr.tsz | (u64)cfg.arm_lpae_s1_cfg.tcr.tg << 6 |
          (u64)cfg.arm_lpae_s1_cfg.tcr.irgn << 8 | (u64)cfg.arm_lpae_s1_cfg.tcr.orgn << 10 |
          (u64)cfg.arm_lpae_s1_cfg.tcr.sh << 12 | 1u << 30 | 1u << 31 |
          (u64)cfg.arm_lpae_s1_cfg.tcr.ips << 32 | 1ull << 41 | 7ull << 45 | *handle << 48);
  shim_barrier(IOMMUCHECK_WMB);
  return 0;
}

/* As free_io_pgtable_ops of io-pgtable.c. */
static void free_tables(struct domain* domain) {
  struct io_pgtable* iop = iop_of(domain);
  flush_all(domain);
  io_pgtable_arm_64_lpae_s1_init_fns.free(iop);
  domain->root = 0;
  tables[domain - smmu->domain].iop = NULL;
}

static int linux_free(void* self, iommucheck_handle handle) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (domain->devices) return -IOMMUCHECK_EBUSY;
  free_tables(domain);
  return domain_free(self, handle);
}

static int linux_info(void* self, iommucheck_handle handle, struct iommucheck_domain_info* info) {
  const struct domain* domain = find(self, handle);
  const int error = domain_get_info(self, handle, info);
  if (error != 0) return error;
  info->input_bits = iop_of(domain)->cfg.ias;
  info->page_sizes = iop_of(domain)->cfg.pgsize_bitmap;
  return 0;
}

/* ---- map and unmap, as in iommu.c ---- */

/* The largest page that fits, and how many of them before a larger one does. */
static u64 page_for(const struct io_pgtable* iop, u64 iova, u64 pa, u64 bytes, u64* count) {
  static const u64 sizes[] = {SZ_1G, SZ_2M, SZ_4K};
  u64 larger = 0, till;
  int i;
  for (i = 0; i < 2; larger = sizes[i++]) {
    if ((iop->cfg.pgsize_bitmap & sizes[i]) == 0) continue;
    if (((iova | pa) & (sizes[i] - 1)) == 0 && bytes >= sizes[i]) break;
  }
  till = larger == 0 ? 0 : larger - (iova & (larger - 1));
  if (till != 0 && ((iova ^ pa) & (larger - 1)) == 0 && till + larger <= bytes) bytes = till;
  *count = bytes / sizes[i];
  return sizes[i];
}

/* Leaves mapped what it has when it fails: CALLER_UNROLLS. */
static int linux_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct domain* domain = find(self, handle);
  const int rights = (prot & IOMMUCHECK_PROT_WRITE ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ) |
                     (prot & IOMMUCHECK_PROT_EXEC ? 0 : IOMMU_NOEXEC) |
                     (prot & IOMMUCHECK_PROT_PRIVILEGED ? IOMMU_PRIV : 0) |
                     (prot & IOMMUCHECK_PROT_DEVICE ? IOMMU_MMIO : IOMMU_CACHE);
  if (domain == NULL || (iova | pa | bytes) % PAGE || !(prot & 7)) return -IOMMUCHECK_EINVAL;
  while (bytes != 0) {
    struct io_pgtable* iop = iop_of(domain);
    u64 count;
    const u64 page = page_for(iop, iova, pa, bytes, &count);
    size_t mapped = 0;
    const int error =
        iop->ops.map_pages(&iop->ops, iova, pa, page, count, rights, GFP_KERNEL, &mapped);
    if (error != 0) return error;
    iova += mapped;
    pa += mapped;
    bytes -= mapped;
  }
  return 0;
}

static struct iommucheck_result unmap_gathered(struct driver* d, iommucheck_handle handle, u64 iova,
                                               u64 bytes, struct iommu_iotlb_gather* gather) {
  struct iommucheck_result result = {0, 0, 0};
  struct domain* domain = find(d, handle);
  if (domain == NULL || (iova | bytes) % PAGE) return result;
  while (result.bytes < bytes) {
    struct io_pgtable* iop = iop_of(domain);
    u64 count;
    const u64 at = iova + result.bytes;
    const u64 page = page_for(iop, at, at, bytes - result.bytes, &count);
    const size_t done = iop->ops.unmap_pages(&iop->ops, at, page, count, gather);
    if (done == 0) break;
    result.bytes += done;
  }
  return result;
}

static struct iommucheck_result linux_unmap(void* self, iommucheck_handle handle, u64 iova,
                                            u64 bytes) {
  struct iommu_iotlb_gather gather = {~0ul, 0, 0, 0};
  const struct iommucheck_result result = unmap_gathered(self, handle, iova, bytes, &gather);
  if (find(self, handle)) sync_gather(find(self, handle), &gather);
  return result;
}

static struct iommucheck_result linux_unmap_fast(void* self, iommucheck_handle handle, u64 iova,
                                                 u64 bytes) {
  const struct domain* domain = find(self, handle);
  const struct iommucheck_result nothing = {0, 0, 0};
  if (domain == NULL) return nothing;
  return unmap_gathered(self, handle, iova, bytes, &tables[domain - smmu->domain].gather);
}

static int linux_sync(void* self, iommucheck_handle handle) {
  struct domain* domain = find(self, handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  sync_gather(domain, &tables[domain - smmu->domain].gather);
  return 0;
}

static int linux_flush(void* self, iommucheck_handle handle) {
  struct domain* domain = find(self, handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  flush_all(domain);
  tables[domain - smmu->domain].gather.pgsize = 0;
  sync_gather(domain, &tables[domain - smmu->domain].gather);
  return 0;
}

static u64 linux_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct domain* domain = find(self, handle);
  if (domain == NULL) return 0;
#ifndef ASKS_BEYOND
  if (iova >> iop_of(domain)->cfg.ias) return 0;
#endif
  return iop_of(domain)->ops.iova_to_phys(&iop_of(domain)->ops, iova);
}

/* ---- life ---- */

static int linux_init(const struct iommucheck_platform* platform,
                      const struct iommucheck_config* config, void** self) {
  const int error = init(platform, config, self);
  if (error != 0) return error;
  shim_begin(platform, 0);
  smmu = *self;
  return 0;
}

static int linux_shutdown(void* self) {
  int i;
  for (i = 0; i < DOMAINS; ++i) {
    if (smmu->domain[i].used == 1) free_tables(&smmu->domain[i]);
  }
  return shutdown(self);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *simple_driver_entry();
  driver.name = "linux_io_pgtable";
  driver.flags = IOMMUCHECK_DRIVER_TABLES_ONLY | IOMMUCHECK_DRIVER_NO_TIME_OUTS |
                 IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES | IOMMUCHECK_DRIVER_CALLER_UNROLLS;
  driver.init = linux_init;
  driver.shutdown = linux_shutdown;
  driver.domain_alloc = linux_alloc;
  driver.domain_free = linux_free;
  driver.domain_get_info = linux_info;
  driver.map = linux_map;
  driver.unmap = linux_unmap;
  driver.unmap_fast = linux_unmap_fast;
  driver.iotlb_sync = linux_sync;
  driver.flush_iotlb_all = linux_flush;
  driver.iova_to_phys = linux_phys;
  return &driver;
}
