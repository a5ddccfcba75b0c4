// SPDX-License-Identifier: MIT
// Accesses that take time, DmaBegin to DmaEnd. IHI 0070 3.21, 4.7.3; SEMANTICS 3.
//
// One may have been translated at any moment since it began. What let it pass goes by the
// completion of a command alone, and a CMD_SYNC waits for the accesses that used it: so one that
// passes has to be allowed where it ends. What nobody waits for, how it was terminated, may be of
// any moment in between.
#pragma once

#include <string>
#include <vector>

#include "spec/smmu/outcome.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The kinds of access that it may have been; an atomic one needs all that are given.
std::vector<spec::AccessType> types_of(const trace::Dma& dma);
/// By ATS or not, where that is known.
spec::Access routed_access_in(const trace::Dma& dma);
/// The outcome is what was seen, as far as that shows by itself.
bool is_seen(const spec::Outcome& outcome, const trace::Dma& dma);

struct DmaInFlight {
  trace::DmaId id{};
  trace::Dma access;  ///< what became of it is not known yet
  EventIndex began = 0;
  /// Registers or the endpoint's ATS have changed since, and for that nobody has to wait.
  bool unsettled = false;
  bool too_many = false;  ///< not all that it may have met is known
  /// What it may have met since it began, and the last event behind which it might.
  struct Met {
    spec::AccessType type{};
    spec::Outcome outcome;
    EventIndex last = 0;
  };
  std::vector<Met> met;

  void may_meet(spec::AccessType type, const spec::Outcome& outcome, EventIndex now);
  /// The last event behind which what was seen might become of it; 0: never.
  [[nodiscard]] EventIndex last_seen(const trace::Dma& dma) const;
  /// What has to do with its time, where it should not have ended so.
  [[nodiscard]] std::string words_of_end(const trace::Dma& dma) const;
  /// It ends so.
  [[nodiscard]] trace::Dma ended(const trace::DmaEnd& end) const;
};

/// Without an end.
trace::Dma access_of(const trace::DmaBegin& begin);
/// By the event an access may go otherwise without a command.
bool changes_more_than_memory(const trace::Event& event);

}  // namespace iommucheck::oracle
