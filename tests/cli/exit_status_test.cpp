// SPDX-License-Identifier: MIT
// What the commands end with, a test for each row.
#include <gmock/gmock.h>

#include "check/check.h"
#include "conform/conform.h"
#include "monitor/replay.h"
#include "spec/rules/promises.h"
#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "trace/json_value.h"

namespace iommucheck::exit_status_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool under_address_sanitizer = true;
#else
constexpr bool under_address_sanitizer = false;
#endif
#else
constexpr bool under_address_sanitizer = false;
#endif

class ExitStatus : public Command {
 protected:
  static std::string plugin(const std::string& name) {
    return test::in_build("test-plugins/") + name + ".so";
  }
  /// The command gets the signal after so many seconds, twice as timeout(1) sends it to a process
  /// and to its group; its own exit status.
  Ran stopped(const std::string& signal, const std::string& seconds,
              const std::string& arguments) const {
    return shell(program() + " " + arguments + " & sleep " + seconds + "; kill -" + signal +
                 " $!; sleep 0.01; kill -" + signal + " $!; wait $!");
  }
  std::size_t traces(const std::string& name) const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(path(name))) {
      count += entry.path().extension() == ".jsonl";
    }
    return count;
  }
};

const std::string header =
    R"({"iommucheck-trace":1,"versions":{"hand":"1"},"id_registers":{"IDR0":"0x940101a","IDR1":"0x1070010","IDR5":"0x55"},"devices":[{"device":"0x0","sids":["0x0"]}]})"
    "\n";

// ---- check ----------------------------------------------------------------------------------

TEST_F(ExitStatus, CheckHoldsWhereAllThatWasAskedWasRun) {
  const Ran ran = run("check --runs 40 --seed 1 --out " + path("out_dir"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("builtin driver against spec: holds"));
  EXPECT_THAT(ran.err, Not(HasSubstr("iommucheck")));
  EXPECT_FALSE(fs::exists(path("out_dir")));
}

TEST_F(ExitStatus, CheckStoppedIsTwoAndSaysHowToGoOn) {
  for (const char* signal : {"INT", "TERM"}) {
    const Ran ran =
        stopped(signal, "2",
                "check --runs 100000000 --seed 7 --operations 9 --findings 3 --rules --report " +
                    path("r.json") + " --out " + path("out_dir"));
    EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("against spec: UNDECIDED"));
    EXPECT_THAT(ran.err, HasSubstr("iommucheck check: undecided: stopped after"));
    EXPECT_THAT(
        ran.out,
        HasSubstr("to go on: iommucheck check --operations 9 --findings 3 --rules --report " +
                  path("r.json") + " --out " + path("out_dir") + " --seed 7 --from "));
    EXPECT_THAT(ran.out, HasSubstr(" --runs 9"));
  }
}

TEST_F(ExitStatus, CheckStoppedWhileAPlugInHangsIsTwo) {
  const Ran ran = stopped("INT", "2",
                          "check --driver " + plugin("faulty_spin") +
                              " --runs 1000 --seed 1 --hang 600 --out " + path("out_dir"));
  EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("undecided: stopped"));
}

TEST_F(ExitStatus, CheckThatCannotLookAtTheDriverIsTwo) {
  for (const char* look : {" --coverage", " --count-stores"}) {
    const Ran two =
        run(std::string("check --driver builtin --driver builtin-per-device --runs 5") + look);
    EXPECT_EQ(two.status, 2) << two.out;
    EXPECT_THAT(two.err, HasSubstr("look at one driver"));
    const Ran without =
        run(std::string("check --driver builtin --runs 5 --seed 1 --out ''") + look);
    EXPECT_EQ(without.status, 2) << without.out;
    EXPECT_THAT(without.err, HasSubstr("iommucheck cc"));
  }
}

TEST_F(ExitStatus, CheckWhoseTimeEndsBeforeItsRunsIsTwo) {
  const Ran ran = run("check --runs 100000000 --time 1 --seed 1 --out " + path("out_dir"));
  EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("of the 100000000 sequences that --runs asks for were run"));
  const Ran json = run("check --runs 100000000 --time 1 --seed 1 --format json");
  EXPECT_EQ(json.status, 2);
  const auto parsed = trace::parse_json(json.out);
  ASSERT_TRUE(parsed) << json.out;
  EXPECT_EQ(parsed->find("verdict")->value.text, "undecided");
  EXPECT_EQ(parsed->find("why")->value.items.size(), 1U);
  const Ran junit = run("check --runs 100000000 --time 1 --seed 1 --format junit");
  EXPECT_EQ(junit.status, 2);
  EXPECT_THAT(junit.out, AllOf(HasSubstr("errors=\"1\""), HasSubstr("undecided")));
}

