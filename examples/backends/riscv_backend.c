/* SPDX-License-Identifier: MIT
 *
 * An IOMMU like RISC-V's behind iommucheck's door for backends: this file drives it,
 * riscv_hardware.c is the model of its hardware.
 *
 *     cc -shared -fPIC -I include -o riscv.so examples/backends/riscv_backend.c \
 *        examples/backends/riscv_hardware.c examples/backends/riscv_users.c
 *     iommucheck check --backend ./riscv.so --runs 200
 *
 * Device and process contexts are of several words, and one that is not valid may be cached too,
 * each word from another time: so its words are stored while V = 0, made known, and only then V is
 * set (prepare_route, prepare_entry). A space and a process have a PSCID each. Page requests come
 * in groups, and are answered once. An outer space is a second stage with a GSCID of its own,
 * behind which a user's page table is the first one (riscv_users.c).
 *
 * With one of the macros RISCV_FORGETS_*, RISCV_LEAVES_*, RISCV_IGNORES_* or RISCV_SHARES_* it is
 * wrong on purpose; with RISCV_WITHOUT_* it is a smaller IOMMU, with RISCV_COMBINES one that
 * caches what both stages have made as one thing.
 */
#include "riscv_backend.h"

#include <stdlib.h>
#include <string.h>

#include "iommucheck/backend.h"

#define NO_PASID IOMMUCHECK_BACKEND_NO_PASID
#define QUEUE_LG2 8u
#define QUEUE_COUNT (1u << QUEUE_LG2)
#define BY_ADDRESS_MAX 32u /* commands; beyond it the whole PSCID goes */
#define PSCIDS 0x10000u

struct context { /* the words of a DC that say something here */
  uint64_t tc, hgatp, ta, fsc;
};
struct table {
  uint64_t root;        /* of its PDT */
  struct context first; /* where devices without PASIDs go: the table itself */
};
struct retired {
  uint64_t pa;
  struct retired* next;
};
struct space {
  uint64_t root;
  uint32_t pscid; /* of an outer one its GSCID */
  uint32_t outer;
  uint32_t tracked;        /* leaves are made without D, which writes set */
  uint32_t foreign;        /* others walk it, and the IOMMU never */
  struct retired* retired; /* tables that unmap took out, and that a cache may lead to */
};

struct riscv {
  const struct iommucheck_platform* platform;
  const struct iommucheck_config* config;
  uint64_t ddt, ddt_bytes; /* 0: none */
  uint32_t ddt_lg2, pdt_levels;
  uint64_t commands;    /* the queue */
  uint32_t tail, head;  /* of commands: stored, and known to have acted */
  uint32_t taken;       /* requests */
  uint32_t faults;      /* read */
  struct context* late; /* by device: what its DC is to say once everything was invalidated */
  uint8_t* is_late;
  uint8_t pscids[PSCIDS / 8];
  uint8_t gscids[PSCIDS / 8];
};

/* ---- memory and registers ---- */

static uint64_t load(struct riscv* r, uint64_t pa) {
  return r->platform->load64(r->platform->ctx, pa);
}
static void store(struct riscv* r, uint64_t pa, uint64_t word) {
  r->platform->store64(r->platform->ctx, pa, word);
}
static void release(struct riscv* r, uint64_t pa, uint64_t bytes) {
  r->platform->table_free(r->platform->ctx, pa, bytes);
}
/* Zeros; 0: no memory. */
static uint64_t allocate(struct riscv* r, uint64_t bytes) {
  uint64_t pa = 0;
  if (r->platform->table_alloc(r->platform->ctx, bytes, &pa) == NULL) return 0;
  r->platform->fill64(r->platform->ctx, pa, bytes / 8, 0);
  return pa;
}
static void write_register(struct riscv* r, uint64_t offset, uint64_t value) {
  r->platform->mmio_write64(r->platform->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
}
static uint64_t read_register(struct riscv* r, uint64_t offset) {
  return r->platform->mmio_read64(r->platform->ctx, offset);
}

/* ---- commands ---- */

static int32_t wait_for_head(struct riscv* r) {
  int late = 0;
  while (r->head != r->tail) { /* with a last look after the time is up */
    r->head = (uint32_t)read_register(r, RISCV_CQH);
    if (r->head == r->tail) break;
    if (late) return IOMMUCHECK_FLUSH_TIMED_OUT;
    late = r->platform->wait(r->platform->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000);
  }
  return IOMMUCHECK_FLUSH_COMPLETE;
}

static int is_full(const struct riscv* r) {
  return ((r->tail + 1) & (QUEUE_COUNT - 1)) == (r->head & (QUEUE_COUNT - 1));
}

/* Where the queue stands full what is in it has to go first: if it does not, flush says so. */
static void queue(struct riscv* r, uint64_t word0, uint64_t word1) {
  if (is_full(r)) {
    write_register(r, RISCV_CQT, r->tail);
    if (wait_for_head(r) != IOMMUCHECK_FLUSH_COMPLETE) return;
  }
  store(r, r->commands + COMMAND_BYTES * r->tail, word0);
  store(r, r->commands + COMMAND_BYTES * r->tail + 8, word1);
  r->tail = (r->tail + 1) & (QUEUE_COUNT - 1);
}

static int32_t riscv_flush(void* self) {
  struct riscv* r = self;
  if (r->head == r->tail) return IOMMUCHECK_FLUSH_COMPLETE;
  if (is_full(r))
    return wait_for_head(r) == IOMMUCHECK_FLUSH_COMPLETE ? riscv_flush(self)
                                                         : IOMMUCHECK_FLUSH_TIMED_OUT;
  queue(r, COMMAND(IOFENCE_C, 0), 0);
  write_register(r, RISCV_CQT, r->tail);
#ifdef RISCV_FORGETS_THE_FENCE
  return IOMMUCHECK_FLUSH_COMPLETE;
#else
  return wait_for_head(r);
#endif
}

static uint64_t did(uint32_t stream) { return (uint64_t)stream << 40; }
static uint64_t pid(uint32_t pasid) { return (uint64_t)pasid << 12; }

static void forget_stream(struct riscv* r, uint32_t stream) {
#ifndef RISCV_FORGETS_ROUTES
  queue(r, IODIR_INVAL_DDT | COMMAND_DV | did(stream), 0);
#else
  (void)r;
  (void)stream;
#endif
}

static void riscv_forget_route(void* self, uint32_t device, uint32_t whole) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  (void)whole;
  for (uint32_t i = 0; i < its->stream_id_count; ++i) forget_stream(r, its->stream_ids[i]);
}

