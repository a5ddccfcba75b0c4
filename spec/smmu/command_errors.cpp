// SPDX-License-Identifier: MIT
#include "spec/smmu/command_errors.h"

namespace iommucheck::spec {

void CommandErrors::raise(CommandError code) {
  if (active()) return;
  ground_.set(code_, static_cast<u64>(code));
  errors_.toggle(gerror::cmdq_err);
}

void CommandErrors::refuse(const CommandWords& words, u64 number, Rule illegal) {
  ground_.set(rule_, static_cast<u64>(illegal) + 1);
  const bool again =
      refused_at_ == number + 1 && refused_[0] == words.dw0 && refused_[1] == words.dw1;
  ground_.set(refusals_, again ? refusals_ + 1 : 1);
  ground_.set(refused_at_, number + 1);
  ground_.set(refused_[0], words.dw0);
  ground_.set(refused_[1], words.dw1);
}

void CommandErrors::stopped(u64 code) {
  ground_.set(code_, code);
  ground_.set(rule_, 0);
  ground_.set(claimed_, 0);
}

void CommandErrors::acknowledged() {
  ground_.set(code_, 0);
  ground_.set(claimed_, 0);
}

}  // namespace iommucheck::spec
