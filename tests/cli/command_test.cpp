// SPDX-License-Identifier: MIT
// The command as people run it: exit statuses, messages, text and JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "spec/rules.h"
#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "trace/json_value.h"
#include "trace/trace_file.h"

namespace iommucheck::command_test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(Command, HelpAndVersion) {
  EXPECT_EQ(run("--version").status, 0);
  EXPECT_THAT(run("--version").out, StartsWith("iommucheck "));
  const std::string page = slurp(test::in_tree("docs/commands.md"));
  for (const char* name :
       {"", "litmus", "ask", "scenario", "check", "conform", "matrix", "replay", "import", "export",
        "rules", "explain", "cc", "prove", "bench", "init", "linux", "campaign", "merge"}) {
    const Ran help = run(std::string(name) + " --help");
    EXPECT_EQ(help.status, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("Exit status: 0 all held")) << name;
    EXPECT_EQ(help.err, "") << name;
    const std::string example = std::string("  iommucheck ") + name + " ";
    EXPECT_EQ(help.out.contains(example), *name != 0) << name;
    EXPECT_EQ(page.contains("| `" + std::string(name) + "` |"), *name != 0)
        << name << ": docs/commands.md has a row for each command";
  }
}

/// What is left over of a command line goes to the benchmarks, which need not have been built.
TEST_F(Command, BenchHandsItsArgumentsOn) {
  const Ran ran = run("bench --only nothing-of-this-name");
  EXPECT_THAT(ran.status, ::testing::AnyOf(2, 3)) << ran.err;
  EXPECT_THAT(ran.err, ::testing::AnyOf(HasSubstr("build it: ./dev bench"),
                                        HasSubstr("nothing-of-this-name")));
}

TEST_F(Command, HelpOfACommandMayComeFirst) {
  for (const char* command : {"check", "conform", ""}) {
    const Ran first = run(std::string("help ") + command);
    EXPECT_EQ(first.status, 0);
    EXPECT_EQ(first.out, run(std::string(command) + " --help").out);
  }
  EXPECT_THAT(run("help nope").err, HasSubstr("there is no command 'nope'"));
}

TEST_F(Command, BadUsageIsTwoAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "A subcommand is required"},
      {"nope",
       "there is no command 'nope'; there are litmus ask scenario check conform matrix replay "
       "import"},
      {"check --nope", "not expected: --nope"},
      {"check /bin/true",
       "/bin/true: is a program or shared object; a driver is named by --driver"},
      {"conform ./mine.so", "not expected: ./mine.so; a device is named by --device"},
      {"conform --nope", "not expected: --nope\nTry"},
      {"check --operations 65", "'65' is no whole number from 1 to 64"},
      {"check --operations 0", "'0' is no whole number from 1 to 64"},
      {"check --seed -5", "'-5' is no whole number of 64 bits"},
      {"check --seed 18446744073709551616", "is no whole number of 64 bits"},
      {"check --runs 1e9", "'1e9' is no whole number"},
      {"check --time 0", "--time: '0' is no number of seconds from 0.001 to 1000000000"},
      {"check --time nan", "'nan' is no number of seconds"},
      {"check --time ''", "'' is no number of seconds"},
      {"check --time 0x10", "'0x10' is no number of seconds"},
      {"check --time ' 3'", "' 3' is no number of seconds"},
      {"check --time +5", "'+5' is no number of seconds"},
      {"check --time 010", "'010' is no number of seconds"},
      {"check --time inf", "'inf' is no number of seconds"},
      {"check --hang nan", "'nan' is no number of seconds from 0.05 to 3600"},
      {"conform --time -1", "'-1' is no number of seconds from 0 to 86400"},
      {"campaign c --time 0", "'0' is no number of seconds"},
      {"rules --format xml", "--format: xml not in {text,json}"},
      {"rules --family nope", "there is no 'nope'; there are page-reuse table-free"},
      {"rules NOPE", "there is no rule 'NOPE'"},
      {"litmus", "files is required"},
      {"import /dev/null", "--output is required"},
      {"export /nowhere", "/nowhere: there is no such file"},
      {"export --as pdf /dev/null", "--as: pdf not in {c,rust,libqos,qtest}"},
      {"import /nowhere -o x", "/nowhere: there is no such file"},
      {"replay /nowhere", "/nowhere: there is no such file"},
      {"replay /", "/: is a folder"},
      {"prove --smt2 /nowhere", "/nowhere"},
  };
  for (const auto& [arguments, message] : cases) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2) << arguments;
    EXPECT_THAT(ran.err, AllOf(StartsWith("iommucheck"), HasSubstr(message))) << arguments;
    EXPECT_EQ(ran.out, "") << arguments;
  }
}