TEST_F(ExitStatus, CheckThatCannotWriteTracesSaysSoAtOnce) {
  const Ran ran = run("check --runs 100000000 --seed 1 --out /proc/nowhere");
  EXPECT_EQ(ran.status, 3);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("/proc/nowhere"), HasSubstr("--out")));
}

TEST_F(ExitStatus, CheckPrintsAFindingWhoseTraceCannotBeWritten) {
  // The folder's path leaves room for a short name, and none for a trace's.
  constexpr std::size_t path_max = 4096;
  std::string out = path("out_dir");
  while (out.size() < path_max - 40)
    out += "/" + std::string(std::min<std::size_t>(path_max - 37 - out.size(), 100), 'x');
  fs::create_directories(out);
  const Ran ran = run("check --driver " + plugin("faulty_result_bytes") +
                      " --findings 1 --runs 5000 --seed 1 --out " + out);
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("VIOLATION RESULT_EXACT"), HasSubstr("no trace: "),
                    HasSubstr("against spec: VIOLATED RESULT_EXACT"), Not(HasSubstr("again: "))));
  EXPECT_TRUE(fs::is_empty(out));
}

TEST_F(ExitStatus, JobsInOneFolderKeepTheirTraces) {
  const std::string command = "check --findings 1 --driver " + plugin("faulty_result_bytes") +
                              " --runs 5000 --seed 1 --out " + path("out_dir");
  EXPECT_EQ(run(command).status, 1);
  const std::string first = slurp(path("out_dir/finding-RESULT_EXACT-1.trace.jsonl"));
  EXPECT_EQ(run(command).status, 1);
  EXPECT_EQ(traces("out_dir"), 2U);
  EXPECT_EQ(slurp(path("out_dir/finding-RESULT_EXACT-1.trace.jsonl")), first);
}

TEST_F(ExitStatus, CheckPrintsFindingsWhenTheyAreFound) {
  // The run goes on after the first, and is killed before its end.
  const std::string said = path("said");
  const Ran ran = shell(program() + " check --driver " + plugin("faulty_result_bytes") +
                        " --time 600 --findings 50 --seed 1 --out " + path("out_dir") + " >" +
                        said + " & for i in $(seq 600); do grep -q VIOLATION " + said +
                        " && break; sleep 0.1; done; kill -KILL $!; cat " + said);
  EXPECT_THAT(ran.out, HasSubstr("VIOLATION RESULT_EXACT"));
  EXPECT_THAT(ran.out, Not(HasSubstr("against spec:")));
}

TEST_F(ExitStatus, ACrashNamesTheCommandThatShowsItAgain) {
  const Ran ran = shell(program() + " check --driver " + plugin("faulty_crash") +
                        " --findings 1 --runs 5000 --seed 1 --out " + path("o"));
  EXPECT_EQ(ran.status, 1) << ran.out;
  const std::string again = "again: iommucheck replay --driver " + plugin("faulty_crash") + " " +
                            path("o/finding-CRASH_NEVER-1.trace.jsonl");
  ASSERT_THAT(ran.out, HasSubstr(again));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("in wrong_unmap+0x"), HasSubstr("faulty_crash.so+0x"),
                             HasSubstr("at address 0x8")));
  EXPECT_EQ(run(again.substr(again.find("replay"))).status, 1);
}

// ---- blame ----------------------------------------------------------------------------------

TEST_F(ExitStatus, AWorkerKilledFromOutsideIsTheEnvironment) {
  const Ran ran =
      run("check --driver " + plugin("faulty_killed") + " --runs 5000 --seed 1 --out " + path("o"));
  EXPECT_EQ(ran.status, 3) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("environment: the worker process was ended by SIGKILL"));
  EXPECT_THAT(ran.out, AllOf(Not(HasSubstr("VIOLATION")), HasSubstr("against spec: FAILED")));
}

