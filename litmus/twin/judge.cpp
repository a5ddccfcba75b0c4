// SPDX-License-Identifier: MIT
#include "litmus/twin/judge.h"

#include <algorithm>
#include <iterator>

#include "base/bits.h"
#include "litmus/twin/fill.h"

namespace iommucheck::litmus::twin {
namespace {

bool overlap(const Item& a, const Item& b) {
  return a.va < b.va + b.bytes && b.va < a.va + a.bytes;
}

/// Two final translations that the TLB must not hold together (SEMANTICS 4, break-before-make).
bool leaves_conflict(const Item& a, const Item& b, unsigned bbml) {
  if (!overlap(a, b)) return false;
  const u64 va = std::max(a.va, b.va);
  if (a.global && b.global && a.aset != b.aset) return false;
  if (a.out + (va - a.va) != b.out + (va - b.va)) return true;
  if (a.device != b.device) return true;
  // With BBML 1 a size may change where one of the two has nT.
  const bool sizes_differ = a.level != b.level || a.granule != b.granule;
  if (sizes_differ && (bbml == 0 || (bbml == 1 && !a.nt && !b.nt))) return true;
  if (a.cont != b.cont && bbml == 0) return true;
  // A new global entry over non-global ones; the other way round is free.
  // Between the regimes of EL2 nG means nothing.
  if (a.tag.world != b.tag.world) return false;
  return a.global != b.global && (a.global ? a.order >= b.first_order : b.order >= a.first_order);
}

/// A pointer from a table of the leaf's level or a deeper one, inside the extent of the leaf.
bool leaf_and_pointer_conflict(const Item& leaf, const Item& pointer, unsigned bbml) {
  if (bbml == 2 || (bbml == 1 && leaf.nt)) return false;
  return pointer.level >= leaf.level && overlap(leaf, pointer);
}

bool conflict(const Item& a, const Item& b, unsigned bbml) {
  if (a.unknown || b.unknown || (a.pointer && b.pointer)) return false;
  // An IPA and a PA cannot differ; a combined entry ends in a PA as one of stage 1 alone does.
  if (!a.pointer && !b.pointer && a.leads_to_ipa() != b.leads_to_ipa()) return false;
  if (a.pointer) return leaf_and_pointer_conflict(b, a, bbml);
  if (b.pointer) return leaf_and_pointer_conflict(a, b, bbml);
  return leaves_conflict(a, b, bbml);
}

std::vector<Item> matching(const State& state, const Formed& by) {
  std::vector<Item> items;
  for (const Item& item : state.items) {
    if (item.matches(by.regime, by.through.has_value())) items.push_back(item);
  }
  return items;
}

std::vector<Item> matching(const State& state, u16 vmid) {
  std::vector<Item> items;
  for (const Item& item : state.items) {
    if (item.stage == Stage::two && item.tag.vmid == vmid) items.push_back(item);
  }
  return items;
}

bool any_conflict(const std::vector<Item>& items, const Layout& layout) {
  if (layout.lacks.contains(Lack::tlb)) return false;
  const bool walks = !layout.lacks.contains(Lack::walk_cache);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = i + 1; j < items.size(); ++j) {
      if (!walks && (items[i].pointer || items[j].pointer)) continue;
      if (conflict(items[i], items[j], layout.bbml)) return true;
    }
  }
  return false;
}

bool is_released(const State& state, const Item& item) {
  if (item.pointer || item.unknown || item.leads_to_ipa()) return false;
  return std::any_of(state.released.begin(), state.released.end(), [&item](const Extent& extent) {
    return item.out < extent.pa + extent.bytes && extent.pa < item.out + item.bytes;
  });
}

/// Whether an access leads to what a leaf of stage 2 translates: the device's own addresses do, or
/// those of CDs, tables and leaves of stage 1, or what an ATC has. Combined entries, which there
/// are wherever both stages have something, count for themselves.
bool is_led_to(const State& state, const Formed2& formed, const Item& leaf) {
  if (formed.alone) return true;
  const u16 vmid = formed.stage2.vmid;
  const auto meets = [&leaf](u64 ipa, u64 bytes) {
    return ipa < leaf.va + leaf.bytes && leaf.va < ipa + bytes;
  };
  if (meets(formed.cds, u64{64} << formed.cdmax)) return true;
  const bool by_root = std::ranges::any_of(state.formed, [&](const Formed& its) {
    if (!its.through || its.through->vmid != vmid) return false;
    return std::ranges::any_of(its.regime.half, [&](const Half& half) {
      return !half.disabled && meets(half.tree.root, 1);
    });
  });
  const bool by_item = std::ranges::any_of(state.items, [&](const Item& item) {
    if (item.stage != Stage::one || !item.nested || item.tag.vmid != vmid) return false;
    if (item.pointer) return item.out >= leaf.out && item.out - leaf.out < leaf.bytes;
    return item.unknown || meets(item.out, item.bytes);
  });
  const bool by_atc = std::ranges::any_of(state.atc, [&](const AtcEntry& entry) {
    return entry.ipa && (entry.unknown || entry.bytes == 0 || meets(entry.out, entry.bytes));
  });
  return by_root || by_item || by_atc;
}

bool is_unknown(const State& state, u16 vmid) {
  return state.broken_vmids.contains(vmid) || state.reset_unknown.vmids.contains(vmid) ||
         state.wild_unknown.vmids.contains(vmid);
}

bool is_writable_clean(const Version& version, const Decoded& word) {
  return version.value.known && word.kind == DescriptorKind::leaf && word.dbm && !word.writable;
}

/// A DMA of another regime has made the word dirty, which a walk that manages no dirty state may
/// read already.
bool is_dirty_by_another(const State& state, const Decoded& word, u64 pa, bool hd) {
  return !hd && word.dbm && !word.writable && state.marks.contains({pa, true});
}
Decoded as_dirty(Decoded word) {
  word.writable = true;
  return word;
}

void add_marks(std::set<Mark>& to, const Item& item) {
  for (const u64 pa : item.marked) to.insert({pa, false});
}

// ---- stage 2 ------------------------------------------------------------------------------------

/// What an IPA is, by one way: memory, or a fault.
struct Mapped {
  std::string fault;  ///< or "any"; empty: there is memory
  u64 pa = 0;
  Rights2 rights{};
  bool device = false;
  bool cached = false;  ///< by an entry
  Item entry{};         ///< that one
  u64 descriptor = 0;   ///< else where the leaf was read
  std::vector<Item> used{};
  std::set<Mark> marks{};
};

