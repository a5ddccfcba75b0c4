// SPDX-License-Identifier: MIT
// When an invalidation acts, and what it surely removes. SEMANTICS 3.
#include <algorithm>

#include "spec/smmu/caches.h"
#include "spec/smmu/config_index.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// Which EL2 world it reaches depends on CR2.E2H.
bool names_el2_world(Opcode op) {
  return op == Opcode::tlbi_el2_va || op == Opcode::tlbi_el2_vaa || op == Opcode::tlbi_el2_asid;
}

}  // namespace

Group Caches::expose(const Command& command, bool certain) {
  const InFlight sent = commands_.expose(command, findings_.now());
  if (!certain) return sent.group;
  commands_.remember(sent);
  if (command.op == Opcode::sync) {
    commands_.end_group();
    return sent.group;
  }
  if (controls_.e2h_is_open() && names_el2_world(command.op)) return sent.group;
  if (command.op == Opcode::tlbi_nsnh_all) controls_.renew_vmw(sent.group);
  if (is_tlbi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    if (regimes_.any_ghost()) kill_ghosts(sent);
    if (regimes_.any_combines()) kill_combined(sent);
    if (items_.count() != 0 && !stands_still()) kill_items(sent);
  } else if (is_cfgi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    if (!config_.empty()) kill_config(sent);
    told_cds_.remove(sent);
  } else if (command.op == Opcode::atc_inv && controls_.is_on()) {
    commands_.may_act(sent);  // with SMMUEN = 0 it is ignored
    atcs_.remove(sent);
  }
  return sent.group;
}

void Caches::kill_items(const InFlight& command) {
  graph_.note_change();
  std::vector<u32>& covered = scratch_covered_;
  covered.clear();
  for (u32 t = 0; t < items_.tags(); ++t) {
    const u32 tag = items_.tag(t);
    for (u32 i = items_.first(tag); i != 0; i = items_[i].next) {
      if (items_[i].dies <= command.group) continue;
      const RemovedPart part = removed_part(command.command, regimes_.tag(tag).tag, items_[i],
                                            scopes_.of(command.command, tag));
      if (part.count == 0) continue;
      items_.split(i, part.first, part.count);
      covered.push_back(i);
    }
  }
  if (!work_.spend(covered.size() * (items_.count() / 64))) return;
  // Each entry may be fetched again for itself.
  for (std::size_t k = 0; k < covered.size(); ++k) {
    const u32 i = covered[k];
    while (items_[i].shadow == 0 && items_[i].count > 1 && items_.pointers(items_[i].tag) != 0) {
      items_.split(i, 0, items_[i].count - 1);
      covered.push_back(items_.first(items_[i].tag));
    }
  }
  std::erase_if(covered, [&](u32 i) { return survives(items_[i], command); });
  std::vector<Item>& gone = scratch_gone_;
  gone.clear();
  for (const u32 i : covered) {
    gone.push_back(items_[i]);
    items_.set_dies(i, command.group);
  }
  // What a pointer yields may have been fetched before it goes.
  for (const Item& item : gone) {
    if (item.kind != ItemKind::pointer) continue;
    regimes_.for_each_space_like(item.tag, item.space, [&](const Space& space) {
      const auto end = static_cast<Group>(regimes_[space.regime].dies);
      const Path path{.tag = item.tag,
                      .space = space,
                      .hierarchical = item.hierarchical_below(),
                      .dies = std::min(item.dies, end)};
      expand(path, item.table(), &command.command);
    });
  }
}

