/* SPDX-License-Identifier: MIT
 *
 * What an access may get from the IOMMU of riscv_backend.h, given all that was stored, sent and
 * completed: all of it, always. What model.h does not say:
 *  1. The words of a context may each be cached by themselves, from another time, and also while
 *     the context is not valid (V = 0). IODIR.INVAL_DDT makes the device's DC and every PC
 * forgotten that was read through it, IODIR.INVAL_PDT the PC of one PASID.
 *  2. A command acts at one moment between the store to RISCV_CQT that sends it and its completion;
 *     reading RISCV_CQH completes what was sent, unless the IOMMU is stuck.
 *  3. Translations are known by their PSCID. IOTINVAL.VMA with an address takes leaves alone; of a
 *     PSCID, or of all, pointers too. "Not mapped" may be cached, but not of the CPUs' tables.
 *  4. Page requests of a device with one number and PASID are a group until the last one.
 *  5. A write by a leaf without D sets it first, as one step with the look that it is the same
 *     still (SADE and GADE of RISC-V; a user's own leaves have it).
 *  6. An access that a table ends has a record. That the first stage has ended it and the second
 *     one are different causes; which address the second one was asked for is not the user's.
 *  7. Behind a second stage what the first one has made is known by GSCID and PSCID, and what the
 *     second one has by GSCID: IOTINVAL.GVMA takes that, and with it what both made together there.
 *     (RISCV_COMBINES: what both made stays until IOTINVAL.VMA, as with Arm's.)
 */
#include "riscv_backend.h"

#include "model.h"

struct command {
  uint64_t word0, word1, sent, complete;
};
struct request {
  uint32_t id, group; /* the id of its first page */
  uint32_t stream, pasid, number;
  uint64_t what;
  int last, answered;
};
struct response {
  uint32_t id, code;
};
struct fault {
  uint64_t words[3];
};

struct riscv {
  struct model m;
  uint64_t registers[0x100 / 8];
  uint64_t on_since;
  int stuck;
  size_t complete;
  uint32_t last_id;
  size_t responses_taken;
  LIST(struct command) commands;
  LIST(struct request) requests;
  LIST(struct response) responses;
  LIST(struct fault) faults;
};

/* ---- Sv48 ---- */

static int is_leaf(uint64_t word) {
  return (word & PTE_V) && (word & (PTE_R | PTE_W | PTE_X)) != 0;
}
static uint64_t table_in(uint64_t word) {
  return (word & PTE_V) && !is_leaf(word) ? PTE_TABLE(word) : 0;
}
static uint64_t page_in(uint64_t word) { return PTE_TABLE(word); }
static int allows(uint64_t leaf, uint32_t access, int privileged) {
  const uint64_t right = access == IOMMUCHECK_ACCESS_WRITE     ? PTE_W
                         : access == IOMMUCHECK_ACCESS_EXECUTE ? PTE_X
                                                               : PTE_R;
  return (leaf & right) && ((leaf & PTE_U) || privileged);
}
static uint64_t leaf_word(uint64_t pa, uint32_t prot) {
  uint64_t bits = PTE_V | PTE_R | PTE_U | PTE_D;
  if (prot & IOMMUCHECK_PROT_WRITE) bits |= PTE_W;
  if (prot & IOMMUCHECK_PROT_EXEC) bits |= PTE_X;
  return PTE(pa, bits);
}
static uint64_t table_word(uint64_t pa) { return PTE(pa, PTE_V); }

#ifndef RISCV_WITHOUT_MARKS
static int is_clean(uint64_t leaf) { return (leaf & PTE_W) && !(leaf & PTE_D); }
static uint64_t marked(uint64_t leaf) { return leaf | PTE_D; }
#else
#define is_clean NULL
#define marked NULL
#endif

static const struct format sv48 = {RISCV_LEVELS, is_leaf,    table_in, page_in, allows,
                                   leaf_word,    table_word, is_clean, marked};

/* ---- when contexts are forgotten ---- */

struct of {
  uint32_t stream, pasid; /* pasid NO_PASID: of the DC, or of the way to PCs */
};

