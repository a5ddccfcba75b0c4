// SPDX-License-Identifier: MIT
#include "spec/smmu/global_errors.h"

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

/// A command that was refused is for whoever waits for it; nothing follows on service failure mode.
/// IHI 0070 7.1, 12.3.
constexpr u64 errors_of_others = gerror::cmdq_err | gerror::sfm_err;

}  // namespace

void GlobalErrors::write_gerrorn(u64 value) {
  ground_.count(rule::REGISTER_GERRORN);
  const u64 fields = gerror_fields(ground_.capabilities());
  const u64 toggled = gerrorn_ ^ (value & fields);
  if ((toggled & ~active()) != 0) {
    ground_.report(rule::REGISTER_GERRORN, "GERRORN toggles bits " + hex(toggled & ~active()) +
                                               " of errors that are not active");
  }
  ground_.set(gerrorn_, value & fields);
  if ((known_ & toggled & ~errors_of_others) != 0) ground_.count(rule::GERROR_ACK);
  ground_.set(known_, known_ & ~toggled);
  ground_.set(left_, left_ & ~toggled);
}

void GlobalErrors::interrupt() {
  if (ground_.is_recording()) return;
  const u64 left = left_ & active() & ~errors_of_others;
  ground_.set(left_, known_ & active());
  if (left == 0) return;
  ground_.count(rule::GERROR_ACK);
  std::string follows = "the next error of the kind is not told";
  if ((left & gerror::priq_abt_err) != 0) follows = "the SMMU takes no page request (PRIQ_ABT_ERR)";
  if ((left & gerror::eventq_abt_err) != 0) follows = "the SMMU records no event (EVENTQ_ABT_ERR)";
  ground_.report(rule::GERROR_ACK, "bits " + hex(left) + " of GERROR were read as active, " +
                                       "another interrupt of it came since, and GERRORN is still " +
                                       hex(gerrorn_) + ": until they are acknowledged " + follows);
}

u64 GlobalErrors::observe_gerror(u64 value) {
  const u64 found = (value ^ seen_) & (value ^ gerror_);
  ground_.set(seen_, value);
  ground_.set(known_, known_ | (value ^ gerrorn_));
  return found;
}

}  // namespace iommucheck::spec
