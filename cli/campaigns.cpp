// SPDX-License-Identifier: MIT
// iommucheck campaign DIR, iommucheck merge A B: check/campaign_folder.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/clock.h"
#include "base/input.h"
#include "check/campaign_folder.h"
#include "check/driver_coverage.h"
#include "check/finding_files.h"
#include "check/finding_kind.h"
#include "check/known_findings.h"
#include "cli/check_settings.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/verdicts.h"
#include "report/finding_identity.h"
#include "report/finding_kind_text.h"
#include "report/finding_text.h"

namespace iommucheck::cli {
namespace {

namespace fs = std::filesystem;
using oracle::CampaignFolder;
using oracle::CampaignSlice;

/// Distinct findings of a slice: more is a driver that does not work at all.
constexpr u32 findings_of_slice = 1000;
constexpr u32 corpus_of_slice = 100'000;

/// As a campaign tells findings apart: rules that one cause breaks are one.
std::string rule_of(const oracle::Violation& finding) {
  return std::string(spec::rule_name(oracle::rule_of_cause(finding.rule, finding.kind)));
}
std::pair<std::string, std::string> order_of(const oracle::Violation& finding) {
  return oracle::order_of(rule_of(finding), finding.kind);
}

class CampaignRun {
 public:
  explicit CampaignRun(const CampaignCommand& options)
      : options_(options), settings_(check_settings(options.check)), begin_(Clock::now()) {}

  int run() {
    if (auto opened = open(); !opened) {
      return ended_by(opened.error(), report_of("campaign", options_.folder, {}),
                      options_.check.reports, options_.check.format);
    }
    catch_interrupts();
    say("campaign {} of {} {}, seed {}{}: {} sequences and {} findings are there\n",
        options_.folder, options_.check.backend.empty() ? "driver" : "backend",
        oracle::subject_of(settings_), settings_.seed, shard_text(), grouped(folder_->sequences()),
        folder_->findings().size());
    oracle::RunEnd end;
    if (folder_->unwritten()) end.error(*folder_->unwritten());
    auto done = convert_older();
    if (done) done = run_slices();
    if (!done) end.error(done.error());
    return finish_run(end);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (options_.check.format != Format::text) return;
    progress_.clear();
    fmt::print(format, std::forward<Args>(args)...);
    std::fflush(stdout);
  }
  [[nodiscard]] std::string shard_text() const {
    return options_.shards == 1 ? ""
                                : fmt::format(", shard {}/{}", options_.shard, options_.shards);
  }

  Expected<void> open() {
    auto claims = oracle::parse_claims(options_.check.not_claimed);
    if (!claims) return std::unexpected(claims.error());
    settings_.claims = *claims;
    settings_.today = oracle::today();
    if (!options_.check.known.empty()) {
      auto known = oracle::read_known(options_.check.known, oracle::KnownFile::Subject::driver);
      if (!known) return std::unexpected(std::move(known.error()));
      settings_.known = std::make_shared<const oracle::KnownFile>(std::move(*known));
    }
    const auto hash = oracle::identity_of_driver(oracle::subject_of(settings_));
    if (!hash) return std::unexpected(hash.error());
    auto folder =
        CampaignFolder::open(options_.folder, {.driver = oracle::subject_of(settings_),
                                               .driver_hash = *hash,
                                               .machine = settings_.machine,
                                               .operations_max = settings_.operations_max,
                                               .slice = options_.slice,
                                               .scan = options_.check.scan,
                                               .identity_window = options_.check.identity_window,
                                               .not_claimed = options_.check.not_claimed,
                                               .version = version_text()});
    if (!folder) return std::unexpected(std::move(folder.error()));
    folder_.emplace(std::move(*folder));
    // Who goes on without naming a seed goes on with the one of before.
    const std::optional<u64> seed = folder_->last_seed();
    if (!options_.check.seed && seed) settings_.seed = *seed;
    running_ = fs::path(options_.folder) / ".running";
    return {};
  }

