// SPDX-License-Identifier: MIT
#include "check/lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "check/claims.h"
#include "check/guest_machine.h"
#include "impl/driver.h"
#include "monitor/trace_setup.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

bool is_identity(const LockstepOptions& options, const iommucheck_driver& driver) {
  return options.identity_window || (driver.flags & IOMMUCHECK_DRIVER_IDENTITY_MAPPED) != 0;
}

/// It writes memory through pointers, so that what it sees is another copy than the monitor's.
bool has_a_view(const LockstepOptions& options, const iommucheck_driver& driver) {
  return options.scan || (driver.flags & IOMMUCHECK_DRIVER_SCAN) != 0 || driver.hooks != nullptr;
}

/// Where its memory is to lie.
MemoryPlace place_of(const LockstepOptions& options) {
  if (options.place) return *options.place;
  const Setup usual;
  return {.id = spec::make_id_registers(options.machine.caps),
          .window_pa = table_memory(options.machine),
          .window_bytes = options.window_bytes,
          .process_bytes = usual.process_bytes};
}

/// What the driver sees. Null where the monitor's own memory serves, or there is no place
/// (is_identity).
std::unique_ptr<Pages> window_of(const LockstepOptions& options, const iommucheck_driver& driver) {
  const bool view = has_a_view(options, driver);
  const bool guarded = options.guard_window && !view;
  const auto kind = guarded ? Pages::Kind::mirrored : Pages::Kind::own;
  const MemoryPlace place = place_of(options);
  if (is_identity(options, driver)) {
    const auto at = Pages::identity_place(place.window_bytes);
    const bool fits = at && (!options.place || *at == place.window_pa);
    return fits ? std::make_unique<Pages>(place.window_bytes, kind, *at) : nullptr;
  }
  if (!guarded && !view) return nullptr;
  const auto at = Pages::congruent_place(place.window_bytes, place.window_pa);
  return std::make_unique<Pages>(place.window_bytes, kind, at.value_or(0));
}

Setup setup_of(const LockstepOptions& options, const iommucheck_driver& driver, const Pages* window,
               Hardware* hardware, Guest* guest = nullptr) {
  const MemoryPlace place = place_of(options);
  Setup setup;
  setup.hardware = hardware;
  if (guest != nullptr) setup.other_smmu = &guest->smmu();
  setup.window_pa = place.window_pa;
  setup.process_bytes = place.process_bytes;
  setup.users_pa = place.users_pa;
  if (window != nullptr && !has_a_view(options, driver)) {
    setup.window_memory = reinterpret_cast<u64*>(window->data());
  }
  if (window != nullptr && is_identity(options, driver)) {
    setup.window_pa = reinterpret_cast<u64>(window->seen());
  }
  setup.id = place.id;
  setup.profile = options.machine.profile;
  setup.devices = options.machine.devices;
  setup.registers_each = options.machine.has_several_smmus();
  setup.domains_span =
      setup.registers_each && (driver.flags & IOMMUCHECK_DRIVER_SEVERAL_IOMMUS) == 0;
  setup.cmdq_log2size = options.machine.cmdq_log2size;
  setup.window_bytes = place.window_bytes;
  setup.not_claimed = options.claims.of(driver);
  setup.per_device_tables = (driver.flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES) != 0;
  if ((driver.flags & IOMMUCHECK_DRIVER_HOOKS) != 0) setup.hooks = options.machine.hooks;
  const bool reads_requests = (driver.flags & IOMMUCHECK_DRIVER_PAGE_REQUESTS) != 0;
  for (spec::sva::DeviceSetup& device : setup.devices) device.pri &= reads_requests;
  return setup;
}

LockstepOptions fitted(LockstepOptions options) {
  if (options.backend != nullptr) options.machine = machine_of_backend(options.machine);
  return fit_guest(std::move(options));
}