class Stage2Look {
 public:
  Stage2Look(const Facts& facts, const State& state, const Stage2& stage2, u64 ipa)
      : facts_(facts), state_(state), stage2_(stage2), ipa_(ipa) {}

  std::vector<Mapped> run() {
    if (is_unknown(state_, stage2_.vmid)) return {Mapped{.fault = "any"}};
    // What the STE says of the address; an entry that was filled through another may say otherwise.
    const bool refused = !in_range(stage2_, ipa_);
    if (refused) add({.fault = "F_TRANSLATION"});
    std::vector<Item> here;
    for (const Item& item : matching(state_, stage2_.vmid)) {
      if (item.contains(ipa_)) here.push_back(item);
    }
    if (any_conflict(here, facts_.layout)) add({.fault = "any", .used = here});
    for (const Item& item : here) {
      if (!item.pointer) hit(item);
    }
    if (refused) return std::move(found_);
    walk(stage2_.tree.root, stage2_.tree.start, {}, {});
    for (const Item& item : here) {
      if (!item.pointer || item.granule != stage2_.tree.granule) continue;
      std::set<Mark> marks;
      add_marks(marks, item);
      if (item.unknown)
        add({.fault = "any", .used = {item}});
      else
        walk(item.out, item.level + 1, {item}, marks);
    }
    return std::move(found_);
  }

 private:
  void add(Mapped mapped) { found_.push_back(std::move(mapped)); }

  void hit(const Item& item) {
    if (item.unknown) {
      add({.fault = "any", .used = {item}});
      return;
    }
    Mapped mapped;
    mapped.pa = item.out + (ipa_ - item.va);
    mapped.rights = item.rights2;
    mapped.device = item.device;
    mapped.cached = true;
    mapped.entry = item;
    mapped.used = {item};
    add_marks(mapped.marks, item);
    add(std::move(mapped));
  }

  Item as_item(bool pointer, unsigned level) const {
    Item item;
    item.stage = Stage::two;
    item.pointer = pointer;
    item.tag = {World::el1, stage2_.vmid, 0};
    item.va = item.span_va = align_down(ipa_, stage2_.tree.shift(level));
    item.bytes = item.span_bytes = pow2(stage2_.tree.shift(level));
    item.level = level;
    item.granule = stage2_.tree.granule;
    return item;
  }

  void walk(u64 table, unsigned level, const std::vector<Item>& used, std::set<Mark> marks) {
    const Tree& tree = stage2_.tree;
    const u64 pa = align_down(table, 12) + tree.index(ipa_, level) * 8;
    for (const Version& version : state_.memory.visible(pa)) {
      if (!version.value.known) {
        add({.fault = "any", .used = used});
        continue;
      }
      const Decoded word = decode_stage2(version.value.word, level, tree);
      const bool table_word = word.kind == DescriptorKind::table;
      const bool sets = table_word ? stage2_.haft : stage2_.ha;
      std::set<Mark> more_marks = marks;
      if ((!word.af && sets) || version.by_hardware) more_marks.insert({pa, false});
      std::vector<Item> more = used;
      more.push_back(as_item(table_word, level));
      if (word.kind == DescriptorKind::invalid) {
        add({.fault = "F_TRANSLATION", .used = used});
      } else if (table_word) {
        walk(word.out, level + 1, more, more_marks);
      } else if (!word.af && !sets) {
        add({.fault = "F_ACCESS", .used = more});
      } else {
        Mapped mapped;
        mapped.pa = word.out + (ipa_ & mask(tree.shift(level) - 1, 0));
        const bool dirtyable = stage2_.hd && word.dbm && !word.writable;
        mapped.rights = {word.readable, word.writable, dirtyable, word.uxn};
        mapped.device = word.device;
        mapped.descriptor = pa;
        mapped.used = more;
        mapped.marks = more_marks;
        if (is_dirty_by_another(state_, word, pa, stage2_.hd)) {
          Mapped dirty = mapped;
          dirty.rights.writable = true;
          add(std::move(dirty));
        }
        add(std::move(mapped));
      }
    }
  }

  const Facts& facts_;
  const State& state_;
  const Stage2& stage2_;
  const u64 ipa_;
  std::vector<Mapped> found_;
};

/// A write through it marks its descriptor dirty. False: the entry is not that of memory any more,
/// and the walk starts again, which is looked at anyway.
bool marks_dirty(const State& state, const Mapped& mapped, std::set<Mark>& marks) {
  if (mapped.rights.writable) return true;
  if (mapped.cached && !dirty_again(state, {}, mapped.entry).stage2) return false;
  marks.insert({mapped.cached ? mapped.entry.source2 : mapped.descriptor, true});
  return true;
}

// ---- transactions -------------------------------------------------------------------------------

/// What both kinds of translation say of their end.
class Endings {
 public:
  Endings(const Facts& facts, const State& state, const Transaction& by, std::vector<Outcome>& out)
      : facts_(facts), state_(state), ats_(by.ats), out_(out) {}

 protected:
  void emit(std::string text, std::vector<Item> used, std::optional<u64> pa = std::nullopt,
            std::set<Mark> marks = {}) {
    // A request that faults is not granted; one for write marks the page dirty, and what it gives
    // is used again.
    if (ats_ && !pa && text != "any") text = "denied";
    constexpr std::string_view dirty = "!dirty";
    if (ats_ && text.ends_with(dirty)) {
      out_.push_back({text.substr(0, text.size() - dirty.size()), pa, {}, used, marks});
    }
    out_.push_back({std::move(text), pa, {}, std::move(used), std::move(marks)});
  }

  /// A fault of translation waits for an answer where its stage says so. IHI 0070 3.12.
  void fault(std::string text, bool stalls, std::vector<Item> used) {
    if (stalls && text != "any") text += "!stall";
    emit(std::move(text), std::move(used));
  }

  /// Memory is reached; `marks` that make something dirty say so. What a DMA that is done has
  /// marked is dirty already: nothing is left to write, whatever software can read of it yet.
  void reach(u64 pa, bool device, std::vector<Item> used, std::set<Mark> marks) {
    const auto dirties = [&](const Mark& mark) {
      return mark.dirty && !state_.marks.contains(mark);
    };
    const bool dirty = std::ranges::any_of(marks, dirties);
    emit(facts_.layout.name_of(pa, device) + (dirty ? "!dirty" : ""), std::move(used), pa,
         std::move(marks));
  }

