// SPDX-License-Identifier: MIT
// A small world for a driver under test: flat memory, an arena, processes, and an SMMU that caches
// all it ever fetched, invalid descriptors of contexts too, and lets an invalidation act no earlier
// than the CMD_SYNC after it; devices with ATS cache all that they were ever told. It is no
// specification: it knows just enough (stages 1 and 2 of 4 KiB, PASIDs, and of nested translation
// what stage 2 makes of a stage 1 that the test states) to show a missing, too narrow or too early
// invalidation, and it judges nothing by itself.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <rapidcheck.h>

#include "base/mapped.h"
#include "base/types.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::test {

struct FakeOptions {
  unsigned stream_id_bits = 6;
  bool two_level = true;
  bool range_invalidation = true;
  bool coherent = true;
  unsigned cmdq_lg2 = 8;
  unsigned eventq_lg2 = 7;
  unsigned polls = 0;  ///< waits that pass before an exposed command is consumed
  u32 devices = 2;
  u32 streams_per_device = 2;
  u32 ssid_bits = 0;             ///< of SMMU and devices
  u32 smmu_ssid_bits = ~u32{0};  ///< of the SMMU; as the devices' unless given
  u32 last_ssid_bits = ~u32{0};  ///< of the last device; as the others unless given
  bool two_level_cds = true;
  bool ats = false;           ///< SMMU and devices
  u32 stalling_devices = 0;   ///< the first ones; the SMMU can if there are any
  u32 grouped_devices = 1;    ///< the first ones: they move together
  u32 pri_devices = 0;        ///< the first ones
  bool never_stalls = false;  ///< the SMMU (STALL_MODEL = 1), whatever devices can
  bool asid16 = true;         ///< ASIDs of 16 bits, not 8
  bool stage2 = false;        ///< as well as stage 1
};

struct FakeCommand {
  u64 word0;
  u64 word1;
  unsigned op() const { return static_cast<unsigned>(word0 & 0xff); }
  friend bool operator==(const FakeCommand&, const FakeCommand&) = default;
};

class FakeWorld {
 public:
  explicit FakeWorld(FakeOptions options = {});
  FakeWorld(const FakeWorld&) = delete;
  FakeWorld& operator=(const FakeWorld&) = delete;

  const iommucheck_platform& platform() const { return platform_; }
  const iommucheck_config& config() const { return config_; }
  u32 stream_id(u32 device, u32 n) const;

  struct Access {
    u64 pa;
    bool writable;
    friend bool operator==(const Access&, const Access&) = default;
  };
  /// What a device reaches, through whatever is cached; nothing if it is terminated.
  std::optional<Access> access(u32 stream, u64 iova);

  /// The same with a PASID.
  std::optional<Access> access(u32 stream, u64 iova, u32 pasid);
  /// The same by a device with ATS, which asks the SMMU only for what its ATC has not got.
  std::optional<Access> ats_access(u32 stream, u64 iova, u32 pasid = 0);
  /// Whether the CD that the SMMU uses for it says that faults stall.
  bool stalls(u32 stream, u32 pasid);

  /// Writes an event record, as the SMMU would; lost, with OVFLG, if the queue is full.
  void post_event(u64 word0, u64 word1 = 0, u64 iova = 0);
  /// The same for a stall, which waits until there is place.
  void post_stall(u64 word0, u64 word1, u64 iova);

  // Processes: an address space whose tables the environment has in memory of its own.
  struct Process {
    u32 asid = 0;
    u64 root = 0;
    u32 pins = 0;
    bool dead = false;
    std::map<u64, u64> pages;  // iova -> leaf
  };
  void add_process(iommucheck_handle mm, u32 asid);
  void mm_map(iommucheck_handle mm, u64 iova, u64 pa);
  void mm_unmap(iommucheck_handle mm, u64 iova);
  iommucheck_mm mm_of(iommucheck_handle mm) const;
  std::map<iommucheck_handle, Process> processes;

