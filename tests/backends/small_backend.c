/* SPDX-License-Identifier: MIT
 *
 * A small IOMMU behind iommucheck's door for backends: this file drives it, small_hardware.c is the
 * model of its hardware.
 *
 *     cc -shared -fPIC -I include -o small_backend.so tests/backends/small_backend.c \
 *        tests/backends/small_hardware.c
 *     iommucheck check --backend ./small_backend.so --runs 200
 *
 * Everything that others see changes by one store. What was forgotten and dropped has acted when
 * flush() says so. With one of the macros SMALL_FORGETS_* or SMALL_FREES_* it is wrong on purpose.
 * With SMALL_WITHOUT_WAITS, SMALL_WITHOUT_HOLES and SMALL_KEEPS_PASID_0 it is another IOMMU: faults
 * never wait, caches do not hold that nothing is mapped, PASID 0 is no number.
 */
#include "small_backend.h"

#include <stdlib.h>
#include <string.h>

#include "iommucheck/backend.h"

#define NO_PASID IOMMUCHECK_BACKEND_NO_PASID

struct small {
  const struct iommucheck_platform* platform;
  const struct iommucheck_config* config;
  uint64_t devices; /* the device table; 0: none */
  uint64_t devices_bytes;
  uint64_t sent, done;
#ifdef SMALL_FORGETS_ENTRIES_LAST
  uint64_t late[64];
  uint32_t late_count;
  int dropped, asked;
#endif
};

struct table {
  uint64_t pa;
  uint64_t bytes;
};

struct space {
  uint64_t root;
  uint64_t retired[64]; /* tables that unmap took out, and that a cache may lead to */
  uint32_t retired_count;
  uint32_t foreign; /* others walk it, and the IOMMU never */
};

/* ---- memory ---- */

static uint64_t load(struct small* s, uint64_t pa) {
  return s->platform->load64(s->platform->ctx, pa);
}
static void store(struct small* s, uint64_t pa, uint64_t word) {
  s->platform->store64(s->platform->ctx, pa, word);
}
static void release(struct small* s, uint64_t pa, uint64_t bytes) {
  s->platform->table_free(s->platform->ctx, pa, bytes);
}
/* Zeros; 0: no memory. */
static uint64_t allocate(struct small* s, uint64_t bytes) {
  uint64_t pa = 0;
  if (s->platform->table_alloc(s->platform->ctx, bytes, &pa) == NULL) return 0;
  s->platform->fill64(s->platform->ctx, pa, bytes / 8, 0);
  return pa;
}

/* ---- commands ---- */

