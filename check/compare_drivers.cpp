// SPDX-License-Identifier: MIT
#include "check/compare_drivers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/message.h"
#include "check/alone.h"
#include "check/case_source.h"
#include "check/shrink.h"
#include "process/isolate.h"
#include "report/finding_text.h"
#include "trace/json.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

/// Calls of which the value is no number of the driver's choice.
bool value_counts(CallKind kind) {
  switch (kind) {
    case CallKind::map_sg:
    case CallKind::sva_map_sg:
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::sva_unmap:
    case CallKind::sva_unmap_fast:
    case CallKind::task_unmap:
    case CallKind::iova_to_phys:
    case CallKind::sva_iova_to_phys:
    case CallKind::sva_drvdata: return true;
    default: return false;
  }
}

std::string answer_text(const Call& call, const Observed& observed, bool waits) {
  if (waits) return "it waits";
  std::string text = spec::sva::status_text(observed.status);
  if (value_counts(call.kind)) return text + fmt::format(", {:#x}", observed.value);
  return text;
}

std::string facts_text(const spec::sva::DomainFacts& facts) {
  return fmt::format("{} input bits, {} output bits, pages {:#x}", facts.input_bits,
                     facts.output_bits, facts.page_sizes);
}

/// An answer without its numbers.
struct AnswerKind {
  bool waits = false;
  Status status{};
  friend bool operator==(const AnswerKind&, const AnswerKind&) = default;
};

/// What was seen of a driver at a call.
struct Step {
  Call call;
  std::string text;  // of the call
  std::string answer;
  AnswerKind answered;
  spec::sva::DomainFacts facts;
  std::vector<Lockstep::Reach> reach;
  std::optional<spec::Rule> rule;  // that is broken
  std::string broken;              // and how
};

/// Whether both got the same call, numbers of their own choice aside.
bool same_call(const Call& a, const Call& b) {
  return a.kind == b.kind && a.device == b.device && a.iova == b.iova && a.pa == b.pa &&
         a.size == b.size && a.prot == b.prot && a.mm == b.mm && a.flags == b.flags &&
         a.domain_kind == b.domain_kind && a.input_bits == b.input_bits;
}

/// Without groups that nobody named: one of them may take devices for themselves. Nor left on by
/// anybody: one of them may not be for that.
Machine met(const MachinePlan& plan, u32 index) {
  MetBy both;
  both.not_claimed.add(Claim::groups);
  return plan.met(index, both);
}

/// A driver, booted on each machine that it has come by.
class Subject {
 public:
  explicit Subject(LoadedPlugin loaded, SharedReport& report)
      : loaded_(std::move(loaded)), driver_(loaded_.driver()), report_(report) {}

  iommucheck_driver& driver() { return driver_; }
  void aim_within(const spec::sva::DomainFacts& facts) { now_->lockstep->aim_within(facts); }

  /// False: it is not for the machine.
  Expected<bool> go_to(u32 number, const Machine& machine, const LockstepOptions& options) {
    if (grounds_.size() <= number) grounds_.resize(number + 1);
    Ground& ground = grounds_[number];
    now_ = &ground;
    if (ground.lockstep) return !ground.refused;
    LockstepOptions its = options;
    its.machine = machine;
    its.on_step = sign_of_life;
    its.step_context = &report_;
    if (loaded_.segments) {
      if (!first_) first_ = std::make_unique<Segments>(*loaded_.segments);
      first_->restore();
      ground.booted = std::make_unique<Segments>(*first_);
      its.segments = ground.booted.get();
    }
    ground.lockstep = std::make_unique<Lockstep>(driver_, its);
    const std::string failed = ground.lockstep->boot();
    ground.refused = !failed.empty() && ground.lockstep->refused();
    if (ground.refused) return false;
    if (!failed.empty()) {
      return fail(ErrorCode::bad_input,
                  fmt::format("the driver {} does not come up: {}", driver_.name, failed));
    }
    ground.lockstep->on_operation(
        [](void* context, u32) { static_cast<Subject*>(context)->between_operations(); }, this);
    return true;
  }

