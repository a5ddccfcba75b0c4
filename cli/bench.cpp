// SPDX-License-Identifier: MIT
// The benchmarks are a program of their own, so that the command needs no benchmark library.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>

#include "cli/console.h"
#include "cli/options.h"

namespace iommucheck::cli {

int run_bench(const BenchCommand& options) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = (self.parent_path() / "iommucheck_bench").string();
  std::vector<std::string> words = {program};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  return report("bench",
                {ErrorCode::environment, fmt::format("cannot run {}: {}; build it: ./dev bench",
                                                     program, std::strerror(errno))});
}

}  // namespace iommucheck::cli