static void write_register(struct small* s, uint64_t offset, uint64_t value) {
  s->platform->mmio_write64(s->platform->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
}
static uint64_t read_register(struct small* s, uint64_t offset) {
  return s->platform->mmio_read64(s->platform->ctx, offset);
}
static void send(struct small* s, uint64_t command, uint64_t who, uint64_t first, uint64_t last) {
  write_register(s, SMALL_WHO, who);
  write_register(s, SMALL_FIRST_BYTE, first);
  write_register(s, SMALL_LAST_BYTE, last);
  write_register(s, SMALL_COMMAND, command);
  ++s->sent;
}
static uint64_t who(uint32_t stream, uint32_t pasid) { return stream | (uint64_t)pasid << 32; }

static int32_t wait_for_all(struct small* s) {
  int late = 0;
  while (s->done != s->sent) { /* with a last look after the time is up */
    s->done = read_register(s, SMALL_DONE);
    if (s->done == s->sent) break;
    if (late) return IOMMUCHECK_FLUSH_TIMED_OUT;
    late = s->platform->wait(s->platform->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000);
  }
  return IOMMUCHECK_FLUSH_COMPLETE;
}

static int32_t small_flush(void* self) {
  struct small* s = self;
#ifdef SMALL_FORGETS_TO_WAIT
  (void)s;
  (void)wait_for_all;
  return IOMMUCHECK_FLUSH_COMPLETE;
#elif defined(SMALL_FORGETS_ENTRIES_LAST) /* behind the translations, which come back by them */
  const int32_t result = wait_for_all(s);
  if (s->late_count == 0 || (!s->dropped && !s->asked++)) return result;
  s->dropped = s->asked = 0;
  while (s->late_count > 0) send(s, SMALL_FORGET_ENTRY, s->late[--s->late_count], 0, 0);
  return wait_for_all(s);
#else
  return wait_for_all(s);
#endif
}

#ifdef SMALL_FORGETS_TAGS
#define SMALL_TAG(root) ((root) / SMALL_PAGE % 4)
static uint64_t tags[4];
#endif

/* A second time, for what was filled before the first had acted by what that has dropped. */
static int32_t small_drop_everything(void* self) {
  for (int time = 0; time < 2; ++time) {
    send(self, SMALL_DROP_ALL, 0, 0, 0);
    if (small_flush(self) != IOMMUCHECK_FLUSH_COMPLETE) return -IOMMUCHECK_ETIMEDOUT;
  }
  return 0;
}

static void small_drop_range(void* self, const struct iommucheck_tag* its,
                             const struct iommucheck_place* places, uint32_t count, uint64_t first,
                             uint64_t last, uint32_t tables) {
  uint64_t tag = its->inner;
  (void)tables; /* its command takes the pointers along, whatever the PASID */
  (void)places;
  (void)count;
#ifdef SMALL_FORGETS_UNMAPS
  if (!tables) return;
#endif
#ifdef SMALL_FORGETS_ENTRIES_LAST
  if (last == ~(uint64_t)0) ((struct small*)self)->dropped = 1;
#endif
#ifdef SMALL_FORGETS_TAGS /* of those that came before another one with the same low bits */
  tag = tags[SMALL_TAG(tag)];
#endif
  send(self, SMALL_DROP, tag, first, last);
}

static void small_drop_device(void* self, uint32_t device, uint32_t pasid, uint64_t first,
                              uint64_t last) {
  struct small* s = self;
  const struct iommucheck_device* its = s->config->devices[device];
#ifdef SMALL_FORGETS_DEVICES
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
#ifdef SMALL_FORGETS_STREAMS /* all but the first */
    if (i != 0) break;
#endif
    send(s, SMALL_DROP_DEVICE, who(its->stream_ids[i], pasid), first, last);
  }
}

/* ---- life ---- */

static void* small_open(const struct iommucheck_platform* platform,
                        const struct iommucheck_config* config,
                        struct iommucheck_backend_info* info) {
  struct small* s = calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  s->platform = platform;
  s->config = config;
#ifdef SMALL_WITH_PASID_BITS
  info->pasid_bits = SMALL_WITH_PASID_BITS;
#else
  info->pasid_bits = 20;
#endif
  info->input_bits_min = 25;
#ifdef SMALL_WITH_INPUT_BITS
  info->input_bits_max = SMALL_WITH_INPUT_BITS;
#else
  info->input_bits_max = 48;
#endif
  info->output_bits = 48;
  info->page_sizes = SMALL_PAGE;
  info->faults_max = 64;
  return s;
}

static int32_t small_stop(void* self) {
  write_register(self, SMALL_CONTROL, 0);
  return 0;
}

static int32_t small_begin_reset(void* self) {
  struct small* s = self;
  uint64_t words = SMALL_WORDS;
  uint64_t lg2 = 9;
  small_stop(self);
  if (s->devices == 0) {
    for (uint32_t d = 0; d < s->config->device_count; ++d) {
      for (uint32_t i = 0; i < s->config->devices[d]->stream_id_count; ++i) {
        for (; s->config->devices[d]->stream_ids[i] >= words; words *= 2) ++lg2;
      }
    }
    s->devices_bytes = 8 * words;
    s->devices = allocate(s, s->devices_bytes);
    if (s->devices == 0) return -IOMMUCHECK_ENOMEM;
    write_register(s, SMALL_DEVICES, s->devices | lg2);
  }
  s->sent = s->done = read_register(s, SMALL_DONE);
  return 0;
}

static int32_t small_end_reset(void* self) {
  write_register(self, SMALL_CONTROL, 1);
  return 0;
}