  /// All its steps, up to the one that broke a rule.
  std::vector<Step> run(std::span<const fuzz::Operation> operations) {
    steps_.clear();
    Lockstep& lockstep = *now_->lockstep;
    lockstep.on_call([&](const Call& call, const Observed& observed, bool waits) {
      Step step;
      step.call = call;
      step.text = call_text(call);
      step.answer = answer_text(call, observed, waits);
      step.answered = {waits, waits ? Status{} : observed.status};
      step.facts = observed.facts;
      spec::sva::CallLists().give(step.call);
      const Monitor& monitor = lockstep.monitor();
      if (!monitor.findings().empty()) breaks(step, monitor);
      steps_.push_back(std::move(step));
    });
    lockstep.run(operations, {});
    lockstep.on_call({});
    between_operations();
    // Broken behind the call: by an access, an interrupt, or at the end.
    const Monitor& monitor = lockstep.monitor();
    if (!steps_.empty() && steps_.back().broken.empty() && !monitor.findings().empty()) {
      breaks(steps_.back(), monitor);
    }
    return std::move(steps_);
  }

 private:
  /// What the last call of an operation has left is asked when its mapping is noted.
  void between_operations() {
    Lockstep& lockstep = *now_->lockstep;
    if (steps_.empty() || !steps_.back().reach.empty()) return;
    if (lockstep.monitor().findings().empty()) steps_.back().reach = lockstep.reach();
  }
  static void breaks(Step& step, const Monitor& monitor) {
    const Finding& finding = monitor.findings().front();
    step.rule = finding.rule;
    step.broken = fmt::format("{}: {}", spec::rule_name(finding.rule), headline(finding));
  }
  struct Ground {
    std::unique_ptr<Segments> booted;
    std::unique_ptr<Lockstep> lockstep;
    bool refused = false;
  };
  LoadedPlugin loaded_;
  iommucheck_driver driver_;
  SharedReport& report_;
  std::unique_ptr<Segments> first_;  // statics as they were loaded
  std::vector<Ground> grounds_;
  std::vector<Step> steps_;  // of the run
  Ground* now_ = nullptr;
};

template <class Driver>
void leave_common(Driver& a, Driver& b) {
#define CALL(name, ...)                                                    \
  if constexpr (requires { a.name; }) {                                    \
    if (a.name == nullptr || b.name == nullptr) a.name = b.name = nullptr; \
  }
#include "base/calls.def"
#undef CALL
}

/// What is the same of a difference in each sequence that shows it.
struct DifferenceKind {
  CallKind call{};
  bool of_answers = false;  ///< else of what an access may meet, or of what is broken behind it
  struct Of {
    AnswerKind answer;  ///< where the answers differ
    std::optional<spec::Rule> broken;
    friend bool operator==(const Of&, const Of&) = default;
  };
  Of sides[2];
  friend bool operator==(const DifferenceKind&, const DifferenceKind&) = default;
};

struct FoundDifference : Difference {
  DifferenceKind kind;
};