/* The way to a PC goes with the DC alone. */
static void riscv_forget_entry(void* self, uint32_t device, uint32_t pasid, uint32_t whole) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
#ifdef RISCV_FORGETS_ENTRIES
  if (!whole) return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    if (whole || its->ssid_bits == 0) {
      forget_stream(r, its->stream_ids[i]);
    } else {
      const uint32_t number = pasid == NO_PASID ? 0 : pasid;
      queue(r, IODIR_INVAL_PDT | COMMAND_DV | COMMAND_PV | did(its->stream_ids[i]) | pid(number),
            0);
    }
  }
}

static uint64_t of_guest(uint64_t gscid) { return COMMAND_GV | gscid << 40; }

#ifdef RISCV_COMBINES
/* What it has made with a first one, behind a flush of its own. */
static void riscv_drop_inner(void* self, const struct iommucheck_tag* outer) {
#ifndef RISCV_FORGETS_COMBINED
  queue(self, IOTINVAL_VMA | of_guest(outer->outer), 0);
#else
  (void)self;
  (void)outer;
#endif
}
#else
#define riscv_drop_inner NULL
#endif

/* Of a second stage: what it has made with a first one goes along by its address, but not what the
 * first one has made itself. */
static void drop_outer(struct riscv* r, uint64_t gscid, uint64_t first, uint64_t last, int tables) {
  const uint64_t of = IOTINVAL_GVMA | of_guest(gscid);
  const int whole = first == 0 && last == ~(uint64_t)0;
#ifdef RISCV_FORGETS_OUTER_UNMAPS
  if (!whole) return;
#endif
  if (whole) {
#if defined(RISCV_COMBINES) && !defined(RISCV_DROPS_COMBINED_AT_ONCE)
    /* First what it could be made of again. A time-out of this one is that of the next flush. */
    queue(r, of, 0);
    riscv_flush(r);
    queue(r, IOTINVAL_VMA | of_guest(gscid), 0);
#else
#ifndef RISCV_LEAVES_THE_USERS
    queue(r, IOTINVAL_VMA | of_guest(gscid), 0);
#endif
    queue(r, of, 0);
#endif
  } else if (tables || (last - first) / RISCV_PAGE >= BY_ADDRESS_MAX) {
    queue(r, of, 0);
  } else {
    for (uint64_t at = first; at <= last; at += RISCV_PAGE) queue(r, of | COMMAND_AV, at);
  }
}

static void riscv_drop_range(void* self, const struct iommucheck_tag* tag,
                             const struct iommucheck_place* places, uint32_t count, uint64_t first,
                             uint64_t last, uint32_t tables) {
  struct riscv* r = self;
  const uint64_t of = IOTINVAL_VMA | COMMAND_PV | pid((uint32_t)tag->inner);
  (void)places; /* a PSCID is of no device and no PASID */
  (void)count;
  if (tag->outer != 0) {
    drop_outer(r, tag->outer, first, last, (int)tables);
    return;
  }
#ifdef RISCV_FORGETS_UNMAPS
  if (!tables) return;
#endif
#ifdef RISCV_LEAVES_POINTERS
  tables = 0;
#endif
  if (tables || (last - first) / RISCV_PAGE >= BY_ADDRESS_MAX) {
    queue(r, of, 0);
    return;
  }
  for (uint64_t at = first; at <= last; at += RISCV_PAGE) {
    queue(r, of | COMMAND_AV, at);
    if (at + RISCV_PAGE < at) break;
  }
}

static void riscv_drop_device(void* self, uint32_t device, uint32_t pasid, uint64_t first,
                              uint64_t last) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  uint64_t mask = RISCV_PAGE - 1; /* of the smallest aligned power of two of pages around it */
  uint64_t payload;
  while (mask != ~(uint64_t)0 && (first & ~mask) != (last & ~mask)) mask = mask << 1 | 1;
  payload = (first & ~mask) | (mask > RISCV_PAGE - 1 ? (mask >> 1 & ~0xfffull) | ATS_SIZED : 0);
#ifdef RISCV_FORGETS_DEVICES
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    uint64_t command = ATS_INVAL | did(its->stream_ids[i]);
#ifdef RISCV_FORGETS_STREAMS /* all but the first */
    if (i != 0) break;
#endif
    if (pasid != NO_PASID) command |= COMMAND_PV | pid(pasid);
    queue(r, command, payload);
  }
}

static void riscv_drop_device_wholly(void* self, uint32_t device) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  const uint64_t all = ~(uint64_t)(RISCV_PAGE - 1) >> 1 & ~0xfffull;
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const uint64_t command = ATS_INVAL | did(its->stream_ids[i]);
    queue(r, command, all | ATS_SIZED);
    if (its->ssid_bits != 0) queue(r, command | COMMAND_PV, all | ATS_SIZED | ATS_GLOBAL);
  }
}

/* ---- device contexts ---- */

static uint64_t pointer_to_dcs(const struct riscv* r, uint32_t stream) {
  return r->ddt + 8 * (uint64_t)(stream / RISCV_DCS);
}
static uint64_t dc_of(struct riscv* r, uint32_t stream) {
  return PTE_TABLE(load(r, pointer_to_dcs(r, stream))) + RISCV_DC_BYTES * (stream % RISCV_DCS);
}
static struct context context_at(struct riscv* r, uint32_t stream) {
  const uint64_t dc = dc_of(r, stream);
  const struct context now = {load(r, dc + DC_TC), load(r, dc + DC_IOHGATP), load(r, dc + DC_TA),
                              load(r, dc + DC_FSC)};
  return now;
}

static struct context wanted(const struct riscv* r, const struct iommucheck_route* route) {
  const struct table* table = route->table;
  struct context to = {0, 0, 0, 0};
  if (route->kind == IOMMUCHECK_ROUTE_UNTRANSLATED) to.tc = TC_V | TC_EN_ATS;
  if (route->kind == IOMMUCHECK_ROUTE_USER && (route->structure[1] & TA_V)) {
    to = table->first; /* the second stage; its device caches nothing */
    to.tc = TC_V;
    to.fsc = route->structure[0];
    if (route->structure[1] & TC_PDTV) {
      to.tc |= TC_PDTV | TC_DPE;
    } else if (FSC_MODE(to.fsc) != MODE_BARE) {
      to.ta = route->structure[1] & ~(uint64_t)TA_V;
    }
#ifdef RISCV_IGNORES_THE_SECOND_STAGE
    to.hgatp = 0;
#endif
  }
  if (route->kind != IOMMUCHECK_ROUTE_TABLE) return to;
  if (route->pasid_bits == 0 || table->first.hgatp != 0) return table->first;
  to.tc = TC_V | TC_EN_ATS | TC_PDTV | (route->first == IOMMUCHECK_ROUTE_UNTRANSLATED ? 0 : TC_DPE);
  to.fsc = FSC(r->pdt_levels, table->root);
  return to;
}

