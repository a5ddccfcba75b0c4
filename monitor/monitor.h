// SPDX-License-Identifier: MIT
// The monitor: events in, verdict and evidence out. Whoever has events (the lockstep with a driver,
// a recording, a trace) reports them here; nothing else judges.
//
// It joins three states that share one trail: what caches may hold (spec/smmu/caches.h), registers
// and queues (spec/smmu/smmu.h), and what the interface promises (spec/sva/interface.h). Where the
// hardware is another one (hardware.h), it stands in the place of the first two, and is not undone.
//
// It is made of shelves: a class each, with data of its own, on the one before it. Each calls only
// those above it in the list; what is public in one is the monitor's:
//   MonitorState      the three states, what a case has left (CaseState), who watches
//   RunningCalls      the call that runs and those that wait
//   Found             findings, how often each rule was asked, of what there is no telling
//   Waits             accesses that wait for an answer; what an event has shown is gathered
//   Marks             what the SMMU writes: marks in descriptors, messages of CMD_SYNCs
//   HardwareEvents    where the hardware is no SMMUv3
//   IntervalPromises  one tag, or one ATC, against what is promised there
//   Promises          streams, windows, the whole space
//   FetchAttributes   how structures and tables are fetched
//   UsersJudge        users of stage 2 domains
//   WalkerEvents      walkers beside the SMMU
//   MemoryEvents      stores, barriers, blocks; RegisterEvents, DeviceAccesses likewise
//   CallEvents        a call's life, and what is compared at its end
//   EnvironmentEvents processes, handlers, devices that go and come
//   DriverLife        its start and end
//   TraceFeeder       events of a trace
//   OtherSmmuEvents   accesses where the SMMU is somebody else
//   Beside            of several SMMUs, those beside the first: a monitor each
#pragma once

#include <memory>
#include <string>

#include "monitor/beside.h"

namespace iommucheck::oracle {

class Monitor : public Beside {
 public:
  explicit Monitor(const Setup& setup) : Beside(setup) {}

  /// Of several SMMUs: who follows that one. `number` < smmu_count().
  Monitor& of_smmu(u32 number) { return number == 0 ? *this : *others()[number - 1]; }

  [[nodiscard]] std::string consistent() const;
  void clear_findings();
  /// Between two events of a trace, by who has told all that was found: findings are forgotten, and
  /// of the trail what nobody can undo to. So a monitor's memory is that of its state, however many
  /// events it has seen.
  void forget_the_past();
  /// The trail was undone to where driver_ready() had been told, at event `now`: forgets findings
  /// and what a case left outside of the trail.
  void begin_case(EventIndex now);
  /// In the middle of a case, between two calls of which none waits and before any finding: what
  /// the case has left outside of the trail.
  class Point;
  [[nodiscard]] std::unique_ptr<Point> point();
  /// The trail was undone to where point() was asked.
  void go_back_to(const Point& point);

 private:
  void begin_case(Case begun);
};

class Monitor::Point {
  friend class Monitor;
  Case case_;
  spec::Changes changes_;
};

}  // namespace iommucheck::oracle
