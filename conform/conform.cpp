// SPDX-License-Identifier: MIT
#include "conform/conform.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "conform/afresh.h"
#include "conform/case_pool.h"
#include "conform/case_program.h"
#include "conform/case_qtest.h"
#include "conform/cases/directed.h"
#include "conform/causes.h"
#include "conform/default_known.h"
#include "conform/dut/door_device.h"
#include "conform/dut/qemu.h"
#include "conform/dut/spec_device.h"
#include "conform/known_cases.h"
#include "conform/verdicts.h"
#include "spec/rules/records.h"
#include "trace/file.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

/// Of so many random cases one is run without its invalidations, too, which may take the judge as
/// long as hundreds of cases.
constexpr u64 counted_of = 32;

/// A finding is what shows again in its case alone: `confirm_shown` times in `confirm_runs` runs at
/// most. A kind that did not is tried with other cases that showed it, so many in all.
constexpr u32 confirm_shown = 2, confirm_runs = 5, confirm_cases = 3;

/// How long a device may take to die: of one finding that is made short, and of a whole run.
constexpr double dying_shrink_seconds = 20, dying_run_seconds = 60;
/// How long is looked for what makes findings right, and for what hides behind that.
constexpr double causes_seconds = 60, behind_seconds = 60;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Conform {
 public:
  Conform(std::span<DeviceUnderTest* const> devices, const ConformOptions& options)
      : worker_(*devices.front()),
        others_(devices.subspan(1)),
        identity_(devices.front()->identity()),
        options_(options),
        began_(now()) {
    result_.device = identity_.name;
    result_.version = identity_.version;
    result_.opened = options.device;
    result_.seed = options.seed;
    result_.given_as = options.given_as;
    result_.from = options.from;
  }

  Expected<ConformResult> run() {
    if (auto ok = load_known(); !ok) return std::unexpected(ok.error());
    if (!options_.replay.empty()) {
      if (auto ok = replay(options_.replay, nullptr); !ok) return std::unexpected(ok.error());
      result_.replayed = 1;
      return finish();
    }
    if (options_.one_case) {
      if (auto ok = run_one(*options_.one_case); !ok) return std::unexpected(ok.error());
      if (auto ok = find_causes(); !ok) return std::unexpected(ok.error());
      return finish();
    }
    for (const KnownFinding& known : known_.entries) {
      if (!options_.only.empty() || options_.given) break;
      const std::string trace = known_.trace_path(known);
      if (std::error_code error; !std::filesystem::exists(trace, error)) {
        return fail(ErrorCode::bad_input,
                    fmt::format("{}: the trace of '{}' has to be {}: --out DIR writes the file and "
                                "a folder of its name",
                                known_.path, known.id, trace));
      }
      if (auto ok = replay(trace, &known); !ok) {
        return std::unexpected(ok.error());
      }
    }
    auto ran = options_.given ? run_given() : run_cases();
    if (!ran) return std::unexpected(ran.error());
    if (auto ok = find_causes(); !ok) return std::unexpected(ok.error());
    return finish();
  }

 private:
  Expected<void> load_known() {
    known_.subject = identity_.name;
    known_.version = identity_.version;
    if (!options_.use_known) return {};
    const std::string path = options_.known.empty() ? default_known(identity_) : options_.known;
    if (path.empty()) return {};
    auto file = read_known(path, KnownFile::Subject::device);
    if (!file) return std::unexpected(file.error());
    if (file->subject != identity_.name ||
        !(identity_.version + ".").starts_with(file->version + ".")) {
      return fail(ErrorCode::bad_input, path + ": is for " + file->subject + " " + file->version +
                                            ", the device is " + identity_.name + " " +
                                            identity_.version);
    }
    known_ = std::move(*file);
    auto cases = KnownCases::of(known_);
    if (!cases) return std::unexpected(cases.error());
    known_cases_ = std::move(*cases);
    result_.known_file = path;
    return {};
  }

  /// The entry that it is known by; one that has expired excuses nothing.
  [[nodiscard]] const KnownFinding* excuse(const Divergence& found) const {
    const KnownFinding* known = known_.find(found.rule, found.kind);
    return known == nullptr || known->expired(today_) ? nullptr : known;
  }
  /// It is worded as what is known by that entry, and comes in a case that was right about that.
  [[nodiscard]] bool is_elsewhere(const Case& what, const std::string& known_id) const {
    return of_directed_ && !known_id.empty() && known_cases_.was_right(what.name, known_id);
  }
  /// By `only`: a pattern, or the name itself, which may look like one.
  bool wanted(const Case& one) const {
    return options_.only.empty() || one.name == options_.only ||
           ::fnmatch(options_.only.c_str(), one.name.c_str(), 0) == 0;
  }
  bool stopped() {
    if (options_.stop && options_.stop()) result_.stopped = true;
    if (dying_seconds_ >= dying_run_seconds) result_.stopped = result_.kept_dying = true;
    return result_.stopped;
  }
  /// Whether random case number `n`, from 0, is run yet.
  bool more(u64 n) const {
    if (options_.cases != 0 && n >= options_.cases) return false;
    return options_.seconds <= 0 ? options_.cases != 0 : now() - began_ < options_.seconds;
  }

  Expected<void> run_one(u64 number) {
    auto result = worker_.run(random_case(identity_, options_.seed, number), true);
    if (!result) return std::unexpected(result.error());
    result_.random = 1;
    return take(*result);
  }
  /// Directed cases and then random ones, from one pool: a device that was started anew ends with
  /// the thread that did it.
  Expected<void> run_cases() {
    std::vector<Case> directed = directed_cases(identity_);
    std::erase_if(directed, [&](const Case& one) { return !wanted(one); });
    if (directed.empty() && !options_.only.empty()) {
      return fail(ErrorCode::bad_input,
                  "no directed case has a name like '" + options_.only + "'; --list has them");
    }
    const bool random = options_.random && options_.only.empty();
    CasePool pool(worker_, others_, [&](u64 n) -> std::optional<CaseJob> {
      if (n < directed.size()) return CaseJob{.what = directed[n], .count = true};
      if (!random || !more(n - directed.size())) return std::nullopt;
      const u64 number = options_.from + n - directed.size();
      return CaseJob{.what = random_case(identity_, options_.seed, number),
                     .count = number % counted_of == 0};
    });
    while (!stopped()) {
      const auto result = pool.next();
      if (!result) break;
      if (!*result) return std::unexpected(result->error());
      of_directed_ = result_.directed < directed.size();
      ++(of_directed_ ? result_.directed : result_.random);
      if (of_directed_) shown_.ran((*result)->what.name);
      if (auto ok = take(**result); !ok) return ok;
    }
    of_directed_ = false;
    return {};
  }
  Expected<void> run_given() {
    const std::vector<Case>& given = *options_.given;
    CasePool pool(worker_, others_, [&](u64 n) -> std::optional<CaseJob> {
      if (n >= given.size()) return std::nullopt;
      return CaseJob{.what = given[n], .count = n % counted_of == 0};
    });
    while (!stopped()) {
      const auto result = pool.next();
      if (!result) break;
      if (!*result) return std::unexpected(result->error());
      ++result_.given;
      if (auto ok = take(**result); !ok) return ok;
    }
    return {};
  }
  /// New findings by what makes them right; then what hides behind that.
  Expected<void> find_causes() {
    if (!options_.causes || stopped() || shortest_.empty()) return {};
    std::vector<ShownFinding> findings;
    std::vector<std::size_t> places;
    for (const auto& [place, what] : shortest_) {
      findings.push_back({&what, &result_.divergences[place].divergence});
      places.push_back(place);
    }
    const double began = now();
    const auto groups =
        causes_of(findings, identity_, [&](const Case& what, const Divergence& found) {
          // What is not asked for want of time is not right.
          return now() - began > causes_seconds ? Expected<bool>(true) : shows(what, found);
        });
    if (!groups) return std::unexpected(groups.error());
    for (const CauseGroup& group : *groups) {
      for (const std::size_t i : group.members) {
        result_.divergences[places[i]].cause = intervention_name(group.intervention);
      }
    }
    // One field of records is one cause, whatever record it is in.
    for (const std::size_t place : places) {
      FoundDivergence& found = result_.divergences[place];
      const std::string& field = found.divergence.finding.kind.device.field;
      const bool of_record = found.divergence.rule == rule::EVENT_RECORD;
      if (!found.cause.empty() || !of_record || field.empty()) continue;
      found.cause = (field.starts_with("a ") ? field : "another " + field) + " in records";
    }
    unnoted_.clear();  // a device dies as it is known to, or as a case that nobody would write
    const bool some_alone = !options_.only.empty() || options_.one_case || options_.given;
    if (groups->empty() || some_alone) return {};
    return look_behind(*groups);
  }
  Expected<bool> shows(const Case& what, const Divergence& wanted) {
    auto result = worker_.run(what, false);
    if (!result) return std::unexpected(result.error());
    count_deaths(*result);
    // What is not judged is not right.
    if (!result->decided()) return true;
    return std::ranges::any_of(result->found,
                               [&](const Divergence& one) { return one.same(wanted); });
  }
  /// The directed cases once more with all that was found to make findings right.
  Expected<void> look_behind(const std::vector<CauseGroup>& groups) {
    const double began = now();
    const std::size_t before = result_.divergences.size();
    for (const Case& one : directed_cases(identity_)) {
      if (stopped() || now() - began > behind_seconds) break;
      Case changed = one;
      for (const CauseGroup& group : groups) {
        if (auto next = intervene(group.intervention, changed, identity_)) {
          changed = std::move(*next);
        }
      }
      if (changed.steps == one.steps) continue;
      auto found = look(changed);
      if (!found) return std::unexpected(found.error());
      for (const Divergence& its : *found) {
        if (found_before(changed, its) != nullptr) continue;
        if (auto ok = note(changed, its); !ok) return ok;
      }
      unnoted_.clear();
    }
    for (std::size_t i = before; i < result_.divergences.size(); ++i) {
      result_.divergences[i].behind = true;
    }
    return {};
  }
  void show_progress() {
    if (!options_.progress) return;
    ConformProgress progress;
    progress.cases = counts_.cases;
    progress.accesses = tally_.numbers.accesses;
    progress.divergences = result_.divergences.size();
    progress.seconds = now() - began_;
    progress.fraction_done = options_.seconds > 0 ? progress.seconds / options_.seconds : 0;
    options_.progress(progress);
  }

  void count_deaths(const CaseResult& result) {
    result_.deaths += (result.died ? 1 : 0) + result.further_deaths.size();
    dying_seconds_ += result.dying_seconds;
    unnoted_.insert(unnoted_.end(), result.further_deaths.begin(), result.further_deaths.end());
  }
  /// Of cases made of others, to ask again or to make a finding short. The first of a kind is a
  /// finding like any other: the device is to survive whatever a case leaves out.
  Expected<void> note_deaths() {
    while (!unnoted_.empty()) {
      const CaseResult::Death death = std::move(unnoted_.back());
      unnoted_.pop_back();
      const auto same = [&](const FoundDivergence& old) {
        return old.divergence.same(death.found);
      };
      if (std::ranges::any_of(result_.divergences, same)) continue;
      if (auto ok = note(death.what, death.found); !ok) return ok;
    }
    return {};
  }

  /// For a finding that is made short: nothing of it is counted but the device's deaths.
  Expected<std::vector<Divergence>> look(const Case& what, Run* kept = nullptr,
                                         const CaseJudge::Ask& ask = {}) {
    auto result = worker_.run(what, false, kept, ask);
    if (!result) return std::unexpected(result.error());
    count_deaths(*result);
    if (result->died) unnoted_.push_back({result->what, result->found.back()});
    return std::move(result->found);
  }

  void count(const CaseResult& result) {
    ++counts_.cases;
    tally_ += result.tally;
    if (result.tally.gave_up != 0 && result_.bound_at.empty()) {
      result_.bound_at = fmt::format("case {}: {}", result.what.name, result.tally.bound);
    }
    count_deaths(result);
  }

  Expected<void> take(const CaseResult& result) {
    count(result);
    if (const auto rule = spec::find_rule(result.what.asks)) {
      ++counts_.named[spec::number_of(*rule)];
      if (result.decided()) ++counts_.decided[spec::number_of(*rule)];
    }
    for (const Divergence& one : result.found) {
      if (auto ok = note(result.what, one); !ok) return ok;
    }
    // What a case leaves out that dies is another case.
    const bool directed = std::exchange(of_directed_, false);
    auto noted = note_deaths();
    of_directed_ = directed;
    if (!noted) return noted;
    show_progress();
    return {};
  }

  /// The finding that it is one more of. An access that needs two features says nothing new where
  /// the device is known to do that with one of them.
  [[nodiscard]] FoundDivergence* found_before(const Case& what, const Divergence& found) {
    std::vector<std::string> kinds{found.kind};
    const DeviceKind& whole = found.finding.kind.device;
    if (whole.features.size() > 1 && text_of(whole) == found.kind) {
      DeviceKind part = whole;
      part.features.pop_back();
      kinds.push_back(text_of(part));
      part.features = {whole.features.back()};
      kinds.push_back(text_of(part));
    }
    for (const std::string& kind : kinds) {
      const auto is_it = [&](const FoundDivergence& old) {
        return old.divergence.rule == found.rule && old.divergence.kind == kind &&
               !is_elsewhere(what, old.known_id);
      };
      const auto old = std::ranges::find_if(result_.divergences, is_it);
      if (old != result_.divergences.end()) return &*old;
    }
    return nullptr;
  }

  /// A divergence: counted; the first of its kind that shows again is made short and written.
  Expected<void> note(const Case& what, const Divergence& found) {
    if (FoundDivergence* const old = found_before(what, found)) {
      ++counts_.broken[spec::number_of(found.rule)];
      ++old->times;
      if (of_directed_ && !old->known_id.empty()) shown_.shows(what.name, old->known_id);
      return {};
    }
    FoundDivergence fresh{.divergence = found,
                          .known_id = {},
                          .times = 1,
                          .first_case = what.name,
                          .steps = {},
                          .trace_path = {}};
    const KnownFinding* known = excuse(found);
    if (known != nullptr && is_elsewhere(what, known->id)) {
      fresh.worded_as = known->id;
    } else if (known != nullptr) {
      if (of_directed_) shown_.shows(what.name, known->id);
      fresh.known_id = known->id;
      fresh.trace_path = known_.trace_path(*known);
      ++counts_.broken[spec::number_of(found.rule)];
      result_.divergences.push_back(std::move(fresh));
      return {};
    }
    Unconfirmed& before = unconfirmed_[{found.rule, found.kind}];
    if (before.cases == confirm_cases) return not_reproduced(std::move(fresh));
    auto confirmed = confirm(what, fresh);
    if (!confirmed) return std::unexpected(confirmed.error());
    // A death is a fact, though it may need what cases before have left in the device.
    const bool died = found.rule == rule::DEVICE_SURVIVES;
    if (!*confirmed && !died) {
      ++before.cases;
      return not_reproduced(std::move(fresh));
    }
    forget_not_reproduced(fresh);
    ++counts_.broken[spec::number_of(found.rule)];
    if (!*confirmed) {
      result_.divergences.push_back(std::move(fresh));
      return {};
    }
    Confirmed& its = **confirmed;
    for (std::size_t i = its.what.fixed; i < its.what.steps.size(); ++i) {
      fresh.steps.push_back(step_text(its.what.steps[i]));
    }
    if (!options_.report.empty()) {
      const std::string path =
          trace_folder() + "/" + suggested_id(found.rule, found.kind) + ".jsonl";
      std::error_code error;
      std::filesystem::create_directories(trace_folder(), error);
      if (auto ok = trace::write_trace(its.run.trace, path); !ok) return ok;
      fresh.trace_path = path;
      if (auto ok = write_program(its.run.trace, fresh.divergence); !ok) return ok;
    }
    shortest_.emplace(result_.divergences.size(), std::move(its.what));
    result_.divergences.push_back(std::move(fresh));
    return {};
  }

  /// The shortest case that shows it again, with a run that did; or the case that showed it, if
  /// what was made of that does not. Nothing: neither does.
  struct Confirmed {
    Case what;
    Run run;
  };
  Expected<std::optional<Confirmed>> confirm(const Case& what, FoundDivergence& fresh) {
    const Divergence found = fresh.divergence;
    const Case whole = found.afresh_of ? afresh(what, *found.afresh_of) : what;
    if (auto ok = worker_.device().renew(); !ok) return std::unexpected(ok.error());
    auto shortest = shrink(whole, found);
    if (!shortest) return std::unexpected(shortest.error());
    auto shown = shows_again(*shortest, fresh);
    if (!shown) return std::unexpected(shown.error());
    if (*shown) return Confirmed{std::move(*shortest), std::move(**shown)};
    shown = shows_again(whole, fresh);
    if (!shown) return std::unexpected(shown.error());
    if (*shown) return Confirmed{whole, std::move(**shown)};
    return std::optional<Confirmed>{};
  }

  /// The case again and again on a device that no other case has touched, and the last of its runs
  /// that showed it; nothing if they were too few. What is found is told as that run shows it.
  Expected<std::optional<Run>> shows_again(const Case& what, FoundDivergence& fresh) {
    const Divergence wanted = fresh.divergence;
    std::optional<Run> kept;
    fresh.shown = fresh.runs = 0;
    if (auto ok = worker_.device().renew(); !ok) return std::unexpected(ok.error());
    while (fresh.shown < confirm_shown &&
           fresh.runs - fresh.shown <= confirm_runs - confirm_shown) {
      Run run;
      auto again = look(what, &run);
      if (!again) return std::unexpected(again.error());
      ++fresh.runs;
      const auto its =
          std::ranges::find_if(*again, [&](const Divergence& one) { return one.same(wanted); });
      if (its == again->end()) continue;
      ++fresh.shown;
      fresh.divergence = *its;
      kept = std::move(run);
    }
    if (fresh.shown == confirm_shown) return kept;
    fresh.divergence = wanted;
    return std::optional<Run>{};
  }

  Expected<void> not_reproduced(FoundDivergence fresh) {
    for (FoundDivergence& old : result_.not_reproduced) {
      if (!old.divergence.same(fresh.divergence)) continue;
      ++old.times;
      return {};
    }
    result_.not_reproduced.push_back(std::move(fresh));
    return {};
  }
  /// What another case has confirmed in the meantime.
  void forget_not_reproduced(FoundDivergence& confirmed) {
    std::erase_if(result_.not_reproduced, [&](const FoundDivergence& old) {
      if (!old.divergence.same(confirmed.divergence)) return false;
      confirmed.times += old.times;
      return true;
    });
  }
  /// Of a device behind the door in C, of QEMU as a log of qtest.
  Expected<void> write_program(const trace::Trace& trace, const Divergence& found) const {
    const bool is_qemu = identity_.name == "qemu";
    if (!is_qemu && !names_a_peer(options_.device)) return {};
    if (identity_.delegates) return {};  // a program has no SMMU of a host
    const spec::RuleInfo& rule = spec::rule_info(found.rule);
    const std::string about =
        fmt::format("{} [{}]: {}\n{}\nThe device: {} {}", rule.name, rule.section, rule.text,
                    found.text, identity_.name, identity_.version);
    const auto text = is_qemu ? case_qtest(trace, about) : case_program(trace, about);
    if (!text) return std::unexpected(text.error());
    return trace::write_file(trace_folder() + "/" + suggested_id(found.rule, found.kind) +
                                 (is_qemu ? ".qtest.sh" : ".c"),
                             *text);
  }
  std::string trace_folder() const {
    return options_.report + "/" + identity_.name + "-" + short_version();
  }
  std::string short_version() const {
    const std::string& version = identity_.version;
    return version.substr(0, version.rfind('.'));
  }

  /// Leaves out steps, many at once and then single ones, as long as the same is found.
  Expected<Case> shrink(Case shortest, const Divergence& wanted) {
    constexpr unsigned runs_max = 400;
    unsigned runs = 0;
    const double dying_until = dying_seconds_ + dying_shrink_seconds;
    Run whole;
    auto before = look(shortest, &whole);
    if (!before) return std::unexpected(before.error());
    const std::vector<Rule> drivers = worker_.judge().drivers();
    if (!whole.death.empty() && wanted.rule == rule::DEVICE_SURVIVES) {  // no step came after it
      const std::size_t last = std::max(whole.step_of.back() + 1, shortest.fixed);
      if (last < shortest.steps.size()) shortest.steps.resize(last);
    }
    for (std::size_t size = (shortest.steps.size() - shortest.fixed) / 2; size != 0;) {
      bool any = false;
      for (std::size_t at = shortest.steps.size(); at > shortest.fixed && runs < runs_max;) {
        if (dying_seconds_ > dying_until) return shortest;
        const std::size_t n = std::min(size, at - shortest.fixed);
        at -= n;
        Case shorter = shortest;
        const auto first = shorter.steps.begin() + static_cast<std::ptrdiff_t>(at);
        shorter.steps.erase(first, first + static_cast<std::ptrdiff_t>(n));
        ++runs;
        auto shows = still_shows(shorter, wanted, drivers);
        if (!shows) return std::unexpected(shows.error());
        if (!*shows) continue;
        shortest = std::move(shorter);
        any = true;
        at = std::min(at, shortest.steps.size());
      }
      if (runs >= runs_max) break;
      if (!any || size > 1) size = size == 1 ? 0 : size / 2;
    }
    return shortest;
  }

  /// What an invalidation has to do with it costs as much as many cases: it is asked where the rest
  /// fits. No new mistakes of the driver: they would allow the device more, or something else.
  Expected<bool> still_shows(const Case& shorter, const Divergence& wanted,
                             const std::vector<Rule>& drivers) {
    const auto new_one = [&](Rule rule) {
      return std::ranges::find(drivers, rule) == drivers.end();
    };
    auto plain = look(shorter, nullptr, {.plain = true});
    if (!plain) return std::unexpected(plain.error());
    const auto same_finding = [&](const Divergence& one) { return one.same_finding(wanted); };
    if (std::ranges::none_of(*plain, same_finding)) return false;
    if (std::ranges::any_of(worker_.judge().drivers(), new_one)) return false;
    if (!wanted.access) return true;
    auto found = look(shorter, nullptr, {.like = &wanted});
    if (!found) return std::unexpected(found.error());
    return std::ranges::any_of(*found, [&](const Divergence& one) { return one.same(wanted); });
  }

  /// A trace on this device. `known`: it has to show that divergence.
  Expected<void> replay(const std::string& path, const KnownFinding* known) {
    auto trace = trace::read_trace(path);
    if (!trace) return std::unexpected(trace.error());
    auto what = case_of(*trace, path);
    if (!what) return std::unexpected(what.error());
    auto result = worker_.run(std::move(*what), false);
    if (!result) return std::unexpected(result.error());
    count(*result);
    unnoted_.clear();  // a replay is of one trace alone
    bool there = false;
    for (const Divergence& one : result->found) {
      const KnownFinding* its = excuse(one);
      there |= its != nullptr && its == known;
      ++counts_.broken[spec::number_of(one.rule)];
      const auto same = [&](const FoundDivergence& old) { return old.divergence.same(one); };
      const auto old = std::ranges::find_if(result_.divergences, same);
      if (old != result_.divergences.end()) {
        ++old->times;
        continue;
      }
      result_.divergences.push_back({.divergence = one,
                                     .known_id = its != nullptr ? its->id : "",
                                     .times = 1,
                                     .first_case = path,
                                     .steps = {},
                                     .trace_path = path});
    }
    if (known != nullptr && !there && !known->expired(today_)) result_.vanished.push_back(*known);
    return {};
  }

  /// The file as it would be now: what is new has to be explained by whoever keeps it.
  Expected<void> write_report() {
    if (options_.report.empty() || !options_.replay.empty()) return {};
    KnownFile file = known_;
    file.subject = identity_.name;
    file.version = short_version();
    file.id = identity_.id;
    std::erase_if(file.entries, [&](const KnownFinding& known) {
      return std::ranges::any_of(result_.vanished,
                                 [&](const KnownFinding& gone) { return gone.id == known.id; });
    });
    for (const FoundDivergence& found : result_.divergences) {
      // One that has expired stays in the file as it is, to be looked at.
      const Divergence& its = found.divergence;
      if (!found.known_id.empty() || known_.find(its.rule, its.kind) != nullptr) continue;
      file.entries.push_back(
          {.id = suggested_id(found.divergence.rule, found.divergence.kind),
           .rule = std::string(spec::rule_name(found.divergence.rule)),
           .kind = found.divergence.kind,
           .section = std::string(spec::rule_info(found.divergence.rule).section),
           .why = "TO DO: " + found.divergence.text,
           .correct = std::string(spec::rule_info(found.divergence.rule).text)});
    }
    std::error_code error;
    std::filesystem::create_directories(options_.report, error);
    const std::string path = options_.report + "/" + identity_.name + "-" + short_version();
    if (auto ok = trace::write_file(path + ".json", known_text(file)); !ok) return ok;
    if (!options_.only.empty() || options_.given || result_.stopped || result_.directed == 0) {
      return {};
    }
    std::filesystem::create_directories(trace_folder(), error);
    return trace::write_file(trace_folder() + "/cases.list", shown_.text());
  }

  Expected<ConformResult> finish() {
    if (auto ok = write_report(); !ok) return std::unexpected(ok.error());
    const DeviceRules::Numbers& numbers = tally_.numbers;
    result_.accesses = numbers.accesses;
    result_.records = numbers.records;
    result_.stale_allowed = numbers.stale_allowed;
    result_.open = numbers.open;
    result_.any = numbers.any;
    result_.undetermined = numbers.undetermined;
    result_.gave_up = tally_.gave_up;
    counts_.all_directed = options_.only.empty() && !result_.stopped && result_.directed != 0;
    result_.rules = device_rule_counts(tally_, counts_, spec::parse_capabilities(identity_.id));
    if (known_.id) {
      result_.changed_registers = changed_registers(identity_.id, *known_.id);
      result_.claimed_since = claimed_beyond(identity_.id, *known_.id);
      result_.claimed_no_more = claimed_beyond(*known_.id, identity_.id);
    }
    result_.seconds = now() - began_;
    return std::move(result_);
  }

  CaseWorker worker_;
  std::span<DeviceUnderTest* const> others_;
  const DeviceIdentity identity_;
  const ConformOptions& options_;
  double began_;
  KnownFile known_;
  KnownCases known_cases_;
  KnownCases shown_;          // as it is now
  bool of_directed_ = false;  // what is noted comes of a directed case as it is
  std::string today_ = today();
  ConformResult result_;
  JudgeTally tally_;
  CaseCounts counts_;
  double dying_seconds_ = 0;  // in cases that the device did not survive
  std::vector<CaseResult::Death> unnoted_;
  /// Of a kind that has not shown again: how many cases were tried.
  struct Unconfirmed {
    u32 cases = 0;
  };
  std::map<std::pair<Rule, std::string>, Unconfirmed> unconfirmed_;
  std::map<std::size_t, Case> shortest_;  // of new findings, by their place among all
};

}  // namespace

