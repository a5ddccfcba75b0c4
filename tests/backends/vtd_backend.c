/* SPDX-License-Identifier: MIT
 * A backend of an IOMMU like VT-d's, written by docs/backends.md; vtd_hardware.c is its model.
 * Translations are known by DID and PASID, so that a range is dropped at each place. With BUG_* it
 * is wrong on purpose, with VTD_WITHOUT_* another IOMMU, with VTD_CACHING_MODE too.
 */
#include "tests/backends/vtd_backend.h"

#include <stdlib.h>

#include "iommucheck/backend.h"

#define NO_PASID IOMMUCHECK_BACKEND_NO_PASID
#define QUEUE 256u
#define DIDS 0x8000u

struct table {
  uint64_t pa, bytes;
};
struct space {
  uint64_t root;
  uint32_t did, foreign, retired_count;
  uint64_t retired[64];
};
struct vtd {
  const struct iommucheck_platform* platform;
  const struct iommucheck_config* config;
  uint64_t root, root_bytes, queue;
  uint32_t tail, head;
  uint8_t dids[DIDS];
};

static uint64_t load(struct vtd* v, uint64_t pa) {
  return v->platform->load64(v->platform->ctx, pa);
}
static void store(struct vtd* v, uint64_t pa, uint64_t word) {
  v->platform->store64(v->platform->ctx, pa, word);
}
static void release(struct vtd* v, uint64_t pa, uint64_t bytes) {
  v->platform->table_free(v->platform->ctx, pa, bytes);
}
static uint64_t allocate(struct vtd* v, uint64_t bytes) {
  uint64_t pa = 0;
  if (v->platform->table_alloc(v->platform->ctx, bytes, &pa) == NULL) return 0;
  v->platform->fill64(v->platform->ctx, pa, bytes / 8, 0);
  return pa;
}
static void write_register(struct vtd* v, uint64_t offset, uint64_t value) {
  v->platform->mmio_write64(v->platform->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
}
static uint64_t read_register(struct vtd* v, uint64_t offset) {
  return v->platform->mmio_read64(v->platform->ctx, offset);
}

/* ---- the queue ---- */

static int32_t wait_for_head(struct vtd* v) {
  for (int late = 0; v->head != v->tail;) {
    v->head = (uint32_t)read_register(v, VTD_IQH);
    if (v->head == v->tail) break;
    if (late) return IOMMUCHECK_FLUSH_TIMED_OUT;
    late = v->platform->wait(v->platform->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000);
  }
  return IOMMUCHECK_FLUSH_COMPLETE;
}
static int full(const struct vtd* v) { return ((v->tail + 1) & (QUEUE - 1)) == v->head; }
static void send(struct vtd* v, uint64_t word0, uint64_t word1) {
  if (full(v)) {
    write_register(v, VTD_IQT, v->tail);
    if (wait_for_head(v) != IOMMUCHECK_FLUSH_COMPLETE) return; /* flush says so */
  }
  store(v, v->queue + 16 * v->tail, word0);
  store(v, v->queue + 16 * v->tail + 8, word1);
  v->tail = (v->tail + 1) & (QUEUE - 1);
}
static int32_t vtd_flush(void* self) {
  struct vtd* v = self;
  if (v->head == v->tail) return IOMMUCHECK_FLUSH_COMPLETE;
  send(v, INV(INV_WAIT, 0), 0);
  write_register(v, VTD_IQT, v->tail);
#ifdef BUG_no_wait
  return IOMMUCHECK_FLUSH_COMPLETE;
#endif
  return wait_for_head(v);
}

static void vtd_forget_route(void* self, uint32_t device, uint32_t whole) {
  struct vtd* v = self;
  const struct iommucheck_device* its = v->config->devices[device];
  (void)whole;
#ifdef BUG_context_cache
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    send(v, INV(INV_CONTEXT, OF_ONE) | (uint64_t)its->stream_ids[i] << 32, 0);
  }
}
static void vtd_forget_entry(void* self, uint32_t device, uint32_t pasid, uint32_t whole) {
  struct vtd* v = self;
  const struct iommucheck_device* its = v->config->devices[device];
  if (whole) {
    vtd_forget_route(self, device, 1); /* the directory as well */
    return;
  }
#ifdef BUG_pasid_cache
  return;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    send(v, INV(INV_PASID, OF_ONE) | (uint64_t)its->stream_ids[i] << 32, VTD_KNOWN_AS(pasid));
  }
}