  const Facts& facts_;
  const State& state_;
  const bool ats_;
  std::vector<Outcome>& out_;
};

std::vector<Item> joined(std::vector<Item> a, const std::vector<Item>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// By stage 2 alone: no stage 1, or one that lets the access by (S1DSS).
class IntermediateAccess : public Endings {
 public:
  IntermediateAccess(const Facts& facts, const State& state, const Ste& ste, const Transaction& by,
                     std::vector<Outcome>& out)
      : Endings(facts, state, by, out),
        stage2_(ste.stage2),
        stalls_(ste.s2s),
        ipa_(by.va),
        kind_(overridden(ste, by.kind)) {}

  void run() {
    constexpr unsigned input_bits =
        48;  // IAS; beyond it a stage 1 that lets by faults (IHI 0070 3.4)
    if (ipa_ >> input_bits != 0) {
      emit("F_ADDR_SIZE", {});
      return;
    }
    for (const Mapped& mapped : Stage2Look(facts_, state_, stage2_, ipa_).run()) {
      std::set<Mark> marks = mapped.marks;
      if (!mapped.fault.empty()) {
        fault(mapped.fault, stalls_, mapped.used);
      } else if (!permits(mapped.rights, kind_)) {
        fault("F_PERMISSION", stalls_, mapped.used);
      } else if (kind_.type != Kind::Type::write || marks_dirty(state_, mapped, marks)) {
        reach(mapped.pa, mapped.device, mapped.used, marks);
      }
    }
  }

 private:
  const Stage2& stage2_;
  const bool stalls_;
  const u64 ipa_;
  const Kind kind_;
};

/// One transaction under one regime of stage 1, and what stage 2 is behind it.
class Translation : public Endings {
 public:
  Translation(const Facts& facts, const State& state, const Ste& ste, const Cd& cd,
              const Transaction& by, std::vector<Outcome>& out)
      : Endings(facts, state, by, out),
        formed_{cd.regime, 0, {}},
        regime_(formed_.regime),
        half_(regime_.half[half_of(by.va)]),
        asked_(by.va),
        va_(untagged(by.va)),
        kind_(overridden(ste, by.kind)),
        stalls_(cd.stalls),
        stage2_stalls_(ste.s2s),
        split_(by.ats && ste.eats == 2),
        reads_too_(by.ats && by.kind.type == Kind::Type::execute && ste.instcfg < 2) {
    if (ste.config == Ste::Config::nest) formed_.through = ste.stage2;
  }

  void run() {
    const auto& through = formed_.through;
    if (state_.broken_tags.contains(regime_.tag) || state_.reset_unknown.matches(regime_.tag) ||
        state_.wild_unknown.matches(regime_.tag) ||
        state_.broken_vmids.contains(regime_.tag.vmid) ||
        (through && is_unknown(state_, through->vmid))) {
      emit("any", {});
      return;
    }
    // What the CD says of the address; an entry that was filled through another may say otherwise.
    const bool refused = !in_range(half_, asked_) || (half_.e0pd && !kind_.privileged);
    if (refused) fault("F_TRANSLATION", stalls_, {});
    std::vector<Item> here;
    for (const Item& item : matching(state_, formed_)) {
      if (item.is_found_at(asked_, regime_) && !(refused && item.refuses(kind_))) {
        here.push_back(item);
      }
    }
    if (any_conflict(here, facts_.layout)) emit("any", here);
    for (const Item& item : here) {
      // The answer is an IPA, and what that is is looked at when it is used.
      if (split_ && item.stage == Stage::both) continue;
      if (!item.pointer) hit(item);
    }
    if (refused) return;
    if (half_.disabled) {
      fault("F_TRANSLATION", stalls_, {});
      return;
    }
    const Tree& tree = half_.tree;
    read_at(tree.root, [&](u64 table, const std::vector<Item>& used, const std::set<Mark>& marks,
                           const Mapped* by) { walk(table, tree.start, used, marks, by); });
    for (const Item& item : here) {
      if (!item.pointer || item.granule != tree.granule) continue;
      std::set<Mark> marks;
      add_marks(marks, item);
      if (item.unknown)
        emit("any", {item});
      else
        walk(item.out, item.level + 1, {item}, marks, nullptr);
    }
  }

 private:
  /// Each place where a table of that address may be read.
  template <class Read>
  void read_at(u64 address, Read&& read) {
    if (!formed_.through) {
      read(address, {}, {}, nullptr);
      return;
    }
    for (const Mapped& by : Stage2Look(facts_, state_, *formed_.through, address).run()) {
      if (!by.fault.empty())
        fault(by.fault, stage2_stalls_, by.used);
      else if (!by.rights.readable)
        fault("F_PERMISSION", stage2_stalls_, by.used);
      else
        read(by.pa, by.used, by.marks, &by);
    }
  }

  /// The output of stage 1, by stage 2 where there is one.
  void end_at(u64 address, bool device, const std::vector<Item>& used,
              const std::set<Mark>& marks) {
    if (!formed_.through) {
      reach(address, device, used, marks);
      return;
    }
    for (const Mapped& by : Stage2Look(facts_, state_, *formed_.through, address).run()) {
      const std::vector<Item> both = joined(used, by.used);
      std::set<Mark> all = marks;
      all.insert(by.marks.begin(), by.marks.end());
      if (!by.fault.empty()) {
        fault(by.fault, stage2_stalls_, both);
      } else if (!permits(by.rights, kind_)) {
        fault("F_PERMISSION", stage2_stalls_, both);
      } else if (kind_.type != Kind::Type::write || marks_dirty(state_, by, all)) {
        reach(by.pa, device || by.device, both, all);
      }
    }
  }

  void hit(const Item& item) {
    if (item.refuses(kind_)) {
      fault("F_TRANSLATION", stalls_, {item});
      return;
    }
    if (item.unknown) {
      emit("any", {item});
      return;
    }
    const bool by_stage1 = permitted(item.rights);
    if (!by_stage1 || !permits(item.rights2, kind_)) {
      fault("F_PERMISSION", by_stage1 ? stage2_stalls_ : stalls_, {item});
      return;
    }
    std::set<Mark> marks;
    add_marks(marks, item);
    if (kind_.type == Kind::Type::write) {
      const DirtyAgain dirty = dirty_again(state_, regime_, item);
      if (!item.rights.writable && !dirty.stage1) return;   // the walk starts again, and that is
      if (!item.rights2.writable && !dirty.stage2) return;  // done anyway
      if (!item.rights.writable && !writes(item.source, nullptr, marks)) {
        fault("F_PERMISSION", stage2_stalls_, {item});
        return;
      }
      if (!item.rights.writable) marks.insert({item.source, true});
      if (!item.rights2.writable) marks.insert({item.source2, true});
    }
    const u64 out = item.out + (va_ - item.va);
    if (item.leads_to_ipa())
      end_at(out, item.device, {item}, marks);
    else
      reach(out, item.device, {item}, marks);
  }

  bool permitted(const Rights& rights) const {
    const Kind read{Kind::Type::read, kind_.privileged};
    return permits(rights, regime_.tag.world, kind_) &&
           (!reads_too_ || permits(rights, regime_.tag.world, read));
  }

  /// What a walk reads in a slot has the tags of an item, cached or not.
  Item as_item(bool pointer, unsigned level) const {
    Item item;
    item.nested = formed_.through.has_value();
    item.pointer = pointer;
    item.tag = regime_.tag;
    item.va = item.span_va = align_down(va_, half_.tree.shift(level));
    item.bytes = item.span_bytes = pow2(half_.tree.shift(level));
    item.level = level;
    item.granule = half_.tree.granule;
    return item;
  }

  /// `by`: how stage 2 has mapped the table, where that was looked at for it.
  void walk(u64 table, unsigned level, const std::vector<Item>& used, const std::set<Mark>& marks,
            const Mapped* by) {
    const u64 pa = align_down(table, 12) + half_.tree.index(va_, level) * 8;
    for (const Version& version : state_.memory.visible(pa)) {
      if (!version.value.known) {
        emit("any", used);
        continue;
      }
      const Decoded word = decode_descriptor(version.value.word, level, half_.tree, regime_.mair);
      if (word.kind == DescriptorKind::invalid) {
        fault("F_TRANSLATION", stalls_, used);
        continue;
      }
      const bool is_table = word.kind == DescriptorKind::table;
      std::vector<Item> more = used;
      more.push_back(as_item(is_table, level));
      std::set<Mark> more_marks = marks;
      const bool updates = !word.af && (is_table ? regime_.haft : regime_.ha);
      if (updates && !writes(pa, by, more_marks)) {
        // Of stage 2: the flag is a write to the guest's table.
        fault("F_PERMISSION", stage2_stalls_, more);
        continue;
      }
      if (updates || version.by_hardware) more_marks.insert({pa, false});
      if (!is_table) {
        leaf(word, pa, level, more, more_marks, by);
        if (is_dirty_by_another(state_, word, pa, regime_.hd)) {
          leaf(as_dirty(word), pa, level, more, more_marks, by);
        }
        continue;
      }
      read_at(word.out, [&](u64 next, const std::vector<Item>& with,
                            const std::set<Mark>& its_marks, const Mapped* how) {
        std::set<Mark> all = more_marks;
        all.insert(its_marks.begin(), its_marks.end());
        walk(next, level + 1, joined(more, with), all, how);
      });
    }
  }

  /// Hardware writes a flag of stage 1 into that descriptor: through stage 2, which has to permit
  /// it and becomes dirty. `by`: how it has mapped the table, where that was looked at for it. IHI
  /// 0070 3.13.5.
  bool writes(u64 descriptor, const Mapped* by, std::set<Mark>& marks) const {
    if (!formed_.through) return true;
    constexpr Kind write{Kind::Type::write, false};
    if (by != nullptr) {
      if (!permits(by->rights, write)) return false;
      if (!by->rights.writable) {
        marks.insert({by->cached ? by->entry.source2 : by->descriptor, true});
      }
      return true;
    }
    const Item* const page = page_to_write(state_, formed_.through->vmid, descriptor);
    if (page != nullptr && !page->rights2.writable) marks.insert({page->source2, true});
    return page != nullptr;
  }

  void leaf(const Decoded& word, u64 descriptor, unsigned level, const std::vector<Item>& used,
            std::set<Mark> marks, const Mapped* by) {
    if (!word.af && !regime_.ha) {
      fault("F_ACCESS", stalls_, used);
      return;
    }
    const u64 out = word.out + (va_ & (pow2(half_.tree.shift(level)) - 1));
    const bool dirtyable = regime_.hd && word.dbm && !word.writable;
    if (!permitted({word.writable, dirtyable, word.user, word.uxn, word.pxn})) {
      fault("F_PERMISSION", stalls_, used);
      return;
    }
    if (kind_.type == Kind::Type::write && !word.writable) {
      if (!writes(descriptor, by, marks)) {
        fault("F_PERMISSION", stage2_stalls_, used);
        return;
      }
      marks.insert({descriptor, true});
    }
    end_at(out, word.device, used, marks);
  }

  Formed formed_;
  const Regime& regime_;
  const Half& half_;
  u64 asked_;
  u64 va_;  ///< without a tag
  Kind kind_;
  bool stalls_;         ///< faults of stage 1
  bool stage2_stalls_;  ///< faults of stage 2
  bool split_;          ///< a request for an IPA
  bool reads_too_;      ///< an answer to an ATS request grants execution together with reading only
};

/// What L1STDs of the SID may say: that it is none, or anything.
struct ByL1Stds {
  bool bad = false;
  bool unknown = false;
};
ByL1Stds by_l1stds(const State& state, u64 sid) {
  ByL1Stds found;
  for (const Structure& structure : state.structures) {
    const bool its =
        structure.kind == StructureKind::l1std && structure.sid == sid >> stream_table_split;
    if (!its) continue;
    for (const auto& value : structure.units[0]) {
      const L1 l1 = decode_l1std(value[0]);
      const u64 entry = sid % pow2(stream_table_split);
      found.unknown |= l1.unknown;
      found.bad |= !l1.unknown && (!l1.valid || entry >= pow2(l1.span - 1));
    }
  }
  return found;
}

/// The way from the SID to regimes; each outcome is given the configuration that it used.
class Configuration {
 public:
  Configuration(const Facts& facts, const State& state, const Transaction& by,
                std::vector<Outcome>& out)
      : facts_(facts), state_(state), by_(by), out_(out) {}

  void run() {
    if (by_.sid >> stream_table_lg2 != 0) {
      refuse("C_BAD_STREAMID");
      return;
    }
    used_ = {tags(StructureKind::l1std, by_.sid >> stream_table_split, 0)};
    const ByL1Stds l1stds = by_l1stds(state_, by_.sid);
    if (l1stds.unknown) emit("any");
    if (l1stds.bad) refuse("C_BAD_STREAMID");
    used_ = {tags(StructureKind::ste, by_.sid, 0)};
    if (span_is_beyond(state_, by_.sid)) emit("any");
    if (span_differs(state_, by_.sid)) {
      refuse("F_CFG_CONFLICT");
      // IHI 0070 3.20.2: a conflict of the cache alone need not be noticed.
      if (!stream_table_differs(facts_, state_, by_.sid)) emit("any");
    }
    for_each_ste(state_, by_.sid, [this](const Ste& ste) { by_ste(ste); });
  }

 private:
  static Structure tags(StructureKind kind, u64 sid, u64 ssid) { return {kind, sid, ssid, 0, {}}; }
  static bool same(const Structure& a, const Structure& b) {
    return a.kind == b.kind && a.sid == b.sid && a.ssid == b.ssid;
  }

  void emit(std::string text) { out_.push_back({std::move(text), std::nullopt, used_, {}, {}}); }
  void refuse(const std::string& text) { emit(by_.ats ? "denied" : text); }

  /// Arch 3.2.
  void by_ste(const Ste& ste) {
    if (ste.unknown)
      emit("any");
    else if (!ste.valid || ste.illegal)
      refuse("C_BAD_STE");
    else if (by_.ats && !answers(ste))
      refuse("UR");
    else
      by_legal(ste);
  }

  void by_legal(const Ste& ste) {
    const auto& ssid = by_.ssid;
    if (by_.ats && ste.eats == 2 && may_check(state_, by_.sid, false)) refuse("UR");
    if (ste.config == Ste::Config::abort)
      emit("abort");
    else if (ste.config == Ste::Config::bypass)
      emit(ssid ? "C_BAD_SUBSTREAMID" : "bypass");
    else if (ste.config == Ste::Config::s2 && ssid)
      refuse("C_BAD_SUBSTREAMID");
    else if (ste.config == Ste::Config::s2)
      by_stage2(ste);
    else if (ssid && (ste.cdmax == 0 || !ssid_in_bounds(ste, *ssid)))
      refuse("C_BAD_SUBSTREAMID");
    else if (ste.cdmax == 0)
      by_cd(ste, 0);
    else if (!ssid && ste.s1dss == 1 && ste.config == Ste::Config::nest)
      by_stage2(ste);
    else if (!ssid && ste.s1dss == 1)
      emit("bypass");
    else if (!ssid && ste.s1dss != 2)
      refuse("F_STREAM_DISABLED");
    else if (ssid && *ssid == 0 && ste.s1dss == 2)
      refuse("F_STREAM_DISABLED");
    else
      by_cd(ste, ssid.value_or(0));
  }

  bool answers(const Ste& ste) const {
    return (ste.has_stage1() || ste.has_stage2()) && grants(state_, by_.sid, ste);
  }

  void by_stage2(const Ste& ste) {
    const std::size_t first = out_.size();
    IntermediateAccess(facts_, state_, ste, by_, out_).run();
    for (std::size_t i = first; i < out_.size(); ++i) out_[i].configuration = used_;
  }

  /// Under stage 2 a CD is fetched through it: what no translation leads to faults.
  void cd_is_mapped(const Ste& ste, u64 address) {
    if (ste.config != Ste::Config::nest || facts_.layout.region_of(address) != nullptr) return;
    for (const Mapped& by : Stage2Look(facts_, state_, ste.stage2, address).run()) {
      const std::string stall = ste.s2s ? "!stall" : "";
      if (by.fault == "any")
        emit("any");
      else if (!by.fault.empty())
        refuse(by.fault + stall);
      else if (!by.rights.readable)
        refuse("F_PERMISSION" + stall);
    }
  }

  using Marks = std::set<Mark>;
  /// Those that are of each way: of none so far, of `more` alone.
  static void keep_common(std::optional<Marks>& common, const Marks& more) {
    if (!common) common = more;
    std::erase_if(*common, [&](const Mark& mark) { return !more.contains(mark); });
  }

  /// Access flags of stage 2 that the fetch of a structure at that IPA has set, those of each way
  /// to it; nothing where none leads to `place`.
  std::optional<Marks> marks_of_fetch(const Ste& ste, u64 address, u64 place) const {
    if (facts_.layout.region_of(address) != nullptr) return Marks{};
    std::optional<Marks> common;
    for (const Mapped& by : Stage2Look(facts_, state_, ste.stage2, address).run()) {
      if (by.fault.empty() && by.pa == place) keep_common(common, by.marks);
    }
    return common;
  }

  /// Of the CD there, and of the L1CD that leads to it. IHI 0070 3.13.2.
  Marks marks_of_fetches(const Ste& ste, u64 ssid, u64 place) const {
    if (ste.config != Ste::Config::nest) return {};
    if (!ste.two_level) return marks_of_fetch(ste, ste.cds + ssid * 64, place).value_or(Marks{});
    std::optional<Marks> common;
    for (const Structure& structure : state_.structures) {
      if (!same(structure, tags(StructureKind::l1cd, by_.sid, ssid >> 6))) continue;
      for (const auto& value : structure.units[0]) {
        const L1 l1 = decode_l1cd(value[0]);
        if (l1.unknown || !l1.valid) continue;
        const auto of_cd = marks_of_fetch(ste, l1.pointer + ssid % 64 * 64, place);
        if (!of_cd) continue;
        Marks both =
            marks_of_fetch(ste, ste.cds + ssid / 64 * 8, structure.place).value_or(Marks{});
        both.insert(of_cd->begin(), of_cd->end());
        keep_common(common, both);
      }
    }
    return common.value_or(Marks{});
  }

  void by_cd(const Ste& ste, u64 ssid) {
    cd_is_mapped(ste, ste.cds + (ste.two_level ? ssid / 64 * 8 : ssid * 64));
    const auto used_before = used_;
    const Structure l1cd = tags(StructureKind::l1cd, by_.sid, ssid >> 6);
    const Structure cd_tags = tags(StructureKind::cd, by_.sid, ssid);
    if (ste.two_level) used_.push_back(l1cd);
    for (const Structure& structure : state_.structures) {
      if (!ste.two_level || !same(structure, l1cd)) continue;
      for (const auto& value : structure.units[0]) {
        const L1 l1 = decode_l1cd(value[0]);
        if (l1.unknown)
          emit("any");
        else if (!l1.valid)
          refuse("C_BAD_SUBSTREAMID");
        else
          cd_is_mapped(ste, l1.pointer + ssid % 64 * 64);
      }
    }
    used_ = used_before;
    used_.push_back(cd_tags);
    for (const Structure& structure : state_.structures) {
      if (!same(structure, cd_tags)) continue;
      for_each_mixture(structure, [&](const FourWords& words) {
        const Cd cd = decode_cd(words, ste);
        if (cd.unknown) {
          emit("any");
        } else if (!cd.valid || cd.illegal) {
          refuse("C_BAD_CD");
        } else {
          const std::size_t first = out_.size();
          Translation(facts_, state_, ste, cd, by_, out_).run();
          const Marks marks = marks_of_fetches(ste, ssid, structure.place);
          for (std::size_t i = first; i < out_.size(); ++i) {
            out_[i].configuration = used_;
            out_[i].marks.insert(marks.begin(), marks.end());
          }
        }
      });
    }
    used_ = used_before;
  }

  const Facts& facts_;
  const State& state_;
  const Transaction& by_;
  std::vector<Outcome>& out_;
  std::vector<Structure> used_;
};

/// Whether the walker may still write to this descriptor (SEMANTICS 4, hardware update).
bool may_be_updated(const Decoded& word, bool ha, bool hd, bool haft) {
  if (word.kind == DescriptorKind::table) return haft && !word.af;
  if (word.kind != DescriptorKind::leaf || !ha) return false;
  return !word.af || (hd && word.dbm && !word.writable);
}

/// How much of an output says that the word is still the item's: any member of a contiguous group
/// serves all of it.
u64 first_output(u64 out, const Tree& tree, const Item& item, const Decoded& word) {
  const bool grouped = item.cont && word.cont && item.stage != Stage::both;
  const u64 bytes = pow2(tree.shift(item.level)) * (grouped ? tree.group(item.level) : 1);
  return out & ~(bytes - 1);
}

}  // namespace

