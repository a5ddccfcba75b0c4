// SPDX-License-Identifier: MIT
// Everything that one schedule of the literal model has: memory, the command queue, and all items
// that any cache may hold at this moment (SEMANTICS 2), kept at once.
#pragma once

#include <algorithm>
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
};

/// What an item is filled from: stage 1, stage 2, or a final translation of both.
enum class Stage : u8 { one, two, both };

/// A pointer (walk cache) or a final translation (SEMANTICS 2, table).
struct Item {
  Stage stage = Stage::one;
  /// Of stage 1 under stage 2: a final translation of stage 1 alone leads to an IPA, a pointer to
  /// the PA that its IPA had.
  bool nested = false;
  bool pointer = false;
  bool unknown = false;  ///< filled from a word of unknown content: can be anything
  bool global = false;   ///< matches every ASID of its world and VMID
  Tag tag;               ///< asid 0 where global
  u64 va = 0;            ///< stage 2: the IPA
  u64 bytes = 0;         ///< extent, or the slot of a pointer
  u64 span_va = 0;     ///< both: what the descriptor of stage 1 stands for, which invalidations by
  u64 span_bytes = 0;  ///< address are about; else as the above
  unsigned level = 0;  ///< of the table in which the descriptor (both: of stage 1) stands
  unsigned granule = 12;
  u64 out = 0;         ///< next table, or output of `va`
  bool aset = false;   ///< global: of the CD through which it was filled
  bool apart = false;  ///< that CD's ASET, of any: broadcasts that match an ASID pass it over
  unsigned vmw = 0;    ///< CR0.VMW when it was filled
  bool tbi = false;    ///< of the CD through which it was filled, as what follows
  bool e0pd = false;
  bool nt = false;
  Rights rights;
  Rights2 rights2;
  bool device = false;
  bool cont = false;
  u64 source = 0;   ///< dirtyable: the descriptor's place
  u64 source2 = 0;  ///< dirtyable by stage 2: likewise
  /// Descriptors in which hardware has set AF for it, whatever way it was filled; not part of its
  /// identity.
  std::set<u64> marked;
  bool ha = false, hd = false, haft = false;  ///< of what it was filled through; likewise
  u32 order = 0;        ///< of the newest store that it can come from; not part of its identity
  u32 first_order = 0;  ///< of the oldest; likewise

