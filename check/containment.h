// SPDX-License-Identifier: MIT
// Users that keep no rule. Bytes become what two users of stage 2 domains write into their memory
// (CDs, tables, anything), their structures and commands, accesses of their devices, and what the
// host maps and unmaps meanwhile. Whatever that is, their devices reach only what the living stage
// 2 maps, and nobody else is disturbed: the monitor judges it at every event. INTERFACE "Nested".
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "base/byte_stream.h"
#include "host/driver_host.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

class Containment {
 public:
  explicit Containment(const iommucheck_driver& driver);

  /// Both users, a device each and memory of their own, and a device of the host's. Empty, or what
  /// failed.
  std::string boot();

  /// From there on what the bytes say; findings are those of the monitor.
  void run(std::span<const u8> bytes);

  Monitor& monitor() { return monitor_; }

  /// What has come to something, since the beginning.
  struct Numbers {
    u64 stores = 0, structures = 0, commands = 0, accesses = 0, changes = 0;
  };
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }

 private:
  static constexpr u32 users = 2;
  struct User {
    u64 parent = 0;
    u64 domain = 0;  ///< what its device is on; 0: nothing
    u64 memory_pa = 0;
    u64 mapped = 0;  ///< which of the pages behind its memory, as bits
  };

  spec::sva::Observed call(const spec::sva::Call& call);
  [[nodiscard]] u64 page_pa(u32 user, u32 page) const;
  bool map_page(u32 user, u32 page);
  bool make_user(u32 user);
  void store(u32 user, ByteStream& bytes);
  void change_structure(u32 user, ByteStream& bytes);
  void send_commands(u32 user, ByteStream& bytes);
  void access(u32 user, ByteStream& bytes);
  void change_stage2(u32 user, ByteStream& bytes);

  Monitor monitor_;
  DriverHost host_;
  spec::FirstChoice first_;
  Trail::Mark booted_{};
  EventIndex booted_at_ = 0;
  std::array<User, users> users_{};
  std::array<User, users> booted_users_{};
  Numbers numbers_;
};

}  // namespace iommucheck::oracle