DirtyAgain dirty_again(const State& state, const Regime& regime, const Item& item) {
  const Tree tree{.root = 0, .granule = item.granule, .start = 0, .input = 48};
  DirtyAgain found;
  if (item.rights.dirtyable && item.stage != Stage::two) {
    for (const Version& version : state.memory.visible(item.source)) {
      const Decoded word = decode_descriptor(version.value.word, item.level, tree, regime.mair);
      // Of a combined translation the output is of stage 2.
      const bool same = item.stage == Stage::both || first_output(word.out, tree, item, word) ==
                                                         first_output(item.out, tree, item, word);
      found.stage1 |= same && is_writable_clean(version, word);
    }
  }
  if (item.rights2.dirtyable) {
    for (const Version& version : state.memory.visible(item.source2)) {
      // Its level is its own; what counts is that it is a writable-clean leaf of the same memory.
      for (unsigned level = 1; level <= 3; ++level) {
        for (const unsigned granule : {12U, 14U, 16U}) {
          const Tree its{.root = 0, .granule = granule, .start = 0, .input = 48};
          const Decoded word = decode_stage2(version.value.word, level, its);
          const bool own = item.stage == Stage::two && item.level == level;
          const bool same = own ? first_output(word.out, its, item, word) ==
                                      first_output(item.out, its, item, word)
                                : word.out == align_down(item.out, its.shift(level));
          found.stage2 |= is_writable_clean(version, word) && same;
        }
      }
    }
  }
  return found;
}