/// Other hardware than an SMMUv3, powered on; null: it is one, or it does not come up.
std::unique_ptr<BackendMachine> machine_of(const LockstepOptions& options,
                                           const iommucheck_driver& driver, const Pages* window) {
  if (options.backend == nullptr) return nullptr;
  return powered_on(*options.backend, setup_of(options, driver, window, nullptr));
}

/// The bits of choices of an operation, two a choice; then alternative 0. Of command errors only
/// the one that an endpoint makes is drawn: memory of the driver does not abort.
class BitChoices final : public spec::Choices {
 public:
  explicit BitChoices(u16 bits) : bits_(bits) {}

 protected:
  u32 pick(spec::ChoiceSite site, u32 n) override {
    constexpr u32 time_out = spec::choice_of_cerror_atc_inv_sync;
    const bool error = site == spec::ChoiceSite::command_error;
    if (error && n <= time_out) return spec::no_command_error;
    const u32 two = bits_ & 3U;
    bits_ = static_cast<u16>(bits_ >> 2);
    if (error) return two == 3 ? time_out : spec::no_command_error;
    return two % n;
  }

 private:
  u16 bits_;
};

}  // namespace

Lockstep::Lockstep(const iommucheck_driver& driver, const LockstepOptions& options)
    : options_(fitted(options)),
      machine_text_(machine_text(options.machine)),
      window_(window_of(options_, driver)),
      no_place_(window_ == nullptr && is_identity(options, driver)),
      machine_(machine_of(options_, driver, window_.get())),
      guest_(guest_of(options_)),
      monitor_(setup_of(options_, driver, window_.get(), machine_.get(), guest_.get())),
      host_(driver, monitor_),
      caller_(monitor_, host_, case_, options.known),
      spaces_(context()),
      sva_(context(), spaces_),
      walkers_(context(), spaces_, sva_),
      tables_(context(), sva_),
      users_(context(), spaces_),
      dirty_(context(), spaces_, users_),
      faults_(context(), sva_) {
  monitor_.set_excuses(&caller_.passed_over());
  host_.set_segments(options.segments);
  const bool one_smmu = !guest_ && monitor_.smmu_count() == 1;
  if (caller_.claims(Claim::time_outs) && one_smmu) monitor_.smmu().draw_command_errors();
  if (options_.machine.dirty) host_.has_former_owner();
  if (machine_) {
    const bool per_device = monitor_.setup().per_device_tables;
    host_.set_init([this, per_device](const iommucheck_platform& platform,
                                      const iommucheck_config& config, void** state) {
      return start_core(*machine_, per_device, platform, config, state);
    });
  }
  if (window_) {
    has_a_view(options, driver) ? host_.set_view(*window_) : host_.set_window(window_->seen());
  }
  host_.count_stores(options.store_count);
  if (options.scan) host_.scan();
  host_.inside_fault_handlers(
      [this](const spec::sva::FaultRecord& fault) { faults_.answer_inside(fault); });
  host_.on_step(options.on_step, options.step_context);
  host_.on_gone(options.on_gone);
  host_.set_steps_max(options.steps_max);
}

std::string Lockstep::boot(Monitor::Sink* sink) {
  if (no_place_) return "no memory is free for a window at its own address";
  if (options_.backend != nullptr && !machine_) return "the hardware did not come up";
  monitor_.set_sink(sink);
  if (guest_) {
    if (std::string failed = guest_->host().boot(); !failed.empty()) return failed;
  }
  std::string failed = host_.boot();
  if (!failed.empty() && machine_) {
    for (const std::string& text : machine_->take_nonsense()) failed += ": " + text;
  }
  if (!failed.empty()) return failed;
  if (guest_) guest_->snapshot();
  host_.snapshot();
  booted_ = monitor_.trail().mark();
  booted_at_ = monitor_.now();
  return {};
}

bool Lockstep::refused() const {
  return host_.boot_error() == -IOMMUCHECK_ENODEV || host_.boot_error() == -IOMMUCHECK_EOPNOTSUPP;
}