/* Of the smallest aligned power of two of pages around [first, last]: its log2. */
static uint32_t size_of(uint64_t first, uint64_t last) {
  uint32_t lg2 = 0;
  while (lg2 < 52 && first >> (12 + lg2) != last >> (12 + lg2)) ++lg2;
  return lg2;
}

static void vtd_drop_range(void* self, const struct iommucheck_tag* tag,
                           const struct iommucheck_place* places, uint32_t count, uint64_t first,
                           uint64_t last, uint32_t tables) {
  uint32_t lg2 = size_of(first, last);
#ifdef BUG_first_page
  if (lg2 < 52) lg2 = 0;
#endif
#ifdef BUG_first_place
  if (count > 1) count = 1;
#endif
#ifdef BUG_pointers_left
  if (lg2 < 52) tables = 0;
#endif
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t of = (uint64_t)VTD_KNOWN_AS(places[i].pasid) << 32 | tag->outer << 16;
    if (lg2 == 52) {
      send(self, INV(INV_IOTLB, OF_ONE) | of, 0);
    } else {
      send(self, INV(INV_IOTLB, OF_RANGE) | of,
           (first >> (12 + lg2) << (12 + lg2)) | (tables ? 0 : INV_IH) | lg2);
    }
  }
}

static void vtd_drop_device(void* self, uint32_t device, uint32_t pasid, uint64_t first,
                            uint64_t last) {
  struct vtd* v = self;
  const struct iommucheck_device* its = v->config->devices[device];
  uint32_t lg2 = size_of(first, last);
  const uint64_t of = pasid == NO_PASID ? 0 : INV_HAS_PASID | (uint64_t)pasid << 32;
#ifdef BUG_device_range
  if (lg2 > 0 && lg2 < 52) --lg2;
#endif
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
#ifdef BUG_second_stream
    if (i != 0) break;
#endif
    send(v, INV(INV_DEVICE, 0) | (uint64_t)its->stream_ids[i] << 8 | of,
         (lg2 == 52 ? 0 : first >> (12 + lg2) << (12 + lg2)) | lg2);
  }
}