  auto identity() const {
    // What differs most often comes first.
    return std::tie(va, out, stage, nested, pointer, unknown, global, aset, apart, vmw, tbi, e0pd,
                    tag, bytes, span_va, span_bytes, level, granule, nt, rights, rights2, device,
                    cont, source, source2);
  }
  bool leads_to_ipa() const { return nested && stage == Stage::one && !pointer; }
  /// By a look-up through a CD. ASET is a tag of global entries only (IHI 0070 3.17). What is of
  /// stage 1 alone, or of both, ends in a PA, and no tag tells one from the other.
  bool matches(const Regime& by, bool under_stage2) const {
    const bool ends = !pointer && !leads_to_ipa();
    if (stage == Stage::two || (nested != under_stage2 && !ends)) return false;
    // The two regimes of EL2 need not be told apart, and what the one has cached has no ASID that
    // means anything to the other. IHI 0070 3.17.5.
    if (tag.world != by.tag.world) return is_el2(tag.world) && is_el2(by.tag.world);
    if (tag.vmid != by.tag.vmid) return false;
    return global ? aset == by.aset : tag.asid == by.tag.asid;
  }
  bool contains(u64 address) const { return address >= va && address - va < bytes; }
  /// An access to the address finds it, tag or none, by a look-up through a CD. The entry may have
  /// the TBI of its own CD cached (IHI 0070 5.4.1), or the SMMU may look at that of the asking one.
  bool is_found_at(u64 address, const Regime& by) const {
    return contains(address) ||
           ((tbi || by.half[half_of(address)].tbi) && contains(untagged(address)));
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
  bool ipa = false;       ///< EATS was 2: stage 2 is part of each Translated access
  u64 va = 0;
  u64 bytes = 0;  ///< 0: to the end of all addresses
  u64 out = 0;
  u8 granted = 0;  ///< a bit for each Kind
  bool device = false;
  /// Descriptors that its request for write has marked dirty, and nobody has stored since.
  std::set<u64> dirtied;
  /// Likewise those in which hardware has set AF for it. IHI 0070 3.13.7.1.
  std::set<u64> accessed;
  friend auto operator<=>(const AtcEntry&, const AtcEntry&) = default;

  static constexpr u8 everything = 0x3f;
  static unsigned bit_of(Kind kind) {
    return 2 * static_cast<unsigned>(kind.type) + (kind.privileged ? 1 : 0);
  }
  bool grants(Kind kind) const { return (granted >> bit_of(kind) & 1) != 0; }
  bool contains(u64 address) const { return address >= va && address - va <= bytes - 1; }
};

/// Hardware changes a flag of a descriptor for a transaction.
struct Mark {
  u64 pa = 0;
  bool dirty = false;  ///< else AF
  friend auto operator<=>(const Mark&, const Mark&) = default;
};

/// A DMA that takes time, as far as this schedule has it.
struct Flight {
  std::string name;
  bool ats = false;
  std::optional<AtcEntry> entry;  ///< by which its Translated access is, or will be, made
  bool translated = false;
  bool done = false;      ///< it took effect
  bool stalled = false;   ///< it waits for an answer
  bool recorded = false;  ///< it did, and may go on already (IHI 0070 3.12.2.2)
  bool told = false;      ///< its record was read
  std::string text;       ///< of its outcome
  std::optional<u64> pa;
  std::set<std::size_t> commands;    ///< slots that covered what it uses: their SYNC waits for it
  std::set<std::size_t> broadcasts;  ///< likewise, and their DSB
  Kind kind;
  Stream stream;
  u64 va = 0;
  std::vector<Item> items;  ///< what it was translated by
  std::vector<Structure> configuration;
  std::set<Mark> marks;
};

/// A regime that can be formed now, and from which CD.
struct Formed {
  Regime regime;
  u64 cd_place = 0;
  std::optional<Stage2> through;  ///< nested
  friend auto operator<=>(const Formed&, const Formed&) = default;
};

/// A stage 2 that can be formed now, and from which STE.
struct Formed2 {
  Stage2 stage2;
  u64 ste_place = 0;
  bool alone = false;  ///< the device's own addresses are IPAs, or may be
  u64 cds = 0;         ///< otherwise: CDs at this IPA, 2^cdmax of them
  unsigned cdmax = 0;
  friend auto operator<=>(const Formed2&, const Formed2&) = default;
};

/// Unknown items of whole tags: from before reset, or formed by configuration of unknown content.
struct UnknownTags {
  std::set<Tag> tags;
  std::set<std::pair<World, u16>> globals;
  std::set<u16> vmids;  ///< of stage 2
  bool matches(const Tag& tag) const {
    if (tags.contains(tag) || globals.contains({tag.world, tag.vmid})) return true;
    const auto is_of_other = [&](const Tag& other) {
      return is_el2(tag.world) && is_el2(other.world) && other.world != tag.world;
    };
    return std::ranges::any_of(tags, is_of_other);
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
  std::set<bool> gbpa_abort{false};  ///< what GBPA.ABORT may be
  u64 strtab = 0;
  bool two_level = false;
  std::vector<Structure> structures;
  std::vector<Item> items;
  std::set<u64> ats_sids;  ///< endpoints with ATS on
  bool atschk = false;
  std::set<std::pair<u64, bool>> old_atschk;  ///< cached with the STE of a SID
  bool e2h = false;                           ///< CR2.E2H
  bool e2h_open = false;                      ///< written since SMMUEN was set last
  std::set<std::pair<u64, bool>> old_e2h;     ///< cached with the STE of a SID
  std::set<AtcEntry> atc;
  std::set<u64> unknown_sids;  ///< configuration from before reset
  UnknownTags reset_unknown;
  UnknownTags wild_unknown;
  std::vector<Extent> released;
  std::vector<Flight> flights;
  /// Flags that hardware has changed for DMAs that are done, and how many commands were exposed and
  /// broadcasts issued then: a later CMD_SYNC, or a broadcast TLBI that is complete, makes the
  /// change visible (SEMANTICS 4, IHI 0070 3.13.4).
  /// `by`: what the DMA was translated by, since a broadcast shows only the changes of those that
  /// it has completed.
  struct Since {
    std::size_t commands = 0, broadcasts = 0;
    std::vector<Item> by{};
  };
  std::map<Mark, Since> marks;
  std::set<u64> may_be_dirty;  ///< descriptors of stage 2, by speculation
  std::set<Mark> seen_marks;   ///< software cannot read the old flag any more
  /// Of the word of a guest's table in which hardware may have set AF: the descriptors of stage 2
  /// by which it may have been written, and which that makes dirty; no_descriptor: one that is
  /// another by now, or need not become dirty. IHI 0070 3.13.5.
  std::map<u64, std::set<u64>> af_written_by;
  static constexpr u64 no_descriptor = ~u64{0};
  bool marked = false;  ///< `mark` is past
  // What follows from the above, after each fill:
  std::set<Formed> formed;
  std::set<Formed2> formed2;
  bool between_steps = false;  ///< before the first one, or after the last
  std::set<Tag> broken_tags;   ///< two regimes that break the rule can be formed
  std::set<u16> broken_vmids;  ///< likewise of stage 2, or nested and not
  bool group_differs = false;  ///< valid members of a contiguous group
  bool span_differs = false;   ///< STEs of a span that one of them states (STE.CONT)
  bool ats_mixed = false;      ///< a Translated access may meet another EATS
  bool wild = false;           ///< unknown memory was read
  bool torn = false;           ///< an ILLEGAL mixture with V = 1 was formed
  bool shared_by_worlds = false;
};

}  // namespace iommucheck::litmus::twin
