// SPDX-License-Identifier: MIT
// Map, unmap and detach of impl/pgtable/page_table.h, one step each from well-formed tables, by the
// specification's walk: while the step is stored each address is translated as before or as it is
// to be, whichever of the stores hardware sees; behind the caller's barrier as it is to be.
//
// All that the step decides by is tried: the level at which its way ends, what stands there, beside
// it and at the next place, the ends of tables, sizes and alignments about each page and block,
// room for what retires, and memory that ends. What entries may say beside that is random, and
// table-step proves for all words what storing one of them does to the others.
#include <algorithm>
#include <array>

#include "proofs/properties.h"
#include "proofs/table_state.h"

namespace iommucheck::proofs {
namespace {

constexpr std::array claims = {
    "asked: no more than that is done",
    "detach: tells what it took out",
    "end: each address is translated as asked for",
    "map: only where nothing is mapped",
    "map: stops only where something is mapped, or memory ends",
    "memory: only tables are looked at, and stored to",
    "outside: each address is translated as before",
    "stores: no valid entry over a valid one",
    "unmap: only what is mapped",
    "unmap: stops only at a hole, or a part of a block",
    "unmap: tells what it took away",
    "while: as before or as asked for, whatever of it is visible",
};
enum Claim : u8 {
  no_more,
  detach_tells,
  at_end,
  map_over,
  map_stop,
  memory_only,
  outside,
  stores,
  unmap_over,
  unmap_stop,
  unmap_tells,
  meanwhile,
};
using Wrong = std::array<bool, claims.size()>;

struct Operation {
  bool map;
  u64 iova, bytes, pa;
  bool room = true;  ///< for tables that retire
};

struct Outcome {
  u64 bytes = 0;
  impl::MapStop stop = impl::MapStop::done;
  impl::UnmapProgress unmapped;
  bool retired = false;
};

template <class Format>
class TableWriter {
 public:
  using State = TableState<Format>;
  using Walker = TableWalker<Format>;
  using Pages = typename State::Pages;

  TableWriter(const TableForm& form, Wrong& wrong)
      : form_(form), wrong_(wrong), start_(Walker::start(form)) {}

  void every_way() {
    for (const Place place : {Place::first, Place::across, Place::last}) {
      for (const bool alone : {false, true}) {
        for (unsigned level = start_; level <= last; ++level) {
          for (const WayEnd end : ends_at(level)) {
            for (const Beyond beyond : beyond_at(place)) {
              every_operation({place, level, end, alone, beyond});
            }
          }
        }
      }
    }
  }

 private:
  static constexpr unsigned last = Format::last_level;
  static constexpr u64 page_bytes = u64{1} << Walker::page;

  static std::vector<WayEnd> ends_at(unsigned level) {
    if (level == last) {
      return {WayEnd::empty, WayEnd::page, WayEnd::next_page, WayEnd::all_pages};
    }
    if (Walker::has_leaf(level)) return {WayEnd::zero, WayEnd::rubbish, WayEnd::leaf};
    return {WayEnd::zero, WayEnd::rubbish};
  }
  std::vector<Beyond> beyond_at(Place place) const {
    if (place != Place::across || start_ == last) return {Beyond::zero};
    if (Walker::has_leaf(start_)) return {Beyond::zero, Beyond::leaf, Beyond::empty, Beyond::page};
    return {Beyond::zero, Beyond::empty, Beyond::page};
  }

  void every_operation(const Way& way) {
    if (std::ranges::find(wrong_, true) != wrong_.end()) return;
    State state(memory_, form_, way);
    state_ = &state;
    rights_ = rights_of(state.walker().leaf(last, 0, true));
    for (unsigned level = start_; level <= last; ++level) {
      const u64 size = Walker::bytes(level);
      for (const u64 bytes : {size, 2 * size, size + page_bytes, size - page_bytes}) {
        const u64 aligned = state.place() & ~(size - 1);
        for (const u64 iova : {aligned, state.place()}) {
          if (iova == state.place() && iova == aligned && level != start_) continue;
          if (way.beyond != Beyond::zero && iova + bytes <= state.beyond()) continue;
          if (bytes != 0 && bytes <= state.end() - iova) sizes(iova, bytes);
        }
      }
    }
  }

