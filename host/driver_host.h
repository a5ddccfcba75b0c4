// SPDX-License-Identifier: MIT
// A driver behind driver.h, and the platform that it stands on: every store, register access and
// allocation of the driver becomes an event of the monitor; the specification answers as device.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/arena.h"
#include "host/call_site.h"
#include "host/driver_config.h"
#include "host/driver_door.h"
#include "host/fiber.h"
#include "host/limits.h"
#include "host/processes.h"
#include "host/scan.h"
#include "host/segments.h"
#include "host/user_words.h"
#include "iommucheck/driver.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

class DriverHost {
 public:
  /// `driver` outlives the host.
  DriverHost(const iommucheck_driver& driver, Monitor& monitor);
  DriverHost(const DriverHost&) = delete;
  DriverHost& operator=(const DriverHost&) = delete;

  /// What comes up in the place of the driver's init: a core over another backend. Before boot().
  using Init = std::function<int(const iommucheck_platform&, const iommucheck_config&, void**)>;
  void set_init(Init init) { init_ = std::move(init); }
  /// init, reset, device_add for every device. Empty, or what failed.
  std::string boot();

  /// The error by which the last boot() failed; 0.
  [[nodiscard]] int boot_error() const { return boot_error_; }

  /// What boot() left is what every case begins with; restore() goes back to it. Restores the
  /// driver's arena and the platform; the monitor's state is undone by its owner.
  void snapshot();
  void restore();

  /// The same in the middle of a case, between two operations: the driver's state and the
  /// platform's, as far as it is not part of the trail.
  class Point;
  /// Null where a call waits on its own stack, which cannot be put back.
  [[nodiscard]] std::unique_ptr<Point> point() const;
  void restore(const Point& point);
  /// Static variables that are part of it; null (the default): there are none. Outlives the host.
  void set_segments(Segments* segments) { segments_ = segments; }
  /// Physical memory that neither the driver nor its environment has, for users of stage 2 domains.
  [[nodiscard]] u64 users_pa() const;
  /// The driver writes through pointers (IOMMUCHECK_DRIVER_SCAN says so, too). Before boot().
  void scan();
  /// The stores of a driver that `iommucheck cc` built are counted by the processor, too. Outlives
  /// the host. Before boot().
  void count_stores(StoreCount* count) { store_count_ = count; }
  /// It has read or written a register of the Secure state, which is not there (IHI 0070 3.10).
  [[nodiscard]] bool uses_secure_registers() const { return uses_secure_registers_; }
  /// Registers that are only read (spec::read_only_register()), and were written: nothing comes of
  /// it.
  [[nodiscard]] u64 read_only_written() const { return read_only_written_; }
  /// Called with each thing that the driver asks of its platform, for signs of life, until it has
  /// asked for more than a call may. Before boot().
  void on_step(void (*hook)(void*), void* context) {
    step_hook_ = hook;
    step_context_ = context;
  }
  /// Called with the same context when the platform begins to answer as a device does that is gone:
  /// what a driver does from there on is no fault of its own. Before boot().
  void on_gone(void (*hook)(void*)) { gone_hook_ = hook; }
  /// From then on what a call asks has no effect, and it counts as one that does not return.
  void set_steps_max(u64 steps) { steps_max_ = steps; }
  /// Before the driver comes, somebody else had the SMMU, and left it on (former_owner.h).
  void has_former_owner() { former_owner_ = true; }
  /// Where the driver reads table memory; the default: the specification's own. Before boot().
  void set_window(const void* window) { platform_.window = window; }
  /// Before it boots, of one that writes memory through pointers: where it sees that.
  void set_view(Pages& view) { view_ = &view; }

  /// Decides everything that a device or the environment may choose.
  void set_choices(spec::Choices& choices) { choices_ = &choices; }
  spec::Choices& choices() { return *choices_; }
  /// From here on everything makes progress at once.
  void choose_first() { choices_ = &first_; }
  /// The n-th allocation of the next call fails; 0: none.
  void fail_allocation(u32 n);
  /// All allocations fail until fail_allocation().
  void fail_all_allocations() { fail_all_ = true; }
  [[nodiscard]] u32 fails_at() const { return fail_at_; }
  [[nodiscard]] bool allocation_failed() const { return allocation_failed_; }
  /// What a hook of the driver's backend answers from here on: 0, a negative errno, or
  /// IOMMUCHECK_HOOK_NULL (mm_alloc). mm_free and mm_detach answer nothing.
  void set_hook(spec::sva::Hook hook, int answer) {
    hook_answers_[static_cast<std::size_t>(hook)] = answer;
  }
  /// Of the next call, should it be a map that fails: whoever calls unmaps so many bytes from its
  /// beginning on before anybody sees that it returned. 0: nobody does.
  void unroll(u64 bytes) { unroll_bytes_ = bytes; }
  /// In the middle of the next call: `what` is done when the driver exposes commands for the n-th
  /// time (n >= 1), before that write is seen; or writes another register than CMDQ_PROD; or, with
  /// `before_atomic`, before its n-th atomic operation on table memory. Until
  /// nothing_in_the_middle().
  static constexpr u32 before_atomic = ~u32{0};
  void in_the_middle(u32 n, std::function<void()> what, u32 offset = spec::reg::cmdq_prod);
  void nothing_in_the_middle() { middle_.clear(); }