/// A file that states nothing is not the machine that its author meant.
TEST_F(Command, AFileOfTheMachineIsReadAsItStands) {
  const std::string check = "check --runs 5 --seed 1 --out '' --smmu ";
  EXPECT_EQ(run(check + write("good", " cohacc = 0 # not coherent\n\nasid16=0, httu = 1\n")).status,
            0);
  const std::pair<const char*, const char*> cases[] = {
      {"", "a file that names no key"},
      {"# cohacc=0\n", "a file that names no key"},
      {"sidsize=1 6\n", "sidsize is a number from 1 to 32, not '1 6'"},
      {"co hacc=0\n", "there is no 'co hacc'"},
  };
  for (const auto& [text, message] : cases) {
    const Ran ran = run(check + write("bad", text));
    EXPECT_EQ(ran.status, 2) << text;
    EXPECT_THAT(ran.err, HasSubstr(message)) << text;
  }
}

TEST_F(Command, RulesAreThoseOfTheCatalogue) {
  const Ran text = run("rules");
  EXPECT_EQ(text.status, 0);
  const Ran json = run("rules --format json");
  const auto parsed = trace::parse_json(json.out);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  const auto& rules = parsed->find("rules")->value.items;
  ASSERT_EQ(rules.size(), spec::all_rules().size());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const spec::RuleInfo& rule = spec::all_rules()[i];
    EXPECT_EQ(rules[i].find("name")->value.text, rule.name);
    EXPECT_EQ(rules[i].find("text")->value.text, rule.text);
    EXPECT_THAT(text.out, HasSubstr(std::string(rule.text)));
  }
  const Ran one = run("rules PAGE_REUSE");
  EXPECT_THAT(one.out,
              AllOf(HasSubstr("PAGE_REUSE"), Not(HasSubstr("TABLE_FREE")), EndsWith("1 rules\n")));
}

constexpr const char* unmap_with_mistake = R"(test unmap
init use one
run store word B 1 0
run barrier
access 1 0x1000 r -> %s
driver %s
)";

std::string litmus_text(const char* set, const char* verdict) {
  char text[512];
  std::snprintf(text, sizeof text, unmap_with_mistake, set, verdict);
  return "prelude one\n  ste 1 cfg=s1 cd=C1\n  cd C1 asid=5 ttb=R\n  word R 0 table A\n"
         "  word A 0 table B\n  word B 1 page P1 rw\n" +
         std::string(text);
}

TEST_F(Command, LitmusPrintsEachSetWithItsReasons) {
  const Ran ran = run("litmus " + write("t.litmus", litmus_text("F_TRANSLATION P1", "ok")));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("ok    unmap\n      access 1 0x1000 r -> F_TRANSLATION P1\n"));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("        P1: "), HasSubstr("        F_TRANSLATION: ")));
  EXPECT_THAT(ran.out, EndsWith("1 passed, 0 failed, 0 unsupported\n"));
  const Ran quiet = run("litmus -q " + path("t.litmus"));
  EXPECT_THAT(quiet.out, AllOf(HasSubstr("ok    unmap\n"), Not(HasSubstr("access"))));
}

/// A question in a file is no failure, and no set.
TEST_F(Command, LitmusAnswersWhatIsAsked) {
  const Ran file = run("litmus " + write("q.litmus", litmus_text("?", "ok")));
  EXPECT_EQ(file.status, 0) << file.out;
  EXPECT_THAT(file.out, HasSubstr("access 1 0x1000 r -> F_TRANSLATION P1\n"));
  EXPECT_THAT(file.out, AllOf(HasSubstr("        P1: "), HasSubstr(" [IHI 0070 3.21.1]\n"),
                              EndsWith("1 passed, 0 failed, 0 unsupported\n")));
  const Ran mixed = run("litmus " + write("m.litmus", litmus_text("? P1", "ok")));
  EXPECT_EQ(mixed.status, 2);
  EXPECT_THAT(mixed.err, HasSubstr("m.litmus:11:24: 'P1': nothing may follow here"));
}

TEST_F(Command, LitmusFailsWhereASetOrVerdictDiffers) {
  const Ran fewer = run("litmus -q " + write("t.litmus", litmus_text("P1", "ok")));
  EXPECT_EQ(fewer.status, 1);
  EXPECT_THAT(fewer.out, AllOf(HasSubstr("FAIL  unmap  ("), HasSubstr("t.litmus:"),
                               HasSubstr("expected P1\n        allowed  F_TRANSLATION P1\n"),
                               HasSubstr("        F_TRANSLATION: "),
                               EndsWith("0 passed, 1 failed, 0 unsupported\n")));
  const Ran more = run("litmus " + write("t.litmus", litmus_text("F_TRANSLATION P1 bypass", "ok")));
  EXPECT_EQ(more.status, 1);
  EXPECT_THAT(more.out, HasSubstr("        bypass: expected, but"));
  const Ran verdict =
      run("litmus " + write("t.litmus", litmus_text("F_TRANSLATION P1", "violation tag: no")));
  EXPECT_EQ(verdict.status, 1);
  EXPECT_THAT(verdict.out, HasSubstr("driver: expected violation tag, found ok\n"));
}

