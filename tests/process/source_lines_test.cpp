// SPDX-License-Identifier: MIT
// More of what it says of an object with line tables is shown by tests/cc/cc_test.sh.
#include "process/source_lines.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <link.h>

namespace iommucheck::oracle::source_lines_test {
namespace {

TEST(SourceLines, WithoutAnObjectTheAddressIsSaid) {
  EXPECT_EQ(source_line_in("/nowhere/mine.so", 0x1234), "mine.so+0x1234");
}

TEST(SourceLines, AnAddressThatIsNoFunctionsIsSaid) {
  EXPECT_EQ(source_line_in("/dev/null", 0xfffffff0), "null+0xfffffff0");
}

[[gnu::noinline]] u64 here() { return reinterpret_cast<u64>(__builtin_return_address(0)); }

/// An address in it, as the program's file has it.
[[gnu::noinline]] u64 address_in_a_function() {
  Dl_info symbol{};
  void* program = nullptr;
  EXPECT_NE(
      dladdr1(reinterpret_cast<void*>(&address_in_a_function), &symbol, &program, RTLD_DL_LINKMAP),
      0);
  return here() - static_cast<link_map*>(program)->l_addr;
}

TEST(SourceLines, FunctionFileAndLineAreThoseOfTheCall) {
  const SourceLine found = source_of(DebugInfo("/proc/self/exe"), address_in_a_function());
  EXPECT_NE(found.text.find("address_in_a_function() at source_lines_test.cpp:2"),
            std::string::npos)
      << found.text;
  EXPECT_TRUE(found.place.file.ends_with("tests/process/source_lines_test.cpp"))
      << found.place.file;
  EXPECT_NE(symbol_in("/proc/self/exe", address_in_a_function()).find("address_in_a_function()+0x"),
            std::string::npos);
}

}  // namespace
}  // namespace iommucheck::oracle::source_lines_test
