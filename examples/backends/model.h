/* SPDX-License-Identifier: MIT
 *
 * What models of IOMMUs have in common: the history of every word, and all that caches may keep of
 * it. A model says what its words and commands mean; from that, what an access may get follows
 * here.
 *
 *  - A word that leads somewhere may be used from the moment at which memory said so while its own
 *    place could be looked at, until a command that covers it has acted: usable().
 *  - A `way` is what the words of a device and a PASID lead to, with the time in which they may.
 *    The model makes the list of all that ever were (find_ways) when something has changed.
 *  - Translations are known by a key. What is cached is what memory said at some moment while a way
 *    with that key led there, since the last drop that covers it was sent.
 *  - A device that caches translations keeps what any of its ways has given it, and no failures,
 *    and what passes untranslated where the way says so (`passes_kept`).
 *  - A user's way has two keys: its own tables say addresses of an outer space, in which they lie
 *    themselves. What either says may be cached for itself, so that a command has to cover the one
 *    that has changed. Devices keep nothing of it, "not mapped" by the user is never cached, and
 *    of a word that nobody has stored nobody knows what it says: but what it leads to is inside of
 *    what the outer space maps. Where both are cached as one (`combines`) that stays until a
 *    command covers the user's.
 *  - Stores are seen at once and in their order; who follows a pointer to memory that was given
 *    back since may get anything.
 *
 * Page tables have 512 words a level and leaves of 4 KiB.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdlib.h>
#include <string.h>

#include "iommucheck/backend.h"

#define NEVER (~(uint64_t)0)
#define NO_PASID IOMMUCHECK_BACKEND_NO_PASID
#define PAGE 4096u
#define WORDS 512u

/* ---- lists that grow ---- */

#define LIST(type) \
  struct {         \
    type* at;      \
    size_t count;  \
    size_t room;   \
  }

