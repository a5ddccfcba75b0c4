// SPDX-License-Identifier: MIT
#include "check/merge.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "check/finding_files.h"
#include "check/given.h"

namespace iommucheck::oracle {

namespace {

namespace fs = std::filesystem;

void add(Tally& sum, const Tally& part) {
  sum.sequences += part.sequences;
  sum.calls += part.calls;
  sum.calls_succeeded += part.calls_succeeded;
  sum.calls_changing += part.calls_changing;
  sum.accesses += part.accesses;
  sum.outcomes += part.outcomes;
  sum.refused |= part.refused;
  sum.abilities |= part.abilities;
  sum.not_claimed |= part.not_claimed;
  sum.shown |= part.shown;
  sum.traits |= part.traits;
  sum.without_verdict += part.without_verdict;
  sum.unmodelled += part.unmodelled;
  sum.stage2 += part.stage2;
  sum.cut_short += part.cut_short;
  sum.answered.add(part.answered);
  sum.rules.add(part.rules);
  for (std::size_t i = 0; i < sum.excused.size(); ++i) sum.excused[i] += part.excused[i];
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

/// The trace is elsewhere, or could not be kept.
void renamed(Violation& violation, const std::string& from, const Expected<std::string>& to) {
  if (to) {
    for (std::string* text : {&violation.trace_path, &violation.again}) {
      replace_all(*text, from, *to);
    }
    for (std::string& remark : violation.remarks) replace_all(remark, from, *to);
  } else if (violation.trace_path == from) {
    violation.trace_path.clear();
    violation.again.clear();
    violation.remarks.push_back("no trace: " + to.error().message);
  }
}

void renamed(GaveUp& gave_up, const std::string& from, const Expected<std::string>& to) {
  if (to) {
    replace_all(gave_up.trace_path, from, *to);
  } else if (gave_up.trace_path == from) {
    gave_up.trace_path.clear();
    gave_up.bound += "; no trace: " + to.error().message;
  }
}

}  // namespace

static_assert(CheckOptions::default_part_size == 8 * MachinePlan::sequences_each);

Merge::Merge(const CheckOptions& options) : options_(options), seen_(options.seen) {
  if (!options.out_directory.empty()) {
    folder_ = fmt::format("{}/.parts-{}", options.out_directory, ::getpid());
  }
  if (auto plan = MachinePlan::parse(options.machine, options.seed)) plan_ = std::move(*plan);
  given_sequences_ = given_count(options, plan_);
  given_parts_ = (given_sequences_ + options_.part_size - 1) / options_.part_size;
  first_part_ = options.first_sequence / options_.part_size;
  if (options.given) adds_.resize(options.given->size());
}

Merge::~Merge() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

std::string Merge::folder_of(u64 number) const { return fmt::format("{}/{}", folder_, number); }

std::optional<CheckOptions> Merge::options_of(u64 number, std::vector<u64> told,
                                              double seconds_gone) const {
  CheckOptions part = options_;
  if (is_given(number)) {
    part.of_given = true;
    part.first_sequence = number * options_.part_size;
    part.sequences = std::min(options_.part_size, given_sequences_ - part.first_sequence);
    part.seconds = 0;
  } else {
    if (options_.sequences == 0 && options_.seconds == 0) return std::nullopt;  // given ones alone
    const u64 random = number - given_parts_ + first_part_;
    part.first_sequence = std::max(options_.first_sequence, random * options_.part_size);
    part.sequences = (random + 1) * options_.part_size - part.first_sequence;
    if (options_.sequences != 0) {
      const u64 end = options_.first_sequence + options_.sequences;
      if (part.first_sequence >= end) return std::nullopt;
      part.sequences = std::min(part.sequences, end - part.first_sequence);
    }
    if (options_.seconds > 0) {
      part.seconds = options_.seconds - seconds_gone;
      if (part.seconds <= 0) return std::nullopt;
    }
  }
  part.jobs = 1;
  part.told = std::move(told);
  part.found = nullptr;
  if (!folder_.empty()) part.out_directory = folder_of(number);
  return part;
}

bool Merge::is_one_part() const {
  return options_of(next_, {}, 0).has_value() && !options_of(next_ + 1, {}, 0).has_value();
}

bool Merge::fits(const Expected<Part>& part, std::size_t told_then) const {
  if (!part || told_then == told_.size()) return true;
  const auto was_told = [&](const Violation& v) {
    return std::ranges::find(told_, key_of(v)) != told_.end();
  };
  const std::vector<Violation>& findings = part->result.findings;
  return std::ranges::none_of(findings, was_told) &&
         told_.size() + findings.size() < options_.findings_max;
}

/// A file of the part that comes next becomes one of the run, under a name that nobody has.
Expected<std::string> Merge::take_file(const std::string& file) {
  const std::string name = fs::path(file).filename().string();
  auto path = reserve_trace(options_.out_directory, name.substr(0, name.find('.')));
  if (!path) return path;
  std::error_code error;
  fs::rename(file, *path, error);
  if (error) return fail(ErrorCode::environment, *path + ": " + error.message());
  return path;
}

void Merge::take_files(Expected<Part>& part) {
  if (folder_.empty()) return;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of(next_), error)) {
    files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  for (const std::string& file : files) {
    const auto path = take_file(file);
    if (part) {
      for (Violation& violation : part->result.findings) renamed(violation, file, path);
      for (GaveUp& gave_up : part->result.gave_up) renamed(gave_up, file, path);
    } else if (path) {
      replace_all(part.error().message, file, *path);
    }
  }
  forget_files();
}

void Merge::tell(Violation violation) {
  if (!violation.trace_path.empty()) {
    const std::string file = violation.trace_path;
    auto taken = taken_.find(file);  // two findings may have one trace
    if (taken == taken_.end()) taken = taken_.emplace(file, take_file(file)).first;
    renamed(violation, file, taken->second);
  }
  if (options_.found) options_.found(violation);
  early_.push_back(std::move(violation));
}

void Merge::forget_files() const {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_of(next_), ignored);
}

