/* SPDX-License-Identifier: MIT
 *
 * What an access may get from the small IOMMU, given all that was stored, sent and completed: all
 * of it, always. The rules:
 *  1. Stores are seen at once, in their order.
 *  2. A command acts at one moment between being sent and being complete; reading SMALL_DONE
 *     completes what was sent, unless the IOMMU is stuck.
 *  3. What is cached is what memory said at some moment while a way led there, and lives until a
 *     command that covers it has acted. Cached are words of the device table, where accesses at a
 *     PASID go, pointers of page tables, and answers for pages: "not mapped" too, but never of a
 *     table that is the CPUs'. What comes from a page table is known by its root.
 *  4. A device that caches translations fills from every answer; it keeps no failures.
 *  5. Who follows a pointer to memory that was given back since may get anything.
 */
#include <stdlib.h>
#include <string.h>

#include "iommucheck/backend.h"
#include "small_backend.h"

#define NEVER (~(uint64_t)0)
#define NO_PASID IOMMUCHECK_BACKEND_NO_PASID
#define BUCKETS 4096u

/* ---- lists that grow ---- */

#define LIST(type) \
  struct {         \
    type* at;      \
    size_t count;  \
    size_t room;   \
  }

static void* grown(void* at, size_t* room, size_t bytes) {
  void* more;
  *room = *room == 0 ? 8 : 2 * *room;
  more = realloc(at, *room * bytes);
  if (more == NULL) abort();
  return more;
}
#define PUSH(list, ...)                                              \
  do {                                                               \
    if ((list).count == (list).room)                                 \
      (list).at = grown((list).at, &(list).room, sizeof *(list).at); \
    (list).at[(list).count++] = (__VA_ARGS__);                       \
  } while (0)

/* ---- the state ---- */

struct version { /* what a word said, from then on */
  uint64_t from, value;
};
struct word {
  LIST(struct version) said;
};
struct page {
  uint64_t pa;
  uint64_t given_back; /* the last time; 0: never */
  int leads;           /* its words lead devices */
  struct page* next;
  struct word words[SMALL_WORDS];
};
struct item { /* a cached word of the device table */
  uint32_t stream;
  uint64_t word;
  uint64_t until; /* memory said so until then */
};
struct lead { /* where accesses may go: filled by a device's word, in use from..to */
  uint32_t stream, pasid;
  uint32_t how;
  int wild;
  uint64_t entry, by, from, until, to;
};
struct command {
  uint64_t kind, who, first, last, sent, complete;
};
struct request {
  uint32_t id;
  int taken, waits;
  uint64_t who, at;
};
struct response {
  uint32_t id, code;
};
struct process {
  uint64_t mm, root;
  LIST(uint64_t) out; /* tables that left the tree */
};
struct walker {
  uint32_t number;
  uint64_t root, since;
};

struct hardware {
  const struct iommucheck_hardware_host* host;
  struct page* pages[BUCKETS];
  uint64_t now, devices, control;
  uint64_t who, first, last;
  int stuck;
  uint32_t gone[64]; /* stream IDs of devices that were removed */
  uint32_t gone_count;
  size_t complete;
  uint32_t last_request;
  size_t responses_taken;
  uint64_t next_table;
  LIST(uint64_t) free_tables;
  LIST(uint32_t) pasids;
  LIST(struct item) items;
  LIST(struct lead) leads;
  LIST(struct command) commands;
  LIST(struct request) requests;
  LIST(struct response) responses;
  LIST(struct process) processes;
  LIST(struct walker) walkers;
};

static uint64_t max(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }
static int overlap(uint64_t first, uint64_t last, uint64_t other, uint64_t other_last) {
  return first <= other_last && other <= last;
}
static uint64_t covers(uint32_t level) { return (uint64_t)1 << (12 + 9 * level); }
static uint64_t place_of(uint64_t table, uint64_t iova, uint32_t level) {
  return table + 8 * (iova >> (12 + 9 * level) & (SMALL_WORDS - 1));
}

/* ---- memory ---- */

static struct page* find_page(struct hardware* h, uint64_t pa, int make) {
  struct page** bucket = &h->pages[pa / SMALL_PAGE % BUCKETS];
  struct page* page = *bucket;
  pa &= ~(uint64_t)(SMALL_PAGE - 1);
  while (page != NULL && page->pa != pa) page = page->next;
  if (page != NULL || !make) return page;
  page = calloc(1, sizeof *page);
  if (page == NULL) abort();
  page->pa = pa;
  page->next = *bucket;
  *bucket = page;
  return page;
}
static const struct word* find_word(struct hardware* h, uint64_t pa) {
  struct page* page = find_page(h, pa, 0);
  return page == NULL ? NULL : &page->words[pa / 8 % SMALL_WORDS];
}
static uint64_t newest(struct hardware* h, uint64_t pa) {
  const struct word* word = find_word(h, pa);
  return word == NULL || word->said.count == 0 ? 0 : word->said.at[word->said.count - 1].value;
}
static int gone_since(struct hardware* h, uint64_t pa, uint64_t since, uint64_t now) {
  const struct page* page = find_page(h, pa, 0);
  return page != NULL && page->given_back > since && page->given_back <= now;
}