static uint64_t forgotten(struct model* m, const void* context, uint64_t since, uint64_t* sent) {
  const struct riscv* r = (const struct riscv*)m;
  const struct of* of = context;
  for (size_t i = 0; i < r->complete; ++i) {
    const struct command* command = &r->commands.at[i];
    const uint32_t kind = COMMAND_KIND(command->word0);
    const int its = COMMAND_DID(command->word0) == of->stream;
    const int all = kind == IODIR_INVAL_DDT && (its || !(command->word0 & COMMAND_DV));
    const int pc = kind == IODIR_INVAL_PDT && its && of->pasid == COMMAND_PID(command->word0);
    if (!(all || pc) || command->sent < since) continue;
    *sent = command->sent;
    return command->complete;
  }
  return NEVER;
}

/* ---- by which numbers translations are known ---- */

#define KEY_GUEST (1ull << 63) /* behind a second stage */
#define KEY_OUTER (1ull << 62) /* that one alone */
#define KEY_GSCID(gscid) ((uint64_t)(gscid) << 20)
#define KEY_OF_GSCID (KEY_GUEST | KEY_OUTER | KEY_GSCID(0xffff))

#define NOBODYS_PASID 0xfffffffeu

/* ---- ways ---- */

struct pc { /* with the words that may be used together */
  uint64_t ta, fsc;
  struct item when;
};
struct process_words { /* of one PASID, by whatever directory */
  LIST(struct pc) pcs;
  struct items none;
};

/* The ways to the PC through one directory. */
static void read_pc(struct riscv* r, uint32_t stream, uint32_t pasid, uint64_t page, uint32_t level,
                    const struct item* by, struct process_words* out) {
  const struct of dc = {stream, NO_PASID}, pc = {stream, pasid};
  const uint64_t index = PDT_INDEX(pasid, level);
  struct items pointers, fsc;
  add_span(&r->m, page, RISCV_PAGE, by->to);
  memset(&pointers, 0, sizeof pointers);
  memset(&fsc, 0, sizeof fsc);
  if (level == 0) {
    struct items* ta = &pointers;
    usable(&r->m, page + RISCV_PC_BYTES * index + PC_TA, by, forgotten, &pc, NULL, ta);
    usable(&r->m, page + RISCV_PC_BYTES * index + PC_FSC, by, forgotten, &pc, NULL, &fsc);
    for (size_t a = 0; a < ta->list.count; ++a) {
      for (size_t f = 0; f < fsc.list.count; ++f) {
        const struct pc both_words = {ta->list.at[a].value, fsc.list.at[f].value,
                                      both(&ta->list.at[a], &fsc.list.at[f])};
        if (both_words.when.from < both_words.when.to) PUSH(out->pcs, both_words);
      }
    }
    free(pointers.list.at);
    free(fsc.list.at);
    return;
  }
  usable(&r->m, page + 8 * index, by, forgotten, &dc, NULL, &pointers);
  for (size_t i = 0; i < pointers.list.count; ++i) {
    const struct item pointer = pointers.list.at[i];
    if (pointer.value & PTE_V) {
      read_pc(r, stream, pasid, PTE_TABLE(pointer.value), level - 1, &pointer, out);
    } else {
      PUSH(out->none.list, pointer);
    }
  }
  free(pointers.list.at);
}

static struct way way_to(uint32_t stream, uint32_t pasid, uint32_t gets) {
  struct way way;
  memset(&way, 0, sizeof way);
  way.stream = stream;
  way.pasid = pasid;
  way.gets = gets;
#ifndef RISCV_WITHOUT_HOLES
  way.holes = 1;
#endif
  return way;
}

/* Where ta and fsc lead, a DC's or a PC's, with the second stage of the DC, 0: none. */
static void add_stage(struct riscv* r, struct way way, uint64_t hgatp, uint64_t ta, uint64_t fsc,
                      const struct item* words, const struct item* by) {
  const struct item when = both(words, by);
  const uint32_t mode = FSC_MODE(fsc);
  if (hgatp != 0) {
    way.outer_key = KEY_OUTER | KEY_GSCID(HGATP_GSCID(hgatp));
    way.outer_root = FSC_TABLE(hgatp);
    way.outer_holes = way.holes;
    way.holes = 0;
    way.key = KEY_GUEST | KEY_GSCID(HGATP_GSCID(hgatp)) | TA_PSCID(ta);
    way.levels = mode == MODE_SV39 ? 3 : 4;
  } else {
    way.key = TA_PSCID(ta);
  }
  if (ta & TA_QUIET) {
    way.gets = IOMMUCHECK_GETS_QUIET;
  } else if (mode == MODE_BARE && hgatp != 0) {
    way.outer = 1;
    way.key = way.outer_key;
    way.root = way.outer_root;
    way.holes = way.outer_holes;
    way.outer_root = way.levels = 0;
  } else if (mode == MODE_BARE) {
    way.gets = IOMMUCHECK_GETS_ADDRESS;
  } else {
    way.root = FSC_TABLE(fsc);
    way.waits = (ta & TA_WAITS) != 0;
    if (ta & TA_CPUS) way.holes = 0;
  }
  add_way(&r->m, way, &when);
}

