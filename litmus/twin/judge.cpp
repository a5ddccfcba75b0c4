// SPDX-License-Identifier: MIT
#include "litmus/twin/judge.h"

#include <algorithm>

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
  if (a.level != b.level && (bbml == 0 || (bbml == 1 && !a.nt && !b.nt))) return true;
  if (a.cont != b.cont && bbml == 0) return true;
  // A new global entry over non-global ones; the other way round is free.
  return a.global != b.global && (a.global ? a.order >= b.first_order : b.order >= a.first_order);
}

/// A pointer from a table of the leaf's level or a deeper one, inside the extent of the leaf.
bool leaf_and_pointer_conflict(const Item& leaf, const Item& pointer, unsigned bbml) {
  if (bbml == 2 || (bbml == 1 && leaf.nt)) return false;
  return pointer.level >= leaf.level && overlap(leaf, pointer);
}

bool conflict(const Item& a, const Item& b, unsigned bbml) {
  if (a.unknown || b.unknown || (a.pointer && b.pointer)) return false;
  if (a.pointer) return leaf_and_pointer_conflict(b, a, bbml);
  if (b.pointer) return leaf_and_pointer_conflict(a, b, bbml);
  return leaves_conflict(a, b, bbml);
}

std::vector<Item> matching(const State& state, const Regime& by) {
  std::vector<Item> items;
  for (const Item& item : state.items) {
    if (item.matches(by)) items.push_back(item);
  }
  return items;
}

bool any_conflict(const std::vector<Item>& items, unsigned bbml) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = i + 1; j < items.size(); ++j) {
      if (conflict(items[i], items[j], bbml)) return true;
    }
  }
  return false;
}

bool is_released(const State& state, const Item& item) {
  if (item.pointer || item.unknown) return false;
  return std::any_of(state.released.begin(), state.released.end(), [&item](const Extent& extent) {
    return item.out < extent.pa + extent.bytes && extent.pa < item.out + item.bytes;
  });
}

/// One transaction under one regime.
class Translation {
 public:
  Translation(const Facts& facts, const State& state, const Ste& ste, const Regime& regime,
              const Transaction& by, std::vector<Outcome>& out)
      : facts_(facts),
        state_(state),
        regime_(regime),
        asked_(by.va),
        va_(untagged(by.va)),
        kind_(overridden(ste, by.kind)),
        ats_(by.ats),
        reads_too_(by.ats && by.kind.type == Kind::Type::execute && ste.instcfg < 2),
        out_(out) {}

  void run() {
    if (state_.broken_tags.contains(regime_.tag) || state_.reset_unknown.matches(regime_.tag) ||
        state_.wild_unknown.matches(regime_.tag)) {
      emit("any", {});
      return;
    }
    // What the CD says of the address; an entry that was filled through another may say otherwise.
    const bool refused = !in_range(regime_, asked_) || (regime_.e0pd0 && !kind_.privileged);
    if (refused) emit("F_TRANSLATION", {});
    std::vector<Item> here;
    for (const Item& item : matching(state_, regime_)) {
      if (item.is_found_at(asked_, regime_) && !(refused && item.refuses(kind_))) {
        here.push_back(item);
      }
    }
    if (any_conflict(here, facts_.layout.bbml)) emit("any", here);
    for (const Item& item : here) {
      if (!item.pointer) hit(item);
    }
    if (refused) return;
    if (regime_.epd0) {
      emit("F_TRANSLATION", {});
      return;
    }
    walk(regime_.ttb, start_level(regime_.t0sz), {});
    for (const Item& item : here) {
      if (!item.pointer) continue;
      if (item.unknown)
        emit("any", {item});
      else
        walk(item.out, item.level + 1, {item});
    }
  }

 private:
  void emit(std::string text, std::vector<Item> used, std::optional<u64> pa = std::nullopt) {
    // A request that faults is not granted; one for write marks the page dirty, and what it gives
    // is used again.
    if (ats_ && !pa && text != "any") text = "denied";
    constexpr std::string_view dirty = "!dirty";
    if (ats_ && text.ends_with(dirty)) {
      out_.push_back({text.substr(0, text.size() - dirty.size()), pa, {}, used});
    }
    out_.push_back({std::move(text), pa, {}, std::move(used)});
  }