bool Lockstep::takes_devices_alone() {
  const auto& devices = monitor_.setup().devices;
  u32 one = 0;
  u32 other = 0;
  for (u32 i = 0; i < devices.size(); ++i) {
    for (u32 k = 0; k < i; ++k) {
      if (devices[i].group == spec::sva::DeviceSetup::alone) continue;
      if (devices[i].group == devices[k].group) one = k, other = i;
    }
  }
  if (other == 0 || !host_.has(CallKind::attach) || !host_.has(CallKind::detach)) return false;
  Call call{.kind = CallKind::domain_alloc};
  call.domain_kind = IOMMUCHECK_DOMAIN_PAGING;
  const spec::sva::Observed domain = host_.call(call);
  call = {.kind = CallKind::attach};
  call.domain = domain.value;
  call.device = one;
  const bool attached = domain.status == Status::ok && host_.call(call).status == Status::ok;
  call.kind = CallKind::detach;
  call.device = other;
  const bool alone = attached && host_.call(call).status == Status::einval;
  undo();
  return alone;
}

void Lockstep::undo() {
  fork_.reset();
  host_.restore();  // calls that still wait end first, without any effect
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(booted_at_);
  caller_.passed_over().begin_case();
  users_.begin_case();
  if (guest_) guest_->restore();
  case_ = {};
}

/// To behind `beginning`, if the last case has come by there. Exactly there: all that a case
/// changes is part of the trail, of the fork, or derived and made anew (Trail::generation()).
bool Lockstep::go_back(std::span<const fuzz::Operation> beginning) {
  if (beginning.empty() || !fork_ || !std::ranges::equal(fork_->behind, beginning)) return false;
  users_.begin_case();
  host_.restore(*fork_->host);  // calls that still wait end first, without any effect
  monitor_.trail().undo_to(fork_->mark);
  monitor_.go_back_to(*fork_->monitor);
  caller_.passed_over().go_back_to(monitor_.now());
  case_ = fork_->state;
  return true;
}

void Lockstep::keep_fork(std::span<const fuzz::Operation> beginning) {
  // What is behind it, and what was passed over in it, is judged again.
  if (monitor_.gave_up() || !caller_.passed_over().of_case().empty() || users_.any()) return;
  if (guest_ || monitor_.smmu_count() != 1) return;
  auto host = host_.point();
  if (host == nullptr) return;
  fork_ = Fork{.behind = {beginning.begin(), beginning.end()},
               .mark = monitor_.trail().mark(),
               .monitor = monitor_.point(),
               .host = std::move(host),
               .state = case_};
}

/// How processes and handlers behave in this operation: no part of the state, so each says it anew.
void Lockstep::set_environment(const fuzz::Operation& operation) {
  if (guest_) move_guests_memory(operation);
  faults_.set_answers_inside(((operation.choices >> 7) & 1) != 0);
  // Where both count from 1 the driver gives way in most binds, which costs it more than the bind.
  host_.processes().set_apart(((operation.choices >> (fuzz::choice_bits - 2)) & 3) != 0);
  using Tells = Processes::Tells;
  constexpr Tells tells[] = {Tells::what_changed, Tells::what_changed, Tells::aligned,
                             Tells::everything};
  host_.processes().set_tells(
      tells[(operation.choices >> (fuzz::choice_bits - 4)) % std::size(tells)]);
}

