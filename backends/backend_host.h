// SPDX-License-Identifier: MIT
// The core over any backend, in a machine that is modelled: memory, registers, processes, calls
// that wait. What calls answer is judged by the interface specification; what accesses may get
// whoever looks compares, whenever the host says that it is time.
#pragma once

#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/machine.h"
#include "base/trail.h"
#include "host/arena.h"
#include "host/driver_config.h"
#include "host/driver_door.h"
#include "host/fiber.h"
#include "spec/rules.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle {

class BackendHost {
 public:
  /// The machine outlives the host. `setup` as the machine has adapted it.
  BackendHost(BackendMachine& machine, const spec::sva::Setup& setup);
  ~BackendHost();
  BackendHost(const BackendHost&) = delete;
  BackendHost& operator=(const BackendHost&) = delete;

  /// Empty, or what failed.
  std::string boot();
  [[nodiscard]] bool has(spec::sva::CallKind kind) const;
  spec::sva::Interface& interface() { return interface_; }
  [[nodiscard]] const spec::sva::Setup& setup() const { return setup_; }
  /// Of a device's PASIDs, as the backend told when it came up.
  [[nodiscard]] u32 pasid_bits(u32 device) const;
  /// It can make domains of that width.
  [[nodiscard]] bool has_input_bits(u32 bits) const;

  /// A rule that was broken.
  struct Finding {
    spec::Rule rule{};
    spec::Keeper keeper{};
    std::string text;
  };
  void find(spec::Rule rule, std::string text);
  /// By a duty that the caller broke.
  void blame(const spec::sva::Verdict& duty) {
    findings_.push_back({duty.rule, spec::Keeper::caller, duty.message});
  }
  std::vector<Finding> take_findings() {
    for (std::string& text : machine_.take_nonsense()) {
      find(spec::Rule::CRASH_NEVER, std::move(text));
    }
    return std::exchange(findings_, {});
  }
  [[nodiscard]] bool found_any() const { return !findings_.empty(); }
  /// Called when accesses have to get what is promised: `within`, a call that runs.
  void set_compare(std::function<void(bool within)> compare) { compare_ = std::move(compare); }
  struct Callback {
    u32 device = 0;
    u32 pasid = 0;
    u64 drvdata = 0;
    std::optional<u32> group{};  ///< of a fault handler; nothing: mm_exit
  };
  std::vector<Callback> take_callbacks() { return std::exchange(callbacks_, {}); }
  /// Since the last forget_touched().
  struct Touched {
    u64 registers = 0;
    u64 structures = 0;
  };
  [[nodiscard]] const Touched& touched() const { return touched_; }
  void forget_touched() { touched_ = {}; }

  // ---- calls ----
  struct Progress {
    bool waits = false;
    u64 thread = 0;  ///< for resume(), if it waits
    spec::sva::Observed observed{};
  };
  Progress start(const spec::sva::Call& call);
  Progress resume(u64 thread);
  Progress exit(u64 mm);
  Progress remove(u32 device);
  /// It is gone, and the driver is being told.
  [[nodiscard]] bool is_leaving(u32 device) const { return leaving_.contains(device); }
  [[nodiscard]] std::vector<u64> waiting() const;
  /// The n-th allocation of the next call fails; 0: none. All do, with `all`.
  void fail_allocation(u32 n, bool all = false);
  [[nodiscard]] bool allocation_failed() const { return allocation_failed_; }
  void set_stuck(bool stuck);
  /// It is, from the n-th flush from now on (n >= 1): each looks at the hardware behind what it
  /// wrote.
  void stick_at_flush(u64 n) { flushes_left_ = n; }
  [[nodiscard]] std::optional<iommucheck_held> held() const;
  /// shutdown; then blocks of table memory that are still held.
  u64 shut_down();

  /// What a hook of the backend answers from here on: 0, a negative errno, or IOMMUCHECK_HOOK_NULL.
  void set_hook(spec::sva::Hook hook, int answer) {
    hook_answers_[static_cast<std::size_t>(hook)] = answer;
  }

  // ---- handlers ----
  /// False: none runs there.
  bool handler_returns(u32 device, u32 pasid, spec::sva::Status status);
  void bound_passes();

