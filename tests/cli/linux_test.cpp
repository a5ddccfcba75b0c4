// SPDX-License-Identifier: MIT
// `iommucheck linux`, over small repositories whose "driver" a script builds: `git bisect run`
// names the commit that brought a bug, and --base prints what a change adds and nothing else.
#include <gmock/gmock.h>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::linux_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What a change may do to examples/simple_driver.c.
constexpr const char* forgets = "sed -i 's/#ifndef FORGET_THE_INVALIDATION/#if 0/' driver.c";
constexpr const char* writes_all =
    "sed -i 's/^#define READ_ONLY (1u << 7)/#define READ_ONLY 0u/' driver.c";
constexpr const char* names_another_asid =
    "sed -i 's/tlbi_page(d, handle, iova/tlbi_page(d, handle + 1, iova/' driver.c";
constexpr const char* breaks = "echo nonsense >>driver.c";
constexpr const char* mends = "sed -i '/^nonsense/d' driver.c";

class LinuxTree : public Command {
 protected:
  LinuxTree() {
    write("build.sh", "set -e\ncc -w -shared -fPIC -O1 -I " + test::in_tree("include") +
                          " -o \"$2\" \"$1\"/driver.c\n");
    (void)shell("mkdir " + tree() + " && cd " + tree() +
                " && git init -q . && git config user.email a@b && git config user.name a && cp " +
                test::in_tree("examples/simple_driver.c") + " driver.c");
    commit("true");
  }
  [[nodiscard]] std::string tree() const { return path("tree"); }
  /// The next commit, c1 and so on.
  void commit(const std::string& change) {
    const std::string name = "c" + std::to_string(++commits_);
    const Ran ran = shell("cd " + tree() + " && " + change + " && echo " + name +
                          " >number && git add . && git commit -q -m " + name);
    ASSERT_EQ(ran.status, 0) << change << ran.err;
  }
  /// The command on the tree, with few sequences.
  [[nodiscard]] std::string linux(const std::string& more) const {
    return program() + " linux --build " + path("build.sh") + " --runs 128 --out " + path("kept") +
           " " + more;
  }

 private:
  unsigned commits_ = 0;
};

TEST_F(LinuxTree, BisectNamesTheCommitThatBroughtTheBug) {
  for (const char* change : {"true", "true", breaks, mends, forgets, "true", "true"}) {
    commit(change);
  }
  const Ran ran =
      shell("cd " + tree() + " && git bisect start HEAD HEAD~7 && git bisect run " + linux("."));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  const Ran named = shell("cd " + tree() + " && git log -1 --format=%s refs/bisect/bad");
  EXPECT_EQ(named.out, "c6\n") << ran.out << ran.err;
  // Nothing but what git does itself was changed there.
  EXPECT_EQ(shell("cd " + tree() + " && git status --short").out, "");
}

TEST_F(LinuxTree, SequencesBesideTheScriptAreRunFirst) {
  shell("mkdir " + path("sequences"));
  write("sequences/a.ops", "attach\nmap\nunmap\n");
  EXPECT_EQ(shell(linux(tree())).status, 0);
  commit(forgets);
  const Ran found = shell(linux(tree() + " --findings 1"));
  EXPECT_EQ(found.status, 1);
  EXPECT_THAT(found.out, HasSubstr("sequences/a.ops"));
  write("sequences/b.ops", "nonsense\n");
  const Ran wrong = shell(linux(tree()));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("sequences/b.ops:1:1"));
}

TEST_F(LinuxTree, HasAnExitStatusForEachVerdict) {
  EXPECT_EQ(shell(linux(tree())).status, 0);
  commit(breaks);
  const Ran broken = shell(linux(tree()));
  EXPECT_EQ(broken.status, 125);
  EXPECT_THAT(broken.err, HasSubstr("does not build"));
  commit(mends);
  commit(forgets);
  const Ran wrong = shell(linux(tree() + " --report " + path("a.ktap")));
  EXPECT_EQ(wrong.status, 1) << wrong.err;
  EXPECT_THAT(wrong.out, HasSubstr("VIOLATION PAGE_REUSE"));
  EXPECT_THAT(slurp(path("a.ktap")), HasSubstr("not ok"));
  const std::string count = " | grep -c ^VIOLATION";
  EXPECT_NE(shell(linux(tree()) + count).out, "1\n");
  EXPECT_EQ(shell(linux(tree() + " --findings 1") + count).out, "1\n");
}

