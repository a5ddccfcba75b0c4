// SPDX-License-Identifier: MIT
// `iommucheck export`: each form compiles where iommucheck is not, says the same of what it was
// made of, and something else of what is mended.
#include <gmock/gmock.h>

#include <cstdlib>
#include <regex>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::export_test {
namespace {

using ::testing::HasSubstr;

class Export : public Command {
 protected:
  static std::string include() { return " -I " + test::in_tree("include "); }
  /// The example's driver, as somebody else builds it.
  [[nodiscard]] std::string driver(
      const std::string& name, const std::string& flags,
      const std::string& source = test::in_tree("examples/simple_driver.c")) const {
    const Ran built =
        shell("gcc-12 -w -shared -fPIC" + include() + flags + " -o " + path(name) + " " + source);
    EXPECT_EQ(built.status, 0) << built.err;
    return path(name);
  }
  /// The one trace of a run in `folder`.
  [[nodiscard]] std::string trace_in(const std::string& folder) const {
    for (const auto& file : std::filesystem::recursive_directory_iterator(path(folder))) {
      if (file.path().string().ends_with(".jsonl")) return file.path();
    }
    ADD_FAILURE() << "no trace in " << folder;
    return "";
  }

  /// A finding of `buggy` is a program by which it stands, and not for `right`.
  void expect_a_program(const std::string& buggy, const std::string& right,
                        const std::string& machine) {
    ASSERT_EQ(run("check --driver " + buggy + " --seed 1 --runs 300 --findings 1 --machine " +
                  machine + " --out " + path("found"))
                  .status,
              1);
    ASSERT_EQ(run("export " + trace_in("found") + " -o " + path("finding.c")).status, 0);
    const Ran built = shell("gcc-12 -std=gnu11 -Wall -Wextra -Werror" + include() + "-o " +
                            path("finding") + " " + path("finding.c") + " -ldl");
    ASSERT_EQ(built.status, 0) << built.err;
    const Ran again = shell(path("finding") + " " + buggy);
    EXPECT_EQ(again.status, 0) << again.out;
    EXPECT_EQ(shell(path("finding") + " " + right).status, 1);
  }
};

TEST_F(Export, AFindingOfADriverIsAProgram) {
  const std::string buggy = driver("buggy.so", "-DFORGET_THE_INVALIDATION");
  const std::string right = driver("right.so", "");
  ASSERT_EQ(run("check --driver " + buggy +
                " --seed 1 --runs 300 --findings 1 --machine default --out " + path("found"))
                .status,
            1);
  const std::string trace = trace_in("found");
  ASSERT_EQ(run("export " + trace + " -o " + path("finding.c")).status, 0);
  EXPECT_THAT(slurp(path("finding.c")), HasSubstr("drv->unmap(self, 0x1, "));
  const Ran built = shell("gcc-12 -std=gnu11 -Wall -Wextra -Werror" + include() + "-o " +
                          path("finding") + " " + path("finding.c") + " -ldl");
  ASSERT_EQ(built.status, 0) << built.err;
  const Ran again = shell(path("finding") + " " + buggy);
  EXPECT_EQ(again.status, 0) << again.out;
  EXPECT_THAT(again.out, HasSubstr("the finding stands"));
  // The mended driver sends what the other forgot, at that line of the trace.
  const Ran mended = shell(path("finding") + " " + right);
  EXPECT_EQ(mended.status, 1);
  EXPECT_THAT(mended.out, HasSubstr("the driver does something else: register read 0x9c"));
  EXPECT_EQ(shell(path("finding") + " /nowhere.so").status, 2);
  const Ran other = run("export --as libqos " + trace);
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("a finding of check: --as c"));
}

/// Of a driver that stores through pointers the calls and registers tell.
TEST_F(Export, AFindingOfADriverThatStoresThroughPointersIsOneToo) {
  const std::string buggy = driver("buggy.so", "-DPLAIN_STORES -DFORGET_THE_INVALIDATION");
  const std::string right = driver("right.so", "-DPLAIN_STORES");
  expect_a_program(buggy, right, "default");
}

