// SPDX-License-Identifier: MIT
// What devices keep by ATS: entries that stay behind, and the ATC_INVs that end them. IHI
// 0070 3.9.1, 4.5.1; SEMANTICS 2, 3. Nothing here runs while no endpoint has ATS enabled.
#include "spec/smmu/atc.h"

#include <algorithm>

#include "spec/smmu/caches.h"

namespace iommucheck::spec {

namespace {

/// `next` goes on where `item` ends, and lives as long.
bool continues(const AtcItem& item, const AtcItem& next) {
  if (item.last + 1 != next.first || item.kind != ItemKind::final || next.kind != ItemKind::final) {
    return false;
  }
  AtcItem expected = item.part(next.first, next.last);
  return expected.output == next.output && expected.value == next.value &&
         expected.origin == next.origin && item.space == next.space && item.level == next.level &&
         item.hierarchical == next.hierarchical && item.dies == next.dies &&
         item.filled_until == next.filled_until && item.lost_at == next.lost_at &&
         item.alias_first == next.alias_first && item.alias_count == next.alias_count &&
         item.identity == next.identity && item.clean_only == next.clean_only &&
         item.overrides == next.overrides;
}

bool same_entries(const AtcItem& a, const AtcItem& b) {
  return a.kind == b.kind && a.first == b.first && a.last == b.last && a.output == b.output &&
         a.value == b.value && a.space == b.space && a.level == b.level &&
         a.hierarchical == b.hierarchical && a.alias_first == b.alias_first &&
         a.alias_count == b.alias_count && a.identity == b.identity &&
         a.clean_only == b.clean_only && a.overrides == b.overrides;
}

}  // namespace

// ---- what stays behind --------------------------------------------------------------------------

/// Look-ups through the source meet the translation.
bool Caches::meets(const AtsSource& source, const Candidate& c) const {
  if (source.kind != AtsSource::Kind::regime) return false;
  const u32 own = regimes_[source.regime].tag;
  const u32 tag = regimes_[c.space.regime].tag;
  return (own == tag || meets_globals_of(own, tag)) && is_met_by(source.regime, c);
}

/// A request for write marks the descriptor dirty as memory has it: if that is no longer what the
/// TLB entry was filled from, no request is granted write by the entry.
void Caches::note_clean_only(Candidate& c) const {
  if (c.kind != Candidate::Kind::leaf || !c.leaf.writable_clean) return;
  c.clean_only = true;
  memory_.visible(c.origin, [&](Content word) {
    if (word == Content{c.value, false}) c.clean_only = false;
  });
}

void Caches::leave_all_in_atc(const AtsSource& source) {
  std::vector<std::pair<Candidate, u64>> found;  // adding changes no table, but keep it apart
  translations_under(regimes_[source.regime].tag,
                     [&](const Candidate& c, u64 bytes) { found.emplace_back(c, bytes); });
  for (const auto& [c, bytes] : found) {
    if (!meets(source, c)) continue;
    const Group until = c.item == 0 ? immortal : items_[c.item - 1].dies;
    fill_atc(source, c, bytes, std::min(source.dies, until), 0);
  }
}

/// A TLB entry goes, with which requests were answered.
void Caches::leave_in_atcs(const Item& item) {
  std::vector<Candidate> met;
  meet(item.space, item.level, item.va, item.hierarchical, 0, item.origin,
       Content{item.value, item.kind == ItemKind::unknown}, met);
  for (u32 i = 0; i < ats_sources_.size(); ++i) {
    const AtsSource source = ats_sources_[i];
    for (Candidate& c : met) {
      if (!meets(source, c)) continue;
      c.at = item.va;
      note_clean_only(c);
      fill_atc(source, c, item.count * item.entry_bytes(), std::min(source.dies, item.dies),
               item.stored_at);
    }
  }
}

/// A writable-clean descriptor stops being visible: from now on no request marks it dirty, though
/// its TLB entries still answer requests that want no write.
void Caches::leave_dirty_in_atcs(const Path& path, u64 origin, Content content,
                                 EventIndex stored_at) {
  if (content.unknown || !regime_of(path.space).hd) return;
  std::vector<Candidate> met;
  meet(path.space, path.level, path.va, path.hierarchical, 0, origin, content, met);
  for (u32 i = 0; i < ats_sources_.size(); ++i) {
    const AtsSource source = ats_sources_[i];
    for (const Candidate& c : met) {
      if (c.kind != Candidate::Kind::leaf || !c.leaf.writable_clean || !meets(source, c)) continue;
      fill_atc(source, c, pow2(c.extent_lg2), std::min(source.dies, path.dies), stored_at);
    }
  }
}

void Caches::leave_unknown_in_atcs(Group group, const std::vector<u32>& unknown_before) {
  if (unknown_before.empty()) return;
  const std::vector<u32> now = atcs_of_unknown();
  for (const u32 owner : unknown_before) {
    if (std::ranges::find(now, owner) != now.end()) continue;
    add_atc({.owner = owner,
             .kind = ItemKind::unknown,
             .last = ~u64{0},
             .filled_until = group,
             .lost_at = now_,
             .from_reset = 1});
  }
}

/// Some request is granted some right by the translation; otherwise the device keeps nothing.
bool Caches::grants_anything(const AtsSource& source, const Candidate& c) const {
  const bool has_pasid = atc_owners_[source.owner].ssv != 0;
  const Regime<u64>& regime = regime_of(c.space);
  Leaf<u64> leaf = c.leaf;
  if (c.clean_only && leaf.writable_clean) {
    leaf.privileged.write = leaf.unprivileged.write = false;
  }
  for (const AccessType type : {AccessType::read, AccessType::write, AccessType::execute}) {
    for (const bool privileged : {false, true}) {
      const AccessKind kind{type, privileged};
      if (!check_ats_access(leaf, kind, has_pasid, source.overrides, regime).fault) return true;
    }
  }
  return false;
}

/// Entries for [c.at, c.at + bytes), which requests were answered with until the end of `until`.
void Caches::fill_atc(const AtsSource& source, const Candidate& c, u64 bytes, Group until,
                      u32 stored_at) {
  const Regime<u64>& asking = regimes_[source.regime].regime;
  if (c.kind != Candidate::Kind::leaf && c.kind != Candidate::Kind::unknown) return;
  if (c.kind == Candidate::Kind::leaf && !grants_anything(source, c)) return;
  if (!va_in_range(asking, c.space.half, c.at)) return;
  AtcItem item{.owner = source.owner,
               .space = c.space,
               .level = c.level,
               .first = c.at,
               .last = c.at + (bytes - 1),
               .value = c.value,
               .origin = c.origin,
               .filled_until = until,
               .lost_at = now_,
               .stored_at = stored_at,
               .overrides = source.overrides};
  if (c.kind == Candidate::Kind::unknown) {
    item.kind = ItemKind::unknown;
  } else {
    item.output = c.leaf.output + (c.at - c.va);
    item.hierarchical = c.hierarchical;
    item.clean_only = c.clean_only ? 1 : 0;
  }
  if (asking.half[c.space.half].tbi) item.alias_count = 256;
  add_atc(item);
}

/// ATC_INVs of later groups act after the answer has gone.
void Caches::add_atc(AtcItem item) {
  std::vector<AtcItem> todo{item};
  while (!todo.empty()) {
    item = todo.back();
    todo.pop_back();
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group <= item.filled_until || sent.group >= item.dies) return;
      if (cut_atc(sent.command, item, todo)) item.dies = sent.group;
    });
    insert_atc(item);
  }
}

