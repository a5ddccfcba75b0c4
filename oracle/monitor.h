// SPDX-License-Identifier: MIT
// The monitor: events in, verdict and evidence out. Whoever has events (the lockstep with a driver,
// a recording, a trace) reports them here; nothing else judges. DESIGN 7.
//
// It joins three states that share one trail: what caches may hold (spec/smmu/caches.h), registers
// and queues (spec/smmu/smmu.h), and what the interface promises (spec/sva/interface.h).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "oracle/recording_rules.h"
#include "oracle/trace_calls.h"
#include "spec/smmu/smmu.h"
#include "spec/sva/interface.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What is known before the first event.
struct Setup {
  spec::IdRegisters id;
  spec::Profile profile;
  std::vector<std::vector<u32>> devices;  ///< stream IDs of each
  u64 window_pa = u64{1} << 31;           ///< table memory, 0 bytes: none is set aside
  u64 window_bytes = 0;
  bool calls_are_known = true;   ///< false: a recording below the interface; no promises are judged
  bool commands_in_events = false;  ///< command slots are known only when they are consumed
  bool barriers_known = true;    ///< false: stores count as visible at once
  bool assumed_clean = false;    ///< caches held nothing at the first event
};

/// The SMMU that `check` plays: what the driver meets in the ID registers.
spec::IdRegisters default_id_registers();

struct Finding {
  spec::Rule rule;
  EventIndex at = 0;  ///< event after which it was found
  std::string text;
};

/// Numbers of a run.
struct Statistics {
  u64 calls = 0;
  u64 calls_changing = 0;   ///< successful, and they changed something
  u64 outcomes_judged = 0;  ///< pieces of address space and single accesses compared with promises
  std::array<u64, 256> asked{};  ///< how often each rule was asked
  std::array<u64, 256> rules{};  ///< how often it was discriminating: it could have been broken
};

class Monitor {
 public:
  explicit Monitor(const Setup& setup);
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  [[nodiscard]] const Setup& setup() const { return setup_; }
  Trail& trail() { return caches_.trail(); }
  spec::Caches& caches() { return caches_; }
  spec::Smmu& smmu() { return smmu_; }
  spec::sva::Interface& interface() { return interface_; }
  [[nodiscard]] const spec::sva::Interface& interface() const { return interface_; }