static void refresh(struct hardware* h);

static int32_t hw_stored(void* self, uint64_t pa, uint64_t value) {
  struct hardware* h = self;
  struct page* page = find_page(h, pa, 1);
  struct word* word = &page->words[pa / 8 % SMALL_WORDS];
  const struct version said = {++h->now, value};
  if (word->said.count == 0 || word->said.at[word->said.count - 1].value != value) {
    PUSH(word->said, said);
  }
  if (page->leads) refresh(h);
  return page->leads;
}

/* ---- where accesses go ---- */

static int translates(const struct lead* lead) {
  return lead->how == SMALL_TABLE && (lead->entry & SMALL_VALID) && !(lead->entry & SMALL_QUIET);
}

static int removed(const struct hardware* h, uint32_t stream) {
  for (uint32_t i = 0; i < h->gone_count; ++i) {
    if (h->gone[i] == stream) return 1;
  }
  return 0;
}

static int add_pasid(struct hardware* h, uint32_t pasid) {
  for (size_t i = 0; i < h->pasids.count; ++i) {
    if (h->pasids.at[i] == pasid) return 0;
  }
  PUSH(h->pasids, pasid);
  return 1;
}

static uint64_t pointer_at(uint64_t word, uint32_t pasid) {
  return (word & SMALL_ADDRESS) + 8 * (pasid == NO_PASID ? 0 : 1 + (uint64_t)pasid / SMALL_WORDS);
}

/* PASIDs at which something stands, and the pages whose words say so. */
static void find_pasids(struct hardware* h, uint64_t word) {
  const uint32_t bits = SMALL_PASID_BITS(word);
  const uint32_t end = bits == 0 ? 0 : (uint32_t)1 << bits;
  if (SMALL_HOW(word) != SMALL_TABLE) return;
  for (uint32_t first = 0; first == 0 || first < end; first += SMALL_WORDS) {
    for (int without = 0; without < 2; ++without) {
      const uint64_t place = pointer_at(word, without ? NO_PASID : first);
      const uint64_t pointer = newest(h, place);
      find_page(h, place, 1)->leads = 1;
      if ((pointer & SMALL_PRESENT) == 0) continue;
      find_page(h, pointer & SMALL_ADDRESS, 1)->leads = 1;
      for (uint32_t i = 0; !without && i < SMALL_WORDS && first + i < end; ++i) {
        if (newest(h, (pointer & SMALL_ADDRESS) + 8 * i) != 0) add_pasid(h, first + i);
      }
    }
  }
}

/* 0 bits: none of them, number 0 neither. */
static int reaches(uint64_t word, uint32_t pasid) {
  const uint32_t bits = SMALL_PASID_BITS(word);
  return pasid == NO_PASID || (bits != 0 && pasid >> bits == 0);
}

static void fill(struct hardware* h, const struct item* item, uint32_t pasid) {
  const uint64_t word = item->word;
  struct lead lead;
  memset(&lead, 0, sizeof lead);
  lead.stream = item->stream;
  lead.pasid = pasid;
  lead.how = SMALL_HOW(word);
  lead.by = word;
  lead.from = h->now;
  lead.until = lead.to = NEVER;
  if (lead.how == SMALL_UNTRANSLATED && pasid != NO_PASID)
    lead.how = SMALL_TABLE; /* nothing there */
  if (SMALL_HOW(word) == SMALL_TABLE) {
    lead.wild = item->until != NEVER && gone_since(h, word & SMALL_ADDRESS, item->until, h->now);
    if (pasid == NO_PASID) lead.how = SMALL_FIRST(word);
    if (lead.how == SMALL_TABLE && reaches(word, pasid)) {
      const uint64_t pointer = newest(h, pointer_at(word, pasid));
      const uint64_t index = pasid == NO_PASID ? 0 : pasid % SMALL_WORDS;
      if (pointer & SMALL_PRESENT) lead.entry = newest(h, (pointer & SMALL_ADDRESS) + 8 * index);
      const uint64_t passes = SMALL_VALID | SMALL_PASSES;
      if ((lead.entry & (passes | SMALL_QUIET)) == passes) lead.how = SMALL_UNTRANSLATED;
    }
  }
  for (size_t i = 0; i < h->leads.count; ++i) {
    struct lead* known = &h->leads.at[i];
    if (known->to != NEVER || known->stream != lead.stream || known->pasid != pasid) continue;
    if (known->by != lead.by || known->how != lead.how || known->entry != lead.entry) continue;
    if (known->wild != lead.wild) continue;
    known->until = NEVER;
    return;
  }
  PUSH(h->leads, lead);
}