/* The words of a DC, as they may be cached. */
struct dc_words {
  struct items tc, hgatp, ta, fsc;
};

/* A DC with a page table, or two. */
static void add_tables(struct riscv* r, struct way way, const struct dc_words* dc,
                       const struct item* tc) {
  way.uncached = !(tc->value & TC_EN_ATS);
  for (size_t h = 0; h < dc->hgatp.list.count; ++h) {
    for (size_t a = 0; a < dc->ta.list.count; ++a) {
      for (size_t f = 0; f < dc->fsc.list.count; ++f) {
        const struct item stages = both(&dc->hgatp.list.at[h], &dc->ta.list.at[a]);
        const struct item words = both(&stages, &dc->fsc.list.at[f]);
        add_stage(r, way, dc->hgatp.list.at[h].value, dc->ta.list.at[a].value,
                  dc->fsc.list.at[f].value, &words, tc);
      }
    }
  }
}

/* The context of a user's process at that page of the outer space, as that is there now: read since
 * then, as a whole, and cached. */
static void add_users_context(struct riscv* r, struct way way, uint64_t hgatp, uint64_t page,
                              const struct item* by) {
  const struct of of = {way.stream, way.pasid == NO_PASID ? 0 : way.pasid};
  const uint64_t index = of.pasid;
  struct ends outer;
  struct items ta, fsc;
  outer.count = 0;
  ends_at(&r->m, KEY_OUTER | KEY_GSCID(HGATP_GSCID(hgatp)), RISCV_LEVELS, page, r->m.now, &outer);
  for (uint32_t e = 0; e < outer.count; ++e) {
    const struct end* end = &outer.at[e];
    const uint64_t pc = page_in(end->leaf) + RISCV_PC_BYTES * index;
    struct item when = *by;
    if (end->how != PLAIN || end->leaf == 0) {
      way.gets = end->how == WILD ? IOMMUCHECK_GETS_ANYTHING : IOMMUCHECK_GETS_OUTER_NOT_MAPPED;
      add_way(&r->m, way, by);
      continue;
    }
    when.from = latest(by->from, end->at);
    if (find_page(&r->m, pc, 1)->words[pc / 8 % RISCV_WORDS].said.count == 0) {
      way.gets = IOMMUCHECK_GETS_INSIDE; /* nobody knows what it says */
      add_way(&r->m, way, &when);
      continue;
    }
    memset(&ta, 0, sizeof ta);
    memset(&fsc, 0, sizeof fsc);
    read_words(&r->m, pc + PC_TA, &when, &ta);
    read_words(&r->m, pc + PC_FSC, &when, &fsc);
    for (size_t a = 0; a < ta.list.count; ++a) {
      for (size_t f = 0; f < fsc.list.count; ++f) {
        const uint64_t word = ta.list.at[a].value, leads = fsc.list.at[f].value;
        const uint32_t mode = FSC_MODE(leads);
        struct item whole = both(&ta.list.at[a], &fsc.list.at[f]);
        if (whole.from >= whole.to) continue;
        keep(&r->m, &whole, forgotten, &of);
        way.gets = WALKS;
        if ((word & TA_V) && (mode == MODE_BARE || mode == MODE_SV39 || mode == MODE_SV48)) {
          add_stage(r, way, hgatp, word & (0xfffffull << TA_PSCID_LSB), leads, &whole, by);
        } else {
          const struct item when_read = both(&whole, by);
          way.gets = IOMMUCHECK_GETS_NO_ENTRY;
          add_way(&r->m, way, &when_read);
        }
      }
    }
    free(ta.list.at);
    free(fsc.list.at);
  }
}

