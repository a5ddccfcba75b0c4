// SPDX-License-Identifier: MIT
// A case of conform: a driver's steps against a device under test, one word each in meaning: any
// subsequence of a case's steps is a case, so that one shrinker serves directed and random ones.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conform/dut/device.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/command.h"

namespace iommucheck::oracle {

enum class StepKind : u8 {
  store,         ///< a: address, b: value
  fill,          ///< a: address, b: words, c: value
  write,         ///< a: register, b: value, c: bytes
  read,          ///< a: register, c: bytes
  command,       ///< a, b: its words; the store of the slot, and unless c is 1 (it is not the last
                 ///< of its batch) the write of CMDQ_PROD
  sync,          ///< CMD_SYNC, and CMDQ_CONS until it is past it
  access,        ///< a: input address, b: 1 for a write, c: engine, step_* bits and SubstreamID
  poll,          ///< EVENTQ_PROD, the records, EVENTQ_CONS; a: 1, OVACKFLG stays as it is
  save,          ///< the device is saved and goes on from what was saved
  look,          ///< a: address of a word of memory that is read
  request,       ///< as access: a translation request of ATS; b: 1 if it asks for writing
  answer,        ///< an endpoint does the oldest invalidation that it was sent, if there is one
  silence,       ///< endpoints do none of those that they were sent, and their time is over
  resume,        ///< CMD_RESUME for each stall of which a record was read, with its STAG, and sync
                 ///< where there is one; a: Ac, b: Ab
  mend,          ///< where a command error is active: a, b take its place, and GERRORN follows
  page_request,  ///< a: page address, b: PRG index and page_* bits, c: engine and SubstreamID
  page_poll,     ///< PRIQ_PROD, the records, PRIQ_CONS; a: 1, OVACKFLG stays as it is
  drain,         ///< CMDQ_CONS, until no more than `a` commands are before it
  await,         ///< a: register, b: value, c: bytes; read until it has that
  barrier,       ///< stores before it are visible before those behind it
};
/// Something is translated for a device.
constexpr bool is_access(StepKind kind) {
  return kind == StepKind::access || kind == StepKind::request;
}
/// Of Step::b of a page request, above its PRG index.
inline constexpr u64 page_index = 0x1ff, page_last = 0x1000, page_write = 0x2000,
                     page_read = 0x4000, page_execute = 0x8000, page_privileged = 0x10000;
/// Of Step::c of an access, above the engine's number.
inline constexpr u64 step_engine = 0xff, step_privileged = 0x100, step_instruction = 0x200;
inline constexpr u64 step_substream = 0x400;          ///< it has one
inline constexpr u64 step_translated = 0x800;         ///< its address is one that ATS gave
inline constexpr unsigned step_substream_place = 32;  ///< of its number

/// Step::c of an access.
u64 access_word(unsigned engine, const DmaAttributes& attributes);

struct Step {
  StepKind kind = StepKind::sync;
  u64 a = 0, b = 0, c = 0;
  friend bool operator==(const Step&, const Step&) = default;
};
std::string step_text(const Step& step);

/// Where queues are, which a step does not say.
struct QueueLayout {
  u64 cmdq = 0, eventq = 0;
  unsigned cmdq_lg2 = 8, eventq_lg2 = 6;
  u64 priq = 0;  ///< 0: the case has no page request queue
  unsigned priq_lg2 = 0;