/* What can be filled now; what could be before, and cannot any more, has its end. */
static void refresh(struct hardware* h) {
  const uint64_t table = h->devices & SMALL_ADDRESS;
  const uint64_t words = (uint64_t)1 << (h->devices & 63);
  size_t pasids_before;
  if (!h->control) return;
  for (uint64_t at = 0; at < 8 * words; at += SMALL_PAGE) find_page(h, table + at, 1)->leads = 1;
  for (uint32_t s = 0; s < h->host->stream_count; ++s) {
    const uint32_t stream = h->host->streams[s].id;
    const struct item item = {stream, stream < words ? newest(h, table + 8 * (uint64_t)stream) : 0,
                              NEVER};
    int known = 0;
    if (removed(h, stream)) continue;
    for (size_t i = 0; i < h->items.count; ++i) {
      struct item* its = &h->items.at[i];
      if (its->stream != stream) continue;
      known |= its->word == item.word;
      if (its->word == item.word) {
        its->until = NEVER;
      } else if (its->until == NEVER) {
        its->until = h->now;
      }
    }
    if (!known) PUSH(h->items, item);
  }
  pasids_before = h->pasids.count;
  for (size_t i = 0; i < h->items.count; ++i) find_pasids(h, h->items.at[i].word);
  /* Until now there was nothing at the new ones. */
  for (size_t p = pasids_before; p < h->pasids.count; ++p) {
    for (size_t i = 0; i < h->items.count; ++i) {
      struct lead lead;
      if (SMALL_HOW(h->items.at[i].word) != SMALL_TABLE) continue;
      memset(&lead, 0, sizeof lead);
      lead.stream = h->items.at[i].stream;
      lead.pasid = h->pasids.at[p];
      lead.how = SMALL_TABLE;
      lead.by = h->items.at[i].word;
      lead.until = h->now;
      lead.to = NEVER;
      PUSH(h->leads, lead);
    }
  }
  for (size_t i = 0; i < h->leads.count; ++i) {
    if (h->leads.at[i].until == NEVER) h->leads.at[i].until = h->now;
  }
  for (size_t i = 0; i < h->items.count; ++i) {
    const struct item item = h->items.at[i];
    fill(h, &item, NO_PASID);
    for (size_t p = 0; p < h->pasids.count; ++p) fill(h, &item, h->pasids.at[p]);
  }
}

/* ---- commands ---- */

static int concerns(const struct command* command, uint32_t stream, uint32_t pasid, int entries) {
  const int its = stream == (uint32_t)command->who;
  if (command->kind == SMALL_DROP_ALL) return 1;
  if (command->kind == SMALL_FORGET_DEVICE) return its;
  return entries && command->kind == SMALL_FORGET_ENTRY && its &&
         pasid == (uint32_t)(command->who >> 32);
}

static void respond(struct hardware* h, const struct command* command) {
  for (size_t i = 0; i < h->requests.count; ++i) {
    struct request* request = &h->requests.at[i];
    const struct response response = {request->id, (uint32_t)command->first};
    if (request->id != command->who) continue; /* or it was answered before */
    request->waits = 0;
    request->taken = 1;
    PUSH(h->responses, response);
  }
}

static void complete_all(struct hardware* h) {
  if (h->complete == h->commands.count) return;
  ++h->now;
  for (; h->complete < h->commands.count; ++h->complete) {
    struct command* command = &h->commands.at[h->complete];
    size_t kept = 0;
    command->complete = h->now;
    if (command->kind == SMALL_RESPOND) respond(h, command);
    for (size_t i = 0; i < h->items.count; ++i) {
      const struct item item = h->items.at[i];
      if (concerns(command, item.stream, 0, 0) && item.until <= command->sent) continue;
      h->items.at[kept++] = item;
    }
    h->items.count = kept;
    for (size_t i = 0; i < h->leads.count; ++i) {
      struct lead* lead = &h->leads.at[i];
      int filled = 0;
      if (lead->to != NEVER || !concerns(command, lead->stream, lead->pasid, 1)) continue;
      for (size_t k = 0; k < h->items.count; ++k) {
        filled |= h->items.at[k].stream == lead->stream && h->items.at[k].word == lead->by;
      }
      if (lead->until <= command->sent || !filled) lead->to = h->now;
    }
  }
  refresh(h);
}

/* When the last command was sent that was complete by `now` and covers a part of the range. */
static uint64_t last_drop(const struct hardware* h, uint64_t root, uint64_t first, uint64_t last,
                          uint64_t now) {
  for (size_t i = h->complete; i-- > 0;) {
    const struct command* command = &h->commands.at[i];
    if (command->complete > now) continue;
    if (command->kind == SMALL_DROP_ALL) return command->sent;
    if (command->kind != SMALL_DROP || command->who != root) continue;
    if (overlap(first, last, command->first, command->last)) return command->sent;
  }
  return 0;
}