namespace {

/// Translated traffic is checked against EATS where ATSCHK, perhaps as it was cached, says so.
/// `by_eats`: what the STE makes of it where it lets it by. From the outcome that is returned on
/// they are of those who looked at the STE.
std::size_t check_translated(const Facts& facts, const State& state, const Transaction& by,
                             const Outcome& passes, const std::function<void(const Ste&)>& by_eats,
                             std::vector<Outcome>& out) {
  bool checked = false;
  for (const bool value : {false, true}) {
    if (!may_check(state, by.sid, value)) continue;
    if (value)
      checked = true;
    else
      out.push_back(passes);
  }
  const std::size_t first = out.size();
  if (!checked) return first;
  // What is no stream, or has STEs in conflict, is terminated without an event. IHI 0070 3.9.1.3.
  const ByL1Stds l1stds = by_l1stds(state, by.sid);
  const bool differs = span_differs(state, by.sid);
  const bool stale = differs && !stream_table_differs(facts, state, by.sid);
  if (l1stds.bad || differs) out.push_back({"abort", std::nullopt, {}, {}, {}});
  if (l1stds.unknown || stale || span_is_beyond(state, by.sid)) {
    out.push_back({"any", std::nullopt, {}, {}, {}});
  }
  for_each_ste(state, by.sid, [&](const Ste& ste) {
    const bool disabled = !by.ssid && ste.cdmax != 0 && ste.s1dss != 1 && ste.s1dss != 2;
    const bool translates = ste.has_stage1() || ste.has_stage2();
    const bool answers = translates && (ste.eats == 1 || ste.eats == 2);
    if (ste.unknown) {
      out.push_back(passes);
    } else if (ste.valid && !ste.illegal && answers && !disabled) {
      by_eats(ste);
    } else if (!ste.valid || ste.illegal || ste.config == Ste::Config::abort || answers) {
      out.push_back({"abort", std::nullopt, {}, {}, {}});
    } else {
      out.push_back({"F_TRANSL_FORBIDDEN", std::nullopt, {}, {}, {}});
    }
  });
  return first;
}

}  // namespace

