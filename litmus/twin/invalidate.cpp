// SPDX-License-Identifier: MIT
#include "litmus/twin/invalidate.h"

#include <algorithm>

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
  unsigned granule = 0;  ///< log2; 0: of any
};

/// TTL = 1 of 16 KiB is none. IHI 0070 4.4.1.1.
unsigned ttl_of(const Command& command) {
  const u64 ttl = value_of(command.ttl);
  return value_of(command.tg) == 2 && ttl == 1 ? 0 : static_cast<unsigned>(ttl);
}

/// Nothing where the range is unpredictable: it may then do nothing.
std::optional<Range> range_of(const Command& command) {
  const u64 tg = value_of(command.tg);
  Range range;
  range.va = align_down(value_of(command.va), 12);
  range.bytes = 4096;
  range.leaf_only = value_of(command.leaf) != 0;
  if (tg == 0) return range;
  range.ttl = ttl_of(command);
  range.granule = tg == 1 ? 12 : tg == 2 ? 14 : 16;
  // To a block of the level that is named, else to a granule.
  const Tree tree{.root = 0, .granule = range.granule, .start = 0, .input = 48};
  const unsigned aligned_to = tree.shift(range.ttl == 0 ? 3 : range.ttl);
  if (align_down(range.va, aligned_to) != range.va) return std::nullopt;
  range.bytes = ((value_of(command.num) + 1) << value_of(command.scale)) << range.granule;
  return range;
}

bool covers(const Range& range, const Item& item) {
  if (range.granule != 0 && item.granule != range.granule) return false;
  // Last addresses: a range, or a half, may end where all addresses do.
  const u64 last = range.va + (range.bytes - 1);
  const u64 end = last < range.va ? ~u64{0} : last;
  if (item.span_va > end || range.va > item.span_va + (item.span_bytes - 1)) return false;
  if (item.pointer) return !range.leaf_only && (range.ttl == 0 || item.level < range.ttl);
  return range.ttl == 0 || item.level == range.ttl;
}

/// Which entries a TLBI is about, before addresses are looked at; nullopt: it is none.
struct Aim {
  World world = World::el1;  ///< EL2: of the two, the one that CR2.E2H or the CPU selects
  bool every_vmid = false;
  Scope scope = Scope::everything;
  bool stage1 = true;   ///< and what is of both
  bool stage2 = false;  ///< what is of stage 2 alone
  bool both_el2 = false;
  bool is_about(const Item& item) const { return item.stage == Stage::two ? stage2 : stage1; }
};

/// IHI 0070 4.4, 3.17.5. While CR2.E2H may have either value it is not known what those reach that
/// depend on it: 6.3.12.3.
std::optional<Aim> aim_of_el2(const Acting& by) {
  const bool e2h = by.broadcast ? value_of(by.command.e2h) != 0 : by.e2h;
  const World world = e2h ? World::el2_e2h : World::el2;
  if (by.command.op == CommandOp::tlbi_el2_all) {
    return Aim{.world = world, .every_vmid = true, .both_el2 = !by.broadcast};
  }
  if (by.e2h_open && !by.broadcast) return std::nullopt;
  switch (by.command.op) {
    case CommandOp::tlbi_el2_asid: return Aim{World::el2_e2h, true, Scope::asid};
    case CommandOp::tlbi_el2_va:
      return Aim{world, true, e2h ? Scope::address : Scope::address_any_asid};
    default: return Aim{world, true, Scope::address_any_asid};
  }
}

std::optional<Aim> aim_of(const Acting& by) {
  const Command& command = by.command;
  switch (command.op) {
    case CommandOp::tlbi_nh_all: return Aim{World::el1, false, Scope::everything};
    case CommandOp::tlbi_s12_vmall: return Aim{World::el1, false, Scope::everything, true, true};
    case CommandOp::tlbi_nsnh_all: return Aim{World::el1, true, Scope::everything, true, true};
    // What is of both stays (IHI 0070 4.4.3).
    case CommandOp::tlbi_s2_ipa:
      return Aim{World::el1, false, Scope::address_any_asid, false, true};
    case CommandOp::tlbi_nh_asid: return Aim{World::el1, false, Scope::asid};
    case CommandOp::tlbi_nh_va: return Aim{World::el1, false, Scope::address};
    case CommandOp::tlbi_nh_vaa: return Aim{World::el1, false, Scope::address_any_asid};
    case CommandOp::tlbi_el2_all:
    case CommandOp::tlbi_el2_asid:
    case CommandOp::tlbi_el2_va:
    case CommandOp::tlbi_el2_vaa: return aim_of_el2(by);
    default: return std::nullopt;
  }
}

