// SPDX-License-Identifier: MIT
// What of a device under test waits since it stalled: by which StreamID and STAG a command names
// it, and what commands end it or have it tried again, at any time until they are consumed. IHI
// 0070 3.12.2, 4.7.1, 4.7.2.
#pragma once

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "spec/smmu/caches.h"
#include "spec/smmu/command.h"
#include "spec/smmu/outcome.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class WaitingStalls {
 public:
  /// One that a command has tried again, or may have.
  struct Again {
    spec::Access access;
    u32 which = 0;       ///< how many accesses came before it
    bool surely = true;  ///< else the command may not have found it
  };

  explicit WaitingStalls(const spec::Caches& caches) : caches_(caches) {}

  void begin_case();
  void begins(const spec::Access& access, u32 which) { waiting_.push_back({access, which}); }
  /// A record of it came. `right`: its fields are, so that its STAG is believed.
  void recorded(u32 which, const trace::EventRecord& words, bool right);
  /// The same: false, another one that surely waits still has its name. Of records of which it may
  /// be that theirs was let go meanwhile nothing is said.
  bool names(u32 which, const trace::EventRecord& words);

  /// Nothing waits for certain, nor is any let go.
  [[nodiscard]] bool none() const { return waiting_.empty() && !ending_; }
  [[nodiscard]] bool is_alone(u32 which) const {
    return waiting_.size() == 1 && waiting_.front().which == which;
  }

  /// A word of the command queue is written.
  void command_stored(u64 slot) { slots_.insert(slot); }
  /// And CMDQ_PROD: whether anything may end by these commands, and what is tried again.
  struct Published {
    bool ends = false;
    std::vector<Again> again;
  };
  Published commands_published();
  /// CMDQ_CONS says that all of them are done. `before`: how many accesses there were. False: none
  /// of them ends anything.
  bool commands_consumed(u32 before);
  /// SMMUEN = 0 ends all, and a queue that goes on may do what it was told long ago.
  void all_may_end(u32 before);
  /// CR0ACK says that SMMUEN is 0.
  void all_ended() { waiting_.clear(); }

 private:
  struct Waiting {
    spec::Access access;
    u32 which = 0;
    std::optional<u64> stag{};  ///< as its record said; absent: it was not seen yet
    bool doubtful = false;      ///< the record was wrong
    bool ending = false;        ///< by a command that may not be consumed yet
  };

  void resume(const spec::Command& command, std::vector<Again>& again);
  void end_stream(u64 sid);

  const spec::Caches& caches_;
  std::vector<Waiting> waiting_;
  std::set<std::pair<u64, u64>> names_;  // StreamID and STAG of what surely waits still
  std::set<u64> slots_;  // of the command queue that were written since CMDQ_PROD was
  bool ending_ = false;  // by commands that may not be consumed yet
  u32 from_ = 0;         // accesses before it may have been let go by a command, or SMMUEN = 0
};

}  // namespace iommucheck::oracle