/// The first step where two runs differ. Nothing: none, or they got different calls before.
std::optional<FoundDifference> first_difference(const std::vector<Step>& a,
                                                const std::vector<Step>& b) {
  FoundDifference found;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!same_call(a[i].call, b[i].call)) return std::nullopt;
    // What one has not built is not asked of it, and says nothing.
    const bool built =
        a[i].answered.status != Status::not_built && b[i].answered.status != Status::not_built;
    if (a[i].answer != b[i].answer && !built) return std::nullopt;
    found.call = a[i].text;
    found.calls.push_back(a[i].answer == b[i].answer
                              ? fmt::format("{} = {}", a[i].text, a[i].answer)
                              : fmt::format("{} = {} | {}", a[i].text, a[i].answer, b[i].answer));
    found.sides[0] = {a[i].answer, a[i].broken};
    found.sides[1] = {b[i].answer, b[i].broken};
    found.kind = {.call = a[i].call.kind,
                  .of_answers = true,
                  .sides = {{a[i].answered, a[i].rule}, {b[i].answered, b[i].rule}}};
    if (a[i].answer != b[i].answer) return found;
    const std::size_t compared = std::min(a[i].reach.size(), b[i].reach.size());
    for (std::size_t k = 0; k < compared; ++k) {
      const Lockstep::Reach& one = a[i].reach[k];
      const Lockstep::Reach& other = b[i].reach[k];
      if (one.access != other.access) break;  // PASIDs of one only: their answers tell
      if (one.outcomes == other.outcomes) continue;
      found.access = one.access;
      found.kind.of_answers = false;
      for (DifferenceKind::Of& side : found.kind.sides) side.answer = {};
      found.sides[0].what = one.outcomes;
      found.sides[1].what = other.outcomes;
      return found;
    }
    if (a[i].broken.empty() != b[i].broken.empty()) return found;
    if (!a[i].broken.empty()) return std::nullopt;  // both: no difference
  }
  return std::nullopt;
}

// ---- a difference as bytes, from the worker to the supervisor -----------------------------------

std::string encode(const Difference& d) {
  MessageWriter out;
  out.text(d.call);
  out.text(d.access);
  for (const Side& side : d.sides) {
    out.text(side.what);
    out.text(side.broken);
  }
  out.text(d.machine);
  out.number(d.sequence);
  out.number(d.operations.size());
  for (const fuzz::Operation& operation : d.operations) {
    out.number(fuzz::encode_word(operation));
  }
  out.number(d.calls.size());
  for (const std::string& call : d.calls) out.text(call);
  return out.take();
}

std::optional<Difference> decode(std::string_view bytes) {
  MessageReader in(bytes);
  Difference d;
  d.call = in.text();
  d.access = in.text();
  for (Side& side : d.sides) {
    side.what = in.text();
    side.broken = in.text();
  }
  d.machine = in.text();
  d.sequence = in.number();
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    d.operations.push_back(fuzz::decode_word(in.number()));
  }
  for (u64 left = in.count(); left != 0 && in.ok(); --left) d.calls.emplace_back(in.text());
  if (!in.whole()) return std::nullopt;
  return d;
}

enum Counter : std::size_t { sequences, calls, apart, refused, stopped };
constexpr char is_difference = 'd', is_name = 'n', is_error = 'e', is_facts = 'f';

class Work {
 public:
  Work(const CheckOptions& options, const std::string& other, SharedReport& report,
       Clock::time_point started)
      : options_(options), paths_{options.driver, other}, report_(report), started_(started) {}

  int run() {
    if (auto done = compare(); !done) {
      report_.add_finding(is_error + std::to_string(static_cast<int>(done.error().code)) + " " +
                          done.error().message);
    }
    return 0;
  }

 private:
  Expected<void> load() {
    for (const std::string& path : paths_) {
      CheckOptions one;
      one.driver = path;
      auto loaded = load_plugin(one);
      if (!loaded) return std::unexpected(std::move(loaded.error()));
      loaded->tell(report_, path);
      subjects_.push_back(std::make_unique<Subject>(std::move(*loaded), report_));
      report_.add_finding(is_name + std::string(subjects_.back()->driver().name));
    }
    iommucheck_driver& a = subjects_[0]->driver();
    iommucheck_driver& b = subjects_[1]->driver();
    leave_common(a, b);
    lockstep_ = lockstep_options(options_);
    lockstep_.claims = {.besides = {}, .heed_driver = false};
    for (const auto* driver : {&a, &b}) {
      lockstep_.claims.besides.add(options_.claims.of(*driver));
    }
    return {};
  }

  std::optional<FoundDifference> difference(std::span<const fuzz::Operation> operations) {
    const std::vector<Step> one = subjects_[0]->run(operations);
    report_.counter(calls) += one.size();
    return first_difference(one, subjects_[1]->run(operations));
  }