TEST_F(ExitStatus, AnEndlessLoopOfBarriersIsAHangWithAShortTrace) {
  const Ran ran =
      run("check --driver " + plugin("faulty_barriers") +
          " --findings 1 --runs 5000 --seed 1 --hang 0.25 --hang-steps 20000 --no-shrink --out " +
          path("o"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("VIOLATION HANG_RETURNS"));
  for (const auto& entry : fs::directory_iterator(path("o"))) {
    EXPECT_LT(fs::file_size(entry.path()), u64{1} << 30);
  }
}

TEST_F(ExitStatus, WhatADriverSaysIsInTheReportAndLocksCanBeCalled) {
  const Ran ran = run("check --findings 1 --driver " + plugin("faulty_talks") +
                      " --runs 5000 --seed 1 --out " + path("o"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("VIOLATION RESULT_EXACT"),
                             HasSubstr("driver warning: the answer will be wrong")));
}

TEST_F(ExitStatus, ADriverThatDoesNotComeUpHasATraceAndSaysWhy) {
  const Ran ran =
      run("check --driver " + plugin("faulty_no_boot") + " --runs 50 --seed 1 --out " + path("o"));
  EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
  EXPECT_THAT(
      ran.err,
      AllOf(HasSubstr("does not come up on machine default: reset answered -110 (ETIMEDOUT)"),
            HasSubstr("the last events:"), HasSubstr("nobody answers"),
            HasSubstr("trace: " + path("o/does-not-come-up.trace.jsonl"))));
  EXPECT_TRUE(fs::exists(path("o/does-not-come-up.trace.jsonl")));
}

TEST_F(ExitStatus, ADriverThatIsForNoMachineIsNoHang) {
  const Ran ran = run("check --driver " + plugin("faulty_no_machine") +
                      " --runs 50 --seed 1 --hang 3 --out " + path("o"));
  EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("does not come up on machine"),
                             HasSubstr(", nor on one of 39 others: init answered -19 (ENODEV)")));
  EXPECT_THAT(ran.out, Not(HasSubstr("VIOLATION")));
}

// ---- replay ---------------------------------------------------------------------------------

TEST_F(ExitStatus, ReplayOfAHeaderAloneIsTwo) {
  const Ran ran = run("replay " + write("t.trace.jsonl", header));
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.out, HasSubstr("UNDECIDED (the trace has no event to judge), 0 events"));
  EXPECT_THAT(ran.err, HasSubstr("undecided: the trace has no event to judge"));
  const Ran notes =
      run("replay " +
          write("n.trace.jsonl",
                header + R"({"event":"Note","agent":"cpu0","kind":"text","text":"hello"})" + "\n"));
  EXPECT_EQ(notes.status, 2) << notes.out;
}

TEST_F(ExitStatus, ReplayThatJudgesNothingIsTwo) {
  const Ran ran =
      run("replay " + write("t.trace.jsonl", header + R"({"event":"DriverPhase","agent":"cpu0",)"
                                                      R"("phase":"starting"})"
                                                      "\n"));
  EXPECT_EQ(ran.status, 2) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("no rule was exercised"));
}

/// At an end of a line, so that all of it can be read: but what would have come is not known.
TEST_F(ExitStatus, ReplayOfATraceThatIsCutIsTwo) {
  const std::string out = path("o");
  ASSERT_EQ(run("check --driver " + plugin("faulty_result_bytes") +
                " --findings 1 --runs 5000 --seed 1 --out " + out)
                .status,
            1);
  const std::string trace = slurp(out + "/finding-RESULT_EXACT-1.trace.jsonl");
  const auto until = [&](const std::string& text, std::size_t lines) {
    std::size_t at = trace.find(text);
    for (; lines != 0; --lines) at = trace.find('\n', at + 1);
    return write("t.trace.jsonl", trace.substr(0, at + 1));
  };
  const Ran boot = run("replay " + until("\"starting\"", 40));
  EXPECT_EQ(boot.status, 2) << boot.out;
  EXPECT_THAT(boot.err, HasSubstr("undecided: the trace ends within the driver's boot: it is cut"));
  EXPECT_THAT(boot.out, HasSubstr("UNDECIDED"));
  EXPECT_EQ(run("replay " + until("\"ready\"", 1)).status, 0) << "nothing is open there";
  const Ran call = run("replay " + until("\"name\":\"map\"", 1));
  EXPECT_EQ(call.status, 2) << call.out;
  EXPECT_THAT(call.err, HasSubstr("the trace ends within call"));
  EXPECT_THAT(call.err, HasSubstr("(map)"));
}

