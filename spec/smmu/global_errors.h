// SPDX-License-Identifier: MIT
// GERROR and GERRORN: an error is active where they differ. The SMMU toggles a bit of GERROR only
// while its error is not active, the driver one of GERRORN only while it is. IHI 0070 7.5, 6.3.19,
// 6.3.20. Which errors a device may find is for those who know the accesses that may abort.
#pragma once

#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class GlobalErrors {
 public:
  explicit GlobalErrors(Ground& ground) : ground_(ground) {}

  [[nodiscard]] u64 gerror() const { return gerror_; }
  [[nodiscard]] u64 gerrorn() const { return gerrorn_; }
  [[nodiscard]] u64 active() const { return gerror_ ^ gerrorn_; }
  [[nodiscard]] bool is_active(u64 error) const { return (active() & error) != 0; }
  /// The command queue is stopped.
  [[nodiscard]] bool command_error() const { return is_active(gerror::cmdq_err); }
  /// The driver was shown that it is.
  [[nodiscard]] bool shows_command_error() const {
    return ((seen_ ^ gerrorn_) & gerror::cmdq_err) != 0;
  }

  void toggle(u64 errors) { ground_.set(gerror_, gerror_ ^ errors); }
  void write_gerrorn(u64 value);
  /// GERROR reads as `value`: each bit is as it was last seen, or as it has become since. The bits
  /// that are neither, 0 of a legal answer.
  u64 observe_gerror(u64 value);

 private:
  Ground& ground_;
  u64 gerror_ = 0, gerrorn_ = 0;
  u64 seen_ = 0;  // GERROR as last observed: it may lag behind
};

}  // namespace iommucheck::spec
