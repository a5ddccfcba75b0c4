// SPDX-License-Identifier: MIT
// A user's memory under a monitor: what is written is seen, what it means is told, and what the
// SMMU may have cached of it is what it said before.
#pragma once

#include "host/user_memory.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

class MonitoredUsers final : public UserMemory::Sink {
 public:
  /// Of a user's PASID tables so many entries are asked for what may be cached.
  static constexpr u32 pasids_max = 64;

  explicit MonitoredUsers(Monitor& monitor) : monitor_(monitor) {}

  void store(u64 pa, u64 value) override;
  void clear(u64 pa, u64 bytes) override;
  void barrier() override;
  void before(u64 va) override;
  void table_made(u64 parent, const spec::sva::UserTable& table) override;
  void maps(u64 parent, u64 root, u64 va, u64 ipa, u32 prot) override;
  void unmaps(u64 parent, u64 root, u64 va) override;
  void takes_out(u64 parent, u64 root, u64 va, u64 bytes) override;
  void sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) override;

 private:
  Monitor& monitor_;
};

}  // namespace iommucheck::oracle
