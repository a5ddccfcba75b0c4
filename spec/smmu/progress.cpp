// SPDX-License-Identifier: MIT
#include "spec/smmu/progress.h"

namespace iommucheck::spec {

bool Progress::look(ChoiceSite site, u32 alternatives, Choices& choices, u32& chosen) {
  const u64 pace = site == ChoiceSite::consume ? pace_ : ack_pace_;
  if (pace != 0) {
    chosen = polls_ + 1 < pace ? 1 : 0;
  } else {
    chosen = polls_ >= max_polls ? 0 : choices.choose(site, alternatives);
  }
  if (chosen == 1) {
    ground_.set(polls_, polls_ + 1);
    return false;
  }
  if (chosen == 0) ground_.set(polls_, 0);
  return true;
}

void Progress::set_pace(const Pace& pace) {
  ground_.set(pace_, pace.looks + 1);
  ground_.set(pace_commands_, pace.commands);
  ground_.set(polls_, 0);
}

}  // namespace iommucheck::spec