static int32_t vtd_drop_everything(void* self) {
  send(self, INV(INV_CONTEXT, OF_ALL), 0);
  if (vtd_flush(self) != IOMMUCHECK_FLUSH_COMPLETE) return -IOMMUCHECK_ETIMEDOUT;
#ifndef BUG_everything
  send(self, INV(INV_IOTLB, OF_ALL), 0);
#endif
  return vtd_flush(self) == IOMMUCHECK_FLUSH_COMPLETE ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

/* ---- life ---- */

static void* vtd_open(const struct iommucheck_platform* platform,
                      const struct iommucheck_config* config,
                      struct iommucheck_backend_info* info) {
  struct vtd* v = calloc(1, sizeof *v);
  if (v == NULL) return NULL;
  v->platform = platform;
  v->config = config;
  info->pasid_bits = 20;
  info->input_bits_min = 25;
  info->input_bits_max = 48;
  info->output_bits = 52;
  info->page_sizes = VTD_PAGE;
  info->faults_max = 32;
  return v;
}
static int32_t vtd_stop(void* self) {
  write_register(self, VTD_CONTROL, 0);
  return 0;
}
static int32_t vtd_begin_reset(void* self) {
  struct vtd* v = self;
  vtd_stop(self);
  if (v->root == 0) {
    v->root_bytes = VTD_PAGE;
    for (uint32_t d = 0; d < v->config->device_count; ++d) {
      const struct iommucheck_device* its = v->config->devices[d];
      for (uint32_t i = 0; i < its->stream_id_count; ++i) {
        while (its->stream_ids[i] / 256 >= v->root_bytes / 8) v->root_bytes *= 2;
      }
    }
    v->root = allocate(v, v->root_bytes);
    v->queue = allocate(v, 16 * QUEUE);
    if (v->root == 0 || v->queue == 0) return -IOMMUCHECK_ENOMEM;
  }
  write_register(v, VTD_ROOT, v->root);
  write_register(v, VTD_IQA, v->queue);
  v->tail = v->head = 0;
  return 0;
}
static int32_t vtd_end_reset(void* self) {
  write_register(self, VTD_CONTROL, 1);
  return 0;
}
static void vtd_free_everything(void* self) {
  struct vtd* v = self;
  for (uint64_t i = 0; v->root != 0 && i < v->root_bytes / 8; ++i) {
    const uint64_t contexts = load(v, v->root + 8 * i);
    if (contexts != 0) release(v, contexts & VTD_ADDRESS, VTD_PAGE);
  }
  if (v->root != 0) release(v, v->root, v->root_bytes);
  if (v->queue != 0) release(v, v->queue, 16 * QUEUE);
  v->root = v->queue = 0;
}

/* ---- routes ---- */

static uint64_t context_of(struct vtd* v, uint32_t stream) {
  return (load(v, v->root + 8 * (uint64_t)(stream / 256)) & VTD_ADDRESS) + 8 * (stream % 256);
}
static int32_t vtd_add_device(void* self, uint32_t device) {
  struct vtd* v = self;
  const struct iommucheck_device* its = v->config->devices[device];
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const uint64_t place = v->root + 8 * (uint64_t)(its->stream_ids[i] / 256);
    if (load(v, place) == 0) {
      const uint64_t contexts = allocate(v, VTD_PAGE);
      if (contexts == 0) return -IOMMUCHECK_ENOMEM;
      store(v, place, contexts | VTD_P);
    }
    store(v, context_of(v, its->stream_ids[i]), 0);
  }
  return 0;
}
static int32_t vtd_can_route(void* self, uint32_t kind, uint32_t device, uint32_t at_pasid) {
  (void)self;
  (void)kind;
  (void)device;
  (void)at_pasid;
#ifdef VTD_WITHOUT_PASS_THROUGH
  return kind != IOMMUCHECK_ROUTE_UNTRANSLATED;
#else
  return 1;
#endif
}
static int32_t vtd_set_route(void* self, uint32_t device, const struct iommucheck_route* route) {
  struct vtd* v = self;
  const struct iommucheck_device* its = v->config->devices[device];
  const struct table* table = route->table;
  uint64_t word = 0;
  int32_t changed = 0;
  if (route->kind == IOMMUCHECK_ROUTE_UNTRANSLATED) word = VTD_P | CONTEXT_PASSES;
  if (route->kind == IOMMUCHECK_ROUTE_TABLE) {
    word = VTD_P | table->pa | (uint64_t)route->pasid_bits << 4;
    if (route->first == IOMMUCHECK_ROUTE_UNTRANSLATED) word |= CONTEXT_PASSES;
  }
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    const uint64_t place = context_of(v, its->stream_ids[i]);
    if (load(v, place) == word) continue;
    store(v, place, word);
    changed = 1;
  }
  return changed;
}

/* ---- PASID tables ---- */

static uint64_t pointer_of(const struct table* table, uint32_t pasid) {
  return table->pa + 8 * VTD_DIRECTORY_INDEX(pasid, pasid == NO_PASID);
}
static int32_t vtd_make_place(void* self, void* table, uint32_t pasid) {
  const uint64_t pointer = pointer_of(table, pasid);
  uint64_t page;
  if (load(self, pointer) != 0) return IOMMUCHECK_PLACE_PRESENT;
  page = allocate(self, VTD_PAGE);
  if (page == 0) return -IOMMUCHECK_ENOMEM;
  store(self, pointer, page | VTD_P);
  return IOMMUCHECK_PLACE_MADE;
}
static void vtd_close_table(void* self, void* table) {
  struct table* its = table;
  for (uint64_t i = 0; i < its->bytes / 8; ++i) {
    const uint64_t pointer = load(self, its->pa + 8 * i);
    if (pointer != 0) release(self, pointer & VTD_ADDRESS, VTD_PAGE);
  }
  release(self, its->pa, its->bytes);
  free(its);
}
static void* vtd_open_table(void* self) {
  struct vtd* v = self;
  struct table* its = calloc(1, sizeof *its);
  if (its == NULL) return NULL;
  its->bytes = VTD_PAGE;
  for (uint32_t d = 0; d < v->config->device_count; ++d) {
    const uint64_t pasids = (uint64_t)1 << v->config->devices[d]->ssid_bits;
    while (its->bytes / 8 < 2 + pasids / VTD_ENTRIES) its->bytes *= 2;
  }
  its->pa = allocate(v, its->bytes);
  if (its->pa != 0 && vtd_make_place(v, its, NO_PASID) == IOMMUCHECK_PLACE_MADE) return its;
  if (its->pa != 0) release(v, its->pa, its->bytes);
  free(its);
  return NULL;
}