/* A user's directory lies in its own memory; of whatever DC. */
static void add_users_directory(struct riscv* r, struct way way, const struct dc_words* dc,
                                const struct item* hgatp, const struct item* tc) {
  struct way outer = way_to(way.stream, NOBODYS_PASID, WALKS); /* by which it is read */
  const struct item leads = both(hgatp, tc);
  outer.key = KEY_OUTER | KEY_GSCID(HGATP_GSCID(hgatp->value));
  outer.root = FSC_TABLE(hgatp->value);
  add_way(&r->m, outer, &leads);
  r->m.reads_through = 1;
  way.uncached = 1;
  for (size_t f = 0; f < dc->fsc.list.count; ++f) {
    const uint64_t value = dc->fsc.list.at[f].value;
    const struct item words = both(&dc->fsc.list.at[f], hgatp);
    const struct item by = both(&words, tc);
    if (by.from >= by.to) continue;
    if (FSC_MODE(value) != MODE_PD8 || (way.pasid != NO_PASID && way.pasid >> 8 != 0)) {
      way.gets = IOMMUCHECK_GETS_NO_ENTRY;
      add_way(&r->m, way, &by);
    } else {
      add_users_context(r, way, hgatp->value, FSC_TABLE(value), &by);
    }
  }
}

static void add_ways_of(struct riscv* r, const struct iommucheck_stream* stream, uint32_t pasid,
                        const struct dc_words* dc) {
  const int beyond_device = pasid != NO_PASID && pasid >> stream->pasid_bits != 0;
  struct process_words pc;
  const struct items *tc = &dc->tc, *fsc = &dc->fsc;
  memset(&pc, 0, sizeof pc);
  for (size_t i = 0; i < tc->list.count; ++i) {
    const struct item* its = &tc->list.at[i];
    const int directory = (its->value & TC_PDTV) != 0;
    int behind = 0; /* a second stage */
    const int first = pasid == NO_PASID;
    if (!(its->value & TC_V)) {
      add_way(&r->m, way_to(stream->id, pasid, IOMMUCHECK_GETS_BLOCKED), its);
      continue;
    }
    if (first ? directory && !(its->value & TC_DPE) : !directory || beyond_device) {
      add_way(&r->m,
              way_to(stream->id, pasid, first ? IOMMUCHECK_GETS_ADDRESS : IOMMUCHECK_GETS_NO_ENTRY),
              its);
      continue;
    }
    if (!directory) {
      add_tables(r, way_to(stream->id, pasid, WALKS), dc, its);
      continue;
    }
    for (size_t h = 0; h < dc->hgatp.list.count; ++h) {
      if (dc->hgatp.list.at[h].value == 0) continue;
      add_users_directory(r, way_to(stream->id, pasid, WALKS), dc, &dc->hgatp.list.at[h], its);
      behind |= both(&dc->hgatp.list.at[h], its).to == NEVER;
    }
    if (behind) continue;
    for (size_t f = 0; f < fsc->list.count; ++f) {
      const uint64_t value = fsc->list.at[f].value;
      const uint32_t mode = FSC_MODE(value);
      const struct item by = both(&fsc->list.at[f], its);
      if (by.from >= by.to) continue;
      if (mode >= MODE_PD8 && mode <= MODE_PD20) {
        read_pc(r, stream->id, first ? 0 : pasid, FSC_TABLE(value), mode - 1, &by, &pc);
      } else {
        PUSH(pc.none.list, by);
      }
    }
  }
  /* However they were read, the words count with any DC that has a directory. */
  for (size_t i = 0; i < tc->list.count; ++i) {
    const struct item* its = &tc->list.at[i];
    const int reads = (its->value & TC_V) && (its->value & TC_PDTV) && !beyond_device &&
                      (pasid != NO_PASID || (its->value & TC_DPE));
    if (!reads) continue;
    for (size_t n = 0; n < pc.none.list.count; ++n) {
      const struct item when = both(&pc.none.list.at[n], its);
      add_way(&r->m, way_to(stream->id, pasid, IOMMUCHECK_GETS_NO_ENTRY), &when);
    }
    for (size_t c = 0; c < pc.pcs.count; ++c) {
      const struct pc* one = &pc.pcs.at[c];
      const struct item when = both(&one->when, its);
      if (one->ta & TA_V) {
        add_stage(r, way_to(stream->id, pasid, WALKS), 0, one->ta, one->fsc, &one->when, its);
      } else {
        add_way(&r->m, way_to(stream->id, pasid, IOMMUCHECK_GETS_NO_ENTRY), &when);
      }
    }
  }
  free(pc.pcs.at);
  free(pc.none.list.at);
}

