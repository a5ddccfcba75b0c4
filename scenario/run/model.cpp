// SPDX-License-Identifier: MIT
#include "scenario/run/model.h"

#include <algorithm>

#include "host/user_words.h"
#include "spec/rules/interface.h"
#include "spec/smmu/event_record.h"
#include "spec/two/hardware.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

constexpr u32 pasid_tries = 1024;

constexpr std::array all_errors{
    Status::eagain, Status::enodev,     Status::einval, Status::esrch,    Status::ebusy,
    Status::eexist, Status::enospc,     Status::erange, Status::edeadlk,  Status::enoent,
    Status::enomem, Status::eopnotsupp, Status::eio,    Status::etimedout};

bool makes_handle(CallKind kind) {
  return kind == CallKind::domain_alloc || kind == CallKind::io_mm_of ||
         kind == CallKind::sva_alloc_pasid || kind == CallKind::bind_task ||
         kind == CallKind::fault_queue_open || kind == CallKind::event_queue_open;
}

bool is_ok(const Wanted& wanted) {
  return wanted.success || wanted.anything || !wanted.values.empty() || !wanted.bits.empty();
}

}  // namespace

/// What the interface promises, on whatever machine, as far as it is built.
Offers Model::offers(const World& world) {
  return {.smmuv3 = true,
          .pasid_0 = true,
          .identity = true,
          .waits_alone = true,
          .holes = true,
          .shared_tables = true,
          .own_tables = true,
          .stalls = true,
          .page_requests = true,
          .ats = true,
          .walkers = true,
          .request_groups = true,
          .no_page_sizes = true,
          .dirty = true,
          .several_iommus = true,
          .any_numbers = true,
          .hooks = true,
          .users = true,
          .users_pasids = !world.second_backend,
          .users_devices = true,
          .users_at_pasids = true,
          .users_events = true,
          .users_wait = !world.second_backend,
          .sticks = true};
}

std::string Model::boot(const World& world) {
  world_ = world;
  spec::sva::Setup setup = interface_setup(world);
  const spec::Capabilities caps = capabilities_of(world);
  if (world.second_backend) {
    user_format_ = std::make_unique<TwoUserFormat>();
  } else {
    user_format_ = std::make_unique<Smmuv3UserFormat>(caps);
  }
  setup.user_format = user_format_.get();
  interface_ = std::make_unique<spec::sva::Interface>(trail_, setup);
  constexpr u64 users_pa = u64{3} << 31;
  users_.emplace(user_sink_, users_pa, caps,
                 world.second_backend ? two_user_words() : smmuv3_user_words());
  return {};
}

bool Model::has(CallKind kind) const { return spec::sva::call_is_built(kind); }

void Model::note(const spec::sva::Verdict& verdict) {
  if (verdict.ok && !verdict.blames_caller) return;
  const auto keeper =
      verdict.blames_caller ? spec::Keeper::caller : spec::rule_info(verdict.rule).keeper;
  troubles_.push_back({verdict.rule, keeper, verdict.message});
}

Answer Model::call(u32 thread, const Call& call, const Wanted& wanted, Memory memory) {
  if (!has(call.kind)) return {.state = Answer::State::not_built};
  Running& running = running_[thread];
  running = {};
  running.active = true;
  running.call = call;
  running.lists.take(call);
  running.lists.give(running.call);
  running.wanted = wanted;
  running.around.queue_stuck = stuck_ || may_stick_;
  running.around.allocation_failed = memory.fail_at == 1;
  note(interface_->duty_of_call(running.call));
  running.ticket = interface_->begin_call(running.call);
  ask_hooks(running);
  const auto stall =
      call.kind == CallKind::fault_queue_respond ? interface_->stall_of(call) : std::nullopt;
  const Answer answer = settle(running);
  // What timed out is on its way.
  const Status status = answer.observed.status;
  const bool done = answer.state == Answer::State::returned &&
                    (status == Status::ok || status == Status::etimedout);
  if (stall && done) answered(*stall, call.response == spec::sva::response_success);
  return answer;
}