  [[nodiscard]] bool ends(u64 number) const {
    if (options_.sequences != 0 && number - options_.first_sequence >= options_.sequences) {
      return true;
    }
    return options_.seconds > 0 && seconds_since(started_) >= options_.seconds;
  }

  Expected<void> compare() {
    auto plan = MachinePlan::parse(options_.machine, options_.seed);
    if (!plan) return std::unexpected(std::move(plan.error()));
    if (auto loaded = load(); !loaded) return loaded;
    const CaseSource source(options_, *plan);
    const u64 others = mask(static_cast<unsigned>(plan->count_of_all()) - 1, 0);
    u64 refusals = 0;
    Sequence sequence;
    for (u64 number = options_.first_sequence;
         !ends(number) && told_.size() < options_.findings_max; ++number) {
      if (report_.stop_requested()) {
        report_.counter(stopped) = 1;
        break;
      }
      u32 machine = source.machine_of(*plan, number, refusals);
      for (bool both = false; !both;) {
        both = true;
        for (const auto& subject : subjects_) {
          const auto there = subject->go_to(machine, met(*plan, machine), lockstep_);
          if (!there) return std::unexpected(there.error());
          both = both && *there;
        }
        if (both) {
          aim_at_both(machine);
          break;
        }
        refusals |= u64{1} << machine;
        report_.counter(refused) = refusals;
        if ((others & ~refusals) == 0) {
          return fail(ErrorCode::bad_input, "there is no machine that both drivers are for");
        }
        machine = source.machine_of(*plan, number, refusals);
      }
      source.make(number, sequence);
      report_.begin_sequence(number, {});
      ++report_.counter(sequences);
      auto found = difference(sequence.operations);
      if (!found) continue;
      ++report_.counter(apart);
      if (std::ranges::find(told_, found->kind) != told_.end()) continue;
      told_.push_back(found->kind);
      if (options_.shrink) found = smaller(sequence.operations, std::move(*found));
      found->sequence = number;
      found->machine = machine_text(met(*plan, machine));
      if (found->operations.empty()) found->operations = sequence.operations;
      report_.add_finding(is_difference + encode(*found));
    }
    return {};
  }

  /// Domains of the one may be larger than the other's: what is compared is within both.
  void aim_at_both(u32 machine) {
    if (std::ranges::find(aimed_, machine) != aimed_.end()) return;
    aimed_.push_back(machine);
    const fuzz::Operation alloc{.kind = fuzz::OperationKind::domain_alloc};
    std::array<std::vector<Step>, 2> steps;
    for (std::size_t i = 0; i < 2; ++i) steps[i] = subjects_[i]->run({&alloc, 1});
    if (steps[0].empty() || steps[1].empty()) return;
    const spec::sva::DomainFacts& a = steps[0].front().facts;
    const spec::sva::DomainFacts& b = steps[1].front().facts;
    const std::string texts[2] = {facts_text(a), facts_text(b)};
    if (texts[0] == texts[1]) return;
    subjects_[0]->aim_within(b);
    subjects_[1]->aim_within(a);
    const std::string text = fmt::format("{} | {}", texts[0], texts[1]);
    if (std::ranges::find(facts_told_, text) != facts_told_.end()) return;
    facts_told_.push_back(text);
    report_.add_finding(is_facts + text);
  }

  FoundDifference smaller(const std::vector<fuzz::Operation>& operations, FoundDifference found) {
    const auto began = Clock::now();
    constexpr double seconds_max = 20;
    const auto shows = [&](std::span<const fuzz::Operation> some) {
      const auto its = difference(some);
      return its && its->kind == found.kind;
    };
    const ShrinkResult result =
        shrink(operations, shows, {.stop = [&] { return seconds_since(began) > seconds_max; }});
    if (!result.reproduced) return found;
    if (auto its = difference(result.operations)) found = std::move(*its);
    found.operations = result.operations;
    return found;
  }