/* Numbers at which something stands, or has stood, in a directory. */
static void find_pasids(struct riscv* r, uint64_t page, uint32_t level, uint32_t first) {
  const struct page* its = find_page(&r->m, page, 0);
  for (uint32_t i = 0; its != NULL && i < RISCV_WORDS; ++i) {
    for (size_t v = 0; v < its->words[i].said.count; ++v) {
      const uint64_t value = its->words[i].said.at[v].value;
      if (!(value & PTE_V)) continue;
      if (level > 0)
        find_pasids(r, PTE_TABLE(value), level - 1, (first | i) << (level == 1 ? 8 : 9));
      if (level == 0 && i % 2 == 0) ask_for(&r->m, first | i / 2);
    }
  }
}

static void find_ways(struct model* m) {
  struct riscv* r = (struct riscv*)m;
  const uint64_t ddt = RISCV_REGISTER_PA(r->registers[RISCV_DDTP / 8]);
  const struct item always = {0, r->on_since, NEVER, NEVER, 0, 0};
  if (!m->on) return;
  ask_for(m, NO_PASID);
  for (uint32_t s = 0; s < m->host->stream_count; ++s) {
    const struct iommucheck_stream* stream = &m->host->streams[s];
    const uint64_t pointer = ddt + 8 * (uint64_t)(stream->id / RISCV_DCS);
    const uint64_t page = PTE_TABLE(newest(m, pointer)); /* never another one */
    const uint64_t dc = page + RISCV_DC_BYTES * (stream->id % RISCV_DCS);
    const struct of of = {stream->id, NO_PASID};
    struct dc_words words;
    find_page(m, pointer, 1)->leads = 1;
    if (was_removed(m, stream->id)) continue;
    if (page == 0) {
      for (size_t p = 0; p < m->pasids.count; ++p) {
        add_way(m, way_to(stream->id, m->pasids.at[p], IOMMUCHECK_GETS_BLOCKED), &always);
      }
      continue;
    }
    memset(&words, 0, sizeof words);
    usable(m, dc + DC_TC, &always, forgotten, &of, NULL, &words.tc);
    usable(m, dc + DC_IOHGATP, &always, forgotten, &of, NULL, &words.hgatp);
    usable(m, dc + DC_TA, &always, forgotten, &of, NULL, &words.ta);
    usable(m, dc + DC_FSC, &always, forgotten, &of, NULL, &words.fsc);
    for (size_t i = 0; i < words.fsc.list.count; ++i) {
      const uint32_t mode = FSC_MODE(words.fsc.list.at[i].value);
      if (mode < MODE_PD8 || mode > MODE_PD20 || newest(m, dc + DC_IOHGATP) != 0) continue;
      find_pasids(r, FSC_TABLE(words.fsc.list.at[i].value), mode - 1, 0);
    }
    for (size_t p = 0; p < m->pasids.count; ++p) {
      add_ways_of(r, stream, m->pasids.at[p], &words);
    }
    free(words.tc.list.at);
    free(words.hgatp.list.at);
    free(words.ta.list.at);
    free(words.fsc.list.at);
  }
}

/* ---- commands ---- */

static void respond(struct riscv* r, uint64_t word) {
  const uint32_t code = PRGR_CODE(word) == PRGR_SUCCESS   ? IOMMUCHECK_FAULT_SUCCESS
                        : PRGR_CODE(word) == PRGR_FAILURE ? IOMMUCHECK_FAULT_FAILURE
                                                          : IOMMUCHECK_FAULT_INVALID;
  int any = 0;
  for (size_t i = 0; i < r->requests.count; ++i) {
    struct request* request = &r->requests.at[i];
    const struct response response = {request->id, code};
    if (request->group != (uint32_t)word || request->answered) continue;
    request->answered = any = 1;
    PUSH(r->responses, response);
  }
  if (!any) { /* nobody waits for it */
    const struct response stray = {(uint32_t)word, code};
    PUSH(r->responses, stray);
  }
}