TEST_F(ExitStatus, ReplayOfAFindingBeatsALineThatCannotBeRead) {
  const std::string out = path("o");
  ASSERT_EQ(run("check --driver " + plugin("faulty_result_bytes") +
                " --findings 1 --no-shrink --runs 5000 --seed 1 --out " + out)
                .status,
            1);
  const std::string trace = slurp(out + "/finding-RESULT_EXACT-1.trace.jsonl");
  const Ran ran = run("replay " + write("t.trace.jsonl", trace + "nonsense\n"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("VIOLATION RESULT_EXACT"));
  EXPECT_THAT(ran.err, HasSubstr("besides: "));
}

TEST_F(ExitStatus, ReplayOfTheLastStreamIdEnds) {
  std::string last = header;
  last.replace(last.find("\"0x0\"]"), 5, "\"0xffffffff\"");
  const Ran ran =
      run("replay " + write("t.trace.jsonl", last + R"({"event":"DriverPhase","agent":"cpu0",)"
                                                    R"("phase":"ready"})"
                                                    "\n"));
  EXPECT_GE(ran.status, 0) << "ended by a signal: " << ran.err;
  EXPECT_LE(ran.status, 2);
}

TEST_F(ExitStatus, EndlessInputIsRefused) {
  // AddressSanitizer reserves more address space than any bound that would show something.
  const std::string bound = under_address_sanitizer ? "" : "ulimit -v 2000000; ";
  const Ran ran = shell(bound + "timeout 60 " + program() + " litmus /dev/zero");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("larger than 16 MiB"));
  EXPECT_EQ(run("scenario /dev/zero").status, 2);
}

TEST_F(ExitStatus, ReplayOfAPipeEndsWhenItIsAsked) {
  for (const char* signal : {"INT", "TERM"}) {
    const Ran ran = shell("rm -f " + path("fifo") + "; mkfifo " + path("fifo") +
                          "; timeout --foreground -k 10 --preserve-status -s " + signal + " 1 " +
                          program() + " replay " + path("fifo"));
    EXPECT_EQ(ran.status, 2) << signal << ran.out << ran.err;
  }
}

TEST_F(ExitStatus, WhatIsNotThereIsTwoInEachCommand) {
  for (const char* command :
       {"explain nofile.jsonl", "explain /nowhere.jsonl", "explain --html nofile.jsonl",
        "explain nofile.jsonl:3", "replay nofile.jsonl", "export nofile.jsonl",
        "import nofile -o x", "litmus nofile.litmus", "scenario nofile.scenario"}) {
    const Ran ran = run(command);
    EXPECT_EQ(ran.status, 2) << command << ran.err;
    EXPECT_THAT(ran.err,
                testing::AnyOf(HasSubstr("there is no such file"), HasSubstr("No such file")))
        << command;
  }
  const Ran rule = run("explain PAGE_REUSED");
  EXPECT_EQ(rule.status, 2);
  EXPECT_THAT(rule.err, HasSubstr("PAGE_REUSED is neither a rule (`iommucheck rules` has them all) "
                                  "nor a trace: there is no such file; PAGE_REUSE is a rule"));
  EXPECT_THAT(run("explain NEVER_A_RULE").err, testing::EndsWith("there is no such file\n"));
  const std::string trace = write("t.trace.jsonl", header);
  for (const char* line : {"0", "abc", ""}) {
    const Ran ran = run("explain " + trace + ":" + line);
    EXPECT_EQ(ran.status, 2) << line;
    EXPECT_THAT(ran.err, HasSubstr("'" + std::string(line) + "' is no line of " + trace));
  }
}

// ---- litmus, scenario -----------------------------------------------------------------------

TEST_F(ExitStatus, LitmusWithoutATestIsTwo) {
  for (const std::string& file :
       {write("empty.litmus", ""), write("prelude.litmus", "prelude one\n  word R 0 table A\n"),
        std::string("/dev/null")}) {
    const Ran ran = run("litmus " + file);
    EXPECT_EQ(ran.status, 2) << file << ran.out << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("there is no test")) << file;
  }
}

