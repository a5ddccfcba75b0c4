// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/clock.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/seeds.h"
#include "cli/verdicts.h"
#include "litmus/agreement.h"
#include "litmus/parser.h"

namespace iommucheck::cli {
namespace {

using Set = std::set<std::string>;
using litmus::Judgement;
using litmus::Test;

/// "any" stands for every outcome and swallows the others.
Set set_of(const std::vector<litmus::OutcomeText>& outcomes) {
  Set set;
  for (const auto& outcome : outcomes) set.insert(outcome.text);
  return set.contains("any") ? Set{"any"} : set;
}

std::string text_of(const Set& set) {
  std::string text;
  for (const auto& one : set) text += (text.empty() ? "" : " ") + one;
  return text.empty() ? "(nothing)" : text;
}

std::string text_of(const litmus::Access& access) {
  std::string text = fmt::format("access {}", access.stream.sid.value);
  if (access.stream.ssid) text += fmt::format(".{}", access.stream.ssid->value);
  const char* direction = access.direction == litmus::Direction::read    ? "r"
                          : access.direction == litmus::Direction::write ? "w"
                                                                         : "x";
  return text + fmt::format(" {:#x} {}{}{}", access.va.value, direction,
                            access.privileged ? " priv" : "", access.ats ? " ats" : "");
}

/// A set of the test beside the one that the specification gives.
struct Row {
  std::string what;
  Set expected, allowed;
  std::vector<std::string> reasons;
  bool agrees() const { return expected == allowed; }
};

struct TestResult {
  const Test* test = nullptr;
  std::vector<Row> rows;
  std::string expected_verdict;
  Set broken;
  std::vector<std::string> evidence;
  bool verdict_agrees = true;
  std::string unsupported;
  bool literal = false;  ///< judged by the literal model, which gives no reasons

