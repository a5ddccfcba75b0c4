// SPDX-License-Identifier: MIT
// The interface specification alone as what a scenario runs on. It answers as a right driver does,
// with the builtin's PASID allocator: where INTERFACE leaves a choice, what the scenario expects.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/trail.h"
#include "monitor/user_format.h"
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

class Model final : public Subject {
 public:
  Model() = default;

  Offers offers(const World& world) override;
  std::string boot(const World& world) override;
  [[nodiscard]] bool exact_pasids() const override { return true; }
  [[nodiscard]] bool has(spec::sva::CallKind kind) const override;
  spec::sva::Interface& interface() override { return *interface_; }

  Answer call(u32 thread, const spec::sva::Call& call, const Wanted& wanted,
              Memory memory) override;
  Answer release(u32 thread, u64 mm) override;
  Answer poll(u32 thread) override;
  void step_ends() override;

  u64 create_process() override;
  bool map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) override;
  bool unmap(u64 mm, u64 va, u64 bytes) override;
  bool protect(u64 mm, u64 va, u64 bytes, u32 prot) override;
  u64 fork(u64 mm) override;
  bool asid_pinned(u64 mm) override { return interface_->is_bound(mm); }
  bool collide_asid(u64 /*mm*/, u32 /*device*/, spec::sva::Substream /*at*/) override {
    return true;
  }

  Answer handler_returns(u32 device, u32 pasid, spec::sva::Status status) override;
  void bound_passes() override;
  Answer remove(u32 device) override;
  void reuse_page(u64 pa, u64 bytes) override;
  void switch_walker(u32 walker, u64 root) override { interface_->walker_switches(walker, root); }
  void flush_walker(u32 walker) override { interface_->walker_flushes(walker); }
  void set_stuck(bool stuck) override {
    stuck_ = stuck;
    may_stick_ = false;
  }
  void stick_at_sync(u64 /*n*/) override { may_stick_ = true; }
  void set_hook(spec::sva::Hook hook, spec::sva::Status status, bool made_nothing) override {
    hooks_[static_cast<std::size_t>(hook)] = {.failed = status, .made_nothing = made_nothing};
  }
  Answer recover() override;

  Reachable reachable(const Probing& probing) override {
    walker_of(*this, probing);
    return promised(*interface_, probing);
  }
  bool access(const Probing& probing, const Reachable& wanted, Reached& reached,
              std::string& reason, u64& waits) override;
  Reached access_state(u64 waits) override;

  std::vector<CallbackSeen> take_callbacks() override { return std::exchange(callbacks_, {}); }
  std::vector<Trouble> take_troubles() override { return std::exchange(troubles_, {}); }
  [[nodiscard]] Touched touched() const override { return {.known = false}; }
  const spec::sva::Held* driver_held() override { return nullptr; }
  std::string write_trace(const std::string& /*path*/) override { return {}; }
  UserMemory* users() override { return users_ ? &*users_ : nullptr; }
  void finish() override {}

 private:
  using Observed = spec::sva::Observed;

  /// Without memory: what is written means something all the same.
  struct UserSink final : UserMemory::Sink {
    explicit UserSink(Model& model) : model_(model) {}
    void store(u64 /*pa*/, u64 /*value*/) override {}
    void clear(u64 /*pa*/, u64 /*bytes*/) override {}
    void barrier() override {}
    void before(u64 /*va*/) override {}
    void table_made(u64 parent, const spec::sva::UserTable& table) override {
      model_.interface_->user_table_made(parent, table);
    }
    void maps(u64 parent, u64 root, u64 va, u64 ipa, u32 prot) override {
      model_.interface_->user_maps(parent, root, va, UserMemory::page_bytes, ipa, prot);
    }
    void unmaps(u64 parent, u64 root, u64 va) override {
      model_.interface_->user_unmaps(parent, root, va, UserMemory::page_bytes);
    }
    void takes_out(u64 parent, u64 root, u64 va, u64 bytes) override {
      model_.interface_->user_takes_out(parent, root, va, bytes);
    }
    void sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) override {
      model_.interface_->user_sets_entry(parent, entry, content);
    }
    Model& model_;
  };

  /// A call that has begun and not returned.
  struct Running {
    bool active = false;
    bool release = false;
    u64 mm = 0;
    spec::sva::Call call{};
    spec::sva::CallLists lists;
    Wanted wanted;
    spec::sva::Circumstances around{};
    spec::sva::Ticket ticket{};
    std::optional<Answer> ended{};  ///< that nobody has asked for yet
  };

  Answer settle(Running& running);
  Answer end_call(Running& running);
  bool try_end(Running& running, const Observed& observed);
  bool try_success(Running& running, Observed& observed);
  bool try_pasids(Running& running, Observed& observed, u32 Observed::* place32);
  bool try_handles(Running& running, Observed& observed);
  bool try_bytes_in_time_out(Running& running, Observed& observed);
  bool try_errors(Running& running, const std::vector<spec::sva::Status>& errors,
                  Observed& observed);
  void note(const spec::sva::Verdict& verdict);
  void ask_hooks(Running& running);
  void lose_turn(Running& running);
  void tell_change(u64 mm, u64 va, u64 bytes);

  Trail trail_;
  World world_;
  std::unique_ptr<spec::sva::UserFormat> user_format_;
  std::unique_ptr<spec::sva::Interface> interface_;
  UserSink user_sink_{*this};
  std::optional<UserMemory> users_;
  std::map<u32, Running> running_;
  std::vector<CallbackSeen> callbacks_;
  std::vector<Trouble> troubles_;
  /// An access that waits, by a number that the interface has as its stall tag.
  struct Waited {
    Probing probing;
    u64 now = 0;    ///< made again, it waits under this number
    Reached ended;  ///< after an answer
    u32 name = 0;   ///< of its group, or of the stall
    u32 round = 0;  ///< of that name: devices give their numbers again
  };
  /// Accesses that have a name now, which are one group.
  struct Named {
    u32 round = 0;
    std::vector<u64> accesses;
  };
  [[nodiscard]] bool is_waiting(u32 device, u32 name, bool begun) const;
  u64 make_access(const Probing& probing, const Reached& reached);
  void call_fault_handler(const std::vector<u64>& group);
  void record_event(const Probing& probing, const std::string& fault);
  void record_event_of_two(const Probing& probing, const std::string& fault);
  void answered(const spec::sva::StallName& name, bool again);
  std::map<u64, Waited> waited_;
  std::map<std::pair<u32, u32>, Named> named_;  // by device and name
  u64 repeated_ = 0;                            // accesses of devices that ask for pages
  u32 stalls_ = 0;
  u32 groups_ = 0;
  std::map<u32, std::pair<u32, u32>> ranges_;  // of sva_device_init
  std::vector<u64> handles_;
  u64 next_handle_ = 0x1001;
  u64 next_process_ = 1;
  u32 last_pasid_ = ~u32{0};  ///< that was given; none yet
  bool stuck_ = false;
  bool may_stick_ = false;  ///< at some CMD_SYNC: the first call that is to time out meets it
  std::array<spec::sva::HookCalls, 4> hooks_;  ///< by Hook: what it answers
};

}  // namespace iommucheck::oracle::stories