static int is_of_several_words(const struct context* from, const struct context* to) {
  const int behind = from->hgatp != 0 || to->hgatp != 0;
  if (from->ta != 0 || to->ta != 0 || from->hgatp != to->hgatp) return 1;
  return behind && (from->fsc != to->fsc || (from->tc & TC_PDTV) != (to->tc & TC_PDTV));
}

/* One word after the other, so that no mixture of old and new ones leads elsewhere: which is the
 * next. 0: none. While V = 0 words may be cached too, so that it is the last to change. Where
 * processes are reached and the device has untranslated accesses beside them, what those meet
 * changes last, or first. Else it is not valid in between. */
static int next_word(const struct context* from, const struct context* to, struct context* next) {
  *next = *from;
  if (!(to->tc & TC_V)) {
    next->tc = 0;
    return from->tc != 0;
  }
  if (from->tc & TC_V) {
    if (from->tc == to->tc && from->hgatp == to->hgatp && from->ta == to->ta &&
        from->fsc == to->fsc) {
      return 0;
    }
    if (is_of_several_words(from, to)) { /* a page table and its PSCID stand in two words */
      next->tc = 0;
      return 1;
    }
    if ((from->tc & TC_DPE) && !(to->tc & TC_DPE)) {
      next->tc &= ~(uint64_t)TC_DPE;
    } else if (!(from->tc & TC_PDTV) && (to->tc & TC_PDTV)) {
      next->tc |= TC_PDTV;
    } else if (from->fsc != to->fsc) {
      next->fsc = to->fsc;
    } else {
      next->tc = to->tc;
    }
    return 1;
  }
  if (from->hgatp != to->hgatp || from->ta != to->ta || from->fsc != to->fsc) {
    next->hgatp = to->hgatp;
    next->ta = to->ta;
    next->fsc = to->fsc;
  } else {
    next->tc = to->tc;
  }
  return 1;
}

static int is(const struct context* a, const struct context* b) {
  const int valid = (a->tc & TC_V) != 0;
  const int same = a->hgatp == b->hgatp && a->ta == b->ta && a->fsc == b->fsc;
  return a->tc == b->tc && (!valid || same);
}

static void store_context(struct riscv* r, uint32_t stream, const struct context* to) {
  const struct context from = context_at(r, stream);
  const uint64_t dc = dc_of(r, stream);
  if (from.hgatp != to->hgatp) store(r, dc + DC_IOHGATP, to->hgatp);
  if (from.ta != to->ta) store(r, dc + DC_TA, to->ta);
  if (from.fsc != to->fsc) store(r, dc + DC_FSC, to->fsc);
  if (from.tc != to->tc) store(r, dc + DC_TC, to->tc);
}

static int32_t riscv_prepare_route(void* self, uint32_t device,
                                   const struct iommucheck_route* route) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  const struct context to = wanted(r, route);
  int32_t again = 0;
#ifdef RISCV_FORGETS_TO_PREPARE
  return 0;
#endif
  r->is_late[device] = 0;
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const struct context from = context_at(r, its->stream_ids[i]);
    struct context next;
    if (!next_word(&from, &to, &next) || is(&next, &to)) continue;
    store_context(r, its->stream_ids[i], &next);
    again = 1;
  }
  return again;
}

/* Its last word. Behind a time-out it may have to say again what it no longer does, in several
 * words: where these are a page table's it is not valid until everything was invalidated. */
static int32_t riscv_set_route(void* self, uint32_t device, const struct iommucheck_route* route) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  const struct context to = wanted(r, route);
  int32_t changed = 0;
  r->is_late[device] = 0;
#ifdef RISCV_BLINKS /* all devices are cut off for a moment */
  write_register(r, RISCV_DDTP, 0);
  write_register(r, RISCV_DDTP, RISCV_REGISTER(r->ddt, r->ddt_lg2, 1));
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    struct context from = context_at(r, its->stream_ids[i]);
    struct context next;
    while (next_word(&from, &to, &next)) {
#ifndef RISCV_FORGETS_TO_PREPARE
      if (!is(&next, &to) && (is_of_several_words(&from, &to) || !(from.tc & TC_V))) {
        r->late[device] = to;
        r->is_late[device] = 1;
        if (from.tc & TC_V) store(r, dc_of(r, its->stream_ids[i]) + DC_TC, 0);
        changed |= (from.tc & TC_V) != 0;
        break;
      }
#endif
      store_context(r, its->stream_ids[i], &next);
      from = next;
      changed = 1;
    }
  }
  return changed;
}

/* After all configuration was invalidated; `valid` last. */
static int store_late(struct riscv* r, int valid) {
  int any = 0;
  for (uint32_t d = 0; d < r->config->device_count; ++d) {
    const struct iommucheck_device* its = r->config->devices[d];
    struct context to = r->late[d];
    if (!r->is_late[d]) continue;
    if (!valid) to.tc = 0;
    for (uint32_t i = 0; i < its->stream_id_count; ++i) store_context(r, its->stream_ids[i], &to);
    any = 1;
    if (valid) r->is_late[d] = 0;
  }
  return any;
}