std::vector<AtcEntry> usable(const State& state, const Transaction& by) {
  std::vector<AtcEntry> found;
  for (const AtcEntry& entry : state.atc) {
    if (entry.sid != by.sid || (!entry.every_pasid && entry.ssid != by.ssid)) continue;
    if (entry.contains(by.va) && entry.grants(by.kind)) found.push_back(entry);
  }
  return found;
}

std::vector<Outcome> outcomes_of_translated(const Facts& facts, const State& state,
                                            const Transaction& by, const AtcEntry& entry) {
  std::vector<Outcome> out;
  const u64 pa = entry.out + (by.va - entry.va);
  if (state.may_bypass) out.push_back({"F_TRANSL_FORBIDDEN", std::nullopt, {}, {}, {}});
  if (!state.may_translate) return out;
  Outcome passes{facts.layout.name_of(pa, entry.device), pa, {}, {}, {}};
  // Unchecked, an IPA is taken for a physical address.
  if (entry.unknown || entry.ipa) passes = {"any", std::nullopt, {}, {}, {}};
  if (entry.identity) passes = {"bypass", std::nullopt, {}, {}, {}};
  const auto by_eats = [&](const Ste& ste) {
    if (entry.unknown) {
      out.push_back(passes);
    } else if (entry.ipa != (ste.eats == 2)) {
      out.push_back({"any", std::nullopt, {}, {}, {}});
    } else if (!entry.ipa) {
      out.push_back(passes);
    } else {
      Transaction intermediate = by;
      intermediate.ats = false;
      intermediate.va = pa;
      IntermediateAccess(facts, state, ste, intermediate, out).run();
    }
  };
  const std::size_t checked = check_translated(facts, state, by, passes, by_eats, out);
  const Structure its{StructureKind::ste, by.sid, 0, 0, {}};
  for (std::size_t i = checked; i < out.size(); ++i) out[i].configuration = {its};
  return out;
}

