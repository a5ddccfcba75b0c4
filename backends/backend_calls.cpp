// SPDX-License-Identifier: MIT
// Calls into the core, those that wait for others, and what the environment does: processes,
// handlers, accesses that wait.
#include <fmt/format.h>

#include <algorithm>

#include "backends/backend_host.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

constexpr u64 page_bytes = 4096;
constexpr u32 process_bits = 48;
constexpr u32 processes_max = 16;

}  // namespace

DriverDoor BackendHost::door() const {
  return {*operations_, state_, [this](u64 number) { return process(number); }};
}

bool BackendHost::has(CallKind kind) const { return door().has(kind); }

void BackendHost::note(const spec::sva::Verdict& verdict, const std::string& what) {
  if (verdict.ok && !verdict.blames_caller) return;
  const auto keeper =
      verdict.blames_caller ? spec::Keeper::caller : spec::rule_info(verdict.rule).keeper;
  findings_.push_back({verdict.rule, keeper, what + ": " + verdict.message});
}

// ---- calls --------------------------------------------------------------------------------------

BackendHost::Progress BackendHost::start(const Call& call) {
  check_refused();
  auto thread = std::make_unique<Thread>();
  thread->call = call;
  thread->lists.take(call);
  thread->lists.give(thread->call);
  const spec::sva::Verdict duty = interface_.duty_of_call(thread->call);
  thread->breaks_duty = duty.blames_caller;
  note(duty, spec::sva::call_text(call));
  // What its caller says wrongly of its walkers is nothing that the driver can be blamed for.
  if (duty.rule == spec::Rule::WALKER_UNFLUSHED && duty.blames_caller) {
    interface_.for_each_walker_of(call, [&](u32 walker) { machine_.walker_flushes(walker); });
  }
  if (call.kind == CallKind::domain_free || call.kind == CallKind::unbind_task) {
    interface_.for_each_walker_of(call,
                                  [&](u32 walker) { machine_.walker_switches(walker, 0, 0); });
  }
  thread->ticket = interface_.begin_call(thread->call);
  context_ = 0;
  for (const Handler& handler : handlers_) {
    const bool its = handler.device == call.context.device && handler.pasid == call.context.pasid;
    if (call.context.inside && its) context_ = handler.context;
  }
  return run(std::move(thread));
}

BackendHost::Progress BackendHost::run(std::unique_ptr<Thread> thread) {
  thread->id = ++thread_ids_;
  thread->fiber = std::make_unique<Fiber>();
  Thread* its = thread.get();
  threads_.push_back(std::move(thread));
  return advance(*its);
}

BackendHost::Progress BackendHost::resume(u64 id) {
  const auto at = std::ranges::find_if(threads_, [&](const auto& one) { return one->id == id; });
  return at == threads_.end() ? Progress{} : advance(**at);
}

/// Begins it, or goes on, until it waits or ends.
BackendHost::Progress BackendHost::advance(Thread& thread) {
  waits_ = 0;
  thread.stuck |= stuck_;
  running_ = &thread;
  ++in_calls_;
  if (thread.fiber->active()) {
    thread.fiber->resume();
  } else {
    thread.fiber->start([this, &thread] { work(thread); });
  }
  --in_calls_;
  running_ = nullptr;
  thread.stuck |= stuck_;
  thread.allocation_failed |= allocation_failed_;
  context_ = 0;
  if (thread.fiber->active()) return {.waits = true, .thread = thread.id};
  const auto at =
      std::ranges::find_if(threads_, [&](const auto& one) { return one.get() == &thread; });
  const std::unique_ptr<Thread> ended = std::move(*at);
  threads_.erase(at);
  finish(*ended);
  return {.observed = ended->observed};
}

void BackendHost::work(Thread& thread) {
  const auto status = [](int error) { return spec::sva::status_from_driver(error); };
  switch (thread.kind) {
    case Thread::Kind::call: thread.observed = door().call(thread.call); break;
    case Thread::Kind::release:
      thread.observed.status = status(operations_->mm_release(state_, thread.call.mm));
      break;
    case Thread::Kind::removal:
      thread.observed.status = status(operations_->device_remove(state_, thread.call.device));
      break;
  }
}

int BackendHost::wait_for_others() {
  Thread& thread = *running_;
  const auto over = [](const Handler& handler) { return handler.late || handler.returned; };
  if (!handlers_.empty() && std::ranges::all_of(handlers_, over)) return 1;
  const u64 context = context_;
  compare(true);
  thread.fiber->yield();
  context_ = context;
  return abandoned_ || thread.bound_passed ? 1 : 0;
}