  bool passed() const {
    for (const Row& row : rows) {
      if (!row.agrees()) return false;
    }
    return verdict_agrees;
  }
};

TestResult compare(const Test& test, const litmus::FastResult& got) {
  const Judgement& judgement = got.judgement;
  TestResult result;
  result.test = &test;
  result.unsupported = judgement.unsupported;
  result.literal = got.literal;
  if (!result.unsupported.empty()) return result;
  for (std::size_t i = 0; i < test.accesses.size(); ++i) {
    Row row{text_of(test.accesses[i]), set_of(test.accesses[i].allowed), {}, {}};
    if (i < judgement.allowed.size()) row.allowed = judgement.allowed[i];
    if (i < got.reasons.size()) row.reasons = got.reasons[i];
    if (test.accesses[i].promised) {
      row.what += fmt::format(" (promised: {})", text_of(set_of(*test.accesses[i].promised)));
    }
    result.rows.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < test.dmas.size(); ++i) {
    Row row{"dma " + test.dmas[i].name.text, set_of(test.dmas[i].allowed), {}, {}};
    if (i < judgement.dmas.size()) row.allowed = judgement.dmas[i];
    result.rows.push_back(std::move(row));
  }
  result.broken = judgement.broken;
  result.evidence = got.evidence;
  if (test.driver) {
    const litmus::Verdict& verdict = *test.driver;
    result.expected_verdict = verdict.ok ? "ok" : "violation " + verdict.rule;
    result.verdict_agrees =
        verdict.ok ? result.broken.empty() : result.broken.contains(verdict.rule);
  }
  return result;
}

std::string found_verdict(const TestResult& result) {
  return result.broken.empty() ? "ok" : "violation " + text_of(result.broken);
}

std::string differences(const TestResult& result) {
  std::string text;
  for (const Row& row : result.rows) {
    if (row.agrees()) continue;
    text += fmt::format("{}\n  expected {}\n  allowed  {}\n", row.what, text_of(row.expected),
                        text_of(row.allowed));
    for (const auto& reason : row.reasons) text += "  " + reason + "\n";
  }
  if (result.verdict_agrees) return text;
  text += fmt::format("driver: expected {}, found {}\n", result.expected_verdict,
                      found_verdict(result));
  for (const auto& line : result.evidence) text += "  " + line + "\n";
  return text;
}

oracle::JunitCase case_of(const TestResult& result, const std::string& file, double seconds) {
  oracle::JunitCase one;
  one.name = result.test->name;
  one.group = file;
  one.file = file;
  one.line = result.test->place.line;
  one.seconds = seconds;
  if (!result.unsupported.empty()) {
    one.status = oracle::JunitStatus::skipped;
    one.message = "unsupported: " + result.unsupported;
  } else if (!result.passed()) {
    one.status = oracle::JunitStatus::failed;
    one.type = "litmus";
    one.details = differences(result);
    one.message = one.details.substr(0, one.details.find('\n'));
  }
  return one;
}

void print_text(const TestResult& result, bool quiet) {
  const Test& test = *result.test;
  if (!result.unsupported.empty()) {
    fmt::print("      {}\nunsupported: {}\n", test.name, result.unsupported);
    return;
  }
  fmt::print("{}  {}{}{}\n", result.passed() ? "ok  " : "FAIL", test.name,
             result.passed() ? "" : "  (" + litmus::to_string(test.place) + ")",
             result.literal ? "  (by the literal model, without reasons)" : "");
  for (const Row& row : result.rows) {
    if (quiet && row.agrees()) continue;
    if (row.agrees()) {
      fmt::print("      {} -> {}\n", row.what, text_of(row.allowed));
    } else {
      fmt::print("      {}\n        expected {}\n        allowed  {}\n", row.what,
                 text_of(row.expected), text_of(row.allowed));
    }
    for (const auto& reason : row.reasons) fmt::print("        {}\n", reason);
    for (const auto& member : row.expected) {
      if (row.allowed.contains(member) || result.literal) continue;
      fmt::print("        {}: expected, but no fetch that is possible leads to it\n", member);
    }
  }
  if (quiet && result.verdict_agrees) return;
  if (result.verdict_agrees) {
    fmt::print("      driver {}\n", found_verdict(result));
  } else {
    fmt::print("      driver: expected {}, found {}\n", result.expected_verdict,
               found_verdict(result));
  }
  for (const auto& line : result.evidence) fmt::print("        {}\n", line);
}

void write_json(JsonWriter& json, const TestResult& result) {
  const Test& test = *result.test;
  const bool ran = result.unsupported.empty();
  json.begin_object()
      .member("name", test.name)
      .member("place", litmus::to_string(test.place))
      .member("status", !ran              ? "unsupported"
                        : result.passed() ? "ok"
                                          : "FAIL");
  if (!ran) {
    json.member("unsupported", result.unsupported).end_object();
    return;
  }
  json.key("sets").begin_array();
  for (const Row& row : result.rows) {
    json.begin_object()
        .member("what", row.what)
        .member("agrees", row.agrees())
        .texts("expected", row.expected)
        .texts("allowed", row.allowed)
        .texts("reasons", row.reasons)
        .end_object();
  }
  json.end_array()
      .member("reading", result.literal ? "literal" : "engine")
      .member("verdict_agrees", result.verdict_agrees)
      .member("expected_verdict", result.expected_verdict)
      .texts("broken", result.broken)
      .texts("evidence", result.evidence)
      .end_object();
}

/// All tests of all files, one after the other.
class LitmusRun {
 public:
  explicit LitmusRun(const LitmusOptions& options) : options_(options) {}

