// SPDX-License-Identifier: MIT
// Commands that do not count: the queue lost them, since it was disabled and its indices were set
// anew before they were consumed, or CR0.VMW changed. IHI 0070 6.3.9.1, 6.3.9.3, 6.3.26 to 6.3.28.
#include <algorithm>

#include "spec/smmu/caches.h"

namespace iommucheck::spec {

/// Of the dropped commands nobody knows whether they ran: that none did leaves the most alive. So
/// what dies is what a command that is left surely removes.
void Caches::drop_commands(u64 count) {
  if (!commands_.drop_last(count)) return;
  controls_.forget_renewal();
  graph_.note_change();
  from_reset_.revive(caps_, controls_.stream_table().two_level, controls_.enabled());
  revive_config();
  told_cds_.revive(commands_);
  revive_items();
  atcs_.revive();
}

void Caches::set_vmw(unsigned bits) {
  if (controls_.vmw() == bits) return;
  const bool nothing_is_cached =
      !controls_.enabled() && items_.count() == 0 && !regimes_.any_ghost();
  controls_.set_vmw(bits, nothing_is_cached);
  for (const Opcode op : {Opcode::tlbi_nh_all, Opcode::tlbi_nh_asid, Opcode::tlbi_nh_va,
                          Opcode::tlbi_nh_vaa, Opcode::tlbi_s12_vmall, Opcode::tlbi_s2_ipa}) {
    commands_.drop_all(op);
  }
  graph_.note_change();
  from_reset_.revive(caps_, controls_.stream_table().two_level, controls_.enabled());
  revive_items();
}

bool Caches::awaits_atc_inv(u64 later) const {
  bool any = false;
  commands_.for_each([&](const InFlight& sent) {
    any |= sent.command.op == Opcode::atc_inv && sent.number + later < commands_.exposed();
  });
  return any;
}

void Caches::revive_config() {
  std::vector<StreamPart> streams;
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies == immortal) continue;
    const auto still = [&](const InFlight& sent) { return scopes_.ends(sent, item); };
    if (commands_.is_ended_by(item.dies, still)) continue;
    config_.set_dies(i, immortal);
    add_streams(item, streams);
  }
  for (const StreamPart& part : streams) reform_unseen(part);
}

void Caches::revive_items() {
  for (u32 t = 0; t < items_.tags(); ++t) {
    for (u32 i = items_.first(items_.tag(t)); i != 0; i = items_[i].next) {
      const Item& item = items_[i];
      if (item.dies == immortal) continue;
      const auto still = [&](const InFlight& sent) { return scopes_.ends(sent, item); };
      if (!commands_.is_ended_by(item.dies, still)) items_.set_dies(i, immortal);
    }
  }
  for (u32 t = 0; t < regimes_.active() && regimes_.any_combines(); ++t) {
    const u32 id = regimes_.active_tag(t);
    const u64 until = regimes_.tag(id).combines_until;
    const auto still = [&](const InFlight& sent) { return scopes_.separates(sent, id); };
    if (regimes_.tag(id).combines == 0 || until == immortal) continue;
    if (!commands_.is_ended_by(static_cast<Group>(until), still)) regimes_.combine(id, immortal);
  }
  if (!regimes_.any_ghost()) return;
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const TagState& tag = regimes_.tag(regimes_.active_tag(t));
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.ghost == 0 || state.ghost_dies == immortal) continue;
      const auto still = [&](const InFlight& sent) {
        return removes_all(sent.command, tag.tag, regimes_.any_globals(),
                           scopes_.of(sent.command, regimes_.active_tag(t)));
      };
      if (!commands_.is_ended_by(static_cast<Group>(state.ghost_dies), still)) {
        regimes_.set_ghost_dies(static_cast<u32>(r - 1), immortal);
      }
    }
  }
}

}  // namespace iommucheck::spec
