// SPDX-License-Identifier: MIT
#include "mutants/run.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include "mutants/process.h"
#include "mutants/suites.h"

namespace iommucheck::mutants {
namespace {

namespace fs = std::filesystem;

enum class Fate { survived, killed, not_run };

struct Result {
  Fate fate = Fate::survived;
  std::string by;    ///< suite and first failing test
  std::string test;  ///< that test, if the suite has names
  double seconds = 0;
};

constexpr std::array fate_words = {"survived", "killed", "not_run"};

/// The first test that GoogleTest says failed, or the proof that is not as expected.
std::string failed_test(const std::string& log) {
  std::ifstream file(log);
  std::string proof;
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view mark = "[  FAILED  ] ";
    if (line.starts_with(mark)) {
      const std::string name = line.substr(mark.size());
      return name.substr(0, name.find_first_of(" ,"));
    }
    for (const std::string_view verdict : {"refuted  ", "unknown  "}) {
      if (!line.starts_with(verdict) || !proof.empty()) continue;
      proof = line.substr(verdict.size());
      proof = proof.substr(0, proof.find(' '));
    }
  }
  return proof;
}

/// A test that ran when the program ended.
std::string running_test(const std::string& log) {
  std::ifstream file(log);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view mark = "[ RUN      ] ";
    if (line.starts_with(mark)) last = line.substr(mark.size());
  }
  return last;
}

class Runner {
 public:
  Runner(const std::vector<Mutant>& mutants, const RunOptions& options)
      : mutants_(mutants), options_(options), results_(mutants.size()) {
    for (const Mutant& mutant : mutants) {
      const bool runs = mutant.equivalent.empty() || options.equivalent;
      if (runs) todo_.push_back(static_cast<std::size_t>(&mutant - mutants.data()));
    }
  }

  int run() {
    for (const char* folder : {"log", "scratch"})
      fs::create_directories(options_.work + "/" + folder);
    recall(options_.killers);
    recall(options_.work + "/killers.txt");
    go_on();
    if (!baseline()) return 3;
    std::vector<std::jthread> workers;
    for (unsigned n = 0; n < std::max(options_.jobs, 1U); ++n) {
      workers.emplace_back([this] { work(); });
    }
    workers.clear();
    remember(options_.work + "/killers.txt");
    if (options_.record) remember(options_.killers);
    progress_.close();
    fs::remove(progress_path());
    return report();
  }

 private:
  [[nodiscard]] Execution execution(const Suite& suite, const std::string& mutant) const {
    Execution e;
    e.arguments = {options_.binaries + "/" + std::string(suite.program)};
    e.arguments.insert(e.arguments.end(), suite.arguments.begin(), suite.arguments.end());
    e.mutant = mutant;
    const std::string name = mutant.empty() ? "none." + std::string(suite.name) : mutant;
    e.log = options_.work + "/log/" + name + ".txt";
    e.scratch = options_.work + "/scratch/" + name;
    fs::create_directories(e.scratch);
    return e;
  }

  [[nodiscard]] std::vector<std::size_t> suites_of(const Mutant& mutant) const {
    std::vector<std::size_t> numbers = suites_for(mutant.file);
    if (options_.suites.empty()) return numbers;
    std::erase_if(numbers, [&](std::size_t s) {
      return std::ranges::find(options_.suites, suites()[s].name) == options_.suites.end();
    });
    return numbers;
  }

  /// Every suite passes while no mutant is on; how long it takes bounds what a hang is.
  bool baseline() {
    std::vector<bool> wanted(suites().size());
    for (const std::size_t m : todo_) {
      for (const std::size_t s : suites_of(mutants_[m])) wanted[s] = true;
    }
    limits_.assign(suites().size(), 0);
    std::vector<std::size_t> queue;
    for (std::size_t s = 0; s < suites().size(); ++s) {
      const auto passed = passed_.find(std::string(suites()[s].name));
      if (passed != passed_.end()) limits_[s] = limit_of(passed->second);
      if (wanted[s] && passed == passed_.end()) queue.push_back(s);
    }
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> held = true;
    const auto one = [&] {
      for (std::size_t i = next++; i < queue.size(); i = next++) {
        const Suite& suite = suites()[queue[i]];
        const Execution e = execution(suite, "");
        const Ended ended = execute(e);
        limits_[queue[i]] = limit_of(ended.seconds);
        if (ended.how == Ended::How::passed) {
          note("suite " + std::string(suite.name) + " " + std::to_string(ended.seconds));
          say("without a mutant %-9.*s passes, %.1f s\n", static_cast<int>(suite.name.size()),
              suite.name.data(), ended.seconds);
          continue;
        }
        held = false;
        say("mutants: %s does not pass without a mutant: see %s\n",
            std::string(suite.program).c_str(), e.log.c_str());
      }
    };
    {
      std::vector<std::jthread> workers;
      for (unsigned n = 0; n < std::max(options_.jobs, 1U); ++n) workers.emplace_back(one);
    }
    return held;
  }

