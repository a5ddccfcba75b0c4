/* SPDX-License-Identifier: MIT
 * What an access may get from the IOMMU of virtio_backend.h: of the requests that have not acted,
 * the first few have, however many.
 */
#include <stdlib.h>
#include <string.h>

#include "iommucheck/backend.h"
#include "tests/backends/virtio_backend.h"

#define ENDPOINTS 64u
#define MAPS 4096u

struct request {
  uint64_t kind, domain, endpoint, first, last, pa;
};
struct endpoint {
  uint32_t id;
  uint64_t domain;
};
struct mapping {
  uint64_t domain, first, last, pa; /* with the rights in bits 1:0 */
};
struct state {
  struct endpoint endpoints[ENDPOINTS];
  struct mapping maps[MAPS];
  uint32_t endpoint_count, map_count;
};
struct virtio {
  const struct iommucheck_hardware_host* host;
  uint64_t registers[8], next_root;
  int stuck;
  struct request* pending;
  uint32_t pending_count, pending_room;
  struct state now, then;
};

static struct endpoint* endpoint_of(struct state* s, uint64_t id) {
  for (uint32_t i = 0; i < s->endpoint_count; ++i) {
    if (s->endpoints[i].id == id) return &s->endpoints[i];
  }
  return NULL;
}
static void add_map(struct state* s, struct mapping one) {
  if (s->map_count == MAPS) abort();
  s->maps[s->map_count++] = one;
}
static void unmap(struct state* s, uint64_t domain, uint64_t first, uint64_t last) {
  for (uint32_t i = s->map_count; i-- > 0;) {
    const struct mapping one = s->maps[i];
    struct mapping part = one;
    if (one.domain != domain || one.first > last || one.last < first) continue;
    s->maps[i] = s->maps[--s->map_count];
    if (one.first < first) {
      part.last = first - 1;
      add_map(s, part);
    }
    if (one.last > last) {
      part = one;
      part.first = last + 1;
      part.pa += part.first - one.first;
      add_map(s, part);
    }
  }
}
/* A domain ends with its last endpoint. */
static void leave(struct state* s, struct endpoint* its) {
  const uint64_t domain = its->domain;
  its->domain = 0;
  for (uint32_t i = 0; i < s->endpoint_count; ++i) {
    if (s->endpoints[i].domain == domain) return;
  }
  unmap(s, domain, 0, ~(uint64_t)0);
}
static void act(struct state* s, const struct request* r) {
  struct endpoint* its = endpoint_of(s, r->endpoint);
  const struct mapping one = {r->domain, r->first, r->last, r->pa};
  if (r->kind == REQUEST_MAP) add_map(s, one);
  if (r->kind == REQUEST_UNMAP) unmap(s, r->domain, r->first, r->last);
  if (its == NULL || (r->kind != REQUEST_ATTACH && r->kind != REQUEST_DETACH)) return;
  if (its->domain != 0) leave(s, its);
  if (r->kind == REQUEST_ATTACH) its->domain = r->domain;
}
static void copy_state(struct state* to, const struct state* from) {
  memcpy(to->endpoints, from->endpoints, from->endpoint_count * sizeof *to->endpoints);
  memcpy(to->maps, from->maps, from->map_count * sizeof *to->maps);
  to->endpoint_count = from->endpoint_count;
  to->map_count = from->map_count;
}
static void act_all(struct virtio* v) {
  for (uint32_t i = 0; i < v->pending_count; ++i) act(&v->now, &v->pending[i]);
  v->pending_count = 0;
}

static void add_answer(struct iommucheck_may_get* all, uint32_t* count, uint32_t kind, uint64_t pa,
                       const char* why) {
  for (uint32_t i = 0; i < *count; ++i) {
    if (all[i].kind == kind && all[i].pa == pa) return;
  }
  if (*count == IOMMUCHECK_ANSWERS_MAX) return;
  all[*count].kind = kind;
  all[*count].reserved = 0;
  all[*count].pa = pa;
  all[(*count)++].why = why;
}
static void answer_of(struct state* s, const struct iommucheck_access* asked, const char* why,
                      struct iommucheck_may_get* all, uint32_t* count) {
  const struct endpoint* its = endpoint_of(s, asked->stream_id);
  const uint64_t right = asked->access == IOMMUCHECK_ACCESS_WRITE ? VIRTIO_WRITE : VIRTIO_READ;
  if (asked->pasid != IOMMUCHECK_BACKEND_NO_PASID) {
    add_answer(all, count, IOMMUCHECK_GETS_NO_ENTRY, 0, why);
  } else if (its == NULL || its->domain == 0) {
    add_answer(all, count, IOMMUCHECK_GETS_BLOCKED, 0, why);
  } else if (its->domain == VIRTIO_BYPASS) {
    add_answer(all, count, IOMMUCHECK_GETS_ADDRESS, asked->iova, why);
  } else {
    for (uint32_t i = 0; i < s->map_count; ++i) {
      const struct mapping* one = &s->maps[i];
      const uint64_t pa = (one->pa & ~(uint64_t)3) + (asked->iova - one->first);
      if (one->domain != its->domain || asked->iova < one->first || asked->iova > one->last) {
        continue;
      }
      if (one->pa & right) {
        add_answer(all, count, IOMMUCHECK_GETS_ADDRESS, pa, why);
      } else {
        add_answer(all, count, IOMMUCHECK_GETS_DENIED, 0, why);
      }
      return;
    }
    add_answer(all, count, IOMMUCHECK_GETS_NOT_MAPPED, 0, why);
  }
}