Answer Model::release(u32 thread, u64 mm) {
  Running& running = running_[thread];
  running = {};
  if (!interface_->is_bound(mm)) {
    interface_->process_gone(mm);
    return {};
  }
  running.active = true;
  running.release = true;
  running.mm = mm;
  running.ticket = interface_->release_begins(mm);
  std::vector<CallbackSeen> owed;
  interface_->for_each_handler(mm, [&](u32 device, u32 pasid, u64 drvdata, bool runs) {
    if (!runs) owed.push_back({device, pasid, drvdata});
  });
  for (const CallbackSeen& one : owed) {
    note(interface_->handler_called(one.device, one.pasid, one.drvdata));
    callbacks_.push_back(one);
  }
  return settle(running);
}

/// A call that would get so far calls mm_alloc for a new io_mm, and mm_attach for a device that
/// gets to it; none of them where a bond only gets a reference more.
void Model::ask_hooks(Running& running) {
  const Call& call = running.call;
  const bool binds = call.kind == CallKind::bind_device ||
                     (call.kind == CallKind::bind_task && call.flags == spec::sva::task_svm);
  const bool makes = call.kind == CallKind::sva_alloc_pasid;
  const bool links = call.kind == CallKind::sva_attach;
  if (!binds && !makes && !links) return;
  if (!interface_->permitted(running.ticket, call, {}).has(Status::ok)) return;
  bool is_new = makes;
  bool attaches = true;
  if (binds) {
    const bool further = call.kind == CallKind::bind_device && call.flags != 0;
    const spec::sva::Substream shared = interface_->pasid_of_process(call.mm);
    is_new = further || !shared.present;
    attaches = is_new || !interface_->has_bond(call.device, shared.number);
  }
  if (links) attaches = !interface_->is_linked(call.io_mm, call.device);
  const auto answer = [&](spec::sva::Hook hook) { return hooks_[static_cast<std::size_t>(hook)]; };
  spec::sva::HookCalls& hooks = running.around.hooks;
  if (is_new && world_.hooks.mm_alloc) hooks = answer(spec::sva::Hook::mm_alloc);
  if (!attaches || hooks.failed != Status::ok) return;
  if (is_new && answer(spec::sva::Hook::mm_attach).failed != Status::ok) lose_turn(running);
  hooks = answer(spec::sva::Hook::mm_attach);
}

/// The number that the call would have had is given back, and the cursor stands behind it.
void Model::lose_turn(Running& running) {
  const Trail::Mark mark = trail_.mark();
  const std::vector<u64> handles = handles_;
  const u64 next_handle = next_handle_;
  Observed observed;
  try_success(running, observed);
  trail_.undo_to(mark);
  handles_ = handles;
  next_handle_ = next_handle;
}

Answer Model::poll(u32 thread) {
  const auto at = running_.find(thread);
  if (at == running_.end()) return {};
  if (at->second.ended) return *std::exchange(at->second.ended, std::nullopt);
  return at->second.active ? settle(at->second) : Answer{};
}

/// Who waits for a handler goes on when that has returned, asked for or not.
void Model::step_ends() {
  for (auto& [thread, running] : running_) {
    if (!running.active) continue;
    const Answer answer = settle(running);
    if (answer.state != Answer::State::blocked) running.ended = answer;
  }
}

Answer Model::settle(Running& running) {
  const bool refused =
      !running.release &&
      interface_->permitted(running.ticket, running.call, running.around).has(Status::edeadlk);
  if (!refused && !interface_->may_end(running.ticket)) {
    return {.state = Answer::State::blocked};
  }
  running.active = false;
  if (!running.release) {
    Answer answer = end_call(running);
    stuck_ |= may_stick_ && answer.observed.status == Status::etimedout;
    return answer;
  }
  note(interface_->release_ends(running.ticket, stuck_));
  interface_->process_gone(running.mm);
  Answer answer;
  if (stuck_) answer.observed.status = Status::etimedout;
  return answer;
}

bool Model::try_end(Running& running, const Observed& observed) {
  const Trail::Mark mark = trail_.mark();
  const spec::sva::Verdict verdict =
      interface_->end_call(running.ticket, running.call, observed, running.around);
  if (verdict.ok) {
    note(verdict);
    return true;
  }
  trail_.undo_to(mark);
  return false;
}