  void hit(const Item& item) {
    if (item.refuses(kind_)) {
      emit("F_TRANSLATION", {item});
      return;
    }
    if (item.unknown) {
      emit("any", {item});
      return;
    }
    const u64 pa = item.out + (va_ - item.va);
    const std::string page = facts_.layout.name_of(pa, item.device);
    if (!permitted(item.rights)) {
      emit("F_PERMISSION", {item});
    } else if (kind_.type != Kind::Type::write || item.rights.writable) {
      emit(page, {item}, pa);
    } else if (source_is_unchanged(item)) {
      emit(page + "!dirty", {item}, pa);
    }  // else the walk starts again, and that is done anyway
  }

  bool permitted(const Rights& rights) const {
    const Kind read{Kind::Type::read, kind_.privileged};
    return permits(rights, regime_.tag.world, kind_) &&
           (!reads_too_ || permits(rights, regime_.tag.world, read));
  }

  bool source_is_unchanged(const Item& item) const {
    for (const Version& version : state_.memory.visible(item.source)) {
      const Decoded word = decode_descriptor(version.value.word, item.level, regime_.mair);
      if (version.value.known && word.kind == DescriptorKind::leaf && word.dbm && !word.writable &&
          word.out == align_down(item.out, level_shift(item.level))) {
        return true;
      }
    }
    return false;
  }

  /// What a walk reads in a slot has the tags of an item, cached or not.
  Item as_item(bool pointer, unsigned level) const {
    Item item;
    item.pointer = pointer;
    item.tag = regime_.tag;
    item.va = align_down(va_, level_shift(level));
    item.bytes = pow2(level_shift(level));
    item.level = level;
    return item;
  }

  void walk(u64 table, unsigned level, const std::vector<Item>& used) {
    const u64 pa = align_down(table, 12) + (va_ >> level_shift(level)) % 512 * 8;
    for (const Version& version : state_.memory.visible(pa)) {
      if (!version.value.known) {
        emit("any", used);
        continue;
      }
      const Decoded word = decode_descriptor(version.value.word, level, regime_.mair);
      if (word.kind == DescriptorKind::invalid) {
        emit("F_TRANSLATION", used);
        continue;
      }
      std::vector<Item> more = used;
      more.push_back(as_item(word.kind == DescriptorKind::table, level));
      if (word.kind == DescriptorKind::table)
        walk(word.out, level + 1, more);
      else
        leaf(word, level, more);
    }
  }

  void leaf(const Decoded& word, unsigned level, const std::vector<Item>& used) {
    if (!word.af && !regime_.ha) {
      emit("F_ACCESS", used);
      return;
    }
    const u64 pa = word.out + (va_ & (pow2(level_shift(level)) - 1));
    const std::string page = facts_.layout.name_of(pa, word.device);
    const bool dirtyable = regime_.hd && word.dbm && !word.writable;
    if (!permitted({word.writable, dirtyable, word.user, word.uxn, word.pxn}))
      emit("F_PERMISSION", used);
    else if (kind_.type != Kind::Type::write || word.writable)
      emit(page, used, pa);
    else
      emit(page + "!dirty", used, pa);
  }