  /// What earlier versions have gathered is run first, as a slice of its own.
  Expected<void> convert_older() {
    for (const oracle::OlderCorpus& corpus : folder_->older()) {
      if (folder_->is_converted(corpus) || stopped_) continue;
      say("version {}: {} sequences are run again, {} cannot be read\n", corpus.version,
          grouped(corpus.cases.size()), grouped(corpus.unread.size()));
      oracle::CheckOptions given = settings_;
      given.given = std::make_shared<const std::vector<oracle::GivenCase>>(corpus.cases);
      given.first_sequence = given.sequences = 0;  // these alone
      CampaignSlice slice;
      slice.older = corpus.id;
      slice.asked = corpus.cases.size();
      auto done = run_slice(std::move(given), std::move(slice));
      if (auto added = take(std::move(done)); !added) return added;
    }
    return {};
  }

  /// What was run is part of the campaign from here on, if it was not stopped.
  Expected<void> take(Expected<CampaignSlice> slice) {
    std::error_code ignored;
    fs::remove_all(running_, ignored);
    if (!slice) return std::unexpected(std::move(slice.error()));
    if (stopped_) return {};
    const CampaignSlice kept = *slice;
    if (auto added = folder_->add(std::move(*slice)); !added) return added;
    ++ran_;
    say_growth(kept);
    return {};
  }

  Expected<void> run_slices() {
    const u64 runs = options_.check.runs;
    for (u64 number = options_.shard - 1;; number += options_.shards) {
      const u64 first = number * options_.slice;
      if (runs != 0 && first >= runs) break;
      const u64 asked = runs == 0 ? options_.slice : std::min(options_.slice, runs - first);
      const auto there = folder_->slices().find({settings_.seed, number});
      if (there != folder_->slices().end() && there->second.asked >= asked) continue;
      if (interrupted()) stopped_ = true;
      const bool late = options_.check.seconds && seconds_since(begin_) > *options_.check.seconds;
      if (stopped_ || late) break;
      oracle::CheckOptions random = settings_;
      random.first_sequence = first;
      random.sequences = asked;
      CampaignSlice slice;
      slice.number = number;
      slice.asked = asked;
      if (auto taken = take(run_slice(std::move(random), std::move(slice))); !taken) return taken;
      if (stopped_) break;
    }
    return {};
  }

  /// Of one slice nothing that other slices came to is known, so that it is the same in each order
  /// and on each machine; only what is new for the corpus is asked of those before.
  Expected<CampaignSlice> run_slice(oracle::CheckOptions first, CampaignSlice slice) {
    std::error_code ignored;
    fs::remove_all(running_, ignored);
    fs::create_directories(running_ / "corpus", ignored);
    first.seconds = 0;
    first.findings_max = findings_of_slice;
    first.shrink = false;
    first.out_directory.clear();
    first.corpus = (running_ / "corpus").string();
    first.corpus_max = corpus_of_slice;
    first.seen = std::make_shared<const oracle::FeatureNames>(folder_->features());
    auto coverage = oracle::DriverCoverage::create();
    if (!coverage) return std::unexpected(std::move(coverage.error()));
    first.coverage = *coverage;
    first.progress = [this](const oracle::CheckProgress& now) {
      if (progress_.due()) {
        progress_.show(fmt::format("{} sequences, {} findings",
                                   grouped(folder_->sequences() + now.sequences),
                                   folder_->findings().size()));
      }
    };
    auto result = oracle::run_check(first);
    if (!result) return std::unexpected(std::move(result.error()));
    stopped_ |= result->stopped;
    if (stopped_ || !result->environment.empty()) tell_cut_short(*result);
    if (stopped_) return slice;
    if (!result->environment.empty()) {
      return fail(ErrorCode::environment, result->environment.front());
    }
    slice.unseen = std::exchange(result->not_looked_at, {});
    slice.open = oracle::end_of(first, *result).why();
    slice.seed = settings_.seed;
    slice.sequences = result->sequences;
    slice.calls = result->calls;
    slice.outcomes = result->outcomes_judged;
    slice.driver_name = result->driver_name;
    slice.scope = result->scope;
    slice.features = {result->corpus.seen.begin(), result->corpus.seen.end()};
    note_blocks(**coverage, slice);
    slice.rules.runs = 1;
    for (const oracle::RuleCount& rule : result->rules) {
      slice.rules.rules[std::string(spec::rule_name(rule.rule))] = {
          .asked = rule.kept + rule.broken,
          .discriminating = rule.discriminating,
          .broken = rule.broken};
    }
    for (const std::string& file : result->corpus.kept) {
      const auto text = read_whole(file, std::size_t{1} << 20);
      if (text) slice.corpus[fs::path(file).filename().string()] = *text;
    }
    if (first.given) keep_given(*first.given, result->corpus.redundant, slice);
    bool is_news = false;
    for (const oracle::Violation& finding : result->findings) {
      slice.kinds.emplace(order_of(finding), finding.kind);
      is_news |= !folder_->findings().contains(order_of(finding));
    }
    if (is_news) {
      if (auto told = tell(first, *result, slice); !told) return std::unexpected(told.error());
    }
    return slice;
  }

