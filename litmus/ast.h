// SPDX-License-Identifier: MIT
// The litmus format as plain data: what a file says, with the place where it says it. No meaning of
// SMMUv3 is here; layout.h turns names into addresses and words.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.h"

namespace iommucheck::litmus {

/// Where something was written. No part of its meaning: any two places are equal.
struct Place {
  std::shared_ptr<const std::string> file;  ///< null for what a program made
  u32 line = 0;                             ///< from 1
  u32 column = 0;                           ///< from 1
  friend bool operator==(const Place&, const Place&) { return true; }
};

/// "file:line:column", or "?" for what a program made.
std::string to_string(const Place& place);

struct Name {
  std::string text;
  Place place;
  friend bool operator==(const Name&, const Name&) = default;
};

struct Number {
  u64 value = 0;
  Place place;
  friend bool operator==(const Number&, const Number&) = default;
};

/// What a pointer or descriptor leads to: `-`, a name (`P1`, `K#3`), or an intermediate page `@N`.
struct Target {
  enum class Kind : u8 { unknown, named, intermediate };
  Kind kind = Kind::unknown;
  std::string name;         ///< named
  std::optional<u32> part;  ///< named: the n of `K#n`, a 4 KiB page behind block or group K
  u64 page = 0;             ///< intermediate: the N of `@N`
  Place place;
  friend bool operator==(const Target&, const Target&) = default;
};

// ---- objects: the lines of init, and the operands of store and rmw ------------------------------
// A field that is not named is nullopt: its default in init, unchanged in a store.

enum class SteConfig : u8 { abort, bypass, s1, s2, nest };
enum class TableFormat : u8 { linear, two_level };
enum class StreamWorld : u8 { el1, el2 };
enum class MairKind : u8 { normal, device };
/// STE.PRIVCFG and STE.INSTCFG: `in` takes what comes in with the access.
enum class PrivCfg : u8 { incoming, unprivileged, privileged };
enum class InstCfg : u8 { incoming, data, instruction };

/// A granule in KiB that is not of 4.
inline bool is_wide(const std::optional<Number>& kib) { return kib && kib->value != 4; }

struct SteLine {
  Number sid;
  std::optional<Name> table;  ///< default: T, or L where `strtab` says fmt=2lvl
  std::optional<Number> v;    ///< word 0
  std::optional<SteConfig> cfg;
  std::optional<Target> cd;
  std::optional<Number> cdmax;
  std::optional<TableFormat> fmt;
  std::optional<Number> s1dss;  ///< word 1
  std::optional<Number> cont;   ///< log2 of the span
  std::optional<Number> eats;
  std::optional<StreamWorld> strw;
  std::optional<PrivCfg> priv;
  std::optional<InstCfg> inst;
  std::optional<Number> s1stalld;
  std::optional<Number> vmid;  ///< word 2
  std::optional<Number> s2t0sz;
  std::optional<Number> s2sl;  ///< the start level itself
  std::optional<Number> s2tg;  ///< KiB
  std::optional<Number> s2ha;
  std::optional<Number> s2hd;
  std::optional<Number> s2haft;
  std::optional<Number> s2s;
  std::optional<Target> s2ttb;  ///< word 3
  friend bool operator==(const SteLine&, const SteLine&) = default;
};

struct CdLine {
  Name name;                    ///< of the CD, or of its table where index is given
  std::optional<Number> index;  ///< the n of `D.n`; `C` and `C.0` are one object
  std::optional<Number> v;      ///< word 0
  std::optional<Number> asid;
  std::optional<Number> t0sz;
  std::optional<Number> tg0;  ///< KiB, as tg1 is
  std::optional<Number> epd0;
  std::optional<Number> t1sz;
  std::optional<Number> tg1;
  std::optional<Number> epd1;
  std::optional<Number> tbi0;
  std::optional<Number> tbi1;
  std::optional<Number> ha;
  std::optional<Number> hd;
  std::optional<Number> aset;
  std::optional<Number> s;
  std::optional<Target> ttb;  ///< word 1
  std::optional<Number> e0pd0;
  std::optional<Number> haft;
  std::optional<Target> ttb1;  ///< word 2
  std::optional<Number> e0pd1;
  std::optional<MairKind> mair;  ///< word 3: the kind of attribute 0
  friend bool operator==(const CdLine&, const CdLine&) = default;
};

struct L1StdLine {
  Name table;
  Number index;
  std::optional<Number> span;
  std::optional<Target> l2;
  friend bool operator==(const L1StdLine&, const L1StdLine&) = default;
};

struct L1CdLine {
  Name table;
  Number index;
  std::optional<Number> v;
  std::optional<Target> l2;
  friend bool operator==(const L1CdLine&, const L1CdLine&) = default;
};

struct Descriptor {
  enum class Kind : u8 { zero, table, page, block };
  Kind kind = Kind::zero;
  Target target;          ///< table, page, block
  bool writable = false;  ///< `rw`, else `ro`
  bool global = false;    ///< `g`
  bool af0 = false;       ///< of a table too
  bool dbm = false;
  bool cont = false;
  bool device = false;  ///< `dev`: attribute 1 of MAIR
  bool nt = false;      ///< blocks only
  bool priv = false;    ///< AP[1] = 0: no unprivileged access
  bool uxn = false;
  bool pxn = false;
  bool xn = false;  ///< stage 2: nobody executes
  Place place;
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct WordLine {
  Name table;
  Number index;
  Descriptor descriptor;
  friend bool operator==(const WordLine&, const WordLine&) = default;
};

/// A group of words with the contiguous bit: 16 pages, member i leads to P#i, or so many, or
/// blocks.
struct ContGroup {
  std::optional<Number> n;      ///< words; 16
  std::optional<Number> block;  ///< blocks of so many granules; pages
  friend bool operator==(const ContGroup&, const ContGroup&) = default;
  [[nodiscard]] u64 words() const { return n ? n->value : 16; }
  [[nodiscard]] u64 granules() const { return block ? block->value : 1; }
};
inline constexpr u64 table_words_max = 16 * 8192;  ///< 16 tables of 64 KiB side by side

/// `descriptor.target` is the first page.
struct ContLine {
  Name table;
  Number index;  ///< of the first, a multiple of the words
  Descriptor descriptor;
  ContGroup group{};
  friend bool operator==(const ContLine&, const ContLine&) = default;
};

using Object = std::variant<SteLine, CdLine, L1StdLine, L1CdLine, WordLine, ContLine>;

// ---- init ---------------------------------------------------------------------------------------

struct StrtabLine {
  Name table;
  TableFormat fmt = TableFormat::linear;
  friend bool operator==(const StrtabLine&, const StrtabLine&) = default;
};
struct AtsLine {
  Number sid;
  friend bool operator==(const AtsLine&, const AtsLine&) = default;
};
struct BbmlLine {
  Number level;  ///< 0..2
  friend bool operator==(const BbmlLine&, const BbmlLine&) = default;
};
struct CoherentLine {
  Number value;  ///< 0 or 1
  friend bool operator==(const CoherentLine&, const CoherentLine&) = default;
};
struct AtomLine {
  Number bytes;  ///< 8 or 16
  friend bool operator==(const AtomLine&, const AtomLine&) = default;
};
/// Fields of registers and ID registers: CR0.ATSCHK, IDR0.BTM, CR2.PTM, CR2.E2H, CR0.VMW,
/// GBPA.ABORT.
enum class Bit : u8 { atschk, btm, ptm, e2h, vmw, gbpa };
inline constexpr std::string_view bit_words[] = {"atschk", "btm", "ptm", "e2h", "vmw", "gbpa"};
struct BitLine {
  Bit which = Bit::atschk;
  Number value;  ///< 0 or 1; vmw: 0 to 4, the bits of a VMID that do not count
  friend bool operator==(const BitLine&, const BitLine&) = default;
};
/// A kind of cache that the device has not got, or does not keep over a reset; or what it does
/// less than the architecture asks for: an invalidation of an endpoint without a PASID leaves what
/// has one.
enum class Lack : u8 {
  config_cache,
  walk_cache,
  tlb,
  combined_entries,
  reset_caches,
  untagged_atc_inv
};
struct LacksLine {
  Lack which = Lack::config_cache;
  friend bool operator==(const LacksLine&, const LacksLine&) = default;
};
struct ResetLine {
  friend bool operator==(const ResetLine&, const ResetLine&) = default;
};

struct InitLine {
  std::variant<SteLine, CdLine, L1StdLine, L1CdLine, WordLine, ContLine, StrtabLine, AtsLine,
               BbmlLine, CoherentLine, AtomLine, BitLine, ResetLine, LacksLine>
      what;
  Place place;
  friend bool operator==(const InitLine&, const InitLine&) = default;
};

// ---- run ----------------------------------------------------------------------------------------

enum class CommandOp : u8 {
  cfgi_ste,
  cfgi_cd,
  cfgi_cd_all,
  cfgi_ste_range,
  cfgi_all,
  tlbi_nh_all,
  tlbi_nh_asid,
  tlbi_nh_va,
  tlbi_nh_vaa,
  tlbi_el3_all,
  tlbi_el3_va,
  tlbi_el2_all,
  tlbi_el2_asid,
  tlbi_el2_va,
  tlbi_el2_vaa,
  tlbi_s12_vmall,
  tlbi_s2_ipa,
  tlbi_nsnh_all,
  atc_inv,
  sync,
  resume,
  stall_term,
};

/// The manual's name without "CMD_": "TLBI_NH_VA".
const char* to_string(CommandOp op);

/// Operands that the operation has not are absent. Absent ones of a TLBI count as 0.
struct Command {
  CommandOp op = CommandOp::sync;
  std::optional<Number> sid;   ///< CFGI_*, ATC_INV, STALL_TERM
  std::optional<Number> ssid;  ///< CFGI_CD; ATC_INV: given means SSV = 1
  std::optional<Number> leaf;
  std::optional<Number> vmid;
  std::optional<Number> asid;
  std::optional<Number> va;  ///< S2_IPA: the IPA
  std::optional<Number> tg;
  std::optional<Number> num;
  std::optional<Number> scale;
  std::optional<Number> ttl;
  std::optional<Number> size;   ///< ATC_INV: log2 of pages
  std::optional<Number> range;  ///< CFGI_STE_RANGE: log2 of StreamIDs, less 1
  std::optional<Name> msi;      ///< SYNC: its completion writes `data` there
  std::optional<Number> data;
  std::optional<Number> e2h;  ///< of a broadcast: the CPU has E2H = 1
  bool irq = false;           ///< SYNC: its completion raises the interrupt
  std::optional<Name> dma;    ///< RESUME: the DMA whose stall it answers
  bool retry = false;         ///< RESUME: it is tried again, else aborted
  Place place;
  friend bool operator==(const Command&, const Command&) = default;
};

/// Who accesses: `SID` or `SID.SSID` (SSV = 1).
struct Stream {
  Number sid;
  std::optional<Number> ssid;
  friend bool operator==(const Stream&, const Stream&) = default;
};

enum class Direction : u8 { read, write, execute };

struct StoreStep {
  Object object;  ///< fields of one 64-bit word, or descriptors
  bool rmw = false;
  bool wide = false;  ///< `store16`: fields of words 0 and 1, or 2 and 3, as one store
  friend bool operator==(const StoreStep&, const StoreStep&) = default;
};
struct BarrierStep {
  friend bool operator==(const BarrierStep&, const BarrierStep&) = default;
};
struct CleanStep {
  Name table;
  Number index;
  friend bool operator==(const CleanStep&, const CleanStep&) = default;
};
struct HandoffStep {
  Name from, to;
  friend bool operator==(const HandoffStep&, const HandoffStep&) = default;
};
struct ZeroStep {
  Name table;
  friend bool operator==(const ZeroStep&, const ZeroStep&) = default;
};
struct ClearStep {
  Name table;
  Number index;
  Number count;
  friend bool operator==(const ClearStep&, const ClearStep&) = default;
};
struct FillContStep {
  Name table;
  Number index;
  Descriptor descriptor;
  ContGroup group{};
  friend bool operator==(const FillContStep&, const FillContStep&) = default;
};
struct FreeStep {
  Name table;
  friend bool operator==(const FreeStep&, const FreeStep&) = default;
};
struct ReleaseStep {
  Target page;
  friend bool operator==(const ReleaseStep&, const ReleaseStep&) = default;
};
struct CmdStep {
  Command command;
  friend bool operator==(const CmdStep&, const CmdStep&) = default;
};
struct RingStep {
  bool relaxed = false;
  friend bool operator==(const RingStep&, const RingStep&) = default;
};
/// For the last CMD_SYNC; or until a word holds what an MSI writes; or until an interrupt is taken;
/// or until the record of a stall is read.
struct WaitStep {
  std::optional<Name> msi;
  Number data;
  bool irq = false;
  std::optional<Name> stall;  ///< of this DMA
  friend bool operator==(const WaitStep&, const WaitStep&) = default;
};
struct DoStep {
  std::vector<Command> commands;  ///< then SYNC, ring, wait
  friend bool operator==(const DoStep&, const DoStep&) = default;
};
/// CR0.CMDQEN, with its acknowledgement; `reset`, while it is 0: PROD := CONS.
enum class CmdqChange : u8 { off, on, reset };
inline constexpr std::string_view cmdq_words[] = {"off", "on", "reset"};
struct CmdqStep {
  CmdqChange change = CmdqChange::off;
  friend bool operator==(const CmdqStep&, const CmdqStep&) = default;
};
struct SmmuenStep {
  Number value;  ///< 0 or 1
  bool noack = false;
  friend bool operator==(const SmmuenStep&, const SmmuenStep&) = default;
};
struct AtsStep {  ///< the endpoint's ATS enable
  Number sid;
  Number value;  ///< 0 or 1
  friend bool operator==(const AtsStep&, const AtsStep&) = default;
};
/// A CPU's TLBI that the SMMU hears (IDR0.BTM), of the scope of the command.
struct BroadcastStep {
  Command command;
  friend bool operator==(const BroadcastStep&, const BroadcastStep&) = default;
};
/// A barrier that completes the broadcasts of this agent as well.
struct DsbStep {
  friend bool operator==(const DsbStep&, const DsbStep&) = default;
};
/// Software writes a word that MSIs write.
struct MsiStoreStep {
  Name word;
  Number data;
  friend bool operator==(const MsiStoreStep&, const MsiStoreStep&) = default;
};
/// atschk, e2h or vmw, acknowledged at once; gbpa, with its Update seen 0 or not.
struct RegBitStep {
  Bit which = Bit::atschk;
  Number value;
  bool noack = false;
  friend bool operator==(const RegBitStep&, const RegBitStep&) = default;
};
struct RegStrtabStep {
  Name table;
  friend bool operator==(const RegStrtabStep&, const RegStrtabStep&) = default;
};
struct DmaBeginStep {
  Name name;
  Stream stream;
  Number va;
  Direction direction = Direction::read;
  bool privileged = false;
  bool ats = false;
  friend bool operator==(const DmaBeginStep&, const DmaBeginStep&) = default;
};
struct DmaEndStep {
  Name name;
  friend bool operator==(const DmaEndStep&, const DmaEndStep&) = default;
};
struct MarkStep {
  friend bool operator==(const MarkStep&, const MarkStep&) = default;
};

struct Step {
  Name agent;  ///< "cpu0" where none is named
  std::variant<StoreStep, BarrierStep, CleanStep, HandoffStep, ZeroStep, ClearStep, FillContStep,
               FreeStep, ReleaseStep, CmdStep, RingStep, WaitStep, DoStep, CmdqStep, SmmuenStep,
               AtsStep, BroadcastStep, DsbStep, RegBitStep, RegStrtabStep, MsiStoreStep,
               DmaBeginStep, DmaEndStep, MarkStep>
      what;
  Place place;
  friend bool operator==(const Step&, const Step&) = default;
};

// ---- expectations -------------------------------------------------------------------------------

/// One outcome as it is written: "P1", "K#3:dev", "P1!dirty", "F_TRANSLATION", "late:P1", "any".
using OutcomeText = Name;

struct Access {
  Stream stream;
  Number va;
  Direction direction = Direction::read;
  bool privileged = false;
  bool ats = false;
  std::vector<OutcomeText> allowed;                  ///< in the order written
  bool asked = false;                                ///< `?`: what is allowed is asked, not said
  std::optional<std::vector<OutcomeText>> promised;  ///< absent: nothing is promised
  Place place;
  friend bool operator==(const Access&, const Access&) = default;
};

struct DmaExpectation {
  Name name;
  std::vector<OutcomeText> allowed;
  bool asked = false;
  Place place;
  friend bool operator==(const DmaExpectation&, const DmaExpectation&) = default;
};

/// What software may read of a descriptor after the last step: "0", "af0", "af+dirty".
struct LoadExpectation {
  Name table;
  Number index;
  std::vector<OutcomeText> allowed;
  bool asked = false;
  std::optional<std::vector<OutcomeText>> promised;
  Place place;
  friend bool operator==(const LoadExpectation&, const LoadExpectation&) = default;
};

struct Verdict {
  bool ok = true;
  std::string rule;   ///< a family: "page-reuse", …; empty where ok
  std::string words;  ///< what follows the colon
  Place place;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// A test with every `use` replaced by its lines, and replaced objects gone.
struct Test {
  std::string name;
  std::string says;
  std::vector<InitLine> init;
  std::vector<Step> run;
  std::vector<Access> accesses;
  std::vector<DmaExpectation> dmas;
  std::vector<LoadExpectation> loads;
  std::optional<Verdict> driver;
  Place place;
  friend bool operator==(const Test&, const Test&) = default;
};

struct Prelude {
  std::string name;
  std::vector<InitLine> lines;  ///< resolved, as in Test
  Place place;
  friend bool operator==(const Prelude&, const Prelude&) = default;
};

struct File {
  std::vector<Prelude> preludes;  ///< those of the file itself
  std::vector<Test> tests;
};

}  // namespace iommucheck::litmus