static uint64_t entry_of(struct vtd* v, const struct table* table, uint32_t pasid) {
  const uint64_t page = load(v, pointer_of(table, pasid)) & VTD_ADDRESS;
#ifdef BUG_high_pasids
  if (pasid != NO_PASID && pasid >= 512) pasid ^= 1;
#endif
  return page + VTD_ENTRY_BYTES * (pasid == NO_PASID ? 0 : pasid % VTD_ENTRIES);
}
/* What is not present is not read: the DID comes first. In caching mode it is. */
static int32_t vtd_prepare_entry(void* self, void* table, uint32_t pasid,
                                 const struct iommucheck_entry* entry) {
  const uint64_t place = entry_of(self, table, pasid);
  if (load(self, place + 8) == entry->tag.outer) return 0;
  store(self, place + 8, entry->tag.outer);
  return 1;
}
static int32_t vtd_store_entry(void* self, void* table, uint32_t pasid,
                               const struct iommucheck_entry* entry) {
  const uint64_t place = entry_of(self, table, pasid);
  uint64_t word = 0;
  if (entry != NULL) {
    word = entry->table_pa | VTD_P;
    if (entry->flags & IOMMUCHECK_ENTRY_UNTRANSLATED) word |= ENTRY_PASSES;
    if (entry->flags & IOMMUCHECK_ENTRY_PROCESS) word |= ENTRY_CPUS;
#ifndef BUG_quiet
    if (entry->flags & IOMMUCHECK_ENTRY_QUIET) word |= ENTRY_FPD;
#endif
    if (entry->flags & IOMMUCHECK_ENTRY_WAITS) word |= ENTRY_PRS;
  }
  store(self, place, word);
  return 0;
}
static int32_t vtd_set_first_entry(void* self, void* table, const struct iommucheck_entry* entry) {
  if (entry != NULL) store(self, entry_of(self, table, NO_PASID) + 8, entry->tag.outer);
  return vtd_store_entry(self, table, NO_PASID, entry);
}
static int32_t vtd_understands(void* self, const struct iommucheck_mm* mm) {
  (void)self;
  return mm->input_bits == 48 && mm->table_pa % VTD_PAGE == 0;
}

/* ---- DIDs: one for each space and each process ---- */

static uint32_t take_did(struct vtd* v) {
#ifdef BUG_tags_collide
  static uint32_t last;
  return 1 + last++ % 2;
#endif
  for (uint32_t n = 1; n < DIDS; ++n) {
    if (v->dids[n]) continue;
    v->dids[n] = 1;
    return n;
  }
  return 0;
}
static int32_t vtd_take_tag(void* self, const struct iommucheck_mm* mm,
                            struct iommucheck_tag* tag) {
  (void)mm;
  tag->outer = take_did(self);
  return tag->outer == 0 ? -IOMMUCHECK_ENOSPC : 0;
}
static void vtd_release_tag(void* self, const struct iommucheck_tag* tag) {
  ((struct vtd*)self)->dids[tag->outer] = 0;
}

/* ---- spaces ---- */