  void sizes(u64 iova, u64 bytes) {
    // Of one level the output is a multiple and not of the level above.
    for (unsigned level = start_; level <= last; ++level) {
      if (!Walker::has_leaf(level)) continue;
      unsigned leaves = level;
      while (leaves != last && (iova & (Walker::bytes(leaves) - 1)) != 0) ++leaves;
      if (bytes / Walker::bytes(leaves) > entries + 1) continue;
      try_out({.map = true, .iova = iova, .bytes = bytes, .pa = far + Walker::bytes(level)});
    }
    for (const bool room : {true, false}) {
      try_out({.map = false, .iova = iova, .bytes = bytes, .pa = 0, .room = room});
    }
  }

  void try_out(const Operation& op) {
    memory_.memory_for.reset();
    memory_.on_barrier = nullptr;
    const Outcome outcome = perform(op);
    const u64 tables = memory_.allocations();
    memory_.undo();
    judge(op, outcome);
    for (u64 least = 0; least < tables; ++least) {
      memory_.memory_for = least;
      memory_.on_barrier = nullptr;
      const Outcome partial = perform(op);
      memory_.undo();
      judge(op, partial);
    }
  }

  Outcome perform(const Operation& op) {
    const TableDoor door{memory_};
    Pages pages = state_->pages;
    Outcome outcome;
    if (!op.map) {
      typename Pages::Retired retired;
      while (!op.room && !retired.full()) retired.push(0);
      outcome.unmapped = pages.unmap(door, op.iova, op.bytes, retired);
      outcome.bytes = outcome.unmapped.bytes;
      outcome.retired = op.room && !retired.empty();
      return outcome;
    }
    const u64 attributes = Walker::attributes(form_);
    for (unsigned detached = 0; detached != 4; ++detached) {
      const u64 at = outcome.bytes;
      const auto progress = pages.map(door, op.iova + at, op.pa + at, op.bytes - at, attributes);
      outcome.bytes += progress.bytes;
      outcome.stop = progress.stop;
      if (progress.stop != impl::MapStop::table_in_the_way) return outcome;
      const u64 done = outcome.bytes;
      judge_detached(op.iova + done,
                     pages.detach(door, op.iova + done, op.pa + done, op.bytes - done));
    }
    return outcome;
  }

  void judge_detached(u64 iova, const impl::Detached& told) {
    const auto* table = table_of(told.slot);
    const bool is_one = table != nullptr && told.level == table->level + 1;
    const u64 word = is_one ? memory_.before(told.slot) : 0;
    const u64 end = is_one ? iova + Walker::bytes(table->level) : 0;
    if (told.first != iova || told.end != end || told.table != Walker::next(word)) {
      wrong_[detach_tells] = true;
    }
  }

  /// Once more, looked at from outside; what comes of it is known.
  void judge(const Operation& op, const Outcome& outcome) {
    op_ = &op;
    outcome_ = &outcome;
    levels_ = 0;
    judge_stop(op, outcome);
    memory_.on_barrier = [&] { look(false); };
    perform(op);
    look(true);
    memory_.on_barrier = nullptr;
    memory_.barrier();
    if (!memory_.is_settled()) wrong_[at_end] = true;
    if (memory_.strayed()) wrong_[memory_only] = true;
    judge_stores(op, outcome);
    memory_.undo();
  }