Answer Model::end_call(Running& running) {
  Answer answer;
  answer.allocation_failed = running.around.allocation_failed;
  const spec::sva::Permitted permitted =
      interface_->permitted(running.ticket, running.call, running.around);
  answer.permitted = permitted.text();
  Observed& observed = answer.observed;
  const Wanted& wanted = running.wanted;
  if (stuck_ && try_bytes_in_time_out(running, observed)) return answer;
  // A right driver's result that is expected, if there is one; else any right one.
  if (is_ok(wanted) && try_success(running, observed)) return answer;
  if (try_errors(running, wanted.errors, observed)) return answer;
  const std::vector<Status> no_memory{Status::enomem};
  if (running.around.allocation_failed && try_errors(running, no_memory, observed)) return answer;
  if (!is_ok(wanted) && try_success(running, observed)) return answer;
  std::vector<Status> errors(all_errors.begin(), all_errors.end());
  errors.push_back(running.around.hooks.failed);
  if (try_errors(running, errors, observed)) return answer;
  troubles_.push_back({spec::rule::RESULT_EXACT, spec::Keeper::driver,
                       "no result is permitted: " + answer.permitted});
  return answer;
}

/// What is unmapped while the queue is stuck is counted, and not known to be gone. INTERFACE
/// "Timeouts and removal".
bool Model::try_bytes_in_time_out(Running& running, Observed& observed) {
  if (spec::sva::as_domain_call(running.call.kind) != CallKind::unmap) return false;
  return std::ranges::any_of(running.wanted.values, [&](u64 bytes) {
    observed = Observed{.status = Status::etimedout, .value = bytes};
    return bytes != 0 && try_end(running, observed);
  });
}

bool Model::try_errors(Running& running, const std::vector<Status>& errors, Observed& observed) {
  for (const Status error : errors) {
    observed = Observed{.status = error};
    for (const u64 done : running.wanted.before_errors) {
      observed.value = done;
      if (try_end(running, observed)) return true;
    }
    observed.value = 0;
    if (try_end(running, observed)) return true;
    // What unmap moved before the time was up.
    observed.value =
        interface_->permitted(running.ticket, running.call, running.around).greatest_value();
    if (observed.value != 0 && try_end(running, observed)) return true;
  }
  return false;
}

/// The number that the builtin's cursor comes to first.
bool Model::try_pasids(Running& running, Observed& observed, u32 Observed::* place32) {
  const Call& call = running.call;
  u32 first = call.min_pasid;
  u32 last = call.max_pasid == 0 ? spec::sva::pasid_limit - 1 : call.max_pasid;
  if (call.kind != CallKind::pasid_alloc) {
    const auto range = ranges_.find(call.device);
    if (range == ranges_.end()) return false;
    std::tie(first, last) = range->second;
  }
  last = std::min(last, spec::sva::pasid_limit - 1);
  const auto attempt = [&](u32 pasid) {
    if (place32 != nullptr) {
      observed.*place32 = pasid;
    } else {
      observed.value = pasid;
    }
    return try_end(running, observed);
  };
  const bool shares =
      (call.kind == CallKind::bind_device && call.flags == 0) || call.kind == CallKind::bind_task;
  if (shares) {
    const spec::sva::Substream known = interface_->pasid_of_process(call.mm);
    if (known.present && attempt(known.number)) return true;
  }
  const u32 after = last_pasid_ + 1;
  u32 tries = 0;
  for (const auto& [from, to] :
       {std::pair{std::max(first, after), last}, std::pair{first, after}}) {
    for (u32 pasid = from; pasid <= std::min(to, last) && tries < pasid_tries; ++pasid, ++tries) {
      if (!attempt(pasid)) continue;
      last_pasid_ = pasid;
      return true;
    }
  }
  return false;
}

bool Model::try_handles(Running& running, Observed& observed) {
  std::vector<u64> handles = handles_;
  handles.insert(handles.begin(), next_handle_);
  for (const u64 handle : handles) {
    observed.value = handle;
    const bool with_pasid =
        running.call.kind == CallKind::sva_alloc_pasid ||
        (running.call.kind == CallKind::bind_task && running.call.flags == spec::sva::task_svm);
    const bool done =
        with_pasid ? try_pasids(running, observed, &Observed::pasid) : try_end(running, observed);
    if (!done) {
      if (with_pasid) return false;
      continue;
    }
    if (handle == next_handle_) {
      handles_.push_back(handle);
      next_handle_ += 0x11;
    }
    return true;
  }
  return false;
}

