// SPDX-License-Identifier: MIT
// Calls into the driver that may wait for others, and what the driver calls in its environment:
// processes and handlers.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "host/driver_host.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

}  // namespace

// ---- what the driver calls ----------------------------------------------------------------------

void DriverHost::bind_process_callbacks() {
  iommucheck_platform& p = platform_;
  p.mm_exit = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t drvdata) -> uint64_t {
    DriverHost& host = self(ctx);
    if (host.abandoned_ || host.refuses_pasid("mm_exit", pasid)) return 1;
    host.handlers_.push_back(
        {.context = ++host.contexts_, .device = device, .pasid = pasid, .drvdata = drvdata});
    host.monitor_.handler_called(device, pasid, drvdata);
    return host.contexts_;
  };
  p.context = [](void* ctx) -> uint64_t { return self(ctx).context_; };
  p.cpu = [](void* /*ctx*/) -> uint32_t { return 0; };
  p.mm_pin = [](void* ctx, iommucheck_handle mm) -> uint32_t {
    DriverHost& host = self(ctx);
    return host.abandoned_ ? 0 : host.processes_.pin(host.processes_.of_handle(mm));
  };
  p.mm_unpin = [](void* ctx, iommucheck_handle mm) {
    DriverHost& host = self(ctx);
    if (!host.abandoned_) host.processes_.unpin(host.processes_.of_handle(mm));
  };
  p.hook = [](void* ctx, uint32_t hook, uint64_t io_mm, uint32_t device) -> int {
    DriverHost& host = self(ctx);
    return host.abandoned_ ? 0 : host.answer_hook(hook, io_mm, device);
  };
  // The process's own handler: nothing is mapped there, or it would not have faulted. It may say
  // "again" all the same, since another CPU may have been there first.
  p.handle_fault = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t iova,
                      uint32_t prot) -> int {
    DriverHost& host = self(ctx);
    if (host.abandoned_ || host.refuses_pasid("handle_fault", pasid)) {
      return IOMMUCHECK_FAULT_INVALID;
    }
    const bool again = host.choices_->choose(spec::ChoiceSite::outcome, 2) == 1;
    host.monitor_.process_answered({.device = device, .pasid = pasid, .iova = iova, .prot = prot},
                                   again);
    return again ? IOMMUCHECK_FAULT_SUCCESS : IOMMUCHECK_FAULT_INVALID;
  };
  p.fault_handler = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot,
                       uint32_t group, uint64_t drvdata) {
    DriverHost& host = self(ctx);
    if (host.abandoned_ || host.refuses_pasid("fault_handler", pasid)) return;
    constexpr std::size_t kept_max = 1024;  // of a driver that tells no end of them
    if (host.handled_faults_.size() == kept_max) host.handled_faults_.clear();
    const spec::sva::FaultRecord fault{
        .device = device, .pasid = pasid, .iova = iova, .prot = prot, .group = group, .last = true};
    host.handled_faults_.push_back(fault);
    host.monitor_.fault_handler_called({.device = device,
                                        .pasid = pasid,
                                        .group = group,
                                        .prot = prot,
                                        .iova = iova,
                                        .word = drvdata});
    if (host.inside_fault_handlers_ && !host.monitor_.in_call()) host.inside_fault_handlers_(fault);
  };
  p.ats_enable = [](void* ctx, uint32_t device, uint32_t on) {
    DriverHost& host = self(ctx);
    if (host.abandoned_) return;
    const std::size_t devices = host.monitor_.setup().devices.size();
    if (device < devices) return host.monitor_.endpoint_ats(device, on != 0);
    host.monitor_.driver_error(
        fmt::format("ats_enable({}): there are {} devices, from 0", device, devices));
  };
  processes_.set_invalidate(
      [this](u64 mm, u64 va, u64 bytes) { return invalidate(mm, va, bytes); });
}

