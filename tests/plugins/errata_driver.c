/* SPDX-License-Identifier: MIT
 * The example's driver with an event queue, and with what Linux does for two errata, or not:
 *   PAGE0       the indices of the event queue are accessed in page 0 (Cavium ThunderX2, 74)
 *   PREFETCHES  a stream's configuration is fetched ahead when it is set, which Hip06 and Hip07
 *               of HiSilicon do not know (161010701): right by the architecture, wrong there */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#ifdef PAGE0
enum { EVENTQ_PROD = 0xa8, EVENTQ_CONS = 0xac };
#else
enum { EVENTQ_PROD = 0x100a8, EVENTQ_CONS = 0x100ac };
#endif
enum { EVENTQ_BASE = 0xa0, EVENTQEN = 4, EVENTS_LG2 = 4, RECORD = 32 };

/* Behind the example's own state: one SMMU, one of these. */
struct events {
  struct driver driver;
  u64 queue;
  u32 lg2, cons;
};

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

static int e_init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                  void** self) {
  struct events* e = p->arena_alloc(p->ctx, sizeof *e, 16);
  void* example = 0;
  const int error = right()->init(p, config, &example);
  if (error || !e) return error ? error : -IOMMUCHECK_ENOMEM;
  e->driver = *(struct driver*)example;
  e->lg2 = p->mmio_read32(p->ctx, IDR1) >> 16 & 31;
  if (e->lg2 > EVENTS_LG2) e->lg2 = EVENTS_LG2;
  *self = e;
  return 0;
}

static int e_reset(void* self) {
  struct events* e = self;
  struct driver* d = &e->driver;
  if (!e->queue && !(e->queue = new_table(d, PAGE))) return -IOMMUCHECK_ENOMEM;
  d->p->mmio_write64(d->p->ctx, EVENTQ_BASE, e->queue | e->lg2, IOMMUCHECK_MMIO_ORDERED);
  write_register(d, EVENTQ_PROD, 0);
  write_register(d, EVENTQ_CONS, e->cons = 0);
  d->checks |= EVENTQEN; /* with the command queue */
  return right()->reset(d);
}

static int e_shutdown(void* self) {
  struct events* e = self;
  const int error = right()->shutdown(&e->driver);
  if (error) return error;
  free_table(&e->driver, e->queue, PAGE);
  e->queue = 0;
  return 0;
}

static void e_handle_irq(void* self, u64 source) {
  struct events* e = self;
  struct driver* d = &e->driver;
  const u32 mask = (2u << e->lg2) - 1;
  u32 prod;
  if (source != IOMMUCHECK_IRQ_EVENT_QUEUE) return;
  prod = d->p->mmio_read32(d->p->ctx, EVENTQ_PROD);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_RMB);
  while ((prod & mask) != (e->cons & mask)) {
    d->p->load64(d->p->ctx, e->queue + RECORD * (e->cons & (mask >> 1)));
    e->cons = (e->cons + 1) & mask;
  }
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_MB);
  write_register(d, EVENTQ_CONS, e->cons | (prod & 1u << 31)); /* an overflow is acknowledged */
}

static int e_attach(void* self, iommucheck_handle handle, u32 device) {
  struct events* e = self;
  struct driver* d = &e->driver;
  const int error = right()->attach(d, handle, device);
#ifdef PREFETCHES
  const struct iommucheck_device* config;
  u32 n;
  if (error) return error;
  config = d->config->devices[device];
  for (n = 0; n < config->stream_id_count; ++n) {
    /* A hint: what it ends in is nobody's. */
    command(d, 0x01 | (u64)config->stream_ids[n] << 32, 0);
  }
#endif
  return error;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "errata_driver";
  driver.init = e_init;
  driver.reset = e_reset;
  driver.shutdown = e_shutdown;
  driver.handle_irq = e_handle_irq;
  driver.attach = e_attach;
  return &driver;
}