Violation violation_of(const FoundDivergence& found) {
  const Divergence& divergence = found.divergence;
  Violation violation(divergence.finding);
  violation.rule = divergence.rule;
  violation.party = spec::rule_info(divergence.rule).keeper;
  violation.statement = divergence.text;
  violation.promised.clear();
  violation.kind = kind_in_words(divergence.kind);
  violation.remarks.push_back("kind: " + divergence.kind);
  if (!found.worded_as.empty()) {
    violation.remarks.push_back(fmt::format(
        "worded as the known '{}', and of another case: when that became known this one "
        "was right about it",
        found.worded_as));
  }
  if (!found.cause.empty()) violation.remarks.push_back("right with: " + found.cause);
  if (found.behind) violation.remarks.emplace_back("behind: with all of these in the cases");
  violation.remarks.push_back(fmt::format("first in: {}; {} times", found.first_case, found.times));
  if (found.runs > found.shown) {
    violation.remarks.push_back(
        fmt::format("shown in {} of {} runs of the case alone", found.shown, found.runs));
  }
  if (!found.steps.empty()) violation.remarks.emplace_back("the shortest case, after bring-up:");
  for (const std::string& step : found.steps) violation.remarks.push_back("  " + step);
  violation.trace_path = found.trace_path;
  return violation;
}

