// SPDX-License-Identifier: MIT
// From regimes to pointers and final translations: of each stage, and of both.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fill_steps.h"

namespace iommucheck::litmus::twin {
namespace {

/// A pointer of unknown content leads here: every word of it is unknown.
constexpr u64 nowhere = ~u64{0} & ~u64{0xfff};
/// Of a guest's table only so much is used: it begins at the base of the page that maps it.
constexpr u64 guest_table_bytes = 4096;

/// The items of a state while more are added to them.
class Items {
 public:
  explicit Items(State& state) : items_(state.items) {
    for (std::size_t i = 0; i < items_.size(); ++i) by_va_.emplace(items_[i].va, i);
  }

  void add(Item item) {
    if (item.stage != Stage::both) {
      item.span_va = item.va;
      item.span_bytes = item.bytes;
    }
    const auto [first, behind] = by_va_.equal_range(item.va);
    for (auto at = first; at != behind; ++at) {
      Item& other = items_[at->second];
      if (other.identity() != item.identity()) continue;
      other.order = std::max(other.order, item.order);
      other.first_order = std::min(other.first_order, item.first_order);
      other.ha |= item.ha;
      other.hd |= item.hd;
      other.haft |= item.haft;
      std::erase_if(other.marked, [&](u64 pa) { return !item.marked.contains(pa); });
      return;
    }
    by_va_.emplace(item.va, items_.size());
    items_.push_back(std::move(item));
  }

 private:
  std::vector<Item>& items_;
  std::unordered_multimap<u64, std::size_t> by_va_;
};

/// Where in memory a table is, and the flags that hardware has set in the descriptors of stage 2
/// that say so.
struct TablePlace {
  u64 pa = 0;
  std::set<u64> marked{};
  friend bool operator==(const TablePlace&, const TablePlace&) = default;
};

/// Reads the tables of one tree; what a descriptor means is its stage's.
class Walker {
 public:
  Walker(const Facts& facts, State& state, Items& items, const Tree& tree)
      : facts_(facts), state_(state), items_(items), tree_(tree) {}
  virtual ~Walker() = default;
  Walker(const Walker&) = delete;
  Walker& operator=(const Walker&) = delete;

  /// Whether hardware may have changed a flag in memory, which is to be read again.
  bool fill(u64 first_address) {
    for (const TablePlace& root : places(tree_.root)) {
      read_table(root.pa, tree_.start, first_address, root.marked);
    }
    // Also what pointers lead to that were filled long ago, and those that are being added.
    for (std::size_t i = 0; i < state_.items.size(); ++i) {
      const Item item = state_.items[i];
      if (!item.pointer || item.granule != tree_.granule || !is_own(item)) continue;
      read_table(item.unknown ? nowhere : item.out, item.level + 1, item.va, item.marked);
    }
    return changed_;
  }

 protected:
  /// A DMA that is done has marked it: whoever reads it now has it writable, and asks no more.
  bool is_dirty_now(u64 pa) const { return state_.marks.contains({pa, true}); }
  /// A pointer that was filled through such a regime.
  virtual bool is_own(const Item& item) const = 0;
  virtual bool takes(u64 address) const = 0;
  /// Where in memory the table is that this address names.
  virtual std::vector<TablePlace> places(u64 address) const = 0;
  virtual bool has_short_tables() const { return false; }
  virtual Decoded decode(u64 word, unsigned level) const = 0;
  virtual bool sets_af_of_tables() const = 0;
  virtual bool sets_af_of_leaves() const = 0;
  virtual bool marks_dirty() const = 0;
  /// Hardware may write to that word.
  virtual bool may_write(u64 pa) const = 0;
  /// By which descriptors of stage 2 it does.
  virtual void note_writers(u64 /*pa*/) {}
  virtual Item own() const = 0;
  virtual void add_leaf(Item item, const Decoded& word, u64 pa) = 0;
  virtual bool has_globals() const = 0;

  const Facts& facts_;
  State& state_;
  Items& items_;
  const Tree tree_;

  void add_group(Item item, const Decoded& word) {
    items_.add(item);
    if (!word.cont) return;
    // The hint lets any member serve the whole aligned group; each page of it by itself, since an
    // invalidation has to cover each.
    const u64 count = tree_.group(item.level);
    const u64 group = item.va & ~(item.bytes * count - 1);
    const u64 output = item.out & ~(item.bytes * count - 1);
    for (u64 i = 0; i < count; ++i) {
      item.va = group + i * item.bytes;
      item.out = output + i * item.bytes;
      items_.add(item);
    }
  }

