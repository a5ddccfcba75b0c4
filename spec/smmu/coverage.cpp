// SPDX-License-Identifier: MIT
#include "spec/smmu/coverage.h"

#include "spec/smmu/cause.h"

namespace iommucheck::spec {
namespace {

bool meets(u64 first, u64 last, u64 other_first, u64 other_last) {
  return first <= other_last && other_first <= last;
}

using Reason = NotCovered::Reason;

NotCovered why_tags(const Command& command, const TlbTarget& target, TlbiScope scope) {
  const bool el2 = command.op >= Opcode::tlbi_el2_all && command.op <= Opcode::tlbi_el2_vaa;
  const bool names_vmid = command.op != Opcode::tlbi_nsnh_all && !el2;
  if (names_vmid && target.world == StreamWorld::el1 && !same_vmid(command, target, scope.vmw)) {
    return {Reason::vmid, command.vmid, target.vmid};
  }
  TlbiScope together = scope;
  together.aset = false;
  if (scope.aset && covers_tags(command, target, together)) return {Reason::apart};
  if (command.op == Opcode::tlbi_nh_asid || command.op == Opcode::tlbi_el2_asid) {
    if (target.global) return {Reason::non_global_only};
  }
  if (target.stage == Stage::stage2) return {el2 ? Reason::world : Reason::stage1_only};
  if (command.asid != target.asid && target.world != StreamWorld::el2) {
    return {Reason::asid, command.asid, target.asid};
  }
  if (command.op == Opcode::tlbi_s2_ipa) return {Reason::stage2_only};
  return {Reason::world, 0, static_cast<u64>(target.world)};
}

/// Of a shadow, which no address tells.
NotCovered why_not_combined(const Command& command, const TlbTarget& target, TlbiScope scope) {
  const bool el2 = command.op >= Opcode::tlbi_el2_all && command.op <= Opcode::tlbi_el2_vaa;
  if (!el2 && !same_vmid(command, target, scope.vmw)) {
    return {Reason::vmid, command.vmid, target.vmid};
  }
  return {el2 ? Reason::world : Reason::not_combined};
}

NotCovered why_address(const Command& command, const TlbTarget& target) {
  if (!tlbi_range_predictable(command)) return {Reason::unaligned};
  if (target.is_table && command.leaf) return {Reason::leaf_only};
  const u64 code = static_cast<u64>(target.granule) + 1;
  if (command.tg != 0 && command.tg != code) return {Reason::granule, command.tg, code};
  if (command.ttl != 0 && !target.is_table && command.ttl != target.level) {
    return {Reason::level, command.ttl, target.level};
  }
  if (command.ttl != 0 && target.is_table && target.level >= command.ttl) {
    return {Reason::above_level, command.ttl, target.level};
  }
  return {Reason::address, command.address, target.base, tlbi_range(command).last};
}

/// Last address of an ATC_INV.
u64 last_of(const Command& command) {
  const auto span_lg2 = static_cast<unsigned>(command.size) + 12;
  return align_down(command.address, span_lg2) | low_mask(u64{span_lg2});
}

}  // namespace

SidBlock cfgi_block(const Command& command) {
  const auto sid = static_cast<u32>(command.sid);
  const auto low = static_cast<u32>(low_mask(command.range + 1));
  return {sid & ~low, sid | low};
}

bool covers_every_stream(const Command& command, const Capabilities& caps) {
  if (command.op != Opcode::cfgi_ste_range) return false;
  const SidBlock block = cfgi_block(command);
  return block.first == 0 && block.last >= low_mask(u64{caps.sidsize});
}

bool covers_config(const Command& command, const ConfigTarget& target) {
  const u64 sid = command.sid;
  const bool sid_meets = meets(target.sid_first, target.sid_last, sid, sid);
  switch (command.op) {
    case Opcode::cfgi_ste: return sid_meets && (target.kind != ConfigKind::l1std || !command.leaf);
    case Opcode::cfgi_ste_range: {
      const SidBlock block = cfgi_block(command);
      return meets(target.sid_first, target.sid_last, block.first, block.last);
    }
    case Opcode::cfgi_cd: {
      const u64 ssid = command.ssid;
      if (!sid_meets || !meets(target.ssid_first, target.ssid_last, ssid, ssid)) return false;
      return target.kind == ConfigKind::cd || (target.kind == ConfigKind::l1cd && !command.leaf);
    }
    case Opcode::cfgi_cd_all:
      return sid_meets && (target.kind == ConfigKind::cd || target.kind == ConfigKind::l1cd);
    default: return false;
  }
}

bool covers_atc(const Command& command, const AtcTarget& target, bool untagged_covers_pasids) {
  if (command.op != Opcode::atc_inv || command.sid != target.sid || command.size > 52) return false;
  if (command.ssv) {
    if (!target.has_pasid || (!command.global && command.ssid != target.pasid)) return false;
  } else if (target.has_pasid && !untagged_covers_pasids) {
    return false;
  }
  const u64 first = align_down(command.address, static_cast<unsigned>(command.size) + 12);
  const u64 last = last_of(command);
  const u64 extent = low_mask(u64{target.extent_lg2});
  return meets(target.base & ~extent, target.base | extent, first, last);
}

NotCovered not_covered(const Command& command, const AtcTarget& target,
                       bool untagged_covers_pasids) {
  if (command.op != Opcode::atc_inv) return {Reason::other_kind};
  if (covers_atc(command, target, untagged_covers_pasids)) return {};
  if (command.sid != target.sid) return {Reason::stream, command.sid, target.sid};
  if (command.size > 52) return {Reason::size, command.size, 52};
  if (command.ssv && !target.has_pasid) return {Reason::no_pasid, command.ssid, 0};
  if (command.ssv && !command.global && command.ssid != target.pasid) {
    return {Reason::substream, command.ssid, target.pasid};
  }
  if (!command.ssv && target.has_pasid && !untagged_covers_pasids) {
    return {Reason::untagged_only, 0, target.pasid};
  }
  return {Reason::address, align_down(command.address, static_cast<unsigned>(command.size) + 12),
          target.base, last_of(command)};
}

NotCovered not_covered(const Command& command, const TlbTarget& target, TlbiScope scope) {
  if (!is_tlbi(command.op)) return {Reason::other_kind};
  if (covers(command, target, scope)) return {};
  if (target.stage == Stage::shadow) return why_not_combined(command, target, scope);
  if (!is_tlbi_by_address(command.op)) return why_tags(command, target, scope);
  if (!covers_address(command, target)) return why_address(command, target);
  NotCovered why = why_tags(command, target, scope);
  why.same_address = true;
  return why;
}

NotCovered not_covered(const Command& command, const ConfigTarget& target) {
  if (covers_config(command, target)) return {};
  const bool of_cd = target.kind == ConfigKind::cd || target.kind == ConfigKind::l1cd;
  const bool for_cd = command.op == Opcode::cfgi_cd || command.op == Opcode::cfgi_cd_all;
  const bool for_ste = command.op == Opcode::cfgi_ste || command.op == Opcode::cfgi_ste_range;
  if (!for_ste && (!for_cd || !of_cd)) return {Reason::other_kind};
  const bool ranged = command.op == Opcode::cfgi_ste_range;
  if (ranged || !meets(target.sid_first, target.sid_last, command.sid, command.sid)) {
    return {Reason::stream, command.sid, target.sid_first};
  }
  const u64 ssid = command.ssid;
  if (for_cd && !meets(target.ssid_first, target.ssid_last, ssid, ssid)) {
    return {Reason::substream, ssid, target.ssid_first};
  }
  return {Reason::leaf_only};
}

std::string why_not_covered(const Command& command, const AtcTarget& target,
                            bool untagged_covers_pasids) {
  const NotCovered why = not_covered(command, target, untagged_covers_pasids);
  return why.covers() ? std::string() : not_covered_text(why);
}

std::string why_not_covered(const Command& command, const TlbTarget& target, TlbiScope scope) {
  const NotCovered why = not_covered(command, target, scope);
  return why.covers() ? std::string() : not_covered_text(why);
}

}  // namespace iommucheck::spec
