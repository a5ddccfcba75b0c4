// SPDX-License-Identifier: MIT
// Events of a trace, one after the other: what each means, and what only traces have, accesses that
// were seen and regions that are followed no more.
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "monitor/dma_in_flight.h"
#include "monitor/driver_life.h"

namespace iommucheck::oracle {

class TraceFeeder : public DriverLife {
 public:
  /// One event of a trace, from outside: everything is possible, nothing is trusted. Events that
  /// have no meaning yet, or lack a fact, are undetermined(), never accepted silently. An event's
  /// `origin` becomes its number where that keeps numbers ascending.
  void feed(const trace::Event& event);
  /// The trace is at its end: what can only be judged then.
  void finish();
  /// A device's access whose outcome was observed. Facts that are absent are not compared.
  void observe_access(const trace::Dma& dma);
  /// Another SMMU over the same memory has written the aligned word.
  void others_store(u64 pa, u64 value);
  /// The driver and everything else is as it was at driver_ready(): the next case. For traces; who
  /// runs a driver undoes the trail and calls begin_case().
  void driver_restored();
  /// Undoes to there, for who has told driver_ready() as an event.
  void go_back_to_ready();

 protected:
  using DriverLife::DriverLife;

  /// The trace may still put everything back to where its driver was ready.
  [[nodiscard]] bool is_ready_known() const { return fed_.ready.has_value(); }
  void forget_ready() { fed_.ready.reset(); }

  /// Some outcome of now is what was seen.
  [[nodiscard]] bool is_allowed(const trace::Dma& dma) const;
  void observe_record(const trace::EventRecorded& event);

 private:
  class Feeder;
  void take_swept();
  void judge_access(const trace::Dma& dma, const DmaInFlight* flight);
  /// What one kind of access may meet, compared with what was seen.
  struct Comparison {
    bool complete = false;   ///< all that it may meet was looked at
    bool allowed = false;    ///< the result that was seen
    bool reaches = false;    ///< the address that was seen
    bool forbidden = false;  ///< a fault on permission is possible, too
    bool any = false;
  };
  Comparison compare_access(const spec::Access& access, const trace::Dma& dma);
  void find_access(spec::Access access, const trace::Dma& dma, const DmaInFlight* flight);
  bool judge_rights(const trace::Dma& dma, const Comparison& read, const Comparison& write);
  [[nodiscard]] bool is_seen_now(const spec::Outcome& o, const trace::Dma& dma) const;
  void access_begins(const trace::DmaBegin& begin);
  void access_ends(const trace::DmaEnd& end);
  void look_at_in_flight(const trace::Event& event);
  void observe_page_request(const trace::PageRequest& request);
  void observe_hardware_access(const trace::Dma& dma);
  void may_be_reported(const MachineAccess& asked, const trace::Dma& dma);
  void observe_hardware_record(const spec::sva::EventWords& record);
  void observe_hardware_request(AgentId by, const trace::PageRequest& request);

  struct Left {  // a region whose stores are not seen any more
    trace::RegionKind kind{};
    u64 first = 0;
    u64 bytes = 0;
  };
  struct Fed {                              // nothing of it is undone
    u64 users_attributes = 0;               ///< of the nested domain that is made next
    std::unordered_map<u64, u64> calls;     // begun and not returned: the monitor's number
    std::unordered_map<u64, u64> releases;  // of processes
    bool allocation_failed = false;
    bool queue_was_stuck = false;  // during the call
    bool stopping = false;
    u64 blocks = 0;                       // allocated and not freed
    std::vector<Left> left;               // of those, the ones that can still be fetched
    std::vector<Left> reused;             // to be judged when it is known to where they belong
    std::optional<spec::Access> aborted;  // the last access that was terminated
    /// Records that it may have left, where the hardware is another one, and where it was.
    std::vector<spec::sva::EventWords> reportable;
    spec::sva::Substream reported_at;
    std::vector<SweptStore> swept;  // the last events, if they were swept stores
    AgentId swept_by{};
    std::vector<DmaInFlight> in_flight;
    /// All of them have met what there was at that place of the trail; absent: some have not.
    std::optional<std::pair<Trail::Mark, u64>> in_flight_seen;
    std::optional<Trail::Mark> ready;  // the trail at driver_ready()
    u64 blocks_at_ready = 0;
    EventIndex ready_at = 0;
  };
  Fed fed_;
};

}  // namespace iommucheck::oracle