/* ---- walks ---- */

struct end { /* of a walk; leaf 0: not mapped */
  uint64_t leaf;
  int wild;
};
struct ends {
  struct end at[IOMMUCHECK_ANSWERS_MAX];
  uint32_t count;
};
struct walk {
  uint64_t root, iova, now;
  uint64_t answers_from; /* what is cached of the page is not older */
  uint64_t since;        /* of a walker of its own; 0: the IOMMU's */
  int remembers;         /* that something is not mapped */
};

static void add_end(struct ends* ends, uint64_t leaf, int wild) {
  for (uint32_t i = 0; i < ends->count; ++i) {
    if (ends->at[i].leaf == leaf && ends->at[i].wild == wild) return;
  }
  if (ends->count == IOMMUCHECK_ANSWERS_MAX) abort(); /* more than the door can say */
  ends->at[ends->count].leaf = leaf;
  ends->at[ends->count++].wild = wild;
}

/* The first moment from `earliest` on, before `end`, at which a way led to the root. */
static uint64_t moment(const struct hardware* h, const struct walk* walk, uint64_t earliest,
                       uint64_t end) {
  uint64_t at = NEVER;
  if (walk->since != 0) {
    at = max(earliest, walk->since);
    return at < end && at <= walk->now ? at : NEVER;
  }
  for (size_t i = 0; i < h->leads.count; ++i) {
    const struct lead* lead = &h->leads.at[i];
    const uint64_t from = max(earliest, lead->from);
    if (!translates(lead) || (lead->entry & SMALL_ADDRESS) != walk->root) continue;
    if (from < lead->to && from < end && from <= walk->now) at = min(at, from);
  }
  return at;
}

/* Level by level: each word as it was at a moment not before that of the level above. */
static void ends_in(struct hardware* h, const struct walk* walk, uint64_t table, uint32_t level,
                    uint64_t low, struct ends* ends) {
  const struct word* word = find_word(h, place_of(table, walk->iova, level));
  const uint64_t base = walk->iova & ~(covers(level) - 1);
  const uint64_t pointers_from =
      walk->since != 0 ? walk->since
                       : max(walk->answers_from,
                             last_drop(h, walk->root, base, base + covers(level) - 1, walk->now));
  if (word == NULL || word->said.count == 0) {
    add_end(ends, 0, 1);
    return;
  }
  for (size_t i = 0; i < word->said.count; ++i) {
    const uint64_t value = word->said.at[i].value;
    const uint64_t from = word->said.at[i].from;
    const uint64_t end = i + 1 < word->said.count ? word->said.at[i + 1].from : NEVER;
    const int points = (value & SMALL_PRESENT) && !(value & SMALL_LEAF) && level != 0;
    const uint64_t at =
        moment(h, walk, max(max(low, from), points ? pointers_from : walk->answers_from), end);
    if (at == NEVER) continue;
    if (points && gone_since(h, value & SMALL_ADDRESS, from, walk->now)) {
      add_end(ends, 0, 1);
    } else if (points) {
      ends_in(h, walk, value & SMALL_ADDRESS, level - 1, at, ends);
    } else if (value & SMALL_PRESENT) {
      add_end(ends, value, 0);
    } else if (walk->remembers || (end > walk->now && walk->now == h->now)) {
      add_end(ends, 0, 0);
    }
  }
}

/* What the caches may have had for the page at `now`: filled then, or before any of the commands
 * that have taken pointers away since. */
static void ends_at(struct hardware* h, uint64_t entry, uint64_t iova, uint64_t now,
                    struct ends* ends) {
  const uint64_t page = iova & ~(uint64_t)(SMALL_PAGE - 1);
  struct walk walk;
  memset(&walk, 0, sizeof walk);
  walk.root = entry & SMALL_ADDRESS;
  walk.iova = iova;
  walk.now = now;
#ifndef SMALL_WITHOUT_HOLES
  walk.remembers = !(entry & SMALL_CPUS);
#endif
  if (iova >> 48 != 0) {
    add_end(ends, 0, 0);
    return;
  }
  walk.answers_from = last_drop(h, walk.root, page, page + SMALL_PAGE - 1, now);
  ends_in(h, &walk, walk.root, SMALL_LEVELS - 1, 0, ends);
  for (size_t i = 0; i < h->complete; ++i) {
    const struct command* command = &h->commands.at[i];
    if (command->kind != SMALL_DROP || command->who != walk.root) continue;
    if (command->complete > now || command->complete <= walk.answers_from) continue;
    walk.now = command->complete - 1;
    ends_in(h, &walk, walk.root, SMALL_LEVELS - 1, 0, ends);
  }
}

/* ---- answers ---- */

struct answers {
  struct iommucheck_may_get* at;
  uint32_t count;
};

