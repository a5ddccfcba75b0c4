// SPDX-License-Identifier: MIT
// What does not end a case: a finding that is known of the driver or was told already, and what
// follows from the same thing. Behind it the case goes on. Each finding gets its kind here.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "check/finding_kind.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Which entry of what is known names the finding (its kind is set); `told_already`; or nothing.
using KnownTo = std::function<std::optional<u32>(const Finding&)>;
inline constexpr u32 told_already = ~u32{0};

class PassedOver final : public Monitor::Excuses {
 public:
  struct One {
    u32 entry = 0;  ///< or told_already
    spec::Rule rule{};
    friend bool operator==(const One&, const One&) = default;
  };

  /// `doing` is kept by its owner: what is being done then. Nothing known: nothing is passed over.
  PassedOver(KnownTo known, const std::string_view& doing);

  void begin_case();
  /// Back to a moment of the case: what was done after it is undone.
  void go_back_to(EventIndex now);
  /// From here on the case does `what`, which outlives it.
  void note(EventIndex now, std::string_view what);
  /// Of the case: once for each entry, and for each rule that was told.
  [[nodiscard]] const std::vector<One>& of_case() const { return of_case_; }

  bool excuses(Finding& finding) override;
  [[nodiscard]] bool excuses_as_before(const Finding& finding) const override;

 private:
  /// What makes two findings one: the word, cached or in memory, that both come from.
  struct Thing {
    u64 pa = 0, value = 0;
    friend auto operator<=>(const Thing&, const Thing&) = default;
  };
  static std::optional<Thing> thing_of(const spec::Cause& cause);
  [[nodiscard]] bool follows(const Finding& finding) const;

  KnownTo known_;
  const std::string_view& doing_;
  [[nodiscard]] Doing done_at(EventIndex event) const;
  std::vector<Doing> done_;
  std::vector<Thing> things_;  ///< ascending
  bool stale_ = false;         ///< something that is cached still was passed over
  std::vector<One> of_case_;
};

}  // namespace iommucheck::oracle