static int32_t riscv_drop_everything(void* self) {
  struct riscv* r = self;
  int valid = 0;
  for (int more = 1; more; ++valid) {
    queue(r, IODIR_INVAL_DDT, 0);
    if (riscv_flush(self) != IOMMUCHECK_FLUSH_COMPLETE) return -IOMMUCHECK_ETIMEDOUT;
    more = valid < 2 && store_late(r, valid);
  }
#ifdef RISCV_COMBINES
  queue(r, IOTINVAL_GVMA, 0);
  if (riscv_flush(self) != IOMMUCHECK_FLUSH_COMPLETE) return -IOMMUCHECK_ETIMEDOUT;
#endif
  queue(r, IOTINVAL_VMA, 0);
  for (uint32_t gscid = 1; gscid < PSCIDS; ++gscid) { /* behind second stages, of each by itself */
    if (r->gscids[gscid / 8] & 1u << gscid % 8) queue(r, IOTINVAL_VMA | of_guest(gscid), 0);
  }
  queue(r, IOTINVAL_GVMA, 0);
  return riscv_flush(self) == IOMMUCHECK_FLUSH_COMPLETE ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

/* ---- life ---- */

static void* riscv_open(const struct iommucheck_platform* platform,
                        const struct iommucheck_config* config,
                        struct iommucheck_backend_info* info) {
  struct riscv* r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  r->late = calloc(config->device_count + 1, sizeof *r->late);
  r->is_late = calloc(config->device_count + 1, 1);
  if (r->late == NULL || r->is_late == NULL) return NULL;
  r->platform = platform;
  r->config = config;
  r->pscids[0] = 1; /* PSCID 0 is nobody's */
  r->pdt_levels = MODE_PD8;
  for (uint32_t d = 0; d < config->device_count; ++d) {
    if (config->devices[d]->ssid_bits > 8 && r->pdt_levels < MODE_PD17) r->pdt_levels = MODE_PD17;
    if (config->devices[d]->ssid_bits > 17) r->pdt_levels = MODE_PD20;
  }
  info->pasid_bits = 20;
  info->input_bits_min = 25;
  info->input_bits_max = 48;
  info->output_bits = 48;
  info->page_sizes = RISCV_PAGE;
  info->faults_max = 64;
  return r;
}

static int32_t riscv_stop(void* self) {
  write_register(self, RISCV_DDTP, 0);
  return 0;
}

static int32_t riscv_begin_reset(void* self) {
  struct riscv* r = self;
  riscv_stop(self);
  if (r->ddt == 0) {
    r->ddt_lg2 = 9;
    for (uint32_t d = 0; d < r->config->device_count; ++d) {
      const struct iommucheck_device* its = r->config->devices[d];
      for (uint32_t i = 0; i < its->stream_id_count; ++i) {
        while (its->stream_ids[i] / RISCV_DCS >> r->ddt_lg2 != 0) ++r->ddt_lg2;
      }
    }
    r->ddt_bytes = (uint64_t)8 << r->ddt_lg2;
    r->ddt = allocate(r, r->ddt_bytes);
    r->commands = allocate(r, COMMAND_BYTES * QUEUE_COUNT);
    if (r->ddt == 0 || r->commands == 0) return -IOMMUCHECK_ENOMEM;
  }
  r->tail = r->head = 0;
  r->taken = (uint32_t)read_register(r, RISCV_PQH);
  write_register(r, RISCV_CQB, RISCV_REGISTER(r->commands, QUEUE_LG2, 1));
  return 0;
}

static int32_t riscv_end_reset(void* self) {
  struct riscv* r = self;
  write_register(r, RISCV_DDTP, RISCV_REGISTER(r->ddt, r->ddt_lg2, 1));
  return 0;
}

static void riscv_free_everything(void* self) {
  struct riscv* r = self;
  for (uint64_t at = 0; r->ddt != 0 && at < r->ddt_bytes; at += 8) {
    const uint64_t pointer = load(r, r->ddt + at);
    if (pointer != 0) release(r, PTE_TABLE(pointer), RISCV_PAGE);
  }
  if (r->ddt != 0) release(r, r->ddt, r->ddt_bytes);
  if (r->commands != 0) release(r, r->commands, COMMAND_BYTES * QUEUE_COUNT);
  r->ddt = r->commands = 0;
}

/* Its contexts stay as they are: not valid. */
static int32_t riscv_add_device(void* self, uint32_t device) {
  struct riscv* r = self;
  const struct iommucheck_device* its = r->config->devices[device];
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const uint64_t place = pointer_to_dcs(r, its->stream_ids[i]);
    if (load(r, place) == 0) {
      const uint64_t page = allocate(r, RISCV_PAGE);
      if (page == 0) return -IOMMUCHECK_ENOMEM;
      store(r, place, PTE(page, PTE_V));
    }
    store(r, dc_of(r, its->stream_ids[i]) + DC_TC, 0);
  }
  return 0;
}

static int32_t riscv_can_route(void* self, uint32_t kind, uint32_t device, uint32_t at_pasid) {
  (void)self;
  (void)kind;
  (void)device;
#ifdef RISCV_WITHOUT_IDENTITY
  return !at_pasid;
#else
  (void)at_pasid; /* a PC with a Bare fsc */
  return 1;
#endif
}

/* ---- process directories ---- */

/* Where the PC is; 0: the way there is not whole, and was not made. *made: some of it was. */
static uint64_t pc_of(struct riscv* r, const struct table* table, uint32_t pasid, int make,
                      int* made) {
  uint64_t page = table->root;
#ifdef RISCV_IGNORES_HIGH_PASIDS
  pasid &= 0x1ff;
#endif
  for (uint32_t level = r->pdt_levels - 1; level > 0; --level) {
    const uint64_t place = page + 8 * (uint64_t)PDT_INDEX(pasid, level);
    uint64_t word = load(r, place);
    if (word == 0) {
      const uint64_t below = make ? allocate(r, RISCV_PAGE) : 0;
      if (below == 0) return 0;
      word = PTE(below, PTE_V);
      store(r, place, word);
      *made = 1;
    }
    page = PTE_TABLE(word);
  }
  return page + RISCV_PC_BYTES * (uint64_t)PDT_INDEX(pasid, 0);
}

static void free_directory(struct riscv* r, uint64_t page, uint32_t level) {
  for (uint64_t i = 0; level > 0 && i < RISCV_WORDS; ++i) {
    const uint64_t word = load(r, page + 8 * i);
    if (word != 0) free_directory(r, PTE_TABLE(word), level - 1);
  }
  release(r, page, RISCV_PAGE);
}

static void riscv_close_table(void* self, void* table) {
  struct riscv* r = self;
  struct table* its = table;
  free_directory(r, its->root, r->pdt_levels - 1);
  free(its);
}

static void* riscv_open_table(void* self) {
  struct riscv* r = self;
  struct table* its = calloc(1, sizeof *its);
  int made = 0;
  if (its == NULL) return NULL;
  its->root = allocate(r, RISCV_PAGE);
  if (its->root != 0 && pc_of(r, its, 0, 1, &made) != 0) return its;
  if (its->root != 0) free_directory(r, its->root, r->pdt_levels - 1);
  free(its);
  return NULL;
}

