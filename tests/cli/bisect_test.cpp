// SPDX-License-Identifier: MIT
// `git bisect run iommucheck check --bisect`: it names the commit that brought the bug, over others
// in which nothing can be decided.
#include <gmock/gmock.h>

#include "base/types.h"
#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::bisect_test {
namespace {

using ::testing::HasSubstr;

class Bisect : public Command {
 protected:
  static std::string plugin(const std::string& name) {
    return test::in_build("test-plugins/") + name + ".so";
  }
  std::string check(const std::string& more) const {
    return program() + " check --seed 1 --runs 300 --machine default --out '' " + more;
  }
};

/// The driver of each revision is what the file `driver` names: what is built from sources
/// elsewhere.
TEST_F(Bisect, NamesTheCommitThatBroughtTheBug) {
  const std::string right = plugin("faulty_none"), wrong = plugin("claims_domains");
  const std::string absent = plugin("no_entry");
  std::string story = "cd " + path("") + " && git init -q repository && cd repository && ";
  story += "git config user.email a@b && git config user.name a && ";
  u32 number = 0;
  // c4 cannot be judged; c6 brings the bug.
  for (const std::string& driver : {right, right, right, absent, right, wrong, wrong, wrong}) {
    ++number;
    story += "echo " + driver + " " + std::to_string(number) +
             " >driver && git add driver && git commit -q -m c" + std::to_string(number) + " && ";
  }
  story += "git bisect start HEAD HEAD~7 && git bisect run sh -c '" +
           check("--bisect --driver $(cut -d\" \" -f1 driver)") + " >/dev/null 2>&1'";
  const Ran ran = shell(story);
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("is the first bad commit"));
  const Ran named =
      shell("cd " + path("repository") + " && git log -1 --format=%s refs/bisect/bad");
  EXPECT_EQ(named.out, "c6\n") << ran.out;
}

TEST_F(Bisect, HasAnExitStatusForEachVerdict) {
  EXPECT_EQ(shell(check("--bisect --driver " + plugin("faulty_none"))).status, 0);
  EXPECT_EQ(shell(check("--bisect --driver " + plugin("claims_domains"))).status, 1);
  EXPECT_EQ(shell(check("--bisect --driver " + plugin("no_entry"))).status, 125);
  EXPECT_EQ(shell(check("--driver " + plugin("no_entry"))).status, 2) << "the twin";
  EXPECT_EQ(shell(check("--bisect --rnus 3 --driver " + plugin("faulty_none"))).status, 128)
      << "every revision would be skipped";
  EXPECT_EQ(run("litmus --bisect " + write("empty.litmus", "")).status, 125);
  EXPECT_EQ(run("replay --bisect " + write("empty.jsonl", "")).status, 125);
}

}  // namespace
}  // namespace iommucheck::bisect_test
