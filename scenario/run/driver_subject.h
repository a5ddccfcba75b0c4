// SPDX-License-Identifier: MIT
// A driver behind driver.h in lockstep with the specification as what a scenario runs on; or the
// core over a backend, before the hardware that it comes with (backend_subject.cpp).
#pragma once

#include <map>
#include <optional>
#include <string_view>

#include "backends/named.h"
#include "guest/guest.h"
#include "host/driver_host.h"
#include "host/user_sink.h"
#include "scenario/run/subject.h"
#include "scenario/run/threads.h"
#include "scenario/run/waited.h"
#include "trace/event.h"

namespace iommucheck::oracle::stories {

class DriverSubject final : public Subject, private Monitor::Sink {
 public:
  /// `driver` outlives it. `segments`: its static variables, put back before it comes up; may be
  /// null. `builtin`: it is a built-in one; "builtin" in the form that the world asks for.
  DriverSubject(const iommucheck_driver& driver, bool builtin, Segments* segments)
      : driver_(&driver),
        builtin_(builtin),
        by_world_(builtin && std::string_view(driver.name) == "builtin"),
        segments_(segments) {}
  void set_profile(const spec::Profile& profile) { profile_ = profile; }
  /// It is a guest's, whose SMMU a host plays with the built-in driver. What the guest has not got
  /// is a need. `make_smmu`, `host`: in the place of the right ones.
  void make_guest(Guest::MakeSmmu make_smmu = {}, const iommucheck_driver* host = nullptr) {
    guest_wanted_ = true;
    make_smmu_ = std::move(make_smmu);
    guests_host_ = host;
  }
  /// The core over a backend. `segments`: of its object, as above.
  DriverSubject(const NamedBackend& backend, Segments* segments);
  ~DriverSubject() override;
  DriverSubject(const DriverSubject&) = delete;
  DriverSubject& operator=(const DriverSubject&) = delete;

  Offers offers(const World& world) override;
  std::string boot(const World& world) override;
  [[nodiscard]] std::string lacks() const override;
  [[nodiscard]] bool exact_pasids() const override { return builtin_; }
  [[nodiscard]] bool has(spec::sva::CallKind kind) const override;
  spec::sva::Interface& interface() override { return monitor_->interface(); }

  Answer call(u32 thread, const spec::sva::Call& call, const Wanted& wanted,
              Memory memory) override;
  Answer release(u32 thread, u64 mm) override;
  Answer poll(u32 thread) override;

  u64 create_process() override { return host_->processes().create(); }
  bool map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) override;
  bool unmap(u64 mm, u64 va, u64 bytes) override;
  bool protect(u64 mm, u64 va, u64 bytes, u32 prot) override;
  u64 fork(u64 mm) override;
  bool asid_pinned(u64 mm) override { return host_->processes().pinned(mm); }
  bool collide_asid(u64 mm, u32 device, spec::sva::Substream at) override;

  Answer handler_returns(u32 device, u32 pasid, spec::sva::Status status) override;
  void bound_passes() override;
  Answer remove(u32 device) override;
  void reuse_page(u64 pa, u64 bytes) override;
  void switch_walker(u32 walker, u64 root) override;
  void flush_walker(u32 walker) override;
  void set_stuck(bool stuck) override;
  void stick_at_sync(u64 n) override;
  void set_hook(spec::sva::Hook hook, spec::sva::Status status, bool made_nothing) override {
    host_->set_hook(hook, made_nothing ? IOMMUCHECK_HOOK_NULL : -static_cast<int>(status));
  }
  Answer recover() override;

  Reachable reachable(const Probing& probing) override;
  [[nodiscard]] std::optional<std::vector<Standing>> standing(u32 device) override;
  [[nodiscard]] u64 root_of(u64 mm) const override {
    return machine_ ? 0 : host_->processes().root(mm);
  }
  bool access(const Probing& probing, const Reachable& wanted, Reached& reached,
              std::string& reason, u64& waits) override;
  Reached access_state(u64 waits) override;