/// `vmw`: that of what is looked at. Both have to let the VMIDs be one.
bool in_space(const Aim& aim, const Acting& by, World world, u16 vmid, unsigned vmw) {
  const u64 differs = vmid ^ value_of(by.command.vmid);
  const bool same = world == aim.world || (aim.both_el2 && is_el2(world));
  return same && (aim.every_vmid || differs >> std::min(by.vmw, vmw) == 0);
}

/// Unknown items of a whole tag extend over all of its addresses: no address covers them.
void invalidate_unknown(const Aim& aim, const Acting& by, UnknownTags& unknown) {
  const bool everything = aim.scope == Scope::everything;
  if (!everything && (aim.scope != Scope::asid || by.broadcast)) return;
  if (aim.stage2) {
    std::erase_if(unknown.vmids, [&](u16 vmid) { return in_space(aim, by, World::el1, vmid, 0); });
  }
  std::erase_if(unknown.tags, [&](const Tag& tag) {
    return in_space(aim, by, tag.world, tag.vmid, 0) &&
           (everything || tag.asid == value_of(by.command.asid));
  });
  if (!everything) return;
  std::erase_if(unknown.globals,
                [&](const auto& space) { return in_space(aim, by, space.first, space.second, 0); });
}

/// A CPU's TLBI that passes the item over. IHI 0070 3.17.
bool passes_over(const Acting& by, const Aim& aim, const Item& item) {
  if (!by.broadcast) return false;
  if (!item.apart || aim.scope == Scope::everything) return false;
  return aim.world == World::el2 || aim.scope != Scope::address_any_asid;
}

}  // namespace

bool names_vmid(const Command& command) {
  const auto aim = aim_of({.command = command});
  return aim && !aim->every_vmid;
}

bool removes(const Acting& by, const Item& item) {
  const Command& command = by.command;
  const auto aim = aim_of(by);
  if (!aim || !aim->is_about(item)) return false;
  if (!in_space(*aim, by, item.tag.world, item.tag.vmid, item.vmw)) return false;
  if (passes_over(by, *aim, item)) return false;
  const bool same_asid = item.tag.asid == value_of(command.asid);
  const auto range = range_of(command);
  switch (aim->scope) {
    case Scope::everything: return true;
    case Scope::asid: return !item.global && same_asid;
    case Scope::address: return range && covers(*range, item) && (item.global || same_asid);
    case Scope::address_any_asid: return range && covers(*range, item);
  }
  return false;
}

namespace {

/// The SID is of those that a CFGI_STE_RANGE means: 2^(range + 1), aligned.
bool in_range(const Command& command, u64 sid) {
  const unsigned lg2 = static_cast<unsigned>(value_of(command.range)) + 1;
  return sid >> lg2 == value_of(command.sid) >> lg2;
}

/// What of the configuration of a SID it removes: its STE, and then the CDs below it too.
bool removes_ste(const Command& command, u64 sid) {
  if (command.op == CommandOp::cfgi_ste_range) return in_range(command, sid);
  return command.op == CommandOp::cfgi_ste && sid == value_of(command.sid);
}

/// All StreamIDs that there are.
constexpr u64 sid_bits = 16;
bool removes_all_configuration(const Command& command) {
  return command.op == CommandOp::cfgi_all ||
         (command.op == CommandOp::cfgi_ste_range && value_of(command.range) + 1 >= sid_bits);
}

}  // namespace