void BackendHost::finish(Thread& thread) {
  const Observed& observed = thread.observed;
  const bool timed_out = observed.status == Status::etimedout;
  const auto before = interface_.waiting_faults();
  bool judged = true;  // what has ended is known
  switch (thread.kind) {
    case Thread::Kind::call: {
      const spec::sva::Verdict verdict =
          interface_.end_call(thread.ticket, thread.call, observed,
                              {.allocation_failed = thread.allocation_failed,
                               .queue_stuck = thread.stuck,
                               .hooks = thread.hooks});
      const bool excused = !verdict.ok && thread.breaks_duty && observed.status != Status::ok;
      if (observed.status != Status::not_built && !excused) {
        note(verdict, spec::sva::call_text(thread.call));
      }
      judged = verdict.ok && observed.status == Status::ok;
      break;
    }
    case Thread::Kind::release:
      note(interface_.release_ends(thread.ticket, timed_out), "mm_release");
      interface_.process_gone(thread.call.mm);
      if (!timed_out && !machine_.process_gone(thread.call.mm)) {
        find(spec::Rule::TABLE_FREE,
             "mm_release has returned, and the hardware may still walk the "
             "process's table");
      }
      judged = !timed_out;
      break;
    case Thread::Kind::removal:
      // As a call it never was: a result that is not permitted changes nothing.
      interface_.end_call(thread.ticket, thread.call, {.status = Status::not_built});
      interface_.device_removed(thread.call.device, timed_out);
      leaving_.erase(thread.call.device);
      judged = !timed_out;
      break;
  }
  if (thread.kind != Thread::Kind::call && observed.status != Status::ok && !timed_out) {
    find(spec::Rule::RESULT_EXACT,
         fmt::format("{} answered {}",
                     thread.kind == Thread::Kind::release ? "mm_release" : "device_remove",
                     spec::sva::status_text(observed.status)));
  }
  if (judged) check_ended(before);
  std::erase_if(handlers_, [&](const Handler& handler) {
    return handler.returned && !interface_.has_bond(handler.device, handler.pasid);
  });
  compare(false);
}

std::vector<u64> BackendHost::waiting() const {
  std::vector<u64> ids;
  for (const auto& thread : threads_) ids.push_back(thread->id);
  return ids;
}

BackendHost::Progress BackendHost::exit(u64 mm) {
  Process* its = living(mm);
  if (its == nullptr) return {};
  its->living = false;
  its->pages.clear();
  if (!interface_.is_bound(mm)) {
    interface_.process_gone(mm);
    if (!machine_.process_gone(mm)) {
      find(spec::Rule::TABLE_FREE, "nobody is bound to the process, and its table may be walked");
    }
    return {};
  }
  auto thread = std::make_unique<Thread>();
  thread->kind = Thread::Kind::release;
  thread->call.mm = mm;
  thread->ticket = interface_.release_begins(mm);
  return run(std::move(thread));
}

BackendHost::Progress BackendHost::remove(u32 device) {
  std::erase_if(handlers_, [&](const Handler& handler) { return handler.device == device; });
  auto thread = std::make_unique<Thread>();
  thread->kind = Thread::Kind::removal;
  thread->call.kind = CallKind::unbind_dev_all;
  thread->call.device = device;
  thread->ticket = interface_.begin_call(thread->call);
  walker_switches(device, 0);
  machine_.remove(device);
  leaving_.insert(device);
  return run(std::move(thread));
}

std::optional<iommucheck_held> BackendHost::held() const {
  iommucheck_held held{};
  held.size = sizeof(held);
  held.abi = IOMMUCHECK_DRIVER_ABI;
  if (operations_->held(state_, &held) != 0) return std::nullopt;
  return held;
}

// ---- handlers -----------------------------------------------------------------------------------

bool BackendHost::handler_returns(u32 device, u32 pasid, Status status) {
  const auto at = std::ranges::find_if(handlers_, [&](const Handler& handler) {
    return handler.device == device && handler.pasid == pasid;
  });
  if (at == handlers_.end()) return false;
  at->returned = true;
  if (status == Status::ok) handlers_.erase(at);
  note(interface_.handler_returned(device, pasid, status),
       fmt::format("the return of mm_exit(device {}, PASID {:#x})", device, pasid));
  waits_ = 0;
  operations_->mm_exit_done(state_, device, pasid, -static_cast<int>(status));
  return true;
}