/// Nor are those that `iommucheck cc` told among what the program sees.
TEST_F(Export, AFindingOfADriverOfOurCompilerIsOneToo) {
  const std::string source = path("unscanned.c");
  ASSERT_EQ(shell("sed s/IOMMUCHECK_DRIVER_SCAN/0/ " + test::in_tree("examples/simple_driver.c") +
                  " > " + source)
                .status,
            0);
  const auto compiled = [&](const std::string& name, const std::string& flags) {
    const Ran built = run("cc -O1 -g -w -shared" + include() + "-DPLAIN_STORES " + flags + " -o " +
                          path(name) + " " + source);
    EXPECT_EQ(built.status, 0) << built.err;
    return path(name);
  };
  const std::string buggy = compiled("buggy.so", "-DFORGET_THE_INVALIDATION");
  const std::string right = compiled("right.so", "");
  expect_a_program(buggy, right, "default");
}

/// Registers that it reaches through pointers are seen by the program, too.
TEST_F(Export, AFindingOfADriverThatReachesRegistersByPointersIsOneToo) {
  std::string text =
      "#include <iommucheck/hooks.h>\n" + slurp(test::in_tree("examples/simple_driver.c"));
  const std::string registers = "*(volatile u32*)((char*)iommucheck_registers() + ";
  const std::pair<std::string, std::string> changes[] = {
      {"IOMMUCHECK_DRIVER_SCAN", "0"},
      {"d->p->mmio_write32(d->p->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);",
       "d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_MB);\n  " + registers + "offset) = value;"},
      {"d->p->mmio_read32(d->p->ctx, CMDQ_CONS)", registers + "CMDQ_CONS)"}};
  for (const auto& [from, to] : changes) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
      ++found;
    }
    ASSERT_NE(found, 0U) << from;
  }
  write("registers.c", text);
  const auto compiled = [&](const std::string& name, const std::string& flags) {
    const Ran built = run("cc -O1 -g -w -shared" + include() + "-DPLAIN_STORES " + flags + " -o " +
                          path(name) + " " + path("registers.c"));
    EXPECT_EQ(built.status, 0) << built.err;
    return path(name);
  };
  const std::string buggy = compiled("buggy.so", "-DFORGET_THE_INVALIDATION");
  const std::string right = compiled("right.so", "");
  expect_a_program(buggy, right, "default");
}

/// Which SMMU a register is of stands in its offset.
TEST_F(Export, AFindingOfADriverOfTwoSmmusIsOneToo) {
  const std::string source = test::in_tree("tests/plugins/two_smmus_driver.c");
  const std::string tree = " -I " + test::in_tree();
  const std::string buggy = driver("buggy.so", tree + " -DTLBI_FIRST_ONLY", source);
  const std::string right = driver("right.so", tree, source);
  expect_a_program(buggy, right, "devices=1:0/2:0:smmu=1");
}

/// Against headers of our own, in which no QEMU is: each read is answered by what the test was
/// written with, or by something else.
TEST_F(Export, ACaseIsATestOfQemusTree) {
  for (const char* name :
       {"global-nh-va", "leaf-address-size-read-only", "aptable1-after-read", "gbpa-missing"}) {
    const std::string trace = test::in_tree("data/known/qemu-7.2/" + std::string(name) + ".jsonl");
    ASSERT_EQ(run("export --as libqos " + trace + " -o " + path("case.c")).status, 0) << name;
    const Ran built =
        shell("gcc-12 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -I " +
              test::in_tree("tests/data/libqos") + " -o " + path("case") + " " + path("case.c"));
    ASSERT_EQ(built.status, 0) << name << built.err;
    const std::string text = slurp(path("case.c"));
    const std::string body = text.substr(text.find("qpci_init_generic("));
    std::string answers;
    const std::regex asked(
        R"((?:expect[lq]\(0x[0-9a-f]+, |write_access\(.*, )(0x[0-9a-f]+|0|ITD_\w+)\))");
    for (auto found = std::sregex_iterator(body.begin(), body.end(), asked);
         found != std::sregex_iterator(); ++found) {
      const std::string answer = (*found)[1];
      answers += (answer == "ITD_DMA_ERR_TX_FAIL" ? "0xdead0002" : answer) + "\n";
    }
    ASSERT_FALSE(answers.empty()) << name;
    const auto status_with = [&](const std::string& with) {
      return shell("ANSWERS=" + write("answers", with) + " " + path("case")).status;
    };
    EXPECT_EQ(status_with(answers), 1) << name << ": it is as it was, so that the test fails";
    EXPECT_EQ(status_with("0x7\n" + answers.substr(answers.find('\n') + 1)), 0) << name;
  }
  EXPECT_THAT(slurp(path("case.c")), HasSubstr("-device iommu-testdev"));
}