static void* vtd_open_space(void* self, uint32_t input_bits, uint32_t foreign,
                            struct iommucheck_space* out) {
  struct space* its = calloc(1, sizeof *its);
  (void)input_bits;
  if (its == NULL) return NULL;
  its->foreign = foreign;
  its->root = allocate(self, VTD_PAGE);
  if (its->root != 0 && !foreign) its->did = take_did(self);
  if (its->root == 0 || (!foreign && its->did == 0)) {
    if (its->root != 0) release(self, its->root, VTD_PAGE);
    free(its);
    return NULL;
  }
  out->table_pa = its->root;
  out->tag.outer = its->did;
  return its;
}
static uint64_t place_of(uint64_t table, uint64_t iova, uint32_t level) {
  return table + 8 * (iova >> (12 + 9 * level) & (VTD_WORDS - 1));
}
static void free_tables(struct vtd* v, uint64_t table, uint32_t level) {
  for (uint64_t i = 0; level > 0 && i < VTD_WORDS; ++i) {
    const uint64_t word = load(v, table + 8 * i);
    if (word != 0) free_tables(v, word & VTD_ADDRESS, level - 1);
  }
  release(v, table, VTD_PAGE);
}
static void vtd_free_retired(void* self, void* space) {
  struct space* its = space;
  while (its->retired_count > 0) release(self, its->retired[--its->retired_count], VTD_PAGE);
}
static void vtd_close_space(void* self, void* space) {
  struct space* its = space;
  vtd_free_retired(self, space);
  free_tables(self, its->root, VTD_LEVELS - 1);
  if (!its->foreign) ((struct vtd*)self)->dids[its->did] = 0;
  free(its);
}
static uint64_t leaf_of(struct vtd* v, const struct space* its, uint64_t iova, int make) {
  uint64_t table = its->root;
  for (uint32_t level = VTD_LEVELS - 1; level > 0; --level) {
    const uint64_t place = place_of(table, iova, level);
    uint64_t word = load(v, place);
    if (word == 0) {
      const uint64_t below = make ? allocate(v, VTD_PAGE) : 0;
      if (below == 0) return 0;
      word = below | VTD_P | PT_RW | PT_US;
      store(v, place, word);
    }
    table = word & VTD_ADDRESS;
  }
  return place_of(table, iova, 0);
}
static int32_t vtd_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes,
                       uint32_t prot, uint64_t* done) {
  uint64_t bits = VTD_P | PT_LEAF;
  if (prot & IOMMUCHECK_PROT_WRITE) bits |= PT_RW;
  if (!(prot & IOMMUCHECK_PROT_EXEC)) bits |= PT_XD;
#ifdef VTD_WRITE_ALONE
  if (!(prot & IOMMUCHECK_PROT_READ)) bits |= PT_NO_READ;
#endif
#ifdef BUG_privileged
  bits |= PT_US;
#endif
  if (!(prot & IOMMUCHECK_PROT_PRIVILEGED)) bits |= PT_US;
  for (*done = 0; *done < bytes; *done += VTD_PAGE) {
    const uint64_t place = leaf_of(self, space, iova + *done, 1);
    if (place == 0) return -IOMMUCHECK_ENOMEM;
    if (load(self, place) != 0) return -IOMMUCHECK_EEXIST;
    store(self, place, (pa + *done) | bits);
  }
  return 0;
}
/* The last level's table leaves where all of it was cleared by one call. */
static void retire(struct vtd* v, struct space* its, uint64_t iova, uint32_t* tables) {
  const uint64_t table = leaf_of(v, its, iova, 0) & VTD_ADDRESS;
  uint64_t above = its->root;
  if (its->retired_count == sizeof its->retired / sizeof *its->retired) return;
  for (uint64_t i = 0; i < VTD_WORDS; ++i) {
    if (load(v, table + 8 * i) != 0) return;
  }
  for (uint32_t level = VTD_LEVELS - 1; level > 1; --level) {
    above = load(v, place_of(above, iova, level)) & VTD_ADDRESS;
  }
  store(v, place_of(above, iova, 1), 0);
  its->retired[its->retired_count++] = table;
  *tables = 1;
#ifdef BUG_freed_early
  vtd_free_retired(v, its);
#endif
}
static uint64_t vtd_unmap(void* self, void* space, uint64_t iova, uint64_t bytes,
                          uint32_t* tables) {
  uint64_t done = 0;
  uint64_t run = 0; /* cleared of the last level's table, from its first word on */
  for (; done < bytes; done += VTD_PAGE) {
    const uint64_t place = leaf_of(self, space, iova + done, 0);
    if (place == 0 || load(self, place) == 0) break;
#ifdef BUG_unmap_first
    if (place % VTD_PAGE == 0 && done != 0) continue;
#endif
    store(self, place, 0);
    run = place % VTD_PAGE == 0 ? 1 : run + (run != 0);
    if (run == VTD_WORDS) retire(self, space, iova + done, tables);
  }
  return done;
}
static uint64_t vtd_translate(void* self, void* space, uint64_t iova) {
  const uint64_t place = leaf_of(self, space, iova, 0);
  const uint64_t word = place != 0 ? load(self, place) : 0;
  return word != 0 ? (word & VTD_ADDRESS) | (iova & (VTD_PAGE - 1)) : 0;
}

