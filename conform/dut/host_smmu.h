// SPDX-License-Identifier: MIT
// The SMMU of the host of a device that delegates translation: the specification, with any caches
// that are legal. It does what it was told and nothing besides: what a device forgets to hand on
// shows in what becomes of an access. Its own stream table is nobody's memory, and it invalidates
// by itself what it has cached of that; IHI 0070 4.3.7 says what is left to the device.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "conform/dut/chosen_outcome.h"
#include "conform/dut/device.h"
#include "spec/smmu/command.h"
#include "spec/smmu/event_record.h"

namespace iommucheck::oracle {

/// What becomes of the accesses of a stream. The numbers are those of iommucheck/device.h.
enum class Installed : u8 {
  ste = 1,     ///< what an SMMU makes of an STE, legal or not
  bypass = 2,  ///< as with SMMUEN = 0 and GBPA.ABORT = 0
  abort = 3,   ///< they are terminated, and there is no record
};
using SteWords = std::array<u64, spec::ste_words>;

class HostSmmu {
 public:
  /// StreamIDs are below that.
  static constexpr u32 sids_end = 64;

  /// `id`: the ID registers of the device, which are its own as well. `sids`: all that are known.
  HostSmmu(const spec::IdRegisters& id, std::vector<u32> sids, u64 seed);

  /// Every stream aborts, nothing is cached, and nothing is known of memory.
  void reset();

  // Memory, which is the guest's at the same addresses: TesterMemory. Else it aborts.
  void store(u64 pa, u64 value);
  void fill(u64 pa, u64 words, u64 value);

  /// Nothing of the stream's configuration is cached afterwards; translations are. Errors:
  /// bad_input, and nothing has changed: the StreamID is unknown.
  Expected<void> install(u32 sid, Installed how, const SteWords& words);

  /// Complete when it returns. Errors: bad_input, and none was done: one is not legal, or none that
  /// a device may hand on.
  Expected<void> invalidate(std::span<const spec::CommandWords> commands);

  struct Answer {
    DmaSeen seen;
    std::optional<std::array<u64, spec::event_words>> record{};
  };
  Answer dma(u32 sid, u64 iova, bool write, const DmaAttributes& attributes);

 private:
  [[nodiscard]] bool knows(u32 sid) const;
  [[nodiscard]] std::optional<std::string> wrong_with(const spec::Command& command) const;
  void put_word(u64 pa, u64 value);
  void complete(std::span<const spec::Command> commands);
  spec::Outcome outcome_of(const spec::Access& access);

  std::vector<u32> sids_;
  spec::Caches caches_;
  SeededChoices choices_;
  std::array<Installed, sids_end> installed_{};
  std::size_t booted_ = 0;
  EventIndex now_ = 0;
};

}  // namespace iommucheck::oracle
