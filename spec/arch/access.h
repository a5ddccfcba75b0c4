// SPDX-License-Identifier: MIT
// Whether a leaf lets an access pass. DDI 0487 D8.4; IHI 0070 7.3, 13.7; arch 4.4, 4.5.
#pragma once

#include "spec/arch/permissions.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

/// F_ACCESS before F_PERMISSION. Access flag: HA sets it, AFFD ignores it, otherwise it faults.
template <Word W>
constexpr AccessResult<W> check_access(const Leaf<W>& leaf, AccessKind access,
                                       const Regime<W>& regime) {
  AccessResult<W> result;
  const Flag<W> flag_counts = leaf.af | regime.ha | regime.affd;
  if (auto fault = check(rule::S1_ACCESS_FLAG, EventType::f_access, flag_counts, leaf.level)) {
    result.fault = fault;
    return result;
  }
  const Flag<W> updates_af = regime.ha & !leaf.af;
  if (auto fault = check(rule::S1_PERMISSION, EventType::f_permission,
                         permitted(leaf, access, regime), leaf.level)) {
    result.fault = fault;
    result.may_set_af = updates_af;
    return result;
  }
  result.sets_af = updates_af;
  if (access.type == AccessType::write) result.sets_dirty = leaf.writable_clean;
  return result;
}

/// An access by ATS, whose rights are those that an answer grants: execution together with reading
/// only, unless all reads count as instructions. IHI 0070 13.7.1.
template <Word W>
constexpr AccessResult<W> check_ats_access(const Leaf<W>& leaf, AccessKind incoming, bool has_pasid,
                                           Overrides overrides, const Regime<W>& regime) {
  const AccessKind kind = effective_access(ats_access(incoming, has_pasid), overrides);
  const AccessResult<W> result = check_access(leaf, kind, regime);
  const bool reads_too = kind.type == AccessType::execute && overrides.instcfg == InstCfg::incoming;
  if (result.fault || !reads_too) return result;
  return check_access(leaf, AccessKind{AccessType::read, kind.privileged}, regime);
}

}  // namespace iommucheck::spec