  std::vector<CallbackSeen> take_callbacks() override { return std::exchange(callbacks_, {}); }
  std::vector<Trouble> take_troubles() override;
  [[nodiscard]] Touched touched() const override;
  [[nodiscard]] std::optional<u32> hooked_io_mms() const override {
    const bool counts =
        says(IOMMUCHECK_DRIVER_HOOKS) && world_.hooks.mm_alloc && world_.hooks.mm_free;
    return counts ? std::optional(monitor_->interface().hooked_io_mms()) : std::nullopt;
  }
  const spec::sva::Held* driver_held() override;
  UserMemory* users() override { return users_ ? &*users_ : nullptr; }
  std::string write_trace(const std::string& path) override;
  void finish() override;
  [[nodiscard]] std::string no_verdict() const override;

 private:
  // backend_subject.cpp
  Offers offers_of_backend(const World& world);
  void start_machine(Setup& setup);
  [[nodiscard]] std::vector<Reached> hardware_outcomes(const Probing& probing,
                                                       const std::optional<u32>& walker);
  [[nodiscard]] Reachable reachable_by_hardware(const Probing& probing,
                                                const std::optional<u32>& walker);
  void forget_touched();
  [[nodiscard]] bool says(u32 flag) const { return (driver_->flags & flag) != 0; }
  // guest_subject.cpp
  [[nodiscard]] static Offers offers_of_guest(Offers offers);
  std::string start_guest(Setup& setup);
  void guest_may_cache(const spec::sva::Call& call);
  void guest_may_cache(u64 va);
  void follow_guest();
  void ask_guest(const Probing& probing);
  void take_troubles_below(std::vector<Trouble>& troubles);
  [[nodiscard]] std::string no_verdict_below() const;
  void event(const trace::Event& event) override;
  void repeat_answered();
  [[nodiscard]] std::optional<Reached> first_outcome(const Probing& probing);
  u64 make_access(const Probing& probing);
  [[nodiscard]] spec::Access access_of(const Probing& probing) const;
  [[nodiscard]] Reached reached_by(const Probing& probing, const spec::Outcome& outcome) const;
  [[nodiscard]] trace::Header header() const;

  const iommucheck_driver* driver_;
  bool builtin_;
  bool by_world_;  // whose tables they are
  Segments* segments_;
  spec::Profile profile_{};
  World world_;
  std::optional<NamedBackend> backend_;      // none: an SMMUv3
  bool has_choices_ = false;                 // what the interface leaves open is somebody else's
  std::unique_ptr<BackendMachine> machine_;  // of that, once it is booted
  impl::Backend* started_ = nullptr;
  bool guest_wanted_ = false;
  Guest::MakeSmmu make_smmu_{};
  const iommucheck_driver* guests_host_ = nullptr;  // null: the built-in one
  std::unique_ptr<Guest> guest_;
  std::vector<u64> mapped_;  // in the guest: addresses of which something may be cached
  std::size_t findings_below_ = 0;
  mutable std::unique_ptr<Monitor> probe_monitor_;
  mutable std::unique_ptr<DriverHost> probe_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<DriverHost> host_;
  bool booted_ = false;
  Threads<DriverHost> threads_;
  WaitedAccesses waited_;
  std::vector<CallbackSeen> callbacks_;
  std::vector<trace::Event> events_;
  std::vector<Trouble> troubles_;
  std::size_t findings_ = 0;  // of the monitor that were taken
  std::size_t blamed_ = 0;
  Touched touched_;
  u64 structures_before_ = 0;  // words that lead devices, stored before `touched_` began
  std::optional<MonitoredUsers> user_sink_;
  std::optional<UserMemory> users_;
  spec::sva::Held held_;
};

/// Whether it is the name of a built-in driver.
bool is_builtin(std::string_view name);
/// One of them; "builtin" has its tables as the world says.
std::unique_ptr<Subject> make_builtin_subject();
std::unique_ptr<Subject> make_subject_named(std::string_view builtin,
                                            const spec::Profile& profile = {}, bool guest = false);
/// The core over a backend, in the machine that it comes with.
std::unique_ptr<Subject> make_backend_subject(const NamedBackend& backend,
                                              Segments* segments = nullptr);
/// Over the second one that is built in.
std::unique_ptr<Subject> make_two();
/// A plug-in's; `entry` is an address within the object. `profile`: what the SMMU states beyond its
/// ID registers, which are the scenario's.
/// `guest`: it is a guest's.
std::unique_ptr<Subject> make_driver_subject(const iommucheck_driver& driver, Segments* segments,
                                             const spec::Profile& profile = {}, bool guest = false);

}  // namespace iommucheck::oracle::stories
