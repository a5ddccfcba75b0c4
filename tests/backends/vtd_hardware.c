/* SPDX-License-Identifier: MIT
 * What an access may get from the IOMMU of vtd_backend.h. What is not present is not cached, but in
 * caching mode; a PASID entry is read when it is present, its words each for itself. The context
 * cache is emptied for a source, with what was read through it; the PASID cache for a source and a
 * PASID, the IOTLB for a DID and a PASID.
 */
#include "tests/backends/vtd_backend.h"

#include "examples/backends/model.h"

struct command {
  uint64_t word0, word1, sent, complete;
};
struct request {
  uint32_t id, code;
  int taken, waits;
  uint64_t who, at;
};
struct response {
  uint32_t id, code;
};
struct vtd {
  struct model m;
  uint64_t registers[0x100 / 8];
  uint64_t on_since;
  int stuck;
  size_t complete, responses_taken;
  LIST(struct command) commands;
  LIST(struct request) requests;
  LIST(struct response) responses;
};

static int is_leaf(uint64_t word) { return (word & VTD_P) && (word & PT_LEAF); }
static uint64_t table_in(uint64_t word) {
  return (word & VTD_P) && !(word & PT_LEAF) ? word & VTD_ADDRESS : 0;
}
static uint64_t page_in(uint64_t word) { return word & VTD_ADDRESS; }
static int allows(uint64_t leaf, uint32_t access, int privileged) {
  if (access == IOMMUCHECK_ACCESS_READ && (leaf & PT_NO_READ)) return 0;
  if (access == IOMMUCHECK_ACCESS_WRITE && !(leaf & PT_RW)) return 0;
  if (access == IOMMUCHECK_ACCESS_EXECUTE && (leaf & PT_XD)) return 0;
  return (leaf & PT_US) || privileged;
}
static uint64_t leaf_word(uint64_t pa, uint32_t prot) {
  return pa | VTD_P | PT_LEAF | PT_US | (prot & IOMMUCHECK_PROT_WRITE ? PT_RW : 0) |
         (prot & IOMMUCHECK_PROT_EXEC ? 0 : PT_XD);
}
static uint64_t table_word(uint64_t pa) { return pa | VTD_P | PT_RW | PT_US; }
static const struct format first_level = {VTD_LEVELS, is_leaf,    table_in, page_in, allows,
                                          leaf_word,  table_word, NULL,     NULL};

#ifdef VTD_CACHING_MODE
#define KEPT NULL
#define KEEPS(word) 1
#else
static int is_present(uint64_t word) { return (word & VTD_P) != 0; }
#define KEPT is_present
#define KEEPS(word) is_present(word)
#endif

struct of {
  uint32_t source, pasid;
  int entry; /* a PASID's, else of the context and the directory */
};
static uint64_t forgotten(struct model* m, const void* context, uint64_t since, uint64_t* sent) {
  const struct vtd* v = (const struct vtd*)m;
  const struct of* of = context;
  for (size_t i = 0; i < v->complete; ++i) {
    const struct command* command = &v->commands.at[i];
    const uint32_t kind = INV_KIND(command->word0);
    const int all = INV_GRANULARITY(command->word0) == OF_ALL;
    const int its = all || INV_HIGH(command->word0) == of->source;
    const int pasid = kind == INV_PASID && of->entry && (uint32_t)command->word1 == of->pasid;
    if (!its || !(kind == INV_CONTEXT || pasid) || command->sent < since) continue;
    *sent = command->sent;
    return command->complete;
  }
  return NEVER;
}

static struct way way_to(uint32_t stream, uint32_t pasid, uint32_t gets) {
  struct way way;
  memset(&way, 0, sizeof way);
  way.stream = stream;
  way.pasid = pasid;
  way.gets = gets;
#ifdef VTD_KEEPS_PASS_THROUGH /* devices do, at PASIDs as well: AMD's */
  way.passes_kept = gets == IOMMUCHECK_GETS_ADDRESS;
#endif
#ifdef VTD_CACHING_MODE
  way.holes = 1;
#endif
  return way;
}

