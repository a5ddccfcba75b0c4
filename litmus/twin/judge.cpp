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
  if (a.out + (va - a.va) != b.out + (va - b.va)) return true;
  if (a.device != b.device) return true;
  if (a.level != b.level && bbml < 2) return true;
  if (a.cont != b.cont && bbml == 0) return true;
  // A new global entry over non-global ones; the other way round is free.
  return a.global != b.global && (a.global ? a.order >= b.order : b.order >= a.order);
}

/// A pointer from a table of the leaf's level or a deeper one, inside the extent of the leaf.
bool leaf_and_pointer_conflict(const Item& leaf, const Item& pointer, unsigned bbml) {
  return bbml < 2 && pointer.level >= leaf.level && overlap(leaf, pointer);
}

bool conflict(const Item& a, const Item& b, unsigned bbml) {
  if (a.unknown || b.unknown || (a.pointer && b.pointer)) return false;
  if (a.pointer) return leaf_and_pointer_conflict(b, a, bbml);
  if (b.pointer) return leaf_and_pointer_conflict(a, b, bbml);
  return leaves_conflict(a, b, bbml);
}

std::vector<Item> matching(const State& state, const Tag& tag) {
  std::vector<Item> items;
  for (const Item& item : state.items) {
    if (item.matches(tag)) items.push_back(item);
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

std::set<Tag> formed_tags(const State& state) {
  std::set<Tag> tags;
  for (const Formed& formed : state.formed) tags.insert(formed.regime.tag);
  return tags;
}

bool is_released(const State& state, const Item& item) {
  if (item.pointer || item.unknown) return false;
  return std::any_of(state.released.begin(), state.released.end(), [&](const Extent& extent) {
    return item.out < extent.pa + extent.bytes && extent.pa < item.out + item.bytes;
  });
}

/// One access under one regime.
class Translation {
 public:
  Translation(const Facts& facts, const State& state, const Regime& regime, const Access& access,
              std::set<std::string>& out)
      : facts_(facts), state_(state), regime_(regime), va_(access.va.value),
        write_(access.direction == Direction::write), out_(out) {}

  void run() {
    if (state_.broken_tags.contains(regime_.tag) || state_.reset_unknown.matches(regime_.tag) ||
        state_.wild_unknown.matches(regime_.tag)) {
      out_.insert("any");
      return;
    }
    if (!in_range(regime_, va_)) {
      out_.insert("F_TRANSLATION");
      return;
    }
    std::vector<Item> here;
    for (const Item& item : matching(state_, regime_.tag)) {
      if (item.contains(va_)) here.push_back(item);
    }
    if (any_conflict(here, facts_.layout.bbml)) out_.insert("any");
    for (const Item& item : here) {
      if (!item.pointer) hit(item);
    }
    if (regime_.epd0) {
      out_.insert("F_TRANSLATION");
      return;
    }
    walk(regime_.ttb, start_level(regime_.t0sz));
    for (const Item& item : here) {
      if (!item.pointer) continue;
      if (item.unknown) out_.insert("any");
      else walk(item.out, item.level + 1);
    }
  }

 private:
  void hit(const Item& item) {
    if (item.unknown) {
      out_.insert("any");
      return;
    }
    const std::string page = facts_.layout.name_of(item.out + (va_ - item.va), item.device);
    if (!write_ || item.writable) {
      out_.insert(page);
    } else if (!item.dirtyable) {
      out_.insert("F_PERMISSION");
    } else if (source_is_unchanged(item)) {
      out_.insert(page + "!dirty");
    }  // else the walk starts again, and that is done anyway
  }

  bool source_is_unchanged(const Item& item) const {
    for (const Version& version : state_.memory.visible(item.source)) {
      const Decoded word = decode_descriptor(version.value.word, item.level, regime_.mair);
      if (version.value.known && word.kind == DescriptorKind::leaf && word.dbm &&
          !word.writable && word.out == align_down(item.out, level_shift(item.level))) {
        return true;
      }
    }
    return false;
  }

  void walk(u64 table, unsigned level) {
    const u64 pa = align_down(table, 12) + (va_ >> level_shift(level)) % 512 * 8;
    for (const Version& version : state_.memory.visible(pa)) {
      if (!version.value.known) {
        out_.insert("any");
        continue;
      }
      const Decoded word = decode_descriptor(version.value.word, level, regime_.mair);
      if (word.kind == DescriptorKind::invalid) {
        out_.insert("F_TRANSLATION");
      } else if (word.kind == DescriptorKind::table) {
        walk(word.out, level + 1);
      } else {
        leaf(word, level);
      }
    }
  }

  void leaf(const Decoded& word, unsigned level) {
    if (!word.af && !regime_.ha) {
      out_.insert("F_ACCESS");
      return;
    }
    const u64 offset = va_ & (pow2(level_shift(level)) - 1);
    const std::string page = facts_.layout.name_of(word.out + offset, word.device);
    const bool dirties = regime_.hd && word.dbm;
    if (!write_ || word.writable) out_.insert(page);
    else out_.insert(dirties ? page + "!dirty" : "F_PERMISSION");
  }

  const Facts& facts_;
  const State& state_;
  const Regime& regime_;
  u64 va_;
  bool write_;
  std::set<std::string>& out_;
};

void translate_by_cds(const Facts& facts, const State& state, const Access& access,
                      const Ste& ste, u64 ssid, std::set<std::string>& out) {
  const u64 sid = access.stream.sid.value;
  for (const Structure& structure : state.structures) {
    if (structure.sid != sid) continue;
    if (structure.kind == StructureKind::l1cd && ste.two_level && structure.ssid == ssid >> 6) {
      for (const auto& value : structure.units[0]) {
        const L1 l1 = decode_l1cd(value[0]);
        if (l1.unknown) out.insert("any");
        else if (!l1.valid) out.insert("C_BAD_SUBSTREAMID");
      }
    }
    if (structure.kind != StructureKind::cd || structure.ssid != ssid) continue;
    for_each_mixture(structure, [&](const FourWords& words) {
      const Cd cd = decode_cd(words, ste);
      if (cd.unknown) out.insert("any");
      else if (!cd.valid || cd.illegal) out.insert("C_BAD_CD");
      else Translation(facts, state, cd.regime, access, out).run();
    });
  }
}

/// Arch 3.2.
void translate_by_ste(const Facts& facts, const State& state, const Access& access,
                      const Ste& ste, std::set<std::string>& out) {
  const auto& ssid = access.stream.ssid;
  if (ste.unknown) {
    out.insert("any");
  } else if (!ste.valid || ste.illegal) {
    out.insert("C_BAD_STE");
  } else if (ste.config == Ste::Config::abort) {
    out.insert("abort");
  } else if (ste.config == Ste::Config::bypass) {
    out.insert(ssid ? "C_BAD_SUBSTREAMID" : "bypass");
  } else if (ssid && (ste.cdmax == 0 || !ssid_in_bounds(ste, ssid->value))) {
    out.insert("C_BAD_SUBSTREAMID");
  } else if (ste.cdmax == 0) {
    translate_by_cds(facts, state, access, ste, 0, out);
  } else if (!ssid && ste.s1dss == 1) {
    out.insert("bypass");
  } else if (!ssid && ste.s1dss != 2) {
    out.insert("F_STREAM_DISABLED");
  } else if (ssid && ssid->value == 0 && ste.s1dss == 2) {
    out.insert("F_STREAM_DISABLED");
  } else {
    translate_by_cds(facts, state, access, ste, ssid ? ssid->value : 0, out);
  }
}

void translate_by_stream(const Facts& facts, const State& state, const Access& access,
                         std::set<std::string>& out) {
  const u64 sid = access.stream.sid.value;
  if (sid >> stream_table_lg2 != 0) {
    out.insert("C_BAD_STREAMID");
    return;
  }
  for (const Structure& structure : state.structures) {
    if (structure.kind != StructureKind::l1std || structure.sid != sid >> stream_table_split) {
      continue;
    }
    for (const auto& value : structure.units[0]) {
      const L1 l1 = decode_l1std(value[0]);
      const u64 entry = sid % pow2(stream_table_split);
      if (l1.unknown) out.insert("any");
      else if (!l1.valid || entry >= pow2(l1.span - 1)) out.insert("C_BAD_STREAMID");
    }
  }
  for_each_ste(state, sid,
               [&](const Ste& ste) { translate_by_ste(facts, state, access, ste, out); });
}

constexpr u64 af_bit = u64{1} << 10;

/// Whether the walker may still write to this descriptor (SEMANTICS 4, hardware update).
bool may_be_updated(const Regime& regime, u64 word, unsigned level) {
  const Decoded decoded = decode_descriptor(word, level, regime.mair);
  if (decoded.kind != DescriptorKind::leaf || !regime.ha) return false;
  return (word & af_bit) == 0 || (regime.hd && decoded.dbm && !decoded.writable);
}

}  // namespace

std::set<std::string> outcomes(const Facts& facts, const State& state, const Access& access) {
  std::set<std::string> out;
  if (state.may_bypass) out.insert("bypass");
  if (!state.may_translate) return out;
  if (state.unknown_sids.contains(access.stream.sid.value)) out.insert("any");
  translate_by_stream(facts, state, access, out);
  return out;
}

void judge_state(const Facts& facts, const State& state, std::set<std::string>& broken) {
  if (!state.may_translate) return;
  if (!state.broken_tags.empty() || state.torn || state.shared_by_worlds) broken.insert("tag");
  if (state.wild) broken.insert("wild");
  if (!state.unknown_sids.empty()) broken.insert("unknown");
  for (const Tag& tag : formed_tags(state)) {
    if (state.reset_unknown.matches(tag)) broken.insert("unknown");
    const std::vector<Item> items = matching(state, tag);
    if (any_conflict(items, facts.layout.bbml)) broken.insert("conflict");
    for (const Item& item : items) {
      if (is_released(state, item)) broken.insert("page-reuse");
    }
  }
}

bool loses_update(const State& state, const WriteAction& write) {
  if (write.rmw || !bit(write.value, 0) || !state.may_translate) return false;
  const u64 page = align_down(write.pa, 12);
  const auto updates = [&](const Regime& regime, u64 table, unsigned level) {
    if (align_down(table, 12) != page) return false;
    const auto versions = state.memory.visible(write.pa);
    return std::any_of(versions.begin(), versions.end(), [&](const Version& version) {
      return version.value.known && may_be_updated(regime, version.value.word, level);
    });
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
  // Configuration that is reached now, and what cached configuration still leads to.
  State now = state;
  now.structures.clear();
  fill(facts, now);
  State later = state;
  fill(facts, later);
  for (const State* of : {&now, &later}) {
    for (const Structure& structure : of->structures) {
      if (inside(structure.place)) return true;
    }
  }
  return false;
}

}  // namespace iommucheck::litmus::twin