static void small_free_everything(void* self) {
  struct small* s = self;
  if (s->devices != 0) release(s, s->devices, s->devices_bytes);
  s->devices = 0;
}

/* ---- routes ---- */

/* All of them, at PASIDs too. */
static int32_t small_can_route(void* self, uint32_t kind, uint32_t device, uint32_t at_pasid) {
  (void)self;
  (void)kind;
  (void)device;
#ifdef SMALL_WITHOUT_IDENTITY
  return !at_pasid;
#else
  (void)at_pasid;
  return 1;
#endif
}

static int32_t small_add_device(void* self, uint32_t device) {
  struct small* s = self;
  const struct iommucheck_device* its = s->config->devices[device];
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    store(s, s->devices + 8 * (uint64_t)its->stream_ids[i], SMALL_BLOCKED);
  }
  return 0;
}

#ifdef SMALL_STORES_SLOWLY
/* As if routes and entries were written by a register that is not always ready: each second one
 * that times out was stored all the same. */
static int is_ready(struct small* s) {
  send(s, SMALL_FORGET_ENTRY, NO_PASID, 0, 0);
  return wait_for_all(s) == IOMMUCHECK_FLUSH_COMPLETE;
}
#define STORE_SLOWLY(s, place, word)            \
  do {                                          \
    if (!is_ready(s)) {                         \
      if ((s)->sent & 1) store(s, place, word); \
      return -IOMMUCHECK_ETIMEDOUT;             \
    }                                           \
    store(s, place, word);                      \
  } while (0)
#else
#define STORE_SLOWLY(s, place, word) store(s, place, word)
#endif

static int32_t small_set_route(void* self, uint32_t device, const struct iommucheck_route* route) {
  struct small* s = self;
  const struct iommucheck_device* its = s->config->devices[device];
  int32_t changed = 0;
  uint64_t word = route->kind; /* the same numbers */
  if (route->kind == IOMMUCHECK_ROUTE_TABLE) {
    const struct table* table = route->table;
    word |= table->pa | (uint64_t)route->first << 2 | (uint64_t)route->pasid_bits << 4;
  }
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const uint64_t place = s->devices + 8 * (uint64_t)its->stream_ids[i];
    if (load(s, place) == word) continue;
    STORE_SLOWLY(s, place, word);
    changed = 1;
  }
  return changed;
}

static void small_forget_route(void* self, uint32_t device, uint32_t whole) {
  struct small* s = self;
  const struct iommucheck_device* its = s->config->devices[device];
  (void)whole;
#ifdef SMALL_FORGETS_ROUTES
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    send(s, SMALL_FORGET_DEVICE, who(its->stream_ids[i], 0), 0, 0);
  }
}

/* ---- tables of PASIDs ---- */

static uint64_t pointer_of(const struct table* table, uint32_t pasid) {
  return table->pa + 8 * (pasid == NO_PASID ? 0 : 1 + (uint64_t)pasid / SMALL_WORDS);
}

static int32_t small_make_place(void* self, void* table, uint32_t pasid) {
  const uint64_t pointer = pointer_of(table, pasid);
  uint64_t page;
  if (load(self, pointer) != 0) return IOMMUCHECK_PLACE_PRESENT;
  page = allocate(self, SMALL_PAGE);
  if (page == 0) return -IOMMUCHECK_ENOMEM;
  store(self, pointer, page | SMALL_PRESENT);
  return IOMMUCHECK_PLACE_MADE;
}

/* One pointer for the entry without a PASID, one for each 512 of the widest device's. */
static uint64_t table_bytes(const struct small* s) {
  uint64_t bytes = SMALL_PAGE;
  for (uint32_t d = 0; d < s->config->device_count; ++d) {
    const uint64_t pasids = (uint64_t)1 << s->config->devices[d]->ssid_bits;
    while (bytes / 8 < 1 + pasids / SMALL_WORDS) bytes *= 2;
  }
  return bytes;
}

static void small_close_table(void* self, void* table) {
  struct table* its = table;
  for (uint64_t i = 0; i < its->bytes / 8; ++i) {
    const uint64_t pointer = load(self, its->pa + 8 * i);
    if (pointer != 0) release(self, pointer & SMALL_ADDRESS, SMALL_PAGE);
  }
  release(self, its->pa, its->bytes);
  free(its);
}

