// SPDX-License-Identifier: MIT
// Calls of the interface as operations of driver.h: arguments in, what was observed out.
#pragma once

#include <functional>

#include "iommucheck/driver.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle {

class DriverDoor {
 public:
  /// What a call is told of the process with that number.
  using Process = std::function<iommucheck_mm(u64 number)>;

  /// `driver` outlives the door; `state` is what its init gave; `format`: of users' routes,
  /// IOMMUCHECK_FORMAT_*.
  DriverDoor(const iommucheck_driver& driver, void* state, Process process,
             u32 format = IOMMUCHECK_FORMAT_SMMUV3)
      : driver_(driver), state_(state), process_(std::move(process)), format_(format) {}

  /// False: the driver has no such operation.
  [[nodiscard]] bool has(spec::sva::CallKind kind) const;
  /// "Not built" for one that it has not.
  [[nodiscard]] spec::sva::Observed call(const spec::sva::Call& call) const;

 private:
  [[nodiscard]] spec::sva::Observed alloc_domain(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed bind(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed bind_task(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed alloc_private(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed open_queue(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed read_dirty(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed read_fault(const spec::sva::Call& call) const;
  [[nodiscard]] spec::sva::Observed read_event(const spec::sva::Call& call) const;

  const iommucheck_driver& driver_;
  void* state_;
  Process process_;
  u32 format_;
};

}  // namespace iommucheck::oracle
