/* SPDX-License-Identifier: MIT
 * The example's driver, which learns by interrupt that a CMD_SYNC is complete (IHI 0070 3.18,
 * 4.7.3): it never reads CMDQ_CONS for it. LOOKS_AGAIN takes the interrupt as a hint, and reads
 * CMDQ_CONS behind it. What such drivers get wrong, one at a time:
 *   LATE_ONE      where CMDQ_CONS is there at once it does not wait, and takes the interrupt that
 *                 comes late as that of the next CMD_SYNC
 *   FORGETS       behind one that timed out it goes on as before
 *   NO_SIGNAL     CS says that no interrupt is asked for
 *   NOT_WAITED    nobody waits for it */
#define OWN_SYNC
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#ifdef NO_SIGNAL
#define SYNC_INTERRUPT 0x46ull
#else
#define SYNC_INTERRUPT (0x46ull | 1ull << 12)
#endif

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

/* Behind the ring, where the SMMU reads nothing: interrupts that came, and whether one may come
 * whose CMD_SYNC nobody waits for any more. */
static u64 i_counter(struct driver* d) { return d->ring + PAGE - 8; }
static u64 i_owed(struct driver* d) { return d->ring + PAGE - 16; }

static void i_handle_irq(void* self, uint64_t source) {
  struct driver* d = self;
  if (source == IOMMUCHECK_IRQ_COMMAND_SYNC) {
    put(d, i_counter(d), get(d, i_counter(d)) + 1);
  } else if (right()->handle_irq) {
    right()->handle_irq(self, source);
  }
}

static void i_expose(struct driver* d, u64 word0, u64 word1) {
  const u64 slot = d->ring + 16u * (d->prod & ((1u << d->ring_lg2) - 1));
  put(d, slot, word0);
  put(d, slot + 8, word1);
  d->prod = (d->prod + 1) & ((2u << d->ring_lg2) - 1);
  write_register(d, CMDQ_PROD, d->prod);
}

#if defined(LATE_ONE) || defined(LOOKS_AGAIN)
static int i_done(struct driver* d) {
  return (d->p->mmio_read32(d->p->ctx, CMDQ_CONS) & ((2u << d->ring_lg2) - 1)) == d->prod;
}
#endif

static int sync(struct driver* d) {
  u64 seen;
  if (d->late || get(d, i_owed(d))) return command(d, 0x46, 0);
  seen = get(d, i_counter(d));
  (void)seen;
  i_expose(d, SYNC_INTERRUPT, 0);
#ifdef NOT_WAITED
  return 0;
#endif
#ifdef LATE_ONE
  if (i_done(d)) return 0;
#endif
#ifdef LOOKS_AGAIN
  while (!i_done(d)) {
#else
  while (get(d, i_counter(d)) == seen) {
#endif
    if (d->p->wait(d->p->ctx, IOMMUCHECK_WAIT_INTERRUPT, SECOND)) {
      d->late = 1;
#if !defined(FORGETS) && !defined(LOOKS_AGAIN)
      put(d, i_owed(d), 1);
#endif
      return -IOMMUCHECK_ETIMEDOUT;
    }
  }
  return 0;
}

static int i_init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                  void** self) {
  const int error = right()->init(p, config, self);
  struct driver* d = error ? 0 : *self;
  if (d && d->ring_lg2 > 7) d->ring_lg2 = 7; /* the page has room behind it */
  return error;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "interrupt";
  driver.init = i_init;
  driver.handle_irq = i_handle_irq;
  return &driver;
}
