// SPDX-License-Identifier: MIT
// A driver and the specification side by side: a case is a sequence of operations, begun in the
// state that the driver's boot left, and undone afterwards.
#pragma once

#include <span>

#include "fuzz/operation.h"
#include "fuzz/resolve.h"
#include "oracle/driver_host.h"
#include "trace/event.h"

namespace iommucheck::oracle {

struct LockstepOptions {
  u32 devices = 3;            ///< each with one stream ID, the second with two
  u64 window_bytes = u64{16} << 20;
  u64 seed = 1;               ///< for the header of traces
  Segments* segments = nullptr;  ///< a plug-in's statics: saved by boot(), put back by undo()
};

class Lockstep {
 public:
  Lockstep(const iommucheck_driver& driver, const LockstepOptions& options);
  Lockstep(const Lockstep&) = delete;
  Lockstep& operator=(const Lockstep&) = delete;

  /// Once. Empty, or why no case can be run. Findings of the boot are in monitor().findings().
  std::string boot(Monitor::Sink* sink = nullptr);

  struct Ends {
    bool whole_space = false;  ///< compare everything at the end
    bool teardown = false;     ///< then free everything, shut down, and account for all memory
  };
  /// One case from the booted state, until its end or the first finding. Afterwards the state is
  /// that of the case's end; the next run undoes it first.
  void run(std::span<const fuzz::Operation> operations, Ends ends);

  /// Back to the booted state.
  void undo();

  Monitor& monitor() { return monitor_; }
  [[nodiscard]] const Monitor& monitor() const { return monitor_; }
  /// Since the beginning, all cases together.
  [[nodiscard]] u64 accesses() const { return accesses_; }
  [[nodiscard]] u64 calls_succeeded() const { return calls_succeeded_; }
  /// Called before each operation; for progress and crash reports. May be null.
  void on_operation(void (*hook)(void*, u32), void* context) {
    hook_ = hook;
    hook_context_ = context;
  }
  /// Of the sequence of the last run: calls made.
  [[nodiscard]] u64 calls_of_run() const { return calls_of_run_; }
  /// The header for a trace of this set-up.
  [[nodiscard]] trace::Header header() const;

 private:
  struct Domain {
    u64 handle = 0;
    spec::sva::DomainFacts facts;
    bool paging = false;
    bool gathered = false;  ///< an unmap_fast is not synchronised
    std::vector<fuzz::Mapped> mappings;
  };

  void perform(const fuzz::Operation& operation);
  void perform_access(const fuzz::Operation& operation);
  void perform_alloc(const fuzz::Operation& operation);
  [[nodiscard]] bool may_call(const spec::sva::Call& call) const;
  spec::sva::Observed make_call(const spec::sva::Call& call);
  std::size_t pick_domain(const fuzz::Operation& operation);
  void note_unmapped(Domain& domain, u64 iova, u64 bytes);
  fuzz::SpaceView space_of(const Domain& domain) const;
  void tear_down();

  LockstepOptions options_;
  Monitor monitor_;
  DriverHost host_;
  Trail::Mark booted_ = 0;
  EventIndex booted_at_ = 0;
  bool is_booted_ = false;
  std::vector<Domain> domains_;
  u64 accesses_ = 0;
  u64 calls_succeeded_ = 0;
  u64 calls_of_run_ = 0;
  void (*hook_)(void*, u32) = nullptr;
  void* hook_context_ = nullptr;
};

}  // namespace iommucheck::oracle
