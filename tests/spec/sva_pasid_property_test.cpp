// SPDX-License-Identifier: MIT
// Random calls and events on PASIDs and bonds against a literal model of maps and sets: permitted
// results, PASIDs that may be given, what each device meets at each number, and what is held.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_pasid_property_test {
namespace {

using namespace words;

constexpr u32 device_count = 4;  // 0, 1 on d; 2 on e; 3 on d, without PASIDs
constexpr u32 numbers_end = 8;   // three bits
constexpr u64 va = 0x400000;
constexpr std::array<u64, 3> mms{0xa1, 0xa2, 0xa3};

u64 page_of(u64 mm) { return 0x8000'0000 + mm * page; }

enum class Stage { living, owed, running, done, overdue, failed, silent };

struct ModelBond {
  u64 mm = 0;
  u64 word = 0;
  u32 refs = 1;
  bool further = false;
  Stage stage = Stage::living;
};

struct Model {
  std::map<std::pair<u32, u32>, ModelBond> bonds;  ///< by device and number
  std::set<u32> plain;
  std::map<u32, std::pair<u64, u32>> privates;  ///< number: handle, maker
  std::set<std::pair<u32, u32>> past;           ///< done, while others hold the number
  std::map<u32, u64> freed;                     ///< number: when
  std::map<u32, std::pair<u32, u32>> ranges;    ///< of initialised devices
  std::map<u32, bool> has_exit;
  std::set<u64> releasing;
  bool turns_lost = false;
  std::set<u64> dead;
  u64 time = 0;
  u64 next_handle = 0x100;

  [[nodiscard]] std::set<u32> held() const {
    std::set<u32> all = plain;
    for (const auto& [number, owner] : privates) all.insert(number);
    for (const auto& [key, bond] : bonds) all.insert(key.second);
    return all;
  }
  [[nodiscard]] std::optional<u32> shared(u64 mm) const {
    for (const auto& [key, bond] : bonds) {
      if (bond.mm == mm && !bond.further) return key.second;
    }
    return {};
  }
  /// What may be given, with the cyclic rule.
  [[nodiscard]] std::set<u32> givable(u32 first, u32 last) const {
    const std::set<u32> taken = held();
    std::set<u32> never, best;
    std::optional<u64> oldest;
    for (u32 number = first; number <= last; ++number) {
      if (taken.contains(number)) continue;
      if (!freed.contains(number)) {
        never.insert(number);
      } else if (!oldest || freed.at(number) <= *oldest) {
        if (oldest && freed.at(number) < *oldest) best.clear();
        oldest = freed.at(number);
        best.insert(number);
      }
    }
    return never.empty() ? best : never;
  }
  /// After a change: numbers that nobody holds any more are free from now on.
  void settle(const std::set<u32>& before) {
    const std::set<u32> after = held();
    for (const u32 number : before) {
      if (after.contains(number)) continue;
      // Of a process whose Release goes on nobody sees when: its turn is not judged.
      turns_lost |= !releasing.empty();
      freed[number] = time;
      std::erase_if(past, [&](const auto& key) { return key.second == number; });
    }
  }
};

struct Word {
  u64 rest;
  u64 take(u64 below) {
    const u64 value = rest % below;
    rest /= below;
    return value;
  }
};

class Runner {
 public:
  Runner() : state_(trail_, machine()) {
    for (const u64 handle : {d, e}) apply(alloc(), {.value = handle});
    for (u32 i = 0; i < device_count; ++i) apply(attach(domain(i), i), {});
    for (const u64 mm : mms) create(mm);
  }

  void step(u64 input) {
    Word word{input};
    const std::set<u32> before = model_.held();
    ++model_.time;
    switch (word.take(14)) {
      case 0: plain_alloc(word); break;
      case 1: plain_free(word); break;
      case 2: initialise(word); break;
      case 3:
      case 4:
      case 5: bind_one(word); break;
      case 6: unbind_one(word); break;
      case 7: unbind_many(word); break;
      case 8: make_private(word); break;
      case 9: drop_private(word); break;
      case 10: begin_release(word); break;
      case 11:
      case 12: handler(word); break;
      default: end_release(word); break;
    }
    model_.settle(before);
  }

  void compare() const {
    for (u32 device = 0; device < device_count; ++device) {
      for (u32 number = 0; number <= numbers_end; ++number) {
        RC_ASSERT(meets(device, number) == model_meets(device, number));
        const auto found = model_.bonds.find({device, number});
        const bool bound = found != model_.bonds.end();
        RC_ASSERT(state_.has_bond(device, number) == bound);
        const Permitted set = state_.permitted(drvdata(device, number), {});
        RC_ASSERT(set.has(Status::enoent) == !bound);
        if (bound) RC_ASSERT(set.permits({.value = found->second.word}));
      }
    }
    const Held held = state_.held();
    RC_ASSERT(held.pasids == model_.held().size());
    RC_ASSERT(held.bonds == model_.bonds.size());
    RC_ASSERT(held.io_mms == model_.privates.size());
    RC_ASSERT(held.doubtful_pasids == 0U);
  }

  [[nodiscard]] std::string dump() const { return state_.dump_with_history(); }
  [[nodiscard]] Trail::Mark mark() const { return trail_.mark(); }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const std::map<u64, Ticket>& tickets() const { return releases_; }
  void undo(Trail::Mark mark, const Model& model, const std::map<u64, Ticket>& tickets) {
    trail_.undo_to(mark);
    model_ = model;
    releases_ = tickets;
  }

 private:
  static Machine machine() {
    Machine result;
    result.ssid_bits = 5;
    for (u32 i = 0; i < device_count; ++i) {
      result.devices.push_back({.stream_ids = {i + 1}, .ssid_bits = i == 3 ? 0U : 3U});
    }
    return result;
  }
  static u64 domain(u32 device) { return device == 2 ? e : d; }

  void apply(const Call& call, const Observed& observed) {
    const Verdict verdict = state_.apply(call, observed);
    RC_ASSERT(verdict.ok);
  }
  void create(u64 mm) {
    RC_ASSERT(state_.process_created(mm));
    RC_ASSERT(state_.process_maps(mm, va, page, page_of(mm), rw));
  }

  [[nodiscard]] std::set<std::string> meets(u32 device, u32 number) const {
    const Alternatives all = state_.expected_during(device, substream(number), va);
    std::set<std::string> set;
    for (u32 i = 0; i < all.count; ++i) {
      const Promise& promise = all.promises[i];
      set.insert(promise.state == State::mapped     ? hex(promise.pa)
                 : promise.state == State::unmapped ? "unmapped"
                 : promise.state == State::quiet    ? "quiet"
                                                    : "nothing");
    }
    return set;
  }

  /// By the domain that the device is on: what its table holds.
  [[nodiscard]] std::set<std::string> model_meets(u32 device, u32 number) const {
    if (device == 3) return {"nothing"};
    if (const auto own = model_.privates.find(number); own != model_.privates.end()) {
      if (domain(own->second.second) == domain(device)) return {"unmapped"};
      return {"nothing"};
    }
    std::set<Stage> stages;
    bool past = false;
    u64 mm = 0;
    for (const auto& [key, bond] : model_.bonds) {
      if (key.second != number || domain(key.first) != domain(device)) continue;
      stages.insert(bond.stage);
      mm = bond.mm;
    }
    for (const auto& key : model_.past) {
      past |= key.second == number && domain(key.first) == domain(device);
    }
    if (stages.empty()) {
      if (past) return {"nothing", "quiet"};
      return {"nothing"};
    }
    if (stages.contains(Stage::living)) return {hex(page_of(mm))};
    if (!model_.releasing.contains(mm)) return {"quiet"};
    if (stages == std::set{Stage::done}) return {hex(page_of(mm)), "quiet", "nothing"};
    return {hex(page_of(mm)), "quiet"};
  }

  /// The statuses are exactly these; numbers exactly those where success gives one.
  void exactly(const Call& call, const std::set<Status>& statuses,
               const std::set<u32>* numbers = nullptr) {
    const Permitted set = state_.permitted(call, {});
    for (const Status status :
         {Status::ok, Status::einval, Status::enodev, Status::enospc, Status::erange, Status::esrch,
          Status::eexist, Status::ebusy, Status::edeadlk, Status::enoent, Status::enomem}) {
      RC_ASSERT(set.has(status) == statuses.contains(status));
    }
    if (numbers == nullptr || !statuses.contains(Status::ok)) return;
    const std::string before = dump();
    for (u32 number = 0; number <= 2 * numbers_end; ++number) {
      const Trail::Mark mark = trail_.mark();
      const bool makes_private = call.kind == CallKind::sva_alloc_pasid;
      Observed observed{.value = number};
      if (makes_private) observed = {.value = 0x9999, .pasid = number};
      const Verdict verdict = state_.apply(call, observed);
      const bool wanted = numbers->contains(number);
      const bool out_of_turn = model_.turns_lost && !model_.held().contains(number);
      RC_ASSERT(verdict.ok == wanted || (verdict.ok && out_of_turn));
      if (!verdict.ok) {
        // Out of turn it is given all the same.
        RC_ASSERT((dump() == before) == (verdict.rule != rule::PASID_CYCLIC));
        if (model_.held().contains(number) && number < numbers_end) {
          RC_ASSERT(verdict.rule == rule::PASID_REUSE || verdict.rule == rule::RESULT_EXACT);
        }
      }
      trail_.undo_to(mark);
    }
  }
  static u32 one_of(const std::set<u32>& set, Word& word) {
    auto at = set.begin();
    for (u64 skip = word.take(set.size()); skip != 0; --skip) ++at;
    return *at;
  }

  void plain_alloc(Word& word) {
    const auto min = static_cast<u32>(word.take(4));
    const u32 max = min + static_cast<u32>(word.take(4));
    const Call call = pasid_alloc(min, max);
    if (max == 0) return;  // no limit
    const u32 first = std::max(min, 1U);
    const std::set<u32> numbers = model_.givable(first, max);
    exactly(call, {numbers.empty() ? Status::enospc : Status::ok}, &numbers);
    if (numbers.empty()) return;
    const u32 number = one_of(numbers, word);
    apply(call, {.value = number});
    model_.plain.insert(number);
  }
  void plain_free(Word& word) {
    const auto number = static_cast<u32>(word.take(numbers_end));
    const bool held = model_.plain.contains(number);
    exactly(pasid_free(number), {held ? Status::ok : Status::einval});
    apply(pasid_free(number), {.status = held ? Status::ok : Status::einval});
    model_.plain.erase(number);
  }

  void initialise(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const auto min = static_cast<u32>(word.take(9));
    const u32 max = min + static_cast<u32>(word.take(6));
    const bool mm_exit = word.take(3) != 0;
    const Call call = init(device, privates, min, max, mm_exit);
    std::set<Status> statuses;
    if (device == 3) statuses.insert(Status::enodev);
    if (model_.ranges.contains(device)) statuses.insert(Status::eexist);
    if (device != 3 && min >= numbers_end) statuses.insert(Status::einval);
    if (statuses.empty()) statuses.insert(Status::ok);
    if (max == 0) return;
    exactly(call, statuses);
    if (!statuses.contains(Status::ok)) return;
    apply(call, {});
    model_.ranges[device] = {std::max(min, 1U), std::min(max, numbers_end - 1)};
    model_.has_exit[device] = mm_exit;
  }

  void bind_one(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const u64 mm = mms[word.take(mms.size())];
    const bool is_further = word.take(4) == 0;
    const Call call = bind(device, mm, model_.time, is_further ? further : 0);
    const bool ready = model_.ranges.contains(device);
    const bool dies = model_.releasing.contains(mm) || model_.dead.contains(mm);
    std::set<Status> statuses;
    if (!ready) statuses.insert(Status::einval);
    if (dies) statuses.insert(Status::esrch);
    std::set<u32> numbers;
    if (ready && !dies) {
      const auto [first, last] = model_.ranges.at(device);
      const std::optional<u32> shared = is_further ? std::nullopt : model_.shared(mm);
      if (!shared) {
        numbers = model_.givable(first, last);
      } else if (first <= *shared && *shared <= last) {
        numbers = {*shared};
      }
      statuses.insert(!numbers.empty() ? Status::ok : shared ? Status::erange : Status::enospc);
    }
    exactly(call, statuses, &numbers);
    if (numbers.empty()) return;
    const u32 number = one_of(numbers, word);
    const Ticket ticket = state_.begin_call(call);
    const std::set<std::string> during = meets(device, number);
    for (const std::string& outcome : model_meets(device, number)) {
      RC_ASSERT(during.contains(outcome));
    }
    RC_ASSERT(during.contains(hex(page_of(mm))));
    RC_ASSERT(state_.end_call(ticket, call, {.value = number}).ok);
    const auto [at, is_new] = model_.bonds.try_emplace(
        {device, number}, ModelBond{.mm = mm, .word = model_.time, .further = is_further});
    if (!is_new) ++at->second.refs;
  }

  [[nodiscard]] bool runs(u32 device, u32 number) const {
    const auto found = model_.bonds.find({device, number});
    return found != model_.bonds.end() && found->second.stage == Stage::running;
  }

  void unbind_one(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const auto number = static_cast<u32>(word.take(numbers_end));
    const auto found = model_.bonds.find({device, number});
    const bool bound = found != model_.bonds.end();
    const Call call = unbind(device, number);
    exactly(call, {bound ? Status::ok : Status::einval});
    if (!bound) return;
    if (runs(device, number)) {
      RC_ASSERT(state_.apply(call, {}).rule == rule::EXIT_WAITS);
      exactly(inside(call, device, number), {Status::edeadlk});
      return;
    }
    apply(call, {});
    if (--found->second.refs == 0) model_.bonds.erase(found);
  }

  void unbind_many(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const bool is_shutdown = word.take(2) != 0;
    const Call call = is_shutdown ? shutdown(device) : unbind_all(device);
    const bool ready = model_.ranges.contains(device) || !is_shutdown;
    exactly(call, {ready ? Status::ok : Status::einval});
    if (!ready) return;
    bool waits = false;
    for (u32 number = 0; number < numbers_end; ++number) waits |= runs(device, number);
    if (waits) {
      RC_ASSERT(state_.apply(call, {}).rule == rule::EXIT_WAITS);
      return;
    }
    apply(call, {});
    std::erase_if(model_.bonds, [&](const auto& entry) { return entry.first.first == device; });
    std::erase_if(model_.privates,
                  [&](const auto& entry) { return entry.second.second == device; });
    if (is_shutdown) model_.ranges.erase(device);
  }

  void make_private(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const Call call = alloc_private(domain(device), device);
    if (!model_.ranges.contains(device)) {
      exactly(call, {Status::einval});
      return;
    }
    const auto [first, last] = model_.ranges.at(device);
    const std::set<u32> numbers = model_.givable(first, last);
    exactly(call, {numbers.empty() ? Status::enospc : Status::ok}, &numbers);
    if (numbers.empty()) return;
    const u32 number = one_of(numbers, word);
    apply(call, {.value = model_.next_handle, .pasid = number});
    RC_ASSERT(state_.permitted(get_pasid(model_.next_handle), {}).permits({.value = number}));
    model_.privates[number] = {model_.next_handle++, device};
  }
  void drop_private(Word& word) {
    if (model_.privates.empty()) return;
    auto at = model_.privates.begin();
    for (u64 skip = word.take(model_.privates.size()); skip != 0; --skip) ++at;
    const auto [handle, maker] = at->second;
    const u64 other = domain(maker) == d ? e : d;
    exactly(free_private(other, handle), {Status::einval});
    exactly(free_private(domain(maker), handle), {Status::ok});
    apply(free_private(domain(maker), handle), {});
    RC_ASSERT(!state_.caller_may(get_pasid(handle)));
    model_.privates.erase(at);
  }

  void begin_release(Word& word) {
    const u64 mm = mms[word.take(mms.size())];
    if (model_.dead.contains(mm)) {  // somebody else's number from now on
      for (const auto& [key, bond] : model_.bonds) {
        if (bond.mm == mm) return;
      }
      RC_ASSERT(state_.process_gone(mm));
      create(mm);
      model_.dead.erase(mm);
      return;
    }
    if (model_.releasing.contains(mm)) return;
    releases_[mm] = state_.release_begins(mm);
    model_.releasing.insert(mm);
    for (auto& [key, bond] : model_.bonds) {
      if (bond.mm == mm) bond.stage = model_.has_exit.at(key.first) ? Stage::owed : Stage::silent;
    }
  }

  void handler(Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const auto number = static_cast<u32>(word.take(numbers_end));
    const auto found = model_.bonds.find({device, number});
    const u64 what = word.take(6);
    if (what < 3) {
      const bool owed = found != model_.bonds.end() && found->second.stage == Stage::owed;
      const u64 data = found == model_.bonds.end() ? 0 : found->second.word;
      RC_ASSERT(!state_.handler_called(device, number, data + 1).ok);
      RC_ASSERT(state_.handler_called(device, number, data).ok == owed);
      if (owed) found->second.stage = Stage::running;
      return;
    }
    if (found == model_.bonds.end()) return;
    const bool running = found->second.stage == Stage::running;
    const bool overdue = found->second.stage == Stage::overdue;
    if (what == 3) {
      RC_ASSERT(state_.bound_passes(device, number).blames_caller == running);
      if (running) found->second.stage = Stage::overdue;
    } else if (running || overdue) {
      const bool done = what == 4;
      RC_ASSERT(state_.handler_returned(device, number, done ? Status::ok : Status::eio).ok);
      found->second.stage = done ? Stage::done : Stage::failed;
      if (done && !model_.releasing.contains(found->second.mm)) {
        model_.past.insert(found->first);
        model_.bonds.erase(found);
      }
    }
  }

  void end_release(Word& word) {
    const u64 mm = mms[word.take(mms.size())];
    if (!model_.releasing.contains(mm)) return;
    bool left = false;
    for (const auto& [key, bond] : model_.bonds) {
      left |= bond.mm == mm && (bond.stage == Stage::owed || bond.stage == Stage::running);
    }
    RC_ASSERT(state_.may_end(releases_.at(mm)) == !left);
    if (left) {
      const Trail::Mark mark = trail_.mark();
      RC_ASSERT(!state_.release_ends(releases_.at(mm)).ok);
      trail_.undo_to(mark);
      return;
    }
    RC_ASSERT(state_.release_ends(releases_.at(mm)).ok);
    releases_.erase(mm);
    model_.releasing.erase(mm);
    model_.dead.insert(mm);
    for (auto at = model_.bonds.begin(); at != model_.bonds.end();) {
      const bool done = at->second.mm == mm && at->second.stage == Stage::done;
      if (done) model_.past.insert(at->first);
      at = done ? model_.bonds.erase(at) : std::next(at);
    }
  }

  Trail trail_;
  Interface state_;
  Model model_;
  std::map<u64, Ticket> releases_;
};

const auto inputs = rc::gen::container<std::vector<u64>>(rc::gen::inRange<u64>(0, u64{1} << 60));

RC_GTEST_PROP(SvaPasidProperty, agrees_with_a_model_of_sets, ()) {
  Runner runner;
  for (const u64 input : *inputs) {
    runner.step(input);
    runner.compare();
  }
}

RC_GTEST_PROP(SvaPasidProperty, undo_restores_exactly, ()) {
  Runner runner;
  for (const u64 input : *inputs) runner.step(input);
  const Trail::Mark mark = runner.mark();
  const std::string before = runner.dump();
  const Model model = runner.model();
  const std::map<u64, Ticket> tickets = runner.tickets();
  const auto later = *inputs;
  for (const u64 input : later) runner.step(input);
  const std::string after = runner.dump();
  runner.undo(mark, model, tickets);
  RC_ASSERT(runner.dump() == before);
  runner.compare();
  for (const u64 input : later) runner.step(input);
  RC_ASSERT(runner.dump() == after);
}

// Long ones reach exits with several devices.
TEST(SvaPasidProperty, long_sequences) {
  u64 seed = 0x9e3779b97f4a7c15;
  const auto next = [&] {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed >> 4;
  };
  const bool holds = rc::check([&] {
    Runner runner;
    for (int i = 0; i < 150; ++i) {
      runner.step(next());
      runner.compare();
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_pasid_property_test