static const char stale_way[] = "a route or an entry that memory no longer says is still cached";
static const char stale_translation[] = "a translation that memory no longer says is still cached";
static const char stale_device[] = "the device has cached it, and has not dropped it";
static const char given_back[] = "the way leads to memory that was given back";

static void add(struct answers* all, uint32_t kind, uint64_t pa, const char* why) {
  for (uint32_t i = 0; i < all->count; ++i) {
    if (all->at[i].kind == kind && all->at[i].pa == pa) return;
  }
  if (all->count == IOMMUCHECK_ANSWERS_MAX) abort();
  all->at[all->count].kind = kind;
  all->at[all->count].reserved = 0;
  all->at[all->count].why = why;
  all->at[all->count++].pa = pa;
}

/* device: what it keeps itself, which is no failure. */
static void add_answer(struct answers* all, const struct end* end,
                       const struct iommucheck_access* asked, int waits, int device,
                       const char* why) {
  const uint32_t access = asked->access;
  const uint64_t iova = asked->iova;
  const int user = (end->leaf & SMALL_USER) || (end->leaf != 0 && asked->privileged);
  const uint64_t right = access == IOMMUCHECK_ACCESS_WRITE     ? SMALL_WRITE
                         : access == IOMMUCHECK_ACCESS_EXECUTE ? SMALL_EXECUTE
                                                               : SMALL_PRESENT;
  if (end->wild) {
    add(all, IOMMUCHECK_GETS_ANYTHING, 0, given_back);
  } else if (user && (end->leaf & right)) {
    add(all, IOMMUCHECK_GETS_ADDRESS, (end->leaf & SMALL_ADDRESS) | (iova & (SMALL_PAGE - 1)), why);
  } else if (!device) {
    const uint32_t kind = end->leaf == 0 ? IOMMUCHECK_GETS_NOT_MAPPED : IOMMUCHECK_GETS_DENIED;
    add(all, waits ? IOMMUCHECK_GETS_WAITS : kind, 0, why);
  }
}

/* What a lead's device may have cached through it, and nothing has dropped since. */
static void add_cached(struct hardware* h, const struct lead* lead,
                       const struct iommucheck_access* asked, uint64_t cached_from,
                       struct answers* all) {
  const uint64_t iova = asked->iova;
  const uint64_t first = max(lead->from, cached_from);
  const uint64_t last = min(lead->to - 1, h->now);
  struct ends ends;
  ends.count = 0;
  if (lead->to <= cached_from) return;
  if (first <= last) ends_at(h, lead->entry, iova, last, &ends);
  for (size_t i = 0; i < h->complete; ++i) {
    const struct command* command = &h->commands.at[i];
    if (command->kind != SMALL_DROP || command->who != (lead->entry & SMALL_ADDRESS)) continue;
    if (command->complete > first && command->complete <= last) {
      ends_at(h, lead->entry, iova, command->complete - 1, &ends);
    }
  }
  for (uint32_t i = 0; i < ends.count; ++i) {
    add_answer(all, &ends.at[i], asked, 0, 1, stale_device);
  }
}

/* What memory says now: the leaf, or 0. */
static uint64_t leaf_now(struct hardware* h, uint64_t root, uint64_t iova) {
  uint64_t table = root;
  for (uint32_t level = SMALL_LEVELS - 1; level > 0; --level) {
    const uint64_t word = newest(h, place_of(table, iova, level));
    if (!(word & SMALL_PRESENT)) return 0;
    table = word & SMALL_ADDRESS;
  }
  return newest(h, place_of(table, iova, 0));
}