TEST_F(Export, WhatATraceDoesNotSayIsNoProgram) {
  const std::string trace = write(
      "sva.jsonl",
      R"({"iommucheck-trace":1,"versions":{"x":"1"},"ram":[{"base":"0x80000000","length":"0x1000000"}]}
{"event":"DriverPhase","agent":"environment","phase":"starting"}
{"event":"DriverPhase","agent":"environment","phase":"ready"}
{"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"bind_device","device":"0x0","mm":"0x1","flags":"0x0","drvdata":"0x0"}}
)");
  const Ran bound = run("export " + trace);
  EXPECT_EQ(bound.status, 2);
  EXPECT_THAT(bound.err, HasSubstr("line 4 of the trace: bind_device needs processes"));
}

// ---- the crate in rust/ -------------------------------------------------------------------------

/// Debian's, where it is beside another one.
std::string rustc() {
  return std::filesystem::exists("/usr/bin/rustc") ? "/usr/bin/rustc" : "rustc";
}

class RustCrate : public Export {
 protected:
  void SetUp() override {
    if (shell(rustc() + " --version").status != 0) GTEST_SKIP() << "there is no rustc";
    compile("--crate-type rlib --crate-name iommucheck -o " + path("libiommucheck.rlib") + " " +
            test::in_tree("rust/src/lib.rs"));
  }
  void compile(const std::string& arguments, const std::string& environment = "") const {
    const Ran built =
        shell(environment + " " + rustc() + " --edition 2021 -D warnings " + arguments);
    ASSERT_EQ(built.status, 0) << arguments << built.err;
  }
  [[nodiscard]] std::string crate() const {
    return "--extern iommucheck=" + path("libiommucheck.rlib ");
  }
  [[nodiscard]] static std::string bypass() { return test::in_tree("rust/examples/bypass.rs"); }
};

TEST_F(RustCrate, ADeviceIsJudgedAndItsCaseIsATest) {
  const auto device = [&](const std::string& name, const std::string& environment) {
    compile("--crate-type cdylib " + crate() + "-o " + path(name) + " " + bypass(), environment);
    return path(name);
  };
  const std::string twin = "BYPASS_LOSES_CR1=1";
  const std::string right = device("right.so", ""), wrong = device("wrong.so", twin);
  const Ran held = run("conform --device " + right + " --seed 1 --cases 0 --only 'registers: *'");
  EXPECT_EQ(held.status, 0) << held.out << held.err;
  const Ran found = run("conform --device " + wrong +
                        " --seed 1 --cases 0 --only 'registers: *' --out " + path("found"));
  EXPECT_EQ(found.status, 1) << found.out << found.err;
  EXPECT_THAT(found.out, HasSubstr("CR1"));
  ASSERT_EQ(run("export --as rust " + trace_in("found") + " -o " + path("case.rs")).status, 0);
  (void)write("test.rs", "#[allow(dead_code)] #[path = \"" + bypass() +
                             "\"] mod bypass;\nuse bypass::Bypass as Model;\ninclude!(\"" +
                             path("case.rs") + "\");\n");
  const auto tested = [&](const std::string& environment) {
    compile("--test " + crate() + "-o " + path("test") + " " + path("test.rs"), environment);
    return shell(path("test"));
  };
  EXPECT_EQ(tested("").status, 0) << "the right one does not show it";
  const Ran shown = tested(twin);
  EXPECT_NE(shown.status, 0);
  EXPECT_THAT(shown.out, HasSubstr("the device still shows: "));
}

/// Sizes and places of members are those of the C header.
TEST_F(RustCrate, StructsAreThoseOfTheHeader) {
  std::string in_c = "#include <stdio.h>\n#include \"iommucheck/device.h\"\nint main(void) {\n";
  std::string in_rust =
      "use iommucheck::device::*;\nmacro_rules! at { ($t:ident, $m:ident) => {{ let one = "
      "std::mem::MaybeUninit::<$t>::uninit(); let p = one.as_ptr(); unsafe { "
      "(std::ptr::addr_of!((*p).$m) "
      "as usize) - p as usize } }} }\nfn main() {\n";
  const auto add = [&](const std::string& c, const std::string& rust,
                       const std::vector<std::pair<std::string, std::string>>& members) {
    in_c += "printf(\"%zu\\n\", sizeof(struct " + c + "));\n";
    in_rust += "println!(\"{}\", std::mem::size_of::<" + rust + ">());\n";
    for (const auto& [name, rusts] : members) {
      in_c += "printf(\"" + name + " %zu\\n\", offsetof(struct " + c + ", " + name + "));\n";
      in_rust += "println!(\"" + name + " {}\", at!(" + rust + ", " + rusts + "));\n";
    }
  };
  const auto same = [](std::initializer_list<const char*> names) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const char* name : names) pairs.emplace_back(name, name);
    return pairs;
  };
  auto op = same({"kind", "bytes", "attributes", "status", "ssid", "address", "value", "pa"});
  op.emplace_back("where", "r#where");
  add("iommucheck_dut_op", "Op", op);
  add("iommucheck_dut_host", "RawHost",
      same({"ctx", "read", "write", "interrupt", "memory_pa", "memory_bytes", "seed",
            "atc_invalidate", "page_response", "install", "invalidate"}));
  add("iommucheck_dut_info", "RawInfo",
      same({"flags", "sid_count", "sids", "name", "release", "mmio_bytes", "iova_end"}));
  add("iommucheck_dut", "RawDut", same({"open", "reset", "run", "last_words", "close"}));
  (void)write("words.c", in_c + "}\n");
  (void)write("words.rs", in_rust + "}\n");
  ASSERT_EQ(shell("gcc-12 -w" + include() + "-o " + path("in_c") + " " + path("words.c")).status,
            0);
  compile(crate() + "-o " + path("in_rust") + " " + path("words.rs"));
  const std::string c = shell(path("in_c")).out;
  EXPECT_THAT(c, HasSubstr("memory_pa 40"));
  EXPECT_EQ(c, shell(path("in_rust")).out);
}

