// SPDX-License-Identifier: MIT
// Runs the command as people do, in a folder of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace iommucheck {

struct Ran {
  int status = -1;
  std::string out, err;
};

class Command : public ::testing::Test {
 protected:
  Command()
      : folder_(std::filesystem::temp_directory_path() /
                ("command_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Command() override { std::filesystem::remove_all(folder_); }

  static std::string slurp(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  static std::string program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "iommucheck";
  }
  Ran run(const std::string& arguments) const { return shell(program() + " " + arguments); }

  /// A line of shell, its output in files.
  Ran shell(const std::string& command) const {
    const std::string line =
        "{ " + command + "; } >" + path("out") + " 2>" + path("err") + " </dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, slurp(path("out")), slurp(path("err"))};
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace iommucheck