  void judge_stop(const Operation& op, const Outcome& outcome) {
    if (outcome.bytes > op.bytes) wrong_[no_more] = true;
    const u64 at = op.iova + outcome.bytes;
    const bool whole = outcome.bytes == op.bytes;
    if (op.map) {
      const bool due = outcome.stop == impl::MapStop::no_memory ? memory_.memory_for.has_value()
                       : outcome.stop == impl::MapStop::exists  ? is_mapped(at, op.iova + op.bytes)
                                                                : whole;
      if (!due || (whole && outcome.stop != impl::MapStop::done)) wrong_[map_stop] = true;
      return;
    }
    if (whole) return;
    const Seen seen = before(at);
    if (seen.end == Seen::End::nothing) return;
    const u64 size = Walker::bytes(seen.level);
    const u64 first = at & ~(size - 1);
    if (first == at && first + size <= op.iova + op.bytes) wrong_[unmap_stop] = true;
  }

  void judge_stores(const Operation& op, const Outcome& outcome) {
    bool tables = false;
    for (const TableMemory::Store& one : memory_.stores()) {
      const auto* table = table_of(one.pa);
      if (table == nullptr) continue;
      const bool was = Walker::is_valid(one.was), is = Walker::is_valid(one.word);
      if (was && is && one.was != one.word) wrong_[stores] = true;
      tables |= Walker::is_table(table->level, one.was);
    }
    if (op.map) return;
    const impl::UnmapProgress& told = outcome.unmapped;
    if (told.leaf_levels != levels_ || told.tables_left != tables || outcome.retired != tables) {
      wrong_[unmap_tells] = true;
    }
  }

  /// Whether anything in [first, end) is.
  bool is_mapped(u64 first, u64 end) {
    for (u64 va = first; va < end;) {
      const Seen seen = before(va);
      if (seen.end != Seen::End::nothing) return true;
      va = (va | (Walker::bytes(seen.level) - 1)) + 1;
    }
    return false;
  }

  /// Of one word, whatever led there.
  u64 rights_of(u64 word) const {
    struct One {
      u64 word;
      std::optional<u64> read(u64 /*pa*/) const { return word; }
    } one{word};
    return state_->walker().walk(one, 0).rights;
  }

  Seen before(u64 va) {
    Before reader{memory_};
    return state_->walker().walk(reader, va);
  }

  const typename State::Table* table_of(u64 pa) const {
    for (const auto& table : state_->tables()) {
      if (pa >= table.pa && pa - table.pa < 8 * table.entries) return &table;
    }
    return nullptr;
  }

  /// Every address that may be translated otherwise than before, in what is stored now; and others.
  void look(bool is_end) {
    const u64 end = op_->iova + outcome_->bytes;
    for (const u64 va : {op_->iova, op_->iova - 1, end, end - 1}) look_at(va, is_end);
    for (const TableMemory::Store& one : memory_.stores()) {
      if (const auto* table = table_of(one.pa)) {
        const u64 n = (one.pa - table->pa) / 8;
        look_below(one.pa, table->level, table->va + n * Walker::bytes(table->level), is_end);
      }
    }
    for (u64 n = 0; n != 16; ++n) {
      others_ = others_ * 0x5851'f42d'4c95'7f2d + 1;
      look_at(others_ >> (64 - form_.input_bits), is_end);
    }
  }

  /// Both ends of each piece behind an entry, whatever it has been.
  void look_below(u64 slot, unsigned level, u64 va, bool is_end) {
    look_at(va + Walker::bytes(level) - 1, is_end);
    if (level == last) return;  // a page has one output
    look_at(va, is_end);
    const auto below = [&](u64 word) {
      if (!Walker::is_table(level, word) || !memory_.has(Walker::next(word))) return;
      look_in(Walker::next(word), level + 1, va, is_end);
    };
    below(memory_.before(slot));
    for (unsigned n = 0; const auto word = memory_.version(slot, n); ++n) below(*word);
  }

  /// Entries in a row that are invalid, and were, are one piece.
  void look_in(u64 table, unsigned level, u64 va, bool is_end) {
    const u64 size = Walker::bytes(level);
    bool quiet = false;
    for (u64 n = 0; n != entries; ++n) {
      const u64 slot = table + 8 * n;
      const bool none =
          !Walker::is_valid(memory_.now(slot)) && !Walker::is_valid(memory_.before(slot));
      const bool both = quiet && n + 1 != entries;
      quiet = none && memory_.is_settled(slot);
      if (!(quiet && both)) look_below(slot, level, va + n * size, is_end);
    }
  }