static void drop_translations(struct riscv* r, const struct command* command) {
  const uint64_t word = command->word0;
  const int second = COMMAND_KIND(word) == IOTINVAL_GVMA;
  const int by_address = (word & COMMAND_AV) != 0;
  const int guest = (word & COMMAND_GV) != 0;
  struct drop drop;
  drop.key = second ? KEY_OUTER : guest ? KEY_GUEST : 0;
  drop.mask = KEY_GUEST | KEY_OUTER;
  if (guest) {
    drop.key |= KEY_GSCID(COMMAND_GSCID(word));
    drop.mask |= KEY_OF_GSCID;
  }
  if (!second && (word & COMMAND_PV)) {
    drop.key |= COMMAND_PID(word);
    drop.mask |= KEY_GSCID(1) - 1;
  }
  drop.tables = !by_address;
  drop.first = by_address ? command->word1 & ~(uint64_t)(RISCV_PAGE - 1) : 0;
  drop.last = by_address ? drop.first + RISCV_PAGE - 1 : NEVER;
  drop.sent = command->sent;
  drop.complete = command->complete;
  PUSH(r->m.drops, drop);
}

static void drop_of_device(struct riscv* r, const struct command* command) {
  uint64_t size = RISCV_PAGE;
  struct device_drop drop;
  drop.stream = COMMAND_DID(command->word0);
  drop.pasid = (command->word0 & COMMAND_PV) ? COMMAND_PID(command->word0) : NO_PASID;
  drop.every_pasid = (command->word0 & COMMAND_PV) && (command->word1 & ATS_GLOBAL);
  if (command->word1 & ATS_SIZED) {
    size = 2 * RISCV_PAGE;
    for (uint64_t bit = RISCV_PAGE; command->word1 & bit; bit <<= 1) size <<= 1;
  }
  drop.first = size == 0 ? 0 : command->word1 & ~(size - 1);
  drop.last = size == 0 ? NEVER : drop.first + size - 1;
  drop.sent = command->sent;
  PUSH(r->m.device_drops, drop);
}

static void complete_all(struct riscv* r) {
  if (r->complete == r->commands.count) return;
  ++r->m.now;
  for (; r->complete < r->commands.count; ++r->complete) {
    struct command* command = &r->commands.at[r->complete];
    command->complete = r->m.now;
    switch (COMMAND_KIND(command->word0)) {
      case IOTINVAL_VMA:
      case IOTINVAL_GVMA: drop_translations(r, command); break;
      case ATS_INVAL: drop_of_device(r, command); break;
      case ATS_PRGR: respond(r, command->word1); break;
      default: break;
    }
  }
  r->m.changed = 1;
}

static void send(struct riscv* r, uint32_t from, uint32_t to) {
  const uint64_t base = RISCV_REGISTER_PA(r->registers[RISCV_CQB / 8]);
  const uint32_t count = 1u << RISCV_REGISTER_LG2(r->registers[RISCV_CQB / 8]);
  ++r->m.now;
  for (; from != to; from = (from + 1) & (count - 1)) {
    struct command command;
    command.word0 = newest(&r->m, base + COMMAND_BYTES * (uint64_t)from);
    command.word1 = newest(&r->m, base + COMMAND_BYTES * (uint64_t)from + 8);
    command.sent = r->m.now;
    command.complete = NEVER;
    PUSH(r->commands, command);
  }
}

/* ---- the door ---- */

static void* hw_open(const struct iommucheck_hardware_host* host) {
  struct riscv* r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  model_open(&r->m, host, &sv48, find_ways);
#ifdef RISCV_COMBINES
  r->m.combines = 1;
#endif
  return r;
}
static int32_t hw_stored(void* self, uint64_t pa, uint64_t value) {
  return model_stored(self, pa, value);
}
static int32_t hw_given_back(void* self, uint64_t pa, uint64_t bytes) {
  return model_given_back(self, pa, bytes);
}

