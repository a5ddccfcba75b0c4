// SPDX-License-Identifier: MIT
// Everything that one schedule of the literal model has: memory, the command queue, and all items
// that any cache may hold at this moment (SEMANTICS 2), kept at once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "litmus/twin/decode.h"
#include "litmus/twin/memory.h"

namespace iommucheck::litmus::twin {

/// A command's slot in the queue.
struct Slot {
  Command command;
  bool sync = false;     ///< CMD_SYNC, or what Linux replaces by one (CERROR_ILL)
  bool rung = false;     ///< a PROD write passed it
  bool exposed = false;  ///< and the queue is on, or was since
  bool dropped = false;  ///< by a reset of the queue: it was not consumed
  bool stale = false;    ///< the SMMU read what the slot held before: it never acts
  bool acted = false;
  bool signalled = false;  ///< the CMD_SYNC's MSI was written, or its interrupt raised
  bool pending = true;     ///< the slot's own store is not ordered yet
  u32 owners = 0;          ///< agents whose barrier covers that store
};

/// A CPU's TLBI, from its issue on.
struct Broadcast {
  Command command;
  u16 agent = 0;
  bool acted = false;
  bool dropped = false;  ///< CR0.VMW changed: it need not remove anything
};

enum class StructureKind : u8 { l1std, ste, l1cd, cd };

/// The cached words of one structure at one place, by the tags under which they are invalidated.
/// l1std: sid is the L1 index. l1cd: ssid is the L1 index.
struct Structure {
  StructureKind kind = StructureKind::ste;
  u64 sid = 0;
  u64 ssid = 0;
  u64 place = 0;
  /// Each atomic unit: the values it may have. A unit is one word, or two where fetches are 16 B.
  std::vector<std::vector<std::array<Value, 2>>> units;
  /// What memory as a whole held, in program order, while this was reachable.
  std::set<FourWords> snapshots;
};

/// A pointer (walk cache) or a final translation (SEMANTICS 2, table).
struct Item {
  bool pointer = false;
  bool unknown = false;  ///< filled from a word of unknown content: can be anything
  bool global = false;   ///< matches every ASID of its world and VMID
  Tag tag;               ///< asid 0 where global
  u64 va = 0;
  u64 bytes = 0;       ///< extent, or the slot of a pointer
  unsigned level = 0;  ///< of the table in which the descriptor stands
  u64 out = 0;         ///< next table, or output of `va`
  bool aset = false;   ///< global: of the CD through which it was filled
  bool apart = false;  ///< that CD's ASET, of any: broadcasts that match an ASID pass it over
  unsigned vmw = 0;    ///< CR0.VMW when it was filled
  bool tbi = false;    ///< of the CD through which it was filled, as what follows
  bool e0pd = false;
  bool nt = false;
  Rights rights;
  bool device = false;
  bool cont = false;
  u64 source = 0;       ///< dirtyable: the descriptor's place
  u32 order = 0;        ///< of the newest store that it can come from; not part of its identity
  u32 first_order = 0;  ///< of the oldest; likewise

  auto identity() const {
    return std::tie(pointer, unknown, global, aset, apart, vmw, tbi, e0pd, tag, va, bytes, level,
                    out, nt, rights, device, cont, source);
  }
  /// By a look-up through a CD. ASET is a tag of global entries only (IHI 0070 3.17).
  bool matches(const Regime& by) const {
    if (tag.world != by.tag.world || tag.vmid != by.tag.vmid) return false;
    return global ? aset == by.aset : tag.asid == by.tag.asid;
  }
  bool contains(u64 address) const { return address >= va && address - va < bytes; }
  /// An access to the address finds it, tag or none, by a look-up through a CD. The entry may have
  /// the TBI of its own CD cached (IHI 0070 5.4.1), or the SMMU may look at that of the asking one.
  bool is_found_at(u64 address, const Regime& by) const {
    return contains(address) || ((tbi || by.tbi0) && contains(untagged(address)));
  }
  /// E0PD of its own CD: a fault, though it is there.
  bool refuses(Kind kind) const { return e0pd && !kind.privileged; }
};

/// What a device holds by an answer to an ATS request: [va, va + bytes) of one PASID, or of none.
struct AtcEntry {
  u64 sid = 0;
  std::optional<u64> ssid;
  bool every_pasid = false;  ///< unknown: filled while any configuration was possible
  bool unknown = false;
  bool identity = false;  ///< S1DSS = 1
  u64 va = 0;
  u64 bytes = 0;  ///< 0: to the end of all addresses
  u64 out = 0;
  u8 granted = 0;  ///< a bit for each Kind
  bool device = false;
  friend auto operator<=>(const AtcEntry&, const AtcEntry&) = default;

