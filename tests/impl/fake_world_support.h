// SPDX-License-Identifier: MIT
// A small world for a driver under test: flat memory, an arena, and an SMMU that caches all
// it ever fetched and lets an invalidation act no earlier than the CMD_SYNC after it. It is no
// specification: it knows just enough (stage 1, 4 KiB, VMID 0) to show a missing, too narrow or
// too early invalidation, and it judges nothing by itself.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <rapidcheck.h>

#include "base/types.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::test {

struct FakeOptions {
  unsigned stream_id_bits = 6;
  bool two_level = true;
  bool range_invalidation = true;
  bool coherent = true;
  unsigned cmdq_lg2 = 8;
  unsigned polls = 0;  ///< waits that pass before an exposed command is consumed
  u32 devices = 2;
  u32 streams_per_device = 2;
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

  /// Writes an event record, as the SMMU would; lost, with OVFLG, if the queue is full.
  void post_event(u64 word0);
  u32 register_value(u64 offset) const { return read32(offset); }

  u64 word(u64 pa) const { return memory_[index(pa)]; }

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
  std::optional<u64> illegal_after;    ///< so many commands later one is refused
  std::function<void(const FakeCommand&)> on_command;

 private:
  friend struct FakeCalls;

  struct Config {
    u64 ste0 = 0;
    u64 cd0 = 0;
    u64 ttb0 = 0;
  };
  struct Leaf {
    u64 word;
    unsigned level;
  };

  u64 index(u64 pa) const { return (pa - window_pa) / 8; }
  const void* table_alloc(u64 bytes, u64* pa);
  void table_free(u64 pa, u64 bytes);
  void write32(u64 offset, u32 value);
  u32 read32(u64 offset) const;
  void consume();
  bool accept(const FakeCommand& command);
  void act(const FakeCommand& command);
  void invalidate_address(const FakeCommand& command);
  u64 fetch(u64 pa);
  std::optional<Config> config_of(u32 stream);

  static constexpr u64 window_pa = 0x8000'0000;
  static constexpr u64 window_bytes = u64{8} << 20;

  FakeOptions options_;
  std::vector<u64> memory_;
  std::vector<u64> arena_;
  u64 arena_used_ = 0;
  std::map<u64, u64> allocated_;          // pa -> bytes
  std::map<u64, std::vector<u64>> free_;  // bytes -> pas
  u64 bump_ = window_pa;
  u64 poison_ = 0x1234'5678'9abc'def1;
  std::vector<std::vector<u32>> stream_ids_;
  std::vector<iommucheck_device> devices_;
  iommucheck_config config_{};
  iommucheck_platform platform_{};
  std::map<u64, u64> registers_;
  unsigned polls_left_ = 0;

  std::vector<FakeCommand> open_;  // consumed, and not yet acted: the next CMD_SYNC lets them
  std::map<u32, Config> config_cache_;
  // (ASID, level, address of the first byte covered)
  std::map<std::tuple<u64, unsigned, u64>, u64> leaves_;
  std::map<std::tuple<u64, unsigned, u64>, u64> pointers_;  // descriptor at that level
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

  iommucheck_handle alloc(u32 kind = IOMMUCHECK_DOMAIN_PAGING, u32 input_bits = 0);

  const iommucheck_driver* const driver;
  FakeWorld& world;

 private:
  void* self_ = nullptr;
  int error_ = 0;
};

}  // namespace iommucheck::test