TEST_F(ExitStatus, LitmusWhoseTestAsksNothingIsTwo) {
  const std::string good = "test asks\ninit use std\naccess 1 0x1000 r -> P1\n";
  for (const std::string empty : {"test x\n", "test x\ninit use std\nrun store word B 1 0\n"}) {
    const std::string file = write("t.litmus", good + empty);
    const Ran ran = run("litmus " + file);
    EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(file + ":4:1: the test 'x' asks nothing"));
    EXPECT_THAT(ran.out, HasSubstr("1 passed, 0 failed")) << "the others are judged";
  }
}

TEST_F(ExitStatus, LitmusThatIsAllUnsupportedIsTwo) {
  const Ran ran = run("litmus " + write("t.litmus",
                                        "test later\ninit use std\nrun wait irq\n"
                                        "access 1 0x1000 r -> P1\n"));
  EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("no test was run: all 1 are unsupported"));
}

TEST_F(ExitStatus, LitmusOfAFolderOrAnUnreadableFileIsTwo) {
  const Ran folder = run("litmus " + path(""));
  EXPECT_EQ(folder.status, 2) << folder.out;
  EXPECT_THAT(folder.err, HasSubstr("folder"));
  EXPECT_EQ(run("litmus /nowhere.litmus").status, 2);
}

TEST_F(ExitStatus, SeedsOfScenariosAreOfThoseThatTheCommandCarries) {
  const Ran ran = run("scenario --to-corpus " + path("seeds"));
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, Not(testing::StartsWith("0 seeds")));
  EXPECT_FALSE(fs::is_empty(path("seeds")));
}

TEST_F(ExitStatus, ScenariosThatAllNeedMoreAreTwo) {
  const Ran none = run("scenario " + write("e.scenario", ""));
  EXPECT_EQ(none.status, 2) << none.out << none.err;
  const Ran null = run("scenario /dev/null");
  EXPECT_EQ(null.status, 2);
  EXPECT_THAT(null.err, Not(HasSubstr("larger")));
}

// ---- what cannot be brought about by hand: facts of results, as a table -----------------------

oracle::RuleCount rule_with(oracle::RuleVerdict verdict) {
  oracle::RuleCount rule;
  rule.rule = spec::rule::PAGE_REUSE;
  rule.verdict = verdict;
  rule.broken = verdict == oracle::RuleVerdict::broken;
  return rule;
}

oracle::CheckResult good_check() {
  oracle::CheckResult result;
  result.sequences = 100;
  result.calls = result.outcomes_judged = 1000;
  result.rules = {rule_with(oracle::RuleVerdict::holds)};
  return result;
}

TEST(ExitStatusOfCheck, ByItsFacts) {
  oracle::CheckOptions asked;
  asked.sequences = 100;
  const auto verdict = [&](auto&& change) {
    oracle::CheckResult result = good_check();
    change(result);
    return oracle::end_of(asked, result).verdict();
  };
  using oracle::CheckResult;
  using oracle::Verdict;
  const auto breaks = [](CheckResult& r) {
    r.rules.push_back(rule_with(oracle::RuleVerdict::broken));  // its finding is lost
  };
  EXPECT_EQ(verdict([](CheckResult&) {}), Verdict::held);
  EXPECT_EQ(verdict([](CheckResult& r) { r.findings.emplace_back(); }), Verdict::violated);
  EXPECT_EQ(verdict(breaks), Verdict::violated);
  EXPECT_EQ(verdict([](CheckResult& r) { r.stopped = true; }), Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.ended_early = "5 hang"; }), Verdict::undecided);
  // A bound takes the verdict of its sequence; of all of them, that of the run.
  const auto bounds = [](u64 sequences) {
    return [sequences](CheckResult& r) {
      r.gave_up.emplace_back();
      r.without_verdict = sequences;
    };
  };
  EXPECT_EQ(verdict(bounds(1)), Verdict::held);
  EXPECT_EQ(verdict(bounds(1000)), Verdict::undecided);
  const auto unmodelled = [](CheckResult& r) {
    r.gave_up.push_back(
        {.bound = "stage 2", .unmodelled = true, .operations = {}, .trace_path = {}});
    r.without_verdict = r.unmodelled = 1;
  };
  EXPECT_EQ(verdict(unmodelled), Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.not_looked_at = {"no domain"}; }), Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.sequences = 99; }), Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.sequences = 0; }), Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.outcomes_judged = 0; }), Verdict::undecided);
  EXPECT_EQ(
      verdict([](CheckResult& r) { r.rules = {rule_with(oracle::RuleVerdict::undetermined)}; }),
      Verdict::undecided);
  EXPECT_EQ(verdict([](CheckResult& r) { r.environment.emplace_back("no memory"); }),
            Verdict::environment);
  EXPECT_EQ(verdict([&](CheckResult& r) {
              breaks(r);
              r.stopped = true;
              r.environment.emplace_back("no memory");
            }),
            Verdict::violated);
  // Time is to blame where nothing else is.
  oracle::CheckResult cut = good_check();
  cut.sequences = 0;
  EXPECT_THAT(oracle::end_of(asked, cut).why().front(), Not(HasSubstr("--time")));
  asked.seconds = 1;
  EXPECT_THAT(oracle::end_of(asked, cut).why().front(), HasSubstr("--time"));
  cut.environment.emplace_back("no room for files");
  for (const std::string& why : oracle::end_of(asked, cut).why()) {
    EXPECT_THAT(why, Not(HasSubstr("--time")));
  }
  asked.sequences = 0;  // as many as the time allows
  EXPECT_EQ(verdict([](CheckResult& r) { r.sequences = 1; }), Verdict::held);
}

