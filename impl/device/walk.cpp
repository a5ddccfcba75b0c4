// SPDX-License-Identifier: MIT
#include "impl/device/walk.h"

#include <algorithm>

namespace iommucheck::device {

namespace {

constexpr u64 af = u64{1} << 10, dbm = u64{1} << 51, ap2 = u64{1} << 7, s2ap1 = u64{1} << 7;
constexpr u32 reads = 0b001001, writes = 0b010010, executes = 0b100100;
constexpr u32 user = 0b000111, privileged = 0b111000;
constexpr unsigned walks_most = 4;

/// What table descriptors take away: bits 62:59 of each, or-ed.
constexpr unsigned hierarchy_place = 59;
constexpr u64 pxn_table = 1, uxn_table = 2, no_user = 4, read_only = 8;

constexpr u64 offset_in(u64 address, unsigned lg2) { return address & low_mask(lg2); }

/// A descriptor in memory: of big-endian tables (CD.ENDI, STE.S2ENDI) with its bytes turned.
constexpr u64 as_stored(u64 word, bool big) { return big ? __builtin_bswap64(word) : word; }

}  // namespace

std::optional<u64> Walker::load(u64 place, bool big) const {
  auto word = bus_.word(place);
  if (word && big) word = as_stored(*word, true);
  return word;
}

Walker::Step Walker::fail(Event event, u64 fetch) {
  fault_ = {.event = event, .fetch = fetch};
  if (event == Event::f_walk_eabt) fault_.what = Class::table;
  return Step::fault;
}

Walker::Step Walker::fail2(Event event, u64 ipa, Of of, u64 fetch) {
  fault_ = {.event = event,
            .stage2 = true,
            .what = of == Of::cd      ? Class::cd
                    : of == Of::input ? Class::input
                                      : Class::table,
            .descriptor_read = of != Of::update,
            .ipa = ipa,
            .fetch = fetch};
  return Step::fault;
}

// ---- stage 2 ------------------------------------------------------------------------------------

/// `needs`: rights without which it faults. `may_dirty`: rights for which S2AP[1] may be set.
Walker::Step Walker::stage2(u64 ipa, Of of, u32 needs, u32 may_dirty, Entry& out) {
  const Stage2& s2 = context_.s2;
  const Tables& tables = s2.tables;
  const bool fetched = of != Of::input;
  if ((ipa & tables.beyond) != 0) return fail2(Event::f_translation, ipa, of);
  if (tlb_.find_stage2(context_.stage2_tag, ipa, out) && (out.rights & needs) == needs &&
      (out.rights & may_dirty) == may_dirty && !(fetched && s2.ptw && out.device)) {
    return Step::done;
  }
  const bool wide = s2.output >= 52;
  unsigned level = tables.start;
  u64 table = tables.root;
  for (unsigned l = 3; l > tables.start; --l) {
    Entry pointer;
    if (!tlb_.find_table(context_.stage2_tag, l, level_shift(tables.page, l - 1), ipa, pointer)) {
      continue;
    }
    level = l;
    table = pointer.output;
    break;
  }
  for (; level <= 3; ++level) {
    const u64 place =
        entry_address(tables.page, level, level == tables.start, tables.input, table, ipa);
    const auto word = load(place, s2.big);
    if (!word) return fail2(Event::f_walk_eabt, ipa, of, place);
    const Form form = form_of(tables.page, level, *word, wide);
    if (form == Form::invalid) return fail2(Event::f_translation, ipa, of);
    if (form == Form::leaf) return leaf2(*word, place, level, ipa, of, needs, may_dirty, out);
    const u64 next = descriptor_address(tables.page, tables.page, *word, wide);
    if ((next & ~low_mask(s2.output)) != 0) return fail2(Event::f_addr_size, ipa, of);
    if (s2.haft && (*word & af) == 0) {
      const u64 was = as_stored(*word, s2.big);
      u64 there = was;
      if (!bus_.compare_exchange(place, there, as_stored(*word | af, s2.big))) {
        return fail2(Event::f_walk_eabt, ipa, of, place);
      }
      if (there != was) return Step::again;
    }
    table = next;
    found_.table(context_.stage2_tag, level + 1, level_shift(tables.page, level), ipa,
                 {.output = table});
  }
  return fail2(Event::f_translation, ipa, of);  // not reached: level 3 has no tables
}

Walker::Step Walker::leaf2(u64 word, u64 place, unsigned level, u64 ipa, Of of, u32 needs,
                           u32 may_dirty, Entry& out) {
  const Stage2& s2 = context_.s2;
  const unsigned shift = level_shift(s2.tables.page, level);
  const u64 output = descriptor_address(s2.tables.page, shift, word, s2.output >= 52);
  if ((output & ~low_mask(s2.output)) != 0) return fail2(Event::f_addr_size, ipa, of);
  if ((word & af) == 0 && !s2.ha && !s2.affd) return fail2(Event::f_access, ipa, of);
  const bool clean = s2.hd && (word & dbm) != 0 && (word & s2ap1) == 0;
  u32 rights = (bit(word, 6) ? reads : 0) | (bit(word, 7) || clean ? writes : 0);
  const bool xn1 = bit(word, 54), xn0 = bit(word, 53) && context_.xnx;
  if (xn1 == xn0) rights |= executes & privileged;
  if (!xn1) rights |= executes & user;
  const bool device = s2.fwb ? !bit(word, 4) : bits(word, 5, 4) == 0;
  if ((rights & needs) != needs || (of != Of::input && s2.ptw && device)) {
    return fail2(Event::f_permission, ipa, of);
  }
  const bool dirties = clean && (rights & may_dirty & writes) != 0;
  const u64 with = word | (s2.ha ? af : 0) | (dirties ? s2ap1 : 0);
  if (with != word) {
    const u64 was = as_stored(word, s2.big);
    u64 there = was;
    if (!bus_.compare_exchange(place, there, as_stored(with, s2.big))) {
      return fail2(Event::f_walk_eabt, ipa, of, place);
    }
    if (there != was) return Step::again;
  }
  out = {.output = output,
         .rights = clean && !dirties ? rights & ~writes : rights,
         .lg2 = static_cast<u8>(shift),
         .device = device,
         .extra = bits(word, 5, 2) << 16 | bits(word, 9, 8) << 20 | u64{s2.fwb} << 22};
  found_.translation(context_.stage2_tag, ipa, out);
  return Step::done;
}

std::optional<u64> Walker::fetch_address(u64 ipa) {
  for (unsigned i = 0; i < walks_most; ++i) {
    Entry page;
    const Step step = stage2(ipa, Of::cd, right::of({}), 0, page);
    if (step == Step::done) return page.output | offset_in(ipa, page.lg2);
    if (step == Step::fault) return std::nullopt;
  }
  fail2(Event::f_walk_eabt, ipa, Of::cd);
  return std::nullopt;
}

// ---- stage 1 ------------------------------------------------------------------------------------

/// The descriptor at `address`, which stage 2 translates if there is one.
std::optional<u64> Walker::descriptor(u64 address, Step& step) {
  ipa_ = place_ = address;
  if (context_.stage2) {
    Entry page;
    step = stage2(address, Of::table, right::of({}), 0, page);
    if (step != Step::done) return std::nullopt;
    place_ = page.output | offset_in(address, page.lg2);
  }
  const auto word = load(place_, context_.s1.big);
  step = word ? Step::done : fail(Event::f_walk_eabt, place_);
  read_ = word.value_or(0);
  return word;
}

/// DDI 0487 D8.4. `clean`: it may be written only when AP[2] is cleared for that.
u32 Walker::rights1(u64 word, const Tables& tables, u64 above, bool& clean) const {
  const Stage1& s1 = context_.s1;
  const u64 taken = tables.had ? 0 : above;
  clean = s1.hd && (word & dbm) != 0 && (word & ap2) != 0;
  const bool locked = ((word & ap2) != 0 && !clean) || (taken & read_only) != 0;
  clean &= !locked;
  const bool one = context_.one_privilege;
  const bool users = !one && bit(word, 6) && (taken & no_user) == 0;
  const bool uxn = bit(word, 54) || (taken & uxn_table) != 0;
  const bool pxn = one ? uxn : bit(word, 53) || (taken & pxn_table) != 0;
  u32 rights = reads & privileged;
  if (!locked) rights |= writes & privileged;
  if (!pxn && !(users && !locked) && !(s1.wxn && !locked)) rights |= executes & privileged;
  if (one) return rights | rights >> right::privileged;
  if (s1.pan && (users || (s1.epan && !uxn))) rights &= ~(reads | writes);
  if (users) rights |= reads & user;
  if (users && !locked) rights |= writes & user;
  if (!uxn && !(s1.wxn && users && !locked)) rights |= executes & user;
  return rights;
}

Walker::Step Walker::leaf1(u64 word, const Tables& tables, unsigned level, u64 above,
                           const Request& request, Entry& out) {
  const Stage1& s1 = context_.s1;
  const unsigned shift = level_shift(tables.page, level);
  const u64 output = descriptor_address(tables.page, shift, word, s1.output >= 52);
  if ((output & ~low_mask(s1.output)) != 0) return fail(Event::f_addr_size);
  if ((word & af) == 0 && !s1.ha && !s1.affd) return fail(Event::f_access);
  bool clean = false;
  const u32 rights = rights1(word, tables, above, clean);
  const u32 needs = right::of(request.kind) |
                    (request.reads_too ? right::of({Type::read, request.kind.privileged}) : 0);
  if (!request.by_ats && (rights & needs) != needs) return fail(Event::f_permission);
  const bool writes_it = request.by_ats ? request.wants_write : request.kind.type == Type::write;
  const bool dirties =
      clean && writes_it && (rights & right::of({Type::write, request.kind.privileged})) != 0;
  // What hardware may set of a leaf that grants nothing is nobody's need.
  flags_ = s1.ha && (word & af) == 0 ? af : 0;
  clears_ = dirties ? ap2 : 0;
  const u64 index = bits(word, 4, 2);
  out = {.output = output,
         .rights = clean && !dirties ? rights & ~writes : rights,
         .lg2 = static_cast<u8>(shift),
         .extra = (s1.mair >> 8 * index & 0xff) | bits(word, 9, 8) << 8 |
                  (bit(word, 11) || context_.one_privilege ? 0 : u64{1} << 63)};
  return Step::done;
}

/// To the leaf; what is to be written to it is in flags_ and clears_.
Walker::Step Walker::stage1(u64 input, const Request& request, Entry& out) {
  const Stage1& s1 = context_.s1;
  const unsigned half = context_.two_halves && bit(input, 55) ? 1 : 0;
  const Tables& tables = s1.half[half];
  if ((input & tables.beyond) != tables.above || tables.off ||
      (tables.e0pd && !request.kind.privileged)) {
    return fail(Event::f_translation);
  }
  const bool wide = s1.output >= 52;
  const u64 where = tlb_input(input, half);
  unsigned level = tables.start;
  u64 table = tables.root, above = 0;
  const u64 tag = context_.own_tag | tag::of_page(tables.page);
  for (unsigned l = 3; l > tables.start; --l) {
    Entry pointer;
    if (!tlb_.find_table(tag, l, level_shift(tables.page, l - 1), where, pointer)) continue;
    level = l;
    table = pointer.output;
    above = pointer.extra;
    break;
  }
  for (; level <= 3; ++level) {
    Step step{};
    const auto word = descriptor(
        entry_address(tables.page, level, level == tables.start, tables.input, table, input), step);
    if (!word) return step;
    const Form form = form_of(tables.page, level, *word, wide);
    if (form == Form::invalid) return fail(Event::f_translation);
    if (form == Form::leaf) return leaf1(*word, tables, level, above, request, out);
    const u64 next = descriptor_address(tables.page, tables.page, *word, wide);
    if ((next & ~low_mask(s1.output)) != 0) return fail(Event::f_addr_size);
    if (s1.haft && (*word & af) == 0) {
      flags_ = af;
      clears_ = 0;
      if (const Step written = write_flags(); written != Step::done) return written;
    }
    table = next;
    above |= bits(*word, 62, hierarchy_place);
    found_.table(tag, level + 1, level_shift(tables.page, level), where,
                 {.output = table, .extra = above});
  }
  return fail(Event::f_translation);  // not reached
}

/// Into the descriptor that was read last. Stage 2 has to permit the write. IHI 0070 3.13.5.
Walker::Step Walker::write_flags() {
  const u64 now = (read_ | flags_) & ~clears_;
  if (now == read_) return Step::done;
  if (context_.stage2) {
    Entry page;
    const u32 write = right::of({Type::write, false});
    if (const Step step = stage2(ipa_, Of::update, write, write, page); step != Step::done) {
      return step;
    }
    place_ = page.output | offset_in(ipa_, page.lg2);
  }
  const u64 was = as_stored(read_, context_.s1.big), with = as_stored(now, context_.s1.big);
  u64 there = was;
  if (!bus_.compare_exchange(place_, there, with)) return fail(Event::f_walk_eabt, place_);
  return there == was ? Step::done : Step::again;
}

// ---- both ---------------------------------------------------------------------------------------

Walker::Step Walker::final_stage2(u64 ipa, const Request& request, Entry& out) {
  const u32 kind = right::of(request.kind);
  if (request.by_ats) {
    const u32 write = right::of({Type::write, request.kind.privileged});
    return stage2(ipa, Of::input, 0, request.wants_write ? out.rights & write : 0, out);
  }
  const u32 needs = kind | (request.reads_too ? right::of({Type::read, false}) : 0);
  return stage2(ipa, Of::input, needs, request.kind.type == Type::write ? kind : 0, out);
}

Walker::Step Walker::once(u64 input, const Request& request, Entry& out) {
  flags_ = clears_ = 0;
  const bool stage1_on = context_.stage1 && !context_.skips_stage1;
  if (!stage1_on) {
    out.rights = right::all;
    const Step step = final_stage2(input, request, out);
    return step;
  }
  Entry first;
  if (const Step step = stage1(input, request, first); step != Step::done) return step;
  out = first;
  const u64 descriptor_ipa = ipa_, descriptor_place = place_, descriptor_word = read_;
  if (context_.stage2) {
    // Whether stage 2 lets the descriptor be written comes before what it says of the output.
    const u64 ipa = first.output | offset_in(input, first.lg2);
    const bool updates = flags_ != 0 || clears_ != 0;
    if (updates) {
      Entry page;
      const u32 write = right::of({Type::write, false});
      const Step step = stage2(ipa_, Of::update, write, write, page);
      if (step != Step::done) return step;
    }
    Entry second;
    second.rights = first.rights;
    if (const Step step = final_stage2(ipa, request, second); step != Step::done) return step;
    if (request.by_ats &&
        (second.rights & right::of({Type::write, request.kind.privileged})) == 0) {
      clears_ = 0;  // nothing is granted for which it would be dirty
    }
    const u8 lg2 = std::min(first.lg2, second.lg2);
    const u64 pa = second.output | offset_in(ipa, second.lg2);
    out = {.output = pa & ~low_mask(lg2),
           .rights = first.rights & second.rights,
           .lg2 = lg2,
           .extra = first.extra | second.extra,
           .leaf_lg2 = first.lg2};
  }
  ipa_ = descriptor_ipa;
  place_ = descriptor_place;
  read_ = descriptor_word;
  if (const Step step = write_flags(); step != Step::done) return step;
  const unsigned half = context_.two_halves && bit(input, 55) ? 1 : 0;
  const u64 tag = bit(first.extra, 63) ? context_.global_tag : context_.own_tag;
  found_.translation(tag | tag::of_page(context_.s1.half[half].page), tlb_input(input, half), out);
  return Step::done;
}

std::optional<Entry> Walker::translate(u64 input, const Request& request) {
  for (unsigned i = 0; i < walks_most; ++i) {
    Entry out;
    const Step step = once(input, request, out);
    if (step == Step::done) return out;
    if (step == Step::fault) return std::nullopt;
    found_.clear();
  }
  fail(Event::f_walk_eabt, place_);
  return std::nullopt;
}

}  // namespace iommucheck::device
