// SPDX-License-Identifier: MIT
#include "spec/smmu/atcs.h"

#include <algorithm>

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

bool same_source(const AtsSource& a, const AtsSource& b) {
  return a.owner == b.owner && a.kind == b.kind && a.regime == b.regime && a.number == b.number &&
         a.overrides == b.overrides;
}

// ---- who asks -----------------------------------------------------------------------------------

bool Atcs::is_on(u32 sid) const {
  for (u32 i = 0; i < streams_.size(); ++i) {
    if (streams_[i].sid == sid) return true;
  }
  return false;
}

void Atcs::switch_on(u32 sid) {
  streams_.push(trail_, {sid});
  trail_.set(on_, on_ + 1);
}

void Atcs::switch_off(u32 sid) {
  for (u32 i = streams_.size(); i != 0; --i) {
    if (streams_[i - 1].sid == sid) streams_.remove_unordered(trail_, i - 1);
  }
  trail_.set(on_, on_ - 1);
  for (u32 i = sources_.size(); i != 0; --i) {
    if (owners_[sources_[i - 1].owner].sid == sid) sources_.remove_unordered(trail_, i - 1);
  }
  for (u32 i = 0; i < owners_.size(); ++i) {
    if (owners_[i].sid == sid) erase(i, [](const AtcItem&) { return true; });
  }
}

u32 Atcs::intern(u32 sid, u32 ssid, u32 ssv) {
  for (u32 i = 0; i < owners_.size(); ++i) {
    const AtcOwner& owner = owners_[i];
    if (owner.sid == sid && owner.ssid == ssid && owner.ssv == ssv) return i;
  }
  owners_.push_back({.sid = sid, .ssid = ssid, .ssv = ssv});
  return static_cast<u32>(owners_.size() - 1);
}

// ---- by what requests are answered --------------------------------------------------------------

void Atcs::add_sources(const Sources& sources) {
  for (const AtsSource& source : sources) sources_.push(trail_, source);
}

void Atcs::replace_sources(const StreamPart& part, const Sources& sources, Sources& lost) {
  for (u32 i = sources_.size(); i != 0; --i) {
    const AtsSource old = sources_[i - 1];
    if (owners_[old.owner].sid != part.sid) continue;
    if (!part.whole() && (old.number < part.first || old.number > part.last)) continue;
    const bool still = std::ranges::any_of(
        sources, [&](const AtsSource& source) { return same_source(source, old); });
    if (!still) lost.push_back(old);
    sources_.remove_unordered(trail_, i - 1);
  }
  add_sources(sources);
}

// ---- what they keep -----------------------------------------------------------------------------

void Atcs::add(AtcItem item) {
  std::vector<AtcItem> todo{item};
  while (!todo.empty()) {
    item = todo.back();
    todo.pop_back();
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group <= item.filled_until || sent.group >= item.dies) return;
      if (cut(sent.command, owners_[item.owner], untagged_covers_pasids_, item, todo)) {
        item.dies = sent.group;
      }
    });
    insert(item);
  }
}

void Atcs::insert(const AtcItem& item) {
  constexpr unsigned look_back = 64;  // of equal entries one is enough
  AtcOwner& owner = owners_[item.owner];
  changes_.mark(item.owner | atc_tag_bit, item.first, item.last);
  unsigned seen = 0;
  for (u32 i = static_cast<u32>(owner.first_item); i != 0 && seen < look_back;
       i = items_[i].next, ++seen) {
    if (seen == 0 && continues(items_[i], item)) {
      items_.edit(trail_, i).last = item.last;
      return;
    }
    if (!same_entries(items_[i], item)) continue;
    AtcItem& again = items_.edit(trail_, i);
    if (again.dies > item.dies) return;
    again.dies = item.dies;
    again.filled_until = item.filled_until;
    again.lost_at = item.lost_at;
    again.stored_at = item.stored_at;
    return;
  }
  AtcItem entry = item;
  entry.next = static_cast<u32>(owner.first_item);
  trail_.set(owner.first_item, u64{items_.allocate(trail_, entry)});
  trail_.set(owner.items, owner.items + 1);
  trail_.set(count_, count_ + 1);
}

void Atcs::remove(const InFlight& sent) {
  if (count_ == 0) return;
  std::vector<AtcItem> rest;
  for (const AtcOwner& owner : owners_) {
    if (owner.items == 0 || !removes_some(sent.command, owner, untagged_covers_pasids_)) continue;
    rest.clear();
    for (u32 i = static_cast<u32>(owner.first_item); i != 0; i = items_[i].next) {
      AtcItem item = items_[i];
      // Its answer had gone before the command was exposed, so no request brings it back.
      if (item.dies <= sent.group ||
          !cut(sent.command, owner, untagged_covers_pasids_, item, rest)) {
        continue;
      }
      item.dies = sent.group;
      items_.edit(trail_, i) = item;
    }
    for (const AtcItem& item : rest) insert(item);
  }
}

template <class Gone>
void Atcs::erase(u32 owner, Gone&& gone) {
  AtcOwner& of = owners_[owner];
  u32 before = 0;
  for (u32 i = static_cast<u32>(of.first_item); i != 0;) {
    const AtcItem item = items_[i];
    if (!gone(item)) {
      before = i;
      i = item.next;
      continue;
    }
    if (before == 0) {
      trail_.set(of.first_item, u64{item.next});
    } else {
      items_.edit(trail_, before).next = item.next;
    }
    changes_.mark(owner | atc_tag_bit, item.first, item.last);
    items_.release(trail_, i);
    trail_.set(of.items, of.items - 1);
    trail_.set(count_, count_ - 1);
    i = item.next;
  }
}

void Atcs::drop(Group group) {
  if (count_ == 0) return;
  for (u32 i = 0; i < owners_.size(); ++i) {
    if (owners_[i].items == 0) continue;
    erase(i, [group](const AtcItem& item) { return item.dies <= group; });
  }
}

void Atcs::revive() {
  for (const AtcOwner& owner : owners_) {
    for (u32 i = static_cast<u32>(owner.first_item); i != 0; i = items_[i].next) {
      const AtcItem& item = items_[i];
      if (item.dies == immortal) continue;
      const auto still = [&](const InFlight& sent) {
        AtcItem all = item;
        std::vector<AtcItem> rest;
        return cut(sent.command, owner, untagged_covers_pasids_, all, rest) && rest.empty();
      };
      if (!commands_.is_ended_by(item.dies, still)) items_.edit(trail_, i).dies = immortal;
    }
  }
}

void Atcs::revive_all() {
  for (const AtcOwner& owner : owners_) {
    for (u32 i = static_cast<u32>(owner.first_item); i != 0; i = items_[i].next) {
      if (items_[i].dies != immortal) items_.edit(trail_, i).dies = immortal;
    }
  }
}

}  // namespace iommucheck::spec