int DriverHost::answer_hook(u32 number, u64 io_mm, u32 device) {
  using spec::sva::Hook;
  const std::optional<spec::sva::Hooks>& has = monitor_.setup().hooks;
  if (!has) return 0;  // nobody looks at them
  const auto hook = static_cast<Hook>(number);
  bool is_there = false;
  switch (hook) {
    case Hook::mm_alloc: is_there = has->mm_alloc; break;
    case Hook::mm_free: is_there = has->mm_free; break;
    case Hook::mm_attach: is_there = has->mm_attach; break;
    case Hook::mm_detach: is_there = has->mm_detach; break;
  }
  if (!is_there) {
    monitor_.driver_error(fmt::format("hook {}: the backend has none", number));
    return -IOMMUCHECK_ENODEV;
  }
  const int answer = hook_answers_[number];
  if (hook == Hook::mm_free || hook == Hook::mm_detach || answer == 0) {
    monitor_.hook_called(hook, io_mm, device, Status::ok, false);
    return 0;
  }
  const bool is_null = answer > 0;
  monitor_.hook_called(hook, io_mm, device,
                       is_null ? Status::enomem : spec::sva::status_from_driver(answer), is_null);
  return answer;
}

/// False if the driver reports a time-out.
bool DriverHost::invalidate(u64 mm, u64 va, u64 bytes) {
  if (driver_.mm_invalidate == nullptr) return true;
  note_range(bytes);
  begin_steps();
  monitor_.invalidate_begins(mm, va, bytes);
  enter();
  const int error = driver_.mm_invalidate(state_, processes_.handle_of(mm), va, bytes);
  leave();
  if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) {
    monitor_.driver_error(fmt::format("mm_invalidate answered {}", error));
  }
  const bool timed_out = error == -IOMMUCHECK_ETIMEDOUT;
  monitor_.invalidate_ends(timed_out);
  return !timed_out;
}

// ---- calls --------------------------------------------------------------------------------------

/// Only what waits for handlers needs a stack of its own, and only while one runs.
bool DriverHost::may_wait(CallKind kind) const {
  if (handlers_.empty()) return false;
  return kind == CallKind::unbind_device || kind == CallKind::unbind_task ||
         kind == CallKind::unbind_dev_all || kind == CallKind::sva_device_shutdown ||
         kind == CallKind::detach;
}

iommucheck_mm DriverHost::process(u64 number) const {
  iommucheck_mm mm{};
  mm.size = sizeof(mm);
  mm.abi = IOMMUCHECK_DRIVER_ABI;
  mm.mm = processes_.handle_of(number);
  mm.table_pa = processes_.root(number);
  mm.mair = Processes::mair;
  mm.input_bits = Processes::input_bits;
  return mm;
}

bool DriverHost::has(CallKind kind) const { return door().has(kind); }

Observed DriverHost::dispatch(const Call& call) { return door().call(call); }

/// A failed map and its caller's unmap are one step to everybody else.
void DriverHost::unroll_map(const Call& call, Observed& observed) {
  const u64 bytes = std::exchange(unroll_bytes_, 0);
  if (bytes == 0 || observed.status == spec::sva::Status::ok) return;
  if (so_far_.steps > steps_allowed()) return;  // nobody answers it any more
  Call unmap = call;
  switch (call.kind) {
    case CallKind::map:
    case CallKind::map_sg: unmap.kind = CallKind::unmap; break;
    case CallKind::sva_map:
    case CallKind::sva_map_sg: unmap.kind = CallKind::sva_unmap; break;
    case CallKind::task_map: unmap.kind = CallKind::task_unmap; break;
    default: return;
  }
  unmap.size = bytes;
  const Observed done = dispatch(unmap);
  if (done.status == spec::sva::Status::etimedout) observed.status = done.status;
}

DriverHost::Progress DriverHost::start(const Call& call) {
  context_ = 0;
  u64 bytes = call.size;
  for (const spec::sva::Segment& segment : call.segments) bytes = std::max(bytes, segment.size);
  note_range(bytes);
  for (const Handler& handler : handlers_) {
    const bool its = handler.device == call.context.device && handler.pasid == call.context.pasid;
    if (call.context.inside && its) context_ = handler.context;
  }
  if (may_wait(call.kind)) {
    Thread thread{.call = call, .lists = {}, .fiber = {}};
    thread.lists.take(call);
    thread.id = monitor_.call_begins(call);
    return run(thread);
  }
  begin_steps();
  const bool stuck = monitor_.smmu().is_stuck();
  monitor_.call_begins(call);
  enter();
  Observed observed = dispatch(call);
  unroll_map(call, observed);
  leave();
  context_ = 0;
  monitor_.call_returns(
      observed, {.allocation_failed = allocation_failed_,
                 .queue_stuck = stuck || so_far_.endpoint_failed || monitor_.smmu().is_stuck()});
  return {.observed = observed};
}