  struct Exit {
    u32 device;
    u32 pasid;
    u64 drvdata;
    u64 context;
  };
  std::vector<Exit> exits;  ///< handlers begun
  u64 context = 0;          ///< in which the driver is called now
  int fault_response = IOMMUCHECK_FAULT_SUCCESS;
  std::vector<std::tuple<u32, u32, u64, u32>> faults;  ///< told to a process's handler
  /// Called where the driver waits for other calls; false: the time is up. Empty: it is up.
  std::function<bool()> on_wait;
  u32 register_value(u64 offset) const { return read32(offset); }
  /// Of the STE as the SMMU reads it; 0: the stream has none.
  u64 ste_word0(u32 stream) {
    const std::optional<Ste> ste = ste_of(stream);
    return ste ? ste->word0 : 0;
  }
  /// The first words of the STE as the SMMU reads it now; none: the stream has none.
  std::array<u64, 4> ste_words(u32 stream) {
    const std::optional<Ste> ste = ste_of(stream);
    return ste ? std::array{ste->word0, ste->word1, ste->word2, ste->word3} : std::array<u64, 4>{};
  }
  /// Where a nested stream's stage 1 leads, by pages: nowhere what it has not.
  std::map<u64, u64> users_stage1;
  /// Caches may lose what they hold at any time.
  void forget_configuration() {
    ste_cache_.clear();
    cd_cache_.clear();
  }
  /// What the SMMU shows there from now on, whatever it means.
  void set_register(u64 offset, u32 value) { registers_[offset] = value; }

  u64 word(u64 pa) const { return memory_[index(pa)]; }
  /// Whether the SMMU holds anything that it ever fetched.
  bool holds_anything() const {
    return !ste_cache_.empty() || !l1cd_cache_.empty() || !cd_cache_.empty() || !leaves_.empty() ||
           !pointers_.empty() || !atc_.empty();
  }
  /// Of any context.
  bool holds_page(u64 iova) const {
    return std::ranges::any_of(leaves_, [&](const auto& leaf) {
      const auto& [asid, level, start] = leaf.first;
      return level == 3 && start == iova;
    });
  }

  // What the test looks at.
  std::vector<FakeCommand> commands;  ///< consumed, in order
  std::vector<std::string> errors;    ///< misuse of the platform, illegal commands
  std::vector<std::string> log;       ///< what the driver said
  u64 barriers = 0;
  u64 stores = 0;
  u64 live_tables() const { return allocated_.size(); }
  bool is_allocated(u64 pa) const;

  // What the test decides.
  std::optional<u64> fail_allocation;  ///< this many allocations succeed before one fails
  bool stuck = false;                  ///< commands are consumed no more, waits time out
  bool preempted = false;              ///< waits time out, and meanwhile all is consumed
  struct Told {
    u32 pasid = 0;
    u32 group = 0;
    u64 word = 0;
    friend bool operator==(const Told&, const Told&) = default;
  };
  std::vector<Told> told;                ///< faults that a caller's handler was given
  std::function<void(Told)> on_handled;  ///< inside of such a handler
  std::function<void()> on_fault;        ///< inside of a process's handler of faults
  void raise_global_error(u32 bits) { registers_[0x60] = read32(0x60) ^ bits; }
  std::optional<u64> illegal_after;  ///< so many commands later one is refused
  bool broken_queue = false;         ///< no command can be read, whatever is acknowledged
  std::set<u32> dead_streams;        ///< their devices answer no CMD_ATC_INV
  std::optional<u64> silent_after;   ///< so many CMD_ATC_INV later a device does not answer one
  std::function<void(const FakeCommand&)> on_command;
  std::function<void(u64 offset, u32 value)> on_write;  ///< of a register, before it has acted

 private:
  friend struct FakeCalls;

  struct Ste {
    u64 word0 = 0;
    u64 word1 = 0;
    u64 word2 = 0;
    u64 word3 = 0;
    bool by_stage2() const { return (word0 & 0xd) == 0xd; }
    bool is_nested() const { return (word0 & 0xf) == 0xf; }
    u64 vmid() const { return word2 & 0xffff; }
  };
  /// What an access walks.
  struct Walk {
    u64 tag = 0;
    u64 root = 0;
    unsigned level = 0;
    unsigned input_bits = 0;
    bool stage2 = false;
    bool off = false;  // what is cached is still met
  };
  /// Each word as it was when something first looked at it.
  struct Cd {
    u64 word0 = 0;
    u64 ttb0 = 0;
  };

