// SPDX-License-Identifier: MIT
#include "check/parts.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <map>

#include "base/clock.h"
#include "base/message.h"
#include "check/merge.h"
#include "process/lanes.h"

namespace iommucheck::oracle {

namespace {

// ---- a part as bytes ----------------------------------------------------------------------------

constexpr u64 is_error = 0, is_part = 1;

}  // namespace

std::string encode(const Expected<Part>& part) {
  MessageWriter out;
  if (!part) {
    out.number(is_error);
    out.number(static_cast<u64>(part.error().code));
    out.text(part.error().message);
    return out.take();
  }
  out.number(is_part);
  out.plain(part->tally);
  out.number(part->next);
  const CheckResult& result = part->result;
  out.text(result.driver_name);
  out.number(result.stopped ? 1 : 0);
  out.text(result.ended_early);
  out.number(result.findings.size());
  for (const Violation& violation : result.findings) out.text(encode(violation));
  out.number(result.gave_up.size());
  for (const GaveUp& gave_up : result.gave_up) out.text(encode(gave_up));
  out.number(result.environment.size());
  for (const std::string& trouble : result.environment) out.text(trouble);
  out.plain(part->novel);
  return out.take();
}

Expected<Part> decode_part(std::string_view bytes) {
  const auto damaged = [] {
    return fail(ErrorCode::environment, "what a process of the run left cannot be read");
  };
  MessageReader in(bytes);
  if (in.number() == is_error) {
    const u64 code = in.number();
    const std::string_view message = in.text();
    if (!in.whole()) return damaged();
    return fail(static_cast<ErrorCode>(code), std::string(message));
  }
  Part part;
  in.plain(part.tally);
  part.next = in.number();
  CheckResult& result = part.result;
  result.driver_name = in.text();
  result.stopped = in.number() != 0;
  result.ended_early = in.text();
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    auto violation = decode_violation(in.text());
    if (!violation) return damaged();
    result.findings.push_back(std::move(*violation));
  }
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    auto gave_up = decode_gave_up(in.text());
    if (!gave_up) return damaged();
    result.gave_up.push_back(std::move(*gave_up));
  }
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    result.environment.emplace_back(in.text());
  }
  in.plain(part.novel);
  if (!in.whole()) return damaged();
  return part;
}

// ---- one after the other, or side by side -------------------------------------------------------

namespace {

static_assert(CheckOptions::jobs_max == Lanes::lanes_max);

/// Numbers of the sequences so far, for who watches.
enum Counter : std::size_t { sequences, calls, outcomes, counters };

class Run {
 public:
  Run(const CheckOptions& options, const RunPart& run)
      : options_(options), run_(run), merge_(options) {}

  Expected<CheckResult> in_turn() {
    while (const auto part = merge_.options_of(merge_.next(), merge_.told(), gone())) {
      if (!take_again(*part) || merge_.stopped()) break;
    }
    return merge_.result(gone());
  }

  Expected<CheckResult> side_by_side();
  [[nodiscard]] bool parts_are_one() const { return merge_.is_one_part(); }

 private:
  /// A part that another process runs.
  struct Ran {
    std::vector<Violation> early;  // findings while it is on its way
    std::optional<Expected<Part>> part;
    std::size_t told_then = 0;
  };
  /// What a message begins with.
  struct Head {
    u64 number = 0;
    u64 told_then = 0;
    u64 is_finding = 0;  // else it is the part
  };

  [[nodiscard]] double gone() const { return seconds_since(started_); }
  bool take_again(CheckOptions part) {
    const Tally before = merge_.tally();
    part.progress = [&](const CheckProgress& now) {
      show(before.sequences + now.sequences, before.calls + now.calls,
           before.outcomes + now.outcomes);
    };
    part.found = [&](const Violation& violation) { merge_.tell(violation); };
    return merge_.take(run_(part));
  }
  void show(u64 sequences_done, u64 calls_done, u64 outcomes_done) {
    if (!options_.progress) return;
    CheckProgress now{.sequences = sequences_done,
                      .calls = calls_done,
                      .outcomes = outcomes_done,
                      .findings = merge_.told().size()};
    now.seconds = gone();
    now.fraction_done = fraction_done(options_, now.sequences, now.seconds);
    options_.progress(now);
  }
  [[nodiscard]] bool is_asked_to_stop() const { return options_.stop && options_.stop(); }
  void be_a_lane(Lane& lane);
  void receive(const std::string& message);
  bool take_what_is_due(Lanes& lanes);