  /// A slice that does not come to its end is run again by who goes on, and is not kept; what it
  /// has found is told all the same.
  void tell_cut_short(const oracle::CheckResult& result) {
    for (const oracle::Violation& finding : result.findings) {
      if (folder_->findings().contains(order_of(finding))) continue;
      say("{}\n", oracle::full_text(finding));
      not_kept_.push_back(finding);
    }
  }

  /// What is new once more, made small, with its trace.
  Expected<void> tell(const oracle::CheckOptions& of_slice, const oracle::CheckResult& found,
                      CampaignSlice& slice) {
    oracle::CheckOptions small = of_slice;
    small.shrink = !options_.check.no_shrink;
    small.corpus.clear();
    small.seen = nullptr;
    small.coverage = nullptr;
    small.out_directory = (running_ / "out").string();
    auto again = oracle::run_check(small);
    if (!again) return std::unexpected(std::move(again.error()));
    stopped_ |= again->stopped;
    if (stopped_) {
      tell_cut_short(found);
      return {};
    }
    std::set<std::string> ids;
    for (const oracle::Violation& plain : found.findings) {
      if (folder_->findings().contains(order_of(plain))) continue;
      const std::string rule = rule_of(plain);
      const auto same = [&](const oracle::Violation& one) {
        return oracle::break_one_rule(one, plain) && one.kind == plain.kind;
      };
      const auto shrunk = std::ranges::find_if(again->findings, same);
      oracle::Violation finding = shrunk == again->findings.end() ? plain : *shrunk;
      oracle::CampaignFinding kept{
          .rule = rule, .kind = plain.kind, .id = folder_->id_for(rule, plain.kind), .text = {}};
      for (u32 n = 2; !ids.insert(kept.id).second; ++n) kept.id = fmt::format("{}-{}", kept.id, n);
      keep_trace(finding, kept);
      kept.text = oracle::full_text(finding);
      if (const oracle::NamedEvent* place = oracle::event_in_source(finding)) {
        kept.source = place->source;
        kept.source_line = place->source_line;
      }
      say("{}\n", kept.text);
      slice.findings.push_back(std::move(kept));
    }
    return {};
  }

  /// The trace goes where it stays before the slice is added: until then nobody names it.
  void keep_trace(oracle::Violation& finding, oracle::CampaignFinding& kept) const {
    if (finding.trace_path.empty()) return;
    const std::string path = folder_->trace_path(kept.id);
    std::error_code error;
    fs::rename(finding.trace_path, path, error);
    kept.traced = !error;
    const std::size_t at = finding.again.find(finding.trace_path);
    if (at != std::string::npos) finding.again.replace(at, finding.trace_path.size(), path);
    finding.trace_path = error ? "" : path;
  }

  /// Of those that were given, what shows something: lines, whatever they were read from.
  static void keep_given(const std::vector<oracle::GivenCase>& given,
                         const std::vector<std::string>& redundant, CampaignSlice& slice) {
    const std::set<std::string> left_out(redundant.begin(), redundant.end());
    for (const oracle::GivenCase& one : given) {
      if (left_out.contains(one.path)) continue;
      const fs::path name = fs::path(oracle::corpus_path("", one.sequence)).filename();
      slice.corpus[name.string()] = oracle::print(one.sequence);
    }
  }

  /// Of a driver that has counters, the blocks that were entered here first.
  void note_blocks(const oracle::DriverCoverage& coverage, CampaignSlice& slice) const {
    for (const oracle::DriverCoverage::Place& place : coverage.places()) {
      ++slice.blocks_of;
      if (place.entered && !folder_->blocks().contains(place.pc)) slice.blocks.insert(place.pc);
    }
  }

