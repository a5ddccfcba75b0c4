// SPDX-License-Identifier: MIT
// From names to addresses and words: the step that every engine shares. It decides where each named
// table, CD, page and block lies and encodes each line (arch 2.2, 3.3, 4.3), and says nothing about
// what caches do with it.
//
// Fixed by the format: CD: AA64, A = R = 1, IPS 48 bits; STE: S2R = 1; linear stream table of 2^16
// entries, two-level with SPLIT 6; S1Fmt 1 (64 CDs a leaf) where fmt=2lvl.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "litmus/ast.h"

namespace iommucheck::litmus {

inline constexpr unsigned stream_table_lg2 = 16;  ///< STRTAB_BASE_CFG.LOG2SIZE
inline constexpr unsigned stream_table_split = 6;

/// A named piece of memory. Regions do not overlap; each is aligned to its size.
struct Region {
  std::string name;  ///< as in the test; "-" and "(empty)" for the two implied ones
  u64 pa = 0;
  u64 bytes = 0;          ///< 4 KiB; 1 GiB for what is used as block, group or with `#n`
  bool paged = false;     ///< its pages have names `NAME#n`
  unsigned granule = 12;  ///< log2 of such a page: the granule of the tables that map it
  bool unknown = false;   ///< contents unknown from the start (`-`)
};

/// 64 bits to memory. The bits outside of `mask` stay as they are at that moment.
struct WriteAction {
  u64 pa = 0;  ///< a multiple of 8
  u64 value = 0;
  u64 mask = ~u64{0};
  bool rmw = false;
  bool wide = false;  ///< one of the two words of a 16-byte store, where fetches are of 16 bytes
};
/// Zeros to every word of [pa, pa + bytes), as so many stores.
struct ZeroAction {
  u64 pa = 0;
  u64 bytes = 0;
};
struct BarrierAction {};
struct CleanAction {
  u64 pa = 0;  ///< any address in the 64-byte line
};
struct HandoffAction {
  u16 from = 0, to = 0;  ///< agents, indices into Layout::agents
};
/// Contents unknown from here: [pa, pa + bytes).
struct FreeAction {
  u64 pa = 0;
  u64 bytes = 0;
};
struct ReleaseAction {
  u64 pa = 0;
  u64 bytes = 0;
};
struct CommandAction {
  Command command;
};
struct RingAction {
  bool relaxed = false;
};
struct WaitAction {
  std::string msi;  ///< until this word holds `data`; empty: for the last CMD_SYNC
  u64 data = 0;
  bool irq = false;     ///< until an interrupt is taken
  std::string stall{};  ///< until the record of this DMA's stall is read
};
/// Software writes a word that MSIs write.
struct MsiStoreAction {
  std::string word;
  u64 data = 0;
};
struct CmdqAction {
  CmdqChange change = CmdqChange::off;
};
struct SmmuenAction {
  bool on = false;
  bool acknowledged = true;
};
struct AtsAction {
  u64 sid = 0;
  bool on = false;
};
struct BroadcastAction {
  Command command;
};
struct DsbAction {};
struct RegisterAction {
  Bit which = Bit::atschk;
  u64 value = 0;
  bool acknowledged = true;
};
struct StrtabAction {
  u64 pa = 0;
};
struct DmaBeginAction {
  std::string name;
  Stream stream;
  u64 va = 0;
  Direction direction = Direction::read;
  bool privileged = false;
  bool ats = false;
};
struct DmaEndAction {
  std::string name;
};
struct MarkAction {};

/// One elementary step. `do`, `clear`, `fillcont`, `store cont` are expanded into these.
struct Action {
  std::variant<WriteAction, ZeroAction, BarrierAction, CleanAction, HandoffAction, FreeAction,
               ReleaseAction, CommandAction, RingAction, WaitAction, CmdqAction, SmmuenAction,
               AtsAction, BroadcastAction, DsbAction, RegisterAction, StrtabAction, MsiStoreAction,
               DmaBeginAction, DmaEndAction, MarkAction>
      what;
  u16 agent = 0;  ///< index into Layout::agents
  u32 step = 0;   ///< index into Test::run, for evidence
};

struct MemoryWord {
  u64 pa = 0;
  u64 value = 0;
};

struct Layout {
  std::vector<Region> regions;
  std::vector<MemoryWord> memory;  ///< what init stores; other words of a region are zero, of an
                                   ///< unknown region unknown. Each pa once
  std::vector<Action> actions;
  std::vector<std::string> agents;  ///< cpu0 is 0
  u64 strtab_base = 0;
  TableFormat strtab_format = TableFormat::linear;
  bool coherent = true;
  bool reset = false;
  unsigned bbml = 0;
  unsigned atom_bytes = 8;
  bool atschk = false;
  bool e2h = false;
  unsigned vmw = 0;
  bool gbpa_abort = false;
  std::set<Lack> lacks;
  bool broadcasts = false;  ///< IDR0.BTM = 1 and CR2.PTM = 0: a driver may rely on them
  std::set<u64> ats_sids;
  std::set<u64> stage2_tables;  ///< PAs of tables that a stage 2 root leads to

  const Region* region_of(u64 pa) const;
  const Region* region_named(const std::string& name) const;
  /// "P1", "K#3" for an address in a region, else "0x…". `device` adds ":dev".
  std::string name_of(u64 pa, bool device = false) const;
};

/// Errors: bad_input with the place, for a name that is used in ways that exclude each other, an
/// index outside of its table, or a field that does not fit.
Expected<Layout> layout(const Test& test);

}  // namespace iommucheck::litmus