TEST(ExitStatusOfReplay, ByItsFacts) {
  using oracle::ReplayResult;
  using oracle::Verdict;
  const auto verdict = [&](auto&& change) {
    ReplayResult result;
    result.events = result.accepted = 10;
    result.rules = {rule_with(oracle::RuleVerdict::holds)};
    change(result);
    return oracle::end_of(result).verdict();
  };
  EXPECT_EQ(verdict([](ReplayResult&) {}), Verdict::held);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.flagged = 1; }), Verdict::violated);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.findings.emplace_back(); }), Verdict::violated);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.stopped = true; }), Verdict::undecided);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.bound = "too many"; }), Verdict::undecided);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.events = r.accepted = 0; }), Verdict::undecided);
  EXPECT_EQ(verdict([](ReplayResult& r) {
              r.accepted = 0;
              r.undetermined = 10;
            }),
            Verdict::undecided);
  EXPECT_EQ(verdict([](ReplayResult& r) { r.undetermined = 1; }), Verdict::held);
  EXPECT_EQ(verdict([](ReplayResult& r) {
              r.stopped = true;
              r.bound = "too many";
              r.findings.emplace_back();
            }),
            Verdict::violated);
  // Whoever breaks the one rule that was asked has not exercised none.
  ReplayResult broken;
  broken.events = broken.flagged = 1;
  broken.rules = {rule_with(oracle::RuleVerdict::broken)};
  EXPECT_EQ(oracle::end_of(broken).why(),
            std::vector{
                std::string("no rule was exercised: nothing in the trace could have broken one")});
  broken.findings.emplace_back();
  EXPECT_TRUE(oracle::end_of(broken).why().empty());
}

TEST(ExitStatusOfConform, ByItsFacts) {
  using oracle::ConformResult;
  using oracle::Verdict;
  const auto verdict = [&](auto&& change) {
    ConformResult result;
    result.directed = 10;
    result.accesses = 100;
    result.rules = {rule_with(oracle::RuleVerdict::holds)};
    change(result);
    return oracle::end_of(result).verdict();
  };
  EXPECT_EQ(verdict([](ConformResult&) {}), Verdict::held);
  EXPECT_EQ(verdict([](ConformResult& r) { r.divergences.emplace_back(); }), Verdict::violated);
  EXPECT_EQ(verdict([](ConformResult& r) { r.divergences.emplace_back().known_id = "x"; }),
            Verdict::held);
  EXPECT_EQ(verdict([](ConformResult& r) { r.vanished.emplace_back(); }), Verdict::violated);
  EXPECT_EQ(verdict([](ConformResult& r) { r.gave_up = 1; }), Verdict::undecided);
  ConformResult bounded;
  bounded.gave_up = 1;
  bounded.bound_at = "case x: too many";
  EXPECT_THAT(oracle::end_of(bounded).why(), Contains(HasSubstr("case x: too many")));
  EXPECT_EQ(verdict([](ConformResult& r) { r.stopped = true; }), Verdict::undecided);
  EXPECT_EQ(verdict([](ConformResult& r) { r.directed = r.accesses = 0; }), Verdict::undecided);
  EXPECT_EQ(verdict([](ConformResult& r) {
              r.gave_up = 1;
              r.divergences.emplace_back();
            }),
            Verdict::violated);
}

}  // namespace
}  // namespace iommucheck::exit_status_test
