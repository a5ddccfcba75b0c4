// SPDX-License-Identifier: MIT
// The monitor: events in, verdict and evidence out. Whoever has events (the lockstep with a driver,
// a recording, a trace) reports them here; nothing else judges.
//
// It joins three states that share one trail: what caches may hold (spec/smmu/caches.h), registers
// and queues (spec/smmu/smmu.h), and what the interface promises (spec/sva/interface.h). Where the
// hardware is another one (hardware.h), it stands in the place of the first two, and is not undone.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "monitor/call_conversion.h"
#include "monitor/device_rules.h"
#include "monitor/finding.h"
#include "monitor/hardware_judge.h"
#include "monitor/not_claimed.h"
#include "monitor/permits.h"
#include "monitor/recording_rules.h"
#include "monitor/user_format.h"
#include "spec/smmu/smmu.h"
#include "spec/sva/interface.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What is known before the first event.
struct Setup {
  spec::IdRegisters id;
  spec::Profile profile;
  std::vector<spec::sva::DeviceSetup> devices;
  bool per_device_tables = false;  ///< PASID tables belong to devices, not to domains
  /// The driver tells what its backend's hooks do; which there are.
  std::optional<spec::sva::Hooks> hooks;
  u64 window_pa = u64{1} << 31;  ///< table memory, 0 bytes: none is set aside
  u64 window_bytes = 0;
  bool calls_are_known = true;  ///< false: a recording below the interface; no promises are judged
  bool device_is_judged = false;  ///< a device under test (conform): the driver is our own
  u64 seen_pa = 0;                ///< then: the memory in which accesses are seen to arrive
  u64 seen_bytes = ~u64{0};
  bool seen_everywhere = false;     ///< accesses tell where they went, wherever that is
  bool commands_in_events = false;  ///< command slots are known only when they are consumed
  bool barriers_known = true;       ///< false: stores count as visible at once
  bool assumed_clean = false;       ///< caches held nothing at the first event
  NotClaimed not_claimed;           ///< of the driver: what of it is not judged
  bool no_page_sizes = false;       ///< of the SMMU's the platform can use none
  u32 cmdq_log2size = 6;            ///< what the platform asks of a driver; 0: nothing
  u64* window_memory = nullptr;     ///< zeroed, window_bytes, outlives all; null: the monitor's own
  Hardware* hardware = nullptr;     ///< in the place of an SMMUv3, powered on; outlives the monitor
  /// Memory of the processes' own tables, behind the window.
  u64 process_bytes = u64{4} << 20;
  [[nodiscard]] u64 process_pa() const { return window_pa + window_bytes; }
  u64 users_pa = 0;  ///< memory of users of stage 2 domains; 0: behind all others'
};

/// How users of the setup's hardware write.
UsersFormat users_format(const Setup& setup);

/// The SMMU that `check` plays: what the driver meets in the ID registers.
spec::IdRegisters default_id_registers();

/// A word that differs from what was known, found by comparing memory.
struct SweptStore {
  u64 pa = 0;
  u64 value = 0;
};