/* ---- page requests ---- */

#ifndef VTD_WITHOUT_WAITS
static int32_t vtd_read_fault(void* self, struct iommucheck_waiting* fault) {
  const uint64_t number = read_register(self, VTD_REQUEST);
  uint64_t who, at;
  if (number == 0) return 0;
  who = read_register(self, VTD_REQUEST_WHO);
  at = read_register(self, VTD_REQUEST_AT);
  write_register(self, VTD_REQUEST_TAKE, 1);
  fault->group = (uint32_t)number;
  fault->stream_id = (uint32_t)who;
  fault->pasid = (uint32_t)(who >> 32);
  fault->prot = (uint32_t)(at & 7);
  fault->iova = at & ~(uint64_t)(VTD_PAGE - 1);
  return 1;
}
static int32_t vtd_answer(void* self, uint32_t group, uint32_t response) {
#ifdef BUG_success
  response = IOMMUCHECK_FAULT_SUCCESS;
#endif
  write_register(self, VTD_RESPOND, group | (uint64_t)response << 32);
  return IOMMUCHECK_ANSWERED_DONE;
}
#endif

extern const struct iommucheck_hardware_ops vtd_hardware;

static const struct iommucheck_backend_ops ops = {
    .size = sizeof ops,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .open = vtd_open,
    .begin_reset = vtd_begin_reset,
    .end_reset = vtd_end_reset,
    .stop = vtd_stop,
    .free_everything = vtd_free_everything,
    .add_device = vtd_add_device,
    .can_route = vtd_can_route,
    .set_route = vtd_set_route,
    .forget_route = vtd_forget_route,
    .open_table = vtd_open_table,
    .close_table = vtd_close_table,
    .set_first_entry = vtd_set_first_entry,
    .make_place = vtd_make_place,
    .prepare_entry = vtd_prepare_entry,
    .store_entry = vtd_store_entry,
    .forget_entry = vtd_forget_entry,
    .understands = vtd_understands,
    .take_tag = vtd_take_tag,
    .release_tag = vtd_release_tag,
    .open_space = vtd_open_space,
    .close_space = vtd_close_space,
    .map = vtd_map,
    .unmap = vtd_unmap,
    .translate = vtd_translate,
    .free_retired = vtd_free_retired,
    .drop_range = vtd_drop_range,
    .drop_device = vtd_drop_device,
    .flush = vtd_flush,
    .drop_everything = vtd_drop_everything,
#ifndef VTD_WITHOUT_WAITS
    .read_fault = vtd_read_fault,
    .answer = vtd_answer,
#endif
};

static const struct iommucheck_backend vtd = {
    .size = sizeof vtd,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .flags = 0
#ifndef VTD_WITHOUT_RID_PASID_0
             | IOMMUCHECK_BACKEND_KEEPS_PASID_0
#endif
#ifdef VTD_CACHING_MODE
             | IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED
#endif
#ifndef VTD_WITHOUT_WAITS
             | IOMMUCHECK_BACKEND_WAITS
#ifndef VTD_WITHOUT_WAITING_ALONE
             | IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE
#endif
#endif
    ,
    .name = "vtd",
    .backend = &ops,
    .hardware = &vtd_hardware,
};
const struct iommucheck_backend* iommucheck_backend_entry(void) { return &vtd; }
