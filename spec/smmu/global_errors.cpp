// SPDX-License-Identifier: MIT
#include "spec/smmu/global_errors.h"

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

void GlobalErrors::write_gerrorn(u64 value) {
  ground_.count(rule::REGISTER_GERRORN);
  const u64 fields = gerror_fields(ground_.capabilities());
  const u64 toggled = gerrorn_ ^ (value & fields);
  if ((toggled & ~active()) != 0) {
    ground_.report(rule::REGISTER_GERRORN, "GERRORN toggles bits " + hex(toggled & ~active()) +
                                               " of errors that are not active");
  }
  ground_.set(gerrorn_, value & fields);
}

u64 GlobalErrors::observe_gerror(u64 value) {
  const u64 found = (value ^ seen_) & (value ^ gerror_);
  ground_.set(seen_, value);
  return found;
}

}  // namespace iommucheck::spec
