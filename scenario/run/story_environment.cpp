// SPDX-License-Identifier: MIT
// Calls of the environment: processes, devices that go, walkers, handlers that return.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenario/format/print.h"
#include "scenario/run/story.h"

namespace iommucheck::oracle::stories {

using scenario::Invoke;
using scenario::Value;
using spec::sva::CallKind;
using spec::sva::Status;

namespace {

constexpr u64 reused_bytes = 0x1000;

}  // namespace

/// One of them, made by a thread.
struct Story::Environment {
  using Function = Answer (Environment::*)();
  struct Call {
    std::string_view name;
    Function function;
    bool of_the_living = false;  ///< its first argument is a process, which does it itself
  };
  static const Call calls[];

  Story& story;
  Thread& thread;
  const Invoke& invoke;

  [[nodiscard]] const std::string& word(std::size_t i) const { return invoke.arguments[i].word; }
  [[nodiscard]] u64 value(std::size_t i) const {
    return story.names_.value(invoke.arguments[i]).value_or(0);
  }
  [[nodiscard]] u32 device() const { return story.world_.device(word(0)); }
  [[nodiscard]] std::string process() const { return story.process_of(word(0)); }
  Answer differs(std::string observed) {
    story.differ(scenario::print(invoke.results), std::move(observed));
    return {};
  }
  Answer is_released(std::optional<u64> mm) {
    return story.subject_.release(thread.number, mm.value_or(0));
  }
  void take_result(u64 mm);

  Answer exit();
  Answer exec();
  Answer fork();
  Answer add_thread();
  Answer end_thread();
  Answer remove();
  Answer recover() { return story.subject_.recover(); }
  Answer reuse_page();
  Answer switch_walker();
  Answer flush_walkers();
  Answer return_from_handler();
  Answer state_of_dma();
};

const Story::Environment::Call Story::Environment::calls[] = {
    {"exit", &Environment::exit, true},
    {"exec", &Environment::exec, true},
    {"fork", &Environment::fork, true},
    {"thread", &Environment::add_thread, true},
    {"thread_end", &Environment::end_thread, true},
    {"remove", &Environment::remove},
    {"recover", &Environment::recover},
    {"page_reuse", &Environment::reuse_page},
    {"gpu_switch", &Environment::switch_walker},
    {"gpu_flush", &Environment::flush_walkers},
    {"mm_exit_return", &Environment::return_from_handler},
    {"dma_state", &Environment::state_of_dma}};

/// nullopt for those of the interface.
std::optional<Answer> Story::environment(Thread& thread, const Invoke& invoke) {
  thread.kind = CallKind::domain_free;  // a call that has no value
  const auto* call =
      std::ranges::find(Environment::calls, invoke.call.text, &Environment::Call::name);
  if (call == std::end(Environment::calls)) return std::nullopt;
  Environment its{.story = *this, .thread = thread, .invoke = invoke};
  if (call->of_the_living && is_dead(its.word(0))) {
    return its.differs(fmt::format("{} is dead: another process does that", its.word(0)));
  }
  return (its.*call->function)();
}

// ---- processes and their threads ----------------------------------------------------------------

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

Answer Story::Environment::exit() {
  thread.release = true;
  story.thread_counts_[process()] = 0;
  return is_released(story.names_.process(process()));
}

Answer Story::Environment::exec() {
  thread.release = true;
  const std::string its = process();
  const auto old = story.names_.process(its);
  story.thread_counts_[its] = 1;  // the other threads end
  const u64 next = story.subject_.create_process();
  story.names_.set_process(its, next);
  for (const auto& [other, of] : story.threads_of_) {
    if (of == its) story.names_.set_process(other, next);
  }
  return is_released(old);
}

/// The result is the name of an address space.
void Story::Environment::take_result(u64 mm) {
  story.names_.set_process(*thread.result_name, mm);
  thread.result_name.reset();
}

Answer Story::Environment::fork() {
  Answer answer;
  answer.observed.value = story.subject_.fork(story.names_.process(word(0)).value_or(0));
  if (thread.result_name) {
    story.thread_counts_[*thread.result_name] = 1;
    take_result(answer.observed.value);
  }
  return answer;
}

/// A further thread of the process, which has the same address space.
Answer Story::Environment::add_thread() {
  ++story.thread_counts_[process()];
  Answer answer;
  answer.observed.value = story.names_.process(process()).value_or(0);
  if (thread.result_name) {
    story.threads_of_[*thread.result_name] = process();
    take_result(answer.observed.value);
  }
  return answer;
}

Answer Story::Environment::end_thread() {
  u32& count = story.thread_counts_[process()];
  if (count > 0) --count;
  if (count > 0) return {};
  thread.release = true;
  return is_released(story.names_.process(process()));
}

Answer Story::Environment::return_from_handler() {
  // What a handler returns for "done" is ok, or 0.
  const scenario::Values& arguments = invoke.arguments;
  const bool done = arguments.size() < 3 ||
                    (arguments[2].kind == Value::Kind::number && arguments[2].number == 0);
  const Status status = done ? Status::ok : status_of(arguments[2].word).value_or(Status::einval);
  return story.subject_.handler_returns(device(), story.names_.pasid(arguments[1]).value_or(0),
                                        status);
}

// ---- devices, memory and walkers ----------------------------------------------------------------

Answer Story::Environment::remove() {
  if (!story.removed_.insert(device()).second) return differs("the device is gone already");
  if (!story.world_.devices[device()].has_iommu()) return {};  // no driver is told
  Answer answer = story.subject_.remove(device());
  // It is a fact, whatever its driver could not wait for. INTERFACE "Timeouts and removal".
  const bool late =
      answer.state == Answer::State::returned && answer.observed.status == Status::etimedout;
  const bool is_fact =
      std::ranges::any_of(invoke.results, [](const Value& result) { return result.is_word("ok"); });
  if (late && is_fact) answer.observed.status = Status::ok;
  return answer;
}

Answer Story::Environment::reuse_page() {
  story.subject_.reuse_page(value(0), reused_bytes);
  return {};
}

Answer Story::Environment::switch_walker() {
  const bool back = invoke.arguments[1].is_word("master");
  story.subject_.switch_walker(device(), back ? 0 : value(1));
  return {};
}

/// Those that walk the table.
Answer Story::Environment::flush_walkers() {
  const u64 root = value(0);
  const spec::sva::Interface& interface = story.subject_.interface();
  std::vector<u32> walkers;
  interface.for_each_walker([&](u32 walker) {
    if (interface.table_of_walker(walker) == root) walkers.push_back(walker);
  });
  for (const u32 walker : walkers) story.subject_.flush_walker(walker);
  return {};
}

Answer Story::Environment::state_of_dma() {
  const auto at = story.accesses_.find(word(0));
  if (at == story.accesses_.end()) {
    story.needs_.push_back("dma_state");
    return {};
  }
  const Access& access = at->second;
  const Reached now =
      access.waits == 0 ? access.reached : story.subject_.access_state(access.waits);
  Answer answer;
  answer.observed.value = now.pa;
  // What has met a fault, at once or made again, is terminated.
  const bool ended = !now.address && now.fault != "waiting";
  answer.word = ended ? "aborted" : now.fault;
  return answer;
}

}  // namespace iommucheck::oracle::stories