static int32_t riscv_make_place(void* self, void* table, uint32_t pasid) {
  int made = 0;
  if (pc_of(self, table, pasid, 1, &made) == 0) return -IOMMUCHECK_ENOMEM;
  return made ? IOMMUCHECK_PLACE_MADE : IOMMUCHECK_PLACE_PRESENT;
}

static uint64_t fsc_of(const struct iommucheck_entry* entry) {
  if (entry->flags & IOMMUCHECK_ENTRY_UNTRANSLATED) return FSC(MODE_BARE, 0);
  return FSC(MODE_SV48, entry->table_pa);
}
static uint64_t ta_of(const struct iommucheck_entry* entry) {
  uint64_t word = TA_V | entry->tag.inner << TA_PSCID_LSB;
  if (entry->flags & IOMMUCHECK_ENTRY_WAITS) word |= TA_WAITS;
  if (entry->flags & IOMMUCHECK_ENTRY_QUIET) word |= TA_QUIET;
  if (entry->flags & IOMMUCHECK_ENTRY_PROCESS) word |= TA_CPUS;
  return word;
}

static int32_t riscv_prepare_entry(void* self, void* table, uint32_t pasid,
                                   const struct iommucheck_entry* entry) {
  struct riscv* r = self;
  const uint64_t pc = pc_of(r, table, pasid, 0, NULL);
#ifdef RISCV_FORGETS_TO_PREPARE
  return 0;
#endif
  if (load(r, pc + PC_FSC) == fsc_of(entry)) return 0;
  store(r, pc + PC_FSC, fsc_of(entry));
  return 1;
}

static int32_t riscv_store_entry(void* self, void* table, uint32_t pasid,
                                 const struct iommucheck_entry* entry) {
  struct riscv* r = self;
  const uint64_t pc = pc_of(r, table, pasid == NO_PASID ? 0 : pasid, 0, NULL);
#ifdef RISCV_FORGETS_TO_PREPARE
  if (entry != NULL) store(r, pc + PC_FSC, fsc_of(entry));
#endif
  store(r, pc + PC_TA, entry == NULL ? 0 : ta_of(entry));
  return 0;
}

/* Nothing leads there yet: both words at once. */
static int32_t riscv_set_first_entry(void* self, void* table,
                                     const struct iommucheck_entry* entry) {
  struct riscv* r = self;
  struct table* its = table;
  const uint64_t pc = pc_of(r, its, 0, 0, NULL);
  if (entry != NULL) {
    its->first.tc = TC_V | TC_EN_ATS;
    if (entry->flags & IOMMUCHECK_ENTRY_OUTER) { /* no process is behind it */
      its->first.hgatp = HGATP(entry->tag.outer, entry->table_pa);
      return 0;
    }
    its->first.ta = ta_of(entry) & ~(uint64_t)TA_V;
    its->first.fsc = fsc_of(entry);
    store(r, pc + PC_FSC, fsc_of(entry));
  }
  store(r, pc + PC_TA, entry == NULL ? 0 : ta_of(entry));
  return 0;
}

static int32_t riscv_understands(void* self, const struct iommucheck_mm* mm) {
  (void)self;
  return mm->input_bits == 48 && mm->table_pa % RISCV_PAGE == 0;
}

/* ---- PSCIDs ---- */

static uint32_t take_number(uint8_t* taken) {
  for (uint32_t n = 1; n < PSCIDS; ++n) {
    if (taken[n / 8] & 1u << n % 8) continue;
    taken[n / 8] |= (uint8_t)(1u << n % 8);
    return n;
  }
  return 0;
}
static uint32_t take_pscid(struct riscv* r) {
#ifdef RISCV_SHARES_TAGS
  static uint32_t last;
  return 1 + last++ % 3;
#endif
  return take_number(r->pscids);
}
static void give_number(uint8_t* taken, uint64_t n) { taken[n / 8] &= (uint8_t)~(1u << n % 8); }
static void give_pscid(struct riscv* r, uint64_t n) { give_number(r->pscids, n); }
static int32_t riscv_take_tag(void* self, const struct iommucheck_mm* mm,
                              struct iommucheck_tag* tag) {
  (void)mm;
  tag->inner = take_pscid(self);
  return tag->inner == 0 ? -IOMMUCHECK_ENOSPC : 0;
}
static void riscv_release_tag(void* self, const struct iommucheck_tag* tag) {
  give_pscid(self, tag->inner);
}

/* ---- spaces: Sv48 ---- */

static struct space* open_any(struct riscv* r, uint32_t foreign, uint32_t outer,
                              struct iommucheck_space* out) {
  struct space* its = calloc(1, sizeof *its);
  if (its == NULL) return NULL;
  its->foreign = foreign;
  its->outer = outer;
  its->root = allocate(r, RISCV_PAGE);
  if (its->root != 0 && !foreign) its->pscid = outer ? take_number(r->gscids) : take_pscid(r);
  if (its->root != 0 && (foreign || its->pscid != 0)) {
    out->table_pa = its->root;
    *(outer ? &out->tag.outer : &out->tag.inner) = its->pscid;
    return its;
  }
  if (its->root != 0) release(r, its->root, RISCV_PAGE);
  free(its);
  return NULL;
}

static void* riscv_open_space(void* self, uint32_t input_bits, uint32_t foreign,
                              struct iommucheck_space* out) {
  (void)input_bits;
  return open_any(self, foreign, 0, out);
}

static void* riscv_open_outer(void* self, uint32_t input_bits, struct iommucheck_space* out) {
  (void)input_bits;
  return open_any(self, 0, 1, out);
}

static uint64_t place_of(uint64_t table, uint64_t iova, uint32_t level) {
  return table + 8 * (iova >> (12 + 9 * level) & (RISCV_WORDS - 1));
}

static void free_tables(struct riscv* r, uint64_t table, uint32_t level) {
  for (uint64_t i = 0; level > 0 && i < RISCV_WORDS; ++i) {
    const uint64_t word = load(r, table + 8 * i);
    if (word != 0) free_tables(r, PTE_TABLE(word), level - 1);
  }
  release(r, table, RISCV_PAGE);
}

static void riscv_free_retired(void* self, void* space) {
  struct space* its = space;
  while (its->retired != NULL) {
    struct retired* first = its->retired;
    its->retired = first->next;
    release(self, first->pa, RISCV_PAGE);
    free(first);
  }
}

