// SPDX-License-Identifier: MIT
// A driver and the specification side by side: a case is a sequence of operations, begun in the
// state that the driver's boot left, and undone afterwards.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "backends/named.h"
#include "check/claims.h"
#include "check/machine.h"
#include "check/novelty.h"
#include "check/passed_over.h"
#include "check/place.h"
#include "host/driver_host.h"
#include "host/user_sink.h"
#include "operations/operation.h"
#include "operations/resolve.h"
#include "trace/event.h"

namespace iommucheck::oracle {

inline constexpr u64 page_4k = 4096;  ///< the smallest that a call maps

struct LockstepOptions {
  Machine machine = default_machine();
  std::optional<MemoryPlace> place{};  ///< absent: where there is room
  u64 window_bytes = u64{16} << 20;
  u64 seed = 1;                  ///< for the header of traces
  Segments* segments = nullptr;  ///< a plug-in's statics: saved by boot(), put back by undo()
  bool scan = false;             ///< the driver writes through pointers
  /// What the core drives in the place of an SMMUv3; null: a driver drives that. Outlives it.
  const NamedBackend* backend = nullptr;
  StoreCount* store_count = nullptr;  ///< where its stores are counted; null: nobody asks
  RunClaims claims;                   ///< beside what the driver says of itself
  /// The driver's window cannot be written. A process that is forked from this one may not use it.
  bool guard_window = false;
  KnownTo known{};  ///< such findings end no case; empty: each does
  /// Table memory lies where its physical address says; also where the driver asks for it.
  bool identity_window = false;
  u64 steps_max = steps_max_default;  ///< what one call may ask of its platform
  /// Signs of life, also of a boot and of calls that take long since much is judged: called before
  /// each operation, and with each thing that the driver asks of its platform. May be null.
  void (*on_step)(void*) = nullptr;
  void* step_context = nullptr;
};

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
  [[nodiscard]] u64 accesses() const { return accesses_; }
  [[nodiscard]] u64 calls_succeeded() const { return calls_succeeded_; }
  [[nodiscard]] const CallTally& answered() const { return answered_; }
  /// The operation or call made last: what a finding is behind.
  [[nodiscard]] std::string_view doing() const { return doing_; }
  /// Of the case, or of the boot: what was known, and did not end it.
  [[nodiscard]] const std::vector<PassedOver::One>& passed_over() const {
    return passed_over_.of_case();
  }
  /// Who notes what calls answer; may be null.
  void set_seen(FirstSeen* seen) { seen_ = seen; }
  /// What the driver offers (claims.h).
  [[nodiscard]] u64 abilities() const;
  [[nodiscard]] bool uses_secure_registers() const { return host_.uses_secure_registers(); }
  [[nodiscard]] NotClaimed not_claimed() const { return monitor_.setup().not_claimed; }
  /// Called before each operation; for progress and crash reports. May be null.
  void on_operation(void (*hook)(void*, u32), void* context) {
    hook_ = hook;
    hook_context_ = context;
  }
  /// Who sees each call of a driver when it has returned, or waits; may be empty.
  using CallHook =
      std::function<void(const spec::sva::Call&, const spec::sva::Observed&, bool waits)>;
  void on_call(CallHook hook) { call_hook_ = std::move(hook); }
  /// Addresses are aimed as if domains had no more than that, whatever the driver says.
  void aim_within(const spec::sva::DomainFacts& facts) { aim_ = facts; }
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
  /// Of the sequence of the last run: calls made.
  [[nodiscard]] u64 calls_of_run() const { return calls_of_run_; }
  /// The header for a trace of this set-up.
  [[nodiscard]] trace::Header header() const;

 private:
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

  /// Behind the first operations of a case, in which nothing was found and nothing waits.
  struct Fork {
    std::vector<fuzz::Operation> behind;
    Trail::Mark mark = 0;
    std::unique_ptr<Monitor::Point> monitor;
    std::unique_ptr<DriverHost::Point> host;
    std::vector<Space> spaces;
    std::vector<Bond> bonds;
    std::vector<SvmTask> svm_tasks;
    std::vector<Queue> queues;
    std::vector<Group> groups;
    std::vector<u32> plain_pasids;
    u64 drvdata = 0;
    u64 dying = 0;
    Next next;
    Hardware hardware;
    u64 calls = 0;
    u32 last_call = no_call;
  };
  bool go_back(std::span<const fuzz::Operation> beginning);
  void keep_fork(std::span<const fuzz::Operation> beginning);
  void stop_if_inconsistent();
  void set_environment(const fuzz::Operation& operation);
  void perform(const fuzz::Operation& operation);
  void does(std::string_view what);
  [[nodiscard]] bool may_call(const spec::sva::Call& call) const;