static uint32_t hw_answers(void* self, const struct iommucheck_access* asked,
                           struct iommucheck_may_get* out) {
  struct hardware* h = self;
  const uint32_t stream = asked->stream_id;
  const uint32_t pasid = asked->pasid;
  const uint64_t iova = asked->iova;
  struct answers all = {out, 0};
  uint32_t flags = 0;
  uint64_t cached_from = 0;
  for (uint32_t i = 0; i < h->host->stream_count; ++i) {
    if (h->host->streams[i].id == stream) flags = h->host->streams[i].flags;
  }
  if (!h->control || removed(h, stream)) {
    add(&all, IOMMUCHECK_GETS_BLOCKED, 0, NULL);
    return all.count;
  }
  if (pasid != NO_PASID && add_pasid(h, pasid)) refresh(h);
  for (size_t i = 0; i < h->complete; ++i) {
    const struct command* command = &h->commands.at[i];
    if (command->kind == SMALL_DROP_DEVICE && (uint32_t)command->who == stream &&
        (uint32_t)(command->who >> 32) == pasid && iova >= command->first &&
        iova <= command->last) {
      cached_from = max(cached_from, command->sent);
    }
  }
  for (size_t i = 0; i < h->leads.count; ++i) {
    const struct lead lead = h->leads.at[i];
    const char* way = lead.until != NEVER ? stale_way : NULL;
    if (lead.stream != stream || lead.pasid != pasid) continue;
    if (lead.to == NEVER) {
      if (lead.wild) add(&all, IOMMUCHECK_GETS_ANYTHING, 0, given_back);
      if (lead.how == SMALL_BLOCKED) add(&all, IOMMUCHECK_GETS_BLOCKED, 0, way);
      if (lead.how == SMALL_UNTRANSLATED) add(&all, IOMMUCHECK_GETS_ADDRESS, iova, way);
      if (lead.how == SMALL_TABLE && !(lead.entry & SMALL_VALID)) {
        add(&all, IOMMUCHECK_GETS_NO_ENTRY, 0, way);
      }
      if (lead.how == SMALL_TABLE && (lead.entry & SMALL_VALID) && (lead.entry & SMALL_QUIET)) {
        add(&all, IOMMUCHECK_GETS_QUIET, 0, way);
      }
    }
    if (!translates(&lead)) continue;
    if (lead.to == NEVER) {
      const int waits = (lead.entry & SMALL_WAITS) && (flags & IOMMUCHECK_STREAM_WAITS);
      struct ends ends;
      ends.count = 0;
      ends_at(h, lead.entry, iova, h->now, &ends);
      for (uint32_t e = 0; e < ends.count; ++e) {
        const int now = ends.at[e].leaf == leaf_now(h, lead.entry & SMALL_ADDRESS, iova);
        add_answer(&all, &ends.at[e], asked, waits, 0, now ? way : stale_translation);
      }
    }
    if (flags & IOMMUCHECK_STREAM_CACHES) add_cached(h, &lead, asked, cached_from, &all);
  }
  return all.count;
}

/* ---- memory that is given back ---- */

/* Whether a pointer that is in memory or cached leads from the table to the place. */
static int leads_into(struct hardware* h, uint64_t root, uint64_t table, uint32_t level,
                      uint64_t base, uint64_t pa, uint64_t last) {
  if (overlap(table, table + SMALL_PAGE - 1, pa, last)) return 1;
  for (uint64_t i = 0; level > 0 && i < SMALL_WORDS; ++i) {
    const struct word* word = find_word(h, table + 8 * i);
    const uint64_t first = base + i * covers(level);
    uint64_t dropped = NEVER;
    for (size_t v = 0; word != NULL && v < word->said.count; ++v) {
      const uint64_t value = word->said.at[v].value;
      const uint64_t end = v + 1 < word->said.count ? word->said.at[v + 1].from : NEVER;
      if (!(value & SMALL_PRESENT)) continue;
      if (dropped == NEVER) dropped = last_drop(h, root, first, first + covers(level) - 1, h->now);
      if (end <= dropped || gone_since(h, value & SMALL_ADDRESS, word->said.at[v].from, h->now)) {
        continue;
      }
      if (leads_into(h, root, value & SMALL_ADDRESS, level - 1, first, pa, last)) return 1;
    }
  }
  return 0;
}

static int in_use(struct hardware* h, uint64_t pa, uint64_t last) {
  const uint64_t table = h->devices & SMALL_ADDRESS;
  if (!h->control) return 0;
  if (overlap(pa, last, table, table + ((uint64_t)8 << (h->devices & 63)) - 1)) return 1;
  for (size_t i = 0; i < h->items.count; ++i) {
    const uint64_t word = h->items.at[i].word;
    const uint32_t end = (uint32_t)1 << SMALL_PASID_BITS(word);
    if (SMALL_HOW(word) != SMALL_TABLE) continue;
    if (overlap(pa, last, word & SMALL_ADDRESS, pointer_at(word, end - 1) + 7)) return 1;
    for (uint64_t at = word & SMALL_ADDRESS; at <= pointer_at(word, end - 1); at += 8) {
      const uint64_t pointer = newest(h, at);
      const uint64_t page = pointer & SMALL_ADDRESS;
      if ((pointer & SMALL_PRESENT) && overlap(pa, last, page, page + SMALL_PAGE - 1)) return 1;
    }
  }
  for (size_t i = 0; i < h->leads.count; ++i) {
    const struct lead* lead = &h->leads.at[i];
    const uint64_t root = lead->entry & SMALL_ADDRESS;
    if (lead->to != NEVER || !translates(lead)) continue;
    if (leads_into(h, root, root, SMALL_LEVELS - 1, 0, pa, last)) return 1;
  }
  return 0;
}

static int32_t hw_given_back(void* self, uint64_t pa, uint64_t bytes) {
  struct hardware* h = self;
  const int used = in_use(h, pa, pa + bytes - 1);
  ++h->now;
  for (uint64_t at = 0; at < bytes; at += SMALL_PAGE) {
    struct page* page = find_page(h, pa + at, 1);
    page->given_back = h->now;
    page->leads = 0;
  }
  return !used;
}

/* ---- registers ---- */