/// Numbers of a run.
struct Statistics {
  u64 calls = 0;
  u64 calls_changing = 0;   ///< successful, and they changed something
  u64 outcomes_judged = 0;  ///< pieces of address space and single accesses compared with promises
  std::array<u64, spec::rule_numbers> asked{};  ///< how often each rule was asked
  std::array<u64, spec::rule_numbers>
      rules{};  ///< how often it was discriminating: it could have been broken
  /// How often its verdict depended on the order of stores that were found together.
  std::array<u64, spec::rule_numbers> order_unknown{};
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
  void store(AgentId by, u64 pa, u64 value);  ///< 8 aligned bytes
  /// 1, 2, 4 or 8 bytes, or 16 that are aligned to 8, `high` the last 8 of them: two words, since
  /// no more than 8 bytes are relied upon to be read at once. `pc`: 0 if it is not known.
  void store(AgentId by, u64 pa, unsigned size, u64 value, u64 high, u64 pc);
  void load(AgentId by, u64 pa, unsigned size, u64 value, bool ordered);
  void fill(AgentId by, u64 pa, u64 words, u64 value);
  /// An atomic read and write that stored something.
  struct Atomic {
    u64 pa = 0;
    unsigned size = 8;  ///< 1, 2, 4 or 8, aligned
    u64 old_value = 0;
    u64 value = 0;
    bool ordered = false;
    u64 pc = 0;
  };
  void rmw(AgentId by, const Atomic& atomic);
  /// Stores to distinct words, made since the last event in an order that nobody knows
  /// (swept_stores.cpp).
  void sweep(AgentId by, std::span<const SweptStore> stores);
  void barrier(AgentId by, trace::BarrierKind kind = trace::BarrierKind::full,
               bool completes = false);
  void handoff(AgentId from, AgentId to);
  void clean(AgentId by, u64 pa, u64 bytes);
  /// What CPU caches have of it is dropped. Told once, where nobody has to.
  void cache_invalidate(AgentId by, u64 pa, u64 bytes);
  void alloc(AgentId by, u64 pa, u64 bytes);
  void free(AgentId by, u64 pa, u64 bytes);
  void mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered);
  /// The device answered `value`.
  void mmio_read(AgentId by, u32 offset, unsigned size, u64 value);
  /// The specification answers, by `choices`; the event is recorded with the answer.
  u64 device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices);
  /// The driver looks for the message of a CMD_SYNC, or waits for one: the queue makes progress,
  /// and what is due is written (messages.cpp). What was.
  using Messages = std::vector<spec::Smmu::MessageWrite>;
  Messages look_for_messages(spec::Choices& choices);
  /// The messages of what CMDQ_CONS has just shown to be consumed.
  Messages write_messages(spec::Choices& choices);
  void command_consumed(u32 slot, const std::optional<spec::CommandWords>& words);
  /// A call begins; the one that ran has said that it waits. Its number, for what follows.
  u64 call_begins(const spec::sva::Call& call);
  /// The call that runs waits for a handler: others go on. And goes on itself.
  void call_waits();
  void call_resumes(u64 id);
  /// The call that runs returns.
  void call_returns(const spec::sva::Observed& observed, spec::sva::Circumstances around);
  void allocation_fails();
  /// The driver's backend calls a hook. `failed`: by that error; ENOMEM and `made_nothing`:
  /// mm_alloc made nothing and said no error.
  void hook_called(spec::sva::Hook hook, u64 io_mm, u32 device, spec::sva::Status failed,
                   bool made_nothing);
  /// A device's access: the specification chooses an outcome and records its event. Whether there
  /// was a record.
  /// `asked`: what a device that asks for pages says of the request if it makes one; else it is the
  /// only one of its group.
  struct PageAsked {
    u32 group = 0;  ///< PRG index
    bool last = true;
  };
  bool device_access(const spec::Access& access, spec::Choices& choices,
                     std::optional<PageAsked> asked = {});
  /// As a device that is done with a PASID: it asks for no more pages there, and waits for nothing
  /// (IHI 0070 8). Whether there was a record.
  bool stop_marker(u32 sid, u32 pasid);
  /// The same of one that asks for a page without a PASID. No process has that: whoever reads it
  /// has to answer it.
  bool page_requested_untagged(u32 sid, u64 va, bool write, PageAsked asked);
  /// An access that device_access() left waiting for an answer.
  /// In `stag`: it is the name of a group of page requests (spec::sva::request_name).
  static constexpr u32 request_bit = u32{1} << 31;
  struct StalledAccess {
    u64 id = 0;
    u32 sid = 0;
    u32 stag = 0;
    spec::Access access{};
    bool again = false;  ///< answered: the device makes it once more
    bool lost = false;   ///< a page request that has no record, or of a group that lost some
  };
  /// Whether the access, or the group of page requests, of that name still waits for the driver.
  [[nodiscard]] bool still_waits_for(u32 sid, u32 name) const;
  [[nodiscard]] const std::vector<StalledAccess>& stalled_accesses() const {
    return case_.stalled_accesses;
  }
  /// Those that were answered since.
  std::vector<StalledAccess> take_answered() { return std::exchange(case_.answered, {}); }
  /// A device's access whose outcome was observed. Facts that are absent are not compared.
  void observe_access(const trace::Dma& dma);
  void note(const std::string& text);

  // ---- the environment: processes, and the handlers of device drivers (processes.cpp)
  // ----- Told when the tables in memory say it, and a barrier has made that visible.
  void process_created(u64 mm);
  // What the user of a stage 2 domain, by its handle, writes into its own memory, beside the
  // stores.
  void user_table_made(u64 parent, const spec::sva::UserTable& table);
  /// An access through a user's own route against what is known of that. Nothing is known: right.
  /// user_probed: the same, told by the trace.
  void check_users_access(u32 sid, spec::sva::Substream at, u64 va);
  void user_probed(u32 sid, spec::sva::Substream at, u64 va);
  /// The SMMU translates there by stage 1 of a user's, and caches what it has fetched of that.
  void user_fetched(u32 sid, spec::sva::Substream at, u64 va);
  void user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
  void user_unmaps(u64 parent, u64 root, u64 va, u64 bytes);
  void user_sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content);

  void process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
  void process_unmaps(u64 mm, u64 va, u64 bytes);
  void process_protects(u64 mm, u64 va, u64 bytes, u32 prot);
  void process_forks(u64 mm, u64 child);
  /// The process is gone without a Release: nobody was bound to it.
  void process_exits(u64 mm);
  /// The driver is told of the range, and has answered. A call like others, without a number.
  void invalidate_begins(u64 mm, u64 va, u64 bytes);
  void invalidate_ends(bool timed_out);
  /// Release is a call like others: it may wait.
  u64 release_begins(u64 mm);
  void release_ends(bool timed_out);
  void handler_called(u32 device, u32 pasid, u64 drvdata);
  void handler_returned(u32 device, u32 pasid, spec::sva::Status status);
  void bound_passes(u32 device, u32 pasid);
  /// The driver gives a fault to the handler of its device and PASID, with the handler's word.
  /// What it says of the access, `iova` and `prot`, where that is known.
  struct FaultTold {
    u32 device = 0;
    u32 pasid = 0;
    u32 group = 0;
    u32 prot = 0;
    std::optional<u64> iova;
    u64 word = 0;
  };
  void fault_handler_called(const FaultTold& fault);
  /// The driver has asked the process's own handler of an access that waits, and was told so.
  void process_answered(const spec::sva::FaultRecord& fault, bool again) {
    interface_.process_answered(fault, again);
  }
  /// The caller gives a page to somebody else.
  void page_released(AgentId by, u64 pa, u64 bytes);
  /// A device vanishes. In between the driver's own device_remove runs.
  void device_vanishes(u32 device);
  void device_vanished(bool timed_out);
  /// It, or another in its place, is there again. In between the driver's own device_add runs.
  void device_comes(u32 device);
  /// The driver switched ATS at the device's own end.
  void endpoint_ats(u32 device, bool on);
  /// `status`: what that answered. Ok: it is blocked until an attach; else it is not there.
  void device_came(spec::sva::Status status);
  /// Number of the call, Release or removal that runs.
  [[nodiscard]] u64 running_call() const { return running_.id; }
  [[nodiscard]] bool in_call() const { return in_call_; }
  [[nodiscard]] std::string consistent() const;
  /// A walker beside the SMMU gets another table: the context bank of the device with that number,
  /// or, with a number that no device has, a walker of its own. 0: none of its own any more.
  void walker_switches(u32 walker, u64 root);
  /// It dropped what it had cached.
  void walker_flushes(u32 walker);
  /// Outcomes of an access through one that has a table. Of the SMMU's; false: a bound was hit.
  bool ask_walker(u32 walker, const spec::Access& access, std::vector<spec::Outcome>& found);
  /// The same of other hardware.
  std::set<MayGet> ask_walker(u32 walker, u64 iova, char access);
  /// An interrupt of the SMMU reaches the driver: one of IOMMUCHECK_IRQ_*.
  void irq(AgentId by, u32 source);
  /// The command queue stops, or goes on.
  void queue_stuck(bool stuck);

  // ---- the driver's life ------------------------------------------------------------------------
  void driver_begins();
  void driver_stops();
  void driver_ready();
  /// The driver and everything else is as it was at driver_ready(): the next case. For traces; who
  /// runs a driver undoes the trail and calls begin_case().
  void driver_restored();
  void driver_error(const std::string& text);
  void hangs();
  /// At the end of its life: blocks of table memory, and pins of processes' ASIDs (no event tells
  /// of these), that it did not give back.
  void account(u64 blocks_held, u64 pins_held = 0);
  /// What the driver itself counts is what the interface says is held.
  void driver_holds(const trace::Held& held);

  /// One event of a trace, from outside: everything is possible, nothing is trusted. Events that
  /// have no meaning yet, or lack a fact, are undetermined(), never accepted silently. An event's
  /// `origin` becomes its number where that keeps numbers ascending.
  void feed(const trace::Event& event);
  /// The trace is at its end: what can only be judged then.
  void finish();

  /// Null: an SMMUv3's.
  [[nodiscard]] HardwareJudge* hardware() const { return hardware_.get(); }

  // ---- questions --------------------------------------------------------------------------------
  /// Compares everything that is reachable with everything that is promised.
  void check_whole_space();
  /// Compares at every store and not once a window (debugging; same verdict).
  void probe_each_store(bool on) { probe_each_store_ = on; }

  /// What the calls so far promise to an access: one or the other. Empty where nothing is judged by
  /// promises.
  [[nodiscard]] std::vector<Promised> promised(u32 sid, spec::sva::Substream at, u64 va) const;
  /// No access of the stream is promised to get anywhere: blocked, or nothing at this PASID.
  [[nodiscard]] bool promises_nothing(u32 sid, spec::sva::Substream at) const;
  /// A leaf that memory has at `va` is not what is promised there.
  [[nodiscard]] bool breaks_promise(u32 sid, spec::sva::Substream at, u64 va,
                                    const spec::Leaf<u64>& leaf) const;

  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  /// What a device driver did wrong, of which the driver under test is innocent.
  [[nodiscard]] const std::vector<Finding>& blamed_on_caller() const {
    return case_.blamed_on_caller;
  }
  void clear_findings();
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  /// Between two events of a trace, by who has told all that was found: findings are forgotten, and
  /// of the trail what nobody can undo to. So a monitor's memory is that of its state, however many
  /// events it has seen.
  void forget_the_past();
  [[nodiscard]] bool gave_up() const { return !bound_.empty() || caches_.gave_up(); }
  /// Which bound was hit, of what, and where; empty if none was.
  [[nodiscard]] std::string bound() const { return bound_.empty() ? caches_.bound() : bound_; }
  /// What the specification has not got and this machine or its driver uses, in words; empty if
  /// nothing. What the ID registers claim stands for the whole run: then nothing is judged.
  [[nodiscard]] const std::string& unsupported() const {
    if (!unsupported_machine_.empty()) return unsupported_machine_;
    return caches_.unsupported().empty() ? unmodelled_ : caches_.unsupported();
  }
  [[nodiscard]] EventIndex now() const { return case_.now; }
  /// The trail was undone to where driver_ready() had been told, at event `now`: forgets findings
  /// and what a case left outside of the trail.
  void begin_case(EventIndex now);
  /// In the middle of a case, between two calls of which none waits and before any finding: what
  /// the case has left outside of the trail.
  class Point;
  [[nodiscard]] std::unique_ptr<Point> point();
  /// The trail was undone to where point() was asked.
  void go_back_to(const Point& point);

  // Observers of the events, in order; null on the hot path.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void event(const trace::Event& event) = 0;
  };
  void set_sink(Sink* sink) { sink_ = sink; }

  /// Who knows findings: what it excuses is none, and what is behind it is judged all the same.
  class Excuses {
   public:
    virtual ~Excuses() = default;
    /// Each finding when it is found; it may be given its kind.
    virtual bool excuses(Finding& finding) = 0;
  };
  /// May be null: nothing is excused.
  void set_excuses(Excuses* excuses) { excuses_ = excuses; }

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
  /// Null unless Setup says that a device is judged.
  [[nodiscard]] DeviceRules* device_rules() { return device_rules_.get(); }

 private:
  // unmarked.cpp
  template <class Visit>
  void for_each_tag_of(u64 domain, Visit visit);
  void explain_unmarked(Finding& finding, u64 domain, u64 iova);

  // marks.cpp
  void note_write(const spec::Access& access, std::optional<u64> pa, bool sure);
  struct Mark;
  void mark_descriptor(const spec::Access& access, const spec::Outcome& outcome,
                       spec::Choices& choices);
  static void forget_marked_before(std::vector<spec::Outcome>& outcomes);
  void store_mark(const Mark& mark);
  void settle_marks();
  bool one_access(const spec::Access& access, spec::Choices& choices,
                  std::optional<PageAsked> asked = {});
  bool waits_for_room(const spec::Access& access);
  void interrupt_of_event_queue();
  void interrupt_of_page_queue();
  void observe_page_request(const trace::PageRequest& request);
  void tick() {
    ++case_.now;
    caches_.set_now(case_.now);
  }
  /// The number that traces have for a domain.
  trace::DomainId domain_id(u64 handle);
  template <class Payload>
  void emit(AgentId by, const Payload& payload) {
    if (sink_ != nullptr) sink_->event(trace::Event{by, payload, std::nullopt});
  }
  void gather();
  void end_tolerance(bool timed_out);
  void gather_device();
  void forget_allocations(EventIndex after);
  void find(spec::Rule rule, std::string statement, std::vector<spec::Cause> causes = {});
  /// Of now; the call in progress is added.
  void find(Finding finding);
  void keep(Finding finding);
  void blame_caller(spec::Rule rule, std::string statement);
  std::string in_trace_numbers(std::string text, const spec::sva::Call& call);
  void count(spec::Rule rule, bool discriminating = true) {
    ++statistics_.asked[spec::number_of(rule)];
    if (discriminating) ++statistics_.rules[spec::number_of(rule)];
  }
  void undetermined(const std::string& missing);

  // events.cpp, accesses.cpp
  friend class Feeder;
  friend class Sweep;
  void take_swept();
  void gather_late();
  void observe_record(const trace::EventRecorded& event);

  // hardware_events.cpp: where the hardware is no SMMUv3
  void hardware_stores(u64 pa, unsigned size, u64 value, u64 high);
  void put(u64 pa, u64 value);
  void hardware_changed() {
    if (hardware_) hardware_->changed();
  }
  void users_memory_is_told();
  void hardware_marks(u64 pa);
  void hardware_acted();
  void stop_walker(u32 walker);
  void settle_process(u64 mm, bool timed_out);
  void compare_hardware();
  void gather_hardware();
  bool hardware_access(const spec::Access& access, spec::Choices& choices, PageAsked group);
  void observe_hardware_request(AgentId by, const trace::PageRequest& request);
  void access_waits(const spec::Access& access, const MachineAccess& asked);
  void observe_hardware_access(const trace::Dma& dma);
  void responses_come();
  void may_still_lead(std::string what);
  [[nodiscard]] bool still_waits_at(u32 sid, u32 pasid) const;

  // promises.cpp
  /// A process's tables are judged when the environment has told what it changed.
  [[nodiscard]] bool probes(AgentId by) const {
    return probe_each_store_ && by != trace::environment_agent;
  }
  void before_store(u64 word);
  void after_store(AgentId by);
  /// A barrier. The window ends before a version goes that no cache keeps.
  void make_visible(AgentId by);
  void window_ends();
  void check_changes();
  void remember_changes();
  struct Running;
  /// Who accesses: a stream of a device, at its RID's space or at a PASID; or a walker beside the
  /// SMMU, whose number is `device`.
  struct Place {
    u32 device = 0;
    u32 sid = 0;
    spec::sva::Substream at;
    bool walker = false;
  };
  /// Configurations by which a tag is looked up.
  using Lookups = InlineVector<spec::StreamOption, 1>;
  /// What was found right for all input addresses.
  struct Compared {
    u32 tag = 0;
    u32 device = 0;
    spec::sva::Substream at;
    Lookups lookups;
    friend bool operator==(const Compared& a, const Compared& b) {
      const auto alike = [](const auto& x, const auto& y) { return x.looks_up_like(y); };
      return a.tag == b.tag && a.device == b.device && a.at == b.at &&
             std::ranges::equal(a.lookups, b.lookups, alike);
    }
  };
  /// What is compared with promises, address by address: one tag by some configurations, or one
  /// ATC. `alias`: bits in which what is sent differs from what is looked up (top byte ignored).
  struct Question {
    u32 tag = 0;
    Place place;
    Lookups lookups;
    u64 alias = 0;
  };
  [[nodiscard]] bool is_contained(const Question& asked) const;
  void check_interval(u32 tag, u64 first, u64 last);
  void check_walker(u32 walker, u64 first, u64 last);
  [[nodiscard]] spec::sva::Alternatives allowed_at(const Question& asked, u64 va) const;
  [[nodiscard]] std::optional<spec::Regime<u64>> format_for(u32 walker, u64 master) const;
  [[nodiscard]] spec::Regime<u64> format_of_table(u32 walker, u64 root) const;
  [[nodiscard]] bool keeps_of(u32 walker) const;
  void settle_walkers(const spec::sva::Call& call, spec::Rule broken);
  void check_interval_for(u32 tag, const Place& place, u64 first, u64 last);
  void check_lookups(const Question& asked, u64 first, u64 last);
  [[nodiscard]] bool is_on_a_user(const Place& place) const;
  [[nodiscard]] bool compare(const Question& asked, u64 first, u64 last);
  /// What of a piece is not as promised, and the outcome that shows it.
  struct Breach {
    enum class Kind : u8 {
      none,
      tags_differ,
      from_reset,
      unknown,
      reaches,
      conflict,
      fault,
      refused
    };
    Kind kind = Kind::none;
    const spec::Candidate* candidate = nullptr;
    May::Kind fault = May::Kind::fault;
    spec::Outcome outcome{};
  };
  [[nodiscard]] Breach breach_of(const Question& asked, u64 va,
                                 const spec::sva::Alternatives& allowed);
  [[nodiscard]] Breach breach_by(const spec::Outcome& outcome,
                                 const spec::sva::Alternatives& allowed) const;
  [[nodiscard]] AttributesAsked asked_of_attributes() const;
  [[nodiscard]] AttributesAsked asked_of_attributes(const Question& asked) const;
  bool check_piece(const Question& asked, u64 va, const spec::sva::Alternatives& allowed);
  void report_breach(const Breach& breach, u32 tag, const Place& place, u64 va, u64 sent,
                     const spec::sva::Alternatives& allowed);
  void meets_unmodelled(spec::NotModelled what);
  void give_up(std::string why);
  void give_up_on(const Place& place);
  void give_up_on_access(const spec::Access& access);
  void give_up_on_promises(const Place& place, const spec::sva::Alternatives& allowed);
  // users.cpp
  struct UsersOutcome {
    spec::AccessType type{};
    spec::Outcome outcome;
    spec::sva::Alternatives allowed;
  };
  /// An outcome that nothing says that is known of the user.
  std::optional<UsersOutcome> wrong_of_user(const Place& place, u64 va);
  // fetch_attributes.cpp
  void check_attributes_of_registers();
  void check_attributes(const spec::StreamPart& part);
  bool check_attributes(u32 sid, spec::sva::Substream at);
  [[nodiscard]] bool judges_attributes() const;
  void check_translated_traffic();

  void check_stream(const spec::StreamPart& part);
  void check_place(const Place& place);
  void check_device(u32 device);
  bool check_option(const Place& place, const spec::StreamOption& option,
                    const spec::sva::Alternatives& allowed);
  [[nodiscard]] const spec::StreamOptions& ways_at(const Place& place) const {
    return caches_.fetches().ways_of(place.sid, place.at.number, place.at.present);
  }
  [[nodiscard]] Lookups lookups_at(const Place& place, u32 tag);
  [[nodiscard]] static spec::Access access_at(const Place& place, u64 va);
  [[nodiscard]] bool vanishes(u32 device) const;
  [[nodiscard]] bool is_nobodys(u32 sid) const;
  [[nodiscard]] Where where(const Place& place) const;
  [[nodiscard]] spec::Rule rule_for(const spec::sva::Alternatives& allowed) const;
  void check_space_range(u32 device, spec::sva::Substream at, u64 first, u64 last);
  void check_range(const spec::sva::Call& call, u64 first, u64 last);
  void remember(u32 tag, u64 first, u64 last);
  void touch_stream(const spec::StreamPart& part);

  // calls.cpp
  void begin(Running running);
  void owe(const spec::sva::Call& call);
  void owe_device(u32 device);
  void owe_all(u32 device);
  void switch_ats(u32 device, bool on);
  void check_users_atcs(const spec::sva::Observed& observed);
  void check_users_atc(const spec::Command& given, u32 device);
  void check_users_routes(u64 domain);
  void check_after_call();
  void check_shut_down();
  void check_faults_ended(const Place& place);
  void access_stalls(const spec::Access& access, u32 stag);
  void note_event(spec::Delivery delivery, u32 sid, const std::array<u64, 4>& words);
  void stalls_end();
  bool page_requested(const spec::Access& access, PageAsked asked);
  [[nodiscard]] std::optional<u32> free_group(u32 sid) const;
  void groups_end();
  void end_group(const spec::PageResponse& response, bool by_driver);
  void lose_begun_groups();
  spec::PageRequestOutcome send(const spec::PageRequest& request);
  bool end_untagged(u32 sid, u32 group);
  void check_untagged();
  void remember_waiting() { waited_before_ = interface_.waiting_faults(); }
  void check_ended_faults();
  void check_refused();
  void still_waits(spec::Rule rule, u32 sid, u32 device, u32 pasid, std::string_view what);
  void after(const spec::sva::Verdict& verdict, const std::string& what);
  void check_dma_duty(const spec::Access& access);
  void judge_result(const spec::sva::Verdict& verdict, const spec::sva::Observed& observed);
  [[nodiscard]] bool is_callers_doing(spec::Rule rule) const;
  [[nodiscard]] std::vector<ObjectState> states_of(const Place& place);
  [[nodiscard]] static May reached(const spec::Candidate& c, u64 va);

  Setup setup_;
  spec::Caches caches_;
  spec::Smmu smmu_;
  std::unique_ptr<spec::sva::UserFormat> user_format_;
  spec::sva::Interface interface_;
  Sink* sink_ = nullptr;
  bool probe_each_store_ = false;
  std::string bound_;       ///< the first that was hit
  std::string unmodelled_;  ///< the first that was met: what meets it is not judged
  bool endless_ = false;    ///< some space has more pieces than are compared
  /// A call of the interface, a Release, an Invalidate, a removal, an arrival: in progress.
  struct Running {
    enum class Kind : u8 { call, release, invalidate, removal, arrival };
    Kind kind = Kind::call;
    u64 id = 0;
    spec::sva::Call call;        ///< of a Release or Invalidate `mm`, of a device's `device`
    spec::sva::CallLists lists;  ///< of the call
    EventIndex began = 0;        ///< event with which it began
    std::optional<spec::Rule> breach{};  ///< the duty that the caller breaks by making it
    spec::sva::Ticket ticket;
    std::vector<std::pair<u64, u64>> ranges;                   ///< that it has to make safe
    std::vector<std::pair<u32, spec::sva::Substream>> places;  ///< of devices, the same
    spec::sva::HookCalls hooks;
  };
  bool in_call_ = false;  // running_ runs
  /// 1 + the group of commands that a call left behind when it timed out; 0: none did.
  u64 late_group_ = 0;
  Running running_;
  std::vector<Running> waiting_;
  struct Allocation {  // a block of table memory that the driver asked for
    u64 pa = 0;
    u64 bytes = 0;
    EventIndex at = 0;
    EventIndex freed = 0;  // 0: it is not
  };
  std::vector<Allocation> allocations_;  // not trailed: an event after which all is forgotten
  u64 cr1_ = 0;                          ///< as it was written last
  u64 ats_is_drivers_ = 0;               ///< 1: the driver has switched ATS at some device
  u64 cleaned_ = 0;  ///< 1: where fetches are coherent, the driver cleans all the same
  std::vector<Finding> findings_;
  Excuses* excuses_ = nullptr;
  std::vector<spec::Candidate> scratch_;
  std::vector<spec::Outcome> outcomes_;  ///< scratch
  std::string unsupported_machine_;
  /// What the SMMU writes into a descriptor that an access used.
  struct Mark {
    u64 pa = 0;
    u64 from = 0;  ///< as the access met it
    u64 to = 0;
    trace::StoreCause cause{};
  };
  /// All that a case leaves behind: what begins with it, and what Point has of it.
  struct Case {
    EventIndex now = 0;
    bool promises_on = false;  ///< between driver_ready() and its end
    /// What the caller did has left the driver's state open: nothing more is judged.
    bool stands_aside = false;
    u64 call_id = 0;
    CallNumbers numbers;
    std::vector<Finding> blamed_on_caller;
    std::vector<spec::DirtyInterval> touched;
    std::vector<spec::StreamPart> touched_streams;
    std::vector<Mark> marks;                     ///< that are not in memory yet
    std::vector<spec::Access> waiting_accesses;  ///< stalled, without a record yet
    std::vector<StalledAccess> stalled_accesses;
    std::vector<StalledAccess> answered;
    u64 stalls_seen = 0;
    std::vector<spec::StreamPart> stalled;  ///< where an access began to wait
    /// A group of page requests without a PASID that is not answered.
    struct Untagged {
      u32 sid = 0;
      u32 group = 0;
      bool whole = false;
      bool told = false;  ///< there was an interrupt since
      /// The queue has stuck since, or its device has gone: it may be answered.
      bool unsure = false;
      /// Of a device that has gone and come again, which knows nothing of it: only the record is
      /// left, which the driver may still find.
      bool of_before = false;
    };
    std::vector<Untagged> untagged;
    [[nodiscard]] std::vector<Untagged>::iterator untagged_group(u32 sid, u32 group, bool is_whole);
    void begin(EventIndex at, bool judged);
  };
  Case case_;
  std::vector<spec::sva::Interface::WaitingFault> waited_before_;  ///< see check_ended_faults
  std::vector<Compared> compared_;  ///< since the check began; nothing changes meanwhile
  Statistics statistics_;
  std::vector<Undetermined> undetermined_;
  std::vector<LateMissing> late_missing_;
  bool told_ = false;  ///< findings were there, and are forgotten

  // Of a trace that is fed; nothing of it is undone.
  struct Left {  // a region whose stores are not seen any more
    trace::RegionKind kind{};
    u64 first = 0;
    u64 bytes = 0;
  };
  struct Fed {
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
    std::vector<SweptStore> swept;        // the last events, if they were swept stores
    AgentId swept_by{};
    std::optional<Trail::Mark> ready;  // the trail at driver_ready()
    u64 blocks_at_ready = 0;
    EventIndex ready_at = 0;
  };
  Fed fed_;
  std::unique_ptr<HardwareJudge> hardware_;    // null: an SMMUv3's
  std::unique_ptr<RecordingRules> recording_;  // null where calls are known
  std::unique_ptr<DeviceRules> device_rules_;  // null unless a device is judged
};

class Monitor::Point {
  friend class Monitor;
  Case case_;
  spec::Changes changes_;
};

}  // namespace iommucheck::oracle