  // lockstep_claims.cpp: what is not claimed is not asked
  [[nodiscard]] bool claims(Claim claim) const { return !not_claimed().has(claim); }
  [[nodiscard]] bool is_claimed(const spec::sva::Call& call) const;
  [[nodiscard]] bool keeps_ranges(const spec::sva::Call& call) const;
  [[nodiscard]] const Space* space_of_call(const spec::sva::Call& call) const;
  [[nodiscard]] u64 free_bytes(const spec::sva::Call& call) const;
  void unmap_all();
  spec::sva::Observed make_call(const spec::sva::Call& call);
  void begin_next();
  void perform_hardware(const fuzz::Operation& operation);
  bool interrupts_now(const fuzz::Operation& operation, bool recorded);
  void fail_hook(u16 which);
  void end_next();
  [[nodiscard]] u32 device_of(const fuzz::Operation& operation) const;

  // lockstep_spaces.cpp: domains, private spaces, accesses
  void perform_access(const fuzz::Operation& operation);
  void access_meanwhile(const spec::Access& access);
  void perform_alloc(const fuzz::Operation& operation);
  void take_every_asid(const spec::sva::Call& alloc);
  void meet_all(const std::vector<spec::sva::Observed>& domains);
  void note_domain(const spec::sva::Observed& observed);
  void perform_on_space(const fuzz::Operation& operation);
  void perform_map_sg(spec::sva::Call& call);
  void note_result(std::size_t index, const spec::sva::Call& call,
                   const spec::sva::Observed& observed);
  std::size_t pick_space(const fuzz::Operation& operation);
  [[nodiscard]] bool fits(const fuzz::Operation& operation, std::size_t index) const;
  static void note_mapped(Space& space, u64 iova, u64 bytes);
  static void note_left(Space& space, u64 iova, u64 bytes);
  static void note_unmapped(Space& space, u64 iova, u64 bytes);
  [[nodiscard]] fuzz::SpaceView empty_view() const;
  [[nodiscard]] u64 elsewhere(u64 pa) const;
  fuzz::SpaceView space_of(const Space& space) const;
  fuzz::SpaceView reached_by(u32 device, spec::sva::Substream at);
  [[nodiscard]] std::vector<u32> sendable(u32 device) const;
  void forget_what_is_gone();

  // lockstep_walkers.cpp: dynamic domains, and who walks them
  std::size_t make_dynamic(u64 master, u32 input_bits = 0);
  void perform_dynamic(const fuzz::Operation& operation);
  void perform_flush(const fuzz::Operation& operation);
  void perform_task(const fuzz::Operation& operation);
  void ask_table(const Space& space);
  [[nodiscard]] u64 table_of(const Space& space) const;
  /// All tokens that are held, of both models.
  [[nodiscard]] std::vector<SvmTask> tokens() const;
  void prepare_walkers(const spec::sva::Call& call);
  /// The context bank of the device has its table.
  [[nodiscard]] bool is_walked_by(const Space& space, u32 device) const;
  /// Where a call has the number of such a space.
  static u64& handle_in(spec::sva::Call& call, const Space& space) {
    return space.task ? call.token : space.io_mm ? call.io_mm : call.domain;
  }
  [[nodiscard]] static bool may_master(const Space& space) {
    return space.paging && !space.io_mm && !space.dynamic && !space.task;
  }

  // lockstep_tables.cpp: devices of one domain that reach different things at a PASID
  void perform_link(const fuzz::Operation& operation);
  void perform_attach_pasid(const fuzz::Operation& operation);
  u32 prepare_attach_pasid(u32 device, const fuzz::Operation& operation);
  u32 prepare_link(const Space& space, u32 device);

  // lockstep_dirty.cpp: what devices have written
  void perform_dirty(const fuzz::Operation& operation);
  void read_dirty(const Space& space, const spec::sva::Call& read, const fuzz::Mapped& range,
                  const fuzz::Operation& operation);
  void map_to_track(std::size_t index, const fuzz::Operation& operation);
  void attach_to_track(const Space& space, const fuzz::Operation& operation);
  bool write_there(const Space& space, u64 iova, const fuzz::Operation& operation);
  std::optional<std::size_t> space_to_track(const fuzz::Operation& operation) const;

