// SPDX-License-Identifier: MIT
// Random sequences one after the other against a driver in this process, findings made small and
// written down. What may kill the process is the caller's business (check_plugin.h).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "check/case_source.h"
#include "check/check.h"
#include "check/finding_kind.h"
#include "check/known_findings.h"
#include "check/lockstep.h"
#include "check/machine_plan.h"
#include "check/novelty.h"
#include "check/record_case.h"
#include "check/sequence.h"
#include "check/tally.h"

namespace iommucheck::oracle {

class Campaign {
 public:
  enum class Phase : u8 { running, shrinking, recording };

  /// Who started it. Called in the campaign's thread.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// Asked between sequences: true ends the run.
    virtual bool stop() = 0;
    /// A sequence begins; also each one that is tried while a finding is made smaller.
    virtual void begins(u64 number, const Sequence& sequence, Phase phase) = 0;
    /// About ten times a second (after each sequence if `count_each`), with each finding and at
    /// the end; `next` is the sequence to come.
    virtual void progress(const Tally& tally, u64 next) = 0;
    virtual void found(Violation violation) = 0;
    virtual void gave_up(GaveUp gave_up) = 0;
  };

  struct Settings {
    const CheckOptions* options = nullptr;
    std::chrono::steady_clock::time_point started;  ///< options.seconds count from here
    u64 from = 0;                                   ///< number of the first sequence
    u64 findings_before = 0;                        ///< by workers before this one
    Tally tally;                                    ///< of workers before this one
    std::vector<u64> told;                          ///< keys of what they found
    FirstSeen* seen = nullptr;  ///< who notes what sequences show; places count from `seen_from`
    u64 seen_from = 0;
    bool may_shrink = true;  ///< of the first sequence: false if that has killed a worker
    bool may_record = true;  ///< likewise
    bool count_each = false;
    bool fork_cases = false;                     ///< each case in a process forked from this one
    bool guard_window = false;                   ///< see LockstepOptions
    const NamedBackend* backend = nullptr;       ///< likewise
    void (*on_operation)(void*, u32) = nullptr;  ///< see Lockstep
    void (*on_step)(void*) = nullptr;            ///< see LockstepOptions
    void (*on_gone)(void*) = nullptr;            ///< the same
    void* context = nullptr;                     ///< of both
  };

  /// `segments` as they were loaded, or null; the driver, they and `owner` outlive it.
  Campaign(const iommucheck_driver& driver, Segments* segments, Settings settings, Owner& owner);

  /// Boots the driver. bad_input if it does not come up. Findings of the boot are reported.
  Expected<void> boot();
  /// Until a bound of the options, or the owner, ends it. True if it was the owner.
  Expected<bool> run();
  [[nodiscard]] const Tally& tally() const { return tally_; }
  /// The sequence behind the last one that was run.
  [[nodiscard]] u64 next() const { return current_; }

 private:
  /// The driver on one machine, booted.
  struct Ground {
    std::unique_ptr<Segments> booted;  // statics as boot() left them
    std::unique_ptr<Lockstep> lockstep;
    Tally counted;    // of the lockstep's numbers: those that are in tally_ or are not to be
    RuleTally noted;  // when the last case ended, where rules are noted
  };
  Expected<void> go_to(u64 sequence);
  Expected<void> boot_on_it();
  void ask_about_groups();
  [[nodiscard]] RunClaims claims() const;
  [[nodiscard]] bool takes_over() const {
    return (driver_.flags & IOMMUCHECK_DRIVER_TAKES_OVER) != 0;
  }
  [[nodiscard]] bool drives_each() const {
    return (driver_.flags & IOMMUCHECK_DRIVER_EACH_IOMMU) != 0;
  }
  [[nodiscard]] bool out_of_time(u64 number) const;
  bool is_to_tell(const Finding& finding);
  [[nodiscard]] bool was_told(const Finding& finding) const;
  [[nodiscard]] const Finding& first_finding() const;
  void count_passed_over(std::span<const PassedOver::One> known);
  KnownTo known();
  void note_rules();
  void absorb();
  void forget_counts();
  /// What a case left, wherever it ran.
  struct CaseEnd {
    std::vector<Finding> findings;  // the first one, if any
    std::string bound;              // that was hit
    std::string unsupported;        // what it met that is not modelled
    std::vector<PassedOver::One> passed_over{};
    [[nodiscard]] bool has_verdict() const { return bound.empty() && unsupported.empty(); }
  };
  Expected<CaseEnd> run_case(const Sequence& sequence, bool counted);
  std::string run_in_child(const Sequence& sequence);
  Expected<CaseEnd> case_end_of(std::string_view text, bool counted);
  Expected<void> run_again(const Sequence& sequence, u64 hash);
  Expected<void> report_state(std::string headline, const Sequence& sequence);
  Expected<void> boot_failed(const std::string& failed);
  Violation record(const Sequence& small, const Finding& first);
  Expected<void> report(u64 number, const Sequence& sequence, const Finding& first);
  Expected<void> report_bound(u64 number, const Sequence& sequence, const CaseEnd& end);
  Sequence smallest(const Sequence& sequence, const std::function<bool(const CaseEnd&)>& same,
                    bool& again);
  LockstepOptions fresh_options(Segments* segments);
  CaseRecord record_again(const Sequence& sequence);
  [[nodiscard]] CaseEnd end_of_case() const;

  const iommucheck_driver& driver_;
  Segments* loaded_;  // statics as the dynamic linker left them
  Settings settings_;
  const CheckOptions& options_;
  Owner& owner_;
  MachinePlan plan_;
  CaseSource source_;
  std::vector<u64> told_;
  std::vector<Ground> grounds_;   // by number of the machine; booted when it is its turn
  u32 machine_ = 0;               // the one at hand
  Lockstep* lockstep_ = nullptr;  // its lockstep
  u64 refused_ = 0;
  NotClaimed shown_;  // by the driver's answers
  Tally tally_;
  u64 findings_ = 0;
  u64 current_ = 0;
  bool told_bound_ = false;
  bool told_unmodelled_ = false;
};

}  // namespace iommucheck::oracle