  /// False: the driver has no such operation, and it is not to be called.
  [[nodiscard]] bool has(spec::sva::CallKind kind) const;
  // ---- calls (driver_calls.cpp) -----------------------------------------------------------------
  /// How far a call came. While it waits for an mm_exit handler others can be made.
  struct Progress {
    bool waits = false;
    u64 thread = 0;  ///< for resume(), if it waits
    spec::sva::Observed observed{};
  };
  /// One call; the monitor is told of its begin, its waiting and its result.
  Progress start(const spec::sva::Call& call);
  /// The same of one that cannot wait since no handler runs. The result as observed.
  spec::sva::Observed call(const spec::sva::Call& call) { return start(call).observed; }
  /// The waiting call looks again. It ends, or waits on.
  Progress resume(u64 thread);
  /// Calls that wait, the first begun first.
  [[nodiscard]] std::vector<u64> waiting() const;

  /// A process ends: the driver's mm_release, if it is bound, between the two halves of its death.
  Progress exit(u64 mm);
  /// A device is gone, without a word before.
  Progress remove(u32 device);
  /// It is there again, or another one in its place.
  Progress add(u32 device);
  /// The driver's handle_irq for `source`: IOMMUCHECK_IRQ_*, its IOMMU in bits 63:32.
  void irq(u64 source);

  /// mm_exit handlers that were called and did not say "done".
  struct Handler {
    u64 context = 0;
    u32 device = 0;
    u32 pasid = 0;
    u64 drvdata = 0;
    bool returned = false;  ///< with an error
    bool late = false;      ///< its time is over
  };

 private:
  /// Of the call that runs, since it began or went on.
  struct SoFar {
    u64 waits = 0;  ///< since the SMMU was last seen to make progress
    u64 steps = 0;
    u64 steps_since_found = 0;     ///< since it has a finding
    bool endpoint_failed = false;  ///< the driver saw that, or has lost a message
    bool message_lost = false;     ///< of a CMD_SYNC, for which it may wait
  };

 public:
  class Point {
    friend class DriverHost;
    Arena::Contents arena_;
    std::unique_ptr<Segments> segments_;  // null: there are none
    std::vector<Handler> handlers_;
    std::vector<spec::sva::FaultRecord> handled_faults_;
    u64 contexts_ = 0;
    SoFar so_far_;
    u64 longest_ = 0;
    u64 progress_ = 0;
  };
  [[nodiscard]] const std::vector<Handler>& handlers() const { return handlers_; }
  /// Faults that handlers were given since the last time that somebody asked.
  std::vector<spec::sva::FaultRecord> take_handled_faults() {
    return std::exchange(handled_faults_, {});
  }
  /// What a fault handler calls of the driver before it comes back, where no other call runs.
  void inside_fault_handlers(std::function<void(const spec::sva::FaultRecord&)> what) {
    inside_fault_handlers_ = std::move(what);
  }
  /// The `index`-th of them returns. Who waits for it has to be resumed.
  void handler_returns(std::size_t index, spec::sva::Status status);
  /// Handlers whose bond is gone have nothing to say any more.
  void forget_handlers();
  /// The time that handlers may take is over, for all that run.
  void bound_passes();

  Processes& processes() { return processes_; }
  [[nodiscard]] const Processes& processes() const { return processes_; }
  /// What the driver says it holds; nothing if it does not say.
  [[nodiscard]] std::optional<iommucheck_held> held() const;

  /// What a driver still has behind its shutdown: blocks of table memory, ASIDs of processes.
  struct Held {
    u64 blocks = 0;
    u64 pins = 0;
  };
  Held shut_down();

  [[nodiscard]] const iommucheck_driver& driver() const { return driver_; }
  /// Of the call of the platform that runs, in the driver's code (call_site.h); 0: not known.
  [[nodiscard]] u64 instruction() const { return site_.instruction(); }
  /// What its `init` gave.
  [[nodiscard]] void* driver_state() const { return state_; }

