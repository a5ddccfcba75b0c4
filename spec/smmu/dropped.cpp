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
  configuration_.revive();
  told_cds_.revive(commands_);
  told_pointers_.revive(commands_);
  fills_.revive();
  formed_.revive();
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
  told_pointers_.revive(commands_);
  fills_.revive();
  formed_.revive();
}

bool Caches::awaits_atc_inv(u64 later) const {
  bool any = false;
  commands_.for_each([&](const InFlight& sent) {
    any |= sent.command.op == Opcode::atc_inv && sent.number + later < commands_.exposed();
  });
  return any;
}

}  // namespace iommucheck::spec