/* The number by which translations are known. */
static uint64_t key_of(uint64_t did, uint32_t pasid) { return did << 32 | VTD_KNOWN_AS(pasid); }

static void add_entry(struct vtd* v, struct way way, uint64_t word0, uint64_t word1,
                      const struct item* when) {
  if (!(word0 & VTD_P)) {
    way.gets = IOMMUCHECK_GETS_NO_ENTRY;
  } else if (word0 & ENTRY_FPD) {
    way.gets = IOMMUCHECK_GETS_QUIET;
  } else if (word0 & ENTRY_PASSES) {
    way = way_to(way.stream, way.pasid, IOMMUCHECK_GETS_ADDRESS);
  } else {
    way.gets = WALKS;
    way.key = key_of(word1 & 0xffff, way.pasid);
    way.root = word0 & VTD_ADDRESS;
    way.waits = (word0 & ENTRY_PRS) != 0;
    if (word0 & ENTRY_CPUS) way.holes = 0;
  }
  add_way(&v->m, way, when);
}

/* Whether the directory of such a context is asked for the PASID. */
static int reads(uint64_t context, uint32_t pasid) {
  const uint32_t bits = CONTEXT_PASID_BITS(context);
  if (!(context & VTD_P) || !(context & VTD_ADDRESS)) return 0;
  if (pasid == NO_PASID) return !(context & CONTEXT_PASSES);
  return bits != 0 && pasid >> bits == 0;
}

/* An entry is read as a whole; with whatever context it was, it counts. */
static void read_entry(struct vtd* v, const struct iommucheck_stream* stream, uint32_t pasid,
                       uint64_t place, const struct item* by, const struct items* contexts) {
  const struct of of = {stream->id, VTD_KNOWN_AS(pasid), 1};
  struct items word0, word1;
  memset(&word0, 0, sizeof word0);
  memset(&word1, 0, sizeof word1);
  read_words(&v->m, place, by, &word0);
  read_words(&v->m, place + 8, by, &word1);
  for (size_t a = 0; a < word0.list.count; ++a) {
    for (size_t b = 0; b < word1.list.count; ++b) {
      struct item whole = both(&word0.list.at[a], &word1.list.at[b]);
      if (whole.from >= whole.to) continue;
      if (KEEPS(word0.list.at[a].value)) keep(&v->m, &whole, forgotten, &of);
      for (size_t c = 0; c < contexts->list.count; ++c) {
        const struct item when = both(&whole, &contexts->list.at[c]);
        if (!reads(contexts->list.at[c].value, pasid)) continue;
        add_entry(v, way_to(stream->id, pasid, WALKS), word0.list.at[a].value,
                  word1.list.at[b].value, &when);
      }
    }
  }
  free(word0.list.at);
  free(word1.list.at);
}

