/* SPDX-License-Identifier: MIT
 * Several SMMUs over one memory: examples/simple_driver.c, one of it for each of them, with the
 * tables of the first one's domains for all. A domain is for devices behind any; with -DAPART for
 * those behind one. Mistakes: -DTLBI_FIRST_ONLY, -DSYNC_FIRST_ONLY, -DSTE_FIRST_ONLY,
 * -DRESET_FIRST_ONLY, -DSHUTDOWN_FIRST_ONLY. */
#define OWN_SYNC
#define OWN_TLBI
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

enum { SMMUS = 4 };

struct fleet {
  const struct iommucheck_platform* p;
  struct iommucheck_config config; /* as each of them sees it */
  u32 count;
  const struct iommucheck_device* const* devices;
  u32 smmu_of_domain[DOMAINS]; /* number + 1; 0: none's yet */
  struct smmu {
    struct fleet* fleet;
    u64 number;
    struct iommucheck_platform p; /* its ctx is this */
    struct driver* d;
  } smmu[SMMUS];
};

static struct smmu* of(void* ctx) { return ctx; }
static struct fleet* fleet_of(struct driver* d) { return of(d->p->ctx)->fleet; }

/* ---- commands that concern all of them ----------------------------------------------------- */

static int to_each(struct driver* d, u64 word0, u64 word1, int first_only) {
  struct fleet* f = fleet_of(d);
  u32 i;
  int e = 0;
  for (i = 0; !e && i < (first_only ? 1 : f->count); ++i) e = command(f->smmu[i].d, word0, word1);
  return e;
}
static int sync(struct driver* d) {
#ifdef SYNC_FIRST_ONLY
  return to_each(d, 0x46, 0, 1);
#else
  return to_each(d, 0x46, 0, 0);
#endif
}
static int tlbi_page(struct driver* d, u64 asid, u64 iova) {
#ifdef TLBI_FIRST_ONLY
  return to_each(d, 0x12 | asid << 48, iova | 1, 1);
#else
  return to_each(d, 0x12 | asid << 48, iova | 1, 0);
#endif
}

/* ---- the platform of one ------------------------------------------------------------------- */

static const struct iommucheck_platform* outer(void* ctx) { return of(ctx)->fleet->p; }
static u64 its(void* ctx, u64 what) { return IOMMUCHECK_OF_IOMMU(of(ctx)->number, what); }

static const void* p_table_alloc(void* ctx, u64 bytes, u64* pa) {
  return outer(ctx)->table_alloc(outer(ctx)->ctx, bytes, pa);
}
static void p_table_free(void* ctx, u64 pa, u64 bytes) {
  outer(ctx)->table_free(outer(ctx)->ctx, pa, bytes);
}
static void* p_arena_alloc(void* ctx, u64 bytes, u64 align) {
  return outer(ctx)->arena_alloc(outer(ctx)->ctx, bytes, align);
}
static void p_store64(void* ctx, u64 pa, u64 value) {
  outer(ctx)->store64(outer(ctx)->ctx, pa, value);
}
static void p_fill64(void* ctx, u64 pa, u64 count, u64 value) {
  outer(ctx)->fill64(outer(ctx)->ctx, pa, count, value);
}
static void p_barrier(void* ctx, u32 kind) { outer(ctx)->barrier(outer(ctx)->ctx, kind); }
static void p_write32(void* ctx, u64 offset, u32 value, u32 flags) {
  outer(ctx)->mmio_write32(outer(ctx)->ctx, its(ctx, offset), value, flags);
}
static void p_write64(void* ctx, u64 offset, u64 value, u32 flags) {
  outer(ctx)->mmio_write64(outer(ctx)->ctx, its(ctx, offset), value, flags);
}
static u32 p_read32(void* ctx, u64 offset) {
  return outer(ctx)->mmio_read32(outer(ctx)->ctx, its(ctx, offset));
}
static int p_wait(void* ctx, u64 token, u64 timeout_us) {
  return outer(ctx)->wait(outer(ctx)->ctx, its(ctx, token), timeout_us);
}

static void begin_smmu(struct fleet* f, u32 number) {
  struct smmu* s = &f->smmu[number];
  s->fleet = f;
  s->number = number;
  s->p.size = sizeof s->p;
  s->p.abi = IOMMUCHECK_DRIVER_ABI;
  s->p.ctx = s;
  s->p.window = f->p->window;
  s->p.window_pa = f->p->window_pa;
  s->p.window_size = f->p->window_size;
  s->p.table_alloc = p_table_alloc;
  s->p.table_free = p_table_free;
  s->p.arena_alloc = p_arena_alloc;
  s->p.store64 = p_store64;
  s->p.fill64 = p_fill64;
  s->p.barrier = p_barrier;
  s->p.mmio_write32 = p_write32;
  s->p.mmio_write64 = p_write64;
  s->p.mmio_read32 = p_read32;
  s->p.wait = p_wait;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int fleet_init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                      void** self) {
  struct fleet* f = p->arena_alloc(p->ctx, sizeof *f, 16);
  void* d = 0;
  u32 i;
  int e;
  if (!f) return -IOMMUCHECK_ENOMEM;
  if (config->iommu_count > SMMUS) return -IOMMUCHECK_ENODEV;
  f->p = p;
  f->config = *config;
  f->config.iommu_count = 1;
  f->count = config->iommu_count;
  f->devices = config->devices;
  for (i = 0; i < f->count; ++i) {
    begin_smmu(f, i);
    if ((e = init(&f->smmu[i].p, &f->config, &d))) return e;
    f->smmu[i].d = d;
  }
  *self = f;
  return 0;
}
static int fleet_reset(void* self) {
  struct fleet* f = self;
  u32 i;
  int e = 0;
  for (i = 0; !e && i < f->count; ++i) {
    /* A CMD_SYNC goes to those that are up. */
    const u32 all = f->count;
    struct driver* const first = f->smmu[0].d;
    f->count = 1;
    f->smmu[0].d = f->smmu[i].d;
    e = reset(f->smmu[0].d);
#ifdef RESET_FIRST_ONLY /* the others stay off */
    if (!e && i != 0) e = write_cr0(f->smmu[0].d, CR0_CMDQEN | first->checks);
#endif
    f->smmu[0].d = first;
    f->count = all;
  }
  return e;
}
static int fleet_shutdown(void* self) {
  struct fleet* f = self;
  u32 i, n;
  int e = 0;
  for (i = 0; i < DOMAINS; ++i) { /* the tables are the first one's, which ends last */
    for (n = 1; n < f->count; ++n) f->smmu[n].d->domain[i].used = 0;
  }
  for (i = f->count; !e && i-- > 0;) {
    struct driver* const first = f->smmu[0].d;
    f->count = 1;
    f->smmu[0].d = f->smmu[i].d;
#ifdef SHUTDOWN_FIRST_ONLY
    if (i != 0) {
      free_table(f->smmu[i].d, f->smmu[i].d->streams, stream_table_bytes(f->smmu[i].d));
      free_table(f->smmu[i].d, f->smmu[i].d->ring, PAGE);
    } else
#endif
      e = shutdown(f->smmu[0].d);
    f->smmu[0].d = first;
  }
  return e;
}