  void work() {
    for (std::size_t i = next_++; i < todo_.size(); i = next_++) {
      const Mutant& mutant = mutants_[todo_[i]];
      Result& result = results_[todo_[i]];
      if (const auto judged = judged_.find(mutant.id); judged != judged_.end()) {
        result = judged->second;
        continue;
      }
      judge(mutant, result);
      note("mutant " + mutant.id + " " + fate_words[static_cast<std::size_t>(result.fate)] + " " +
           (result.test.empty() ? "-" : result.test) + " " + result.by);
      const char* verdict = result.fate == Fate::killed     ? "killed"
                            : result.fate == Fate::survived ? "SURVIVED"
                                                            : "NOT RUN";
      say("%-9s%-40s%6.1f s  %s\n", verdict, mutant.id.c_str(), result.seconds, result.by.c_str());
    }
  }

  void judge(const Mutant& mutant, Result& result) {
    if (const auto known = killers_.find(mutant.id); known != killers_.end()) {
      const auto suite = std::ranges::find(suites(), known->second.first, &Suite::name);
      if (suite != suites().end()) {
        const auto number = static_cast<std::size_t>(suite - suites().begin());
        if (ends_it(mutant, number, known->second.second, result)) return;
      }
    }
    for (const std::size_t s : suites_of(mutant)) {
      if (ends_it(mutant, s, {}, result)) return;
    }
  }

  /// Runs a suite, or one test of it; true if no more is to be run.
  bool ends_it(const Mutant& mutant, std::size_t number, const std::string& test, Result& result) {
    const Suite& suite = suites()[number];
    Execution e = execution(suite, mutant.id);
    e.limit_seconds = std::max(limits_[number], 20.0);
    if (!test.empty()) {
      const bool proof = suite.program == "iommucheck_prove";
      e.arguments.push_back(proof ? "--only" : "--gtest_filter=" + test);
      if (proof) e.arguments.push_back(test);
    }
    const Ended ended = execute(e);
    result.seconds += ended.seconds;
    std::error_code ignored;
    fs::remove_all(e.scratch, ignored);
    if (ended.how == Ended::How::passed) return false;
    result.by = std::string(suite.name);
    if (ended.how == Ended::How::not_run) {
      result.fate = Fate::not_run;
      return true;
    }
    result.fate = Fate::killed;
    result.test = failed_test(e.log);
    if (result.test.empty()) result.test = running_test(e.log);
    if (!result.test.empty()) result.by += " " + result.test;
    if (ended.how == Ended::How::hung) result.by += ", hung";
    if (ended.how == Ended::How::crashed) result.by += ", crashed";
    return true;
  }

  /// Of a suite that takes so long without a mutant: what takes longer with one hangs.
  static double limit_of(double seconds) { return 20 + 10 * seconds; }

  // What an interrupted run has found: the programs it was of, then "suite NAME SECONDS" and
  // "mutant ID FATE TEST BY" a line.

  [[nodiscard]] std::string progress_path() const { return options_.work + "/progress.txt"; }

  /// By size and time of the programs, and the suites that were asked for.
  [[nodiscard]] std::string asked() const {
    std::string text = "of";
    for (const Suite& suite : suites()) {
      const fs::path program = options_.binaries + "/" + std::string(suite.program);
      std::error_code none;
      text += " " + std::to_string(fs::file_size(program, none)) + "." +
              std::to_string(fs::last_write_time(program, none).time_since_epoch().count());
    }
    for (const std::string& suite : options_.suites) text += " " + suite;
    return text;
  }