/// The item can be fetched again between `command` and the end of its group, from a cached pointer
/// that lives that long: commands of one group act in any order.
bool Caches::survives(const Item& item, const InFlight& command) const {
  if (item.shadow != 0) return false;  // what it is of is gone
  if (items_.pointers(item.tag) == 0 || regimes_.tag(item.tag).formed == 0) return false;
  const Group group = command.group;
  std::vector<const InFlight*> commands;
  commands_.for_each([&](const InFlight& other) {
    if (other.group == group && scopes_.ends(other, item)) commands.push_back(&other);
  });
  if (commands.empty()) return true;
  bool walked = false;
  regimes_.for_each_space_like(item.tag, item.space, [&](const Space& space) {
    // Another regime would fill a leaf of its own attributes, which is none of this item.
    if (item.kind == ItemKind::final && space.regime != item.space.regime) return;
    walked |= regimes_[space.regime].dies >= group;
  });
  if (!walked) return false;
  for (u32 i = items_.first(item.tag); i != 0; i = items_[i].next) {
    const Item& pointer = items_[i];
    if (pointer.kind != ItemKind::pointer || pointer.dies < group) continue;
    if (pointer.level >= item.level || !pointer_yields(pointer, item)) continue;
    // One that they remove as well could come back only from a pointer above it, and that one
    // yields the item too: it is asked by itself.
    const bool removed = std::ranges::any_of(
        commands, [&](const InFlight* other) { return scopes_.ends(*other, pointer); });
    if (!removed) return true;
  }
  return false;
}

/// Memory below the cached pointer says the item now.
bool Caches::pointer_yields(const Item& pointer, const Item& item) const {
  const Geometry geometry = pointer.space.geometry;
  const unsigned slot = geometry.shift(pointer.level);
  if (!shares_tables(item.space, pointer.space) ||
      align_down(item.va, slot) != align_down(pointer.va, slot)) {
    return false;
  }
  const auto descend = [&](auto&& self, u64 table, unsigned level) -> bool {
    const u64 index = (item.va >> geometry.shift(level)) % geometry.entries();
    bool found = false;
    memory_.visible(table + 8 * index, [&](Content content) {
      if (level == item.level) {
        found |= content.unknown ? item.kind == ItemKind::unknown
                                 : content.value == item.value && item.kind != ItemKind::unknown;
      } else if (!content.unknown && Geometry::is_table(content.value, level)) {
        found |= self(self, geometry.next_table(content.value), level + 1);
      }
    });
    return found;
  };
  return descend(descend, geometry.next_table(pointer.value), pointer.level + 1U);
}

void Caches::kill_ghosts(const InFlight& command) {
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const TagState& tag = regimes_.tag(regimes_.active_tag(t));
    const TlbiScope by = scopes_.of(command.command, regimes_.active_tag(t));
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.ghost == 0 || state.ghost_dies <= command.group) continue;
      if (is_tlbi_by_address(command.command.op)) {
        const TlbTarget target{.world = tag.tag.world,
                               .vmid = tag.tag.vmid,
                               .asid = tag.tag.asid,
                               .stage = tag.tag.stage};
        if (!covers_tags(command.command, target, by)) continue;
        materialize_ghost(static_cast<u32>(r - 1));  // kill_items() does the rest
        kill_ghosts(command);
        return;
      }
      // Of a regime with global entries items are made at once, so none of these is global.
      if (!removes_all(command.command, tag.tag, false, by)) continue;
      regimes_.set_ghost_dies(static_cast<u32>(r - 1), command.group);
    }
  }
}

/// Combined entries of VMIDs that no nested STE has any more.
void Caches::kill_combined(const InFlight& command) {
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const u32 id = regimes_.active_tag(t);
    const TagState& tag = regimes_.tag(id);
    if (tag.combines == 0 || tag.combines_until <= command.group) continue;
    if (scopes_.separates(command, id) && !regimes_.is_nested(id))
      regimes_.combine(id, command.group);
  }
}

/// An STE or CD can be read again between `command` and the end of its group, through a cached
/// descriptor that no command of the group which covers it removes as well.
bool Caches::may_be_fetched_again(const ConfigItem& item, const std::vector<u32>& descriptors,
                                  const InFlight& command) const {
  if (leads_on(item.kind) || descriptors.empty()) return false;
  bool same = false;
  memory_.visible(item.place + 8 * item.word, [&](Content content) {
    same |= content == Content{item.value, (item.unknown & 1) != 0};
  });
  if (!same) return false;
  for (const u32 i : descriptors) {
    const ConfigItem& descriptor = config_[i];
    if (descriptor.unknown != 0 || descriptor.dies < command.group ||
        !leads_to(descriptor, descriptor.value, item)) {
      continue;
    }
    const bool removed = commands_.is_ended_by(command.group, [&](const InFlight& other) {
      return scopes_.ends(other, item) && scopes_.ends(other, descriptor);
    });
    if (!removed) return true;
  }
  return false;
}

