/* SPDX-License-Identifier: MIT
 * A backend of an IOMMU like virtio's: what a space maps it keeps itself, and sends it when the
 * first device comes. Requests are never lost, so that its own book says what holds once all have
 * acted. With BUG_* it is wrong on purpose, with VIRTIO_* something else.
 */
#include "tests/backends/virtio_backend.h"

#include <stdlib.h>

#include "iommucheck/backend.h"

#define DEVICES_MAX 64u

struct mapping {
  uint64_t first, last, pa;
  struct mapping* next;
};
struct space {
  uint32_t domain, devices; /* endpoints that are on it */
  struct mapping* maps;     /* in any order */
};
struct table {
  struct space* first;
};
struct virtio {
  const struct iommucheck_platform* platform;
  const struct iommucheck_config* config;
  uint8_t taken[VIRTIO_DOMAINS];
  struct space* on[DEVICES_MAX]; /* of each device */
  int passes[DEVICES_MAX];
};

static void put(struct virtio* v, uint64_t offset, uint64_t value) {
  v->platform->mmio_write64(v->platform->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
}
static int32_t settle(struct virtio* v) {
  int late = 0;
  while (v->platform->mmio_read64(v->platform->ctx, VIRTIO_BUSY) != 0) {
    if (late) return -IOMMUCHECK_ETIMEDOUT;
    late = v->platform->wait(v->platform->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000);
  }
  return 0;
}
static void send_range(struct virtio* v, uint64_t kind, const struct space* its, uint64_t first,
                       uint64_t last, uint64_t pa) {
  if (its->devices == 0) return; /* there is no such domain */
  put(v, VIRTIO_DOMAIN, its->domain);
  put(v, VIRTIO_FIRST, first);
  put(v, VIRTIO_LAST, last);
  put(v, VIRTIO_PA, pa);
  put(v, VIRTIO_REQUEST, kind);
}
static void send_all(struct virtio* v, uint32_t device, uint64_t kind, uint64_t domain) {
  const struct iommucheck_device* its = v->config->devices[device];
  for (uint32_t i = 0; i < its->stream_id_count; ++i) {
    put(v, VIRTIO_DOMAIN, domain);
    put(v, VIRTIO_ENDPOINT, its->stream_ids[i]);
    put(v, VIRTIO_REQUEST, kind);
  }
}

/* ---- life ---- */

static void* virtio_open(const struct iommucheck_platform* platform,
                         const struct iommucheck_config* config,
                         struct iommucheck_backend_info* info) {
  struct virtio* v = config->device_count > DEVICES_MAX ? NULL : calloc(1, sizeof *v);
  if (v == NULL) return NULL;
  v->platform = platform;
  v->config = config;
  info->input_bits_min = 25;
  info->input_bits_max = 48;
#ifdef VIRTIO_OUTPUT_BITS
  info->output_bits = VIRTIO_OUTPUT_BITS;
#else
  info->output_bits = 52;
#endif
  info->page_sizes = VIRTIO_PAGE;
#ifdef VIRTIO_WHOLE_BLOCKS
  info->page_sizes = 0x3ffff000; /* each power of two up to 512 MiB */
#endif
  return v;
}
static int32_t virtio_stop(void* self) {
  put(self, VIRTIO_REQUEST, REQUEST_RESET);
  return 0;
}
static int32_t virtio_end_reset(void* self) {
  (void)self;
  return 0;
}
static void virtio_free_everything(void* self) { (void)self; }
static int32_t virtio_add_device(void* self, uint32_t device) {
  struct virtio* v = self;
  v->on[device] = NULL;
  v->passes[device] = 0;
  return 0;
}

/* ---- routes ---- */

static int32_t virtio_set_route(void* self, uint32_t device, const struct iommucheck_route* route) {
  struct virtio* v = self;
  const struct table* table = route->table;
  struct space* before = v->on[device];
  struct space* to = route->kind == IOMMUCHECK_ROUTE_TABLE && route->first == IOMMUCHECK_ROUTE_TABLE
                         ? table->first
                         : NULL;
  const int passes =
      route->kind == IOMMUCHECK_ROUTE_UNTRANSLATED ||
      (route->kind == IOMMUCHECK_ROUTE_TABLE && route->first == IOMMUCHECK_ROUTE_UNTRANSLATED);
  if (before == to && passes == v->passes[device]) return 0;
  if (before != NULL) --before->devices;
  v->on[device] = to;
  v->passes[device] = passes;
  if (passes) {
    send_all(v, device, REQUEST_ATTACH, VIRTIO_BYPASS);
  } else if (to == NULL) {
    send_all(v, device, REQUEST_DETACH, 0);
  } else {
    send_all(v, device, REQUEST_ATTACH, to->domain);
    if (to->devices++ == 0) {
#ifndef BUG_not_filled
      for (const struct mapping* one = to->maps; one != NULL; one = one->next) {
        send_range(v, REQUEST_MAP, to, one->first, one->last, one->pa);
      }
#endif
    }
  }
  return settle(v) == 0 ? 1 : -IOMMUCHECK_ETIMEDOUT;
}
static void virtio_forget_route(void* self, uint32_t device, uint32_t whole) {
  (void)self;
  (void)device;
  (void)whole;
}

/* ---- tables: there is one entry ---- */

static void* virtio_open_table(void* self) {
  (void)self;
  return calloc(1, sizeof(struct table));
}
static void virtio_close_table(void* self, void* table) {
  (void)self;
  free(table);
}
static int32_t virtio_set_first_entry(void* self, void* table,
                                      const struct iommucheck_entry* entry) {
  (void)self;
  ((struct table*)table)->first = entry != NULL ? entry->space : NULL;
  return 0;
}
static int32_t virtio_make_place(void* self, void* table, uint32_t pasid) {
  (void)self;
  (void)table;
  (void)pasid;
  return -IOMMUCHECK_ENOMEM;
}
static int32_t virtio_store_entry(void* self, void* table, uint32_t pasid,
                                  const struct iommucheck_entry* entry) {
  (void)self;
  (void)table;
  (void)pasid;
  (void)entry;
  return 0;
}
static void virtio_forget_entry(void* self, uint32_t device, uint32_t pasid, uint32_t whole) {
  (void)self;
  (void)device;
  (void)pasid;
  (void)whole;
}
static int32_t virtio_understands(void* self, const struct iommucheck_mm* mm) {
  (void)self;
  (void)mm;
  return 0;
}
static int32_t virtio_take_tag(void* self, const struct iommucheck_mm* mm,
                               struct iommucheck_tag* tag) {
  (void)self;
  (void)mm;
  (void)tag;
  return -IOMMUCHECK_ENOSPC;
}

/* ---- spaces ---- */

static void* virtio_open_space(void* self, uint32_t input_bits, uint32_t foreign,
                               struct iommucheck_space* space) {
  struct virtio* v = self;
  struct space* its;
  uint32_t domain = 1;
  (void)input_bits;
  if (foreign) return NULL;
  while (domain < VIRTIO_DOMAINS && v->taken[domain]) ++domain;
  if (domain == VIRTIO_DOMAINS) {
#ifndef VIRTIO_NO_MEMORY
    space->error = -IOMMUCHECK_ENOSPC;
#endif
    return NULL;
  }
  its = calloc(1, sizeof *its);
  if (its == NULL) return NULL;
  v->taken[domain] = 1;
  its->domain = domain;
  space->tag.outer = domain; /* table_pa stays 0: no table is in memory */
  return its;
}
static void virtio_close_space(void* self, void* space) {
  struct space* its = space;
  (void)self;
  while (its->maps != NULL) {
    struct mapping* next = its->maps->next;
    free(its->maps);
    its->maps = next;
  }
#ifndef BUG_numbers_lost
  ((struct virtio*)self)->taken[its->domain] = 0;
#endif
  free(its);
}
static struct mapping* mapping_at(const struct space* its, uint64_t iova) {
  struct mapping* one = its->maps;
  while (one != NULL && (iova < one->first || iova > one->last)) one = one->next;
  return one;
}
static int add(struct space* its, uint64_t first, uint64_t last, uint64_t pa) {
  struct mapping* one = malloc(sizeof *one);
  if (one == NULL) return 0;
  one->first = first;
  one->last = last;
  one->pa = pa;
  one->next = its->maps;
  its->maps = one;
  return 1;
}
static int32_t virtio_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes,
                          uint32_t prot, uint64_t* done) {
  struct space* its = space;
  uint64_t last = iova + (bytes - 1);
  int32_t answer = 0;
  uint64_t rights = prot & (IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_EXEC) ? VIRTIO_READ : 0;
  if (prot & IOMMUCHECK_PROT_WRITE) rights |= VIRTIO_WRITE;
  for (const struct mapping* one = its->maps; one != NULL; one = one->next) {
    if (one->last < iova || one->first > last) continue;
    answer = -IOMMUCHECK_EEXIST;
    if (one->first <= iova) return answer;
    last = one->first - 1;
  }
  if (!add(its, iova, last, pa | rights)) return -IOMMUCHECK_ENOMEM;
  send_range(self, REQUEST_MAP, its, iova, last, pa | rights);
  if (its->devices != 0 && settle(self) != 0) {
    answer = -IOMMUCHECK_ETIMEDOUT;
#ifdef BUG_timed_out_stays
    return answer; /* *done is 0: nobody takes it out */
#endif
  }
  *done = last - iova + 1;
  return answer;
}
#ifdef VIRTIO_WHOLE_BLOCKS
/* What lies like a leaf is one, and no part of it is unmapped alone. */
static int is_block(const struct mapping* one) {
  const uint64_t bytes = one->last - one->first + 1;
  const uint64_t at = one->first | (one->pa & ~(uint64_t)3);
  return (bytes & (bytes - 1)) == 0 && (at & (bytes - 1)) == 0;
}
#endif
static uint64_t virtio_unmap(void* self, void* space, uint64_t iova, uint64_t bytes,
                             uint32_t* tables) {
  struct space* its = space;
  const uint64_t end = iova + bytes;
  uint64_t at = iova;
  (void)tables;
  while (at < end) {
    struct mapping* one = mapping_at(its, at);
    if (one == NULL) break;
#ifdef VIRTIO_WHOLE_BLOCKS
    if (is_block(one) && (one->first < at || one->last >= end)) break;
#endif
    if (one->last >= end) {
      const uint64_t pa = one->pa + (end - one->first);
      if (!add(its, end, one->last, pa)) break;
      one->last = end - 1;
    }
    if (one->first < at && !add(its, one->first, at - 1, one->pa)) break;
    at = one->last + 1;
    for (struct mapping** from = &its->maps; *from != NULL; from = &(*from)->next) {
      if (*from != one) continue;
      *from = one->next;
      break;
    }
    free(one);
  }
#ifdef BUG_first_page
  if (at - iova > VIRTIO_PAGE) iova += VIRTIO_PAGE;
  if (at > iova) send_range(self, REQUEST_UNMAP, its, iova, at - 1, 0);
  return at - (end - bytes);
#endif
  if (at > iova) send_range(self, REQUEST_UNMAP, its, iova, at - 1, 0);
  return at - iova;
}
static uint64_t virtio_translate(void* self, void* space, uint64_t iova) {
  const struct mapping* one = mapping_at(space, iova);
  (void)self;
  return one != NULL ? (one->pa & ~(uint64_t)3) + (iova - one->first) : 0;
}
static void virtio_free_retired(void* self, void* space) {
  (void)self;
  (void)space;
}
static void virtio_drop_range(void* self, const struct iommucheck_tag* tag,
                              const struct iommucheck_place* places, uint32_t count, uint64_t first,
                              uint64_t last, uint32_t tables) {
  (void)self; /* what unmap has sent has done it */
  (void)tag;
  (void)places;
  (void)count;
  (void)first;
  (void)last;
  (void)tables;
}
static void virtio_drop_device(void* self, uint32_t device, uint32_t pasid, uint64_t first,
                               uint64_t last) {
  (void)self;
  (void)device;
  (void)pasid;
  (void)first;
  (void)last;
}
static int32_t virtio_flush(void* self) {
#ifdef BUG_no_wait
  (void)self;
  return IOMMUCHECK_FLUSH_COMPLETE;
#else
  return settle(self) == 0 ? IOMMUCHECK_FLUSH_COMPLETE : IOMMUCHECK_FLUSH_TIMED_OUT;
#endif
}