  const Facts& facts_;
  const State& state_;
  const Regime& regime_;
  u64 asked_;
  u64 va_;  ///< without a tag
  Kind kind_;
  bool ats_;
  bool reads_too_;  ///< an answer to an ATS request grants execution together with reading only
  std::vector<Outcome>& out_;
};

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
    for (const Structure& structure : state_.structures) {
      if (!same(structure, used_.back())) continue;
      for (const auto& value : structure.units[0]) {
        const L1 l1 = decode_l1std(value[0]);
        const u64 entry = by_.sid % pow2(stream_table_split);
        if (l1.unknown)
          emit("any");
        else if (!l1.valid || entry >= pow2(l1.span - 1))
          refuse("C_BAD_STREAMID");
      }
    }
    used_ = {tags(StructureKind::ste, by_.sid, 0)};
    for_each_ste(state_, by_.sid, [this](const Ste& ste) { by_ste(ste); });
  }

 private:
  static Structure tags(StructureKind kind, u64 sid, u64 ssid) {
    return {kind, sid, ssid, 0, {}, {}};
  }
  static bool same(const Structure& a, const Structure& b) {
    return a.kind == b.kind && a.sid == b.sid && a.ssid == b.ssid;
  }

  void emit(const char* text) { out_.push_back({text, std::nullopt, used_, {}}); }
  void refuse(const char* text) { emit(by_.ats ? "denied" : text); }

  /// Arch 3.2.
  void by_ste(const Ste& ste) {
    const auto& ssid = by_.ssid;
    if (ste.unknown)
      emit("any");
    else if (!ste.valid || ste.illegal)
      refuse("C_BAD_STE");
    else if (by_.ats && (ste.config != Ste::Config::s1 || ste.eats != 1))
      refuse("UR");
    else if (ste.config == Ste::Config::abort)
      emit("abort");
    else if (ste.config == Ste::Config::bypass)
      emit(ssid ? "C_BAD_SUBSTREAMID" : "bypass");
    else if (ssid && (ste.cdmax == 0 || !ssid_in_bounds(ste, *ssid)))
      refuse("C_BAD_SUBSTREAMID");
    else if (ste.cdmax == 0)
      by_cd(ste, 0);
    else if (!ssid && ste.s1dss == 1)
      emit("bypass");
    else if (!ssid && ste.s1dss != 2)
      refuse("F_STREAM_DISABLED");
    else if (ssid && *ssid == 0 && ste.s1dss == 2)
      refuse("F_STREAM_DISABLED");
    else
      by_cd(ste, ssid.value_or(0));
  }

  void by_cd(const Ste& ste, u64 ssid) {
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
          Translation(facts_, state_, ste, cd.regime, by_, out_).run();
          for (std::size_t i = first; i < out_.size(); ++i) out_[i].configuration = used_;
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

constexpr u64 af_bit = u64{1} << 10;

/// Whether the walker may still write to this descriptor (SEMANTICS 4, hardware update).
bool may_be_updated(const Regime& regime, u64 word, unsigned level) {
  const Decoded decoded = decode_descriptor(word, level, regime.mair);
  if (decoded.kind == DescriptorKind::table) return regime.haft && (word & af_bit) == 0;
  if (decoded.kind != DescriptorKind::leaf || !regime.ha) return false;
  return (word & af_bit) == 0 || (regime.hd && decoded.dbm && !decoded.writable);
}

}  // namespace

namespace {

/// Translated traffic is checked against EATS where ATSCHK, perhaps as it was cached, says so.
void check_translated(const State& state, const Transaction& by, const Outcome& passes,
                      std::vector<Outcome>& out) {
  bool checked = false;
  for (const bool value : {false, true}) {
    if (state.atschk != value && !state.old_atschk.contains({by.sid, value})) continue;
    if (value)
      checked = true;
    else
      out.push_back(passes);
  }
  if (!checked) return;
  for_each_ste(state, by.sid, [&](const Ste& ste) {
    const bool disabled = !by.ssid && ste.cdmax != 0 && ste.s1dss != 1 && ste.s1dss != 2;
    if (ste.unknown ||
        (ste.valid && !ste.illegal && ste.config == Ste::Config::s1 && ste.eats == 1 && !disabled))
      out.push_back(passes);
    else if (!ste.valid || ste.illegal || ste.config == Ste::Config::abort ||
             (ste.config == Ste::Config::s1 && ste.eats == 1))
      out.push_back({"abort", std::nullopt, {}, {}});
    else
      out.push_back({"F_TRANSL_FORBIDDEN", std::nullopt, {}, {}});
  });
}

/// What the device may do with what its ATC holds.
void use_atc(const Facts& facts, const State& state, const Transaction& by,
             std::vector<Outcome>& out) {
  for (const AtcEntry& entry : state.atc) {
    if (entry.sid != by.sid || (!entry.every_pasid && entry.ssid != by.ssid)) continue;
    if (!entry.contains(by.va) || !entry.grants(by.kind)) continue;
    const u64 pa = entry.out + (by.va - entry.va);
    if (state.may_bypass) out.push_back({"F_TRANSL_FORBIDDEN", std::nullopt, {}, {}});
    if (!state.may_translate) continue;
    Outcome passes{facts.layout.name_of(pa, entry.device), pa, {}, {}};
    if (entry.unknown) passes = {"any", std::nullopt, {}, {}};
    if (entry.identity) passes = {"bypass", std::nullopt, {}, {}};
    check_translated(state, by, passes, out);
  }
}

}  // namespace

