// SPDX-License-Identifier: MIT
// A driver behind driver.h, and the platform that it stands on: every store, register access and
// allocation of the driver becomes an event of the monitor; the specification answers as device.
#pragma once

#include <string>

#include "iommucheck/driver.h"
#include "oracle/arena.h"
#include "oracle/monitor.h"
#include "oracle/plugin/segments.h"

namespace iommucheck::oracle {

class DriverHost {
 public:
  /// `driver` outlives the host.
  DriverHost(const iommucheck_driver& driver, Monitor& monitor);
  DriverHost(const DriverHost&) = delete;
  DriverHost& operator=(const DriverHost&) = delete;

  /// init, reset, device_add for every device. Empty, or what failed.
  std::string boot();

  /// What boot() left is what every case begins with; restore() goes back to it. Restores the
  /// driver's arena and the platform; the monitor's state is undone by its owner.
  void snapshot();
  void restore();
  /// Static variables that are part of it; null (the default): there are none. Outlives the host.
  void set_segments(Segments* segments) { segments_ = segments; }

  /// Decides everything that a device or the environment may choose.
  void set_choices(spec::Choices& choices) { choices_ = &choices; }
  /// From here on everything makes progress at once.
  void choose_first() { choices_ = &first_; }
  /// The n-th allocation of the next call fails; 0: none.
  void fail_allocation(u32 n);
  [[nodiscard]] bool allocation_failed() const { return allocation_failed_; }

  /// False: the driver has no such operation, and it is not to be called.
  [[nodiscard]] bool has(spec::sva::CallKind kind) const;
  /// One call; the monitor is told of its begin and its result. The result as observed.
  spec::sva::Observed call(const spec::sva::Call& call);

  /// shutdown; then blocks of table memory that are still held.
  u64 shut_down();

  [[nodiscard]] const iommucheck_driver& driver() const { return driver_; }
  [[nodiscard]] u64 blocks_live() const { return tables_.live(); }

 private:
  static DriverHost& self(void* ctx) { return *static_cast<DriverHost*>(ctx); }
  void bind_platform();
  bool spent();
  spec::sva::Observed dispatch(const spec::sva::Call& call);

  const iommucheck_driver& driver_;
  Monitor& monitor_;
  iommucheck_platform platform_{};
  std::vector<iommucheck_device> devices_;
  iommucheck_config config_{};
  void* state_ = nullptr;
  Arena arena_;
  TableMemory tables_;
  Segments* segments_ = nullptr;
  spec::FirstChoice first_;
  spec::Choices* choices_ = &first_;
  u32 allocations_ = 0;
  u32 fail_at_ = 0;
  bool allocation_failed_ = false;
  u64 waits_ = 0;
  u64 steps_ = 0;
};

}  // namespace iommucheck::oracle