static void riscv_close_space(void* self, void* space) {
  struct riscv* r = self;
  struct space* its = space;
  riscv_free_retired(self, space);
  free_tables(r, its->root, RISCV_LEVELS - 1);
  if (!its->foreign) give_number(its->outer ? r->gscids : r->pscids, its->pscid);
  free(its);
}

/* Where the leaf's word is; 0: there is no table, and none was made. */
static uint64_t leaf_of(struct riscv* r, const struct space* its, uint64_t iova, int make) {
  uint64_t table = its->root;
  for (uint32_t level = RISCV_LEVELS - 1; level > 0; --level) {
    const uint64_t place = place_of(table, iova, level);
    uint64_t word = load(r, place);
    if (word == 0) {
      const uint64_t below = make ? allocate(r, RISCV_PAGE) : 0;
      if (below == 0) return 0;
      word = PTE(below, PTE_V);
      store(r, place, word);
    }
    table = PTE_TABLE(word);
  }
  return place_of(table, iova, 0);
}

static int32_t riscv_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes,
                         uint32_t prot, uint64_t* done) {
  uint64_t bits = PTE_V | PTE_R;
  if (prot & IOMMUCHECK_PROT_WRITE) bits |= PTE_W;
  if (prot & IOMMUCHECK_PROT_EXEC) bits |= PTE_X;
#ifdef RISCV_IGNORES_PRIVILEGED
  bits |= PTE_U;
#endif
  if (!(prot & IOMMUCHECK_PROT_PRIVILEGED)) bits |= PTE_U;
#ifndef RISCV_MAPS_UNTRACKED
  if (!((const struct space*)space)->tracked)
#endif
    bits |= PTE_D;
  for (*done = 0; *done < bytes; *done += RISCV_PAGE) {
    const uint64_t place = leaf_of(self, space, iova + *done, 1);
    if (place == 0) return -IOMMUCHECK_ENOMEM;
    if (load(self, place) != 0) return -IOMMUCHECK_EEXIST;
    store(self, place, PTE(pa + *done, bits));
  }
  return 0;
}

/* The last level's table leaves the tree where nothing is in it any more. Of a table that others
 * walk the whole of it has to have gone at once: `cleared`, so many bytes up to the end of the
 * page, so that nobody maps there before it was synchronised. */
static void retire(struct riscv* r, struct space* its, uint64_t iova, uint64_t cleared,
                   uint32_t* tables) {
  const uint64_t leaf = leaf_of(r, its, iova, 0);
  const uint64_t table = leaf & ~(uint64_t)(RISCV_PAGE - 1);
  uint64_t above = its->root;
  struct retired* it;
  if (leaf == 0) return;
#ifdef RISCV_WITHOUT_HOLES
  const int whole = 1;
#else
  const int whole = its->foreign != 0;
#endif
  if (whole && (cleared < RISCV_WORDS * RISCV_PAGE || leaf != table + RISCV_PAGE - 8)) return;
  for (uint64_t i = 0; i < RISCV_WORDS; ++i) {
    if (load(r, table + 8 * i) != 0) return;
  }
  it = malloc(sizeof *it);
  if (it == NULL) return;
  for (uint32_t level = RISCV_LEVELS - 1; level > 1; --level) {
    above = PTE_TABLE(load(r, place_of(above, iova, level)));
  }
  store(r, place_of(above, iova, 1), 0);
  it->pa = table;
  it->next = its->retired;
  its->retired = it;
  *tables = 1;
#ifdef RISCV_FREES_TABLES_EARLY
  riscv_free_retired(r, its);
#endif
}

static uint64_t riscv_unmap(void* self, void* space, uint64_t iova, uint64_t bytes,
                            uint32_t* tables) {
  uint64_t done = 0;
  for (; done < bytes; done += RISCV_PAGE) {
    const uint64_t at = iova + done;
    const uint64_t place = leaf_of(self, space, at, 0);
    if (place == 0 || load(self, place) == 0) break;
    store(self, place, 0);
    if (place % RISCV_PAGE == RISCV_PAGE - 8) retire(self, space, at, done + RISCV_PAGE, tables);
  }
  if (done != 0) retire(self, space, iova + done - RISCV_PAGE, done, tables);
  return done;
}

static uint64_t riscv_translate(void* self, void* space, uint64_t iova) {
  const uint64_t place = leaf_of(self, space, iova, 0);
  const uint64_t word = place != 0 ? load(self, place) : 0;
  return word != 0 ? PTE_TABLE(word) | (iova & (RISCV_PAGE - 1)) : 0;
}

/* ---- what devices have written to: D ---- */

#ifndef RISCV_WITHOUT_MARKS
/* Both while hardware may set it. What the word said before. */
static uint64_t change_d(struct riscv* r, uint64_t place, int on) {
  uint64_t word = load(r, place);
  for (int tries = 0; tries < 4; ++tries) {
    const uint64_t next = on ? word | PTE_D : word & ~(uint64_t)PTE_D;
    uint64_t seen;
    if (next == word) break;
    seen = r->platform->atomic(r->platform->ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, place, 8, next,
                               word, IOMMUCHECK_ORDERED, 0);
    if (seen == word) break;
    word = seen;
  }
  return word;
}

/* Of each leaf in [first, last] that may be written, in the order of addresses. */
static void visit_leaves(struct riscv* r, uint64_t table, uint32_t level, uint64_t base,
                         uint64_t first, uint64_t last,
                         void (*visit)(struct riscv* r, uint64_t place, uint64_t iova, void* with),
                         void* with) {
  for (uint64_t i = 0; i < RISCV_WORDS; ++i) {
    const uint64_t covers = (uint64_t)1 << (12 + 9 * level);
    const uint64_t at = base + i * covers;
    uint64_t word;
    if (at > last || at + (covers - 1) < first) continue;
    word = load(r, table + 8 * i);
    if (word == 0) continue;
    if (level > 0) {
      visit_leaves(r, PTE_TABLE(word), level - 1, at, first, last, visit, with);
    } else if (word & PTE_W) {
      visit(r, table + 8 * i, at, with);
    }
  }
}

static void set_d(struct riscv* r, uint64_t place, uint64_t iova, void* with) {
  (void)iova;
  change_d(r, place, with != NULL);
}

static void riscv_track(void* self, void* space, uint32_t on) {
  struct riscv* r = self;
  struct space* its = space;
  its->tracked = on;
  visit_leaves(r, its->root, RISCV_LEVELS - 1, 0, 0, ~(uint64_t)0, set_d, on ? NULL : its);
}

struct reading {
  const struct iommucheck_dirty* of;
  int32_t cleared;
};

