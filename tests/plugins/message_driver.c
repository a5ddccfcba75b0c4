/* SPDX-License-Identifier: MIT
 * The example's driver, which learns by message that a CMD_SYNC is complete (IHI 0070 4.7.3): as
 * Linux does it overwrites the command's own first word, where the SMMU has messages and looks into
 * CPU caches, and does not read CMDQ_CONS for it. Right is LOOKS_AT_THE_WINDOW, too, of whose loads
 * nobody is told unless `iommucheck cc` built it; then SPINS is right besides, which does nothing
 * but load. What such drivers get wrong, one at a time:
 *   STALE         the messages have a word of their own, which holds what the last one wrote there
 *   CLEARED_LATE  that word is cleared behind the write of CMDQ_PROD
 *   NO_SIGNAL     CS says that no message is asked for
 *   NOT_WAITED    nobody looks for it */
#define OWN_SYNC
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#define IDR0_COHACC (1u << 4)
#define IDR0_MSI (1u << 13)
/* SIG_IRQ, inner shareable, normal write-back. */
#ifdef NO_SIGNAL
#define SYNC_MESSAGE (0x46ull | 3ull << 22 | 15ull << 24)
#else
#define SYNC_MESSAGE (0x46ull | 1ull << 12 | 3ull << 22 | 15ull << 24)
#endif

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

#ifndef NOT_WAITED
static u32 m_look(struct driver* d, u64 pa) {
#ifdef LOOKS_AT_THE_WINDOW
  return *(const volatile u32*)((const char*)d->p->window + (pa - d->p->window_pa));
#else
  return (u32)d->p->load64(d->p->ctx, pa);
#endif
}
#endif

static u64 m_slot(struct driver* d) {
  return d->ring + 16u * (d->prod & ((1u << d->ring_lg2) - 1));
}

static void m_expose(struct driver* d, u64 word0, u64 word1) {
  const u64 slot = m_slot(d);
  put(d, slot, word0);
  put(d, slot + 8, word1);
  d->prod = (d->prod + 1) & ((2u << d->ring_lg2) - 1);
  write_register(d, CMDQ_PROD, d->prod);
}

#ifndef NOT_WAITED
static int m_wait(struct driver* d, u64 word, u32 value) {
#ifdef SPINS
  for (u32 looks = 0; m_look(d, word) != value; ++looks) {
    if (looks < 1000) continue;
#else
  while (m_look(d, word) != value) {
#endif
    if (d->p->wait(d->p->ctx, IOMMUCHECK_WAIT_CMDQ, SECOND)) {
      d->late = 1;
      return -IOMMUCHECK_ETIMEDOUT;
    }
  }
  return 0;
}
#endif

static int sync(struct driver* d) {
  const u32 idr0 = d->p->mmio_read32(d->p->ctx, IDR0);
  u64 word = m_slot(d);
  if (!(idr0 & IDR0_MSI) || !(idr0 & IDR0_COHACC)) return command(d, 0x46, 0);
#if defined(STALE) || defined(CLEARED_LATE)
  word = d->ring + PAGE - 8;
  m_expose(d, SYNC_MESSAGE | 1ull << 32, word);
#ifdef CLEARED_LATE
  put(d, word, 0);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_MB);
#endif
  return m_wait(d, word, 1);
#else
  m_expose(d, SYNC_MESSAGE, word);
#ifdef NOT_WAITED
  return 0;
#else
  return m_wait(d, word, 0);
#endif
#endif
}

static int m_init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                  void** self) {
  const int error = right()->init(p, config, self);
  struct driver* d = error ? 0 : *self;
  if (d && d->ring_lg2 > 7) d->ring_lg2 = 7; /* the page has room behind it */
  return error;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "message";
  driver.init = m_init;
  return &driver;
}
