// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "scenario/format/print.h"
#include "scenario/run/story.h"

namespace iommucheck::oracle::stories {

using scenario::Invoke;
using scenario::Value;
using spec::sva::CallKind;
using spec::sva::Status;

namespace {

constexpr u32 allocations_max = 256;  // of one call
constexpr u64 page_bytes = 0x1000;

bool permits_blocked(const scenario::Values& results) {
  return std::ranges::any_of(results, [](const Value& value) {
    return value.is_word("blocked") || value.is_word("either");
  });
}

u32 rights_of(std::string_view text) {
  u32 prot = 0;
  for (const char letter : text) {
    if (letter == 'r') prot |= spec::sva::prot_read;
    if (letter == 'w') prot |= spec::sva::prot_read | spec::sva::prot_write;
    if (letter == 'x') prot |= spec::sva::prot_read | spec::sva::prot_exec;
  }
  return prot;
}

}  // namespace

// ---- calls --------------------------------------------------------------------------------------

void Story::step(const Invoke& invoke) {
  std::string name = current_->thread.text;
  // A handler is a context of its own.
  if (invoke.inside) {
    const auto pasid = names_.pasid(invoke.inside->pasid);
    const u32 device = world_.device(invoke.inside->device.text);
    if (!pasid || !subject_.interface().handler_runs(device, *pasid)) {
      return differ(scenario::print(invoke.results), "no mm_exit handler runs there");
    }
    name = fmt::format("mm_exit({}, {})", invoke.inside->device.text,
                       scenario::print(invoke.inside->pasid));
  }
  Thread& thread = thread_of(name);
  if (name.empty()) troubles_.clear();
  if (invoke.memory == Invoke::Memory::each_alloc) return each_allocation(thread, invoke);
  Memory memory;
  memory.none = invoke.memory == Invoke::Memory::none;
  const auto kind = kind_of(invoke.call.text).value_or(CallKind::domain_alloc);
  Wanted wanted = wanted_of(invoke.results, names_, kind);
  if (invoke.results.empty()) wanted.success = true;
  thread.answer = make(thread, invoke, wanted, memory);
  judge(thread, invoke.results);
}

Answer Story::make(Thread& thread, const Invoke& invoke, const Wanted& wanted, Memory memory) {
  thread.release = false;
  thread.result_name.reset();
  if (invoke.result_name) thread.result_name = invoke.result_name->text;
  thread.bits = 0;
  if (auto answer = environment(thread, invoke)) return *answer;
  const auto made = make_call(invoke, world_, names_);
  if (!made) {
    if (made.error().code == ErrorCode::unsupported) {
      needs_.push_back(invoke.call.text);
    } else {
      differ(scenario::print(invoke.results), made.error().message);
    }
    return {};
  }
  spec::sva::CallLists lists = made->lists;
  spec::sva::Call call = made->call;
  if (spec::sva::is_nested(call.domain_kind)) add_structure(invoke, call);
  if (call.kind == CallKind::cache_invalidate && subject_.users() != nullptr) {
    add_commands(invoke.arguments[1], call.domain, lists.commands);
  }
  if (!needs_.empty()) return {};
  lists.give(call);
  thread.kind = call.kind;
  if (call.kind == CallKind::dirty_read && call.grain != 0) thread.bits = call.size / call.grain;
  if (invoke.inside) {
    call.context.inside = true;
    call.context.device = world_.device(invoke.inside->device.text);
    call.context.pasid = names_.pasid(invoke.inside->pasid).value_or(0);
  }
  if (call.kind == CallKind::fault_queue_read) look_for_ended_groups();
  const Answer answer = subject_.call(thread.number, call, wanted, memory);
  users_follow(call, answer);
  if (call.kind == CallKind::fault_queue_respond && succeeded(answer)) {
    names_.group_ended(call.device, call.group);
  }
  if (call.kind == CallKind::bind_device && succeeded(answer)) {
    for (const auto& [name, mm] : names_.processes()) {
      if (mm == call.mm && !threads_of_.contains(name))
        bound_[static_cast<u32>(answer.observed.value)] = name;
    }
  }
  return answer;
}

/// Calls of the environment; nullopt for those of the interface.
std::optional<Answer> Story::environment(Thread& thread, const Invoke& invoke) {
  const std::string& name = invoke.call.text;
  const scenario::Values& arguments = invoke.arguments;
  thread.kind = CallKind::domain_free;  // a call that has no value
  constexpr std::string_view of_the_living[] = {"exit", "exec", "fork", "thread", "thread_end"};
  if (std::ranges::count(of_the_living, name) != 0 && is_dead(arguments[0].word)) {
    differ(scenario::print(invoke.results),
           fmt::format("{} is dead: another process does that", arguments[0].word));
    return Answer{};
  }
  if (name == "exit" || name == "exec") {
    const std::string process = process_of(arguments[0].word);
    thread.release = true;
    const auto old = names_.process(process);
    if (name == "exec") {
      thread_counts_[process] = 1;  // the other threads end
      const u64 next = subject_.create_process();
      names_.set_process(process, next);
      for (const auto& [other, its] : threads_of_) {
        if (its == process) names_.set_process(other, next);
      }
    } else {
      thread_counts_[process] = 0;
    }
    return subject_.release(thread.number, old.value_or(0));
  }
  if (name == "thread") return add_thread(thread, process_of(arguments[0].word));
  if (name == "thread_end") {
    const std::string process = process_of(arguments[0].word);
    u32& count = thread_counts_[process];
    if (count > 0) --count;
    if (count > 0) return Answer{};
    thread.release = true;
    return subject_.release(thread.number, names_.process(process).value_or(0));
  }
  if (name == "fork") {
    Answer answer;
    answer.observed.value = subject_.fork(names_.process(arguments[0].word).value_or(0));
    if (thread.result_name) {
      names_.set_process(*thread.result_name, answer.observed.value);
      thread_counts_[*thread.result_name] = 1;
      thread.result_name.reset();
    }
    return answer;
  }
  if (name == "remove") {
    const u32 device = world_.device(arguments[0].word);
    if (!removed_.insert(device).second) {
      differ(scenario::print(invoke.results), "the device is gone already");
      return Answer{};
    }
    if (!world_.devices[device].has_iommu()) return Answer{};  // no driver is told
    Answer answer = subject_.remove(device);
    // It is a fact, whatever its driver could not wait for. INTERFACE "Timeouts and removal".
    const bool late =
        answer.state == Answer::State::returned && answer.observed.status == Status::etimedout;
    const bool is_fact = std::ranges::any_of(
        invoke.results, [](const Value& result) { return result.is_word("ok"); });
    if (late && is_fact) answer.observed.status = Status::ok;
    return answer;
  }
  if (name == "recover") return subject_.recover();
  if (name == "page_reuse") {
    subject_.reuse_page(names_.value(arguments[0]).value_or(0), page_bytes);
    return Answer{};
  }
  if (name == "gpu_switch") {
    const bool back = arguments[1].is_word("master");
    subject_.switch_walker(world_.device(arguments[0].word),
                           back ? 0 : names_.value(arguments[1]).value_or(0));
    return Answer{};
  }
  if (name == "gpu_flush") {
    const u64 root = names_.value(arguments[0]).value_or(0);
    const spec::sva::Interface& interface = subject_.interface();
    std::vector<u32> walkers;
    interface.for_each_walker([&](u32 walker) {
      if (interface.table_of_walker(walker) == root) walkers.push_back(walker);
    });
    for (const u32 walker : walkers) subject_.flush_walker(walker);
    return Answer{};
  }
  if (name == "mm_exit_return") {
    // What a handler returns for "done" is ok, or 0.
    const bool done = arguments.size() < 3 ||
                      (arguments[2].kind == Value::Kind::number && arguments[2].number == 0);
    const Status status = done ? Status::ok : status_of(arguments[2].word).value_or(Status::einval);
    return subject_.handler_returns(world_.device(arguments[0].word),
                                    names_.pasid(arguments[1]).value_or(0), status);
  }
  if (name == "dma_state") {
    const auto at = accesses_.find(arguments[0].word);
    if (at == accesses_.end()) {
      needs_.push_back("dma_state");
      return Answer{};
    }
    const Access& access = at->second;
    const Reached now = access.waits == 0 ? access.reached : subject_.access_state(access.waits);
    Answer answer;
    answer.observed.value = now.pa;
    // What has met a fault, at once or made again, is terminated.
    const bool ended = !now.address && now.fault != "waiting";
    answer.word = ended ? "aborted" : now.fault;
    return answer;
  }
  return std::nullopt;
}

/// The process that a name stands for: its own, or that of one of its threads.
std::string Story::process_of(const std::string& name) const {
  const auto thread = threads_of_.find(name);
  return thread == threads_of_.end() ? name : thread->second;
}

/// It has exited, or its last thread has ended, or it began to: it does nothing any more.
bool Story::is_dead(const std::string& name) const {
  const auto threads = thread_counts_.find(process_of(name));
  return threads != thread_counts_.end() && threads->second == 0;
}

/// A further thread of the process, which has the same address space.
Answer Story::add_thread(Thread& thread, const std::string& process) {
  ++thread_counts_[process];
  Answer answer;
  answer.observed.value = names_.process(process).value_or(0);
  if (thread.result_name) {
    names_.set_process(*thread.result_name, answer.observed.value);
    threads_of_[*thread.result_name] = process;
    thread.result_name.reset();
  }
  return answer;
}

void Story::judge(Thread& thread, const scenario::Values& results) {
  if (stopped()) return;
  thread.answer.bits = thread.bits;
  const Answer& answer = thread.answer;
  if (answer.state == Answer::State::not_built) {
    needs_.push_back(scenario::print(*current_));
    return;
  }
  const UserWords* words = subject_.users() != nullptr ? &subject_.users()->words() : nullptr;
  if (!matches(results, answer, thread.kind, names_, words)) {
    if (is_another_choice(thread, results)) {
      look_for_troubles();
      if (failure_) return;
      needs_.push_back(fmt::format("{}; it answers {}, as it may", scenario::print(*current_),
                                   stories::text_of(answer, thread.kind, names_, words)));
      return;
    }
    std::string observed = stories::text_of(answer, thread.kind, names_, words);
    differ(results.empty() ? "success" : scenario::print(results), std::move(observed));
    if (!answer.permitted.empty()) {
      failure_->evidence.push_back("INTERFACE permits: " + answer.permitted);
    }
    return;
  }
  remember(thread);
}

/// The interface leaves the driver a choice, of which the scenario expects the one and the driver
/// has made the other: an error or none, or which one.
bool Story::is_another_choice(const Thread& thread, const scenario::Values& results) const {
  const Answer& answer = thread.answer;
  const Status status = answer.observed.status;
  const bool returned = answer.state == Answer::State::returned;
  if (!returned || !answer.choices || !answer.choices->has(status)) return false;
  std::vector<Status> expected = wanted_of(results, names_, thread.kind).errors;
  if (expected.empty() || expected.size() < results.size()) expected.push_back(Status::ok);
  return std::ranges::count(expected, status) == 0 &&
         std::ranges::any_of(expected, [&](Status one) { return answer.choices->has(one); });
}

/// The result under its name, once the call has returned.
void Story::remember(Thread& thread) {
  if (!thread.result_name || !succeeded(thread.answer)) return;
  names_.set(*thread.result_name, {thread.answer.observed.value, thread.kind});
  thread.result_name.reset();
}

/// n = 1, 2, …: the n-th allocation fails, and nothing is changed; until there are fewer.
void Story::each_allocation(Thread& thread, const Invoke& invoke) {
  const auto kind = kind_of(invoke.call.text).value_or(CallKind::domain_alloc);
  for (u32 n = 1; n <= allocations_max; ++n) {
    const std::string before = state();
    Wanted wanted = wanted_of(invoke.results, names_, kind);
    if (n > 1) {
      wanted = Wanted{};
      wanted.success = true;
    }
    Memory memory;
    memory.fail_at = n;
    thread.answer = make(thread, invoke, wanted, memory);
    if (stopped()) return;
    look_for_troubles();
    if (stopped()) return;
    // Without a failed allocation, and with one that it survives, its normal result.
    if (!thread.answer.allocation_failed || succeeded(thread.answer)) return judge(thread, {});
    judge(thread, invoke.results);
    if (stopped()) return;
    if (const std::string after = state(); after != before) {
      differ("the same state as before, its allocation " + std::to_string(n) + " failing",
             "another one");
      failure_->evidence.push_back("before: " + before);
      failure_->evidence.push_back("after: " + after);
      return;
    }
  }
  differ("a call that ends", fmt::format("more than {} allocations", allocations_max));
}

void Story::step(const scenario::Resume& resume) {
  Thread& thread = thread_of(current_->thread.text);
  if (thread.answer.state == Answer::State::blocked) thread.answer = subject_.poll(thread.number);
  judge(thread, resume.results);
}

// ---- maps of processes --------------------------------------------------------------------------

bool Story::change_map(const scenario::Change& change) {
  const u64 mm = names_.process(change.object.text).value_or(0);
  const u64 at = names_.value(change.at).value_or(0);
  switch (change.kind) {
    case scenario::Change::Kind::mmap: {
      const auto page = world_.pages.find(change.to->word);
      const bool whole = page != world_.pages.end() && !change.to->plus;
      const bool huge = whole && (page->second.bytes >> 21) != 0 && (at & 0x1fffff) == 0;
      return subject_.map(mm, at, names_.value(*change.to).value_or(0),
                          huge ? page->second.bytes : page_bytes, rights_of(change.prot));
    }
    case scenario::Change::Kind::munmap: return subject_.unmap(mm, at, page_bytes);
    case scenario::Change::Kind::mprotect:
      return subject_.protect(mm, at, page_bytes, rights_of(change.prot));
    case scenario::Change::Kind::upt:
    case scenario::Change::Kind::upt_clear:
      return change_user_table(change, rights_of(change.prot));
  }
  return false;
}

void Story::step(const scenario::Change& change) {
  if (current_->thread.text.empty()) troubles_.clear();
  const bool users = change.kind == scenario::Change::Kind::upt ||
                     change.kind == scenario::Change::Kind::upt_clear;
  if (!users && is_dead(change.object.text)) {
    return differ("the process's map to change",
                  change.object.text + " is dead, and has no map any more");
  }
  if (!change_map(change)) {
    differ("the process's map to change", "it cannot: nothing, or something else, is mapped there");
  }
}

// ---- races --------------------------------------------------------------------------------------

void Story::run_action(Thread& thread, const scenario::Action& action) {
  if (const auto* change = std::get_if<scenario::Change>(&action)) {
    thread.answer = {};
    change_map(*change);
    return;
  }
  const auto& invoke = std::get<Invoke>(action);
  Wanted wanted;
  wanted.anything = true;
  thread.answer = make(thread, invoke, wanted, {});
}

void Story::step(const scenario::Race& race) {
  troubles_.clear();
  Thread& one = thread_of(fmt::format("race {} first", races_));
  Thread& two = thread_of(fmt::format("race {} second", races_));
  const bool turned = ((orders_ >> races_) & 1) != 0;
  ++races_;
  run_action(turned ? two : one, turned ? race.second : race.first);
  run_action(turned ? one : two, turned ? race.first : race.second);
  for (Thread* thread : {&one, &two}) {
    if (stopped()) return;
    if (thread->answer.state == Answer::State::blocked) {
      thread->answer = subject_.poll(thread->number);
    }
    if (thread->answer.state == Answer::State::blocked && !permits_blocked(race.results)) {
      return differ(scenario::print(race.results), "blocked");
    }
    judge(*thread, race.results);
  }
}

}  // namespace iommucheck::oracle::stories
