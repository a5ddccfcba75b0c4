// SPDX-License-Identifier: MIT
// Progress that the driver sees: acknowledgements, and commands consumed. A device may answer "not
// yet", a bounded number of times; at which look it goes on is drawn, or a pace says it.
#pragma once

#include <algorithm>

#include "base/bits.h"
#include "spec/choices.h"
#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class Progress {
 public:
  /// As a device: from now on commands are consumed so, and not as Choices say.
  struct Pace {
    u64 looks = 0;     ///< at CMDQ_CONS that find nothing new, since one was exposed or consumed
    u64 commands = 0;  ///< that the next one finds consumed; 0: all
  };

  explicit Progress(Ground& ground) : ground_(ground) {}

  /// So often the driver saw some.
  [[nodiscard]] u64 made() const { return made_; }
  void make() { ground_.set(made_, made_ + 1); }

  // ---- as a device ------------------------------------------------------------------------------
  /// The driver looks. False: "not yet"; else what of `alternatives` happens now, never 1.
  bool look(ChoiceSite site, u32 alternatives, Choices& choices, u32& chosen);
  void set_pace(const Pace& pace);
  void set_acknowledgement(u64 looks) { ground_.set(ack_pace_, looks + 1); }
  [[nodiscard]] bool has_pace() const { return pace_ != 0; }
  /// How many commands a pace lets be consumed at once; 0: all.
  [[nodiscard]] u64 paced_commands() const { return pace_ == 0 ? 0 : pace_commands_; }
  /// The driver lets so many microseconds pass, which are as good as looks.
  void pass(u64 us) {
    if (pace_ != 0 || ack_pace_ != 0) ground_.set(polls_, polls_ + std::min(us, longest));
  }
  /// There are commands that were not there before.
  void begin_looks() {
    if (pace_ != 0) ground_.set(polls_, 0);
  }

 private:
  static constexpr u64 max_polls = 3;       // that Choices may answer with "not yet"
  static constexpr u64 longest = pow2(20);  // that anything is waited for

  Ground& ground_;
  u64 made_ = 0;
  u64 polls_ = 0;          // choices to make no progress since the last progress
  u64 pace_ = 0;           // 1 + Pace::looks; 0: Choices decide
  u64 pace_commands_ = 0;  // Pace::commands
  u64 ack_pace_ = 0;       // 1 + looks until a register is acknowledged; 0: Choices decide
};

}  // namespace iommucheck::spec