  static constexpr u8 everything = 0x3f;
  static unsigned bit_of(Kind kind) {
    return 2 * static_cast<unsigned>(kind.type) + (kind.privileged ? 1 : 0);
  }
  bool grants(Kind kind) const { return (granted >> bit_of(kind) & 1) != 0; }
  bool contains(u64 address) const { return address >= va && address - va <= bytes - 1; }
};

/// A DMA that takes time, as far as this schedule has it.
struct Flight {
  std::string name;
  bool translated = false;
  bool done = false;  ///< it took effect
  std::string text;   ///< of its outcome
  std::optional<u64> pa;
  std::set<std::size_t> commands;    ///< slots that covered what it uses: their SYNC waits for it
  std::set<std::size_t> broadcasts;  ///< likewise, and their DSB
  Kind kind;
  Stream stream;
  u64 va = 0;
  std::vector<Item> items;  ///< what it was translated by
  std::vector<Structure> configuration;
};

/// A regime that can be formed now, and from which CD.
struct Formed {
  Regime regime;
  u64 cd_place = 0;
  friend auto operator<=>(const Formed&, const Formed&) = default;
};

/// Unknown items of whole tags: from before reset, or formed by configuration of unknown content.
struct UnknownTags {
  std::set<Tag> tags;
  std::set<std::pair<World, u16>> globals;
  bool matches(const Tag& tag) const {
    return tags.contains(tag) || globals.contains({tag.world, tag.vmid});
  }
};

struct Extent {
  u64 pa = 0;
  u64 bytes = 0;
};

struct State {
  explicit State(Memory of) : memory(std::move(of)) {}

  Memory memory;
  std::vector<Slot> queue;
  bool queue_off = false;  ///< CR0.CMDQEN = 0
  std::vector<Broadcast> broadcasts;
  unsigned vmw = 0;                  ///< CR0.VMW
  std::map<std::string, u64> words;  ///< that MSIs write; 0 in the beginning
  bool interrupt = false;            ///< raised, and not taken
  bool may_translate = true;
  bool may_bypass = false;
  u64 strtab = 0;
  bool two_level = false;
  std::vector<Structure> structures;
  std::vector<Item> items;
  std::set<u64> ats_sids;  ///< endpoints with ATS on
  bool atschk = false;
  std::set<std::pair<u64, bool>> old_atschk;  ///< cached with the STE of a SID
  std::set<AtcEntry> atc;
  std::set<u64> unknown_sids;  ///< configuration from before reset
  UnknownTags reset_unknown;
  UnknownTags wild_unknown;
  std::vector<Extent> released;
  std::vector<Flight> flights;
  bool marked = false;  ///< `mark` is past
  // What follows from the above, after each fill:
  std::set<Formed> formed;
  bool run_over = false;      ///< after the last step
  std::set<Tag> broken_tags;  ///< two regimes that break the rule can be formed
  bool wild = false;          ///< unknown memory was read
  bool torn = false;          ///< an ILLEGAL mixture with V = 1 was formed
  bool shared_by_worlds = false;
};

}  // namespace iommucheck::litmus::twin
