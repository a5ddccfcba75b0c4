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
  lists_.emplace_back();
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
      if (!Commands::is_behind(sent, item.filled_until) || sent.group >= item.dies) return;
      if (cut(sent.command, owners_[item.owner], untagged_covers_pasids_, item, todo)) {
        item.dies = sent.group;
      }
    });
    insert(item);
  }
}

/// The entry behind those of an item: one item more is not needed.
bool Atcs::extend(const AtcItem& item) {
  if (item.first == 0) return false;
  List& list = lists_[item.owner];
  const u32 i = items_.newest_at(list, item.first - 1,
                                 [&](const AtcItem& before) { return continues(before, item); });
  if (i == 0) return false;
  items_.edit(i).last = item.last;
  items_.extended(list, i);
  return true;
}

/// The same entries again: one item is enough.
bool Atcs::renew(const AtcItem& item) {
  const u32 i = items_.newest_at(lists_[item.owner], item.first,
                                 [&](const AtcItem& old) { return same_entries(old, item); });
  if (i == 0) return false;
  if (items_[i].dies > item.dies) return true;
  AtcItem& again = items_.edit(i);
  again.dies = item.dies;
  again.filled_until = item.filled_until;
  again.lost_at = item.lost_at;
  again.stored_at = item.stored_at;
  again.unreplaced = item.unreplaced;
  return true;
}

void Atcs::insert(const AtcItem& item) {
  changes_.mark(item.owner | atc_tag_bit, item.first, item.last);
  if (renew(item) || extend(item)) return;
  List& list = lists_[item.owner];
  items_.insert(list, item);
  if (item.alias_count != 0) trail_.set(list.aliases, list.aliases + 1);
}

void Atcs::remove(const InFlight& sent) {
  if (items() == 0) return;
  const AtcSpan span = span_of(sent.command);
  std::vector<AtcItem> rest;
  for (u32 owner = 0; owner < owners_.size(); ++owner) {
    List& list = lists_[owner];
    if (list.items == 0 || !removes_some(sent.command, owners_[owner], untagged_covers_pasids_)) {
      continue;
    }
    rest.clear();
    const auto end = [&](u32 i) {
      AtcItem item = items_[i];
      // Its answer had gone before the command was exposed, so no request brings it back.
      if (item.dies <= sent.group ||
          !cut(sent.command, owners_[owner], untagged_covers_pasids_, item, rest)) {
        return;
      }
      item.dies = sent.group;
      items_.replace(list, i, item);
    };
    const bool by_address = list.aliases == 0 && owners_[owner].ssv != AtcOwner::contained;
    if (by_address) {
      items_.for_each_in(list, span.first, span.last, end);
    } else {
      items_.for_each(list, end);
    }
    for (const AtcItem& item : rest) insert(item);
  }
}

template <class Gone>
void Atcs::erase(u32 owner, Gone&& gone) {
  List& list = lists_[owner];
  items_.drop(list, gone, [&](u32 /*index*/, const AtcItem& item) {
    if (item.alias_count != 0) trail_.set(list.aliases, list.aliases - 1);
    changes_.mark(owner | atc_tag_bit, item.first, item.last);
  });
}

void Atcs::drop(Group group) {
  if (items() == 0) return;
  for (u32 i = 0; i < owners_.size(); ++i) {
    if (lists_[i].items == 0) continue;
    erase(i, [group](const AtcItem& item) { return item.dies <= group; });
  }
}

void Atcs::revive(u32 index) {
  const AtcItem& item = items_[index];
  if (item.dies == immortal) return;
  const AtcOwner& owner = owners_[item.owner];
  const auto still = [&](const InFlight& sent) {
    AtcItem all = item;
    std::vector<AtcItem> rest;
    return cut(sent.command, owner, untagged_covers_pasids_, all, rest) && rest.empty();
  };
  if (!commands_.is_ended_by(item.dies, still)) items_.edit(index).dies = immortal;
}

void Atcs::revive() {
  for (const List& list : lists_) {
    items_.for_each(list, [&](u32 i) { revive(i); });
  }
}

void Atcs::revive_all() {
  for (const List& list : lists_) {
    items_.for_each(list, [&](u32 i) {
      if (items_[i].dies != immortal) items_.edit(i).dies = immortal;
    });
  }
}

}  // namespace iommucheck::spec