  [[nodiscard]] std::string blocks_text() const {
    return folder_->blocks_of() == 0
               ? std::string()
               : fmt::format(", {} of {} blocks of the driver", grouped(folder_->blocks().size()),
                             grouped(folder_->blocks_of()));
  }

  /// The first names of what is new, once that is little enough to be read.
  static std::string news_text(const oracle::FeatureNames& names) {
    constexpr std::size_t few = 12, shown = 3;
    if (names.empty() || names.size() > few) return {};
    std::string text = "\n  new: ";
    std::size_t n = 0;
    for (const std::string& name : names) {
      if (n == shown) return text + fmt::format("; {} more", names.size() - shown);
      text += (n++ == 0 ? "" : "; ") + name;
    }
    return text;
  }

  void say_growth(const CampaignSlice& slice) {
    const std::string which =
        slice.older.empty() ? fmt::format("slice {}", slice.number) : "sequences of " + slice.older;
    say("{}: {} sequences in all, {} features (+{}){}{}, {} in the corpus (+{}), {} findings "
        "(+{}){}\n",
        which, grouped(folder_->sequences()), grouped(folder_->features().size()),
        slice.features.size(), blocks_text(),
        slice.blocks_of == 0 ? "" : fmt::format(" (+{})", slice.blocks.size()),
        grouped(folder_->corpus_size()), slice.corpus.size(), folder_->findings().size(),
        slice.findings.size(), news_text(slice.features));
  }

  [[nodiscard]] bool is_known(const oracle::CampaignFinding& finding) const {
    oracle::Finding plain;
    const auto rule = spec::find_rule(finding.rule);
    if (!rule) return false;
    plain.rule = *rule;
    plain.kind = finding.kind;
    return oracle::excuse_of(settings_, plain).has_value();
  }

  /// What earlier versions have left and nobody can read: how much, and each with its reason.
  u64 tell_unread(oracle::RunEnd& end) const {
    u64 all = 0;
    for (const oracle::OlderCorpus& corpus : folder_->older()) {
      if (corpus.unread.empty()) continue;
      all += corpus.unread.size();
      end.undecided(
          fmt::format("{} of version {} cannot be read and are not run: mend them there, "
                      "or remove {}",
                      corpus.unread.size(), corpus.version, corpus.folder));
      for (const std::string& why : corpus.unread) end.undecided("not run: " + why);
    }
    return all;
  }

  [[nodiscard]] oracle::JunitCase test_of(std::string rule, const oracle::FindingKind& kind) const {
    oracle::JunitCase one;
    const std::string what = oracle::text_of(kind);
    one.name = fmt::format("{}: {}", rule, what);
    one.group = "campaign " + options_.folder;
    one.type = std::move(rule);
    one.message = what;
    one.status = oracle::JunitStatus::failed;
    return one;
  }

  [[nodiscard]] oracle::JunitCase test_of(const oracle::CampaignFinding& finding) const {
    oracle::JunitCase one = test_of(finding.rule, finding.kind);
    one.details = finding.text;
    if (finding.traced) one.file = folder_->trace_path(finding.id);
    if (!finding.source.empty()) {
      one.file = oracle::from_here(finding.source);
      one.line = finding.source_line;
    }
    if (const auto rule = spec::find_rule(finding.rule)) {
      one.fingerprints = {oracle::fingerprint_of(*rule, finding.kind)};
    }
    if (is_known(finding)) one.status = oracle::JunitStatus::skipped;
    return one;
  }

  /// What was found so far, what is known of it included.
  [[nodiscard]] std::vector<oracle::JunitCase> tests_of_findings() const {
    std::vector<oracle::JunitCase> tests;
    for (const auto& [identity, finding] : folder_->findings()) tests.push_back(test_of(finding));
    for (const oracle::Violation& finding : not_kept_) {
      tests.push_back(test_of(rule_of(finding), finding.kind));
      tests.back().details = oracle::full_text(finding);
    }
    return tests;
  }

  /// What is still open after all slices.
  static void tell_open(const std::vector<const CampaignSlice*>& slices, oracle::RunEnd& end) {
    std::set<std::string> open;
    for (const CampaignSlice* slice : slices) open.insert(slice->open.begin(), slice->open.end());
    // What one slice has not seen another may have.
    for (const std::string& what :
         slices.empty() ? std::vector<std::string>() : slices.front()->unseen) {
      const auto has = [&](const CampaignSlice* one) {
        return std::ranges::find(one->unseen, what) != one->unseen.end();
      };
      if (std::ranges::all_of(slices, has)) open.insert(what);
    }
    for (const std::string& why : open) end.undecided(why);
  }