static void read_one(struct riscv* r, uint64_t place, uint64_t iova, void* with) {
  struct reading* reading = with;
  const struct iommucheck_dirty* of = reading->of;
  const uint64_t bit = (iova - of->iova) / of->grain;
  const uint64_t word = of->clear ? change_d(r, place, 0) : load(r, place);
  if (!(word & PTE_D)) return;
  of->bitmap[bit / 64] |= (uint64_t)1 << bit % 64;
  if (of->clear) reading->cleared = 1;
}

/* Its leaves are pages, and whole in any range. */
static int32_t riscv_read_marks(void* self, void* space, const struct iommucheck_dirty* of) {
  struct reading reading = {of, 0};
  visit_leaves(self, ((struct space*)space)->root, RISCV_LEVELS - 1, 0, of->iova,
               of->iova + of->bytes - 1, read_one, &reading);
#ifdef RISCV_FORGETS_CLEARED
  return 0;
#endif
  return reading.cleared;
}

static void mark_one(struct riscv* r, uint64_t place, uint64_t iova, void* with) {
  const struct iommucheck_dirty* of = with;
  const uint64_t bit = (iova - of->iova) / of->grain;
  if (of->bitmap[bit / 64] >> bit % 64 & 1) change_d(r, place, 1);
}
static void riscv_mark_again(void* self, void* space, const struct iommucheck_dirty* of) {
  struct iommucheck_dirty by = *of;
  visit_leaves(self, ((struct space*)space)->root, RISCV_LEVELS - 1, 0, of->iova,
               of->iova + of->bytes - 1, mark_one, &by);
}
#endif

/* ---- users ---- */

static int32_t riscv_check_structure(void* self, const uint64_t* structure, uint32_t pasids,
                                     void* outer) {
  const uint64_t fsc = structure[0];
  const uint32_t mode = FSC_MODE(fsc);
  const int bare = fsc == FSC(MODE_BARE, 0);
  (void)self;
  (void)outer;
  if (structure[1] & ~USER_TA_BITS) return -IOMMUCHECK_EINVAL;
  if (!bare && fsc != FSC(mode, FSC_TABLE(fsc))) return -IOMMUCHECK_EINVAL;
  if (structure[1] & TC_PDTV) {
    const int right = mode == MODE_PD8 && TA_PSCID(structure[1]) == 0;
    /* One that is not valid leads to none. */
    return right && (pasids != 0) == ((structure[1] & TA_V) != 0) ? 0 : -IOMMUCHECK_EINVAL;
  }
  if (pasids) return -IOMMUCHECK_EINVAL;
  return bare || mode == MODE_SV39 || mode == MODE_SV48 ? 0 : -IOMMUCHECK_EINVAL;
}

/* IOTINVAL.VMA of all, of a PSCID or of an address, and ATS.INVAL without a PASID: no bit besides.
 */
static int is_users(uint64_t word0, uint64_t word1) {
  const uint64_t vma = 0x3ff | COMMAND_AV | COMMAND_PV | pid(0xfffff);
  const uint64_t ats = 0x3ff | did(0xffffff);
#ifdef RISCV_WITHOUT_USERS_DEVICES
  if (COMMAND_KIND(word0) == ATS_INVAL) return 0;
#endif
  if (COMMAND_KIND(word0) == ATS_INVAL) {
    return (word0 & ~ats) == 0 && (word1 & (RISCV_PAGE - 1) & ~ATS_SIZED) == 0;
  }
  if (COMMAND_KIND(word0) == IODIR_INVAL_PDT) {
    const uint64_t both = COMMAND_DV | COMMAND_PV;
    return (word0 & both) == both && (word0 & ~(ats | both | pid(0xfffff))) == 0 && word1 == 0;
  }
  if (COMMAND_KIND(word0) != IOTINVAL_VMA || (word0 & ~vma)) return 0;
  if (!(word0 & COMMAND_PV) && COMMAND_PID(word0) != 0) return 0;
  return (word0 & COMMAND_AV) ? word1 % RISCV_PAGE == 0 : word1 == 0;
}

static void riscv_understand(void* self, const uint64_t* words,
                             struct iommucheck_user_about* about) {
  (void)self;
#ifdef RISCV_PASSES_ANYTHING_ON
  about->about = IOMMUCHECK_USER_TRANSLATIONS;
#endif
  if (!is_users(words[0], words[1])) return;
  about->about = IOMMUCHECK_USER_TRANSLATIONS;
  if (COMMAND_KIND(words[0]) == IOTINVAL_VMA) return;
  about->about =
      COMMAND_KIND(words[0]) == ATS_INVAL ? IOMMUCHECK_USER_DEVICE : IOMMUCHECK_USER_ENTRIES;
  about->names_device = 1;
  about->number = COMMAND_DID(words[0]);
}

/* Behind the second stage of that user; of a device, by the host's numbers. */
static void riscv_forward(void* self, const uint64_t* words, const struct iommucheck_tag* outer,
                          uint32_t device) {
  struct riscv* r = self;
#ifdef RISCV_KEEPS_THE_USERS_GSCID /* which it has none of: all of the host's own go */
  if (COMMAND_KIND(words[0]) == IOTINVAL_VMA) {
    queue(r, words[0], words[1]);
    return;
  }
#endif
  if (COMMAND_KIND(words[0]) != ATS_INVAL && COMMAND_KIND(words[0]) != IODIR_INVAL_PDT) {
    queue(r, words[0] | of_guest(outer->outer), words[1]);
    return;
  }
#ifdef RISCV_FORGETS_USERS_ENTRIES
  if (COMMAND_KIND(words[0]) == IODIR_INVAL_PDT) return;
#endif
  for (uint32_t i = 0; i < r->config->devices[device]->stream_id_count; ++i) {
    const uint64_t stream = did(r->config->devices[device]->stream_ids[i]);
    queue(r, (words[0] & ~did(0xffffff)) | stream, words[1]);
  }
}

/* ---- page requests ---- */