  void forget_dirty(u64 pa, u64 bytes);
  void evict(u64 pa);
  static u64 index(u64 pa) {
    const u64 index = (pa - window_pa) / 8;
    return index < window_bytes / 8 ? index : throw std::out_of_range("outside of the window");
  }
  const void* table_alloc(u64 bytes, u64* pa);
  void table_free(u64 pa, u64 bytes);
  void write32(u64 offset, u32 value);
  u32 read32(u64 offset) const;
  void consume();
  u32 error_of(const FakeCommand& command);
  bool accept(const FakeCommand& command);
  void act(const FakeCommand& command);
  void invalidate_address(const FakeCommand& command);
  u64 seen(u64 pa) const;
  void order_stores();
  void check_registers(u64 offset);
  void check_cd(u64 cd);
  void move_lines(const u64* from, u64* to, u64 pa, u64 bytes) const;
  u64 fetch(u64 pa);
  std::optional<Ste> ste_of(u32 stream);
  std::optional<Cd> cd_of(u32 stream, const Ste& ste, std::optional<u32> pasid);
  std::optional<Cd> context_of(u32 stream, std::optional<u32> pasid);
  std::optional<Access> translate(const Walk& walk, u64 iova);
  std::optional<Access> translate(const Cd& cd, u64 vmid, u64 iova);
  std::optional<Access> translate(const Ste& ste, u64 ipa);
  std::optional<Access> nested_access(const Ste& ste, u64 iova);
  void invalidate_vmid(const FakeCommand& command);
  std::optional<Access> access_as(u32 stream, u64 iova, std::optional<u32> pasid);
  void invalidate_atc(const FakeCommand& command);

  static constexpr u64 window_pa = 0x8000'0000;
  static constexpr u64 window_bytes = u64{8} << 20;
  static constexpr u64 environment_pa = 0x4000'0000;

  FakeOptions options_;
  // Of which a test touches little.
  Mapped<u64[]> memory_;
  /// What the SMMU reads where it does not look into the CPU's caches: memory_ as it was cleaned.
  Mapped<u64[]> seen_;
  Mapped<u64[]> arena_;
  u64 arena_used_ = 0;
  std::map<u64, u64> allocated_;          // pa -> bytes
  std::map<u64, std::vector<u64>> free_;  // bytes -> pas
  u64 bump_ = window_pa;
  u64 poison_ = 0x1234'5678'9abc'def1;
  std::vector<std::vector<u32>> stream_ids_;
  std::vector<iommucheck_device> devices_;
  std::vector<const iommucheck_device*> device_list_;
  iommucheck_config config_{};
  iommucheck_platform platform_{};
  std::map<u64, u64> registers_;
  unsigned polls_left_ = 0;

  bool unanswered_ = false;  // the next CMD_SYNC has to say so
  /// What the SMMU sees where a store is not ordered yet.
  std::map<u64, u64> pending_;
  std::vector<std::tuple<u64, u64>> cleaned_;  // not ordered yet: pa, bytes
  std::vector<std::array<u64, 3>> stalls_;     // records without place
  std::map<u32, u64> l1std_cache_;             // StreamID -> descriptor, invalid ones too
  std::set<u64> dirty_;  // lines of 64 bytes that the CPU's caches hold, changed
  /// Words of records, until a barrier lets the CPU see them: what a load may still find.
  std::map<u64, u64> unordered_;
  /// Lines whose invalidation is complete at the next barrier.
  std::vector<std::tuple<u64, u64>> invalidated_;  // pa, bytes
  std::vector<FakeCommand> open_;  // consumed, and not yet acted: the next CMD_SYNC lets them
  std::map<u32, Ste> ste_cache_;
  std::map<std::tuple<u32, u32>, u64> l1cd_cache_;  // (StreamID, SubstreamID / 64)
  std::map<std::tuple<u32, u32>, Cd> cd_cache_;
  std::map<std::tuple<u32, u32, u64>, Access> atc_;  // (StreamID, PASID, page)
  std::map<u64, u64> environment_;                   // words of processes' tables
  u64 environment_bump_ = environment_pa;
  // (stage, VMID, ASID; level; address of the first byte covered)
  std::map<std::tuple<u64, unsigned, u64>, u64> leaves_;
  std::map<std::tuple<u64, unsigned, u64>, u64> pointers_;  // descriptor at that level
  std::map<std::tuple<u64, u64>, Access> combined_;         // (VMID, page) of both stages
};

/// One of low .. high - 1, evenly: RapidCheck's own inRange stays near `low` in early cases.
template <class T>
T any_in(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, high));
}

/// A driver, initialised and reset in a world, with its devices added.
class Booted {
 public:
  Booted(const iommucheck_driver* driver, FakeWorld& world);
  void* self() const { return self_; }
  int error() const { return error_; }

  /// 0 and an error in last_error.
  iommucheck_handle alloc(u32 kind = IOMMUCHECK_DOMAIN_PAGING, u32 input_bits = 0);
  int last_error = 0;

  const iommucheck_driver* const driver;
  FakeWorld& world;

 private:
  void* self_ = nullptr;
  int error_ = 0;
};

}  // namespace iommucheck::test