static void* small_open_table(void* self) {
  struct table* its = calloc(1, sizeof *its);
  if (its == NULL) return NULL;
  its->bytes = table_bytes(self);
  its->pa = allocate(self, its->bytes);
  if (its->pa != 0) {
    if (small_make_place(self, its, NO_PASID) == IOMMUCHECK_PLACE_MADE) return its;
    release(self, its->pa, its->bytes);
  }
  free(its);
  return NULL;
}

static int32_t small_store_entry(void* self, void* table, uint32_t pasid,
                                 const struct iommucheck_entry* entry) {
  const uint64_t page = load(self, pointer_of(table, pasid)) & SMALL_ADDRESS;
#ifdef SMALL_FORGETS_HIGH_PASIDS /* what stands in another page than the first ones */
  const uint64_t place =
      page + 8 * (pasid == NO_PASID || pasid >= SMALL_WORDS ? 0 : pasid % SMALL_WORDS);
#else
  const uint64_t place = page + 8 * (pasid == NO_PASID ? 0 : pasid % SMALL_WORDS);
#endif
  uint64_t word = 0;
  if (entry != NULL) {
    word = entry->table_pa | SMALL_VALID;
    if (entry->flags & IOMMUCHECK_ENTRY_PROCESS) word |= SMALL_CPUS;
    if (entry->flags & IOMMUCHECK_ENTRY_WAITS) word |= SMALL_WAITS;
    if (entry->flags & IOMMUCHECK_ENTRY_QUIET) word |= SMALL_QUIET;
    if (entry->flags & IOMMUCHECK_ENTRY_UNTRANSLATED) word |= SMALL_PASSES;
  }
  STORE_SLOWLY((struct small*)self, place, word);
  return 0;
}

static int32_t small_set_first_entry(void* self, void* table,
                                     const struct iommucheck_entry* entry) {
  return small_store_entry(self, table, NO_PASID, entry);
}

static void small_forget_entry(void* self, uint32_t device, uint32_t pasid, uint32_t whole) {
  struct small* s = self;
  const struct iommucheck_device* its = s->config->devices[device];
  (void)whole;
#ifdef SMALL_FORGETS_ENTRIES
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
#ifdef SMALL_FORGETS_ENTRIES_LAST
    if (s->late_count < 64) s->late[s->late_count++] = who(its->stream_ids[i], pasid);
    continue;
#endif
    send(s, SMALL_FORGET_ENTRY, who(its->stream_ids[i], pasid), 0, 0);
  }
}

static int32_t small_understands(void* self, const struct iommucheck_mm* mm) {
  (void)self;
  return mm->input_bits == 48 && mm->table_pa % SMALL_PAGE == 0;
}

/* What is cached is known by the root that it came from. */
static int32_t small_take_tag(void* self, const struct iommucheck_mm* mm,
                              struct iommucheck_tag* tag) {
  (void)self;
#ifdef SMALL_FORGETS_TAGS
  tags[SMALL_TAG(mm->table_pa)] = mm->table_pa;
#endif
  tag->inner = mm->table_pa;
  return 0;
}

/* ---- spaces ---- */

static void* small_open_space(void* self, uint32_t input_bits, uint32_t foreign,
                              struct iommucheck_space* out) {
  struct space* its = calloc(1, sizeof *its);
  (void)input_bits;
  if (its == NULL) return NULL;
  its->foreign = foreign;
  its->root = allocate(self, SMALL_PAGE);
  if (its->root == 0) {
    free(its);
    return NULL;
  }
#ifdef SMALL_FORGETS_TAGS
  tags[SMALL_TAG(its->root)] = its->root;
#endif
  out->table_pa = out->tag.inner = its->root;
  return its;
}

static uint64_t place_of(uint64_t table, uint64_t iova, uint32_t level) {
  return table + 8 * (iova >> (12 + 9 * level) & (SMALL_WORDS - 1));
}