void Lockstep::run(std::span<const fuzz::Operation> operations, Ends ends, std::size_t shared) {
  const auto beginning = operations.first(std::min(shared, operations.size()));
  caller_.forget_rules();
  std::size_t next = beginning.size();
  if (!go_back(beginning)) {
    undo();
    next = 0;
  }
  for (; next < operations.size(); ++next) {
    if (next != 0 && next == beginning.size() && !fork_) keep_fork(beginning);
    const fuzz::Operation& operation = operations[next];
    if (options_.on_step != nullptr) options_.on_step(options_.step_context);
    if (hook_ != nullptr) hook_(hook_context_, static_cast<u32>(next));
    caller_.does(fuzz::to_string(operation.kind));
    BitChoices choices(operation.choices);
    host_.set_choices(choices);
    const bool of_memory = operation.fail <= fuzz::fail_max;
    host_.fail_allocation(of_memory && caller_.claims(Claim::short_memory) ? operation.fail : 0);
    if (!of_memory) fail_hook(operation.fail);
    set_environment(operation);
    perform(operation);
    host_.fail_allocation(0);
    if (!of_memory) fail_hook(0);
    host_.choose_first();
    if (monitor_.smmu().is_stuck()) monitor_.queue_stuck(false);
    if (tell_error() && !monitor_.findings().empty()) return;
    sva_.resume_waiting();
    faults_.repeat_answered();
    if (guest_) look_below();
#ifdef IOMMUCHECK_CONSISTENT
    stop_if_inconsistent();
#endif
    if (!monitor_.findings().empty()) return;
  }
  case_.next = {};
  caller_.does("handlers");
  sva_.end_handlers();
  if (guest_) look_below();
  if (!monitor_.findings().empty()) return;
  caller_.does("end");
  if (ends.whole_space) monitor_.check_whole_space();
  if (!monitor_.findings().empty()) return;
  if (ends.teardown) {
    tear_down();
  } else if (ends.shutdown) {
    shut_down_live();
  }
}

/// The monitor and our own driver count what they have rightly, whatever was asked, between calls.
void Lockstep::stop_if_inconsistent() {
  if (const std::string wrong = monitor_.consistent(); !wrong.empty()) {
    std::fputs(fmt::format("the monitor's state is inconsistent: {}\n", wrong).c_str(), stderr);
    std::abort();
  }
  const bool ours = host_.driver().domain_alloc == impl::builtin_driver()->domain_alloc;
  if (!ours || !host_.waiting().empty()) return;
  const char* wrong = impl::inconsistency(host_.driver_state());
  if (wrong == nullptr) return;
  std::fputs(fmt::format("the built-in driver's state is inconsistent: {}\n", wrong).c_str(),
             stderr);
  std::abort();
}

/// The hook of the backend that the next call is to meet failing; 0: none any more.
void Lockstep::fail_hook(u16 which) {
  using spec::sva::Hook;
  // An error that these calls have no other reason for.
  constexpr int error = -static_cast<int>(Status::eio);
  const int alloc = which == fuzz::fail_mm_alloc        ? error
                    : which == fuzz::fail_mm_alloc_null ? IOMMUCHECK_HOOK_NULL
                                                        : 0;
  host_.set_hook(Hook::mm_alloc, alloc);
  host_.set_hook(Hook::mm_attach, which == fuzz::fail_mm_attach ? error : 0);
}