/// The target of libFuzzer: a model that is right, and a twin that it finds by the rule.
TEST_F(RustCrate, AFuzzTargetFindsByRule) {
  const std::string library = test::in_build("lib");
  if (!std::filesystem::exists(library + "/libiommucheck_monitor.so") ||
      shell("clang-19 --version").status != 0 ||
      shell("nm " + library + "/libiommucheck_monitor.so | grep -q __asan").status == 0) {
    GTEST_SKIP() << "no library without sanitizers, or no clang-19";
  }
  const auto build = [&](const std::string& name, const std::string& environment) {
    const Ran built = shell(environment + " RUSTC=" + rustc() + " " +
                            test::in_tree("rust/fuzz/build.sh ") + path(name) + " " + library);
    EXPECT_EQ(built.status, 0) << built.err;
    return path(name);
  };
  const Ran right = shell("cd " + path("") + " && " + build("right", "") + " -runs=500 -seed=1");
  EXPECT_EQ(right.status, 0) << right.err;
  const Ran found = shell("cd " + path("") + " && " + build("wrong", "BYPASS_FORGETS_V=1") +
                          " -runs=100000 -seed=1");
  EXPECT_NE(found.status, 0);
  EXPECT_THAT(found.err, HasSubstr("VIOLATION STE_VALID (ste), at fault: smmu"));
}

}  // namespace
}  // namespace iommucheck::export_test