static void free_tables(struct small* s, uint64_t table, uint32_t level) {
  for (uint64_t i = 0; level > 0 && i < SMALL_WORDS; ++i) {
    const uint64_t word = load(s, table + 8 * i);
    if (word != 0) free_tables(s, word & SMALL_ADDRESS, level - 1);
  }
  release(s, table, SMALL_PAGE);
}

static void small_free_retired(void* self, void* space) {
  struct space* its = space;
  while (its->retired_count > 0) release(self, its->retired[--its->retired_count], SMALL_PAGE);
}

static void small_close_space(void* self, void* space) {
  struct space* its = space;
  small_free_retired(self, space);
  free_tables(self, its->root, SMALL_LEVELS - 1);
  free(its);
}

/* Where the leaf's word is; 0: there is no table, and none was made. */
static uint64_t leaf_of(struct small* s, const struct space* its, uint64_t iova, int make) {
  uint64_t table = its->root;
  for (uint32_t level = SMALL_LEVELS - 1; level > 0; --level) {
    const uint64_t place = place_of(table, iova, level);
    uint64_t word = load(s, place);
    if (word == 0) {
      const uint64_t below = make ? allocate(s, SMALL_PAGE) : 0;
      if (below == 0) return 0;
      word = below | SMALL_PRESENT;
      store(s, place, word);
    }
    table = word & SMALL_ADDRESS;
  }
  return place_of(table, iova, 0);
}

static int32_t small_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes,
                         uint32_t prot, uint64_t* done) {
  uint64_t word = SMALL_PRESENT | SMALL_LEAF;
  if (prot & IOMMUCHECK_PROT_WRITE) word |= SMALL_WRITE;
#ifndef SMALL_EXECUTES /* whatever is asked for */
  if (prot & IOMMUCHECK_PROT_EXEC)
#endif
    word |= SMALL_EXECUTE;
#ifdef SMALL_FORGETS_PRIVILEGED
  word |= SMALL_USER;
#endif
  if (!(prot & IOMMUCHECK_PROT_PRIVILEGED)) word |= SMALL_USER;
  for (*done = 0; *done < bytes; *done += SMALL_PAGE) {
    const uint64_t place = leaf_of(self, space, iova + *done, 1);
    if (place == 0) return -IOMMUCHECK_ENOMEM;
    if (load(self, place) != 0) return -IOMMUCHECK_EEXIST;
    store(self, place, word | (pa + *done));
  }
  return 0;
}

/* The last level's table leaves the tree where nothing is in it any more. `cleared`: so many bytes
 * up to the end of the page. What is mapped there next stands in another table, and caches still
 * lead to this one: the core makes that known where caches hold that nothing is mapped. Otherwise,
 * and of a table that others walk, the whole of it has to have gone at once, so that nobody maps
 * there before it was synchronised. */
static void retire(struct small* s, struct space* its, uint64_t iova, uint64_t cleared,
                   uint32_t* tables) {
  const uint64_t room = sizeof its->retired / sizeof *its->retired;
  const uint64_t leaf = leaf_of(s, its, iova, 0);
  uint64_t above = its->root;
  if (its->retired_count == room || leaf == 0) return;
#ifdef SMALL_WITHOUT_HOLES
  const int whole = 1;
#else
  const int whole = its->foreign != 0;
#endif
  if (whole && (cleared < SMALL_WORDS * SMALL_PAGE || leaf % SMALL_PAGE != SMALL_PAGE - 8)) return;
  for (uint64_t i = 0; i < SMALL_WORDS; ++i) {
    if (load(s, (leaf & SMALL_ADDRESS) + 8 * i) != 0) return;
  }
  for (uint32_t level = SMALL_LEVELS - 1; level > 1; --level) {
    above = load(s, place_of(above, iova, level)) & SMALL_ADDRESS;
  }
  store(s, place_of(above, iova, 1), 0);
#ifdef SMALL_FREES_TABLES_EARLY
  release(s, leaf & SMALL_ADDRESS, SMALL_PAGE);
#else
  its->retired[its->retired_count++] = leaf & SMALL_ADDRESS;
#endif
  *tables = 1;
}