bool Model::try_success(Running& running, Observed& observed) {
  const Call& call = running.call;
  observed = {};
  if (call.kind == CallKind::domain_alloc) {
    observed.facts = {call.input_bits == 0 ? 48 : call.input_bits, 44, 0x40201000};
    if (world_.page_sizes == "none") observed.facts.page_sizes = 0;
    if (call.parent != 0) observed.facts = interface_->facts_of(call.parent);
  }
  const bool attribute = call.kind == CallKind::domain_get_attr ||
                         call.kind == CallKind::io_mm_get_attr ||
                         call.kind == CallKind::task_get_attr;
  if (makes_handle(call.kind)) return try_handles(running, observed);
  if (call.kind == CallKind::bind_device || call.kind == CallKind::pasid_alloc) {
    return try_pasids(running, observed, nullptr);
  }
  if (call.kind == CallKind::fault_queue_read) {
    const auto fault = interface_->oldest_fault(call.queue);
    if (!fault) return false;
    observed.fault = *fault;
    if (fault->group == 0) observed.fault.group = ++groups_;
    return try_end(running, observed);
  }
  if (call.kind == CallKind::event_read) {
    const auto event = interface_->oldest_event(call.queue);
    if (!event) return false;
    observed.event = *event;
    return try_end(running, observed);
  }
  if (call.kind == CallKind::dirty_read) {
    for (const std::vector<u64>& bits : running.wanted.bits) {
      observed.bits = bits;
      if (try_end(running, observed)) return true;
    }
    observed.bits = interface_->written_bits(call);
    return try_end(running, observed);
  }
  for (const u64 value : running.wanted.values) {
    observed.value = value;
    if (try_end(running, observed)) return true;
  }
  if (attribute && try_handles(running, observed)) return true;
  observed.value = interface_->permitted(running.ticket, call, running.around).greatest_value();
  if (!try_end(running, observed)) return false;
  if (call.kind == CallKind::sva_device_init) {
    const WorldDevice& device = world_.devices[call.device];
    u64 limit = std::min(device.pasids, u64{spec::sva::pasid_limit});
    if (world_.iommu_pasids) limit = std::min(limit, *world_.iommu_pasids);
    const u64 last = call.max_pasid == 0 ? limit - 1 : std::min<u64>(call.max_pasid, limit - 1);
    ranges_[call.device] = {call.min_pasid, static_cast<u32>(last)};
  }
  return true;
}

// ---- processes ----------------------------------------------------------------------------------

u64 Model::create_process() {
  const u64 mm = next_process_++;
  return interface_->process_created(mm) ? mm : 0;
}

void Model::tell_change(u64 mm, u64 va, u64 bytes) {
  if (!interface_->is_bound(mm)) return;
  note(interface_->invalidate_ends(interface_->invalidate_begins(mm, va, bytes), stuck_));
}

bool Model::map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) {
  return interface_->process_maps(mm, va, bytes, pa, prot);
}

bool Model::unmap(u64 mm, u64 va, u64 bytes) {
  if (!interface_->process_unmaps(mm, va, bytes)) return false;
  tell_change(mm, va, bytes);
  return true;
}

bool Model::protect(u64 mm, u64 va, u64 bytes, u32 prot) {
  if (!interface_->process_protects(mm, va, bytes, prot)) return false;
  tell_change(mm, va, bytes);
  return true;
}

u64 Model::fork(u64 mm) {
  const u64 child = next_process_++;
  if (!interface_->process_forks(mm, child)) return 0;
  tell_change(mm, 0, ~u64{0});
  return child;
}

// ---- the rest -----------------------------------------------------------------------------------

Answer Model::handler_returns(u32 device, u32 pasid, Status status) {
  Answer answer;
  if (!interface_->handler_runs(device, pasid)) {
    answer.observed.status = Status::einval;
    return answer;
  }
  const spec::sva::Verdict verdict = interface_->handler_returned(device, pasid, status);
  note(verdict);
  if (!verdict.ok) answer.observed.status = Status::einval;
  return answer;
}