TEST_F(LinuxTree, ABaseLeavesWhatTheChangeAdds) {
  commit(forgets);
  const Ran same = shell(linux(tree() + " --base HEAD"));
  EXPECT_EQ(same.status, 0) << same.out << same.err;
  EXPECT_THAT(same.out, Not(HasSubstr("VIOLATION")));
  EXPECT_THAT(same.out, HasSubstr("what both do is no finding"));
  // In the tree alone, not yet in the repository.
  ASSERT_EQ(shell("cd " + tree() + " && " + writes_all).status, 0);
  const Ran text = shell(linux(tree() + " --base HEAD"));
  EXPECT_EQ(text.status, 1) << text.out << text.err;
  EXPECT_THAT(text.out, HasSubstr("VIOLATION PROMISE_OUTCOME"));
  EXPECT_THAT(text.out, Not(HasSubstr("VIOLATION PAGE_REUSE")));
  EXPECT_THAT(text.out, Not(HasSubstr("VIOLATION CONFLICT_BBM")));
  // The twin: without the base the old one is told as well.
  EXPECT_THAT(shell(linux(tree())).out, HasSubstr("VIOLATION PAGE_REUSE"));
}

/// Its files are written once for each revision, and those not of which no IOMMU is made.
TEST_F(LinuxTree, ABaseIsTakenOnce) {
  commit("mkdir -p Documentation/a && echo words >Documentation/a/b.rst");
  const auto is_there = [&](const char* name) {
    return shell("test -e " + path("kept/base/") + name).status == 0;
  };
  EXPECT_EQ(shell(linux(tree() + " --base HEAD")).status, 0);
  EXPECT_TRUE(is_there("driver.c"));
  EXPECT_FALSE(is_there("Documentation/a/b.rst"));
  write("kept/base/mark", "");
  EXPECT_EQ(shell(linux(tree() + " --base HEAD")).status, 0);
  EXPECT_TRUE(is_there("mark"));
  EXPECT_EQ(shell(linux(tree() + " --base HEAD~1")).status, 0);
  EXPECT_TRUE(is_there("driver.c"));
  EXPECT_FALSE(is_there("mark"));
}

/// The base breaks the same rule by the same calls: what the change does there has another cause.
TEST_F(LinuxTree, ABaseHidesNoOtherCauseOfItsRule) {
  const Ran right = shell("cp " + tree() + "/driver.c " + path("right.c"));
  ASSERT_EQ(right.status, 0);
  commit(forgets);
  const Ran changed =
      shell("cd " + tree() + " && cp " + path("right.c") + " driver.c && " + names_another_asid);
  ASSERT_EQ(changed.status, 0);
  const Ran ran = shell(linux(tree() + " --base HEAD"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("VIOLATION PAGE_REUSE"));
  EXPECT_THAT(ran.out, HasSubstr("kind: unmap; leaf cached, ASID"));
}

TEST_F(LinuxTree, SaysWhatIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"linux", "tree is required"},
      {"linux " + path("none"), "does not exist"},
      {"linux " + tree() + " --build /nowhere", "/nowhere: there is no such file"},
      {"linux " + tree() + " --time 0", "'0' is no number of seconds"}};
  for (const auto& [arguments, message] : cases) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2) << arguments;
    EXPECT_THAT(ran.err, HasSubstr(message)) << arguments;
  }
  const Ran revision = shell(linux(tree() + " --base nonsense"));
  EXPECT_EQ(revision.status, 2);
  EXPECT_THAT(revision.err, HasSubstr("--base nonsense: "));
  // The script that comes with the command, of what is no Linux tree.
  const Ran other = shell("cd " + path("") + " && " + program() + " linux tree --out kept");
  EXPECT_EQ(other.status, 125);
  EXPECT_THAT(other.err, HasSubstr("is no Linux tree"));
}

}  // namespace
}  // namespace iommucheck::linux_test