bool ConformResult::held() const {
  return vanished.empty() && not_reproduced.empty() && gave_up == 0 &&
         std::ranges::none_of(divergences,
                              [](const FoundDivergence& d) { return d.known_id.empty(); });
}

std::vector<std::string> case_names(const DeviceUnderTest& device) {
  std::vector<std::string> names;
  for (Case& one : directed_cases(device.identity())) names.push_back(std::move(one.name));
  return names;
}

namespace {

Expected<std::unique_ptr<DeviceUnderTest>> open_named(const std::string& name, u64 seed,
                                                      double hang_seconds) {
  if (name == "qemu" || name.starts_with("qemu:")) {
    auto device = QemuDevice::start(qemu_options(name));
    if (!device) return std::unexpected(device.error());
    return std::unique_ptr<DeviceUnderTest>(std::move(*device));
  }
  if (names_a_peer(name)) {
    auto device = DoorDevice::start({.device = name, .seed = seed, .hang_seconds = hang_seconds});
    if (!device) return std::unexpected(device.error());
    return std::unique_ptr<DeviceUnderTest>(std::move(*device));
  }
  return fail(ErrorCode::bad_input,
              "there is no device '" + name +
                  "'; there are spec, fast, qemu, qemu:PATH, the path of a shared "
                  "object (./mine.so), exec:COMMAND and unix:PATH");
}

}  // namespace