void Model::bound_passes() {
  std::vector<std::pair<u32, u32>> running;
  for (u64 mm = 1; mm < next_process_; ++mm) {
    interface_->for_each_handler(mm, [&](u32 device, u32 pasid, u64 /*drvdata*/, bool runs) {
      if (runs) running.emplace_back(device, pasid);
    });
  }
  for (const auto& [device, pasid] : running) note(interface_->bound_passes(device, pasid));
}

Answer Model::remove(u32 device) {
  interface_->device_removed(device, stuck_);
  return {};
}

void Model::reuse_page(u64 pa, u64 bytes) { note(interface_->duty_of_page(pa, bytes)); }

Answer Model::recover() {
  Answer answer;
  if (stuck_) {
    answer.observed.status = Status::etimedout;
  } else {
    interface_->recovered();
  }
  return answer;
}

namespace {

u32 prot_of(const Probing& probing) {
  return probing.access == 'w'   ? spec::sva::prot_write
         : probing.access == 'x' ? spec::sva::prot_exec
                                 : spec::sva::prot_read;
}

spec::sva::EventWords record_words(const Probing& probing, spec::EventType type) {
  spec::EventFields fields;
  fields.instruction = probing.access == 'x';
  fields.read = probing.access != 'w';
  fields.input_address = probing.iova;
  if (probing.at.present) fields.ssid = probing.at.number;
  return spec::record_of(type, fields).dw;
}

/// Of a user's, which a full queue leaves to its event queue: what it wants is not mapped, or not
/// so.
spec::sva::EventWords words_of_stall(const spec::sva::Interface& interface,
                                     const Probing& probing) {
  const auto promised = interface.expected_during(probing.device, probing.at, probing.iova);
  bool is_mapped = false;
  for (u32 i = 0; i < promised.count; ++i) {
    is_mapped |= promised.promises[i].state == spec::sva::State::mapped;
  }
  return record_words(probing,
                      is_mapped ? spec::EventType::f_permission : spec::EventType::f_translation);
}

}  // namespace

/// Where there is one: for each page, with one number for all.
void Model::call_fault_handler(const std::vector<u64>& accesses) {
  const Probing& first = waited_[accesses.front()].probing;
  const u32 pasid = first.at.number;
  const auto word = interface_->fault_handler_of(first.device, pasid);
  if (!word) return;
  const u32 group = ++groups_;
  for (const u64 access : accesses) {
    const Probing& page = waited_[access].probing;
    note(interface_->fault_handler_called(
        {.device = page.device, .pasid = pasid, .prot = prot_of(page), .group = group}, page.iova,
        *word));
    callbacks_.push_back({page.device, pasid, *word, group});
  }
}

/// `begun`: of a group whose last page has not come.
bool Model::is_waiting(u32 device, u32 name, bool begun) const {
  return std::ranges::any_of(interface_->waiting_faults(), [&](const auto& one) {
    return one.stall.sid == device && one.stall.stag == name && (one.begun || !begun);
  });
}

u64 Model::make_access(const Probing& probing, const Reached& reached) {
  if (reached.fault != "F.wait") return 0;
  const u64 id = ++stalls_;
  const bool asks = world_.devices[probing.device].faults == WorldDevice::Faults::pri;
  const u32 pasid = probing.at.present ? probing.at.number : spec::sva::without_pasid;
  const u32 name = asks ? spec::sva::request_name(pasid, probing.group) : static_cast<u32>(id);
  Named& group = named_[{probing.device, name}];
  if (!is_waiting(probing.device, name, true)) group = {group.round + 1, {}};
  group.accesses.push_back(id);
  waited_[id] = {.probing = probing, .now = 0, .ended = {}, .name = name, .round = group.round};
  const spec::sva::FaultRecord fault{.device = probing.device,
                                     .pasid = pasid,
                                     .iova = probing.iova,
                                     .prot = prot_of(probing),
                                     .last = probing.last || !asks};
  const u64 domain = interface_->domain_of(probing.device);
  if (asks) {
    interface_->page_is_requested(fault, probing.device, name);
  } else if (domain != 0 && interface_->parent_of(domain) != 0) {
    interface_->stall_recorded(fault, probing.device, name, words_of_stall(*interface_, probing),
                               false);
  } else {
    interface_->fault_waits(fault, probing.device, name);
  }
  interface_->faults_are_read();
  if (fault.last) call_fault_handler(std::vector<u64>(group.accesses));
  return id;
}

