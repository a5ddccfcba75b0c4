// SPDX-License-Identifier: MIT
// When an invalidation acts, and what it surely removes. SEMANTICS 3.
#include <algorithm>

#include "spec/smmu/caches.h"
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
    formed_.kill(sent);
    if (items_.count() != 0 && !stands_still()) fills_.kill(sent);
  } else if (is_cfgi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    configuration_.kill(sent);
    told_cds_.remove(sent);
  } else if (command.op == Opcode::atc_inv && controls_.is_on()) {
    commands_.may_act(sent);  // with SMMUEN = 0 it is ignored
    atcs_.remove(sent);
  }
  return sent.group;
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
  configuration_.complete(group);
  formed_.complete(group);
  told_cds_.drop(group);
  fills_.complete(group);
  ats_.leave_unknown(group, unknown_atcs);
  atcs_.drop(group);
  commands_.forget(group);
}

}  // namespace iommucheck::spec