/// From here on, whatever the choices of other operations say.
void Lockstep::perform_hardware(const fuzz::Operation& operation) {
  if (machine_ || guest_) return;  // how fast it is nobody can say
  using fuzz::HardwareKind;
  spec::Smmu& smmu = monitor_.smmu();
  // Drivers give up by count, too, or double what they wait after some looks: a full queue is
  // consumed within so many, as driver.h says of `wait`.
  constexpr u64 drained_by = 64;
  const u64 slots = smmu.command_slots();
  const u64 commands =
      operation.mapping == 0
          ? 0
          : std::max<u64>(operation.mapping, (slots + drained_by - 1) / drained_by);
  const u64 steps = commands == 0 ? 1 : (slots + commands - 1) / commands;
  const u64 looks = std::min(fuzz::hardware_looks(operation, slots), drained_by / steps - 1);
  const u64 at = std::max<u64>(operation.page, 1);
  const bool times_out = caller_.claims(Claim::time_outs);
  const auto of_each = [&](const auto& act) {
    for (u32 i = 0; i < monitor_.smmu_count(); ++i) act(monitor_.smmu(i));
  };
  switch (static_cast<HardwareKind>(operation.variant)) {
    case HardwareKind::pace:
      return of_each([&](auto& its) { its.set_pace({.looks = looks, .commands = commands}); });
    case HardwareKind::acknowledge:
      return of_each([&](auto& its) { its.set_acknowledgement(looks); });
    case HardwareKind::stop:
      if (times_out) case_.hardware.stop = {.command = at};
      return;
    case HardwareKind::stop_sync:
      if (times_out) case_.hardware.stop = {.sync = at};
      return;
    case HardwareKind::refuse:
      // Now and then the endpoint is silent for longer than a driver asks, and not for ever.
      // Which of several tells of it, the others would have to know.
      if (times_out && monitor_.smmu_count() == 1) {
        smmu.fail_sync(at, operation.mapping % 4 == 3 ? 16 : 1);
      }
      return;
    case HardwareKind::abort: return abort_accesses(operation);
    default: case_.hardware.interrupt_every = static_cast<u32>(at); return;
  }
}

/// GERROR tells of each, and the driver hears of that at once. Interrupts are merged or late now
/// and then, so that one finds nothing new. IHI 0070 7.2.2, 7.5.
void Lockstep::abort_accesses(const fuzz::Operation& operation) {
  namespace bit_of = spec::gerror;
  constexpr u32 errors[] = {bit_of::msi_cmdq_abt,
                            bit_of::eventq_abt_err,
                            bit_of::priq_abt_err,
                            bit_of::msi_eventq_abt | bit_of::msi_priq_abt,
                            bit_of::eventq_abt_err | bit_of::msi_gerror_abt,
                            bit_of::eventq_abt_err | bit_of::priq_abt_err,
                            bit_of::eventq_abt_err | bit_of::msi_eventq_abt,
                            bit_of::aborts};
  spec::Smmu& smmu = monitor_.smmu();
  if (host_.driver().handle_irq == nullptr || !smmu.tells_errors()) return;
  const u32 which = errors[operation.mapping % std::size(errors)];
  const u32 rounds = 1 + operation.page % 4;
  const auto goes_on = [&] { return monitor_.findings().empty(); };
  bool told = false;
  // Now and then the queue goes on only when the handlers are through.
  const bool stuck = operation.page >= 16 && caller_.claims(Claim::time_outs);
  if (stuck) monitor_.queue_stuck(true);
  for (u32 round = 0; round < rounds && goes_on(); ++round) {
    for (u32 error = 1; error <= which; error <<= 1) {
      // A message that a driver waits for in vain.
      if (error == bit_of::msi_cmdq_abt && !caller_.claims(Claim::time_outs)) continue;
      if ((which & error) != 0) smmu.abort(error);
    }
    told |= tell_error();
  }
  if (stuck) monitor_.queue_stuck(false);
  const u32 more = told ? (operation.page / 4) % 3 : 0;
  for (u32 n = 0; n < more && goes_on(); ++n) host_.irq(IOMMUCHECK_IRQ_GLOBAL_ERROR);
}

/// If there is one that the driver is to hear of.
bool Lockstep::tell_error() {
  bool told = false;
  for (u32 i = 0; i < monitor_.smmu_count(); ++i) {
    if (!monitor_.smmu(i).take_error_interrupt()) continue;
    host_.irq(IOMMUCHECK_OF_IOMMU(i, IOMMUCHECK_IRQ_GLOBAL_ERROR));
    told = true;
  }
  return told;
}

u64 Lockstep::abilities() const { return abilities_of(host_); }