  int run() {
    const Clock::time_point begin = Clock::now();
    if (is(Format::json)) writer_.begin_object().key("tests").begin_array();
    for (const auto& path : options_.files) run_file(path);
    oracle::add_tests(end_, {passed_, failed_, unsupported_, "are unsupported"});
    const int status = finish("litmus", end_);
    switch (options_.format) {
      case Format::text:
        fmt::print("{} passed, {} failed, {} unsupported\n", passed_, failed_, unsupported_);
        break;
      case Format::json:
        writer_.end_array()
            .member("passed", passed_)
            .member("failed", failed_)
            .member("unsupported", unsupported_)
            .member("verdict", oracle::to_string(end_.verdict()))
            .texts("why", end_.why())
            .end_object()
            .print();
        break;
      case Format::junit: {
        oracle::JunitSuite suite = suite_of("litmus", "", seconds_since(begin));
        suite.cases = std::move(cases_);
        add_end(suite, end_, "litmus");
        fmt::print("{}", oracle::to_junit(suite));
      }
    }
    oracle::Report report = report_of("litmus", "", end_);
    report.seconds = seconds_since(begin);
    report.tests = std::move(reported_);
    report.property("passed", passed_);
    report.property("failed", failed_);
    report.property("unsupported", unsupported_);
    return write_reports(report, options_.reports, status);
  }

 private:
  [[nodiscard]] bool is(Format format) const { return options_.format == format; }

  void run_file(const std::string& path) {
    const auto file = litmus::parse_file(path);
    if (!file) return note_error(file.error(), path, path);
    if (is(Format::text)) {
      fmt::print("{}{}\n", path, file->tests.empty() ? ": preludes only, no test" : "");
    }
    for (const Test& test : file->tests) {
      const Clock::time_point begin = Clock::now();
      const auto got = litmus::judge_by_either(test);
      if (!got) {
        note_error(got.error(), path, test.name);
        continue;
      }
      note(compare(test, *got), path, seconds_since(begin));
    }
  }

  void note(const TestResult& result, const std::string& path, double seconds) {
    if (!result.unsupported.empty()) {
      ++unsupported_;
    } else {
      ++(result.passed() ? passed_ : failed_);
    }
    if (!options_.reports.empty()) reported_.push_back(case_of(result, path, seconds));
    switch (options_.format) {
      case Format::text: print_text(result, options_.quiet); break;
      case Format::json: write_json(writer_, result); break;
      case Format::junit: cases_.push_back(case_of(result, path, seconds));
    }
  }

  /// The other files and tests are judged all the same.
  void note_error(const Error& error, const std::string& path, const std::string& name) {
    end_.error(error);
    oracle::JunitCase one;
    one.name = name;
    one.group = path;
    one.file = path;
    one.status = oracle::JunitStatus::error;
    one.message = error.message;
    if (is(Format::junit)) cases_.push_back(one);
    reported_.push_back(std::move(one));
  }

  const LitmusOptions& options_;
  JsonWriter writer_;
  std::vector<oracle::JunitCase> cases_;
  std::vector<oracle::JunitCase> reported_;  // of --report
  u64 passed_ = 0, failed_ = 0, unsupported_ = 0;
  oracle::RunEnd end_;
};

/// What the fuzz target does not look at, and what makes mutants be refused.
void leave_out_expectations(Test& test) {
  test.says.clear();
  test.driver.reset();
  for (auto& access : test.accesses) access.allowed.clear();
  for (auto& dma : test.dmas) dma.allowed.clear();
}

/// Each test as a file of DIR, with the lines of its preludes.
int write_corpus(const LitmusOptions& options) {
  if (const int status = make_folder("litmus", options.corpus); status != exit_held) return status;
  u64 written = 0;
  for (const std::string& path : options.files) {
    const auto file = litmus::parse_file(path);
    if (!file) return report("litmus", file.error());
    for (Test test : file->tests) {
      const std::string name =
          plain_name(std::filesystem::path(path).stem().string() + "-" + test.name) + ".litmus";
      leave_out_expectations(test);
      const int status = write_seed("litmus", options.corpus, name, litmus::print(test));
      if (status != exit_held) return status;
      ++written;
    }
  }
  fmt::print("{} seeds in {}\n", written, options.corpus);
  return exit_held;
}

}  // namespace

int run_litmus(const LitmusOptions& options) {
  return options.corpus.empty() ? LitmusRun(options).run() : write_corpus(options);
}

}  // namespace iommucheck::cli
