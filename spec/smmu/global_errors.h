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
  /// Of those, the ones that are not active become so; what of them did.
  u64 raise(u64 errors) {
    const u64 fresh = errors & ~active();
    toggle(fresh);
    return fresh;
  }
  void write_gerrorn(u64 value);
  /// The interrupt of global errors comes. What the driver had read before the last one came, and
  /// that one has not brought it to acknowledge, it leaves: what follows of that kind is not told.
  void interrupt();
  /// As a device: the driver reads GERROR.
  void note_read() { ground_.set(known_, known_ | active()); }
  /// GERROR reads as `value`: each bit is as it was last seen, or as it has become since. The bits
  /// that are neither, 0 of a legal answer.
  u64 observe_gerror(u64 value);

 private:
  Ground& ground_;
  u64 gerror_ = 0, gerrorn_ = 0;
  u64 seen_ = 0;   // GERROR as last observed: it may lag behind
  u64 known_ = 0;  // errors that the driver has read to be active, and not acknowledged
  u64 left_ = 0;   // those of them that it had read before the last interrupt came
};

}  // namespace iommucheck::spec
