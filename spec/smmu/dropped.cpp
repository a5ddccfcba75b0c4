// SPDX-License-Identifier: MIT
// Commands that the queue lost: it was disabled, and its indices were set anew before they were
// consumed. IHI 0070 6.3.9.3, 6.3.26 to 6.3.28.
#include <algorithm>

#include "spec/smmu/caches.h"

namespace iommucheck::spec {

namespace {

/// All that was filled under a tag, global entries too.
bool covers_whole(const Command& command, const Tag<u64>& tag, bool globals, TlbiScope scope) {
  if (!is_tlbi(command.op) || is_tlbi_by_address(command.op)) return false;
  TlbTarget target{.world = tag.world, .vmid = tag.vmid, .asid = tag.asid};
  const auto covered = static_cast<bool>(covers(command, target, scope));
  target.global = globals;
  return covered && static_cast<bool>(covers(command, target, scope));
}

}  // namespace

/// Of the dropped commands nobody knows whether they ran: that none did leaves the most alive. So
/// what dies is what a command that is left surely removes.
void Caches::drop_commands(u64 count) {
  const u64 first = exposed_ - std::min(count, exposed_);
  bool any = false;
  for (u32 i = in_flight_.size(); i != 0; --i) {
    if (in_flight_[i - 1].number < first) continue;
    in_flight_.remove_unordered(trail_, i - 1);
    any = true;
  }
  if (!any) return;
  ++paths_version_;
  revive_unknown();
  revive_config();
  revive_items();
  revive_atc();
}

bool Caches::awaits_atc_inv(u64 later) const {
  return is_left([&](const InFlight& command) {
    return command.command.op == Opcode::atc_inv && command.number + later < exposed_;
  });
}

void Caches::revive_unknown() {
  trail_.save(reinterpret_cast<u64*>(&unknown_), sizeof(unknown_) / 8);
  unknown_.config_dies = unknown_.tlb_el1_dies = unknown_.tlb_el2_dies = immortal;
  for (u32 i = unknown_streams_.size(); i != 0; --i) {
    if (unknown_streams_[i - 1].dies >= completed_) {
      unknown_streams_.remove_unordered(trail_, i - 1);
    }
  }
  for (u32 i = unknown_except_.size(); i != 0; --i) {
    if (unknown_except_[i - 1].dies >= completed_) unknown_except_.remove_unordered(trail_, i - 1);
  }
  std::vector<InFlight> left;
  for (u32 i = 0; i < in_flight_.size(); ++i) left.push_back(in_flight_[i]);
  std::ranges::sort(left, {}, &InFlight::number);
  for (const InFlight& command : left) kill_unknown(command);
}

void Caches::revive_config() {
  std::vector<StreamPart> streams;
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.dies == immortal) continue;
    const auto removes = [&](const InFlight& command) {
      return command.group == item.dies && command.at >= item.since &&
             is_cfgi(command.command.op) && covers_both(command.command, item, item);
    };
    if (is_left(removes)) continue;
    config_items_.edit(trail_, i).dies = immortal;
    add_streams(item, streams);
  }
  for (const StreamPart& part : streams) reform_unseen(part);
}

void Caches::revive_items() {
  for (u32 t = 0; t < item_tags_.size(); ++t) {
    const TagState& tag = tags_[static_cast<u32>(item_tags_[t])];
    for (u32 i = static_cast<u32>(tag.first_item); i != 0; i = items_[i].next) {
      const Item& item = items_[i];
      if (item.dies == immortal) continue;
      const auto removes = [&](const InFlight& command) {
        return command.group == item.dies && command.at >= item.since &&
               is_tlbi(command.command.op) && covers_item(command.command, item);
      };
      if (!is_left(removes)) items_.edit(trail_, i).dies = immortal;
    }
  }
  if (ghosts_ == 0) return;
  for (u32 t = 0; t < active_tags_.size(); ++t) {
    const TagState& tag = tags_[static_cast<u32>(active_tags_[t])];
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      RegimeState& state = regimes_[r - 1];
      if (state.ghost == 0 || state.ghost_dies == immortal) continue;
      const auto removes = [&](const InFlight& command) {
        return command.group == state.ghost_dies &&
               covers_whole(command.command, tag.tag, globals_ != 0, {0, e2h_ != 0});
      };
      if (!is_left(removes)) trail_.set(state.ghost_dies, immortal);
    }
  }
}

void Caches::revive_atc() {
  for (const AtcOwner& owner : atc_owners_) {
    for (u32 i = static_cast<u32>(owner.first_item); i != 0; i = atc_items_[i].next) {
      const AtcItem& item = atc_items_[i];
      if (item.dies == immortal) continue;
      const auto removes = [&](const InFlight& command) {
        AtcItem cut = item;
        std::vector<AtcItem> rest;
        return command.group == item.dies && command.command.op == Opcode::atc_inv &&
               cut_atc(command.command, cut, rest) && rest.empty();
      };
      if (!is_left(removes)) atc_items_.edit(trail_, i).dies = immortal;
    }
  }
}

}  // namespace iommucheck::spec