  void go_on() {
    std::ifstream file(progress_path());
    std::string line;
    const bool same = std::getline(file, line) && line == asked();
    while (same && std::getline(file, line)) {
      std::istringstream words(line);
      std::string what, name, fate;
      words >> what >> name;
      if (what == "suite" && words >> passed_[name]) continue;
      Result result;
      if (what != "mutant" || !(words >> fate >> result.test)) continue;
      const auto known = std::ranges::find(fate_words, fate);
      if (known == fate_words.end() || fate == fate_words.back()) continue;
      result.fate = static_cast<Fate>(known - fate_words.begin());
      if (result.test == "-") result.test.clear();
      std::getline(words >> std::ws, result.by);
      judged_[name] = result;
    }
    file.close();
    if (same) {
      say("going on: %zu suites and %zu mutants are known of these programs\n", passed_.size(),
          judged_.size());
    }
    progress_.open(progress_path(), same ? std::ios::app : std::ios::trunc);
    if (!same) note(asked());
  }

  void note(const std::string& line) {
    const std::lock_guard guard(mutex_);
    progress_ << line << std::endl;  // it may be killed
  }

  // Who killed a mutant last is asked first: "id suite test" a line.

  void recall(const std::string& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string id, suite, test;
      if (words >> id >> suite) {
        words >> test;
        killers_[id] = {suite, test};
      }
    }
  }

  void remember(const std::string& path) {
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const Result& result = results_[i];
      if (result.fate != Fate::killed) continue;
      killers_[mutants_[i].id] = {result.by.substr(0, result.by.find_first_of(" ,")), result.test};
    }
    std::ofstream file(path, std::ios::trunc);
    for (const auto& [id, killer] : killers_) {
      file << id << ' ' << killer.first << ' ' << killer.second << '\n';
    }
  }

  int report() const {
    bool good = true;
    std::string rates;
    for (const Part part : parts) {
      unsigned killed = 0, asked = 0, equivalent = 0;
      for (std::size_t i = 0; i < mutants_.size(); ++i) {
        if (part_of(mutants_[i]) != part) continue;
        if (!mutants_[i].equivalent.empty()) {
          ++equivalent;
          continue;
        }
        ++asked;
        if (results_[i].fate == Fate::killed) ++killed;
      }
      if (asked + equivalent == 0) continue;
      const double rate = asked == 0 ? 1 : static_cast<double>(killed) / asked;
      if (rate < options_.floor) good = false;
      char line[160];
      std::snprintf(line, sizeof line, "%-14s %3u of %3u killed, %5.1f %%%s; %u equivalent\n",
                    std::string(part_name(part)).c_str(), killed, asked, 100 * rate,
                    rate < options_.floor ? " (below the floor)" : "", equivalent);
      rates += line;
    }
    bool ran = true;
    for (std::size_t i = 0; i < mutants_.size(); ++i) {
      const Mutant& mutant = mutants_[i];
      const Result& result = results_[i];
      if (result.fate == Fate::not_run) ran = false;
      const bool lives = mutant.equivalent.empty() && result.fate == Fate::survived;
      const bool wrong = !mutant.equivalent.empty() && result.fate == Fate::killed;
      if (!lives && !wrong) continue;
      good = false;
      std::printf("%s %s (%s): %s\n", lives ? "survivor" : "not equivalent", mutant.id.c_str(),
                  mutant.file.c_str(), lives ? mutant.what.c_str() : mutant.equivalent.c_str());
    }
    std::printf("%s%s\n", rates.c_str(),
                !ran   ? "mutants: NOT DECIDED, some could not be run"
                : good ? "mutants: HELD"
                       : "mutants: VIOLATED, a survivor needs a test, or a reason why it is "
                         "equivalent");
    return !ran ? 3 : good ? 0 : 1;
  }

  template <class... Args>
  void say(const char* format, Args... args) {
    const std::lock_guard guard(mutex_);
    std::printf(format, args...);  // NOLINT(cppcoreguidelines-pro-type-vararg)
    std::fflush(stdout);
  }

  const std::vector<Mutant>& mutants_;
  const RunOptions& options_;
  std::vector<Result> results_;
  std::vector<std::size_t> todo_;
  std::vector<double> limits_;
  std::map<std::string, std::pair<std::string, std::string>> killers_;
  std::map<std::string, double> passed_;  // suites, and how long each took
  std::map<std::string, Result> judged_;
  std::ofstream progress_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;
};

}  // namespace

int run(const std::vector<Mutant>& mutants, const RunOptions& options) {
  return Runner(mutants, options).run();
}

}  // namespace iommucheck::mutants