DriverHost::Progress DriverHost::run(Thread& thread) {
  if (stacks_.empty()) stacks_.push_back(std::make_unique<Fiber>());
  auto own = std::make_unique<Thread>(std::move(thread));
  own->lists.give(own->call);
  own->fiber = std::move(stacks_.back());
  stacks_.pop_back();
  Thread* self = own.get();
  threads_.push_back(std::move(own));
  begin_steps();
  running_ = self;
  self->queue_stuck = monitor_.smmu().is_stuck();
  self->fiber->start([this, self] { work(*self); });
  running_ = nullptr;
  self->queue_stuck |= so_far_.endpoint_failed || monitor_.smmu().is_stuck();
  if (self->fiber->active()) return {.waits = true, .thread = self->id};
  return resume(self->id);
}

/// On the thread's own stack.
void DriverHost::work(Thread& thread) {
  enter();
  switch (thread.kind) {
    case Thread::Kind::call: thread.observed = dispatch(thread.call); break;
    case Thread::Kind::release:
      thread.observed.status = spec::sva::status_from_driver(
          driver_.mm_release(state_, processes_.handle_of(thread.call.mm)));
      break;
    case Thread::Kind::removal:
      thread.observed.status =
          spec::sva::status_from_driver(driver_.device_remove(state_, thread.call.device));
      break;
    case Thread::Kind::arrival:
      thread.observed.status =
          spec::sva::status_from_driver(driver_.device_add(state_, thread.call.device));
      break;
  }
  leave();
}

/// From inside wait(): the stack is left until somebody resumes it.
int DriverHost::wait_for_others() {
  Thread& thread = *running_;
  // Nobody waits for handlers whose time is over already.
  const auto over = [](const Handler& handler) { return handler.late || handler.returned; };
  if (!handlers_.empty() && std::ranges::all_of(handlers_, over)) return 1;
  thread.allocation_failed |= allocation_failed_;
  leave();
  const u64 context = context_;
  monitor_.call_waits();
  thread.fiber->yield();
  context_ = context;
  if (abandoned_) return 1;
  monitor_.call_resumes(thread.id);
  enter();
  return thread.bound_passed ? 1 : 0;
}

DriverHost::Progress DriverHost::resume(u64 id) {
  const auto found =
      std::ranges::find_if(threads_, [&](const auto& thread) { return thread->id == id; });
  if (found == threads_.end()) return {};
  Thread& thread = **found;
  if (thread.fiber->active()) {
    begin_steps();
    running_ = &thread;
    thread.fiber->resume();
    running_ = nullptr;
  }
  thread.queue_stuck |= so_far_.endpoint_failed;
  if (thread.fiber->active()) return {.waits = true, .thread = id};
  const std::unique_ptr<Thread> ended = std::move(*found);
  threads_.erase(found);
  stacks_.push_back(std::move(ended->fiber));
  context_ = 0;
  finish(*ended);
  return {.observed = ended->observed};
}

/// Of the driver's function that is no call of the interface.
const char* DriverHost::Thread::function() const {
  switch (kind) {
    case Kind::call: break;
    case Kind::release: return "mm_release";
    case Kind::removal: return "device_remove";
    case Kind::arrival: return "device_add";
  }
  return "a call";
}

void DriverHost::finish(Thread& thread) {
  const Status status = thread.observed.status;
  const bool timed_out = status == Status::etimedout;
  bool excused = timed_out;
  switch (thread.kind) {
    case Thread::Kind::call:
      monitor_.call_returns(thread.observed,
                            {.allocation_failed = thread.allocation_failed,
                             .queue_stuck = thread.queue_stuck || monitor_.smmu().is_stuck()});
      return;
    case Thread::Kind::release:
      monitor_.release_ends(timed_out);
      monitor_.process_exits(thread.call.mm);
      processes_.exit_ends(thread.call.mm, timed_out);
      break;
    case Thread::Kind::removal: monitor_.device_vanished(timed_out); break;
    case Thread::Kind::arrival:
      monitor_.device_came(status);
      // Not built: not for this device as things stand. It stays away.
      excused = status == Status::not_built ||
                (timed_out ? thread.queue_stuck
                           : status == Status::enomem &&
                                 (thread.allocation_failed || allocation_failed_));
      break;
  }
  if (status != Status::ok && !excused) {
    monitor_.driver_error(
        fmt::format("{} answered {}", thread.function(), spec::sva::status_text(status)));
  }
}

