// SPDX-License-Identifier: MIT
// What a case has made, and what its operations have put off: all that is as it was when the trail
// goes back.
#pragma once

#include <optional>
#include <vector>

#include "operations/resolve.h"
#include "spec/smmu/smmu.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

struct LockstepCase {
  static constexpr u32 no_call = ~u32{0};
  static constexpr std::size_t spaces_max = 10;  ///< that live at once, of both kinds

  /// A domain's own space, a private one or a task's: a call on any is the same call.
  struct Space {
    u64 handle = 0;  ///< of the domain, the io_mm or the token
    bool io_mm = false;
    bool task = false;  ///< of a token, of the explicit model
    u32 device = 0;     ///< of an io_mm or a token: for which it was made
    u32 pasid = 0;
    spec::sva::DomainFacts facts;
    bool paging = false;
    bool dynamic = false;   ///< of a dynamic domain
    bool gathered = false;  ///< an unmap_fast is not synchronised
    std::vector<fuzz::Mapped> mappings;
    std::vector<fuzz::Mapped> left;  ///< the last that were taken away
  };
  struct SvmTask {
    u64 token = 0;
    u32 device = 0;
  };
  struct Bond {
    u32 device = 0;
    u32 pasid = 0;
    u64 mm = 0;
  };

  /// What operations have put off until the next call of the driver.
  struct Next {
    /// The command queue is stuck: 0 from the beginning on, n from the n-th time that commands are
    /// exposed.
    std::optional<u32> stuck;
    /// A device sends this when commands are exposed for the n-th time.
    std::optional<spec::Access> access;
    u32 access_at = 0;
    bool before_atomic = false;  ///< before the n-th atomic operation of the driver instead
  };

  struct Queue {
    u64 handle = 0;
    u32 device = 0;
  };
  /// A group of faults that was read, or given to a handler, answered by now or not.
  struct Group {
    u64 queue = 0;  ///< 0: a handler's
    spec::sva::FaultRecord fault;
  };

  /// What an operation has said of the SMMU and does not belong to its own state (Smmu::Pace).
  struct Hardware {
    spec::Smmu::Stop stop;    ///< of the commands that calls send
    u32 interrupt_every = 0;  ///< records of the event queue; 0: choices of an access say when
    u32 records = 0;          ///< since the last interrupt
  };

  std::vector<Space> spaces;
  std::vector<Bond> bonds;
  std::vector<SvmTask> svm_tasks;
  std::vector<Queue> queues;
  std::vector<Group> groups;
  static constexpr std::size_t groups_max = 8;  ///< that are remembered, answered ones too
  void remember(const Group& group) {
    if (groups.size() == groups_max) groups.erase(groups.begin());
    groups.push_back(group);
  }
  std::vector<u32> plain_pasids;
  u64 drvdata = 0;
  u64 dying = 0;  ///< the process whose Release waited last
  Next next;
  Hardware hardware;
  u64 calls = 0;
  u32 last_call = no_call;
};

/// Where a call has the number of such a space.
inline u64& handle_in(spec::sva::Call& call, const LockstepCase::Space& space) {
  return space.task ? call.token : space.io_mm ? call.io_mm : call.domain;
}

inline bool may_master(const LockstepCase::Space& space) {
  return space.paging && !space.io_mm && !space.dynamic && !space.task;
}

}  // namespace iommucheck::oracle
