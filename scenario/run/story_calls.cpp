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
/// has made the other: an error or none, or which one; how far an unmap goes, what is marked.
bool Story::is_another_choice(const Thread& thread, const scenario::Values& results) const {
  const Answer& answer = thread.answer;
  const Status status = answer.observed.status;
  const bool returned = answer.state == Answer::State::returned;
  if (!returned || !answer.choices || !answer.choices->has(status)) return false;
  if (status == Status::ok && answer.wanted_is_permitted) return true;
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