  int finish_run(oracle::RunEnd& end) {
    progress_.clear();
    std::vector<oracle::JunitCase> tests = tests_of_findings();
    const u64 found = tests.size();
    u64 known = 0;
    std::set<std::string> names;
    for (const oracle::JunitCase& one : tests) {
      if (one.status == oracle::JunitStatus::skipped) {
        ++known;
      } else {
        end.found();
        names.insert(one.type);
      }
    }
    const std::vector<const CampaignSlice*> slices = folder_->all_slices();
    tell_open(slices, end);
    const u64 not_read = tell_unread(end);
    if (stopped_) end.undecided("stopped; the same command goes on");
    if (slices.empty()) end.undecided("no slice was run to its end");
    const int status = finish("campaign", end);
    oracle::Report report = report_of("campaign", options_.folder, end);
    report.seconds = seconds_since(begin_);
    report.tests = std::move(tests);
    report.property("driver", oracle::subject_of(settings_));
    report.property("seed", settings_.seed);
    report.property("slices_run", ran_);
    report.property("slices", u64{slices.size()});
    report.property("sequences", folder_->sequences());
    report.property("features", u64{folder_->features().size()});
    report.property("features_growth", folder_->growth());
    report.property("driver_blocks", u64{folder_->blocks().size()});
    report.property("driver_blocks_of", folder_->blocks_of());
    report.property("not_read", not_read);
    report.property("corpus", u64{folder_->corpus_size()});
    report.property("findings", found);
    report.property("known", known);
    report.summary = fmt::format(
        "campaign {}: {}{}, {} sequences in {} slices, {} features{}, {} in the corpus, {} "
        "findings, {} of them known",
        options_.folder, verdict_word(end),
        names.empty() ? "" : fmt::format(" {}", fmt::join(names, " ")),
        grouped(folder_->sequences()), slices.size(), grouped(folder_->features().size()),
        blocks_text(), grouped(folder_->corpus_size()), found, known);
    if (options_.check.format == Format::text) {
      say("features: {}\n  growth: {}; by name in {}/features.txt\n",
          oracle::counts_text(folder_->features()), folder_->growth(), options_.folder);
      fmt::print("{}\n", report.summary);
    } else {
      print_document(report, options_.check.format);
    }
    return write_reports(report, options_.check.reports, status);
  }

  const CampaignCommand& options_;
  oracle::CheckOptions settings_;
  Clock::time_point begin_;
  ProgressLine progress_;
  std::optional<CampaignFolder> folder_;
  fs::path running_;                         // what the slice that is running writes
  std::vector<oracle::Violation> not_kept_;  // of a slice that did not come to its end
  bool stopped_ = false;
  u64 ran_ = 0;
};

}  // namespace

int run_campaign(const CampaignCommand& options) { return CampaignRun(options).run(); }

int run_merge(const MergeCommand& options) {
  auto into = CampaignFolder::open(options.into);
  if (!into) return report("merge", into.error());
  for (const std::string& name : options.from) {
    std::error_code error;
    if (fs::equivalent(name, options.into, error)) {
      return report("merge",
                    {ErrorCode::bad_input, name + ": is the campaign that it is to go to"});
    }
    auto from = CampaignFolder::open(name);
    if (!from) return report("merge", from.error());
    const auto taken = into->take(*from);
    if (!taken) return report("merge", taken.error());
    fmt::print("{}: {} of {} slices taken\n", name, *taken, from->all_slices().size());
    for (const oracle::OlderCorpus& corpus : from->older()) {
      if (corpus.unread.empty()) continue;
      fmt::print("{}: {} of version {} cannot be read, and stay there\n", corpus.folder,
                 corpus.unread.size(), corpus.version);
    }
  }
  fmt::print("{}: {} sequences in {} slices, {} features, {} in the corpus, {} findings\n",
             options.into, grouped(into->sequences()), into->all_slices().size(),
             grouped(into->features().size()), grouped(into->corpus_size()),
             into->findings().size());
  return exit_held;
}

}  // namespace iommucheck::cli