/// As an SMMU would, of a fault that nobody answers; the driver hears of it at once.
void Model::record_event(const Probing& probing, const std::string& fault) {
  if (world_.second_backend) return record_event_of_two(probing, fault);
  const u64 domain = interface_->domain_of(probing.device);
  if (domain == 0 || interface_->parent_of(domain) == 0) return;
  const bool beyond =
      probing.at.present && probing.at.number >> interface_->pasid_bits_of_user(domain) != 0;
  using spec::EventType;
  const EventType type = fault == "F.unmapped" ? EventType::f_translation
                         : fault == "F.perm"   ? EventType::f_permission
                         : fault == "F.badcd"  ? EventType::c_bad_cd
                         : fault != "F.pasid"  ? EventType::none
                         : beyond              ? EventType::c_bad_substreamid
                                               : EventType::c_bad_cd;
  if (type == EventType::none) return;
  const auto& streams = interface_->stream_ids(probing.device);
  interface_->event_recorded(streams.front(), record_words(probing, type));
  interface_->faults_are_read();
}

void Model::record_event_of_two(const Probing& probing, const std::string& fault) {
  const bool denied = fault == "F.perm";
  if (!denied && fault != "F.unmapped") return;
  const spec::two::Hardware::Access access =
      probing.access == 'w'   ? spec::two::Hardware::Access::write
      : probing.access == 'x' ? spec::two::Hardware::Access::execute
                              : spec::two::Hardware::Access::read;
  const u64 stream = interface_->stream_ids(probing.device).front();
  u64 word = (denied ? 2U : 1U) | stream << 32;
  word |= u64{1} << (spec::two::EventWord::rights_lsb + static_cast<u8>(access));
  if (probing.at.present) word |= u64{1} << 11 | u64{probing.at.number} << 12;
  interface_->event_recorded(static_cast<u32>(stream), {word, probing.iova}, probing.at);
  interface_->faults_are_read();
}

/// The accesses of a group are made again, each for itself: what faults then is a new group.
void Model::answered(const spec::sva::StallName& name, bool again) {
  const auto at = named_.find({name.sid, name.stag});
  if (at == named_.end() || !again) return;
  const std::vector<u64> accesses = at->second.accesses;
  for (const u64 id : accesses) {
    Waited& waited = waited_[id];
    const Reachable set = promised(*interface_, waited.probing);
    if (set.size() != 1) continue;
    waited.ended = *set.begin();
    Probing once_more = waited.probing;
    once_more.group = 0x100 + repeated_++ % 0x100;  // scenarios have lower ones
    once_more.last = true;
    const u64 now = make_access(once_more, *set.begin());
    waited_[id].now = now;
  }
}

/// Without a queue whoever handles the process's faults has answered at once.
Reached Model::access_state(u64 waits) {
  const Waited& waited = waited_[waits];
  if (waited.now != 0) return access_state(waited.now);
  if (waited.ended != Reached{}) return waited.ended;
  const u32 device = waited.probing.device;
  const bool same = named_[{device, waited.name}].round == waited.round;
  if (same && is_waiting(device, waited.name, false)) return {false, 0, "waiting"};
  return {false, 0, "aborted"};
}

/// Of several outcomes, each of some right driver, one that is wanted.
bool Model::access(const Probing& probing, const Reachable& wanted, Reached& reached,
                   std::string& /*reason*/, u64& waits) {
  const Reachable set = promised(*interface_, probing);
  if (set.empty()) return false;
  if (probing.at.present) note(interface_->duty_of_dma(probing.device, probing.at.number));
  const auto best =
      std::ranges::find_if(set, [&](const Reached& one) { return wanted.contains(one); });
  reached = best != set.end() ? *best : *set.begin();
  if (probing.access == 'w' && reached.address) {
    interface_->device_wrote(probing.device, probing.at, probing.iova, reached.pa, true);
  }
  waits = make_access(probing, reached);
  record_event(probing, reached.fault);
  return true;
}

std::unique_ptr<Subject> make_model() { return std::make_unique<Model>(); }

}  // namespace iommucheck::oracle::stories