static void add_ways_of(struct vtd* v, const struct iommucheck_stream* stream, uint32_t pasid,
                        const struct items* contexts) {
  const struct of of = {stream->id, 0, 0};
  const int first = pasid == NO_PASID;
  for (size_t i = 0; i < contexts->list.count; ++i) {
    const struct item* context = &contexts->list.at[i];
    const uint64_t directory = context->value & VTD_ADDRESS;
    const uint64_t pasids = (uint64_t)1 << CONTEXT_PASID_BITS(context->value);
    struct items pointers;
    if (!reads(context->value, pasid)) {
      const int passes = first && (context->value & CONTEXT_PASSES);
      const uint32_t gets = !(context->value & VTD_P) ? IOMMUCHECK_GETS_BLOCKED
                            : passes                  ? IOMMUCHECK_GETS_ADDRESS
                                                      : IOMMUCHECK_GETS_NO_ENTRY;
      add_way(&v->m, way_to(stream->id, pasid, gets), context);
      continue;
    }
    add_span(&v->m, directory, 8 * (1 + VTD_DIRECTORY_INDEX(pasids - 1, 0)), context->to);
    memset(&pointers, 0, sizeof pointers);
    usable(&v->m, directory + 8 * VTD_DIRECTORY_INDEX(pasid, first), context, forgotten, &of, KEPT,
           &pointers);
    for (size_t p = 0; p < pointers.list.count; ++p) {
      const struct item* pointer = &pointers.list.at[p];
      const uint64_t page = pointer->value & VTD_ADDRESS;
      if (!(pointer->value & VTD_P)) {
        add_way(&v->m, way_to(stream->id, pasid, IOMMUCHECK_GETS_NO_ENTRY), pointer);
        continue;
      }
      add_span(&v->m, page, VTD_PAGE, pointer->to);
      read_entry(v, stream, pasid, page + VTD_ENTRY_BYTES * (first ? 0 : pasid % VTD_ENTRIES),
                 pointer, contexts);
    }
    free(pointers.list.at);
  }
}

/* Numbers at which something stands, or has stood, in a directory. */
static void find_pasids(struct vtd* v, uint64_t directory, uint32_t bits) {
  const uint64_t end = (uint64_t)1 << bits;
  for (uint64_t first = 0; bits != 0 && first < end; first += VTD_ENTRIES) {
    const uint64_t place = directory + 8 * VTD_DIRECTORY_INDEX(first, 0);
    const uint64_t pointer = newest(&v->m, place);
    const struct page* page = find_page(&v->m, pointer & VTD_ADDRESS, 0);
    find_page(&v->m, place, 1)->leads = 1;
    if (!(pointer & VTD_P) || page == NULL) continue;
    for (uint32_t i = 0; i < VTD_ENTRIES; ++i) {
      if (page->words[2 * i].said.count > 1) ask_for(&v->m, (uint32_t)first + i);
    }
  }
}

static void find_ways(struct model* m) {
  struct vtd* v = (struct vtd*)m;
  const struct item always = {0, v->on_since, NEVER, NEVER, 0, 0};
  if (!m->on) return;
  ask_for(m, NO_PASID);
  for (uint32_t s = 0; s < m->host->stream_count; ++s) {
    const struct iommucheck_stream* stream = &m->host->streams[s];
    const uint64_t root = v->registers[VTD_ROOT / 8] + 8 * (uint64_t)(stream->id / 256);
    const uint64_t table = newest(m, root) & VTD_ADDRESS;
    const struct of of = {stream->id, 0, 0};
    struct items contexts;
    find_page(m, root, 1)->leads = 1;
    if (was_removed(m, stream->id) || table == 0) continue;
    memset(&contexts, 0, sizeof contexts);
    usable(m, table + 8 * (stream->id % 256), &always, forgotten, &of, KEPT, &contexts);
    for (size_t i = 0; i < contexts.list.count; ++i) {
      const uint64_t context = contexts.list.at[i].value;
      if (!(context & VTD_P) || !(context & VTD_ADDRESS)) continue;
      find_pasids(v, context & VTD_ADDRESS, CONTEXT_PASID_BITS(context));
    }
    for (size_t p = 0; p < m->pasids.count; ++p) {
      add_ways_of(v, stream, m->pasids.at[p], &contexts);
    }
    free(contexts.list.at);
  }
}

/* ---- invalidations ---- */