 private:
  void read_table(u64 table, unsigned level, u64 address, const std::set<u64>& marked) {
    const u64 first = align_down(table, 12);
    if (first == nowhere) {
      for (const u64 index : facts_.interest) {
        const u64 slot = address + (index << tree_.shift(level));
        if (takes(slot)) add_unknown(level, slot);
      }
      return;
    }
    const u64 bytes = has_short_tables() ? guest_table_bytes : tree_.table_bytes(level);
    for (u64 page = first; page < first + bytes; page += 4096) {
      for (const u64 in_page : state_.memory.indices(page)) {
        const u64 index = (page - first) / 8 + in_page;
        if (index * 8 >= bytes) break;
        const u64 slot = address + (index << tree_.shift(level));
        if (!takes(slot)) continue;
        const u64 pa = page + in_page * 8;
        for (const Version& version : state_.memory.visible(pa)) {
          read_word(version, pa, level, slot, marked);
        }
      }
    }
  }

  void read_word(const Version& version, u64 pa, unsigned level, u64 slot,
                 const std::set<u64>& marked) {
    if (!version.value.known) {
      state_.wild = true;
      add_unknown(level, slot);
      return;
    }
    const Decoded word = decode(version.value.word, level);
    if (word.kind == DescriptorKind::invalid) return;
    Item item = item_of(level, slot);
    item.out = word.out;
    item.order = item.first_order = version.order;
    item.marked = marked;
    if (version.by_hardware) item.marked.insert(pa);
    // The update comes back as a further version of the word when memory is read again.
    const bool table = word.kind == DescriptorKind::table;
    const bool sets = table ? sets_af_of_tables() : sets_af_of_leaves();
    if (!word.af && sets && may_write(pa)) {
      note_writers(pa);
      changed_ |= state_.memory.hardware_sets_af(pa);
    }
    if (!word.af && (!table || sets)) return;
    if (!table) {
      if (word.cont) compare_group(pa, level);
      add_leaf(item, word, pa);
      return;
    }
    item.pointer = true;
    for (const TablePlace& place : places(word.out)) {
      Item its = item;
      its.out = place.pa;
      its.marked.insert(place.marked.begin(), place.marked.end());
      items_.add(std::move(its));
    }
  }

  /// Members of a group that are valid agree in all but the output that follows from their place,
  /// and in what hardware marks in one alone: AF (bit 10), and where it manages dirty state the
  /// right to write (bit 7) of what has DBM (bit 51). SEMANTICS 2; R_LCGVS.
  void compare_group(u64 pa, unsigned level) {
    const u64 bytes = tree_.group(level) * 8, first = pa & ~(bytes - 1);
    std::optional<u64> seen;
    for (u64 member = first; member < first + bytes; member += 8) {
      const Value value = state_.memory.newest(member);
      if (!value.known || !bit(value.word, 0) || !bit(value.word, 52)) continue;
      const u64 word = value.word - ((member - first) / 8 << tree_.shift(level));
      const u64 marks = u64{1} << 10 | (marks_dirty() && bit(word, 51) ? u64{1} << 7 : 0);
      const u64 its = word & ~marks;
      state_.group_differs |= seen && *seen != its;
      seen = its;
    }
  }

  Item item_of(unsigned level, u64 slot) const {
    Item item = own();
    item.va = slot;
    item.bytes = pow2(tree_.shift(level));
    item.level = level;
    item.granule = tree_.granule;
    return item;
  }

  /// SEMANTICS 2, "Unknown content".
  void add_unknown(unsigned level, u64 slot) {
    Item item = item_of(level, slot);
    item.unknown = true;
    items_.add(item);
    if (level < 3) {
      item.pointer = true;
      items_.add(item);
      item.pointer = false;
    }
    item.global = has_globals();
    if (!item.global) return;
    item.tag.asid = 0;
    item.aset = item.apart;
    items_.add(item);
  }

  bool changed_ = false;
};

/// By final translations of stage 2 that live: where in memory an IPA is.
std::vector<TablePlace> places_of(const State& state, u16 vmid, u64 ipa) {
  std::vector<TablePlace> places;
  for (const Item& item : state.items) {
    if (item.stage != Stage::two || item.pointer || item.tag.vmid != vmid) continue;
    if (!item.contains(ipa) || !item.rights2.readable) continue;
    const TablePlace place{item.unknown ? nowhere : item.out + (ipa - item.va), item.marked};
    if (std::ranges::find(places, place) == places.end()) places.push_back(place);
  }
  return places;
}

/// Leaves of stage 2 that live, lead there and permit a write.
std::vector<const Item*> pages_to_write(const State& state, u16 vmid, u64 pa) {
  std::vector<const Item*> pages;
  for (const Item& item : state.items) {
    const bool leaf = item.stage == Stage::two && !item.pointer && !item.unknown;
    if (!leaf || item.tag.vmid != vmid || pa - item.out >= item.bytes) continue;
    if (permits(item.rights2, {Kind::Type::write, false})) pages.push_back(&item);
  }
  return pages;
}

class Stage2Walker final : public Walker {
 public:
  Stage2Walker(const Facts& facts, State& state, Items& items, const Stage2& stage2)
      : Walker(facts, state, items, stage2.tree), stage2_(stage2) {}