static void hw_write(void* self, uint64_t offset, uint64_t value) {
  struct hardware* h = self;
  const struct command command = {value, h->who, h->first, h->last, ++h->now, NEVER};
  size_t i = 0;
  switch (offset) {
    case SMALL_DEVICES: h->devices = value; break;
    case SMALL_CONTROL: h->control = value & 1; break;
    case SMALL_WHO: h->who = value; return;
    case SMALL_FIRST_BYTE: h->first = value; return;
    case SMALL_LAST_BYTE: h->last = value; return;
    case SMALL_COMMAND: PUSH(h->commands, command); return;
    case SMALL_REQUEST_TAKE:
      while (i < h->requests.count && h->requests.at[i].taken) ++i;
      if (i < h->requests.count) h->requests.at[i].taken = 1;
      return;
    default: return;
  }
  refresh(h);
}

static uint64_t hw_read(void* self, uint64_t offset) {
  struct hardware* h = self;
  const struct request* oldest = NULL;
  for (size_t i = h->requests.count; i-- > 0;) {
    if (!h->requests.at[i].taken) oldest = &h->requests.at[i];
  }
  switch (offset) {
    case SMALL_DONE:
      if (!h->stuck) complete_all(h);
      return h->complete;
    case SMALL_REQUEST: return oldest != NULL ? oldest->id : 0;
    case SMALL_REQUEST_WHO: return oldest != NULL ? oldest->who : 0;
    case SMALL_REQUEST_AT: return oldest != NULL ? oldest->at : 0;
    default: return 0;
  }
}

static void hw_set_stuck(void* self, uint32_t stuck) {
  ((struct hardware*)self)->stuck = stuck != 0;
}

static void hw_remove(void* self, uint32_t stream) {
  struct hardware* h = self;
  size_t kept = 0;
  ++h->now;
  if (h->gone_count < sizeof h->gone / sizeof *h->gone) h->gone[h->gone_count++] = stream;
  for (size_t i = 0; i < h->items.count; ++i) {
    if (h->items.at[i].stream != stream) h->items.at[kept++] = h->items.at[i];
  }
  h->items.count = kept;
  for (size_t i = 0; i < h->leads.count; ++i) {
    if (h->leads.at[i].stream == stream && h->leads.at[i].to == NEVER) h->leads.at[i].to = h->now;
  }
}

/* ---- the processes' own tables ---- */

static uint64_t new_table(struct hardware* h) {
  uint64_t pa = h->next_table;
  if (h->free_tables.count > 0) {
    pa = h->free_tables.at[--h->free_tables.count];
  } else if (pa + SMALL_PAGE > h->host->process_pa + h->host->process_bytes) {
    return 0;
  } else {
    h->next_table += SMALL_PAGE;
  }
  for (uint64_t i = 0; i < SMALL_PAGE; i += 8) hw_stored(h, pa + i, 0);
  return pa;
}

static int free_table(struct hardware* h, uint64_t pa) {
  PUSH(h->free_tables, pa);
  return hw_given_back(h, pa, SMALL_PAGE);
}

static struct process* find_process(struct hardware* h, uint64_t mm) {
  for (size_t i = 0; i < h->processes.count; ++i) {
    if (h->processes.at[i].mm == mm) return &h->processes.at[i];
  }
  return NULL;
}

static uint64_t hw_process_created(void* self, uint64_t mm) {
  struct hardware* h = self;
  struct process process;
  memset(&process, 0, sizeof process);
  process.mm = mm;
  process.root = new_table(h);
  if (process.root != 0) PUSH(h->processes, process);
  return process.root;
}

static int32_t hw_process_says(void* self, uint64_t mm, uint64_t va, uint64_t pa, uint32_t prot) {
  struct hardware* h = self;
  struct process* its = find_process(h, mm);
  uint64_t table, above = 0, word = 0;
  if (its == NULL) return 0;
  table = its->root;
  for (uint32_t level = SMALL_LEVELS - 1; level > 0; --level) {
    above = place_of(table, va, level);
    if (newest(h, above) == 0) {
      const uint64_t below = prot == 0 ? 0 : new_table(h);
      if (below == 0) return prot == 0;
      hw_stored(h, above, below | SMALL_PRESENT);
    }
    table = newest(h, above) & SMALL_ADDRESS;
  }
  if (prot != 0) word = pa | SMALL_PRESENT | SMALL_LEAF | SMALL_USER;
  if (prot & IOMMUCHECK_PROT_WRITE) word |= SMALL_WRITE;
  if (prot & IOMMUCHECK_PROT_EXEC) word |= SMALL_EXECUTE;
  hw_stored(h, place_of(table, va, 0), word);
  for (uint64_t i = 0; i < SMALL_PAGE; i += 8) {
    if (newest(h, table + i) != 0) return 1;
  }
  hw_stored(h, above, 0);
  PUSH(its->out, table);
  return 1;
}

