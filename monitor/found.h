// SPDX-License-Identifier: MIT
// What was found, how often each rule was asked, and of what there was no telling.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "monitor/running_calls.h"
#include "spec/smmu/causes.h"

namespace iommucheck::oracle {

/// Numbers of a run.
struct Statistics {
  u64 calls = 0;
  u64 calls_changing = 0;   ///< successful, and they changed something
  u64 outcomes_judged = 0;  ///< pieces of address space and single accesses compared with promises
  std::array<u64, spec::rule_numbers> asked{};  ///< how often each rule was asked
  std::array<u64, spec::rule_numbers>
      rules{};  ///< how often it was discriminating: it could have been broken
  /// How often its verdict depended on the order of stores that were found together.
  std::array<u64, spec::rule_numbers> order_unknown{};
};

class Found : public RunningCalls {
 public:
  [[nodiscard]] const std::vector<Finding>& findings() const { return shown_.findings; }
  /// What a device driver did wrong, of which the driver under test is innocent.
  [[nodiscard]] const std::vector<Finding>& blamed_on_caller() const {
    return case_.calls.blamed_on_caller;
  }
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] bool gave_up() const { return !shown_.bound.empty() || caches_.gave_up(); }
  /// Which bound was hit, of what, and where; empty if none was.
  [[nodiscard]] std::string bound() const {
    return shown_.bound.empty() ? caches_.bound() : shown_.bound;
  }
  /// What the specification has not got and this machine or its driver uses, in words; empty if
  /// nothing. What the ID registers claim stands for the whole run: then nothing is judged.
  [[nodiscard]] const std::string& unsupported() const {
    if (!unsupported_machine_.empty()) return unsupported_machine_;
    return caches_.unsupported().empty() ? shown_.unmodelled : caches_.unsupported();
  }

  /// Who knows findings: what it excuses is none, and what is behind it is judged all the same.
  class Excuses {
   public:
    virtual ~Excuses() = default;
    /// Each finding when it is found; it may be given its kind.
    virtual bool excuses(Finding& finding) = 0;
    /// Excused, whatever its kind, since it comes from the same thing as one that was excused. It
    /// says the same of a finding whose nearest misses were left out.
    [[nodiscard]] virtual bool excuses_as_before(const Finding& finding) const = 0;
  };
  /// May be null: nothing is excused.
  void set_excuses(Excuses* excuses) { excuses_ = excuses; }

  // Undetermined outcomes of a recording: reason -> how often.
  struct Undetermined {
    std::string missing;
    u64 count = 0;
  };
  [[nodiscard]] const std::vector<Undetermined>& undetermined() const { return undetermined_; }
  struct LateMissing {
    EventIndex at = 0;  ///< of an earlier event
    std::string missing;
  };
  [[nodiscard]] const std::vector<LateMissing>& late_missing() const { return late_missing_; }

 protected:
  explicit Found(const Setup& setup);

  void find(spec::Rule rule, std::string statement, std::vector<spec::Cause> causes = {});
  /// Of now; the call in progress is added.
  void find(Finding finding);
  /// What `make` makes, with nearest misses or without. Behind something that is excused one event
  /// may show thousands, and what is excused with it needs none.
  template <class Make>
  void find_by(const Make& make) {
    using spec::Misses;
    if (excuses_ != nullptr && excuses_->excuses_as_before(make(Misses::left_out))) return;
    find(make(Misses::told));
  }
  void blame_caller(spec::Rule rule, std::string statement);
  void count(spec::Rule rule, bool discriminating = true) {
    ++statistics_.asked[spec::number_of(rule)];
    if (discriminating) ++statistics_.rules[spec::number_of(rule)];
  }
  void count_judged(u64 outcomes = 1) { statistics_.outcomes_judged += outcomes; }
  void count_call() { ++statistics_.calls; }
  void count_change() { ++statistics_.calls_changing; }
  void undetermined(const std::string& missing);
  /// What the rules of a device, and those of a recording, have found.
  void gather_device();
  void gather_late();

  // ---- what there is no telling of --------------------------------------------------------------
  void meets_unmodelled(spec::NotModelled what);
  void give_up(std::string why);
  void give_up_on(const Place& place);
  void give_up_on_access(const spec::Access& access);
  void give_up_on_promises(const Place& place, const spec::sva::Alternatives& allowed);

  // ---- readings that are only tried (swept_stores.cpp) ------------------------------------------
  /// Nobody knows anything of what they find; who did.
  Excuses* set_excuses_aside() { return std::exchange(excuses_, nullptr); }
  /// Of all findings what is excused goes.
  void excuse_found();
  std::vector<Finding> take_findings(std::size_t behind);
  void put_back(Finding finding) { shown_.findings.push_back(std::move(finding)); }
  void put_back(const Statistics& statistics) { statistics_ = statistics; }
  void order_is_unknown(const Finding& finding) {
    ++statistics_.order_unknown[spec::number_of(finding.rule)];
  }

  void forget_findings() { shown_ = {}; }
  /// Whoever reads them has told them.
  void findings_are_told();
  [[nodiscard]] bool any_was_told() const { return shown_.told; }

 private:
  void keep(Finding finding);

  /// Forgotten when a case begins.
  struct Shown {
    std::vector<Finding> findings;
    bool told = false;       ///< findings were there, and are forgotten
    std::string bound;       ///< the first that was hit
    std::string unmodelled;  ///< the first that was met: what meets it is not judged
  };
  Shown shown_;
  std::string unsupported_machine_;
  Excuses* excuses_ = nullptr;
  Statistics statistics_;
  std::vector<Undetermined> undetermined_;
  std::vector<LateMissing> late_missing_;
};

}  // namespace iommucheck::oracle
