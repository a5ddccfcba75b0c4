// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/clock.h"
#include "cli/console.h"
#include "cli/litmus_result.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/seeds.h"
#include "cli/verdicts.h"
#include "litmus/agreement.h"
#include "litmus/parser.h"
#include "litmus/words.h"

namespace iommucheck::cli {
namespace {

using litmus::Test;

/// Whatever its `init` and `run` are, nothing that happens would make it fail.
bool asks_nothing(const Test& test) {
  return test.accesses.empty() && test.dmas.empty() && test.loads.empty() && !test.driver;
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
            .member("unsupported", unsupported_);
        end_json(writer_, end_);
        break;
      case Format::junit:
      case Format::ktap:
        print_suite({"litmus", "", seconds_since(begin), std::move(cases_)}, end_, options_.format);
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
    auto file = litmus::parse_file(path);
    if (!file) return note_error(file.error(), path, path);
    if (is(Format::text)) {
      fmt::print("{}{}\n", path, file->tests.empty() ? ": preludes only, no test" : "");
    }
    for (Test& test : file->tests) {
      if (asks_nothing(test)) {
        note_error(
            {ErrorCode::bad_input,
             fmt::format("{}:{}:{}: the test '{}' asks nothing: it has no line access, load, "
                         "dma or driver",
                         path, test.place.line, test.place.column, test.name)},
            path, test.name);
        continue;
      }
      state_profile(test, options_.profile);
      const Clock::time_point begin = Clock::now();
      const auto got = litmus::judge_by_either(test);
      if (!got) {
        note_error(got.error(), path, test.name);
        continue;
      }
      note(result_of(test, *got), path, seconds_since(begin));
    }
  }

  void note(const LitmusResult& result, const std::string& path, double seconds) {
    if (!result.unsupported.empty()) {
      ++unsupported_;
    } else {
      ++(result.passed() ? passed_ : failed_);
    }
    if (!options_.reports.empty()) reported_.push_back(case_of(result, path, seconds));
    switch (options_.format) {
      case Format::text: print_result(result, options_.quiet); break;
      case Format::json: write_json(writer_, result); break;
      case Format::junit:
      case Format::ktap: cases_.push_back(case_of(result, path, seconds));
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
    cases_.push_back(one);
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

int list_words() {
  for (const litmus::WordList& list : litmus::word_lists()) {
    fmt::print("{}: {}\n", list.of, fmt::join(list.words, " "));
  }
  return exit_held;
}

int list_preludes() {
  fmt::print("{}", litmus::built_in_preludes());
  return exit_held;
}

}  // namespace

int run_litmus(const LitmusOptions& options) {
  if (options.list_preludes) return list_preludes();
  if (options.list_words) return list_words();
  return options.corpus.empty() ? LitmusRun(options).run() : write_corpus(options);
}

}  // namespace iommucheck::cli