std::vector<u64> DriverHost::waiting() const {
  std::vector<u64> ids;
  for (const auto& thread : threads_) ids.push_back(thread->id);
  return ids;
}

/// A case ends in the middle of calls: they run to their end without any effect.
void DriverHost::abandon_threads() {
  abandoned_ = true;
  if (scan_) scan_->ignore(true);
  for (const auto& thread : threads_) {
    constexpr int tries = 1000;
    for (int i = 0; i < tries && thread->fiber->active(); ++i) {
      running_ = thread.get();
      thread->fiber->resume();
    }
    running_ = nullptr;
    if (!thread->fiber->active()) stacks_.push_back(std::move(thread->fiber));
  }
  threads_.clear();
  if (scan_) scan_->ignore(false);
  abandoned_ = false;
}

DriverHost::Progress DriverHost::exit(u64 mm) {
  const bool bound = monitor_.interface().is_bound(mm);
  processes_.exit_begins(mm);
  if (!bound || driver_.mm_release == nullptr) {
    monitor_.process_exits(mm);
    processes_.exit_ends(mm);
    return {};
  }
  Thread thread{.kind = Thread::Kind::release, .call = {}, .lists = {}, .fiber = {}};
  thread.call.mm = mm;
  thread.id = monitor_.release_begins(mm);
  return run(thread);
}

DriverHost::Progress DriverHost::remove(u32 device) {
  if (driver_.device_remove == nullptr) return {};
  // Its handlers have nothing to wait for any more.
  std::erase_if(handlers_, [&](const Handler& handler) { return handler.device == device; });
  Thread thread{.kind = Thread::Kind::removal, .call = {}, .lists = {}, .fiber = {}};
  thread.call.device = device;
  monitor_.device_vanishes(device);
  thread.id = monitor_.running_call();
  return run(thread);
}

DriverHost::Progress DriverHost::add(u32 device) {
  if (driver_.device_add == nullptr) return {};
  Thread thread{.kind = Thread::Kind::arrival, .call = {}, .lists = {}, .fiber = {}};
  thread.call.device = device;
  monitor_.device_comes(device);
  thread.id = monitor_.running_call();
  return run(thread);
}

void DriverHost::irq(u64 source) {
  if (driver_.handle_irq == nullptr) return;
  begin_steps();
  monitor_.irq(AgentId::cpu0, source);
  enter();
  driver_.handle_irq(state_, source);
  leave();
}

// ---- handlers -----------------------------------------------------------------------------------

void DriverHost::handler_returns(std::size_t index, Status status) {
  Handler& handler = handlers_[index];
  const Handler was = handler;
  handler.returned = true;
  if (status == Status::ok) handlers_.erase(handlers_.begin() + static_cast<std::ptrdiff_t>(index));
  monitor_.handler_returned(was.device, was.pasid, status);
  if (driver_.mm_exit_done == nullptr) return;
  begin_steps();
  enter();
  driver_.mm_exit_done(state_, was.device, was.pasid, -static_cast<int>(status));
  leave();
}

void DriverHost::forget_handlers() {
  std::erase_if(handlers_, [&](const Handler& handler) {
    return !monitor_.interface().has_bond(handler.device, handler.pasid);
  });
}

void DriverHost::bound_passes() {
  for (Handler& handler : handlers_) {
    if (handler.returned || handler.late) continue;
    handler.late = true;
    monitor_.bound_passes(handler.device, handler.pasid);
  }
  for (const auto& thread : threads_) thread->bound_passed = true;
}

std::optional<iommucheck_held> DriverHost::held() const {
  if (driver_.held == nullptr) return std::nullopt;
  iommucheck_held held{};
  held.size = sizeof(held);
  held.abi = IOMMUCHECK_DRIVER_ABI;
  if (driver_.held(state_, &held) != 0) return std::nullopt;
  return held;
}

}  // namespace iommucheck::oracle