 private:
  bool is_own(const Item& item) const override {
    return item.stage == Stage::two && item.tag.vmid == stage2_.vmid;
  }
  bool takes(u64 address) const override { return in_range(stage2_, address); }
  std::vector<TablePlace> places(u64 address) const override { return {{address}}; }
  Decoded decode(u64 word, unsigned level) const override {
    return decode_stage2(word, level, tree_);
  }
  bool sets_af_of_tables() const override { return stage2_.haft; }
  bool sets_af_of_leaves() const override { return stage2_.ha; }
  bool marks_dirty() const override { return stage2_.hd; }
  bool may_write(u64 /*pa*/) const override { return true; }
  bool has_globals() const override { return false; }
  Item own() const override {
    Item item;
    item.stage = Stage::two;
    item.tag = {World::el1, stage2_.vmid, 0};
    item.vmw = state_.vmw;
    item.ha = stage2_.ha;
    item.hd = stage2_.hd;
    item.haft = stage2_.haft;
    return item;
  }
  void add_leaf(Item item, const Decoded& word, u64 pa) override {
    const bool dirtyable = stage2_.hd && word.dbm && !word.writable;
    item.rights2 = {word.readable, word.writable, dirtyable, word.uxn};
    item.device = word.device;
    item.cont = word.cont;
    item.nt = word.nt;
    if (word.dbm && !word.writable && is_dirty_now(pa)) {
      Item dirty = item;
      dirty.rights2 = {word.readable, true, false, word.uxn};
      add_group(dirty, word);
    }
    if (dirtyable) item.source2 = pa;
    add_group(item, word);
  }

  const Stage2 stage2_;
};

class Stage1Walker final : public Walker {
 public:
  Stage1Walker(const Facts& facts, State& state, Items& items, const Formed& formed, unsigned half)
      : Walker(facts, state, items, formed.regime.half[half].tree),
        regime_(formed.regime),
        half_(half),
        through_(formed.through) {}

 private:
  const Half& its() const { return regime_.half[half_]; }
  bool is_own(const Item& item) const override {
    const Tag& its = item.tag;
    const bool other_el2 = is_el2(its.world) && is_el2(regime_.tag.world) &&
                           its.world != regime_.tag.world;  // see Item::matches()
    return item.stage == Stage::one && (its == regime_.tag || other_el2) &&
           half_of(item.va) == half_ && item.nested == through_.has_value();
  }
  bool takes(u64 address) const override {
    return half_of(address) == half_ && in_range(its(), address);
  }
  std::vector<TablePlace> places(u64 address) const override {
    if (!through_) return {{address}};
    return places_of(state_, through_->vmid, address);
  }
  bool has_short_tables() const override { return through_.has_value(); }
  Decoded decode(u64 word, unsigned level) const override {
    return decode_descriptor(word, level, tree_, regime_.mair);
  }
  bool sets_af_of_tables() const override { return regime_.haft; }
  bool sets_af_of_leaves() const override { return regime_.ha; }
  bool marks_dirty() const override { return regime_.hd; }
  /// A flag of a guest's descriptor is written through stage 2.
  bool may_write(u64 pa) const override {
    if (!through_) return true;
    return page_to_write(state_, through_->vmid, pa) != nullptr;
  }
  void note_writers(u64 pa) override {
    if (!through_) return;
    for (const Item* page : pages_to_write(state_, through_->vmid, pa)) {
      const bool dirties = !page->rights2.writable;
      state_.af_written_by[pa].insert(dirties ? page->source2 : State::no_descriptor);
    }
  }
  bool has_globals() const override { return has_asids(regime_.tag.world); }
  Item own() const override {
    Item item;
    item.nested = through_.has_value();
    item.tag = regime_.tag;
    item.apart = regime_.aset;
    item.vmw = state_.vmw;
    item.tbi = its().tbi;
    item.e0pd = its().e0pd;
    item.ha = regime_.ha;
    item.hd = regime_.hd;
    item.haft = regime_.haft;
    return item;
  }
  void add_leaf(Item item, const Decoded& word, u64 pa) override {
    item.global = word.global && has_globals();
    if (item.global) item.tag.asid = 0;
    item.aset = item.global && regime_.aset;
    const bool dirtyable = regime_.hd && word.dbm && !word.writable;
    item.rights = {word.writable, dirtyable, word.user, word.uxn, word.pxn};
    item.device = word.device;
    item.cont = word.cont;
    item.nt = word.nt;
    if (word.dbm && !word.writable && is_dirty_now(pa)) {
      Item dirty = item;
      dirty.rights = {true, false, word.user, word.uxn, word.pxn};
      add_group(dirty, word);
    }
    if (dirtyable) item.source = pa;
    add_group(item, word);
  }