static void hw_write(void* self, uint64_t offset, uint64_t value) {
  struct riscv* r = self;
  const uint64_t before = r->registers[offset / 8 % (0x100 / 8)];
  r->registers[offset / 8 % (0x100 / 8)] = value;
  if (offset == RISCV_CQT) send(r, (uint32_t)before, (uint32_t)value);
  if (offset == RISCV_CQB) r->registers[RISCV_CQT / 8] = 0;
  if (offset == RISCV_DDTP) {
    r->on_since = ++r->m.now;
    r->m.on = (value & 1) != 0;
    r->m.changed = 1;
  }
}

static uint64_t hw_read(void* self, uint64_t offset) {
  struct riscv* r = self;
  const size_t taken = r->registers[RISCV_PQH / 8];
  const struct request* next = taken < r->requests.count ? &r->requests.at[taken] : NULL;
  const size_t read = r->registers[RISCV_FQH / 8];
  const struct fault* fault = read < r->faults.count ? &r->faults.at[read] : NULL;
  switch (offset) {
    case RISCV_FQT: return r->faults.count;
    case RISCV_FQ_WHO: return fault != NULL ? fault->words[0] : 0;
    case RISCV_FQ_IOTVAL: return fault != NULL ? fault->words[1] : 0;
    case RISCV_FQ_IOTVAL2: return fault != NULL ? fault->words[2] : 0;
    case RISCV_PQT: return r->requests.count;
    case RISCV_PQ_WHAT: return next != NULL ? next->what : 0;
    case RISCV_PQ_GROUP: return next != NULL ? next->group : 0;
    case RISCV_PQ_WHO:
      if (next == NULL) return 0;
      return (uint64_t)next->stream << 40 |
             (next->pasid != NO_PASID ? COMMAND_PV | (uint64_t)next->pasid << 12 : 0);
    default: break;
  }
  if (offset != RISCV_CQH) return r->registers[offset / 8 % (0x100 / 8)];
  if (r->stuck) { /* somewhere before the tail */
    const uint64_t count = 1u << RISCV_REGISTER_LG2(r->registers[RISCV_CQB / 8]);
    return (r->registers[RISCV_CQT / 8] + count / 2) & (count - 1);
  }
  complete_all(r);
  return r->registers[RISCV_CQT / 8];
}

static void hw_set_stuck(void* self, uint32_t stuck) { ((struct riscv*)self)->stuck = stuck != 0; }
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
  return model_answers(self, asked, out);
}
static uint32_t hw_whole_answers(void* self, const struct iommucheck_access* asked,
                                 struct iommucheck_may_reach* out) {
  return model_whole_answers(self, asked, out);
}
#ifndef RISCV_WITHOUT_MARKS
static uint64_t hw_marked(void* self, uint64_t word) {
  (void)self;
  return marked(word);
}
#endif
static void hw_walker_switches(void* self, uint32_t number, uint64_t root, uint32_t input_bits) {
  (void)input_bits; /* always four levels */
  model_walker_switches(self, number, root);
}
static void hw_walker_flushes(void* self, uint32_t number) { model_walker_flushes(self, number); }
static uint32_t hw_walker_answers(void* self, uint32_t number, uint64_t iova, uint32_t access,
                                  struct iommucheck_may_get* out) {
  return model_walker_answers(self, number, iova, access, out);
}

/* ---- accesses that end ---- */

#ifndef RISCV_WITHOUT_USERS
/* Where nothing stands at the PASID: because there is no directory that wide, or of an entry. */
static uint64_t cause_of_none(struct riscv* r, const struct iommucheck_access* access) {
  const uint64_t ddt = RISCV_REGISTER_PA(r->registers[RISCV_DDTP / 8]);
  const uint64_t page =
      PTE_TABLE(newest(&r->m, ddt + 8 * (uint64_t)(access->stream_id / RISCV_DCS)));
  const uint64_t dc = page + RISCV_DC_BYTES * (access->stream_id % RISCV_DCS);
  const int directory = (newest(&r->m, dc + DC_TC) & TC_PDTV) != 0;
  const uint32_t bits = FSC_MODE(newest(&r->m, dc + DC_FSC)) == MODE_PD8 ? 8 : 20;
  return directory && access->pasid >> bits == 0 ? CAUSE_BAD_PC : CAUSE_DISALLOWED;
}