static int32_t hw_process_settles(void* self, uint64_t mm) {
  struct hardware* h = self;
  struct process* its = find_process(h, mm);
  int free = 1;
  while (its != NULL && its->out.count > 0) free &= free_table(h, its->out.at[--its->out.count]);
  return free;
}

static int free_tree(struct hardware* h, uint64_t table, uint32_t level) {
  int free = 1;
  for (uint64_t i = 0; level > 0 && i < SMALL_PAGE; i += 8) {
    const uint64_t word = newest(h, table + i);
    if (word != 0) free &= free_tree(h, word & SMALL_ADDRESS, level - 1);
  }
  return free & free_table(h, table);
}

static int32_t hw_process_gone(void* self, uint64_t mm) {
  struct hardware* h = self;
  struct process* its = find_process(h, mm);
  const int settled = hw_process_settles(self, mm);
  if (its == NULL) return settled;
  its->mm = 0;
  return settled & free_tree(h, its->root, SMALL_LEVELS - 1);
}

/* ---- walkers of others ---- */

static struct walker* find_walker(struct hardware* h, uint32_t number) {
  for (size_t i = 0; i < h->walkers.count; ++i) {
    if (h->walkers.at[i].number == number) return &h->walkers.at[i];
  }
  return NULL;
}

static void hw_walker_switches(void* self, uint32_t number, uint64_t root, uint32_t input_bits) {
  struct hardware* h = self;
  const struct walker walker = {number, root, ++h->now};
  struct walker* known = find_walker(h, number);
  (void)input_bits; /* always four levels */
  if (known != NULL) {
    *known = walker;
  } else {
    PUSH(h->walkers, walker);
  }
}

static void hw_walker_flushes(void* self, uint32_t number) {
  struct hardware* h = self;
  struct walker* known = find_walker(h, number);
  if (known != NULL) known->since = ++h->now;
}

static uint32_t hw_walker_answers(void* self, uint32_t number, uint64_t iova, uint32_t access,
                                  struct iommucheck_may_get* out) {
  struct hardware* h = self;
  const struct walker* known = find_walker(h, number);
  struct answers all = {out, 0};
  struct iommucheck_access asked;
  struct walk walk;
  struct ends ends;
  ends.count = 0;
  memset(&asked, 0, sizeof asked);
  asked.iova = iova;
  asked.access = access;
  if (known == NULL || known->root == 0) {
    add(&all, IOMMUCHECK_GETS_ANYTHING, 0, NULL);
    return all.count;
  }
  memset(&walk, 0, sizeof walk);
  walk.root = known->root;
  walk.iova = iova;
  walk.now = h->now;
  walk.answers_from = walk.since = known->since;
  if (gone_since(h, known->root, known->since, h->now)) add_end(&ends, 0, 1);
  if (iova >> 48 != 0) {
    add_end(&ends, 0, 0);
  } else {
    ends_in(h, &walk, walk.root, SMALL_LEVELS - 1, 0, &ends);
  }
  for (uint32_t i = 0; i < ends.count; ++i) add_answer(&all, &ends.at[i], &asked, 0, 0, NULL);
  return all.count;
}

/* ---- accesses that wait ---- */

#ifndef SMALL_WITHOUT_WAITS
static uint32_t hw_wait(void* self, const struct iommucheck_access* access) {
  struct hardware* h = self;
  struct request request;
  memset(&request, 0, sizeof request);
  request.id = ++h->last_request;
  request.waits = 1;
  request.who = access->stream_id | (uint64_t)access->pasid << 32;
  request.at = (access->iova & ~(uint64_t)(SMALL_PAGE - 1)) | (uint64_t)1 << access->access;
  PUSH(h->requests, request);
  return request.id;
}

static int32_t hw_take_response(void* self, uint32_t* id, uint32_t* response) {
  struct hardware* h = self;
  if (h->responses_taken == h->responses.count) return 0;
  *id = h->responses.at[h->responses_taken].id;
  *response = h->responses.at[h->responses_taken++].code;
  return 1;
}

static int32_t hw_is_waiting(void* self, uint32_t id) {
  const struct hardware* h = self;
  for (size_t i = 0; i < h->requests.count; ++i) {
    if (h->requests.at[i].id == id) return h->requests.at[i].waits;
  }
  return 0;
}
#endif

static void* hw_open(const struct iommucheck_hardware_host* host) {
  struct hardware* h = calloc(1, sizeof *h);
  if (h == NULL) return NULL;
  h->host = host;
  h->now = 1;
  h->next_table = host->process_pa;
  return h;
}

extern const struct iommucheck_hardware_ops small_hardware;
const struct iommucheck_hardware_ops small_hardware = {
    .size = sizeof small_hardware,
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
#ifndef SMALL_WITHOUT_WAITS
    .wait = hw_wait,
    .take_response = hw_take_response,
    .is_waiting = hw_is_waiting,
#endif
};
