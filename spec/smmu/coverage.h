// SPDX-License-Identifier: MIT
// What an invalidation is required to remove. IHI 0070 4.3, 4.4, 4.5, 3.17.6; arch 5.2, 5.3, 5.6.
// "Covers" means that a driver may rely on it; a device may always remove more. The commands are
// legal ones (check_command) and each acts at one moment: when, says the cache engine.
#pragma once

#include <string>

#include "spec/arch/regime.h"
#include "spec/smmu/command.h"

namespace iommucheck::spec {

/// One entry of a TLB or walk cache. For a pointer, `base` and `extent_lg2` are the slot of the
/// table descriptor, `level` that of the table in which it stands, and `global` is false: it is
/// tagged with the ASID of its regime even if every leaf below is global.
template <Word W>
struct TlbTargetOf {
  StreamWorld world = StreamWorld::el1;
  W vmid{0};
  W asid{0};
  Flag<W> global = false;
  Stage stage = Stage::stage1;
  W base{0};
  unsigned extent_lg2 = 12;
  Granule granule = Granule::g4k;
  unsigned level = 3;
  bool is_table = false;
};
using TlbTarget = TlbTargetOf<u64>;

/// What matching depends on at the moment a command acts.
struct TlbiScope {
  unsigned vmw = 0;  ///< CR0.VMW: low bits of a VMID that are ignored
  bool e2h = false;  ///< CR2.E2H, of a broadcast the CPU's: which EL2 world EL2_VA and EL2_VAA mean
  bool broadcast = false;  ///< by a CPU
  bool aset = false;       ///< CD.ASET of the entry
};

/// Bytes that a TLBI by address covers, first and last, both included. Without TG: one address.
template <Word W>
struct AddressRange {
  W first{0};
  W last{0};
};

/// (NUM + 1) * 2^SCALE granules from the address on, or what a broadcast says, cut at the top of
/// the address space.
template <Word W>
constexpr AddressRange<W> tlbi_range(const CommandOf<W>& command) {
  const W granule_lg2 = W(10) + (command.tg << 1);
  const W bytes = shift_left(command.num + W(1), command.scale + granule_lg2);
  const Flag<W> ranged = !is_zero(command.tg);
  const W last = command.address + select(ranged, bytes - W(1), command.beyond);
  return {command.address, select(less(last, command.address), ~W(0), last)};
}

/// An address that is not aligned as TG and TTL ask makes the range UNPREDICTABLE. arch 5.2.
template <Word W>
constexpr Flag<W> tlbi_range_predictable(const CommandOf<W>& command) {
  Flag<W> aligned = true;
  for (const Granule granule : {Granule::g4k, Granule::g16k, Granule::g64k}) {
    const unsigned code = static_cast<unsigned>(granule) + 1;
    for (unsigned ttl = 0; ttl <= last_level; ++ttl) {
      const unsigned level = ttl == 0 ? last_level : ttl;
      const Flag<W> applies = equal(command.tg, W(code)) & equal(command.ttl, W(ttl));
      aligned = aligned & implies(applies, is_zero(leaf_offset(granule, level, command.address)));
    }
  }
  return aligned;
}

/// The address part: range meets extent, and TG, TTL and Leaf do not exclude the entry.
template <Word W>
constexpr Flag<W> covers_address(const CommandOf<W>& command, const TlbTargetOf<W>& target) {
  const AddressRange<W> range = tlbi_range(command);
  const W first = target.base & ~W(low_mask(u64{target.extent_lg2}));
  const W last = target.base | W(low_mask(u64{target.extent_lg2}));
  const Flag<W> meets = less_equal(first, range.last) & less_equal(range.first, last);
  const W code = W(static_cast<unsigned>(target.granule) + 1);
  const Flag<W> granule = is_zero(command.tg) | equal(command.tg, code);
  const Flag<W> any_level = is_zero(command.ttl);
  if (target.is_table) {
    const Flag<W> above = any_level | less(W(target.level), command.ttl);
    return meets & granule & above & !command.leaf & tlbi_range_predictable(command);
  }
  const Flag<W> level = any_level | equal(W(target.level), command.ttl);
  return meets & granule & level & tlbi_range_predictable(command);
}

template <Word W>
constexpr Flag<W> same_vmid(const CommandOf<W>& command, const TlbTargetOf<W>& target,
                            unsigned vmw) {
  return is_zero((command.vmid ^ target.vmid) >> vmw);
}

/// The tags part.
template <Word W>
constexpr Flag<W> covers_tags(const CommandOf<W>& command, const TlbTargetOf<W>& target,
                              TlbiScope scope) {
  const bool el1 = target.world == StreamWorld::el1;
  const bool apart = scope.broadcast && scope.aset;  // of what matches an ASID: IHI 0070 3.17
  const bool stage1 = target.stage != Stage::stage2;
  // Of a shadow neither VA nor ASID is known, so what names one proves nothing.
  const bool named = stage1 && target.stage != Stage::shadow;
  const StreamWorld el2 = scope.e2h ? StreamWorld::el2_e2h : StreamWorld::el2;
  const Flag<W> vmid = same_vmid(command, target, scope.vmw);
  const Flag<W> asid = equal(command.asid, target.asid);
  switch (command.op) {
    case Opcode::tlbi_nh_all: return Flag<W>(el1 && stage1) & vmid;
    case Opcode::tlbi_nh_vaa: return Flag<W>(el1 && named) & vmid;
    case Opcode::tlbi_nh_asid:
      return Flag<W>(el1 && named && !apart) & vmid & asid & !target.global;
    case Opcode::tlbi_nh_va: return Flag<W>(el1 && named && !apart) & vmid & (asid | target.global);
    case Opcode::tlbi_el2_all:
      if (scope.broadcast) return target.world == el2;
      return target.world == StreamWorld::el2 || target.world == StreamWorld::el2_e2h;
    case Opcode::tlbi_el2_asid:
      return Flag<W>(target.world == StreamWorld::el2_e2h && !apart) & asid & !target.global;
    case Opcode::tlbi_el2_va:
      return Flag<W>(target.world == el2 && !apart) & (Flag<W>(!scope.e2h) | asid | target.global);
    // Where there are no ASIDs, what is apart is so for each operation by address.
    case Opcode::tlbi_el2_vaa: return target.world == el2 && (scope.e2h || !apart);
    case Opcode::tlbi_s12_vmall: return Flag<W>(el1) & vmid;
    case Opcode::tlbi_s2_ipa: return Flag<W>(el1 && target.stage == Stage::stage2) & vmid;
    case Opcode::tlbi_nsnh_all: return el1;
    default: return false;
  }
}

/// The entry has to be gone once the command has acted.
template <Word W>
constexpr Flag<W> covers(const CommandOf<W>& command, const TlbTargetOf<W>& target,
                         TlbiScope scope) {
  const Flag<W> tags = covers_tags(command, target, scope);
  if (!is_tlbi_by_address(command.op)) return tags;
  return tags & covers_address(command, target);
}
inline bool covers(const Command& command, const TlbTarget& target, unsigned vmw) {
  return static_cast<bool>(covers(command, target, TlbiScope{vmw, false}));
}

enum class ConfigKind : u8 { l1std, ste, l1cd, cd };

/// One cached structure. An STE has its own StreamID only (CONT does not widen invalidation); an
/// L1STD the span that it stands for; an L1CD and a CD one StreamID and a span of SubstreamIDs.
struct ConfigTarget {
  ConfigKind kind = ConfigKind::ste;
  u32 sid_first = 0, sid_last = 0;
  u32 ssid_first = 0, ssid_last = 0;
};

bool covers_config(const Command& command, const ConfigTarget& target);

/// StreamIDs that CFGI_STE_RANGE means: aligned, the low Range + 1 bits ignored.
struct SidBlock {
  u32 first = 0;
  u32 last = 0;
};
SidBlock cfgi_block(const Command& command);
/// CFGI_ALL, or a range as wide as StreamIDs are.
bool covers_every_stream(const Command& command, const Capabilities& caps);

/// An entry of a device's own cache.
struct AtcTarget {
  u32 sid = 0;
  bool has_pasid = false;
  u32 pasid = 0;
  u64 base = 0;
  unsigned extent_lg2 = 12;
};

/// ATC_INV covers the entry. `untagged_covers_pasids`: what an invalidation without a PASID does to
/// entries with one, which the profile says (PCIe ATS; arch 5.6).
bool covers_atc(const Command& command, const AtcTarget& target,
                bool untagged_covers_pasids = true);

/// Why a command does not cover an entry: what it names (`its`) and what the entry has (`wanted`).
struct NotCovered {
  enum class Reason : u8 {
    none,  ///< it covers the entry
    other_kind,
    vmid,
    asid,
    non_global_only,
    apart,  ///< a broadcast that matches ASIDs; CD.ASET = 1
    stage1_only,
    stage2_only,
    not_combined,  ///< the entry is in combined ones of any VA and ASID
    world,         ///< `wanted` is a StreamWorld
    unaligned,
    leaf_only,  ///< the entry is a table pointer, an L1STD or an L1CD
    granule,
    level,
    above_level,
    address,
    stream,
    substream,
    no_pasid,       ///< the command names a PASID, the entry has none
    untagged_only,  ///< the command names none, the entry has one
    size,           ///< ATC_INV.Size above 52
    not_all,        ///< of some addresses or PASIDs, and which the entry has is a user's
  };
  Reason reason = Reason::none;
  u64 its = 0;
  u64 wanted = 0;
  u64 last = 0;               ///< address: of the command's range, which begins at `its`
  bool same_address = false;  ///< a TLBI by address that is right about that

  [[nodiscard]] bool covers() const { return reason == Reason::none; }
};

NotCovered not_covered(const Command& command, const AtcTarget& target,
                       bool untagged_covers_pasids = true);
/// For the "nearest miss" of a report.
NotCovered not_covered(const Command& command, const TlbTarget& target, TlbiScope scope);
NotCovered not_covered(const Command& command, const ConfigTarget& target);

/// Why an ATC_INV does not cover an ATC entry, e.g. "PASID 2 only; the entry has PASID 1"; empty if
/// it does.
std::string why_not_covered(const Command& command, const AtcTarget& target,
                            bool untagged_covers_pasids = true);

/// Why a command does not cover an entry, for the "nearest miss" of a report; empty if it does.
/// E.g. "covers this VA, but ASID 2; the entry has ASID 3".
std::string why_not_covered(const Command& command, const TlbTarget& target, TlbiScope scope);

}  // namespace iommucheck::spec