static inline void* grown(void* at, size_t* room, size_t bytes) {
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

static inline uint64_t latest(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint64_t earliest(uint64_t a, uint64_t b) { return a < b ? a : b; }
/* Of moments of which 0 is none. */
static inline uint64_t earlier(uint64_t a, uint64_t b) {
  return a == 0 ? b : b == 0 ? a : earliest(a, b);
}
static inline int overlap(uint64_t first, uint64_t last, uint64_t other, uint64_t other_last) {
  return first <= other_last && other <= last;
}

/* ---- what a model says and keeps ---- */

/* How a page table's words read. */
struct format {
  uint32_t levels;
  int (*is_leaf)(uint64_t word);
  uint64_t (*table)(uint64_t word); /* that it leads to; 0: none */
  uint64_t (*page)(uint64_t leaf);
  int (*allows)(uint64_t leaf, uint32_t access, int privileged);
  uint64_t (*leaf_word)(uint64_t pa, uint32_t prot); /* of the processes' own */
  uint64_t (*table_word)(uint64_t pa);
  /* Of a leaf by which writes set a mark: not set yet, and with it. NULL: there are none. */
  int (*is_clean)(uint64_t leaf);
  uint64_t (*marked)(uint64_t leaf);
};

struct version { /* what a word said, from then on */
  uint64_t from, value;
};
struct page {
  uint64_t pa;
  uint64_t given_back; /* the last time; 0: never */
  int leads;           /* its words lead devices */
  struct page* next;
  struct {
    LIST(struct version) said;
  } words[WORDS];
};
#define BUCKETS 4096u

/* A word as it may be used, in [from, to): its own, or that it was cached. */
struct item {
  uint64_t value, from, to;
  /* A command sent then or later that covers it made it forgotten; and what was read by it: that
   * command acts on both at one moment. */
  uint64_t until;
  int stale;        /* memory does not say so any more */
  uint64_t changed; /* since then; 0: it does */
};
struct items {
  LIST(struct item) list;
};

enum { WALKS = 100 }; /* of a way: beside IOMMUCHECK_GETS_* */
struct way {
  uint32_t stream, pasid;
  uint32_t gets; /* ADDRESS: untranslated; BLOCKED, NO_ENTRY, QUIET; or WALKS: */
  int holes;     /* that something is not mapped may be cached */
  int waits;
  int uncached;    /* devices keep nothing of it */
  int passes_kept; /* of ADDRESS: devices keep that as well */
  uint32_t levels; /* of its tables; 0: as many as the format says */
  uint64_t key, root;
  int outer;                      /* it is an outer space alone, which knows no privilege */
  uint64_t outer_key, outer_root; /* of a user's: what translates its addresses; root 0: none */
  int outer_holes;
  uint64_t from, to;
  int stale;
  uint64_t changed;
};

struct drop {         /* of translations */
  uint64_t key, mask; /* those bits of keys count; 0: of all */
  int tables;         /* pointers as well as leaves */
  uint64_t first, last, sent, complete;
};
struct device_drop { /* of what a device has cached, complete */
  uint32_t stream, pasid;
  int every_pasid; /* and not what it has without one */
  uint64_t first, last, sent;
};
struct span { /* of memory that words lead to */
  uint64_t pa, bytes, to;
};
struct process {
  uint64_t mm, root;
  LIST(uint64_t) out; /* tables that left the tree */
};
struct walker {
  uint32_t number;
  uint64_t root, since;
};

struct model {
  const struct iommucheck_hardware_host* host;
  const struct format* format;
  void (*find_ways)(struct model* m); /* calls add_way, add_span and look_at_words */
  struct page* pages[BUCKETS];
  uint64_t now;
  int on;                /* it translates */
  int changed;           /* the ways are to be found again */
  int reads_through;     /* so they are with each store: an outer space leads to some of them */
  int combines;          /* what a drop of an outer space leaves is cached with it as one */
  LIST(uint32_t) gone;   /* stream IDs of devices that were removed */
  LIST(uint32_t) pasids; /* that somebody has asked for */
  LIST(struct way) ways;
  LIST(struct span) spans;
  LIST(struct drop) drops;
  LIST(struct device_drop) device_drops;
  LIST(struct process) processes;
  LIST(struct walker) walkers;
  LIST(uint64_t) free_tables;
  uint64_t next_table;
};

/* ---- memory ---- */

static inline struct page* find_page(struct model* m, uint64_t pa, int make) {
  struct page** bucket = &m->pages[pa / PAGE % BUCKETS];
  struct page* page = *bucket;
  pa &= ~(uint64_t)(PAGE - 1);
  while (page != NULL && page->pa != pa) page = page->next;
  if (page != NULL || !make) return page;
  page = calloc(1, sizeof *page);
  if (page == NULL) abort();
  page->pa = pa;
  page->next = *bucket;
  *bucket = page;
  return page;
}
static inline uint64_t newest(struct model* m, uint64_t pa) {
  const struct page* page = find_page(m, pa, 0);
  const size_t word = pa / 8 % WORDS;
  const size_t count = page == NULL ? 0 : page->words[word].said.count;
  return count == 0 ? 0 : page->words[word].said.at[count - 1].value;
}
static inline int gone_since(struct model* m, uint64_t pa, uint64_t since, uint64_t now) {
  const struct page* page = find_page(m, pa, 0);
  return page != NULL && page->given_back > since && page->given_back <= now;
}
static inline int model_stored(struct model* m, uint64_t pa, uint64_t value) {
  struct page* page = find_page(m, pa, 1);
  const size_t word = pa / 8 % WORDS;
  const struct version said = {++m->now, value};
  if (newest(m, pa) != value || page->words[word].said.count == 0) {
    PUSH(page->words[word].said, said);
  }
  if (page->leads || m->reads_through) m->changed = 1;
  return page->leads;
}

/* ---- words that lead somewhere ---- */

/* The word at `pa`, as often as memory has said something else while `by` could be used to look at
 * it. */
static inline void read_words(struct model* m, uint64_t pa, const struct item* by,
                              struct items* out) {
  struct page* page = find_page(m, pa, 1);
  const size_t word = pa / 8 % WORDS;
  const size_t count = page->words[word].said.count;
  page->leads = 1;
  for (size_t i = 0; i <= count; ++i) { /* 0: before the first store it was 0 */
    const uint64_t from = i == 0 ? 0 : page->words[word].said.at[i - 1].from;
    const uint64_t end = i < count ? page->words[word].said.at[i].from : NEVER;
    struct item item;
    item.value = i == 0 ? 0 : page->words[word].said.at[i - 1].value;
    item.from = latest(from, by->from);
    item.to = earliest(end, by->to);
    item.until = earliest(end, by->until);
    item.stale = by->stale || end != NEVER;
    item.changed = earlier(by->changed, end == NEVER ? 0 : end);
    if (item.from < item.to) PUSH(out->list, item);
  }
}

/* When the first command was complete that was sent at `since` or later and makes the IOMMU forget
 * `of`, and when that was sent; NEVER: none. */
typedef uint64_t forgotten_fn(struct model* m, const void* of, uint64_t since, uint64_t* sent);

static inline void keep(struct model* m, struct item* item, forgotten_fn* forgotten,
                        const void* of) {
  uint64_t sent = NEVER;
  if (item->to == NEVER) return;
  item->to = forgotten(m, of, item->until, &sent);
  item->until = sent;
}

/* And as it may be used, cached or not. `keeps(value)`: whether it is cached at all; NULL: always.
 */
static inline void usable(struct model* m, uint64_t pa, const struct item* by,
                          forgotten_fn* forgotten, const void* of, int (*keeps)(uint64_t value),
                          struct items* out) {
  size_t i = out->list.count;
  read_words(m, pa, by, out);
  for (; i < out->list.count; ++i) {
    struct item* item = &out->list.at[i];
    if (keeps == NULL || keeps(item->value)) keep(m, item, forgotten, of);
  }
}

/* Both words at a time; the second one's value. */
static inline struct item both(const struct item* a, const struct item* b) {
  const struct item item = {b->value,
                            latest(a->from, b->from),
                            earliest(a->to, b->to),
                            earliest(a->until, b->until),
                            a->stale || b->stale,
                            earlier(a->changed, b->changed)};
  return item;
}

static inline void add_way(struct model* m, struct way way, const struct item* when) {
  way.from = when->from;
  way.to = when->to;
  way.stale = when->stale;
  way.changed = when->changed;
  if (way.from >= way.to) return;
  if (way.gets == WALKS || way.passes_kept || way.to == NEVER)
    PUSH(m->ways, way); /* what else is over says nothing */
}
static inline void add_span(struct model* m, uint64_t pa, uint64_t bytes, uint64_t to) {
  const struct span span = {pa, bytes, to};
  PUSH(m->spans, span);
}

static inline void refresh(struct model* m) {
  while (m->changed) { /* PASIDs may be met on the way */
    m->changed = 0;
    m->ways.count = m->spans.count = 0;
    m->reads_through = 0;
    m->find_ways(m);
  }
}

static inline int was_removed(const struct model* m, uint32_t stream) {
  for (size_t i = 0; i < m->gone.count; ++i) {
    if (m->gone.at[i] == stream) return 1;
  }
  return 0;
}

/* PASIDs of which somebody has asked are looked at from then on. */
static inline void ask_for(struct model* m, uint32_t pasid) {
  for (size_t i = 0; i < m->pasids.count; ++i) {
    if (m->pasids.at[i] == pasid) return;
  }
  PUSH(m->pasids, pasid);
  m->changed = 1;
}

/* ---- translations ---- */

static inline uint64_t covers(uint32_t level) { return (uint64_t)1 << (12 + 9 * level); }
static inline uint64_t word_of(uint64_t table, uint64_t iova, uint32_t level) {
  return table + 8 * (iova >> (12 + 9 * level) & (WORDS - 1));
}
static inline uint32_t levels_of(const struct model* m, const struct way* way) {
  return way->levels != 0 ? way->levels : m->format->levels;
}
static inline int beyond(uint32_t levels, uint64_t iova) { return iova >> (12 + 9 * levels) != 0; }

static inline int is_of(const struct drop* drop, uint64_t key) {
  return ((drop->key ^ key) & drop->mask) == 0;
}

/* When the last drop was sent that was complete by `now` and covers a part of the range. */
static inline uint64_t last_drop(const struct model* m, uint64_t key, int tables, uint64_t first,
                                 uint64_t last, uint64_t now) {
  uint64_t sent = 0;
  for (size_t i = 0; i < m->drops.count; ++i) {
    const struct drop* drop = &m->drops.at[i];
    if (drop->complete > now || (tables && !drop->tables) || !is_of(drop, key)) continue;
    if (overlap(first, last, drop->first, drop->last)) sent = latest(sent, drop->sent);
  }
  return sent;
}

enum { PLAIN, WILD, INSIDE, OUTER_HOLE };
struct end {          /* of a walk */
  uint64_t leaf;      /* 0: not mapped */
  uint64_t outer, at; /* of a user's: the leaf of the outer space; the first moment of all */
  uint64_t place;     /* of the last of them */
  uint32_t how;
};
struct ends {
  struct end at[IOMMUCHECK_ANSWERS_MAX];
  uint32_t count;
};
struct walk {
  uint64_t key, root, iova, now;
  uint32_t levels;
  uint64_t answers_from; /* what is cached of the page is not older */
  uint64_t tables_from;  /* nor what it was read through */
  uint64_t since;        /* of a walker of its own; 0: the IOMMU's */
  int holes;
  const struct way* user; /* its tables lie where an outer space says; NULL: in memory */
};

static inline void add_end(struct ends* ends, struct end end) {
  for (uint32_t i = 0; i < ends->count; ++i) {
    struct end* known = &ends->at[i];
    const int same = known->leaf == end.leaf && known->outer == end.outer && known->how == end.how;
    if (!same || known->place != end.place) continue;
    known->at = earliest(known->at, end.at);
    return;
  }
  if (ends->count == IOMMUCHECK_ANSWERS_MAX) abort(); /* more than the door can say */
  ends->at[ends->count++] = end;
}
static inline struct end end_of(uint64_t leaf, uint32_t how, uint64_t at) {
  const struct end end = {leaf, 0, at, 0, how};
  return end;
}

/* Whether the way's tables are those of the key, or what translates its addresses is; its root. */
static inline int leads_by(const struct way* way, uint64_t key, uint64_t* root) {
  if (way->gets != WALKS) return 0;
  *root = way->key == key ? way->root : way->outer_root;
  return way->key == key || (way->outer_root != 0 && way->outer_key == key);
}

/* The first moment from `first` on, before `end`, at which a way led to the root, or behind it: had
 * the key. */
static inline uint64_t moment(const struct model* m, const struct walk* walk, int at_root,
                              uint64_t first, uint64_t end) {
  uint64_t at = NEVER;
  if (walk->since != 0) {
    at = latest(first, walk->since);
    return at < end && at <= walk->now ? at : NEVER;
  }
  for (size_t i = 0; i < m->ways.count; ++i) {
    const struct way* way = &m->ways.at[i];
    const uint64_t from = latest(first, way->from);
    uint64_t root;
    if (!leads_by(way, walk->key, &root) || (at_root && root != walk->root)) continue;
    if (from < way->to && from < end && from <= walk->now) at = earliest(at, from);
  }
  return at;
}

static inline void ends_at(struct model* m, uint64_t key, uint32_t levels, uint64_t iova,
                           uint64_t now, struct ends* ends);

static inline void ends_in(struct model* m, const struct walk* walk, uint64_t table, uint32_t level,
                           uint64_t low, struct ends* ends);

/* The user's table at that address of the outer space. */
static inline void ends_through(struct model* m, const struct walk* walk, uint64_t table,
                                uint32_t level, uint64_t low, struct ends* ends) {
  struct ends outer;
  outer.count = 0;
  ends_at(m, walk->user->outer_key, m->format->levels, table, walk->now, &outer);
  for (uint32_t i = 0; i < outer.count; ++i) {
    const struct end* one = &outer.at[i];
    const uint64_t at = latest(low, one->at);
    if (one->how == PLAIN && one->leaf != 0) {
      ends_in(m, walk, m->format->page(one->leaf), level, at, ends);
    } else {
      add_end(ends, end_of(0, one->how == PLAIN ? OUTER_HOLE : one->how, at));
    }
  }
}

/* Level by level: each word as it was at a moment not before that of the level above. */
static inline void ends_in(struct model* m, const struct walk* walk, uint64_t table, uint32_t level,
                           uint64_t low, struct ends* ends) {
  const struct format* format = m->format;
  const uint64_t place = word_of(table, walk->iova, level);
  const uint64_t base = walk->iova & ~(covers(level) - 1);
  const struct page* page = find_page(m, place, 1);
  const size_t word = place / 8 % WORDS;
  const size_t count = page->words[word].said.count;
  const int at_root = level == walk->levels - 1;
  /* What drops leaves alone leaves pointers as they are, however old. But a user that sends a
   * command with an address counts on the pointers on its way (iommucheck_user_command knows none
   * of leaves alone): of its own tables they go. */
  const uint64_t dropped = last_drop(m, walk->key, 1, base, base + covers(level) - 1, walk->now);
  const uint64_t pointers_from = walk->since != 0     ? walk->since
                                 : walk->user != NULL ? latest(walk->answers_from, dropped)
                                                      : latest(walk->tables_from, dropped);
  if (count == 0) add_end(ends, end_of(0, walk->user != NULL ? INSIDE : WILD, low));
  for (size_t i = 0; i < count; ++i) {
    const uint64_t value = page->words[word].said.at[i].value;
    const uint64_t from = page->words[word].said.at[i].from;
    const uint64_t end = i + 1 < count ? page->words[word].said.at[i + 1].from : NEVER;
    const uint64_t below = level != 0 ? format->table(value) : 0;
    const uint64_t since = below != 0 ? pointers_from : walk->answers_from;
    const uint64_t at = moment(m, walk, at_root, latest(latest(low, from), since), end);
    if (at == NEVER) continue;
    if (below != 0 && walk->user != NULL) {
      ends_through(m, walk, below, level - 1, at, ends);
    } else if (below != 0 && gone_since(m, below, from, walk->now)) {
      add_end(ends, end_of(0, WILD, at));
    } else if (below != 0) {
      ends_in(m, walk, below, level - 1, at, ends);
    } else if (level == 0 && format->is_leaf(value)) {
      struct end leaf = end_of(value, PLAIN, at);
      leaf.place = place;
      add_end(ends, leaf);
    } else if (walk->holes || (end > walk->now && walk->now == m->now)) {
      add_end(ends, end_of(0, PLAIN, at));
    }
  }
}

static inline void ends_from(struct model* m, const struct walk* walk, struct ends* ends) {
  if (walk->user != NULL) {
    ends_through(m, walk, walk->root, walk->levels - 1, 0, ends);
  } else {
    ends_in(m, walk, walk->root, walk->levels - 1, 0, ends);
  }
}

/* What there was for the page at `now` under the key: by each root that it ever had, filled then,
 * or before any of the drops that have taken pointers away since. */
static inline void ends_at(struct model* m, uint64_t key, uint32_t levels, uint64_t iova,
                           uint64_t now, struct ends* ends) {
  const uint64_t page = iova & ~(uint64_t)(PAGE - 1);
  if (beyond(levels, iova)) {
    add_end(ends, end_of(0, PLAIN, now));
    return;
  }
  for (size_t w = 0; w < m->ways.count; ++w) {
    const struct way* way = &m->ways.at[w];
    struct walk walk;
    uint64_t root, other;
    int again = 0;
    if (!leads_by(way, key, &root) || way->from > now) continue;
    for (size_t i = 0; i < w; ++i) {
      again |= leads_by(&m->ways.at[i], key, &other) && other == root && m->ways.at[i].from <= now;
    }
    if (again) continue;
    memset(&walk, 0, sizeof walk);
    walk.key = key;
    walk.root = root;
    walk.iova = iova;
    walk.now = now;
    walk.levels = levels;
    walk.holes = way->key == key ? way->holes : way->outer_holes;
    walk.user = way->key == key && way->outer_root != 0 ? way : NULL;
    walk.answers_from = last_drop(m, key, 0, page, page + PAGE - 1, now);
    walk.tables_from = last_drop(m, key, 1, page, page + PAGE - 1, now);
    ends_from(m, &walk, ends);
    for (size_t i = 0; i < m->drops.count; ++i) {
      const struct drop* drop = &m->drops.at[i];
      if (!is_of(drop, key) && !(walk.user != NULL && is_of(drop, way->outer_key))) continue;
      if (drop->complete > now || drop->complete <= walk.answers_from) continue;
      walk.now = drop->complete - 1;
      ends_from(m, &walk, ends);
    }
  }
}

/* What the outer space makes of an address of its, now and, where that may be cached with the
 * user's as one, at each moment since a command has covered the user's page. */
static inline void ends_behind(struct model* m, const struct way* way, uint64_t iova, uint64_t at,
                               uint64_t now, struct ends* ends) {
  const uint64_t page = iova & ~(uint64_t)(PAGE - 1);
  const uint64_t from = last_drop(m, way->key, 0, page, page + PAGE - 1, now);
  ends_at(m, way->outer_key, m->format->levels, at, now, ends);
  for (size_t i = 0; m->combines && i < m->drops.count; ++i) {
    const struct drop* drop = &m->drops.at[i];
    if (!is_of(drop, way->outer_key) || drop->complete > now || drop->complete <= from) continue;
    ends_at(m, way->outer_key, m->format->levels, at, drop->complete - 1, ends);
  }
}

/* Of a way: where its tables say addresses of an outer space, with what that makes of them. */
static inline void ends_of(struct model* m, const struct way* way, uint64_t iova, uint64_t now,
                           struct ends* ends) {
  struct ends own;
  own.count = 0;
  if (way->outer_root == 0) {
    ends_at(m, way->key, levels_of(m, way), iova, now, ends);
    return;
  }
  ends_at(m, way->key, levels_of(m, way), iova, now, &own);
  for (uint32_t i = 0; i < own.count; ++i) {
    struct end end = own.at[i];
    struct ends outer;
    outer.count = 0;
    if (end.how != PLAIN || end.leaf == 0) {
      add_end(ends, end);
      continue;
    }
    ends_behind(m, way, iova, m->format->page(end.leaf), now, &outer);
    for (uint32_t o = 0; o < outer.count; ++o) {
      end.outer = outer.at[o].leaf;
      end.place = outer.at[o].place;
      end.how = outer.at[o].how == PLAIN && end.outer == 0 ? OUTER_HOLE : outer.at[o].how;
      add_end(ends, end);
    }
  }
}

/* What memory says now: the leaf, or 0. `user`: its tables lie where the outer space says. */
static inline uint64_t leaf_now(struct model* m, const struct way* user, uint32_t levels,
                                uint64_t root, uint64_t iova) {
  uint64_t table = root;
  uint64_t leaf;
  if (beyond(levels, iova)) return 0;
  for (uint32_t level = levels - 1;; --level) {
    if (user != NULL) {
      leaf = leaf_now(m, NULL, m->format->levels, user->outer_root, table);
      if (leaf == 0) return 0;
      table = m->format->page(leaf);
    }
    if (level == 0) break;
    table = m->format->table(newest(m, word_of(table, iova, level)));
    if (table == 0) return 0;
  }
  leaf = newest(m, word_of(table, iova, 0));
  return m->format->is_leaf(leaf) ? leaf : 0;
}
static inline uint64_t leaf_of_way(struct model* m, const struct way* way, uint64_t iova) {
  return leaf_now(m, way->outer_root != 0 ? way : NULL, levels_of(m, way), way->root, iova);
}

/* ---- answers ---- */

static const char stale_way[] = "a route or an entry that memory no longer says is still cached";
static const char stale_translation[] = "a translation that memory no longer says is still cached";
static const char other_space[] = "a translation of another space with the same tag";
static const char stale_device[] = "the device has cached it, and has not dropped it";
static const char device_again[] =
    "the device has cached it again, by a route or an entry that was still cached";
static const char in_given_back[] = "the way leads to memory that was given back";

static const char stale_outer[] =
    "a translation of the outer space that memory no longer says is still cached";

struct answers {
  struct iommucheck_may_reach at[IOMMUCHECK_ANSWERS_MAX];
  uint32_t count;
};

static inline void answer(struct answers* all, uint32_t kind, uint64_t pa, const char* why) {
  for (uint32_t i = 0; i < all->count; ++i) {
    if (all->at[i].kind == kind && all->at[i].pa == pa) return;
  }
  if (all->count == IOMMUCHECK_ANSWERS_MAX) abort();
  memset(&all->at[all->count], 0, sizeof all->at[0]);
  all->at[all->count].kind = kind;
  all->at[all->count].why = why;
  all->at[all->count++].pa = pa;
}
/* With the address that an outer space was asked for, and what it marks. */
static inline void answer_reached(struct answers* all, struct iommucheck_may_reach reached) {
  reached.kind = IOMMUCHECK_GETS_ADDRESS;
  for (uint32_t i = 0; i < all->count; ++i) {
    const struct iommucheck_may_reach* one = &all->at[i];
    if (one->kind == reached.kind && one->pa == reached.pa && one->has_ipa == reached.has_ipa &&
        one->ipa == reached.ipa && one->mark == reached.mark) {
      return;
    }
  }
  if (all->count == IOMMUCHECK_ANSWERS_MAX) abort();
  all->at[all->count++] = reached;
}

/* Whether a write by the leaf, as it was cached or read, can be done: what it has to mark says the
 * same still, but for the mark; else it is walked anew. */
static inline int can_mark(struct model* m, uint64_t leaf, uint64_t place,
                           const struct iommucheck_access* asked, uint64_t* mark) {
  const struct format* format = m->format;
  uint64_t now;
  *mark = 0;
  if (format->is_clean == NULL || asked->access != IOMMUCHECK_ACCESS_WRITE) return 1;
  if (!format->is_clean(leaf)) return 1;
  now = newest(m, place);
  if (now == leaf) *mark = place;
  return now == leaf || now == format->marked(leaf);
}

/* Of what an outer space has to do with. */
static inline void answer_user(struct model* m, const struct way* way, struct answers* all,
                               const struct end* end, const struct iommucheck_access* asked,
                               const char* why) {
  const uint64_t offset = asked->iova & (PAGE - 1);
  const uint64_t last = way->outer ? end->leaf : end->outer;
  if (end->how == OUTER_HOLE || (way->outer && end->leaf == 0)) {
    answer(all, IOMMUCHECK_GETS_OUTER_NOT_MAPPED, 0, why);
  } else if (end->leaf == 0) {
    answer(all, IOMMUCHECK_GETS_NOT_MAPPED, 0, why);
  } else if (!way->outer && !m->format->allows(end->leaf, asked->access, asked->privileged != 0)) {
    answer(all, IOMMUCHECK_GETS_DENIED, 0, why);
  } else if (!m->format->allows(last, asked->access, 1)) {
    answer(all, IOMMUCHECK_GETS_OUTER_DENIED, 0, why);
  } else {
    struct iommucheck_may_reach reached;
    memset(&reached, 0, sizeof reached);
    reached.why = why;
    reached.pa = m->format->page(last) | offset;
    reached.has_ipa = 1;
    reached.ipa = way->outer ? asked->iova : m->format->page(end->leaf) | offset;
    if (can_mark(m, last, end->place, asked, &reached.mark)) answer_reached(all, reached);
  }
}

/* device: what it keeps itself, which is no failure. */
static inline void answer_end(struct model* m, const struct way* way, struct answers* all,
                              const struct end* end, const struct iommucheck_access* asked,
                              int waits, int device, const char* why) {
  const uint64_t offset = asked->iova & (PAGE - 1);
  const int privileged = asked->privileged != 0 || way->outer;
  if (end->how == WILD) {
    answer(all, IOMMUCHECK_GETS_ANYTHING, 0, in_given_back);
  } else if (end->how == INSIDE) {
    answer(all, IOMMUCHECK_GETS_INSIDE, 0, why);
  } else if (!device && (way->outer || way->outer_root != 0)) {
    answer_user(m, way, all, end, asked, why);
  } else if (end->leaf != 0 && m->format->allows(end->leaf, asked->access, privileged)) {
    struct iommucheck_may_reach reached;
    memset(&reached, 0, sizeof reached);
    reached.why = why;
    reached.pa = m->format->page(end->leaf) | offset;
    if (can_mark(m, end->leaf, end->place, asked, &reached.mark) || device) {
      answer_reached(all, reached);
    }
  } else if (!device) {
    const uint32_t kind = end->leaf == 0 ? IOMMUCHECK_GETS_NOT_MAPPED : IOMMUCHECK_GETS_DENIED;
    answer(all, waits ? IOMMUCHECK_GETS_WAITS : kind, 0, why);
  }
}

/* Whether the leaf came from a root that is not the way's. */
static inline int is_others(struct model* m, const struct way* way, uint64_t leaf, uint64_t iova) {
  int others = 0;
  for (size_t i = 0; i < m->ways.count; ++i) {
    const struct way* other = &m->ways.at[i];
    if (other->gets != WALKS || other->key != way->key || other->root == way->root) continue;
    others |= leaf_of_way(m, other, iova) == leaf;
  }
  return others;
}

/* Why that is found; NULL: memory says so. */
static inline const char* why_found(struct model* m, const struct way* way, const struct end* end,
                                    uint64_t iova) {
  const uint64_t leaf = leaf_of_way(m, way, iova);
  uint64_t outer;
  if (leaf != end->leaf) {
    return is_others(m, way, end->leaf, iova) ? other_space : stale_translation;
  }
  if (way->stale) return stale_way;
  if (way->outer_root == 0 || leaf == 0) return NULL;
  outer = leaf_now(m, NULL, m->format->levels, way->outer_root, m->format->page(leaf));
  return outer != end->outer ? stale_outer : NULL;
}

/* What a way's device may have cached through it, and nothing has dropped since. */
static inline void answer_cached(struct model* m, const struct way* way,
                                 const struct iommucheck_access* asked, uint64_t cached_from,
                                 struct answers* all) {
  const uint64_t first = latest(way->from, cached_from);
  const uint64_t last = earliest(way->to - 1, m->now);
  /* It had dropped it since the route was another. */
  const int again = way->changed != 0 && cached_from > way->changed;
  struct ends ends;
  ends.count = 0;
  if (way->to <= cached_from || way->uncached) return;
  if (first <= last) ends_of(m, way, asked->iova, last, &ends);
  for (size_t i = 0; i < m->drops.count; ++i) {
    const struct drop* drop = &m->drops.at[i];
    if (!is_of(drop, way->key)) continue;
    if (drop->complete > first && drop->complete <= last) {
      ends_of(m, way, asked->iova, drop->complete - 1, &ends);
    }
  }
  for (uint32_t i = 0; i < ends.count; ++i) {
    answer_end(m, way, all, &ends.at[i], asked, 0, 1, again ? device_again : stale_device);
  }
}

static inline void find_answers(struct model* m, const struct iommucheck_access* asked,
                                struct answers* all) {
  uint32_t flags = 0;
  uint64_t cached_from = 0;
  all->count = 0;
  for (uint32_t i = 0; i < m->host->stream_count; ++i) {
    if (m->host->streams[i].id == asked->stream_id) flags = m->host->streams[i].flags;
  }
  if (!m->on || was_removed(m, asked->stream_id)) {
    answer(all, IOMMUCHECK_GETS_BLOCKED, 0, NULL);
    return;
  }
  ask_for(m, asked->pasid);
  refresh(m);
  for (size_t i = 0; i < m->device_drops.count; ++i) {
    const struct device_drop* drop = &m->device_drops.at[i];
    const int its = drop->every_pasid ? asked->pasid != NO_PASID : drop->pasid == asked->pasid;
    if (drop->stream == asked->stream_id && its && asked->iova >= drop->first &&
        asked->iova <= drop->last) {
      cached_from = latest(cached_from, drop->sent);
    }
  }
  for (size_t i = 0; i < m->ways.count; ++i) {
    const struct way way = m->ways.at[i];
    struct ends ends;
    if (way.stream != asked->stream_id || way.pasid != asked->pasid || way.to != NEVER) continue;
    if (way.gets != WALKS) {
      answer(all, way.gets, way.gets == IOMMUCHECK_GETS_ADDRESS ? asked->iova : 0,
             way.stale ? stale_way : NULL);
      continue;
    }
    ends.count = 0;
    ends_of(m, &way, asked->iova, m->now, &ends);
    for (uint32_t e = 0; e < ends.count; ++e) {
      const int waits = way.waits && (flags & IOMMUCHECK_STREAM_WAITS);
      answer_end(m, &way, all, &ends.at[e], asked, waits, 0,
                 why_found(m, &way, &ends.at[e], asked->iova));
    }
  }
  for (size_t i = 0; i < m->ways.count && (flags & IOMMUCHECK_STREAM_CACHES); ++i) {
    const struct way way = m->ways.at[i];
    if (way.stream != asked->stream_id || way.pasid != asked->pasid) continue;
    if (way.gets == WALKS) answer_cached(m, &way, asked, cached_from, all);
    if (way.passes_kept && latest(way.from, cached_from) < way.to) {
      answer(all, IOMMUCHECK_GETS_ADDRESS, asked->iova, stale_device);
    }
  }
}

static inline void give(const struct answers* all, struct iommucheck_may_get* out) {
  for (uint32_t i = 0; i < all->count; ++i) {
    const struct iommucheck_may_get one = {all->at[i].kind, 0, all->at[i].pa, all->at[i].why};
    out[i] = one;
  }
}

static inline uint32_t model_answers(struct model* m, const struct iommucheck_access* asked,
                                     struct iommucheck_may_get* out) {
  struct answers all;
  find_answers(m, asked, &all);
  give(&all, out);
  return all.count;
}
static inline uint32_t model_whole_answers(struct model* m, const struct iommucheck_access* asked,
                                           struct iommucheck_may_reach* out) {
  struct answers all;
  find_answers(m, asked, &all);
  memcpy(out, all.at, all.count * sizeof *out);
  return all.count;
}

/* ---- memory that is given back ---- */

/* Whether a pointer that is in memory or cached leads from the table to the place. */
static inline int leads_into(struct model* m, const struct way* way, uint64_t key, uint64_t table,
                             uint32_t level, uint64_t base, uint64_t pa, uint64_t last) {
  const struct page* page = find_page(m, table, 0);
  if (overlap(table, table + PAGE - 1, pa, last)) return 1;
  for (uint64_t i = 0; page != NULL && level > 0 && i < WORDS; ++i) {
    const uint64_t first = base + i * covers(level);
    const size_t count = page->words[i].said.count;
    uint64_t dropped = NEVER;
    for (size_t v = 0; v < count; ++v) {
      const uint64_t below = m->format->table(page->words[i].said.at[v].value);
      const uint64_t end = v + 1 < count ? page->words[i].said.at[v + 1].from : NEVER;
      if (below == 0) continue;
      if (dropped == NEVER) {
        dropped = last_drop(m, key, 1, first, first + covers(level) - 1, m->now);
      }
      if (end <= dropped || end <= way->from) continue;
      if (gone_since(m, below, page->words[i].said.at[v].from, m->now)) continue;
      if (leads_into(m, way, key, below, level - 1, first, pa, last)) return 1;
    }
  }
  return 0;
}

static inline int in_use(struct model* m, uint64_t pa, uint64_t last) {
  if (!m->on) return 0;
  refresh(m);
  for (size_t i = 0; i < m->spans.count; ++i) {
    const struct span* span = &m->spans.at[i];
    if (span->to == NEVER && overlap(span->pa, span->pa + span->bytes - 1, pa, last)) return 1;
  }
  for (size_t i = 0; i < m->ways.count; ++i) {
    const struct way* way = &m->ways.at[i];
    if (way->to != NEVER || way->gets != WALKS) continue;
    /* A user's own tables are no memory of the host's: what leads to them does. */
    if (way->outer_root != 0
            ? leads_into(m, way, way->outer_key, way->outer_root, m->format->levels - 1, 0, pa,
                         last)
            : leads_into(m, way, way->key, way->root, levels_of(m, way) - 1, 0, pa, last)) {
      return 1;
    }
  }
  return 0;
}

static inline int model_given_back(struct model* m, uint64_t pa, uint64_t bytes) {
  const int used = in_use(m, pa, pa + bytes - 1);
  ++m->now;
  for (uint64_t at = 0; at < bytes; at += PAGE) {
    struct page* page = find_page(m, pa + at, 1);
    page->given_back = m->now;
    page->leads = 0;
  }
  m->changed = 1;
  return !used;
}

static inline void model_remove(struct model* m, uint32_t stream) {
  ++m->now;
  if (!was_removed(m, stream)) PUSH(m->gone, stream);
  m->changed = 1;
}

/* ---- the processes' own tables ---- */

static inline uint64_t new_table(struct model* m) {
  uint64_t pa = m->next_table;
  if (m->free_tables.count > 0) {
    pa = m->free_tables.at[--m->free_tables.count];
  } else if (pa + PAGE > m->host->process_pa + m->host->process_bytes) {
    return 0;
  } else {
    m->next_table += PAGE;
  }
  for (uint64_t i = 0; i < PAGE; i += 8) model_stored(m, pa + i, 0);
  return pa;
}
static inline int free_table(struct model* m, uint64_t pa) {
  PUSH(m->free_tables, pa);
  return model_given_back(m, pa, PAGE);
}
static inline struct process* find_process(struct model* m, uint64_t mm) {
  for (size_t i = 0; i < m->processes.count; ++i) {
    if (m->processes.at[i].mm == mm) return &m->processes.at[i];
  }
  return NULL;
}
static inline uint64_t model_process_created(struct model* m, uint64_t mm) {
  struct process process;
  memset(&process, 0, sizeof process);
  process.mm = mm;
  process.root = new_table(m);
  if (process.root != 0) PUSH(m->processes, process);
  return process.root;
}
static inline int32_t model_process_says(struct model* m, uint64_t mm, uint64_t va, uint64_t pa,
                                         uint32_t prot) {
  struct process* its = find_process(m, mm);
  uint64_t table, above = 0;
  if (its == NULL) return 0;
  table = its->root;
  for (uint32_t level = m->format->levels - 1; level > 0; --level) {
    above = word_of(table, va, level);
    if (newest(m, above) == 0) {
      const uint64_t below = prot == 0 ? 0 : new_table(m);
      if (below == 0) return prot == 0;
      model_stored(m, above, m->format->table_word(below));
    }
    table = m->format->table(newest(m, above));
  }
  model_stored(m, word_of(table, va, 0), prot == 0 ? 0 : m->format->leaf_word(pa, prot));
  for (uint64_t i = 0; i < PAGE; i += 8) {
    if (newest(m, table + i) != 0) return 1;
  }
  model_stored(m, above, 0);
  PUSH(its->out, table);
  return 1;
}
static inline int32_t model_process_settles(struct model* m, uint64_t mm) {
  struct process* its = find_process(m, mm);
  int free = 1;
  while (its != NULL && its->out.count > 0) free &= free_table(m, its->out.at[--its->out.count]);
  return free;
}
static inline int free_tree(struct model* m, uint64_t table, uint32_t level) {
  int free = 1;
  for (uint64_t i = 0; level > 0 && i < PAGE; i += 8) {
    const uint64_t below = m->format->table(newest(m, table + i));
    if (below != 0) free &= free_tree(m, below, level - 1);
  }
  return free & free_table(m, table);
}
static inline int32_t model_process_gone(struct model* m, uint64_t mm) {
  struct process* its = find_process(m, mm);
  const int settled = model_process_settles(m, mm);
  if (its == NULL) return settled;
  its->mm = 0;
  return settled & free_tree(m, its->root, m->format->levels - 1);
}

/* ---- walkers of others ---- */

static inline struct walker* find_walker(struct model* m, uint32_t number) {
  for (size_t i = 0; i < m->walkers.count; ++i) {
    if (m->walkers.at[i].number == number) return &m->walkers.at[i];
  }
  return NULL;
}
static inline void model_walker_switches(struct model* m, uint32_t number, uint64_t root) {
  const struct walker walker = {number, root, ++m->now};
  struct walker* known = find_walker(m, number);
  if (known != NULL) {
    *known = walker;
  } else {
    PUSH(m->walkers, walker);
  }
}
static inline void model_walker_flushes(struct model* m, uint32_t number) {
  struct walker* known = find_walker(m, number);
  if (known != NULL) known->since = ++m->now;
}
static inline uint32_t model_walker_answers(struct model* m, uint32_t number, uint64_t iova,
                                            uint32_t access, struct iommucheck_may_get* out) {
  const struct walker* known = find_walker(m, number);
  struct iommucheck_access asked;
  struct way none;
  struct answers all;
  struct walk walk;
  struct ends ends;
  all.count = ends.count = 0;
  memset(&none, 0, sizeof none);
  memset(&asked, 0, sizeof asked);
  asked.iova = iova;
  asked.access = access;
  if (known == NULL || known->root == 0) {
    answer(&all, IOMMUCHECK_GETS_ANYTHING, 0, NULL);
    give(&all, out);
    return all.count;
  }
  memset(&walk, 0, sizeof walk);
  walk.root = known->root;
  walk.iova = iova;
  walk.now = m->now;
  walk.levels = m->format->levels;
  walk.answers_from = walk.since = known->since;
  if (gone_since(m, known->root, known->since, m->now)) add_end(&ends, end_of(0, WILD, m->now));
  if (beyond(walk.levels, iova)) {
    add_end(&ends, end_of(0, PLAIN, m->now));
  } else {
    ends_in(m, &walk, walk.root, m->format->levels - 1, 0, &ends);
  }
  for (uint32_t i = 0; i < ends.count; ++i) {
    answer_end(m, &none, &all, &ends.at[i], &asked, 0, 0, NULL);
  }
  give(&all, out);
  return all.count;
}

static inline void model_open(struct model* m, const struct iommucheck_hardware_host* host,
                              const struct format* format, void (*find_ways)(struct model* m)) {
  m->host = host;
  m->format = format;
  m->find_ways = find_ways;
  m->now = 1;
  m->next_table = host->process_pa;
}

#endif
