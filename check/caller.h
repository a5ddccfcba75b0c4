// SPDX-License-Identifier: MIT
// Makes the calls of a case: those that a caller may make and the driver claims, with what was put
// off until the next one; and counts what comes of them.
#pragma once

#include <array>
#include <functional>
#include <string_view>
#include <utility>

#include "check/call_tally.h"
#include "check/lockstep_case.h"
#include "check/novelty.h"
#include "check/passed_over.h"
#include "host/driver_host.h"
#include "monitor/rule_verdicts.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

class Caller {
 public:
  Caller(Monitor& monitor, DriverHost& host, LockstepCase& state, KnownTo known)
      : monitor_(monitor), host_(host), case_(state), passed_over_(std::move(known), doing_) {}
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  [[nodiscard]] bool may_call(const spec::sva::Call& call) const;
  spec::sva::Observed make_call(const spec::sva::Call& call);
  void begin_next();
  void end_next();
  /// A device's access, but none that is its driver's mistake by now. True: there was a record.
  bool send(const spec::Access& access);
  void does(std::string_view what);
  [[nodiscard]] u32 device_of(const fuzz::Operation& operation) const;

  // caller_claims.cpp: what is not claimed is not asked
  [[nodiscard]] bool claims(Claim claim) const { return !not_claimed().has(claim); }
  [[nodiscard]] bool is_claimed(const spec::sva::Call& call) const;

  void count_access() { ++accesses_; }
  [[nodiscard]] u64 accesses() const { return accesses_; }
  [[nodiscard]] u64 calls_succeeded() const { return calls_succeeded_; }
  [[nodiscard]] const CallTally& answered() const { return answered_; }
  [[nodiscard]] std::string_view doing() const { return doing_; }
  PassedOver& passed_over() { return passed_over_; }
  [[nodiscard]] const PassedOver& passed_over() const { return passed_over_; }

  /// Who notes what calls answer, and which rules could be broken in which situation; may be null.
  void set_seen(FirstSeen* seen) { seen_ = seen; }
  /// A case begins: what was counted before is not of it.
  void forget_rules();
  /// What was being done is at its end: the rules that it could have broken are noted.
  void note_rules();
  using CallHook =
      std::function<void(const spec::sva::Call&, const spec::sva::Observed&, bool waits)>;
  void on_call(CallHook hook) { call_hook_ = std::move(hook); }

 private:
  void note_answer(const spec::sva::Call& call, spec::sva::Status status);
  using Space = LockstepCase::Space;
  [[nodiscard]] const NotClaimed& not_claimed() const { return monitor_.setup().not_claimed; }
  [[nodiscard]] bool keeps_ranges(const spec::sva::Call& call) const;
  [[nodiscard]] const Space* space_of_call(const spec::sva::Call& call) const;
  [[nodiscard]] u64 free_bytes(const spec::sva::Call& call) const;

  Monitor& monitor_;
  DriverHost& host_;
  LockstepCase& case_;
  u64 accesses_ = 0;
  u64 calls_succeeded_ = 0;
  CallTally answered_;
  std::string_view doing_ = "boot";
  PassedOver passed_over_;
  FirstSeen* seen_ = nullptr;
  std::array<u64, RuleTally::size> exercised_{};  // by what was done before
  CallHook call_hook_;
};

}  // namespace iommucheck::oracle
