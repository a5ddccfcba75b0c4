// SPDX-License-Identifier: MIT
#include "spec/smmu/ats.h"

#include <algorithm>

#include "spec/arch/access.h"
#include "spec/arch/walk.h"

namespace iommucheck::spec {

/// Look-ups through the source meet the translation.
bool Ats::meets(const AtsSource& source, const Candidate& c) const {
  if (source.kind != AtsSource::Kind::regime) return false;
  if (lookups_.is_shadow(c) && atcs_.owner(source.owner).ssv != AtcOwner::contained) return false;
  const u32 own = regimes_[source.regime].tag;
  const u32 tag = regimes_[c.space.regime].tag;
  return (own == tag || regimes_.meets_globals_of(own, tag)) &&
         lookups_.is_met_by(source.regime, c);
}

void Ats::leave_all(const AtsSource& source) {
  std::vector<std::pair<Candidate, u64>> found;  // adding changes no table, but keep it apart
  lookups_.translations_under(regimes_[source.regime].tag,
                              [&](const Candidate& c, u64 bytes) { found.emplace_back(c, bytes); });
  for (const auto& [c, bytes] : found) {
    if (!meets(source, c)) continue;
    const Group until = c.item == 0 ? immortal : items_[c.item - 1].dies;
    fill(source, c, bytes, std::min(source.dies, until), 0);
  }
}

/// A TLB entry goes, with which requests were answered.
void Ats::leave(const Item& item) {
  std::vector<Candidate> met;
  lookups_.meet(item.space, item.level, item.va, item.hierarchical, 0, item.origin,
                Content{item.value, item.kind == ItemKind::unknown}, met);
  for (u32 i = 0; i < atcs_.sources(); ++i) {
    const AtsSource source = atcs_.source(i);
    const bool combined = atcs_.owner(source.owner).ssv == AtcOwner::contained;
    if (item.shadow != 0 && !combined) continue;
    for (Candidate& c : met) {
      if (!meets(source, c)) continue;
      c.at = item.va;
      lookups_.note_clean_only(c);
      fill(source, c, item.count * item.entry_bytes(), std::min(source.dies, item.dies),
           item.stored_at, item.unreplaced());
    }
  }
}

/// A writable-clean descriptor stops being visible: from now on no request marks it dirty, though
/// its TLB entries still answer requests that want no write.
void Ats::leave_dirty(const TableGraph::Path& path, u64 origin, Content content,
                      EventIndex stored_at) {
  if (content.unknown || !regimes_.of(path.space).hd) return;
  std::vector<Candidate> met;
  lookups_.meet(path.space, path.level, path.va, path.hierarchical, 0, origin, content, met);
  for (u32 i = 0; i < atcs_.sources(); ++i) {
    const AtsSource source = atcs_.source(i);
    for (Candidate& c : met) {
      if (c.kind != Candidate::Kind::leaf || !c.leaf.writable_clean || !meets(source, c)) continue;
      c.at = c.va;  // of all its group
      fill(source, c, pow2(c.extent_lg2), std::min(source.dies, path.dies), stored_at);
    }
  }
}

/// ATCs that anything may be in, since configuration or translations from before reset may live.
std::vector<u32> Ats::of_unknown() const {
  std::vector<u32> owners;
  if (!controls_.enabled() || from_reset_.empty()) return owners;
  atcs_.for_each_stream([&](u32 sid) {
    if (from_reset_.has_config(sid)) {
      owners.push_back(atcs_.intern(sid, 0, 2));
    }
  });
  for (u32 i = 0; i < atcs_.sources(); ++i) {
    const AtsSource& source = atcs_.source(i);
    if (source.kind == AtsSource::Kind::regime &&
        from_reset_.has_translations(regimes_.tag(regimes_[source.regime].tag).tag)) {
      owners.push_back(source.owner);
    }
  }
  return owners;
}

void Ats::leave_unknown(Group group, const std::vector<u32>& before) {
  if (before.empty()) return;
  const std::vector<u32> now = of_unknown();
  for (const u32 owner : before) {
    if (std::ranges::find(now, owner) != now.end()) continue;
    atcs_.add({.owner = owner,
               .kind = ItemKind::unknown,
               .last = ~u64{0},
               .filled_until = group,
               .lost_at = findings_.now(),
               .from_reset = 1});
  }
}

/// Some request is granted some right by the translation; otherwise the device keeps nothing.
bool Ats::grants_anything(const AtsSource& source, const Candidate& c) const {
  const bool has_pasid = atcs_.owner(source.owner).ssv != 0;
  const Regime<u64>& regime = regimes_.of(c.space);
  Leaf<u64> leaf = c.leaf;
  if (c.clean_only && leaf.writable_clean) {
    leaf.privileged.write = leaf.unprivileged.write = false;
  }
  for (const AccessType type : {AccessType::read, AccessType::write, AccessType::execute}) {
    for (const bool privileged : {false, true}) {
      const AccessKind kind{type, privileged};
      const AccessKind asked = effective_access(ats_access(kind, has_pasid), source.overrides);
      if (check_e0pd(regime, c.space.half, asked)) continue;
      if (!check_ats_access(leaf, kind, has_pasid, source.overrides, regime).fault) return true;
    }
  }
  return false;
}

/// The descriptor for c.at, and where it stands. Of a contiguous group any member was met, and the
/// entry of each page is told by the page's own, as in TLBs.
std::pair<u64, u64> Ats::word_for(const Candidate& c) {
  const unsigned group_lg2 = c.space.geometry.group_lg2(c.level);
  if (!c.leaf.contiguous.value || group_lg2 == 0) return {c.value, c.origin};
  const unsigned shift = c.space.geometry.shift(c.level);
  const u64 steps = ((c.at - c.va) >> shift) - bits(c.origin, group_lg2 + 2, 3);
  return {c.value + (steps << shift), c.origin + 8 * steps};
}

/// Entries for [c.at, c.at + bytes), which requests were answered with until the end of `until`.
void Ats::fill(const AtsSource& source, const Candidate& c, u64 bytes, Group until, u32 stored_at,
               bool unreplaced) {
  const Half<u64>& asking = regimes_[source.regime].regime.half[c.space.half];
  const Half<u64>& filled_by = regimes_.of(c.space).half[c.space.half];
  if (c.kind != Candidate::Kind::leaf && c.kind != Candidate::Kind::unknown) return;
  if (c.kind == Candidate::Kind::leaf && !grants_anything(source, c)) return;
  AtcItem item{.owner = source.owner,
               .space = c.space,
               .level = c.level,
               .unreplaced = static_cast<u8>(unreplaced ? 1 : 0),
               .first = c.at,
               .last = c.at + (bytes - 1),
               .value = c.value,
               .origin = c.origin,
               .filled_until = until,
               .lost_at = findings_.now(),
               .stored_at = stored_at,
               .overrides = source.overrides};
  if (c.kind == Candidate::Kind::unknown) {
    item.kind = ItemKind::unknown;
  } else {
    const auto [value, origin] = word_for(c);
    item.value = value;
    item.origin = origin;
    item.output = c.leaf.output + (c.at - c.va);
    item.hierarchical = c.hierarchical;
    item.clean_only = c.clean_only ? 1 : 0;
  }
  if (asking.tbi | filled_by.tbi) item.alias_count = 256;
  // Tables below a cached pointer may translate more than the half has.
  const u64 input = low_mask(64 - filled_by.tsz);
  const u64 first = std::max(item.first, c.space.half == 0 ? 0 : ~input);
  const u64 last = std::min(item.last, c.space.half == 0 ? input : ~u64{0});
  if (first <= last) atcs_.add(item.part(first, last));
}

}  // namespace iommucheck::spec