static void drop_translations(struct vtd* v, const struct command* command) {
  const uint32_t granularity = INV_GRANULARITY(command->word0);
  const uint32_t lg2 = granularity == OF_RANGE ? (uint32_t)command->word1 & 63 : 52;
  struct drop drop;
  drop.key = key_of(INV_DID(command->word0), INV_HIGH(command->word0));
  drop.mask = granularity == OF_ALL ? 0 : ~(uint64_t)0;
  drop.tables = granularity != OF_RANGE || !(command->word1 & INV_IH);
  drop.first = lg2 >= 52 ? 0 : command->word1 & ~(uint64_t)(VTD_PAGE - 1);
  drop.last = lg2 >= 52 ? NEVER : drop.first + ((uint64_t)VTD_PAGE << lg2) - 1;
  drop.sent = command->sent;
  drop.complete = command->complete;
  PUSH(v->m.drops, drop);
}
static void drop_of_device(struct vtd* v, const struct command* command) {
  const uint32_t lg2 = (uint32_t)command->word1 & 63;
  struct device_drop drop;
  drop.every_pasid = 0;
  drop.stream = INV_SOURCE(command->word0);
  drop.pasid = command->word0 & INV_HAS_PASID ? INV_HIGH(command->word0) & 0x7fffffff : NO_PASID;
  drop.first = lg2 >= 52 ? 0 : command->word1 & ~(uint64_t)(VTD_PAGE - 1);
  drop.last = lg2 >= 52 ? NEVER : drop.first + ((uint64_t)VTD_PAGE << lg2) - 1;
  drop.sent = command->sent;
  PUSH(v->m.device_drops, drop);
}
static void complete_all(struct vtd* v) {
  if (v->complete == v->commands.count) return;
  ++v->m.now;
  for (; v->complete < v->commands.count; ++v->complete) {
    struct command* command = &v->commands.at[v->complete];
    command->complete = v->m.now;
    if (INV_KIND(command->word0) == INV_IOTLB) drop_translations(v, command);
    if (INV_KIND(command->word0) == INV_DEVICE) drop_of_device(v, command);
  }
  v->m.changed = 1;
}
static void send(struct vtd* v, uint32_t from, uint32_t to) {
  ++v->m.now;
  for (; from != to; from = (from + 1) & 255) {
    const uint64_t at = v->registers[VTD_IQA / 8] + 16 * (uint64_t)from;
    const struct command command = {newest(&v->m, at), newest(&v->m, at + 8), v->m.now, NEVER};
    PUSH(v->commands, command);
  }
}

/* ---- the door ---- */

