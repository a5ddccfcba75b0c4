// SPDX-License-Identifier: MIT
#include "process/elf_identity.h"

#include "tests/cli/command_support.h"

namespace iommucheck::oracle::elf_identity_test {
namespace {

class ElfIdentity : public Command {
 protected:
  /// `text` as an object that is built in a folder of its own, with debug information and a build
  /// ID.
  std::optional<u64> of(const std::string& folder, const std::string& text,
                        const std::string& more = "") const {
    std::filesystem::create_directories(path(folder));
    (void)write(folder + "/d.c", text);
    const Ran built = shell("cd " + path(folder) + " && clang-19 -g -shared -fPIC -Wl,--build-id " +
                            more + " -o d.so " + path(folder + "/d.c"));
    EXPECT_EQ(built.status, 0) << built.err;
    return identity_of_object(path(folder + "/d.so"));
  }
};

constexpr const char* plain = "int sum(int a) { return a + 1; }\nint told = 3;\n";

TEST_F(ElfIdentity, IsTheSameWhereverItIsBuilt) {
  const auto here = of("a", plain);
  ASSERT_TRUE(here);
  EXPECT_EQ(here, of("a_longer_name/below", plain));
  EXPECT_EQ(here, of("stripped", plain, "-s"));
  EXPECT_EQ(of("found", plain, "-Wl,-rpath,/here"),
            of("found_too", plain, "-Wl,-rpath,/somewhere/else/and/longer"));
  EXPECT_NE(slurp(path("a/d.so")), slurp(path("a_longer_name/below/d.so"))) << "the test shows it";
}

TEST_F(ElfIdentity, IsAnotherWhereItDoesSomethingElse) {
  const auto here = of("a", plain);
  EXPECT_NE(here, of("code", "int sum(int a) { return a + 2; }\nint told = 3;\n"));
  EXPECT_NE(here, of("data", "int sum(int a) { return a + 1; }\nint told = 4;\n"));
  EXPECT_NE(here, of("room", std::string(plain) + "int more[3000];\n"));
  const char* calls = "int one(void); int two(void);\nint sum(int a) { return a + %(); }\n";
  std::string a = calls, b = calls;
  a.replace(a.find('%'), 1, "one");
  b.replace(b.find('%'), 1, "two");
  EXPECT_NE(of("one", a), of("two", b)) << "by names alone";
}

TEST_F(ElfIdentity, OfWhatIsNoObjectIsNothing) {
  EXPECT_FALSE(identity_of_object(path("nobody")));
  EXPECT_FALSE(identity_of_object(write("text", "no object")));
  EXPECT_FALSE(identity_of_object(write("short",
                                        "\x7f"
                                        "ELF")));
}

}  // namespace
}  // namespace iommucheck::oracle::elf_identity_test