Expected<std::unique_ptr<DeviceUnderTest>> open_device(const std::string& name, u64 seed,
                                                       double hang_seconds, const Stating& states) {
  if (name == "spec") {
    DeviceStatement stated{.profile = {}, .id = drawn_spec_device_id(seed)};
    if (states) {
      auto with_them = states(stated.id);
      if (!with_them) return std::unexpected(with_them.error());
      stated = *with_them;
    }
    return std::make_unique<SpecDevice>(seed, stated.id, stated.profile);
  }
  auto device = open_named(name, seed, hang_seconds);
  if (!device || !states) return device;
  const spec::IdRegisters& id = (*device)->identity().id;
  const auto stated = states(id);
  if (!stated) return std::unexpected(stated.error());
  if (!(stated->id == id)) {
    return fail(ErrorCode::bad_input,
                "the profile states ID registers that device " + name + " has not got");
  }
  (*device)->states(stated->profile);
  return device;
}

Expected<ConformResult> run_conform(std::span<DeviceUnderTest* const> devices,
                                    const ConformOptions& options) {
  for (const DeviceUnderTest* device : devices) {
    if (device->identity().id == devices.front()->identity().id) continue;
    return fail(ErrorCode::bad_input, "its ID registers are other ones each time it is opened");
  }
  return Conform(devices, options).run();
}