static int32_t hw_record_of(void* self, const struct iommucheck_access* access,
                            const struct iommucheck_may_reach* gets, uint64_t* words) {
  const uint32_t kind = gets->kind;
  const int none = kind == IOMMUCHECK_GETS_NO_ENTRY;
  const int second =
      kind == IOMMUCHECK_GETS_OUTER_NOT_MAPPED || kind == IOMMUCHECK_GETS_OUTER_DENIED;
  const int rights = kind == IOMMUCHECK_GETS_DENIED || kind == IOMMUCHECK_GETS_OUTER_DENIED;
  uint64_t cause = access->access == IOMMUCHECK_ACCESS_WRITE     ? CAUSE_WRITE
                   : access->access == IOMMUCHECK_ACCESS_EXECUTE ? CAUSE_EXECUTE
                                                                 : CAUSE_READ;
  if (!second && !rights && !none && kind != IOMMUCHECK_GETS_NOT_MAPPED) return 0;
  if (second) cause += CAUSE_SECOND;
  if (none) cause = cause_of_none(self, access);
  words[0] = (uint64_t)access->stream_id << 32 | cause | (rights ? FAULT_RIGHTS : 0);
  if (access->pasid != NO_PASID) words[0] |= FAULT_PV | (uint64_t)access->pasid << 12;
  words[1] = none ? 0 : access->iova;
  words[2] = second && gets->has_ipa ? gets->ipa : 0;
  return 1;
}
static int32_t hw_has_room(void* self) {
  const struct riscv* r = self;
  return r->faults.count - r->registers[RISCV_FQH / 8] < RISCV_FAULTS;
}
static void hw_report(void* self, const uint64_t* words) {
  struct riscv* r = self;
  const struct fault fault = {{words[0], words[1], words[2]}};
  if (hw_has_room(self)) PUSH(r->faults, fault);
}
#endif

/* ---- page requests ---- */

#ifndef RISCV_WITHOUT_WAITS
static uint32_t hw_wait(void* self, const struct iommucheck_access* access) {
  struct riscv* r = self;
  struct request request;
  memset(&request, 0, sizeof request);
  request.id = request.group = ++r->last_id;
  request.stream = access->stream_id;
  request.pasid = access->pasid;
  request.number = access->group;
  request.last = access->last != 0;
  request.what = (access->iova & ~(uint64_t)(RISCV_PAGE - 1)) | (access->last ? REQUEST_LAST : 0) |
                 (access->access == IOMMUCHECK_ACCESS_WRITE     ? REQUEST_W
                  : access->access == IOMMUCHECK_ACCESS_EXECUTE ? REQUEST_X
                                                                : REQUEST_R);
  for (size_t i = 0; i < r->requests.count; ++i) {
    const struct request* other = &r->requests.at[i];
    if (other->answered || other->stream != request.stream || other->pasid != request.pasid ||
        other->number != request.number) {
      continue;
    }
    request.group = other->last ? request.id : other->group;
  }
#ifdef RISCV_WITHOUT_GROUPS
  request.group = request.id;
#endif
  PUSH(r->requests, request);
  return request.id;
}

static int32_t hw_take_response(void* self, uint32_t* id, uint32_t* response) {
  struct riscv* r = self;
  if (r->responses_taken == r->responses.count) return 0;
  *id = r->responses.at[r->responses_taken].id;
  *response = r->responses.at[r->responses_taken++].code;
  return 1;
}

static int32_t hw_is_waiting(void* self, uint32_t id) {
  const struct riscv* r = self;
  for (size_t i = 0; i < r->requests.count; ++i) {
    if (r->requests.at[i].id == id) return !r->requests.at[i].answered;
  }
  return 0;
}
#endif

extern const struct iommucheck_hardware_ops riscv_hardware;
const struct iommucheck_hardware_ops riscv_hardware = {
    .size = sizeof riscv_hardware,
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
#ifndef RISCV_WITHOUT_WAITS
    .wait = hw_wait,
    .take_response = hw_take_response,
    .is_waiting = hw_is_waiting,
#endif
    .whole_answers = hw_whole_answers,
#ifndef RISCV_WITHOUT_MARKS
    .marked = hw_marked,
#endif
#ifndef RISCV_WITHOUT_USERS
    .record_of = hw_record_of,
    .has_room = hw_has_room,
    .report = hw_report,
#endif
};