std::vector<Outcome> outcomes(const Facts& facts, const State& state, const Transaction& of) {
  std::vector<Outcome> out;
  Transaction by = of;
  if (by.ats && !by.ssid) by.kind = without_pasid(by.kind);
  if (by.ats && !state.ats_sids.contains(by.sid)) {
    out.push_back({"denied", std::nullopt, {}, {}, {}});
    return out;
  }
  if (by.ats) {
    for (const AtcEntry& entry : usable(state, by)) {
      std::ranges::move(outcomes_of_translated(facts, state, by, entry), std::back_inserter(out));
    }
  }
  for (const bool abort : state.may_bypass ? state.gbpa_abort : std::set<bool>{}) {
    out.push_back({by.ats ? "denied" : abort ? "abort" : "bypass", std::nullopt, {}, {}, {}});
  }
  if (!state.may_translate) return out;
  if (state.unknown_sids.contains(by.sid)) out.push_back({"any", std::nullopt, {}, {}, {}});
  Configuration(facts, state, by, out).run();
  return out;
}

bool is_released(const State& state, u64 pa) {
  return std::any_of(state.released.begin(), state.released.end(), [&](const Extent& extent) {
    return pa >= extent.pa && pa - extent.pa < extent.bytes;
  });
}

namespace {

void judge_items(const Facts& facts, const State& state, const std::vector<Item>& items,
                 const Formed2* stage2, std::set<std::string>& broken) {
  if (any_conflict(items, facts.layout)) broken.insert("conflict");
  for (const Item& item : items) {
    if (!is_released(state, item)) continue;
    if (stage2 == nullptr || is_led_to(state, *stage2, item)) broken.insert("page-reuse");
  }
}

}  // namespace

void judge_state(const Facts& facts, const State& state, std::set<std::string>& broken) {
  if (!state.may_translate) return;
  if (!state.broken_tags.empty() || !state.broken_vmids.empty() || state.torn ||
      state.shared_by_worlds) {
    broken.insert("tag");
  }
  if (state.span_differs) broken.insert("cont");
  if (state.group_differs) broken.insert("conflict");
  if (state.torn) broken.insert("torn");
  if (state.wild) broken.insert("wild");
  if (!state.unknown_sids.empty()) broken.insert("unknown");
  for (const AtcEntry& entry : state.atc) {
    if (!state.ats_sids.contains(entry.sid)) continue;  // used by nobody until it is on again
    const bool known = !entry.unknown && !entry.identity && !entry.ipa;
    for_each_ste(state, entry.sid, [&](const Ste& ste) {
      const bool translates = !ste.unknown && ste.valid && !ste.illegal && ste.eats != 0;
      if (translates && !entry.unknown && !entry.identity && entry.ipa != (ste.eats == 2)) {
        broken.insert("ats");
      }
    });
    // Unchecked, an IPA is taken for a physical address. IHI 0070 3.9.2.
    if (entry.ipa && may_check(state, entry.sid, false)) broken.insert("ats");
    for (const Extent& extent : state.released) {
      if (known && entry.out < extent.pa + extent.bytes && extent.pa < entry.out + entry.bytes) {
        broken.insert("page-reuse");
      }
    }
  }
  for (const Formed& formed : state.formed) {
    if (state.reset_unknown.matches(formed.regime.tag)) broken.insert("unknown");
    judge_items(facts, state, matching(state, formed), nullptr, broken);
  }
  for (const Formed2& formed : state.formed2) {
    if (state.reset_unknown.vmids.contains(formed.stage2.vmid)) broken.insert("unknown");
    judge_items(facts, state, matching(state, formed.stage2.vmid), &formed, broken);
  }
}

namespace {

/// Where tables of a nested stage 1 lie that this address names.
std::vector<u64> table_places(const State& state, const Formed& formed, u64 address) {
  if (!formed.through) return {address};
  std::vector<u64> places;
  for (const Item& item : matching(state, formed.through->vmid)) {
    const bool leaf = !item.pointer && !item.unknown && item.contains(address);
    if (leaf) places.push_back(item.out + (address - item.va));
  }
  return places;
}

/// A plain store, and the words in whose place it may stand: those of tables that may be walked,
/// and into which the walker may be setting a flag.
class PlainStore {
 public:
  /// `old`: what it overwrites; an earlier one that cleared the word had its own freedom.
  PlainStore(const State& state, const WriteAction& write, u64 old)
      : state_(state), pa_(write.pa), clears_(!bit(write.value, 0)), old_(old) {}