void Caches::insert_atc(const AtcItem& item) {
  constexpr unsigned look_back = 64;  // of equal entries one is enough
  AtcOwner& owner = atc_owners_[item.owner];
  mark_dirty_range(item.owner | atc_tag_bit, item.first, item.last);
  unsigned seen = 0;
  for (u32 i = static_cast<u32>(owner.first_item); i != 0 && seen < look_back;
       i = atc_items_[i].next, ++seen) {
    if (seen == 0 && continues(atc_items_[i], item)) {
      atc_items_.edit(trail_, i).last = item.last;
      return;
    }
    if (!same_entries(atc_items_[i], item)) continue;
    AtcItem& again = atc_items_.edit(trail_, i);
    if (again.dies > item.dies) return;
    again.dies = item.dies;
    again.filled_until = item.filled_until;
    again.lost_at = item.lost_at;
    again.stored_at = item.stored_at;
    return;
  }
  AtcItem entry = item;
  entry.next = static_cast<u32>(owner.first_item);
  trail_.set(owner.first_item, u64{atc_items_.allocate(trail_, entry)});
  trail_.set(owner.items, owner.items + 1);
  trail_.set(atc_count_, atc_count_ + 1);
}

// ---- invalidation -------------------------------------------------------------------------------

void Caches::kill_atc(const InFlight& command) {
  std::vector<AtcItem> rest;
  for (u32 o = 0; o < atc_owners_.size(); ++o) {
    const bool untagged = profile_.untagged_covers_pasids;
    if (atc_owners_[o].items == 0 || !removes_some(command.command, atc_owners_[o], untagged)) {
      continue;
    }
    rest.clear();
    for (u32 i = static_cast<u32>(atc_owners_[o].first_item); i != 0; i = atc_items_[i].next) {
      AtcItem item = atc_items_[i];
      // Its answer had gone before the command was exposed, so no request brings it back.
      if (item.dies <= command.group || !cut_atc(command.command, item, rest)) continue;
      item.dies = command.group;
      atc_items_.edit(trail_, i) = item;
    }
    for (const AtcItem& item : rest) insert_atc(item);
  }
}

