// SPDX-License-Identifier: MIT
// The verdict of the specification on what a device did in one case.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "conform/afresh.h"
#include "conform/case_reading.h"
#include "conform/divergence.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What a judge has counted over some cases.
struct JudgeTally {
  DeviceRules::Numbers numbers;
  std::array<u64, spec::rule_numbers> exercised{};  ///< by number of the rule
  /// Accesses for which more would have been allowed without commands of that kind.
  struct Invalidations {
    u64 tlbi = 0, range = 0, cfgi = 0;
  } invalidations;
  u64 gave_up = 0;      ///< cases in which a bound of the specification was hit
  std::string bound{};  ///< which, in the first of them
  JudgeTally& operator+=(const JudgeTally& more);
};

/// What the device does with the access of a finding where nothing is left over from before it.
struct Afresh {
  enum class Answer : u8 {
    differs,  ///< it does something else, or it is not known: what was before may be the cause
    wrong,    ///< the same: what was before is not the cause
    right,    ///< the same, and memory alone allows it: what it is blamed for is another access's
  };
  Answer answer = Answer::differs;
  std::optional<Divergence> found{};  ///< of `wrong`: what it is found as; nothing: as before
};

class CaseJudge {
 public:
  explicit CaseJudge(const DeviceIdentity& device, const spec::Profile& profile = {})
      : reading_(device, profile) {}

  /// Distinct ones, in order, up to the first after which device and specification are in different
  /// states (registers and queues). What an invalidation should have removed is called so; to find
  /// that out costs as much as many cases, and `ask` may want it of none, or of one alone.
  struct Ask {
    bool plain = false;
    const Divergence* like = nullptr;  ///< only of what was found as this was
    /// Asks the device again, of a finding about an access. Without it what an entry that was left
    /// behind would explain is taken to be one.
    std::function<Afresh(const Divergence&)> afresh = {};
    /// The same with the memory of before that access, the latest one where it gives that answer:
    /// `right` there it may be what an invalidation has left behind, `wrong` there it is not.
    std::function<Afresh(const Divergence&)> earlier = {};
    /// Is it found where all that is cached of these is invalidated before that access?
    std::function<bool(const Divergence&, Cached)> emptied = {};
  };
  std::vector<Divergence> judge(const trace::Trace& trace, const Ask& ask);
  std::vector<Divergence> judge(const trace::Trace& trace) { return judge(trace, {}); }
  /// Of a case without a divergence: accesses for which less would have been allowed to a device
  /// had its invalidations not been there. Counts them for the rules of invalidation.
  void count_invalidations(const trace::Trace& trace);

  /// Rules of the driver's side that the case itself broke, as judge() met them: a shorter case may
  /// break no others, since then the device may do more.
  [[nodiscard]] const std::vector<spec::Rule>& drivers() const { return reading_.drivers(); }
  [[nodiscard]] Monitor& monitor() { return reading_.monitor(); }
  /// What was counted since the last call.
  JudgeTally take_tally();

 private:
  void judge_identity(std::vector<Divergence>& found) const;
  void explain(const trace::Trace& trace, const Ask& ask, Divergence& found);
  void refine(const trace::Trace& trace, const Ask& ask, Divergence& found);
  std::vector<std::size_t> explaining(const trace::Trace& trace, const Divergence& found,
                                      const std::vector<std::size_t>& commands);
  /// ASID that the access at `event` looks up by, as memory says it, or else what is cached.
  std::optional<u64> asid_at(const trace::Trace& trace, std::size_t event);
  bool allowed_without(const trace::Trace& trace, const Divergence& found,
                       const std::vector<std::size_t>& commands);

  CaseReading reading_;
  JudgeTally::Invalidations invalidations_;
};

}  // namespace iommucheck::oracle