void Lockstep::perform(const fuzz::Operation& operation) {
  using fuzz::OperationKind;
  forget_what_is_gone();
  switch (operation.kind) {
    case OperationKind::access: return spaces_.perform_access(operation);
    case OperationKind::domain_alloc: return spaces_.perform_alloc(operation);
    case OperationKind::sva_alloc:
    case OperationKind::dynamic_alloc:
    case OperationKind::gpu_switch:
    case OperationKind::attach_pasid:
    case OperationKind::dirty:
    case OperationKind::sva_free: break;
    case OperationKind::gpu_flush: return walkers_.perform_flush(operation);
    case OperationKind::hardware: return perform_hardware(operation);
    case OperationKind::user: return users_.perform_user(operation);
    default:
      if (!fuzz::needs_domain(operation.kind)) return perform_sva(operation);
  }
  if (case_.spaces.empty()) {
    spaces_.perform_alloc(fuzz::Operation{.kind = OperationKind::domain_alloc});
    if (case_.spaces.empty() || !monitor_.findings().empty()) return;
  }
  const bool is_dynamic =
      operation.kind == OperationKind::dynamic_alloc || operation.kind == OperationKind::gpu_switch;
  if (is_dynamic) return walkers_.perform_dynamic(operation);
  if (operation.kind == OperationKind::attach_pasid) return tables_.perform_attach_pasid(operation);
  if (operation.kind == OperationKind::dirty) return dirty_.perform_dirty(operation);
  const bool is_private =
      operation.kind == OperationKind::sva_alloc || operation.kind == OperationKind::sva_free;
  if (is_private) return sva_.perform_private(operation);
  const Status status = spaces_.perform_on_space(operation);
  // A driver may have domains at PASIDs alone.
  if (operation.kind == OperationKind::attach && status == Status::not_built &&
      monitor_.findings().empty()) {
    fuzz::Operation at_a_pasid = operation;
    at_a_pasid.kind = OperationKind::attach_pasid;
    at_a_pasid.variant = static_cast<u16>(fuzz::AttachPasid::attach);
    tables_.perform_attach_pasid(at_a_pasid);
  }
}

void Lockstep::perform_sva(const fuzz::Operation& operation) {
  using fuzz::OperationKind;
  switch (operation.kind) {
    case OperationKind::sva_init: sva_.perform_init(operation); return;
    case OperationKind::bind: return sva_.perform_bind(operation);
    case OperationKind::unbind:
    case OperationKind::unbind_all:
    case OperationKind::sva_shutdown: return sva_.perform_unbind(operation);
    case OperationKind::sva_query: return sva_.perform_query(operation);
    case OperationKind::pasid_alloc:
    case OperationKind::pasid_free: return sva_.perform_numbers(operation);
    case OperationKind::process_map:
    case OperationKind::process_unmap:
    case OperationKind::process_protect:
    case OperationKind::process_fork: return sva_.perform_process(operation);
    case OperationKind::process_exit: return sva_.perform_exit(operation);
    case OperationKind::handler_return: return sva_.perform_handler(operation);
    case OperationKind::task_bind:
    case OperationKind::task_unbind: return walkers_.perform_task(operation);
    case OperationKind::faults: return faults_.perform_faults(operation);
    case OperationKind::link: return tables_.perform_link(operation);
    case OperationKind::queue: return sva_.perform_queue(operation);
    case OperationKind::remove: return sva_.perform_remove(operation);
    default: return;
  }
}

void Lockstep::forget_what_is_gone() {
  users_.forget_what_is_gone();
  spaces_.forget_what_is_gone();
}

trace::Header Lockstep::header() const {
  trace::TextMap about{{"source", "lockstep"}, {"driver", host_.driver().name}};
  if (options_.backend != nullptr) about[backend_key] = options_.backend->name;
  about["machine"] = machine_text_;
  if (options_.scan) about["precision"] = "scan";
  if (options_.identity_window) about["window"] = "identity";
  trace::Header header = header_of(monitor_.setup(), std::move(about));
  header.seed = options_.seed;
  return header;
}

}  // namespace iommucheck::oracle