  void look_at(u64 va, bool is_end) {
    if (va >= state_->end()) return;
    const bool inside = va - op_->iova < outcome_->bytes;
    const Seen old = before(va);
    const Seen asked = inside ? asked_for(va) : old;
    if (inside && op_->map && old.end != Seen::End::nothing) wrong_[map_over] = true;
    if (inside && !op_->map) {
      if (old.end == Seen::End::nothing) wrong_[unmap_over] = true;
      levels_ |= impl::level_bit(old.level);
    }
    Mixture mixture(memory_);
    bool is_newest = true;
    do {
      const Seen seen = state_->walker().walk(mixture, va);
      if (seen != asked && !inside) wrong_[outside] = true;
      if (seen != asked && seen != old) wrong_[meanwhile] = true;
      if (seen != asked && is_newest && is_end) wrong_[at_end] = true;
      is_newest = false;
    } while (mixture.next());
  }

  Seen asked_for(u64 va) {
    if (!op_->map) return {};
    return {Seen::End::mapped, last, op_->pa + (va - op_->iova), rights_};
  }

  static constexpr u64 entries = u64{1} << Format::index_lg2(last);
  static constexpr u64 far = u64{1} << 46;

  TableForm form_;
  Wrong& wrong_;
  unsigned start_;
  TableMemory memory_{entries * 48};
  State* state_ = nullptr;
  u64 rights_ = 0;  ///< of what is mapped
  const Operation* op_ = nullptr;
  const Outcome* outcome_ = nullptr;
  impl::LevelSet levels_ = 0;  ///< of leaves that were where an unmap has been
  u64 others_ = 1;
};

// The last ones are tried first: a twin is refuted early.
constexpr auto stage1 = TableKind::stage1, stage2 = TableKind::stage2, two = TableKind::two;
constexpr TableForm forms[] = {
    {stage1, 16, 48}, {stage2, 16, 42}, {stage1, 16, 42}, {stage1, 16, 29}, {stage1, 16, 25},
    {stage1, 14, 48}, {stage1, 14, 47}, {stage1, 14, 36}, {stage2, 14, 36}, {stage1, 14, 25},
    {stage1, 12, 48}, {stage2, 12, 48}, {stage1, 12, 39}, {stage2, 12, 39}, {stage1, 12, 30},
    {two, 12, 48},    {two, 12, 39},    {stage2, 14, 48},  // two tables of level 1
    {stage1, 12, 25}, {stage2, 12, 30},
};

struct TableWriterProof {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W form = proof.variable("form");
    proof.assume(less(form, W(std::size(forms))));
    for (unsigned n = 0; n < std::size(forms); ++n) {
      if (!equal(form, W(n))) continue;
      Wrong wrong{};
      of(forms[n], wrong);
      for (unsigned c = 0; c < claims.size(); ++c) proof.claim(claims[c], Flag<W>(!wrong[c]));
      return;
    }
  }

  static void of(const TableForm& form, Wrong& wrong) {
    if (form.kind == two) return TableWriter<impl::two::Format>(form, wrong).every_way();
    if (form.page == 12) TableWriter<impl::Vmsav8Granule4k>(form, wrong).every_way();
    if (form.page == 14) TableWriter<impl::Vmsav8Granule16k>(form, wrong).every_way();
    if (form.page == 16) TableWriter<impl::Vmsav8Granule64k>(form, wrong).every_way();
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(table_writer)() {
  return make_property(
      "table-writer",
      "Map and unmap, a step from tables of each kind (enumerated): as before or as asked for.",
      {claims.begin(), claims.end()}, std::size(forms), TableWriterProof{});
}

}  // namespace iommucheck::proofs