Expected<ConformResult> run_conform(DeviceUnderTest& device, const ConformOptions& options) {
  DeviceUnderTest* const one = &device;
  return Conform(std::span(&one, 1), options).run();
}

Expected<ConformResult> run_conform(const ConformOptions& options) {
  // One more than jobs: findings are made short while cases go on.
  const u32 wanted = options.jobs > 1 ? options.jobs + 1 : 1;
  std::vector<std::unique_ptr<DeviceUnderTest>> owned;
  std::vector<DeviceUnderTest*> devices;
  for (u32 i = 0; i < wanted; ++i) {
    auto device = open_device(options.device, options.seed, options.hang_seconds, options.states);
    if (!device) return std::unexpected(device.error());
    devices.push_back(device->get());
    owned.push_back(std::move(*device));
  }
  return run_conform(devices, options);
}

u64 cases_of(const ConformResult& result) { return result.directed + result.random + result.given; }

RunEnd end_of(const ConformResult& result) {
  RunEnd end;
  const auto is_new = [](const FoundDivergence& found) { return found.known_id.empty(); };
  if (!result.vanished.empty() || std::ranges::any_of(result.divergences, is_new)) end.found();
  if (result.stopped) {
    std::string why = fmt::format("stopped after {} cases", cases_of(result));
    if (result.kept_dying) {
      why += fmt::format(": a device that dies was started anew for {} s", dying_run_seconds);
    }
    end.undecided(why);
  }
  if (!result.not_reproduced.empty()) {
    end.undecided(
        fmt::format("{} findings did not show again in their case alone: the device, or "
                    "what connects it, is not deterministic",
                    result.not_reproduced.size()));
  }
  if (result.gave_up != 0) {
    end.undecided(fmt::format("a bound of the specification was hit in {} cases, {}",
                              result.gave_up, result.bound_at));
  }
  if (cases_of(result) + result.replayed == 0) {
    end.undecided("no case was run");
  } else if (result.divergences.empty() && !any_rule(result.rules, RuleVerdict::holds)) {
    end.undecided("no rule was exercised");
  }
  return end;
}

}  // namespace iommucheck::oracle
