// SPDX-License-Identifier: MIT
#include "check/merge.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "check/finding_files.h"

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
  for (std::size_t i = 0; i < RuleTally::size; ++i) {
    sum.rules.asked[i] += part.rules.asked[i];
    sum.rules.discriminating[i] += part.rules.discriminating[i];
    sum.rules.broken[i] += part.rules.broken[i];
    sum.rules.order_unknown[i] += part.rules.order_unknown[i];
  }
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

Merge::Merge(const CheckOptions& options) : options_(options) {
  if (!options.out_directory.empty()) {
    folder_ = fmt::format("{}/.parts-{}", options.out_directory, ::getpid());
  }
  next_ = options.first_sequence / part_size;
}

Merge::~Merge() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

std::string Merge::folder_of(u64 number) const { return fmt::format("{}/{}", folder_, number); }

std::optional<CheckOptions> Merge::options_of(u64 number, std::vector<spec::Rule> known,
                                              double seconds_gone) const {
  CheckOptions part = options_;
  part.first_sequence = std::max(options_.first_sequence, number * part_size);
  part.sequences = (number + 1) * part_size - part.first_sequence;
  if (options_.sequences != 0) {
    const u64 end = options_.first_sequence + options_.sequences;
    if (part.first_sequence >= end) return std::nullopt;
    part.sequences = std::min(part.sequences, end - part.first_sequence);
  }
  if (options_.seconds > 0) {
    part.seconds = options_.seconds - seconds_gone;
    if (part.seconds <= 0) return std::nullopt;
  }
  part.jobs = 1;
  part.known = std::move(known);
  part.found = nullptr;
  if (!folder_.empty()) part.out_directory = folder_of(number);
  return part;
}

bool Merge::fits(const Expected<Part>& part, std::size_t known_then) const {
  if (!part || known_then == known_.size()) return true;
  const auto is_known = [&](const Violation& v) {
    return std::ranges::find(known_, v.rule) != known_.end();
  };
  const std::vector<Violation>& findings = part->result.findings;
  return std::ranges::none_of(findings, is_known) &&
         known_.size() + findings.size() < options_.findings_max;
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
    renamed(violation, file, take_file(file));
  }
  if (options_.found) options_.found(violation);
  told_.push_back(std::move(violation));
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
    known_.push_back(its.findings[i].rule);
    if (i >= told_.size() && options_.found) options_.found(its.findings[i]);
    result_.findings.push_back(std::move(i < told_.size() ? told_[i] : its.findings[i]));
  }
  told_.clear();
  if (result_.gave_up.empty()) result_.gave_up = std::move(its.gave_up);
  std::ranges::move(its.environment, std::back_inserter(result_.environment));
  result_.stopped |= its.stopped;
  if (result_.ended_early.empty()) result_.ended_early = its.ended_early;
  const auto whole = options_of(next_, {}, 0);
  if (!gap_) result_.next_sequence = part->next;
  gap_ |= whole && part->next < whole->first_sequence + whole->sequences;
  ++next_;
  return result_.findings.size() < options_.findings_max && result_.ended_early.empty() &&
         its.environment.empty();
}

Expected<CheckResult> Merge::result(double seconds) {
  if (error_ && result_.findings.empty()) return std::unexpected(std::move(*error_));
  if (error_) result_.ended_early = error_->message;  // what was found is not lost
  fill(result_, tally_, options_);
  result_.seconds = seconds;
  return std::move(result_);
}

}  // namespace iommucheck::oracle