  // ---- events -----------------------------------------------------------------------------------
  void store(AgentId by, u64 pa, u64 value);
  void store_bytes(AgentId by, u64 pa, unsigned size, u64 value);
  void fill(AgentId by, u64 pa, u64 words, u64 value);
  void rmw(AgentId by, u64 pa, u64 value);
  void barrier(AgentId by);
  void handoff(AgentId from, AgentId to);
  void clean(AgentId by, u64 pa, u64 bytes);
  void alloc(AgentId by, u64 pa, u64 bytes);
  void free(AgentId by, u64 pa, u64 bytes);
  void mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered);
  /// The device answered `value`.
  void mmio_read(AgentId by, u32 offset, unsigned size, u64 value);
  /// The specification answers, by `choices`; the event is recorded with the answer.
  u64 device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices);
  void command_consumed(u32 slot, const std::optional<spec::CommandWords>& words);
  void call_begins(const spec::sva::Call& call);
  void call_returns(const spec::sva::Call& call, const spec::sva::Observed& observed,
                    spec::sva::Circumstances around);
  void allocation_fails();
  /// A device's access: the specification chooses an outcome and records its event.
  void device_access(const spec::Access& access, spec::Choices& choices);
  /// A device's access whose outcome was observed. Facts that are absent are not compared.
  void observe_access(const trace::Dma& dma);
  void note(const std::string& text);

  // ---- the driver's life -------------------------------------------------------------------------
  void driver_begins();
  void driver_stops();
  void driver_ready();
  void driver_error(const std::string& text);
  void hangs();
  /// At the end of its life: blocks of table memory that it did not give back.
  void account(u64 blocks_held);

  /// One event of a trace, from outside: everything is possible, nothing is trusted. Events that
  /// have no meaning yet, or lack a fact, are undetermined(), never accepted silently. An event's
  /// `origin` becomes its number where that keeps numbers ascending.
  void feed(const trace::Event& event);
  /// The trace is at its end: what can only be judged then.
  void finish();

  // ---- questions ---------------------------------------------------------------------------------
  /// Compares everything that is reachable with everything that is promised.
  void check_whole_space();
  /// Compares at every store and not once a window (debugging; same verdict).
  void probe_each_store(bool on) { probe_each_store_ = on; }

  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  void clear_findings();
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] bool gave_up() const { return gave_up_ || caches_.gave_up(); }
  [[nodiscard]] EventIndex now() const { return now_; }
  /// The trail was undone to where driver_ready() had been told, at event `now`: forgets findings
  /// and what a case left outside of the trail.
  void begin_case(EventIndex now);

  // Observers of the events, in order; null on the hot path.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void event(const trace::Event& event) = 0;
  };
  void set_sink(Sink* sink) { sink_ = sink; }

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
  /// Null where calls are known.
  [[nodiscard]] const RecordingRules* recording_rules() const { return recording_.get(); }

  /// Where a finding of the current event comes from, in the words of the trace it is read from.
  void set_origin(std::string origin) { origin_ = std::move(origin); }

 private:
  void tick() {
    ++now_;
    caches_.set_now(now_);
  }
  template <class Payload>
  void emit(AgentId by, const Payload& payload) {
    if (sink_ != nullptr) sink_->event(trace::Event{by, payload, std::nullopt});
  }
  void gather();
  void find(spec::Rule rule, std::string text);
  std::string by_number(std::string text, const spec::sva::Call& call);
  void count(spec::Rule rule, bool discriminating = true) {
    ++statistics_.asked[static_cast<std::size_t>(rule)];
    if (discriminating) ++statistics_.rules[static_cast<std::size_t>(rule)];
  }
  void undetermined(const std::string& missing);
  void find_at(spec::Rule rule, EventIndex at, std::string text);

  // feed.cpp, observe.cpp
  friend class Feeder;
  void gather_late();
  void observe_record(const trace::EventRecorded& event);

  // promises.cpp
  void window_ends();
  void check_changes();
  void remember_changes();
  void check_interval(u32 tag, u64 first, u64 last);
  void check_interval_for(u32 tag, u32 device, u32 sid, u64 first, u64 last);
  bool check_piece(u32 tag, u32 device, u32 sid, u64 va, const spec::sva::Alternatives& allowed);
  void check_stream(u32 sid);
  void check_call_range(const spec::sva::Call& call);
  void check_domain_range(u64 domain, u64 first, u64 last);
  void remember(u32 tag, u64 first, u64 last);
  std::string promised_text(const spec::sva::Alternatives& allowed) const;
  std::string candidate_text(const spec::Candidate& c, u64 va) const;

  Setup setup_;
  spec::Caches caches_;
  spec::Smmu smmu_;
  spec::sva::Interface interface_;
  EventIndex now_ = 0;
  Sink* sink_ = nullptr;
  bool promises_on_ = false;  // between driver_ready() and its end
  bool probe_each_store_ = false;
  bool gave_up_ = false;
  bool in_call_ = false;
  std::string call_text_;
  std::string origin_;
  u64 call_id_ = 0;
  DomainNumbers numbers_;
  std::vector<Finding> findings_;
  std::vector<spec::DirtyInterval> touched_;
  std::vector<u32> touched_streams_;
  std::vector<std::pair<u64, u64>> owed_;  // ranges that the call in progress has to make safe
  std::vector<spec::Candidate> scratch_;
  std::vector<spec::Caches::StreamOption> options_;
  Statistics statistics_;
  std::vector<Undetermined> undetermined_;
  std::vector<LateMissing> late_missing_;

  // Of a trace that is fed; nothing of it is undone.
  struct Left {  // a region whose stores are not seen any more
    trace::RegionKind kind{};
    u64 first = 0;
    u64 bytes = 0;
  };
  struct Fed {
    std::unordered_map<u64, spec::sva::Call> calls;  // begun and not returned
    bool allocation_failed = false;
    bool stopping = false;
    u64 blocks = 0;            // allocated and not freed
    std::vector<Left> left;    // of those, the ones that can still be fetched
    std::vector<Left> reused;  // to be judged when it is known to where they belong
    std::optional<spec::Access> aborted;  // the last access that was terminated
  };
  Fed fed_;
  std::unique_ptr<RecordingRules> recording_;  // null where calls are known
};

}  // namespace iommucheck::oracle