static void* hw_open(const struct iommucheck_hardware_host* host) {
  struct vtd* v = calloc(1, sizeof *v);
  if (v != NULL) model_open(&v->m, host, &first_level, find_ways);
  return v;
}
static int32_t hw_stored(void* self, uint64_t pa, uint64_t value) {
  return model_stored(self, pa, value);
}
static int32_t hw_given_back(void* self, uint64_t pa, uint64_t bytes) {
  return model_given_back(self, pa, bytes);
}
static void respond(struct vtd* v, uint32_t id, uint32_t code) {
  for (size_t i = 0; i < v->requests.count; ++i) {
    const struct response response = {id, code};
    if (v->requests.at[i].id != id) continue;
    v->requests.at[i].waits = 0;
    v->requests.at[i].taken = 1;
    PUSH(v->responses, response);
  }
}
static struct request* oldest(struct vtd* v) {
  for (size_t i = 0; i < v->requests.count; ++i) {
    if (!v->requests.at[i].taken) return &v->requests.at[i];
  }
  return NULL;
}
static void hw_write(void* self, uint64_t offset, uint64_t value) {
  struct vtd* v = self;
  struct request* first = oldest(v);
  const uint64_t before = v->registers[offset / 8 % 32];
  v->registers[offset / 8 % 32] = value;
  switch (offset) {
    case VTD_IQT: send(v, (uint32_t)before, (uint32_t)value); break;
    case VTD_IQA: v->registers[VTD_IQT / 8] = 0; break;
    case VTD_REQUEST_TAKE:
      if (first != NULL) first->taken = 1;
      break;
    case VTD_RESPOND: respond(v, (uint32_t)value, (uint32_t)(value >> 32)); break;
    case VTD_CONTROL:
      v->on_since = ++v->m.now;
      v->m.on = (value & 1) != 0;
      v->m.changed = 1;
      break;
    default: break;
  }
}
static uint64_t hw_read(void* self, uint64_t offset) {
  struct vtd* v = self;
  const struct request* first = oldest(v);
  switch (offset) {
    case VTD_REQUEST: return first != NULL ? first->id : 0;
    case VTD_REQUEST_WHO: return first != NULL ? first->who : 0;
    case VTD_REQUEST_AT: return first != NULL ? first->at : 0;
    case VTD_IQH:
      if (v->stuck) return (v->registers[VTD_IQT / 8] + 128) & 255;
      complete_all(v);
      return v->registers[VTD_IQT / 8];
    default: return v->registers[offset / 8 % 32];
  }
}
static void hw_set_stuck(void* self, uint32_t stuck) { ((struct vtd*)self)->stuck = stuck != 0; }
static void hw_remove(void* self, uint32_t stream) { model_remove(self, stream); }
static uint64_t hw_process_created(void* self, uint64_t mm) {
  return model_process_created(self, mm);
}
static int32_t hw_process_says(void* self, uint64_t mm, uint64_t va, uint64_t pa, uint32_t prot) {
  return model_process_says(self, mm, va, pa, prot);
}
static int32_t hw_process_settles(void* self, uint64_t mm) {
  return model_process_settles(self, mm);
}
static int32_t hw_process_gone(void* self, uint64_t mm) { return model_process_gone(self, mm); }
static uint32_t hw_answers(void* self, const struct iommucheck_access* asked,
                           struct iommucheck_may_get* out) {
#ifdef BUG_high_bits /* it leaves bit 40 of addresses out */
  struct iommucheck_access folded = *asked;
  folded.iova &= ~(1ull << 40);
  asked = &folded;
#endif
  return model_answers(self, asked, out);
}
static void hw_walker_switches(void* self, uint32_t number, uint64_t root, uint32_t input_bits) {
  (void)input_bits;
  model_walker_switches(self, number, root);
}
static void hw_walker_flushes(void* self, uint32_t number) { model_walker_flushes(self, number); }
static uint32_t hw_walker_answers(void* self, uint32_t number, uint64_t iova, uint32_t access,
                                  struct iommucheck_may_get* out) {
  return model_walker_answers(self, number, iova, access, out);
}
#ifndef VTD_WITHOUT_WAITS
static uint32_t hw_wait(void* self, const struct iommucheck_access* access) {
  struct vtd* v = self;
  struct request request;
  memset(&request, 0, sizeof request);
  request.id = (uint32_t)v->requests.count + 1;
  request.waits = 1;
  request.who = access->stream_id | (uint64_t)access->pasid << 32;
  request.at = (access->iova & ~(uint64_t)(VTD_PAGE - 1)) | (uint64_t)1 << access->access;
  PUSH(v->requests, request);
  return request.id;
}
static int32_t hw_take_response(void* self, uint32_t* id, uint32_t* response) {
  struct vtd* v = self;
  if (v->responses_taken == v->responses.count) return 0;
  *id = v->responses.at[v->responses_taken].id;
  *response = v->responses.at[v->responses_taken++].code;
  return 1;
}
static int32_t hw_is_waiting(void* self, uint32_t id) {
  const struct vtd* v = self;
  return id != 0 && id <= v->requests.count && v->requests.at[id - 1].waits;
}
#endif

extern const struct iommucheck_hardware_ops vtd_hardware;
const struct iommucheck_hardware_ops vtd_hardware = {
    .size = sizeof vtd_hardware,
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
    .process_settles = hw_process_settles,
    .process_gone = hw_process_gone,
    .answers = hw_answers,
    .walker_switches = hw_walker_switches,
    .walker_flushes = hw_walker_flushes,
    .walker_answers = hw_walker_answers,
#ifndef VTD_WITHOUT_WAITS
    .wait = hw_wait,
    .take_response = hw_take_response,
    .is_waiting = hw_is_waiting,
#endif
};