std::vector<Outcome> outcomes(const Facts& facts, const State& state, const Transaction& of) {
  std::vector<Outcome> out;
  Transaction by = of;
  if (by.ats && !by.ssid) by.kind = without_pasid(by.kind);
  if (by.ats && !state.ats_sids.contains(by.sid)) {
    out.push_back({"denied", std::nullopt, {}, {}});
    return out;
  }
  if (by.ats) use_atc(facts, state, by, out);
  if (state.may_bypass) out.push_back({by.ats ? "denied" : "bypass", std::nullopt, {}, {}});
  if (!state.may_translate) return out;
  if (state.unknown_sids.contains(by.sid)) out.push_back({"any", std::nullopt, {}, {}});
  Configuration(facts, state, by, out).run();
  return out;
}

bool is_released(const State& state, u64 pa) {
  return std::any_of(state.released.begin(), state.released.end(), [&](const Extent& extent) {
    return pa >= extent.pa && pa - extent.pa < extent.bytes;
  });
}

void judge_state(const Facts& facts, const State& state, std::set<std::string>& broken) {
  if (!state.may_translate) return;
  if (!state.broken_tags.empty() || state.torn || state.shared_by_worlds) broken.insert("tag");
  if (state.torn) broken.insert("torn");
  if (state.wild) broken.insert("wild");
  if (!state.unknown_sids.empty()) broken.insert("unknown");
  for (const AtcEntry& entry : state.atc) {
    const bool known = !entry.unknown && !entry.identity;
    for (const Extent& extent : state.released) {
      if (known && entry.out < extent.pa + extent.bytes && extent.pa < entry.out + entry.bytes) {
        broken.insert("page-reuse");
      }
    }
  }
  for (const Formed& formed : state.formed) {
    if (state.reset_unknown.matches(formed.regime.tag)) broken.insert("unknown");
    const std::vector<Item> items = matching(state, formed.regime);
    if (any_conflict(items, facts.layout.bbml)) broken.insert("conflict");
    for (const Item& item : items) {
      if (is_released(state, item)) broken.insert("page-reuse");
    }
  }
}

bool loses_update(const State& state, const WriteAction& write) {
  if (write.rmw || !state.may_translate) return false;
  const u64 page = align_down(write.pa, 12);
  const bool clears = !bit(write.value, 0);
  const auto updates = [&](const Regime& regime, u64 table, unsigned level) {
    if (align_down(table, 12) != page) return false;
    // What this store overwrites; an earlier one that cleared the word had its own freedom.
    const Value old = state.memory.newest(write.pa);
    if (!old.known || !may_be_updated(regime, old.word, level)) return false;
    // Who clears a leaf gives its flags up; those of a table are of all that is below it.
    return !clears || decode_descriptor(old.word, level, regime.mair).kind == DescriptorKind::table;
  };
  for (const Formed& formed : state.formed) {
    const Regime& regime = formed.regime;
    if (regime.epd0) continue;
    if (updates(regime, regime.ttb, start_level(regime.t0sz))) return true;
    for (const Item& item : state.items) {
      if (item.pointer && !item.unknown && item.tag == regime.tag &&
          updates(regime, item.out, item.level + 1)) {
        return true;
      }
    }
  }
  return false;
}

bool leads_to(const Facts& facts, const State& state, u64 pa, u64 bytes) {
  const auto inside = [&](u64 address) { return address >= pa && address - pa < bytes; };
  for (const Item& item : state.items) {
    if (item.pointer && !item.unknown && inside(item.out)) return true;
  }
  for (const Formed& formed : state.formed) {
    if (!formed.regime.epd0 && inside(formed.regime.ttb)) return true;
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