  const CheckOptions& options_;
  const RunPart& run_;
  Merge merge_;
  Clock::time_point started_ = Clock::now();
  std::map<u64, Ran> waiting_;  // parts whose turn has not come
  std::size_t told_ = 0;        // of the findings so far, to the lanes
};

/// In a process of its own: parts as long as there are any.
void Run::be_a_lane(Lane& lane) {
  u64 done[counters] = {};
  for (;;) {
    std::vector<u64> told = lane.told();
    const std::size_t told_then = told.size();
    const u64 number = lane.take_number();
    auto part = merge_.options_of(number, std::move(told), gone());
    const auto stops = [&] { return lane.is_to_stop() || is_asked_to_stop(); };
    if (!part || stops()) return;
    part->stop = stops;
    part->progress = [&](const CheckProgress& now) {
      lane.counter(sequences) = done[sequences] + now.sequences;
      lane.counter(calls) = done[calls] + now.calls;
      lane.counter(outcomes) = done[outcomes] + now.outcomes;
    };
    const auto send = [&](bool is_finding, const std::string& bytes) {
      const Head head{number, told_then, is_finding ? 1U : 0U};
      std::string message(sizeof head, '\0');
      std::memcpy(message.data(), &head, sizeof head);
      lane.send(message + bytes);
    };
    part->found = [&](const Violation& violation) { send(true, encode(violation)); };
    const Expected<Part> ran = run_(*part);
    for (std::size_t i = 0; i < counters; ++i) done[i] = lane.counter(i);
    send(false, encode(ran));
  }
}

void Run::receive(const std::string& message) {
  Head head;
  if (message.size() < sizeof head) return;
  std::memcpy(&head, message.data(), sizeof head);
  const std::string_view bytes = std::string_view(message).substr(sizeof head);
  Ran& ran = waiting_[head.number];
  ran.told_then = static_cast<std::size_t>(head.told_then);
  if (head.is_finding == 0) {
    ran.part = decode_part(bytes);
  } else if (auto violation = decode_violation(bytes)) {
    ran.early.push_back(std::move(*violation));
  }
}

/// True to go on.
bool Run::take_what_is_due(Lanes& lanes) {
  for (auto due = waiting_.find(merge_.next()); due != waiting_.end();
       due = waiting_.find(merge_.next())) {
    Ran& ran = due->second;
    if (ran.told_then == merge_.told().size()) {
      for (Violation& violation : ran.early) merge_.tell(std::move(violation));
    }
    ran.early.clear();
    if (!ran.part) return true;
    bool more = false;
    if (merge_.fits(*ran.part, ran.told_then)) {
      more = merge_.take(std::move(*ran.part));
    } else if (const auto part = merge_.options_of(merge_.next(), merge_.told(), gone())) {
      merge_.forget_files();
      more = take_again(*part);  // as it is behind the parts before
    }
    waiting_.erase(due);
    for (; told_ < merge_.told().size(); ++told_) lanes.tell(merge_.told()[told_]);
    if (!more) return false;
  }
  return true;
}

Expected<CheckResult> Run::side_by_side() {
  auto lanes = Lanes::start(options_.jobs, merge_.next(), [this](Lane& lane) { be_a_lane(lane); });
  if (!lanes) return std::unexpected(std::move(lanes.error()));
  bool more = true;
  while (more) {
    if (is_asked_to_stop()) lanes->ask_to_stop();
    auto messages = lanes->wait(0.05);
    if (!messages) break;  // all have come to their end
    for (const std::string& message : *messages) receive(message);
    more = take_what_is_due(*lanes);
    show(lanes->sum(sequences), lanes->sum(calls), lanes->sum(outcomes));
  }
  lanes->ask_to_stop();
  // Of a run that was stopped or whose time was over nothing is lost: parts behind a gap, too.
  std::erase_if(waiting_, [](const auto& one) { return !one.second.part; });
  while (more && !waiting_.empty()) {
    merge_.skip_to(waiting_.begin()->first);
    more = take_what_is_due(*lanes);
  }
  for (const std::string& death : lanes->end()) {
    if (more) (void)merge_.take(fail(ErrorCode::environment, death));
  }
  if (more && is_asked_to_stop()) merge_.stop(gone());
  return merge_.result(gone());
}

}  // namespace

Expected<CheckResult> run_parts(const CheckOptions& options, const RunPart& run) {
  Run all(options, run);
  return options.jobs == 1 || all.parts_are_one() ? all.in_turn() : all.side_by_side();
}

}  // namespace iommucheck::oracle