  static constexpr u64 lg2_max = 19;  ///< the architecture's, SMMU_IDR1.CMDQS, EVENTQS and PRIQS
  [[nodiscard]] u64 cmdq_bytes() const { return u64{16} << cmdq_lg2; }
};

struct Case {
  std::string name;
  std::string asks;  ///< the rule that it asks for, where an outcome alone does not show it
  QueueLayout queues;
  std::vector<Step> steps;
  std::size_t fixed = 0;  ///< the first so many steps bring the SMMU up: never left out
  /// Invalidations among these: before they are complete anything may be cached.
  std::size_t boot_commands = boot_commands_default;
  static constexpr std::size_t boot_commands_default = 2;
};

/// Where a queue lies.
enum class QueuePlace : u8 {
  in_memory,
  absent,       ///< where no memory is; without commands nothing is invalidated at first
  beside_size,  ///< at an odd multiple of its size
  /// As large as its size says, in the upper half of the structures, of which nothing is written at
  /// first. Indices begin two before its end, with their wrap bits; those of page requests at 0.
  huge,
};
/// Of devices with page requests.
enum class PageQueue : u8 { none, disabled, enabled };

/// How a case brings the SMMU up. Queues are as large as that, or as large as they may be if that
/// is smaller; the event queue is then polled after each access, so that as many records fit in it.
struct CaseOptions {
  unsigned cmdq_lg2 = 8, eventq_lg2 = 6;
  std::optional<unsigned> log2size{};  ///< absent: a place for each of the device's StreamIDs
  bool two_level = false;
  unsigned split = 6;
  u32 cr2 = 2;  ///< RECINVSID
  QueuePlace cmdq = QueuePlace::in_memory, eventq = QueuePlace::in_memory;
  bool event_queue = true;
  PageQueue pages = PageQueue::none;
  unsigned priq_lg2 = 2;
  QueuePlace priq = QueuePlace::in_memory;
  bool by_halves = false;  ///< 64-bit registers are written by halves, the lower one first
  /// It is about what waits. Other cases of devices on which every fault waits (IDR0.STALL_MODEL =
  /// 0b10) terminate that as soon as it is told.
  bool about_stalls = false;
};

/// What a leaf says; the rest of the descriptor is the level's.
struct LeafBits {
  bool valid = true, af = true, writable = true, user = true, ng = true;
  u64 extra = 0;  ///< further bits, or bits of its form to change
};
/// CMD_PRI_RESP with that Resp.
spec::Command pri_resp(u32 sid, u32 prg_index, unsigned resp, std::optional<u32> ssid = {});
/// CMD_ATC_INV of 4096 * 2^size bytes, without a PASID; 52: of everything.
spec::Command atc_inv(u32 sid, u64 address, unsigned size);
/// LOG2SIZE of a stream table with a place for each StreamID of the device's, and for 64 at least.
unsigned log2size_of(const DeviceIdentity& device);
/// Those that the device claims, the smallest first.
std::vector<spec::Granule> granules_of(const spec::Capabilities& caps);
/// The encoding of TG0 and S2TG, and that of TG1.
u64 tg0_of(spec::Granule granule);
u64 tg1_of(spec::Granule granule);
/// The CD's upper half is on: T1SZ, TG1, EPD1 = 0, and TTB1 with what else is in its word.
void use_upper_half(spec::Cd<u64>& cd, u64 ttb1, unsigned tsz,
                    spec::Granule granule = spec::Granule::g4k);
/// And its lower half is off: EPD0 = 1.
void use_upper_half_alone(spec::Cd<u64>& cd, u64 ttb1, unsigned tsz, spec::Granule granule);
u64 leaf_word(spec::Granule granule, unsigned level, u64 pa, const LeafBits& leaf);

/// Writes cases down. Memory comes from the device's identity; words that it stored it knows.
class CaseBuilder {
 public:
  CaseBuilder(const DeviceIdentity& device, std::string name, const CaseOptions& options = {});

  [[nodiscard]] Case take();
  void asks(spec::Rule rule) { case_.asks = spec::rule_name(rule); }
  [[nodiscard]] const DeviceIdentity& device() const { return device_; }
  [[nodiscard]] const spec::Capabilities& capabilities() const { return caps_; }
  [[nodiscard]] u64 data(u64 offset = 0) const { return device_.data_pa + offset; }
  /// No CD and no stage 2 is legal by which faults do not wait.
  [[nodiscard]] bool always_stalls() const { return caps_.stall_model == spec::StallModel::always; }
  [[nodiscard]] u32 sid(unsigned engine) const { return device_.sids[engine]; }

  // Steps.
  void store(u64 pa, u64 value);
  /// One of 8 bytes by halves where the case's options say so.
  void write(u32 offset, u64 value, unsigned bytes = 4);
  void read(u32 offset, unsigned bytes = 4);
  void command(const spec::Command& command);
  void command_words(u64 low, u64 high);
  void sync();
  void drain();  ///< all commands are seen to be consumed, none is added
  void access(u64 iova, bool write = false, unsigned engine = 0, DmaAttributes attributes = {});
  void both(u64 iova, unsigned engine = 0);  ///< a read, a write
  void all_accesses(u64 iova);               ///< each that engine 0 can send without a SubstreamID
  void poll(bool keeps_overflow = false);
  void save();
  /// What is known to wait is tried again (Ac), or terminated as Ab says.
  void resume(bool ac, bool ab = false);
  void mend(const spec::Command& instead = spec::cmd_sync());
  void request(u64 iova, bool write = false, unsigned engine = 0, DmaAttributes attributes = {});
  void answer();
  void silence();
  /// `request` without its StreamID, which is the engine's. Without PASID it asks for neither
  /// execution nor privilege.
  void page_request(spec::PageRequest request, unsigned engine = 0);
  void page_poll(bool keeps_overflow = false);
  void look(u64 pa);  ///< has anything been written there that nobody may write?