#ifndef RISCV_WITHOUT_WAITS
static int32_t riscv_read_fault(void* self, struct iommucheck_waiting* fault) {
  struct riscv* r = self;
  uint64_t who, what;
  if ((uint32_t)read_register(r, RISCV_PQT) == r->taken) return 0;
  who = read_register(r, RISCV_PQ_WHO);
  what = read_register(r, RISCV_PQ_WHAT);
  fault->group = (uint32_t)read_register(r, RISCV_PQ_GROUP);
  fault->last = (what & REQUEST_LAST) != 0;
  fault->stream_id = COMMAND_DID(who);
  fault->pasid = (who & COMMAND_PV) ? COMMAND_PID(who) : NO_PASID;
  if (what & REQUEST_R) fault->prot |= IOMMUCHECK_PROT_READ;
  if (what & REQUEST_W) fault->prot |= IOMMUCHECK_PROT_WRITE;
  if (what & REQUEST_X) fault->prot |= IOMMUCHECK_PROT_EXEC;
  fault->iova = what & ~(uint64_t)(RISCV_PAGE - 1);
#ifdef RISCV_IGNORES_LAST
  fault->last = 1;
#endif
  ++r->taken;
  write_register(r, RISCV_PQH, r->taken);
  return 1;
}

static int32_t riscv_answer(void* self, uint32_t group, uint32_t response) {
  uint64_t code = response == IOMMUCHECK_FAULT_SUCCESS   ? PRGR_SUCCESS
                  : response == IOMMUCHECK_FAULT_FAILURE ? PRGR_FAILURE
                                                         : PRGR_INVALID;
#ifdef RISCV_IGNORES_FAILURE
  if (code == PRGR_INVALID) code = PRGR_FAILURE;
#endif
#ifdef RISCV_FORGETS_TO_RESPOND
  return IOMMUCHECK_ANSWERED_DONE;
#endif
  queue(self, ATS_PRGR, group | code << 48);
  return riscv_flush(self) == IOMMUCHECK_FLUSH_COMPLETE ? IOMMUCHECK_ANSWERED_DONE
                                                        : IOMMUCHECK_ANSWERED_ON_ITS_WAY;
}
#endif

#ifndef RISCV_WITHOUT_USERS
/* ---- faults that end accesses ---- */

/* What the second stage has ended is the host's; of the rest the number of the device is. */
static int32_t riscv_read_event(void* self, struct iommucheck_ended* event) {
  struct riscv* r = self;
  const uint64_t there = read_register(r, RISCV_FQT);
  uint64_t who;
  if ((uint32_t)there == r->faults) return 0;
  who = read_register(r, RISCV_FQ_WHO);
  event->stream_id = FAULT_DID(who);
  event->pasid = who & FAULT_PV ? FAULT_PID(who) : NO_PASID;
#ifdef RISCV_TELLS_THE_SECOND_STAGE
  event->told = 1;
#elif defined(RISCV_TELLS_NOTHING)
  event->told = 0;
#else
  event->told = CAUSE_IS_FIRST(FAULT_CAUSE(who));
#endif
#ifdef RISCV_TELLS_THE_HOSTS_NUMBER
  event->words[0] = who;
#else
  event->words[0] = who & 0xffffffff;
#endif
  event->words[1] = read_register(r, RISCV_FQ_IOTVAL);
#ifdef RISCV_TELLS_THE_SECOND_STAGE
  event->words[2] = read_register(r, RISCV_FQ_IOTVAL2);
#endif
  write_register(r, RISCV_FQH, ++r->faults);
  return 1;
}

static void riscv_set_number(void* self, uint64_t* words, uint32_t number) {
  (void)self;
  words[0] |= (uint64_t)number << 32;
}
#endif

extern const struct iommucheck_hardware_ops riscv_hardware;
extern const struct iommucheck_user_format riscv_users;

static const struct iommucheck_backend_ops riscv_ops = {
    .size = sizeof riscv_ops,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .open = riscv_open,
    .begin_reset = riscv_begin_reset,
    .end_reset = riscv_end_reset,
    .stop = riscv_stop,
    .free_everything = riscv_free_everything,
    .add_device = riscv_add_device,
    .can_route = riscv_can_route,
    .prepare_route = riscv_prepare_route,
    .prepare_entry = riscv_prepare_entry,
    .set_route = riscv_set_route,
    .forget_route = riscv_forget_route,
    .open_table = riscv_open_table,
    .close_table = riscv_close_table,
    .set_first_entry = riscv_set_first_entry,
    .make_place = riscv_make_place,
    .store_entry = riscv_store_entry,
    .forget_entry = riscv_forget_entry,
    .understands = riscv_understands,
    .take_tag = riscv_take_tag,
    .release_tag = riscv_release_tag,
    .open_space = riscv_open_space,
    .close_space = riscv_close_space,
    .map = riscv_map,
    .unmap = riscv_unmap,
    .translate = riscv_translate,
    .free_retired = riscv_free_retired,
    .drop_range = riscv_drop_range,
    .drop_device = riscv_drop_device,
    .flush = riscv_flush,
    .drop_everything = riscv_drop_everything,
#ifndef RISCV_WITHOUT_WAITS
    .read_fault = riscv_read_fault,
    .answer = riscv_answer,
#endif
    .open_outer = riscv_open_outer,
    .check_structure = riscv_check_structure,
    .drop_inner = riscv_drop_inner,
    .drop_device_wholly = riscv_drop_device_wholly,
    .understand = riscv_understand,
    .forward = riscv_forward,
#ifndef RISCV_WITHOUT_MARKS
    .track = riscv_track,
    .read_marks = riscv_read_marks,
    .mark_again = riscv_mark_again,
#endif
#ifndef RISCV_WITHOUT_USERS
    .read_event = riscv_read_event,
    .set_number = riscv_set_number,
#endif
};

static const struct iommucheck_backend riscv = {
    .size = sizeof riscv,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .flags = IOMMUCHECK_BACKEND_KEEPS_PASID_0
#ifndef RISCV_WITHOUT_USERS
             | IOMMUCHECK_BACKEND_USERS | IOMMUCHECK_BACKEND_TELLS_USERS
#endif
#ifndef RISCV_WITHOUT_MARKS
             | IOMMUCHECK_BACKEND_TRACKS_WRITES
#endif
#ifndef RISCV_WITHOUT_WAITS
             | IOMMUCHECK_BACKEND_WAITS | IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE
#ifndef RISCV_WITHOUT_GROUPS
             | IOMMUCHECK_BACKEND_GROUPS
#endif
#endif
#if !defined(RISCV_WITHOUT_HOLES) && !defined(RISCV_FORGETS_MAPS)
             | IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED
#endif
    ,
    .name = "riscv",
    .backend = &riscv_ops,
    .hardware = &riscv_hardware,
    .users = &riscv_users,
};

const struct iommucheck_backend* iommucheck_backend_entry(void) { return &riscv; }