  [[nodiscard]] bool loses_of(const Formed& formed) const {
    return std::ranges::any_of(formed.regime.half, [&](const Half& half) {
      return !half.disabled && loses_of(formed, half);
    });
  }
  [[nodiscard]] bool loses_of(const Formed2& formed) const {
    const Stage2& stage2 = formed.stage2;
    const auto updates = [&](u64 table, unsigned level) {
      return lies_in(table, stage2.tree, level) &&
             loses(decode_stage2(old_, level, stage2.tree), stage2.ha, stage2.hd, stage2.haft);
    };
    if (updates(stage2.tree.root, stage2.tree.start)) return true;
    return std::ranges::any_of(matching(state_, stage2.vmid), [&](const Item& item) {
      const bool its = item.pointer && !item.unknown && item.granule == stage2.tree.granule;
      return its && updates(item.out, item.level + 1);
    });
  }
  /// A living pointer leads there as it was filled, whether its regime can still be formed or not,
  /// for walks of any regime under its tag.
  [[nodiscard]] bool loses_below(const Item& item) const {
    if (!item.pointer || item.unknown || !is_walked(item)) return false;
    const Tree tree{.root = 0, .granule = item.granule, .start = 0, .input = 48};
    const unsigned level = item.level + 1;
    const Decoded word = item.stage == Stage::two ? decode_stage2(old_, level, tree)
                                                  : decode_descriptor(old_, level, tree, 0);
    return lies_in(item.out, tree, level) && loses(word, item.ha, item.hd, item.haft);
  }

 private:
  [[nodiscard]] bool loses_of(const Formed& formed, const Half& half) const {
    const Regime& regime = formed.regime;
    const auto updates = [&](u64 table, unsigned level) {
      return lies_in(table, half.tree, level) &&
             loses(decode_descriptor(old_, level, half.tree, regime.mair), regime.ha, regime.hd,
                   regime.haft);
    };
    const auto is_root = [&](u64 root) { return updates(root, half.tree.start); };
    if (std::ranges::any_of(table_places(state_, formed, half.tree.root), is_root)) return true;
    return std::ranges::any_of(state_.items, [&](const Item& item) {
      const bool its = item.pointer && !item.unknown && item.tag == regime.tag &&
                       item.stage == Stage::one && item.granule == half.tree.granule;
      return its && updates(item.out, item.level + 1);
    });
  }
  [[nodiscard]] bool lies_in(u64 table, const Tree& tree, unsigned level) const {
    const u64 first = align_down(table, 12);
    return pa_ >= first && pa_ - first < tree.table_bytes(level);
  }
  [[nodiscard]] bool loses(const Decoded& word, bool ha, bool hd, bool haft) const {
    if (!may_be_updated(word, ha, hd, haft)) return false;
    // Who clears a leaf gives its flags up; those of a table are of all that is below it.
    return !clears_ || word.kind == DescriptorKind::table;
  }
  [[nodiscard]] bool is_walked(const Item& item) const {
    if (item.stage == Stage::two) {
      return std::ranges::any_of(
          state_.formed2, [&](const Formed2& one) { return one.stage2.vmid == item.tag.vmid; });
    }
    return std::ranges::any_of(state_.formed,
                               [&](const Formed& one) { return one.regime.tag == item.tag; });
  }

  const State& state_;
  u64 pa_;
  bool clears_;
  u64 old_;
};

}  // namespace

bool loses_update(const State& state, const WriteAction& write) {
  if (write.rmw || !state.may_translate) return false;
  const Value old = state.memory.newest(write.pa);
  if (!old.known) return false;
  const PlainStore store(state, write, old.word);
  const auto loses_of = [&](const auto& formed) { return store.loses_of(formed); };
  return std::ranges::any_of(state.formed, loses_of) ||
         std::ranges::any_of(state.items,
                             [&](const Item& item) { return store.loses_below(item); }) ||
         std::ranges::any_of(state.formed2, loses_of);
}

std::set<std::string> loads(const Facts& facts, const State& state, u64 pa) {
  const Value value = state.memory.newest(pa);
  if (!value.known) return {"any"};
  if (!bit(value.word, 0)) return {"0"};
  std::set<Mark> may;
  for (const auto& [mark, since] : state.marks) may.insert(mark);
  if (state.may_be_dirty.contains(pa)) may.insert({pa, true});
  for (const Flight& flight : state.flights) may.insert(flight.marks.begin(), flight.marks.end());
  std::set<std::string> flags;
  if (bit(value.word, 10)) {
    flags = {"af"};
  } else {
    const bool seen = state.seen_marks.contains({pa, false});
    if (!seen) flags.insert("af0");
    if (seen || state.memory.hardware_may_have_set_af(pa)) flags.insert("af");
  }
  if (!bit(value.word, 51)) return flags;
  const Region* region = facts.layout.region_of(pa);
  const bool stage2 = region != nullptr && facts.layout.stage2_tables.contains(region->pa);
  const bool stored_dirty = bit(value.word, 7) == stage2;
  const bool seen = state.seen_marks.contains({pa, true});
  std::set<std::string> all;
  for (const std::string& flag : flags) {
    if (stored_dirty) all.insert(flag + "+dirty");
    if (!stored_dirty && !seen) all.insert(flag + "+clean");
  }
  // Hardware makes no word dirty whose AF it leaves 0. IHI 0070 3.13.2.
  if (!stored_dirty && (seen || may.contains({pa, true}))) all.insert("af+dirty");
  return all;
}

bool leads_to(const Facts& facts, const State& state, u64 pa, u64 bytes) {
  const auto inside = [&](u64 address) { return address >= pa && address - pa < bytes; };
  for (const Item& item : state.items) {
    if (item.pointer && !item.unknown && inside(item.out)) return true;
  }
  for (const Formed& formed : state.formed) {
    for (const Half& half : formed.regime.half) {
      if (half.disabled) continue;
      for (const u64 root : table_places(state, formed, half.tree.root)) {
        if (inside(root)) return true;
      }
    }
  }
  for (const Formed2& formed : state.formed2) {
    if (inside(formed.stage2.tree.root)) return true;
  }
  if (!state.may_translate) return false;
  // Cached words from there read nothing any more; a living parent would fetch them again.
  State later = state;
  std::erase_if(later.structures, [&](const Structure& other) { return inside(other.place); });
  fill(facts, later);
  return std::any_of(later.structures.begin(), later.structures.end(),
                     [&](const Structure& other) { return inside(other.place); });
}

}  // namespace iommucheck::litmus::twin