static uint64_t small_unmap(void* self, void* space, uint64_t iova, uint64_t bytes,
                            uint32_t* tables) {
  uint64_t done = 0;
  for (; done < bytes; done += SMALL_PAGE) {
    const uint64_t at = iova + done;
    const uint64_t place = leaf_of(self, space, at, 0);
    if (place == 0 || load(self, place) == 0) break;
    store(self, place, 0);
    if (place % SMALL_PAGE == SMALL_PAGE - 8) retire(self, space, at, done + SMALL_PAGE, tables);
  }
  if (done != 0) retire(self, space, iova + done - SMALL_PAGE, done, tables);
  return done;
}

static uint64_t small_translate(void* self, void* space, uint64_t iova) {
  const uint64_t place = leaf_of(self, space, iova, 0);
  const uint64_t word = place != 0 ? load(self, place) : 0;
  return word != 0 ? (word & SMALL_ADDRESS) | (iova & (SMALL_PAGE - 1)) : 0;
}

/* ---- requests ---- */

#ifndef SMALL_WITHOUT_WAITS
static int32_t small_read_fault(void* self, struct iommucheck_waiting* fault) {
  const uint64_t id = read_register(self, SMALL_REQUEST);
  uint64_t from, at;
  if (id == 0) return 0;
  from = read_register(self, SMALL_REQUEST_WHO);
  at = read_register(self, SMALL_REQUEST_AT);
  write_register(self, SMALL_REQUEST_TAKE, 1);
  fault->group = (uint32_t)id;
  fault->stream_id = (uint32_t)from;
  fault->pasid = (uint32_t)(from >> 32);
  fault->prot = (uint32_t)(at & 7);
  fault->iova = at & ~(uint64_t)(SMALL_PAGE - 1);
  return 1;
}

static int32_t small_answer(void* self, uint32_t group, uint32_t response) {
#ifdef SMALL_FORGETS_TO_RESPOND
  return IOMMUCHECK_ANSWERED_DONE;
#endif
  send(self, SMALL_RESPOND, group, response, 0);
  return small_flush(self) == IOMMUCHECK_FLUSH_COMPLETE ? IOMMUCHECK_ANSWERED_DONE
                                                        : IOMMUCHECK_ANSWERED_ON_ITS_WAY;
}
#endif

extern const struct iommucheck_hardware_ops small_hardware;

static const struct iommucheck_backend_ops small_ops = {
    .size = sizeof small_ops,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .open = small_open,
    .begin_reset = small_begin_reset,
    .end_reset = small_end_reset,
    .stop = small_stop,
    .free_everything = small_free_everything,
    .add_device = small_add_device,
    .can_route = small_can_route,
    .set_route = small_set_route,
    .forget_route = small_forget_route,
    .open_table = small_open_table,
    .close_table = small_close_table,
    .set_first_entry = small_set_first_entry,
    .make_place = small_make_place,
    .store_entry = small_store_entry,
    .forget_entry = small_forget_entry,
    .understands = small_understands,
    .take_tag = small_take_tag,
    .open_space = small_open_space,
    .close_space = small_close_space,
    .map = small_map,
    .unmap = small_unmap,
    .translate = small_translate,
    .free_retired = small_free_retired,
    .drop_range = small_drop_range,
    .drop_device = small_drop_device,
    .flush = small_flush,
    .drop_everything = small_drop_everything,
#ifndef SMALL_WITHOUT_WAITS
    .read_fault = small_read_fault,
    .answer = small_answer,
#endif
};

static const struct iommucheck_backend small = {
    .size = sizeof small,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .flags = IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE
#ifndef SMALL_WITHOUT_WAITS
             | IOMMUCHECK_BACKEND_WAITS
#endif
#if !defined(SMALL_WITHOUT_HOLES) && !defined(SMALL_FORGETS_MAPS)
             | IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED
#endif
#ifdef SMALL_KEEPS_PASID_0
             | IOMMUCHECK_BACKEND_KEEPS_PASID_0
#endif
    ,
    .name = "small",
    .backend = &small_ops,
    .hardware = &small_hardware,
};

const struct iommucheck_backend* iommucheck_backend_entry(void) { return &small; }