TEST_F(Command, LitmusGoesOnBehindABadFileAndEndsWithTwo) {
  const std::string good = write("good.litmus", litmus_text("F_TRANSLATION P1", "ok"));
  const std::string bad = write("bad.litmus", "test x\nnonsense\n");
  const Ran ran = run("litmus " + bad + " " + good);
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("bad.litmus:2:1"), HasSubstr("nonsense")));
  EXPECT_THAT(ran.out, EndsWith("1 passed, 0 failed, 0 unsupported\n"));
}

TEST_F(Command, LitmusUnsupportedIsCountedAndDecidesNothing) {
  const std::string text = litmus_text("F_TRANSLATION P1", "ok") +
                           "test later\ninit use std\nrun wait irq\n"
                           "access 1 0x1000 r -> P1\n";
  const Ran ran = run("litmus " + write("t.litmus", text));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("\nunsupported: "), EndsWith("1 passed, 0 failed, 1 unsupported\n")));
}

/// What the engine has not got is judged by the literal model, and that can fail, too.
TEST_F(Command, LitmusOfDmasThatTakeTime) {
  const auto text = [](const std::string& outcomes, const std::string& verdict) {
    return "test t\ninit use std\nrun dma d begin 1 0x1000 r\nrun store word B 1 0\nrun do "
           "TLBI_NH_ASID "
           "asid=5\nrun mark\nrun release P1\nrun dma d end\ndma d -> " +
           outcomes + "\ndriver " + verdict + "\n";
  };
  const Ran right =
      run("litmus " + write("t.litmus", text("P1 F_TRANSLATION late:F_TRANSLATION", "ok")));
  EXPECT_EQ(right.status, 0) << right.out;
  EXPECT_THAT(right.out, HasSubstr("(by the literal model, which tells caches and no commands: "
                                   "DMAs that take time)"));
  const Ran wrong = run("litmus " + write("t.litmus", text("P1 late:P1 F_TRANSLATION", "ok")));
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.out, HasSubstr("allowed  F_TRANSLATION P1 late:F_TRANSLATION\n"));
  const Ran verdict = run("litmus " + write("t.litmus", text("P1 F_TRANSLATION late:F_TRANSLATION",
                                                             "violation page-reuse: no")));
  EXPECT_EQ(verdict.status, 1);
}

TEST_F(Command, LitmusJson) {
  const Ran ran = run("litmus --format json " + write("t.litmus", litmus_text("P1", "ok")));
  EXPECT_EQ(ran.status, 1);
  const auto parsed = trace::parse_json(ran.out);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message << ran.out;
  EXPECT_EQ(parsed->find("failed")->value.number, 1U);
  const auto& test = parsed->find("tests")->value.items.at(0);
  EXPECT_EQ(test.find("status")->value.text, "FAIL");
  EXPECT_EQ(test.find("sets")->value.items.at(0).find("allowed")->value.items.size(), 2U);
}

TEST_F(Command, ImportMakesATraceThatReadsBack) {
  const std::string recordings = test::in_tree("tests/data/recordings");
  std::string recording;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(recordings)) {
    if (entry.path().string().find(".jsonl") != std::string::npos) recording = entry.path();
  }
  if (recording.empty()) GTEST_SKIP() << "no recording in " << recordings;
  const std::string trace = path("x.trace.zst");
  const Ran ran = run("import " + recording + " -o " + trace);
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto read = trace::read_trace(trace);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_FALSE(read->events.empty());

  const Ran bad = run("import " + write("bad.jsonl", "{\"t\": 5\n") + " -o " + path("y.trace"));
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.err, HasSubstr("bad.jsonl:1:"));
  EXPECT_FALSE(std::filesystem::exists(path("y.trace")));
  EXPECT_EQ(run("import " + recording + " -o /nowhere/x.trace").status, 3);
}

TEST_F(Command, AFullDiskIsNoSuccess) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "iommucheck";
  const int status = std::system((program.string() + " rules >/dev/full 2>/dev/null").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

/// Beyond the limit of a file's size the system sends a signal, unless it is ignored.
TEST_F(Command, AFileThatMayNotGrowIsNoCrash) {
  const Ran ran = shell("(ulimit -f 1; " + program() + " rules >" + path("rules") + ")");
  EXPECT_EQ(ran.status, 3);
  EXPECT_THAT(ran.err, HasSubstr("cannot write"));
}

}  // namespace
}  // namespace iommucheck::command_test