  // lockstep_users.cpp: users of stage 2 domains
  void perform_user(const fuzz::Operation& operation);
  [[nodiscard]] bool has_room_for_user() const;
  u64 make_parent();
  std::optional<std::size_t> parent_of_users(const fuzz::Operation& operation);
  u64 users_domain(u64 parent, const fuzz::Operation& operation);
  void user_writes(u64 parent, u64 domain, const fuzz::Operation& operation);
  /// What a user has changed: an entry of its PASID table, or a page.
  struct UsersChange {
    std::optional<u64> entry = std::nullopt;
    u64 root = 0;
    u64 va = 0;
  };
  void user_forgets(u64 parent, u64 domain, const UsersChange& change, u64 how);
  void user_commands(u64 domain, const fuzz::Operation& operation);
  void user_accesses(const fuzz::Operation& operation);
  void look_at_users();
  // lockstep_events.cpp: what they are told of
  void user_events(u64 parent, const fuzz::Operation& operation);
  u64 other_parent(u64 parent);
  void number_device(u64 parent, u32 device, u64 number);
  u64 open_events(u64 parent, u64 how);
  bool meets_events(u32 device, u64 how);
  void read_events(u64 queue, u64 most);

  // lockstep_faults.cpp: faults that wait
  std::optional<u32> prepare_faults(const fuzz::Operation& operation);
  void perform_faults(const fuzz::Operation& operation);
  void open_queue(u32 device, u32 depth);
  void answer(const fuzz::Operation& operation);
  void read_group(const Queue& queue);
  void set_fault_handler(const fuzz::Operation& operation);
  void answer_inside(const spec::sva::FaultRecord& fault);
  bool has_fault_handler(u32 device) const;
  void remember_handled();
  void remember(const Group& group);
  void fault(const fuzz::Operation& operation, bool now);
  void repeat_answered();

  // lockstep_sva.cpp: devices, bonds, numbers, processes, handlers
  void perform_sva(const fuzz::Operation& operation);
  [[nodiscard]] std::optional<u32> device_to_bring_back(const fuzz::Operation& operation);
  void bring_back(u32 device);
  spec::sva::Status perform_init(const fuzz::Operation& operation);  ///< ok where it is not called
  void perform_bind(const fuzz::Operation& operation);
  void perform_unbind(const fuzz::Operation& operation);
  void perform_query(const fuzz::Operation& operation);
  void perform_other_query(const fuzz::Operation& operation);
  void perform_numbers(const fuzz::Operation& operation);
  void perform_private(const fuzz::Operation& operation);
  void perform_process(const fuzz::Operation& operation);
  void perform_exit(const fuzz::Operation& operation);
  void perform_handler(const fuzz::Operation& operation);
  u32 prepare_bind(u32 device, const fuzz::Operation& operation);
  u64 pick_process(const fuzz::Operation& operation, bool bound_first);
  void set_context(spec::sva::Call& call, const fuzz::Operation& operation) const;
  void resume_waiting();
  void end_handlers();
  void tear_down();
  void check_held();

  LockstepOptions options_;
  std::string machine_text_;                 // as it was asked for
  std::unique_ptr<Pages> window_;            // null: the monitor's own
  bool no_place_ = false;                    // for a window at its own address
  std::unique_ptr<BackendMachine> machine_;  // null: an SMMUv3
  Monitor monitor_;
  DriverHost host_;
  Trail::Mark booted_ = 0;
  EventIndex booted_at_ = 0;
  bool is_booted_ = false;
  std::vector<Space> spaces_;
  std::vector<Bond> bonds_;
  std::vector<SvmTask> svm_tasks_;
  std::vector<Queue> queues_;
  std::vector<Group> groups_;
  bool answers_inside_ = false;  ///< fault handlers, in this operation
  std::vector<u32> plain_pasids_;
  /// What users of stage 2 domains keep in this case, once there is one.
  struct Users {
    explicit Users(Monitor& monitor, u64 pa)
        : sink(monitor),
          memory(sink, pa, monitor.smmu().capabilities(), users_format(monitor.setup())) {}
    MonitoredUsers sink;
    UserMemory memory;
    std::vector<u64> tables;  ///< where they begin
    u64 entry = 0;            ///< of routes without PASIDs
    u64 entries = 0;          ///< of routes with PASIDs
    std::vector<u64> pages;   ///< addresses that they have spoken of
  };
  std::unique_ptr<Users> users_;
  std::vector<fuzz::Mapped> process_mappings_;  // of the space that an operation is about
  u64 drvdata_ = 0;
  u64 dying_ = 0;  ///< the process whose Release waited last
  Next next_;
  Hardware hardware_;
  std::optional<Fork> fork_;
  u64 accesses_ = 0;
  u64 calls_succeeded_ = 0;
  CallTally answered_;
  u64 calls_of_run_ = 0;
  std::string_view doing_ = "boot";
  PassedOver passed_over_;
  FirstSeen* seen_ = nullptr;
  u32 last_call_ = no_call;  ///< of this case
  std::optional<spec::sva::DomainFacts> aim_;
  CallHook call_hook_;
  void (*hook_)(void*, u32) = nullptr;
  void* hook_context_ = nullptr;
};

}  // namespace iommucheck::oracle
