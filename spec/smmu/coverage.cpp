// SPDX-License-Identifier: MIT
#include "spec/smmu/coverage.h"

#include "base/text.h"

namespace iommucheck::spec {
namespace {

bool meets(u64 first, u64 last, u64 other_first, u64 other_last) {
  return first <= other_last && other_first <= last;
}

std::string number(std::string_view name, u64 value) {
  return std::string(name) + ' ' + std::to_string(value);
}

std::string_view world_name(StreamWorld world) {
  switch (world) {
    case StreamWorld::el1: return "EL1";
    case StreamWorld::el2: return "EL2";
    case StreamWorld::el2_e2h: return "EL2-E2H";
  }
  return "?";
}

std::string why_tags(const Command& command, const TlbTarget& target, TlbiScope scope) {
  const bool el2 = command.op >= Opcode::tlbi_el2_all && command.op <= Opcode::tlbi_el2_vaa;
  const bool names_vmid = command.op != Opcode::tlbi_nsnh_all && !el2;
  if (names_vmid && target.world == StreamWorld::el1 && !same_vmid(command, target, scope.vmw)) {
    return number("VMID", command.vmid) + "; the entry has " + number("VMID", target.vmid);
  }
  if (command.op == Opcode::tlbi_nh_asid || command.op == Opcode::tlbi_el2_asid) {
    if (target.global) return "non-global entries only; the entry is global";
  }
  if (command.asid != target.asid && target.world != StreamWorld::el2) {
    return number("ASID", command.asid) + "; the entry has " + number("ASID", target.asid);
  }
  if (target.stage == Stage::stage2) return "stage 1 entries only; the entry is of stage 2";
  if (command.op == Opcode::tlbi_s2_ipa) return "stage 2 entries only; the entry is of stage 1";
  return "another stream world; the entry is of " + std::string(world_name(target.world));
}

std::string why_address(const Command& command, const TlbTarget& target) {
  if (!tlbi_range_predictable(command)) return "nothing: address not aligned as TG and TTL ask";
  if (target.is_table && command.leaf) return "leaves only; the entry is a table pointer";
  const u64 code = static_cast<u64>(target.granule) + 1;
  if (command.tg != 0 && command.tg != code) return "another granule (TG)";
  if (command.ttl != 0 && !target.is_table && command.ttl != target.level) {
    return number("level", command.ttl) + " only; the entry is of " + number("level", target.level);
  }
  if (command.ttl != 0 && target.is_table && target.level >= command.ttl) {
    return number("pointers above level", command.ttl) + " only";
  }
  return "another address";
}

}  // namespace

SidBlock cfgi_block(const Command& command) {
  const auto sid = static_cast<u32>(command.sid);
  const auto low = static_cast<u32>(low_mask(command.range + 1));
  return {sid & ~low, sid | low};
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
  const auto span_lg2 = static_cast<unsigned>(command.size) + 12;
  const u64 first = align_down(command.address, span_lg2);
  const u64 last = first | low_mask(u64{span_lg2});
  const u64 extent = low_mask(u64{target.extent_lg2});
  return meets(target.base & ~extent, target.base | extent, first, last);
}

std::string why_not_covered(const Command& command, const AtcTarget& target,
                            bool untagged_covers_pasids) {
  if (command.op != Opcode::atc_inv) return "no ATC entries at all";
  if (covers_atc(command, target, untagged_covers_pasids)) return {};
  if (command.sid != target.sid) {
    return number("StreamID", command.sid) + " only; the entry is of " +
           number("StreamID", target.sid);
  }
  if (command.size > 52) return "nothing for sure: Size is above 52";
  if (command.ssv && !target.has_pasid) {
    return number("PASID", command.ssid) + " only; the entry has none (SSV = 0 is needed)";
  }
  if (command.ssv && !command.global && command.ssid != target.pasid) {
    return number("PASID", command.ssid) + " only; the entry has " + number("PASID", target.pasid);
  }
  if (!command.ssv && target.has_pasid && !untagged_covers_pasids) {
    return "entries without a PASID only; the entry has " + number("PASID", target.pasid);
  }
  return "other addresses: 2^" + std::to_string(command.size) + " pages from " +
         hex(align_down(command.address, static_cast<unsigned>(command.size) + 12));
}

std::string why_not_covered(const Command& command, const TlbTarget& target, TlbiScope scope) {
  if (!is_tlbi(command.op)) return "no translations at all";
  if (covers(command, target, scope)) return {};
  const bool by_address = is_tlbi_by_address(command.op);
  if (by_address && !covers_address(command, target)) return why_address(command, target);
  return by_address ? "this VA, but " + why_tags(command, target, scope)
                    : why_tags(command, target, scope);
}

}  // namespace iommucheck::spec