/// SMMUEN is cleared: an ATC_INV that has not completed may be ignored. IHI 0070 4.5.1.
void Caches::void_atc_invs() {
  commands_.drop_all(Opcode::atc_inv);
  for (const AtcOwner& owner : atc_owners_) {
    for (u32 i = static_cast<u32>(owner.first_item); i != 0; i = atc_items_[i].next) {
      if (atc_items_[i].dies != immortal) atc_items_.edit(trail_, i).dies = immortal;
    }
  }
}

// ---- the end ------------------------------------------------------------------------------------

template <class Gone>
void Caches::erase_atc(u32 owner, Gone&& gone) {
  AtcOwner& of = atc_owners_[owner];
  u32 before = 0;
  for (u32 i = static_cast<u32>(of.first_item); i != 0;) {
    const AtcItem item = atc_items_[i];
    if (!gone(item)) {
      before = i;
      i = item.next;
      continue;
    }
    if (before == 0) {
      trail_.set(of.first_item, u64{item.next});
    } else {
      atc_items_.edit(trail_, before).next = item.next;
    }
    mark_dirty_range(owner | atc_tag_bit, item.first, item.last);
    atc_items_.release(trail_, i);
    trail_.set(of.items, of.items - 1);
    trail_.set(atc_count_, atc_count_ - 1);
    i = item.next;
  }
}

void Caches::drop_atc(Group group) {
  if (atc_count_ == 0) return;
  for (u32 i = 0; i < atc_owners_.size(); ++i) {
    if (atc_owners_[i].items == 0) continue;
    erase_atc(i, [group](const AtcItem& item) { return item.dies <= group; });
  }
}

void Caches::set_ats(u32 sid, bool on) {
  if (on == has_ats(sid)) return;
  if (on) {
    ats_streams_.push(trail_, {sid});
    trail_.set(ats_on_, ats_on_ + 1);
    Options options;
    if (enabled_ != 0 && !ste_options(sid, options.stes)) gave_up_ = true;
    std::vector<u32> numbers;
    for (u32 i = 0; i < formed_.size(); ++i) {
      if (formed_[i].sid != sid) continue;
      numbers.push_back(formed_[i].ssid);
      look_at_cds(sid, formed_[i].ssid, options);
    }
    SourceList sources;
    sources_of({sid}, options, numbers, sources);
    for (const AtsSource& source : sources) ats_sources_.push(trail_, source);
    return;
  }
  for (u32 i = ats_streams_.size(); i != 0; --i) {
    if (ats_streams_[i - 1].sid == sid) ats_streams_.remove_unordered(trail_, i - 1);
  }
  trail_.set(ats_on_, ats_on_ - 1);
  for (u32 i = ats_sources_.size(); i != 0; --i) {
    if (atc_owners_[ats_sources_[i - 1].owner].sid == sid) {
      ats_sources_.remove_unordered(trail_, i - 1);
    }
  }
  for (u32 i = 0; i < atc_owners_.size(); ++i) {
    if (atc_owners_[i].sid == sid) erase_atc(i, [](const AtcItem&) { return true; });
  }
}

}  // namespace iommucheck::spec