bool Merge::take(Expected<Part> part) {
  take_files(part);
  if (!part) {
    error_ = std::move(part.error());
    return false;
  }
  CheckResult& its = part->result;
  add(tally_, part->tally);
  if (result_.driver_name.empty()) result_.driver_name = its.driver_name;
  for (std::size_t i = 0; i < its.findings.size(); ++i) {
    told_.push_back(key_of(its.findings[i]));
    if (i >= early_.size() && options_.found) options_.found(its.findings[i]);
    result_.findings.push_back(std::move(i < early_.size() ? early_[i] : its.findings[i]));
  }
  early_.clear();
  take_novel(*part);
  if (is_given(next_)) result_.given += part->tally.sequences;
  for (GaveUp& gave_up : its.gave_up) {
    const auto kind = &GaveUp::unmodelled;
    if (std::ranges::find(result_.gave_up, gave_up.unmodelled, kind) != result_.gave_up.end())
      continue;
    result_.gave_up.push_back(std::move(gave_up));
  }
  std::ranges::move(its.environment, std::back_inserter(result_.environment));
  result_.stopped |= its.stopped;
  if (result_.ended_early.empty()) result_.ended_early = its.ended_early;
  const auto whole = options_of(next_, {}, 0);
  if (!gap_) result_.next_sequence = is_given(next_) ? options_.first_sequence : part->next;
  gap_ |= whole && part->next < whole->first_sequence + whole->sequences;
  ++next_;
  return result_.findings.size() < options_.findings_max && result_.ended_early.empty() &&
         its.environment.empty();
}

/// Its sequences in their order: who shows something that none before has shown. The result does
/// not depend on how the sequences before were spread over parts.
void Merge::take_novel(const Part& part) {
  if (!is_noted(options_)) return;
  CheckOptions its = options_;
  its.of_given = is_given(next_);
  CaseSource source(its, plan_);
  source.set_abilities(part.tally.abilities);
  const auto whole = options_of(next_, {}, 0);
  const std::span<const FirstSeen::Pair> pairs = part.novel;
  for (std::size_t first = 0; whole && first < pairs.size();) {
    const u64 place = pairs[first].place;
    std::size_t behind = first;
    while (behind < pairs.size() && pairs[behind].place == place) ++behind;
    const u64 number = whole->first_sequence + place;
    if (seen_.adds(pairs.subspan(first, behind - first))) {
      if (its.of_given) {
        adds_[source.given_of(number)] = true;
      } else {
        Sequence sequence;
        source.make(number, sequence);
        keep(sequence);
      }
    }
    first = behind;
  }
}

void Merge::keep(const Sequence& sequence) {
  CorpusResult& corpus = result_.corpus;
  const std::size_t there = options_.given ? options_.given->size() : 0;
  if (there + corpus.kept.size() >= options_.corpus_max) {
    ++corpus.not_kept;
    return;
  }
  if (auto done = oracle::keep(options_.corpus, sequence); !done) {
    if (corpus.kept.empty()) result_.environment.push_back("corpus: " + done.error().message);
    return;
  }
  corpus.kept.push_back(corpus_path(options_.corpus, sequence));
}

Expected<CheckResult> Merge::result(double seconds) {
  result_.corpus.features = seen_.count();
  result_.corpus.seen.assign(seen_.names().begin(), seen_.names().end());
  // Of those that were not run nobody knows.
  const bool all = is_noted(options_) && result_.given == given_sequences_;
  for (std::size_t i = 0; i < adds_.size() && all; ++i) {
    if (!adds_[i]) result_.corpus.redundant.push_back((*options_.given)[i].path);
  }
  if (error_ && result_.findings.empty()) return std::unexpected(std::move(*error_));
  if (error_) result_.ended_early = error_->message;  // what was found is not lost
  fill(result_, tally_, options_);
  result_.seconds = seconds;
  return std::move(result_);
}

}  // namespace iommucheck::oracle