/* ---- devices and domains ------------------------------------------------------------------- */

static struct driver* behind(struct fleet* f, u32 device) {
  const u32 number = device < f->config.device_count ? f->devices[device]->iommu : 0;
  return f->smmu[number].d;
}
static int fleet_device_add(void* self, u32 device) {
  return device_add(behind(self, device), device);
}
static int fleet_domain_alloc(void* self, const struct iommucheck_domain_params* params,
                              iommucheck_handle* handle) {
  struct fleet* f = self;
  u32 n;
  const int e = domain_alloc(f->smmu[0].d, params, handle);
  if (e) return e;
  for (n = 1; n < f->count; ++n) {
    f->smmu[n].d->domain[*handle - 1] = f->smmu[0].d->domain[*handle - 1];
  }
  f->smmu_of_domain[*handle - 1] = params->iommu == IOMMUCHECK_ANY_IOMMU ? 0 : params->iommu + 1;
  return 0;
}
static int fleet_domain_free(void* self, iommucheck_handle handle) {
  struct fleet* f = self;
  u32 n;
  int e;
  for (n = 1; n < f->count; ++n) {
    const struct domain* domain = find(f->smmu[n].d, handle);
    if (domain && domain->devices) return -IOMMUCHECK_EBUSY;
  }
  if ((e = domain_free(f->smmu[0].d, handle))) return e;
  for (n = 1; n < f->count; ++n) f->smmu[n].d->domain[handle - 1].used = 0;
  return 0;
}
static int fleet_attach(void* self, iommucheck_handle handle, u32 device) {
  struct fleet* f = self;
  struct driver* d = behind(f, device);
  int e;
#ifdef APART
  const u32 number = device < f->config.device_count ? f->devices[device]->iommu + 1 : 0;
  u32* whose = handle >= 1 && handle <= DOMAINS ? &f->smmu_of_domain[handle - 1] : 0;
  if (device < DEVICES && d->device[device].added && find(d, handle) && *whose &&
      *whose != number) {
    return -IOMMUCHECK_EINVAL;
  }
#endif
#ifdef STE_FIRST_ONLY
  const u64 streams = d->streams;
  d->streams = f->smmu[0].d->streams;
#endif
  e = attach(d, handle, device);
#ifdef STE_FIRST_ONLY
  d->streams = streams;
#endif
#ifdef APART
  if (!e) *whose = number;
#endif
  return e;
}
static int fleet_detach(void* self, iommucheck_handle handle, u32 device) {
  return detach(behind(self, device), handle, device);
}
static int fleet_domain_get_info(void* self, iommucheck_handle handle,
                                 struct iommucheck_domain_info* info) {
  struct fleet* f = self;
  return domain_get_info(f->smmu[0].d, handle, info);
}
static int fleet_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct fleet* f = self;
  return map(f->smmu[0].d, handle, iova, pa, bytes, prot);
}
static struct iommucheck_result fleet_unmap(void* self, iommucheck_handle handle, u64 iova,
                                            u64 bytes) {
  struct fleet* f = self;
  return unmap(f->smmu[0].d, handle, iova, bytes);
}
static u64 fleet_iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct fleet* f = self;
  return iova_to_phys(f->smmu[0].d, handle, iova);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *simple_driver_entry();
  driver.name = "two_smmus_driver";
  driver.flags = IOMMUCHECK_DRIVER_EACH_IOMMU | IOMMUCHECK_DRIVER_NO_TIME_OUTS;
#ifdef APART
  driver.flags |= IOMMUCHECK_DRIVER_SEVERAL_IOMMUS;
#endif
  driver.init = fleet_init;
  driver.reset = fleet_reset;
  driver.shutdown = fleet_shutdown;
  driver.device_add = fleet_device_add;
  driver.domain_alloc = fleet_domain_alloc;
  driver.domain_free = fleet_domain_free;
  driver.domain_get_info = fleet_domain_get_info;
  driver.attach = fleet_attach;
  driver.detach = fleet_detach;
  driver.map = fleet_map;
  driver.unmap = fleet_unmap;
  driver.iova_to_phys = fleet_iova_to_phys;
  return &driver;
}
