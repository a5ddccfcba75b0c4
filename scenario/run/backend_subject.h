// SPDX-License-Identifier: MIT
// The core over a backend that is not SMMUv3, in the machine that it comes with, as what a scenario
// runs on. After each call, and each time that the hardware may act within one, what accesses may
// get has to be what the interface promises.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "backends/backend_host.h"
#include "scenario/run/subject.h"
#include "scenario/run/threads.h"
#include "scenario/run/waited.h"

namespace iommucheck::oracle::stories {

class BackendSubject final : public Subject {
 public:
  /// The machine for devices; `setup` outlives it.
  using MakeMachine = std::function<std::unique_ptr<BackendMachine>(const spec::sva::Setup& setup)>;
  explicit BackendSubject(MakeMachine make) : make_(std::move(make)) {}

  Offers offers(const World& world) override;
  std::string boot(const World& world) override;
  [[nodiscard]] std::string lacks() const override;
  void set_hook(spec::sva::Hook hook, spec::sva::Status status, bool made_nothing) override {
    host_->set_hook(hook, made_nothing ? IOMMUCHECK_HOOK_NULL : -static_cast<int>(status));
  }
  [[nodiscard]] std::optional<u32> hooked_io_mms() const override {
    const bool counts = world_.hooks.mm_alloc && world_.hooks.mm_free;
    return counts ? std::optional(host_->interface().hooked_io_mms()) : std::nullopt;
  }
  [[nodiscard]] bool exact_pasids() const override { return true; }
  [[nodiscard]] bool has(spec::sva::CallKind kind) const override { return host_->has(kind); }
  spec::sva::Interface& interface() override { return host_->interface(); }

  Answer call(u32 thread, const spec::sva::Call& call, const Wanted& wanted,
              Memory memory) override;
  Answer release(u32 thread, u64 mm) override;
  Answer poll(u32 thread) override;

  u64 create_process() override { return host_->create_process(); }
  bool map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) override;
  bool unmap(u64 mm, u64 va, u64 bytes) override;
  bool protect(u64 mm, u64 va, u64 bytes, u32 prot) override;
  u64 fork(u64 mm) override { return host_->fork(mm); }
  bool asid_pinned(u64 mm) override { return host_->pinned(mm); }
  /// Nothing here is tagged by a number of the CPUs', so that nothing can collide.
  bool collide_asid(u64 /*mm*/, u32 /*device*/, spec::sva::Substream /*at*/) override {
    return true;
  }

  Answer handler_returns(u32 device, u32 pasid, spec::sva::Status status) override;
  void bound_passes() override;
  Answer remove(u32 device) override;
  void reuse_page(u64 pa, u64 bytes) override;
  void switch_walker(u32 walker, u64 root) override { host_->walker_switches(walker, root); }
  void flush_walker(u32 walker) override { host_->walker_flushes(walker); }
  void set_stuck(bool stuck) override { host_->set_stuck(stuck); }
  void stick_at_sync(u64 n) override { host_->stick_at_flush(n); }
  Answer recover() override;

  Reachable reachable(const Probing& probing) override;
  bool access(const Probing& probing, Reached& reached, std::string& reason, u64& waits) override;
  Reached access_state(u64 waits) override;

  std::vector<CallbackSeen> take_callbacks() override;
  std::vector<Trouble> take_troubles() override;
  [[nodiscard]] Touched touched() const override;
  const spec::sva::Held* driver_held() override;
  [[nodiscard]] bool has_traces() const override { return false; }
  std::string write_trace(const std::string& path) override;
  void finish() override { compare(false); }

 private:
  void make_host(const World& world);
  void go_on();
  void repeat_answered();
  void compare(bool within);
  [[nodiscard]] bool may_wait_meanwhile(const Probing& probing, const Reached& got,
                                        const Reachable& allowed) const;
  bool compare_points(Probing probing, bool within);
  [[nodiscard]] bool asks_for_pages(u32 device) const;
  bool compare_at(const Probing& probing, bool within);
  void look_at(u64 iova, u64 bytes);
  struct Place {
    u32 stream = 0;  ///< which of the device's
    spec::sva::Substream at{};
  };
  [[nodiscard]] std::vector<Place> places_of(u32 device) const;
  u64 make_access(const Probing& probing);

  MakeMachine make_;
  World world_;
  spec::sva::Setup setup_;
  std::unique_ptr<BackendMachine> machine_;
  std::unique_ptr<BackendHost> host_;
  Threads<BackendHost> threads_;
  std::set<u64> points_;  // addresses that are looked at
  std::set<u32> pasids_;  // and numbers
  WaitedAccesses waited_;
  spec::sva::Held held_;
};

/// The second backend that is built in: "two".
std::unique_ptr<Subject> make_two();

}  // namespace iommucheck::oracle::stories
