// SPDX-License-Identifier: MIT
// What an access of a stream may translate by, of all that a fetch of its STE and CD may read.
#pragma once

#include <vector>

#include "spec/rules/unset.h"
#include "spec/smmu/outcome.h"
#include "spec/smmu/regimes.h"
#include "spec/smmu/ste.h"

namespace iommucheck::spec {

struct StreamOption {
  SteKind kind = SteKind::bad;
  EventType event = EventType::none;  ///< fault, where no regime
  Rule rule = unset::structure;
  u32 regime = 0;  ///< 1 + regime, 0: none
  u32 tag = 0;
  FaultReaction reaction{};
  bool any = false;  ///< unknown configuration, or one that is not modelled: anything
  NotModelled not_modelled = NotModelled::no;
  bool disabled = false;  ///< no configuration: SMMUEN is 0, and GBPA makes it `kind`
  Group dies = immortal;
  bool ats = false;           ///< through an STE that answers ATS requests
  bool no_ats = false;        ///< through one that does not
  bool split = false;         ///< through one that does by split-stage ATS: both, by CR0.ATSCHK
  bool skips_stage1 = false;  ///< kind is bypass by S1DSS, not by the STE's Config
  /// kind is nested, regime and tag are of its stage 2: whatever its stage 1 yields, which is
  /// not looked at, is an address there.
  bool contained = false;
  Overrides overrides{};   ///< of the STE
  InputOverrides input{};  ///< and what it makes of attributes that no leaf replaces
  /// Accesses look up the same, and their faults end alike.
  [[nodiscard]] bool looks_up_like(const StreamOption& other) const {
    return regime == other.regime && reaction == other.reaction && overrides == other.overrides &&
           contained == other.contained;
  }
};

struct StreamOptions {
  bool complete = false;  ///< no bound was hit
  std::vector<StreamOption> options;
};

}  // namespace iommucheck::spec