  // ---- processes: addresses and sizes are multiples of 4 KiB ----
  u64 create_process();
  bool map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot);
  void unmap(u64 mm, u64 va, u64 bytes);
  void protect(u64 mm, u64 va, u64 bytes, u32 prot);
  u64 fork(u64 mm);
  [[nodiscard]] bool pinned(u64 mm) const;

  // ---- walkers, accesses ----
  void walker_switches(u32 walker, u64 root);
  void walker_flushes(u32 walker);
  /// An access that waits: the machine's number of it, 0: it cannot. The driver hears of it.
  u64 wait(const MachineAccess& access);
  [[nodiscard]] bool is_waiting(u64 id) const { return machine_.is_waiting(id); }
  struct Answered {
    u64 id = 0;
    bool again = false;
  };
  std::vector<Answered> take_answered() { return std::exchange(answered_, {}); }

 private:
  struct Thread {
    enum class Kind : u8 { call, release, removal };
    Kind kind = Kind::call;
    u64 id = 0;
    spec::sva::Ticket ticket{};
    spec::sva::Call call;
    spec::sva::CallLists lists;
    spec::sva::Observed observed{};
    bool allocation_failed = false;
    bool stuck = false;
    bool bound_passed = false;
    bool breaks_duty = false;
    spec::sva::HookCalls hooks{.are_told = true};
    std::unique_ptr<Fiber> fiber;
  };
  struct Handler {
    u64 context = 0;
    u32 device = 0;
    u32 pasid = 0;
    bool late = false;
    bool returned = false;  ///< with an error
  };
  struct Page {
    u64 pa = 0;
    u32 prot = 0;
  };
  struct Process {
    bool living = true;
    u32 pins = 0;
    u64 root = 0;
    std::map<u64, Page> pages;
  };

  static BackendHost& self(void* ctx) { return *static_cast<BackendHost*>(ctx); }
  std::string bring_up();
  void bind_memory();
  void bind_environment();
  bool given(const char* what, u64 pa, u64 bytes);
  void store(u64 pa, u64 value);
  [[nodiscard]] DriverDoor door() const;
  [[nodiscard]] iommucheck_mm process(u64 number) const;
  Process* living(u64 mm);
  Progress run(std::unique_ptr<Thread> thread);
  Progress advance(Thread& thread);
  void work(Thread& thread);
  void finish(Thread& thread);
  int wait_for_others();
  int answer_hook(u32 number, u64 io_mm, u32 device);
  int wait(u64 token);
  void note(const spec::sva::Verdict& verdict, const std::string& what);
  void compare(bool within);
  void take_responses();
  void check_refused();
  void check_ended(const std::vector<spec::sva::Interface::WaitingFault>& before);
  bool invalidate(u64 mm, u64 va, u64 bytes);
  bool says(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);

  BackendMachine& machine_;
  spec::sva::Setup setup_;
  Trail trail_;
  spec::sva::Interface interface_;
  Arena arena_;
  TableMemory tables_;
  struct Free {
    void operator()(u64* words) const { std::free(words); }
  };
  std::unique_ptr<u64[], Free> words_;  // all 0; most of it is never touched
  iommucheck_platform platform_{};
  DriverConfig config_;
  const iommucheck_driver* operations_;
  void* state_ = nullptr;
  std::vector<Process> processes_;
  std::vector<Handler> handlers_;
  std::vector<std::unique_ptr<Thread>> threads_;  // that wait
  Thread* running_ = nullptr;
  std::array<int, 4> hook_answers_{};  // by spec::sva::Hook
  std::vector<Finding> findings_;
  std::vector<Callback> callbacks_;
  std::vector<Answered> answered_;
  std::map<u64, u32> waited_;  // accesses that have waited, and their stream IDs
  std::function<void(bool)> compare_;
  std::set<u32> leaving_;
  Touched touched_;
  u64 contexts_ = 0;
  u64 context_ = 0;
  u64 thread_ids_ = 0;
  u64 waits_ = 0;
  u32 allocations_ = 0;
  u32 fail_at_ = 0;
  bool fail_all_ = false;
  bool allocation_failed_ = false;
  bool stuck_ = false;
  bool has_written_ = false;  // since it last looked
  u64 flushes_left_ = 0;      // until it is stuck; 0: it will not be
  bool abandoned_ = false;
  bool booted_ = false;
  impl::Backend* backend_ = nullptr;  // once it is booted
  bool comparing_ = false;
  u32 in_calls_ = 0;
};

}  // namespace iommucheck::oracle
