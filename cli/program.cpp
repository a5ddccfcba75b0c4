// SPDX-License-Identifier: MIT
#include "cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace iommucheck::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void become(const std::string& command, const std::vector<std::string>& arguments) {
  std::vector<char*> raw;
  for (const std::string& one : arguments) raw.push_back(const_cast<char*>(one.c_str()));
  raw.push_back(nullptr);
  ::execvp(raw[0], raw.data());
  fmt::print(stderr, "iommucheck {}: {}: {}\n", command, raw[0], std::strerror(errno));
  std::fflush(stderr);
  ::_exit(127);
}

int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int run_program(const std::string& command, const std::vector<std::string>& arguments,
                const std::vector<std::pair<std::string, std::string>>& environment) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) return 127;
  if (child == 0) {
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    become(command, arguments);
  }
  return status_of(child);
}

std::optional<std::string> output_of(const std::vector<std::string>& arguments) {
  int ends[2];
  std::fflush(stdout);
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    become("", arguments);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = child < 0 ? 0 : ::read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  if (child < 0 || status_of(child) != 0) return std::nullopt;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

fs::path this_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

fs::path shipped(const fs::path& name) {
  std::error_code error;
  fs::path folder = this_program().parent_path().parent_path();
  if (fs::exists(folder / "share" / "iommucheck" / name, error)) {
    return folder / "share" / "iommucheck" / name;
  }
  // TREE/build/PRESET/bin/iommucheck.
  for (int above = 0; above < 3; ++above) {
    if (fs::exists(folder / "CMakeLists.txt", error) && fs::exists(folder / name, error)) {
      return folder / name;
    }
    folder = folder.parent_path();
  }
  return {};
}

}  // namespace iommucheck::cli