  const CheckOptions& options_;
  std::array<std::string, 2> paths_;
  SharedReport& report_;
  Clock::time_point started_;
  LockstepOptions lockstep_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<DifferenceKind> told_;
  std::vector<std::string> facts_told_;
  std::vector<u32> aimed_;  // machines
};

std::string allowed_text(const Difference& d) {
  if (d.both_allowed()) return "both are allowed";
  if (d.sides[0].broken.empty()) return "the first is allowed";
  return d.sides[1].broken.empty() ? "the second is allowed" : "neither is allowed";
}

}  // namespace

Expected<Comparison> compare_drivers(const CheckOptions& options, const std::string& other) {
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  const auto started = Clock::now();
  const auto outcome =
      run_isolated(*report, [&] { return Work(options, other, *report, started).run(); },
                   {.hang_seconds = options.hang_seconds, .stop = options.stop});
  if (!outcome) return std::unexpected(outcome.error());
  Comparison result;
  std::size_t names = 0;
  for (const std::string& text : report->findings()) {
    if (text.empty()) continue;
    const std::string rest = text.substr(1);
    if (text[0] == is_difference) {
      if (auto difference = decode(rest)) {
        result.differences.push_back(std::move(*difference));
      } else {
        ++result.unread;
      }
    }
    if (text[0] == is_facts) result.facts.push_back(rest);
    if (text[0] == is_name && names < 2) result.names[names++] = rest;
    if (text[0] == is_error) {
      const std::size_t space = rest.find(' ');
      return fail(static_cast<ErrorCode>(std::strtol(rest.c_str(), nullptr, 10)),
                  rest.substr(space == std::string::npos ? 0 : space + 1));
    }
  }
  if (outcome->ended != Ended::returned && outcome->ended != Ended::stopped) {
    return fail(ErrorCode::environment,
                fmt::format("one of the drivers {} at sequence {}: check each of them alone first",
                            outcome->describe(), report->sequence().number));
  }
  result.sequences = report->counter(sequences);
  result.calls = report->counter(calls);
  result.apart = report->counter(apart);
  result.stopped = outcome->ended == Ended::stopped || report->counter(stopped) != 0;
  const auto plan = MachinePlan::parse(options.machine, options.seed);
  for (std::size_t i = 0; plan && i < plan->machines().size(); ++i) {
    if (((report->counter(refused) >> i) & 1) == 0) continue;
    result.refused.push_back(machine_text(met(*plan, static_cast<u32>(i))));
  }
  return result;
}

std::string difference_text(const Comparison& comparison, const Difference& d) {
  std::string text = fmt::format("DIFFERENCE at {}: {}\n", d.call, allowed_text(d));
  if (!d.access.empty()) text += fmt::format("  {}: it may meet\n", d.access);
  for (std::size_t i = 0; i < 2; ++i) {
    text += fmt::format("  {}. {:<20} {}\n", i + 1, comparison.names[i], d.sides[i].what);
    if (!d.sides[i].broken.empty()) text += fmt::format("     breaks {}\n", d.sides[i].broken);
  }
  text += "  the calls up to it (answer, or answers of first | second):\n";
  for (std::size_t i = 0; i < d.calls.size(); ++i) {
    text += fmt::format("    {}. {}\n", i + 1, d.calls[i]);
  }
  text += fmt::format("  machine: {}\n  the shortest sequence ({} operations):\n", d.machine,
                      d.operations.size());
  for (const fuzz::Operation& operation : d.operations) {
    text += fmt::format("    {}\n", fuzz::print(operation));
  }
  return text;
}

std::string comparison_text(const Comparison& comparison) {
  const auto broken = std::ranges::count_if(comparison.differences,
                                            [](const Difference& d) { return !d.both_allowed(); });
  return fmt::format(
      "{} and {}: {} kinds of differences, {} of them not allowed to one of the two; {} sequences, "
      "{} calls, {} sequences went apart",
      comparison.names[0], comparison.names[1], comparison.differences.size(), broken,
      comparison.sequences, comparison.calls, comparison.apart);
}

}  // namespace iommucheck::oracle