  const Regime regime_;
  const unsigned half_;
  const std::optional<Stage2> through_;
};

/// Final translations of both stages, from those of each that live.
void combine(State& state, Items& all, const Formed& formed) {
  const std::vector<Item> items = state.items;
  for (const Item& first : items) {
    if (!first.leads_to_ipa() || !first.matches(formed.regime, true)) continue;
    for (const Item& second : items) {
      const bool leaf = second.stage == Stage::two && !second.pointer;
      if (!leaf || second.tag.vmid != formed.through->vmid) continue;
      Item both = first;
      both.stage = Stage::both;
      both.span_va = first.va;
      both.span_bytes = first.bytes;
      both.unknown = first.unknown || second.unknown;
      if (!first.unknown) {
        const u64 ipa = std::max(first.out, second.va);
        const u64 end = std::min(first.out + first.bytes, second.va + second.bytes);
        if (ipa >= end) continue;
        both.va = first.va + (ipa - first.out);
        both.bytes = end - ipa;
        both.out = second.unknown ? 0 : second.out + (ipa - second.va);
      }
      both.rights2 = second.rights2;
      both.device |= second.device;
      both.source2 = second.source2;
      // Whether it is global is what stage 1 says: the order of its stores counts.
      both.marked.insert(second.marked.begin(), second.marked.end());
      all.add(both);
    }
  }
}

}  // namespace

void fill_translations(const Facts& facts, State& state) {
  Items items(state);
  // A pointer that one regime finds serves every other regime under its tag.
  for (bool again = true; again;) {
    const std::size_t before = state.items.size();
    again = false;
    for (const Formed2& formed : state.formed2) {
      again |= Stage2Walker(facts, state, items, formed.stage2).fill(0);
    }
    for (const Formed& formed : state.formed) {
      for (unsigned half = 0; half < 2; ++half) {
        const Half& its = formed.regime.half[half];
        if (its.disabled) continue;
        const u64 first = half == 0 ? 0 : ~mask(its.tree.input - 1, 0);
        again |= Stage1Walker(facts, state, items, formed, half).fill(first);
      }
      const bool combines = !facts.layout.lacks.contains(Lack::combined_entries);
      if (formed.through && combines) combine(state, items, formed);
    }
    again |= before != state.items.size();
  }
}

const Item* page_to_write(const State& state, u16 vmid, u64 pa) {
  const Item* found = nullptr;
  for (const Item* page : pages_to_write(state, vmid, pa)) {
    if (found == nullptr || page->rights2.writable) found = page;
  }
  return found;
}

namespace {

/// With S2HD a stage 2 leaf by which a table of stage 1 is read may become dirty, whether stage 1
/// updates flags or not. IHI 0070 3.13.4.
void dirty_tables_speculatively(State& state) {
  for (const Item& page : state.items) {
    const bool clean = page.stage == Stage::two && !page.pointer && page.rights2.dirtyable;
    if (!clean) continue;
    for (const Formed& formed : state.formed) {
      if (!formed.through || formed.through->vmid != page.tag.vmid) continue;
      for (const Half& half : formed.regime.half) {
        if (!half.disabled && page.contains(half.tree.root)) {
          state.may_be_dirty.insert(page.source2);
        }
      }
    }
    for (const Item& pointer : state.items) {
      const bool its = pointer.nested && pointer.pointer && !pointer.unknown &&
                       pointer.tag.vmid == page.tag.vmid;
      if (its && pointer.out - page.out < page.bytes) state.may_be_dirty.insert(page.source2);
    }
  }
}

/// What a cache that is not there held since the last moment.
void drop_what_is_lacking(const Facts& facts, State& state) {
  const auto lacks = [&](Lack what) { return facts.layout.lacks.contains(what); };
  if (lacks(Lack::config_cache)) {
    state.structures.clear();
    state.old_atschk.clear();
    state.old_e2h.clear();
  }
  std::erase_if(state.items, [&](const Item& item) {
    return lacks(item.pointer ? Lack::walk_cache : Lack::tlb);
  });
}

}  // namespace

void fill(const Facts& facts, State& state) {
  drop_what_is_lacking(facts, state);
  state.formed.clear();
  state.formed2.clear();
  state.broken_tags.clear();
  state.broken_vmids.clear();
  if (!state.may_translate) return;
  // A CD under stage 2 is found by translations, which other CDs do not wait for.
  for (std::size_t before = state.structures.size() + 1; before != state.structures.size();) {
    before = state.structures.size();
    fill_configuration(facts, state);
    fill_translations(facts, state);
    if (state.formed2.empty()) break;
  }
  dirty_tables_speculatively(state);
  fill_atcs(facts, state);
}

}  // namespace iommucheck::litmus::twin