void BackendHost::bound_passes() {
  for (Handler& handler : handlers_) {
    if (handler.returned || handler.late) continue;
    handler.late = true;
    note(interface_.bound_passes(handler.device, handler.pasid),
         fmt::format("mm_exit(device {}, PASID {:#x})", handler.device, handler.pasid));
  }
  for (const auto& thread : threads_) thread->bound_passed = true;
}

// ---- processes ----------------------------------------------------------------------------------

BackendHost::Process* BackendHost::living(u64 mm) {
  const bool is = mm != 0 && mm <= processes_.size() && processes_[mm - 1].living;
  return is ? &processes_[mm - 1] : nullptr;
}

iommucheck_mm BackendHost::process(u64 number) const {
  iommucheck_mm mm{};
  mm.size = sizeof(mm);
  mm.abi = IOMMUCHECK_DRIVER_ABI;
  mm.mm = number;
  mm.table_pa = number != 0 && number <= processes_.size() ? processes_[number - 1].root : 0;
  mm.input_bits = process_bits;
  return mm;
}

bool BackendHost::pinned(u64 mm) const {
  return mm != 0 && mm <= processes_.size() && processes_[mm - 1].pins != 0;
}

u64 BackendHost::create_process() {
  if (processes_.size() == processes_max) return 0;
  const u64 mm = processes_.size() + 1;
  const u64 root = machine_.process_created(mm);
  if (root == 0) return 0;
  processes_.emplace_back();
  processes_.back().root = root;
  interface_.process_created(mm, process_bits);
  return mm;
}

/// Page by page, in the table; and told when all is there.
bool BackendHost::says(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  bool whole = true;
  for (u64 done = 0; done < bytes && whole; done += page_bytes) {
    whole = machine_.process_says(mm, va + done, pa + done, prot);
  }
  return whole;
}

bool BackendHost::map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) {
  Process* its = living(mm);
  const bool aligned = ((va | pa | bytes) & (page_bytes - 1)) == 0;
  if (its == nullptr || !aligned || bytes == 0 || (va + bytes - 1) >> process_bits != 0)
    return false;
  const auto next = its->pages.lower_bound(va);
  if (next != its->pages.end() && next->first < va + bytes) return false;
  if (!says(mm, va, bytes, pa, prot)) return false;
  for (u64 done = 0; done < bytes; done += page_bytes) its->pages[va + done] = {pa + done, prot};
  interface_.process_maps(mm, va, bytes, pa, prot);
  compare(false);
  return true;
}

/// False if the driver reports a time-out.
bool BackendHost::invalidate(u64 mm, u64 va, u64 bytes) {
  if (!interface_.is_bound(mm)) return true;
  waits_ = 0;
  const spec::sva::Ticket ticket = interface_.invalidate_begins(mm, va, bytes);
  ++in_calls_;
  const int error = operations_->mm_invalidate(state_, mm, va, bytes);
  --in_calls_;
  const bool timed_out = error == -IOMMUCHECK_ETIMEDOUT;
  if (error != 0 && !timed_out) {
    find(spec::Rule::RESULT_EXACT, fmt::format("mm_invalidate answered {}", error));
  }
  note(interface_.invalidate_ends(ticket, timed_out), "Invalidate");
  compare(false);
  return !timed_out;
}

void BackendHost::unmap(u64 mm, u64 va, u64 bytes) {
  Process* its = living(mm);
  if (its == nullptr || bytes == 0) return;
  const auto first = its->pages.lower_bound(va);
  const auto last = its->pages.lower_bound(va + bytes);
  if (first == last) return;
  for (auto at = first; at != last; ++at) says(mm, at->first, page_bytes, 0, 0);
  its->pages.erase(first, last);
  interface_.process_unmaps(mm, va, bytes);
  compare(false);
  if (!invalidate(mm, va, bytes)) return;
  if (!machine_.process_settles(mm)) {
    find(spec::Rule::TABLE_FREE,
         "mm_invalidate has returned, and the hardware may still read what "
         "it was to forget as a table");
  }
}

void BackendHost::protect(u64 mm, u64 va, u64 bytes, u32 prot) {
  Process* its = living(mm);
  if (its == nullptr || bytes == 0) return;
  bool changed = false;
  for (auto at = its->pages.lower_bound(va); at != its->pages.end() && at->first < va + bytes;
       ++at) {
    changed |= at->second.prot != prot;
    at->second.prot = prot;
    says(mm, at->first, page_bytes, at->second.pa, prot);
  }
  if (!changed) return;
  interface_.process_protects(mm, va, bytes, prot);
  compare(false);
  invalidate(mm, va, bytes);
}

