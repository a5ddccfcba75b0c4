// SPDX-License-Identifier: MIT
// A guest whose driver keeps no rule. Bytes become what it writes into its memory, into the
// registers of its SMMU and into the queues there, and accesses of its devices, while the host
// takes memory away and gives it back. Whatever that is, its devices reach only memory of the
// guest, the host's driver holds, and each step is bounded. INTERFACE "Nested".
#pragma once

#include <span>
#include <string>

#include "base/byte_stream.h"
#include "guest/guest.h"

namespace iommucheck::oracle {

class HostileGuest {
 public:
  /// The host's driver, which outlives it.
  explicit HostileGuest(const iommucheck_driver& driver, const Guest::MakeSmmu& make_smmu = {});

  /// Empty, or what failed.
  std::string boot();

  /// From there on what the bytes say. Empty, or what is wrong: findings of the host's monitor, an
  /// access that reaches what is not the guest's, a step without end.
  std::string run(std::span<const u8> bytes);

  /// What has come to something, since the beginning.
  struct Numbers {
    u64 stores = 0, writes = 0, commands = 0, accesses = 0, reached = 0, marked = 0;
  };
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }
  Guest& guest() { return guest_; }

 private:
  void switch_on();
  void store(ByteStream& bytes);
  void write(ByteStream& bytes);
  void command(ByteStream& bytes);
  void change_memory(ByteStream& bytes);
  std::string access(ByteStream& bytes);

  GuestSetup setup_;
  Guest guest_;
  u32 prod_ = 0;  ///< of its command queue, where it writes what a driver might
  Numbers numbers_;
};

}  // namespace iommucheck::oracle
