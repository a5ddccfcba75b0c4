// SPDX-License-Identifier: MIT
#include "litmus/twin/invalidate.h"

#include "base/bits.h"

namespace iommucheck::litmus::twin {
namespace {

u64 value_of(const std::optional<Number>& number) { return number ? number->value : 0; }

enum class Scope : u8 { everything, asid, address, address_any_asid };

struct Range {
  u64 va = 0;
  u64 bytes = 0;
  bool leaf_only = false;
  unsigned ttl = 0;
};

/// Nothing where the range is unpredictable or of another granule: it may then do nothing.
std::optional<Range> range_of(const Command& command) {
  const u64 tg = value_of(command.tg);
  Range range;
  range.va = align_down(value_of(command.va), 12);
  range.bytes = 4096;
  range.leaf_only = value_of(command.leaf) != 0;
  if (tg == 0) return range;
  range.ttl = static_cast<unsigned>(value_of(command.ttl));
  const bool aligned = range.ttl == 1   ? bits(range.va, 29, 12) == 0
                       : range.ttl == 2 ? bits(range.va, 20, 12) == 0
                                        : true;
  if (tg != 1 || !aligned) return std::nullopt;
  range.bytes = ((value_of(command.num) + 1) << value_of(command.scale)) << 12;
  return range;
}

bool covers(const Range& range, const Item& item) {
  if (item.va >= range.va + range.bytes || range.va >= item.va + item.bytes) return false;
  if (item.pointer) return !range.leaf_only && (range.ttl == 0 || item.level < range.ttl);
  return range.ttl == 0 || item.level == range.ttl;
}

void invalidate_tlb(State& state, World world, std::optional<u16> vmid, Scope scope, u16 asid,
                    const Command& command) {
  const auto in_space = [&](const Tag& tag) {
    return tag.world == world && (!vmid || tag.vmid == *vmid);
  };
  const auto range = range_of(command);
  std::erase_if(state.items, [&](const Item& item) {
    if (!in_space(item.tag)) return false;
    const bool same_asid = world == World::el2 || item.tag.asid == asid;
    switch (scope) {
      case Scope::everything: return true;
      case Scope::asid: return !item.global && same_asid;
      case Scope::address: return range && covers(*range, item) && (item.global || same_asid);
      case Scope::address_any_asid: return range && covers(*range, item);
    }
    return false;
  });
  // Unknown items of a whole tag extend over all of its addresses: no address covers them.
  for (UnknownTags* unknown : {&state.reset_unknown, &state.wild_unknown}) {
    if (scope == Scope::everything) {
      std::erase_if(unknown->tags, in_space);
      std::erase_if(unknown->globals, [&](const auto& space) {
        return space.first == world && (!vmid || space.second == *vmid);
      });
    } else if (scope == Scope::asid) {
      std::erase_if(unknown->tags,
                    [&](const Tag& tag) { return in_space(tag) && tag.asid == asid; });
    }
  }
}

void invalidate_tlb(const Command& command, State& state) {
  const auto vmid = static_cast<u16>(value_of(command.vmid));
  const auto asid = static_cast<u16>(value_of(command.asid));
  const auto el1 = [&](std::optional<u16> of, Scope scope) {
    invalidate_tlb(state, World::el1, of, scope, asid, command);
  };
  const auto el2 = [&](Scope scope) {
    invalidate_tlb(state, World::el2, std::nullopt, scope, asid, command);
  };
  switch (command.op) {
    case CommandOp::tlbi_nh_all:
    case CommandOp::tlbi_s12_vmall: el1(vmid, Scope::everything); break;
    case CommandOp::tlbi_nsnh_all: el1(std::nullopt, Scope::everything); break;
    case CommandOp::tlbi_nh_asid: el1(vmid, Scope::asid); break;
    case CommandOp::tlbi_nh_va: el1(vmid, Scope::address); break;
    case CommandOp::tlbi_nh_vaa: el1(vmid, Scope::address_any_asid); break;
    case CommandOp::tlbi_el2_all: el2(Scope::everything); break;
    case CommandOp::tlbi_el2_va:
    case CommandOp::tlbi_el2_vaa: el2(Scope::address_any_asid); break;
    // EL2_ASID is for E2H = 1 only, S2_IPA for stage 2 only.
    default: break;
  }
}

bool invalidates_configuration(const Command& command, const Structure& structure) {
  const u64 sid = value_of(command.sid);
  const u64 ssid = value_of(command.ssid);
  const bool leaf_only = value_of(command.leaf) != 0;
  const bool cd = structure.kind == StructureKind::cd;
  const bool l1cd = structure.kind == StructureKind::l1cd;
  if (command.op == CommandOp::cfgi_all) return true;
  if (structure.kind == StructureKind::l1std) {
    return command.op == CommandOp::cfgi_ste && !leaf_only &&
           structure.sid == sid >> stream_table_split;
  }
  if (structure.sid != sid) return false;
  switch (command.op) {
    case CommandOp::cfgi_ste: return true;
    case CommandOp::cfgi_cd_all: return cd || l1cd;
    case CommandOp::cfgi_cd:
      return (cd && structure.ssid == ssid) ||
             (l1cd && !leaf_only && structure.ssid == ssid >> 6);
    default: return false;
  }
}

}  // namespace

bool is_illegal(const Command& command) {
  switch (command.op) {
    case CommandOp::tlbi_el3_all:
    case CommandOp::tlbi_el3_va: return true;
    case CommandOp::tlbi_nh_va:
    case CommandOp::tlbi_nh_vaa:
    case CommandOp::tlbi_el2_va:
    case CommandOp::tlbi_el2_vaa:
    case CommandOp::tlbi_s2_ipa:
      return value_of(command.tg) != 0 && value_of(command.num) == 0 &&
             value_of(command.scale) == 0 && value_of(command.ttl) == 0;
    default: return false;
  }
}

void act(const Command& command, State& state) {
  std::erase_if(state.structures, [&](const Structure& structure) {
    return invalidates_configuration(command, structure);
  });
  if (command.op == CommandOp::cfgi_all) state.unknown_sids.clear();
  if (command.op == CommandOp::cfgi_ste) state.unknown_sids.erase(value_of(command.sid));
  invalidate_tlb(command, state);
}

}  // namespace iommucheck::litmus::twin