static int32_t virtio_drop_everything(void* self) { return settle(self); }

extern const struct iommucheck_hardware_ops virtio_hardware;
static const struct iommucheck_backend_ops ops = {
    .size = sizeof ops,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .open = virtio_open,
    .begin_reset = virtio_stop,
    .end_reset = virtio_end_reset,
    .stop = virtio_stop,
    .free_everything = virtio_free_everything,
    .add_device = virtio_add_device,
    .set_route = virtio_set_route,
    .forget_route = virtio_forget_route,
    .open_table = virtio_open_table,
    .close_table = virtio_close_table,
    .set_first_entry = virtio_set_first_entry,
    .make_place = virtio_make_place,
    .store_entry = virtio_store_entry,
    .forget_entry = virtio_forget_entry,
    .understands = virtio_understands,
    .take_tag = virtio_take_tag,
    .open_space = virtio_open_space,
    .close_space = virtio_close_space,
    .map = virtio_map,
    .unmap = virtio_unmap,
    .translate = virtio_translate,
    .free_retired = virtio_free_retired,
    .drop_range = virtio_drop_range,
    .drop_device = virtio_drop_device,
    .flush = virtio_flush,
    .drop_everything = virtio_drop_everything,
};

static const struct iommucheck_backend virtio = {
    .size = sizeof virtio,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .flags = 0
#ifndef VIRTIO_HIDES_FILLING
             | IOMMUCHECK_BACKEND_FILLS_ROUTES
#endif
#ifndef VIRTIO_HIDES_PRIVILEGE
             | IOMMUCHECK_BACKEND_NO_PRIVILEGE
#endif
#ifndef VIRTIO_HIDES_EXECUTION
             | IOMMUCHECK_BACKEND_NO_EXECUTION
#endif
    ,
    .name = "virtio",
    .backend = &ops,
    .hardware = &virtio_hardware,
    .tags_max = VIRTIO_DOMAINS - 1,
};
const struct iommucheck_backend* iommucheck_backend_entry(void) { return &virtio; }