bool removes(const Acting& by, const Structure& structure) {
  const Command& command = by.command;
  const u64 sid = value_of(command.sid);
  const u64 ssid = value_of(command.ssid);
  const bool leaf_only = value_of(command.leaf) != 0;
  const bool cd = structure.kind == StructureKind::cd;
  const bool l1cd = structure.kind == StructureKind::l1cd;
  if (removes_all_configuration(command)) return true;
  if (structure.kind == StructureKind::l1std && command.op == CommandOp::cfgi_ste_range) {
    const u64 first = structure.sid << stream_table_split;
    return in_range(command, first) || structure.sid == sid >> stream_table_split;
  }
  if (structure.kind == StructureKind::l1std) {
    return command.op == CommandOp::cfgi_ste && !leaf_only &&
           structure.sid == sid >> stream_table_split;
  }
  if (removes_ste(command, structure.sid)) return true;
  if (structure.sid != sid) return false;
  switch (command.op) {
    case CommandOp::cfgi_cd_all: return cd || l1cd;
    case CommandOp::cfgi_cd:
      return (cd && structure.ssid == ssid) || (l1cd && !leaf_only && structure.ssid == ssid >> 6);
    default: return false;
  }
}

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
             value_of(command.scale) == 0 && ttl_of(command) == 0;
    default: return false;
  }
}

namespace {

/// First and last address of a CMD_ATC_INV.
struct AtcRange {
  u64 first = 0, last = ~u64{0};
};

std::optional<AtcRange> atc_range(const Command& command) {
  const u64 size = value_of(command.size);
  if (size > 52) return std::nullopt;
  if (size == 52) return AtcRange{};
  const u64 bytes = u64{4096} << size;
  const u64 first = value_of(command.va) & ~(bytes - 1);
  return AtcRange{first, first + (bytes - 1)};
}

}  // namespace

namespace {

/// IHI 0070 4.5.1: SSV = 1 is about one PASID, SSV = 0 about all entries (PCIe).
bool names_pasid_of(const Acting& by, const AtcEntry& entry) {
  const Command& command = by.command;
  if (!command.ssid) return !by.untagged_leaves_pasids || (!entry.ssid && !entry.every_pasid);
  return !entry.every_pasid && entry.ssid && *entry.ssid == command.ssid->value;
}

}  // namespace

bool removes(const Acting& by, const AtcEntry& entry, const State& state) {
  const Command& command = by.command;
  if (command.op != CommandOp::atc_inv || !state.may_translate || state.may_bypass) return false;
  const auto range = atc_range(command);
  if (!range || entry.sid != value_of(command.sid) || !names_pasid_of(by, entry)) return false;
  return range->first <= entry.va + (entry.bytes - 1) && range->last >= entry.va;
}

namespace {

/// What is left of an entry stays: a device may hold any part of what it was granted.
void invalidate_atc(const Acting& by, State& state) {
  std::set<AtcEntry> left;
  for (const AtcEntry& entry : state.atc) {
    if (!removes(by, entry, state)) {
      left.insert(entry);
      continue;
    }
    const auto [first, last] = *atc_range(by.command);
    const u64 end = entry.va + (entry.bytes - 1);
    if (first > entry.va) {
      AtcEntry below = entry;
      below.bytes = first - entry.va;
      left.insert(below);
    }
    if (last < end) {
      AtcEntry above = entry;
      above.va = last + 1;
      above.bytes = end - last;
      if (!entry.identity && !entry.unknown) above.out = entry.out + (above.va - entry.va);
      left.insert(above);
    }
  }
  state.atc = std::move(left);
}

}  // namespace

void act(const Acting& by, State& state) {
  const Command& command = by.command;
  if (command.op == CommandOp::atc_inv) invalidate_atc(by, state);
  std::erase_if(state.structures,
                [&](const Structure& structure) { return removes(by, structure); });
  if (removes_all_configuration(command)) {
    state.unknown_sids.clear();
    state.old_atschk.clear();
    state.old_e2h.clear();
  }
  // An L1STD from before reset leads anywhere, and Leaf = 1 leaves it.
  const bool l1std_too = command.op == CommandOp::cfgi_ste_range || value_of(command.leaf) == 0;
  if (l1std_too || !state.two_level) {
    std::erase_if(state.unknown_sids, [&](u64 sid) { return removes_ste(command, sid); });
  }
  const auto is_old = [&](const auto& old) { return removes_ste(command, old.first); };
  std::erase_if(state.old_atschk, is_old);
  std::erase_if(state.old_e2h, is_old);
  std::erase_if(state.items, [&](const Item& item) { return removes(by, item); });
  const auto aim = aim_of(by);
  if (!aim) return;
  invalidate_unknown(*aim, by, state.reset_unknown);
  invalidate_unknown(*aim, by, state.wild_unknown);
}

}  // namespace iommucheck::litmus::twin