/// The structures that a descriptor which goes has led to, as far as `commands` leave them: cached
/// as memory has them now, invalid ones too.
void Caches::leave_below(const ConfigItem& item, const std::vector<const Command*>& commands,
                         std::vector<StreamPart>& streams) {
  for (u32 r = 0; r < config_.regions(); ++r) {
    const Region region = config_.region(r);
    const bool below = item.kind == ConfigKind::l1std
                           ? region.kind == ConfigKind::ste && region.made_by == item.sid
                           : region.kind == ConfigKind::cd && region.made_by == item.sid &&
                                 region.ssid == item.ssid;
    const u64 table = item.kind == ConfigKind::l1std ? L1Std<u64>{item.value}.l2ptr()
                                                     : L1Cd<u64>{item.value}.l2ptr();
    if (!below || region.first != table) continue;
    for (u64 place = region.first; place < region.first + region.bytes; place += ste_bytes) {
      const auto number = static_cast<u32>((place - region.first) / ste_bytes);
      ConfigItem word{.kind = region.kind,
                      .sid = region.sid,
                      .ssid = region.ssid,
                      .place = place,
                      .since = findings_.now(),
                      .vanished_at = findings_.now(),
                      .stored_at = findings_.now()};
      (region.kind == ConfigKind::ste ? word.sid : word.ssid) += number;
      const auto covered = [&](const Command* command) { return removes(*command, word); };
      if (!leads_to(item, item.value, word) || std::ranges::any_of(commands, covered)) continue;
      cache_structure(word);
      add_part(word.kind == ConfigKind::cd ? StreamPart{word.sid, word.ssid, word.ssid}
                                           : StreamPart{word.sid},
               streams);
    }
  }
}

/// Items for the words of the structure at `tags.place`: of one that is all zeros the first is
/// enough, since V = 0.
void Caches::cache_structure(const ConfigItem& tags) {
  bool zeros = true;
  for (unsigned w = 0; w < ste_words; ++w) {
    memory_.visible(tags.place + 8 * w, [&](Content c) { zeros &= !c.unknown && c.value == 0; });
  }
  for (u32 i = 0; i < config_.size(); ++i) zeros &= config_[i].place != tags.place;
  for (unsigned w = 0; w < (zeros ? 1 : ste_words); ++w) {
    const u64 pa = tags.place + 8 * w;
    ConfigItem word = tags;
    word.word = static_cast<u16>(w);
    Frame& frame = memory_.frame(pa);
    memory_.visible(pa, [&](Content content) {
      word.value = content.value;
      word.unknown = content.unknown ? 1 : 0;
      cache_words(word, {&frame, static_cast<unsigned>(bits(pa, 11, 3)), content, findings_.now()},
                  {});
    });
  }
}

/// The streams that an item concerns; of a span those that were ever configured.
void Caches::add_streams(const ConfigItem& item, std::vector<StreamPart>& streams) {
  if (item.sid_count > 1) fetches_.note_change();
  if (item.kind == ConfigKind::cd) {
    add_part({item.sid, item.ssid, item.ssid}, streams);
    return;
  }
  for (u32 n = 0; n < item.sid_count; ++n) {
    if (item.sid_count > 1 && !streams_.has(item.sid + n)) continue;
    add_part({item.sid + n}, streams);
  }
}

