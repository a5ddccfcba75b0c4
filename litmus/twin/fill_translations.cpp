// SPDX-License-Identifier: MIT
// From regimes to pointers and final translations.
#include <algorithm>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fill_steps.h"

namespace iommucheck::litmus::twin {
namespace {

/// A pointer of unknown content leads here: every word of it is unknown.
constexpr u64 nowhere = ~u64{0} & ~u64{0xfff};

class Walker {
 public:
  Walker(const Facts& facts, State& state, const Regime& regime)
      : facts_(facts), state_(state), regime_(regime) {}

  /// Whether hardware may have changed a flag in memory, which is to be read again.
  bool fill() {
    read_table(regime_.ttb, start_level(regime_.t0sz), 0);
    // Also what pointers lead to that were filled long ago, and those that are being added.
    for (std::size_t i = 0; i < state_.items.size(); ++i) {
      const Item item = state_.items[i];
      if (!item.pointer || item.tag != regime_.tag) continue;
      read_table(item.unknown ? nowhere : item.out, item.level + 1, item.va);
    }
    return changed_;
  }

 private:
  void read_table(u64 table, unsigned level, u64 va) {
    const u64 page = align_down(table, 12);
    if (page == nowhere) {
      for (const u64 index : facts_.interest) {
        const u64 slot = va + (index << level_shift(level));
        if (in_range(regime_, slot)) add_unknown(level, slot);
      }
      return;
    }
    for (const u64 index : state_.memory.indices(page)) {
      const u64 slot = va + (index << level_shift(level));
      if (!in_range(regime_, slot)) continue;
      const u64 pa = page + index * 8;
      for (const Version& version : state_.memory.visible(pa)) read_word(version, pa, level, slot);
    }
  }

  void read_word(const Version& version, u64 pa, unsigned level, u64 slot) {
    if (!version.value.known) {
      state_.wild = true;
      add_unknown(level, slot);
      return;
    }
    const Decoded word = decode_descriptor(version.value.word, level, regime_.mair);
    if (word.kind == DescriptorKind::invalid) return;
    Item item;
    item.tag = regime_.tag;
    item.va = slot;
    item.bytes = pow2(level_shift(level));
    item.level = level;
    item.out = word.out;
    item.order = item.first_order = version.order;
    // The update comes back as a further version of the word when memory is read again.
    if (word.kind == DescriptorKind::table) {
      if (!word.af && regime_.haft) changed_ |= state_.memory.hardware_sets_af(pa);
      if (!word.af && regime_.haft) return;
      item.pointer = true;
      add(item);
      return;
    }
    if (!word.af && regime_.ha) changed_ |= state_.memory.hardware_sets_af(pa);
    if (!word.af && !regime_.ha) return;
    add_leaf(item, word, pa);
  }

  void add_leaf(Item item, const Decoded& word, u64 pa) {
    item.global = word.global && regime_.tag.world == World::el1;
    if (item.global) item.tag.asid = 0;
    item.aset = item.global && regime_.aset;
    const bool dirtyable = regime_.hd && word.dbm && !word.writable;
    item.rights = {word.writable, dirtyable, word.user, word.uxn, word.pxn};
    item.device = word.device;
    item.cont = word.cont;
    item.nt = word.nt;
    if (dirtyable) item.source = pa;
    add(item);
    if (!word.cont) return;
    // The hint lets any member serve the whole aligned group; each page of it by itself, since an
    // invalidation has to cover each.
    const u64 group = align_down(item.va, level_shift(item.level) + 4);
    const u64 output = align_down(item.out, level_shift(item.level) + 4);
    for (u64 i = 0; i < 16; ++i) {
      item.va = group + i * item.bytes;
      item.out = output + i * item.bytes;
      add(item);
    }
  }

  /// SEMANTICS 2, "Unknown content".
  void add_unknown(unsigned level, u64 slot) {
    Item item;
    item.unknown = true;
    item.tag = regime_.tag;
    item.va = slot;
    item.bytes = pow2(level_shift(level));
    item.level = level;
    add(item);
    if (level < 3) {
      item.pointer = true;
      add(item);
      item.pointer = false;
    }
    item.global = regime_.tag.world == World::el1;
    if (item.global) {
      item.tag.asid = 0;
      item.aset = regime_.aset;
      add(item);
    }
  }

  void add(Item item) {
    item.apart = regime_.aset;
    item.vmw = state_.vmw;
    item.tbi = regime_.tbi0;
    item.e0pd = regime_.e0pd0;
    for (Item& other : state_.items) {
      if (other.identity() != item.identity()) continue;
      other.order = std::max(other.order, item.order);
      other.first_order = std::min(other.first_order, item.first_order);
      return;
    }
    state_.items.push_back(item);
  }

  const Facts& facts_;
  State& state_;
  const Regime& regime_;
  bool changed_ = false;
};

}  // namespace

void fill_translations(const Facts& facts, State& state) {
  // A pointer that one regime finds serves every other regime under its tag.
  for (bool again = true; again;) {
    const std::size_t before = state.items.size();
    again = false;
    for (const Formed& formed : state.formed) {
      if (!formed.regime.epd0) again |= Walker(facts, state, formed.regime).fill();
    }
    again |= before != state.items.size();
  }
}

void fill(const Facts& facts, State& state) {
  state.formed.clear();
  state.broken_tags.clear();
  if (!state.may_translate) return;
  fill_configuration(facts, state);
  fill_translations(facts, state);
  fill_atcs(facts, state);
}

}  // namespace iommucheck::litmus::twin