  // Structures.
  u64 memory(u64 bytes, u64 align = 4096);  ///< zeroed, for whoever is led there by a later store
  /// The same for translation tables: words of them are as word() and store() have them, and stand
  /// in memory big-endian where the device has no others (IDR0.TTENDIAN = 3).
  u64 tables(u64 bytes, u64 align = 4096);
  /// Bytes that memory() has given.
  [[nodiscard]] u64 used() const { return next_ - device_.structures_pa; }
  /// Of a command, by how many were sent before it.
  [[nodiscard]] u64 command_slot(u64 number) const {
    return case_.queues.cmdq + 16 * (number & mask(case_.queues.cmdq_lg2, 0) >> 1);
  }
  [[nodiscard]] u64 ste_place(u32 sid) const;
  [[nodiscard]] u64 cd_place(unsigned engine) const;
  void ste(unsigned engine, const spec::Ste<u64>& ste);
  void cd(unsigned engine, const spec::Cd<u64>& cd);
  void cd_at(u64 place, const spec::Cd<u64>& cd);
  /// A legal STE with stage 1 whose S1ContextPtr is the engine's CD.
  [[nodiscard]] spec::Ste<u64> stage1_ste(unsigned engine) const;
  /// A legal CD: 4K, TTB1 off.
  [[nodiscard]] spec::Cd<u64> plain_cd(u64 ttb0, unsigned tsz = 25, unsigned asid = 1) const;
  /// The root of an empty table for such a half.
  u64 root(spec::Granule granule, unsigned tsz);
  /// The place of the entry at `level` for `va`; tables above are made where there are none.
  u64 entry(u64 root, spec::Granule granule, unsigned tsz, u64 va, unsigned level);
  /// The same where the walk starts at `start`, which stage 2 says by itself.
  u64 entry_from(unsigned start, u64 root, spec::Granule granule, unsigned tsz, u64 va,
                 unsigned level);
  void map(u64 root, u64 va, u64 pa, unsigned level = 3, const LeafBits& leaf = {},
           spec::Granule granule = spec::Granule::g4k, unsigned tsz = 25);
  /// STE and CD of the engine, with that root, and SMMUEN = 1.
  void translate(unsigned engine, u64 root, unsigned tsz = 25, unsigned asid = 1);
  void translate(unsigned engine, const spec::Cd<u64>& cd);
  void enable(bool atschk = false);
  void wildcards(unsigned vmw);  ///< CR0.VMW, before enable()
  void disable();
  /// CR0.PRIQEN, and its acknowledgement.
  void enable_page_queue(bool on);
  /// CFGI_ALL, TLBI_NSNH_ALL, CMD_SYNC.
  void invalidate_all();
  [[nodiscard]] u64 word(u64 pa) const;

 private:
  void step(StepKind kind, u64 a = 0, u64 b = 0, u64 c = 0) {
    case_.steps.push_back({kind, a, b, c});
  }
  void bring_up();
  /// Of commands and events.
  void place_queues();
  void bring_page_queue_up();
  void address_messages(u64 enabled);

  [[nodiscard]] u32 stream_table_cfg() const;
  [[nodiscard]] bool ends_stalls() const { return always_stalls() && !options_.about_stalls; }
  /// Of the memory for structures.
  [[nodiscard]] u64 upper_half() const {
    return device_.structures_pa + device_.structures_bytes / 2;
  }
  [[nodiscard]] bool big_endian() const { return caps_.ttendian == 3; }

  DeviceIdentity device_;
  spec::Capabilities caps_;
  CaseOptions options_;
  unsigned log2size_;
  bool polls_often_ = false;
  Case case_;
  std::map<u64, u64> words_;
  std::map<u64, u64> tables_;  ///< by their last bytes: the first
  u64 next_ = 0, strtab_ = 0, cds_ = 0;
  std::set<u32> addressed_;  // 64-bit registers that were written whole
  u64 cr0_ = 0;
};

}  // namespace iommucheck::oracle