void Caches::kill_config(const InFlight& command) {
  std::vector<StreamPart> streams;
  std::vector<ConfigItem> left;  // STEs and CDs that a removed L1STD or L1CD led to
  const DescriptorIndex index(config_);
  std::vector<u32> descriptors;
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies <= command.group) continue;
    if (!removes(command.command, item)) continue;
    if (!leads_on(item.kind)) {
      index.above(item, descriptors);
      if (may_be_fetched_again(item, descriptors, command)) continue;
    }
    config_.set_dies(i, command.group);
    if (leads_on(item.kind) && item.unknown == 0) left.push_back(item);
    add_streams(item, streams);
  }
  // One StreamID's CFGI removes an L1STD; the cached STEs of the others of its span live on.
  for (const ConfigItem& item : left) leave_below(item, {&command.command}, streams);
  for (const StreamPart& part : streams) reform_unseen(part);
}

/// What the pointers that die with `group` yielded until their end, as memory below them is now.
void Caches::leave_below_pointers(Group group) {
  std::vector<u32> done;
  for (u32 t = 0; t < items_.tags(); ++t) {
    const u32 id = items_.tag(t);
    if (items_.pointers(id) == 0) continue;
    for (bool again = true; again;) {
      again = false;
      if (!work_.spend((items_.count(id) + done.size()) / 16)) return;
      for (u32 i = items_.first(id); i != 0; i = items_[i].next) {
        const Item item = items_[i];
        if (item.kind != ItemKind::pointer || item.dies > group ||
            std::ranges::find(done, i) != done.end()) {
          continue;
        }
        done.push_back(i);
        again = true;
        regimes_.for_each_space_like(id, item.space, [&](const Space& space) {
          const auto end = static_cast<Group>(regimes_[space.regime].dies);
          const Path path{.tag = id,
                          .space = space,
                          .hierarchical = item.hierarchical_below(),
                          .dies = std::min(item.dies, end),
                          .item = i + 1};
          expand(path, item.table(), nullptr);
        });
        break;  // the list has changed
      }
    }
  }
}

void Caches::complete(Group group) {
  if (commands_.is_complete(group)) return;
  std::vector<u32> unknown_atcs;
  if (atcs_.any_on()) unknown_atcs = ats_.of_unknown();
  commands_.complete(group);
  from_reset_.complete(group);
  controls_.complete(group);
  // Configuration first: a regime that goes leaves items behind, which later groups may have
  // removed already.
  std::vector<StreamPart> streams;
  std::vector<u32> arrays;
  for (u32 i = 0, count = config_.size(); i < count; ++i) {
    const ConfigItem item = config_[i];
    if (item.dies > group || !leads_on(item.kind) || item.unknown != 0 || !controls_.enabled())
      continue;
    std::vector<const Command*> killers;
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group == item.dies && scopes_.ends(sent, item)) killers.push_back(&sent.command);
    });
    leave_below(item, killers, streams);
  }
  for (u32 i = config_.size(); i != 0; --i) {
    const ConfigItem item = config_[i - 1];
    if (item.dies > group) continue;
    if (item.kind == ConfigKind::l1std) arrays.push_back(item.sid);
    add_streams(item, streams);
    config_.remove(i - 1);
  }
  if (controls_.enabled()) {
    for (const u32 first : arrays) refresh_l2_arrays(first);
  }
  for (const StreamPart& part : streams) reform(part);
  if (regimes_.any_ghost()) {
    for (u32 t = 0; t < regimes_.active(); ++t) {
      const auto id = regimes_.active_tag(t);
      for (u64 r = regimes_.tag(id).first_regime; r != 0; r = regimes_[r - 1].next) {
        if (regimes_[r - 1].ghost == 0 || regimes_[r - 1].ghost_dies > group) continue;
        drop_ghost(static_cast<u32>(r - 1));
        mark_dirty(id, 0, 64);
      }
    }
  }
  for (u32 t = 0; t < regimes_.active() && regimes_.any_combines(); ++t) {
    const u32 id = regimes_.active_tag(t);
    if (regimes_.tag(id).combines != 0 && regimes_.tag(id).combines_until <= group) {
      regimes_.separate(id);
    }
  }
  told_cds_.drop(group);
  leave_below_pointers(group);
  drop_items(group);
  ats_.leave_unknown(group, unknown_atcs);
  atcs_.drop(group);
  commands_.forget(group);
}

}  // namespace iommucheck::spec