static void* hw_open(const struct iommucheck_hardware_host* host) {
  struct virtio* v = calloc(1, sizeof *v);
  if (v == NULL) return NULL;
  v->host = host;
  v->next_root = host->process_pa;
  for (uint32_t i = 0; i < host->stream_count && i < ENDPOINTS; ++i) {
    v->now.endpoints[v->now.endpoint_count++].id = host->streams[i].id;
  }
  return v;
}
static int32_t hw_stored(void* self, uint64_t pa, uint64_t value) {
  (void)self;
  (void)pa;
  (void)value;
  return 0; /* nothing in memory means anything */
}
static int32_t hw_given_back(void* self, uint64_t pa, uint64_t bytes) {
  (void)self;
  (void)pa;
  (void)bytes;
  return 1;
}
static void hw_write(void* self, uint64_t offset, uint64_t value) {
  struct virtio* v = self;
  struct request r;
  v->registers[offset / 8 % 8] = value;
  if (offset != VIRTIO_REQUEST) return;
  r.kind = value;
  r.domain = v->registers[VIRTIO_DOMAIN / 8];
  r.endpoint = v->registers[VIRTIO_ENDPOINT / 8];
  r.first = v->registers[VIRTIO_FIRST / 8];
  r.last = v->registers[VIRTIO_LAST / 8];
  r.pa = v->registers[VIRTIO_PA / 8];
  if (value == REQUEST_RESET) {
    v->pending_count = v->now.map_count = 0;
    for (uint32_t i = 0; i < v->now.endpoint_count; ++i) v->now.endpoints[i].domain = 0;
    return;
  }
  if (v->pending_count == v->pending_room) {
    v->pending_room = v->pending_room == 0 ? 16 : 2 * v->pending_room;
    v->pending = realloc(v->pending, v->pending_room * sizeof *v->pending);
    if (v->pending == NULL) abort();
  }
  v->pending[v->pending_count++] = r;
}
static uint64_t hw_read(void* self, uint64_t offset) {
  struct virtio* v = self;
  if (offset != VIRTIO_BUSY) return v->registers[offset / 8 % 8];
  if (!v->stuck) act_all(v);
  return v->pending_count != 0;
}
static void hw_set_stuck(void* self, uint32_t stuck) { ((struct virtio*)self)->stuck = stuck != 0; }
static void hw_remove(void* self, uint32_t stream) {
  struct virtio* v = self;
  struct endpoint* its = endpoint_of(&v->now, stream);
  if (its == NULL) return;
  if (its->domain != 0) leave(&v->now, its);
  its->id = ~(uint32_t)0;
}

/* Nobody walks what processes have. */
static uint64_t hw_process_created(void* self, uint64_t mm) {
  struct virtio* v = self;
  const uint64_t root = v->next_root;
  (void)mm;
  if (root - v->host->process_pa >= v->host->process_bytes) return 0;
  v->next_root += VIRTIO_PAGE;
  return root;
}
static int32_t hw_process_says(void* self, uint64_t mm, uint64_t va, uint64_t pa, uint32_t prot) {
  (void)self;
  (void)mm;
  (void)va;
  (void)pa;
  (void)prot;
  return 1;
}
static int32_t hw_process_over(void* self, uint64_t mm) {
  (void)self;
  (void)mm;
  return 1;
}

static uint32_t hw_answers(void* self, const struct iommucheck_access* asked,
                           struct iommucheck_may_get* all) {
  struct virtio* v = self;
  uint32_t count = 0;
  answer_of(&v->now, asked, v->pending_count != 0 ? "a request has not acted" : NULL, all, &count);
  if (v->pending_count == 0) return count;
  copy_state(&v->then, &v->now);
  for (uint32_t i = 0; i < v->pending_count; ++i) {
    act(&v->then, &v->pending[i]);
    answer_of(&v->then, asked, "a request has acted", all, &count);
  }
  return count;
}
static void hw_walker_switches(void* self, uint32_t walker, uint64_t root, uint32_t input_bits) {
  (void)self;
  (void)walker;
  (void)root;
  (void)input_bits;
}
static void hw_walker_flushes(void* self, uint32_t walker) {
  (void)self;
  (void)walker;
}
static uint32_t hw_walker_answers(void* self, uint32_t walker, uint64_t iova, uint32_t access,
                                  struct iommucheck_may_get* all) {
  uint32_t count = 0;
  (void)self;
  (void)walker;
  (void)iova;
  (void)access;
  add_answer(all, &count, IOMMUCHECK_GETS_ANYTHING, 0, "there are no walkers");
  return count;
}

extern const struct iommucheck_hardware_ops virtio_hardware;
const struct iommucheck_hardware_ops virtio_hardware = {
    .size = sizeof virtio_hardware,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .open = hw_open,
    .stored = hw_stored,
    .given_back = hw_given_back,
    .write = hw_write,
    .read = hw_read,
    .set_stuck = hw_set_stuck,
    .remove = hw_remove,
    .process_created = hw_process_created,
    .process_says = hw_process_says,
    .process_settles = hw_process_over,
    .process_gone = hw_process_over,
    .answers = hw_answers,
    .walker_switches = hw_walker_switches,
    .walker_flushes = hw_walker_flushes,
    .walker_answers = hw_walker_answers,
};