/// Neither can write what the parent could.
u64 BackendHost::fork(u64 mm) {
  if (living(mm) == nullptr || processes_.size() == processes_max) return 0;
  const u64 child = processes_.size() + 1;
  const u64 root = machine_.process_created(child);
  if (root == 0) return 0;
  processes_.emplace_back();
  processes_.back().root = root;
  Process& parent = processes_[mm - 1];
  for (auto& [va, page] : parent.pages) {
    page.prot &= ~spec::sva::prot_write;
    says(child, va, page_bytes, page.pa, page.prot);
    says(mm, va, page_bytes, page.pa, page.prot);
  }
  processes_.back().pages = parent.pages;
  interface_.process_forks(mm, child);
  compare(false);
  invalidate(mm, 0, ~u64{0});
  return child;
}

// ---- walkers, accesses that wait ----------------------------------------------------------------

void BackendHost::walker_switches(u32 walker, u64 root) {
  const u32 input_bits = interface_.facts_of_table(root).input_bits;
  interface_.walker_switches(walker, root);
  const bool known = interface_.table_of_walker(walker) != 0;
  machine_.walker_switches(walker, known ? root : 0, input_bits);
}

void BackendHost::walker_flushes(u32 walker) {
  machine_.walker_flushes(walker);
  interface_.walker_flushes(walker);
}

u64 BackendHost::wait(const MachineAccess& access) {
  const u64 id = machine_.wait(access);
  if (id == 0) return 0;
  const u32 prot = access.access == 'w'   ? spec::sva::prot_write
                   : access.access == 'x' ? spec::sva::prot_exec
                                          : spec::sva::prot_read;
  const u32 sid = setup_.devices[access.device].stream_ids[access.stream];
  waited_[id] = sid;
  if (access.at.present) {
    spec::sva::FaultRecord fault{
        .device = access.device, .pasid = access.at.number, .iova = access.iova, .prot = prot};
    fault.last = access.last || !machine_.has_groups();
    if (setup_.devices[access.device].pri) {
      interface_.page_is_requested(fault, sid, static_cast<u32>(machine_.group_of(id)));
    } else {
      interface_.fault_waits(fault, sid, static_cast<u32>(id));
    }
  }
  check_refused();
  interface_.faults_are_read();
  if (stuck_) interface_.forget_refused();
  waits_ = 0;
  operations_->handle_irq(state_, IOMMUCHECK_IRQ_EVENT_QUEUE);
  note(interface_.handlers_were_called(), "an interrupt");
  take_responses();
  return id;
}

void BackendHost::take_responses() {
  for (const BackendMachine::Response& one : machine_.take_responses()) {
    answered_.push_back({one.id, one.response == spec::sva::response_success});
    if (one.id != one.group) continue;
    const u32 sid = waited_[one.id];
    note(interface_.group_answered(sid, static_cast<u32>(one.group), one.response), "a response");
  }
  for (const u64 group : machine_.take_strays()) {
    const u32 device = interface_.device_of(waited_[group]);
    if (!interface_.device_exists(device)) continue;
    find(
        spec::Rule::FAULT_ANSWERED,
        fmt::format("a group of page requests of device {} is responded to, and none waits: it was "
                    "answered before",
                    device));
  }
}

void BackendHost::check_refused() {
  interface_.for_each_refused([&](u32 device, u32 pasid, u32 /*sid*/, u32 stag) {
    if (!machine_.is_waiting(stag)) return;
    find(spec::Rule::FAULT_REFUSED,
         fmt::format("an access of device {} at PASID {:#x} found its queue full, and still waits",
                     device, pasid));
  });
  interface_.forget_refused();
}

/// Those that were in a queue before, and are not any more, wait no longer.
void BackendHost::check_ended(const std::vector<spec::sva::Interface::WaitingFault>& before) {
  const auto now = interface_.waiting_faults();
  for (const auto& fault : before) {
    const auto same = [&](const auto& one) { return one.stall.stag == fault.stall.stag; };
    if (std::ranges::any_of(now, same) || !machine_.is_waiting(fault.stall.stag)) continue;
    find(spec::Rule::FAULT_ENDED,
         fmt::format("an access of device {} at PASID {:#x} still waits for an answer",
                     fault.device, fault.pasid));
  }
}

}  // namespace iommucheck::oracle
