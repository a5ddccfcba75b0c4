// SPDX-License-Identifier: MIT
// A driver and the specification side by side: a case is a sequence of operations, begun in the
// state that the driver's boot left, and undone afterwards.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "check/caller.h"
#include "check/dirty_ops.h"
#include "check/fault_ops.h"
#include "check/lockstep_case.h"
#include "check/lockstep_options.h"
#include "check/space_ops.h"
#include "check/sva_ops.h"
#include "check/table_ops.h"
#include "check/user_ops.h"
#include "check/walker_ops.h"
#include "guest/guest.h"
#include "operations/operation.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class Lockstep {
 public:
  Lockstep(const iommucheck_driver& driver, const LockstepOptions& options);
  Lockstep(const Lockstep&) = delete;
  Lockstep& operator=(const Lockstep&) = delete;

  /// Once. Empty, or why no case can be run. Findings of the boot are in monitor().findings().
  std::string boot(Monitor::Sink* sink = nullptr);

  /// boot() failed since the driver says that it is not for such a machine (ENODEV, EOPNOTSUPP).
  [[nodiscard]] bool refused() const;

  struct Ends {
    bool whole_space = false;  ///< compare everything at the end
    bool teardown = false;     ///< then free everything, shut down, and account for all memory
    bool shutdown = false;     ///< likewise, but nothing is freed before: all of it is live
  };
  /// One case from the booted state, until its end or the first finding. Afterwards the state is
  /// that of the case's end; the next run undoes it first.
  /// `shared`: so many operations are what the cases before or behind it begin with as well. They
  /// are performed and judged once: the trail goes back to behind them, with what is outside of it.
  void run(std::span<const fuzz::Operation> operations, Ends ends, std::size_t shared = 0);

  /// Whether the driver attaches and detaches each of a group's devices for itself, by its answers:
  /// one is attached, and to detach the other is EINVAL. Whatever else this shows is forgotten.
  bool takes_devices_alone();

  /// Back to the booted state: the next run begins there.
  void undo();

  Monitor& monitor() { return monitor_; }
  [[nodiscard]] const Monitor& monitor() const { return monitor_; }
  /// Since the beginning, all cases together.
  [[nodiscard]] u64 accesses() const { return caller_.accesses(); }
  [[nodiscard]] u64 calls_succeeded() const { return caller_.calls_succeeded(); }
  [[nodiscard]] const CallTally& answered() const { return caller_.answered(); }
  /// The operation or call made last: what a finding is behind.
  [[nodiscard]] std::string_view doing() const { return caller_.doing(); }
  /// Of the case, or of the boot: what was known, and did not end it.
  [[nodiscard]] const std::vector<PassedOver::One>& passed_over() const {
    return caller_.passed_over().of_case();
  }
  /// Who notes what calls answer; may be null.
  void set_seen(FirstSeen* seen) { caller_.set_seen(seen); }
  /// The case is at its end: of what it did last, too.
  void note_rules() { caller_.note_rules(); }
  /// Of the call of the platform that runs (host/call_site.h).
  [[nodiscard]] u64 instruction() const { return host_.instruction(); }
  /// What the driver offers (claims.h).
  [[nodiscard]] u64 abilities() const;
  [[nodiscard]] bool uses_secure_registers() const { return host_.uses_secure_registers(); }
  [[nodiscard]] u64 read_only_written() const { return host_.read_only_written(); }
  [[nodiscard]] NotClaimed not_claimed() const { return monitor_.setup().not_claimed; }
  /// Called before each operation; for progress and crash reports. May be null.
  void on_operation(void (*hook)(void*, u32), void* context) {
    hook_ = hook;
    hook_context_ = context;
  }
  /// Who sees each call of a driver when it has returned, or waits; may be empty.
  void on_call(Caller::CallHook hook) { caller_.on_call(std::move(hook)); }
  /// Addresses are aimed as if domains had no more than that, whatever the driver says.
  void aim_within(const spec::sva::DomainFacts& facts) { spaces_.aim_within(facts); }
  /// An access near what is mapped: untranslated, unprivileged.
  struct Aim {
    u32 device = 0;
    std::size_t pasid = 0;  ///< which of its own, from 1; 0: it has none
    spec::Access access{};
  };
  std::vector<Aim> aims();
  /// What these may meet now.
  struct Reach {
    std::string access;    ///< "device 1, PASID 2 of its own reads 0x1000"
    std::string outcomes;  ///< "0x1000000000 or a fault"
  };
  std::vector<Reach> reach();
  /// Below the driver, if it is a guest's; else null.
  [[nodiscard]] Guest* guest() { return guest_.get(); }
  /// Of the sequence of the last run: calls made.
  [[nodiscard]] u64 calls_of_run() const { return case_.calls; }
  /// The header for a trace of this set-up.
  [[nodiscard]] trace::Header header() const;

 private:
  /// Behind the first operations of a case, in which nothing was found and nothing waits.
  struct Fork {
    std::vector<fuzz::Operation> behind;
    Trail::Mark mark = 0;
    std::unique_ptr<Monitor::Point> monitor;
    std::unique_ptr<DriverHost::Point> host;
    LockstepCase state;
  };
  CaseContext context() { return {options_, machine_.get(), monitor_, host_, case_, caller_}; }
  bool go_back(std::span<const fuzz::Operation> beginning);
  void keep_fork(std::span<const fuzz::Operation> beginning);
  void stop_if_inconsistent();
  void set_environment(const fuzz::Operation& operation);
  void perform(const fuzz::Operation& operation);
  void perform_sva(const fuzz::Operation& operation);
  void perform_hardware(const fuzz::Operation& operation);
  void abort_accesses(const fuzz::Operation& operation);
  bool tell_error();
  void fail_hook(u16 which);
  void forget_what_is_gone();
  // lockstep_guest.cpp
  void look_below();
  void move_guests_memory(const fuzz::Operation& operation);
  // lockstep_teardown.cpp
  void tear_down();
  void shut_down_live();
  bool give_back(const spec::sva::Call& call);
  void restore_hardware();
  DriverHost::Held shut_down();
  void unmap_all();
  void check_held();

  LockstepOptions options_;
  std::string machine_text_;                 // as it was asked for
  std::unique_ptr<Pages> window_;            // null: the monitor's own
  bool no_place_ = false;                    // for a window at its own address
  std::unique_ptr<BackendMachine> machine_;  // null: an SMMUv3
  std::unique_ptr<Guest> guest_;             // null: the driver has the SMMU itself
  Monitor monitor_;
  DriverHost host_;
  Trail::Mark booted_ = 0;
  EventIndex booted_at_ = 0;
  LockstepCase case_;
  Caller caller_;
  SpaceOps spaces_;
  SvaOps sva_;
  WalkerOps walkers_;
  TableOps tables_;
  UserOps users_;
  DirtyOps dirty_;
  FaultOps faults_;
  std::optional<Fork> fork_;
  void (*hook_)(void*, u32) = nullptr;
  void* hook_context_ = nullptr;
};

}  // namespace iommucheck::oracle