 private:
  static DriverHost& self(void* ctx) { return *static_cast<DriverHost*>(ctx); }
  void bind_platform();
  void bind_allocation();
  void bind_words();
  /// Barriers, broadcasts, and what makes memory agree with caches.
  void bind_order();
  /// And waiting for what they begin.
  void bind_registers();
  /// It asks for a thing, or for so many words: for more than it may.
  bool spent(u64 words = 0);
  /// One, and those of so many words. True: more than a call may.
  bool takes_steps(u64 words);
  /// The driver loads there: the message of a CMD_SYNC may have come.
  void looks_at(u64 pa, u64 bytes);
  void waits_for_messages();
  void waits_for_interrupt(u32 iommu);
  void takes_messages_as_seen();
  bool refuses(const char* what, u64 pa, u64 bytes);
  bool refuses_pasid(const char* what, u32 pasid);
  bool refuses_sized(const char* what, u64 pa, u32 bytes, u32 most);
  [[nodiscard]] u64 read_memory(u64 pa, u32 bytes) const;
  void bind_sized_accesses();
  bool beyond(u64 offset);
  void note_write(u64 offset);
  bool uses_secure_registers_ = false;
  u64 read_only_written_ = 0;
  void enter() {
    tells_loads_ = false;
    if (scan_) scan_->enter();
  }
  void leave() {
    takes_messages_as_seen();
    if (scan_) scan_->leave();
  }
  void bind_process_callbacks();
  [[nodiscard]] DriverDoor door() const {
    const UserWords* users = user_words(monitor_.setup());
    return {driver_, state_, [this](u64 number) { return process(number); },
            users != nullptr ? users->number() : 0};
  }
  int answer_hook(u32 number, u64 io_mm, u32 device);
  spec::sva::Observed dispatch(const spec::sva::Call& call);
  void unroll_map(const spec::sva::Call& call, spec::sva::Observed& observed);
  [[nodiscard]] iommucheck_mm process(u64 number) const;

  /// A call that may wait, on a stack of its own.
  struct Thread {
    enum class Kind : u8 { call, release, removal, arrival };
    Kind kind = Kind::call;
    u64 id = 0;  ///< the monitor's
    spec::sva::Call call;
    spec::sva::CallLists lists;
    spec::sva::Observed observed{};
    bool allocation_failed = false;
    bool queue_stuck = false;
    bool bound_passed = false;
    std::unique_ptr<Fiber> fiber;
    [[nodiscard]] const char* function() const;
  };
  [[nodiscard]] bool may_wait(spec::sva::CallKind kind) const;
  Progress run(Thread& thread);
  void work(Thread& thread);
  void finish(Thread& thread);
  void abandon_threads();
  int wait_for_others();
  bool invalidate(u64 mm, u64 va, u64 bytes);
  /// What the call that runs may ask of its platform.
  [[nodiscard]] u64 steps_allowed() const { return steps_max_ + steps_of_range(longest_); }
  void note_range(u64 bytes) { longest_ = std::max(longest_, bytes); }
  void begin_steps() {
    so_far_ = {};
    if (scan_ && !abandoned_) scan_->ignore(false);
  }
  void write_register(u64 offset, unsigned size, u64 value, u32 flags, const void* from);
  u64 read_register(u64 offset, unsigned size, const void* from);
  void exposes(u64 offset);
  void time_passes(u64 us);
  /// What the platform's `function` does, of a mapping that is `cacheable` or not.
  const void* table_alloc(const char* function, u64 bytes, bool cacheable, u64* pa);
  void stops_where_it_is_to();
  void sees(u64 offset, u64 value);

  const iommucheck_driver& driver_;
  Monitor& monitor_;
  Init init_;
  iommucheck_platform platform_{};
  DriverConfig config_;
  CallSite site_;
  void* state_ = nullptr;
  int boot_error_ = 0;
  Arena arena_;
  TableMemory tables_;
  std::unique_ptr<ScanDoor> scan_;
  Pages* view_ = nullptr;  // of a driver that scan_ stands before; null: one of its own
  StoreCount* store_count_ = nullptr;
  Segments* segments_ = nullptr;
  spec::FirstChoice first_;
  spec::Choices* choices_ = &first_;
  u32 allocations_ = 0;
  u32 fail_at_ = 0;
  bool allocation_failed_ = false;
  bool fail_all_ = false;
  std::array<int, 4> hook_answers_{};  // by spec::sva::Hook
  u64 unroll_bytes_ = 0;
  struct Middle {
    u32 left = 0;  ///< writes until then
    u32 offset = 0;
    std::function<void()> what;
  };
  std::vector<Middle> middle_;
  bool has_written_ = false;  // a register, since it last read one
  SoFar so_far_;
  u64 progress_ = 0;  // Smmu::progress_made() at the last wait
  Processes processes_;
  std::vector<Handler> handlers_;
  std::vector<spec::sva::FaultRecord> handled_faults_;
  std::function<void(const spec::sva::FaultRecord&)> inside_fault_handlers_;
  u64 contexts_ = 0;                              // handlers called in this case
  u64 context_ = 0;                               // inside of which one the driver is called
  std::vector<std::unique_ptr<Thread>> threads_;  // that wait
  std::vector<std::unique_ptr<Fiber>> stacks_;    // for the next ones
  Thread* running_ = nullptr;
  void (*step_hook_)(void*) = nullptr;
  void (*gone_hook_)(void*) = nullptr;
  void* step_context_ = nullptr;
  u64 steps_max_ = steps_max_default;
  u64 longest_ = 0;  // range of a call of this case, in bytes
  bool abandoned_ = false;
  Monitor::Messages unseen_messages_;  // that came while the driver waited (messages.cpp)
  bool tells_loads_ = false;           // of messages, in this call
  bool former_owner_ = false;
};

}  // namespace iommucheck::oracle
