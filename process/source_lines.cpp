// SPDX-License-Identifier: MIT
#include "process/source_lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string_view>
#include <vector>

#include "process/elf_symbols.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t frames_max = 4;
constexpr std::size_t output_max = std::size_t{1} << 16;

/// What a program writes to its standard output; empty where there is no such program or it fails.
std::string output_of(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  std::vector<char*> raw;
  for (const std::string& one : arguments) raw.push_back(const_cast<char*>(one.c_str()));
  raw.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR);
    if (nowhere < 0 || ::dup2(nowhere, 0) < 0 || ::dup2(nowhere, 2) < 0 || ::dup2(ends[1], 1) < 0) {
      ::_exit(127);
    }
    ::execvp(raw[0], raw.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = child < 0 ? 0 : ::read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() > output_max) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : std::string();
}

/// Function and "path:line[:column]", a line each, in turn; the innermost function first.
SourceLine told(std::string_view text) {
  SourceLine all;
  for (std::size_t frame = 0; frame < frames_max; ++frame) {
    std::string_view lines[2];
    for (std::string_view& line : lines) {
      const std::size_t end = text.find('\n');
      line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    const auto [function, place] = lines;
    if (function.empty() || place.empty() || function.front() == '?' || place.front() == '?') break;
    const std::size_t name = place.rfind('/') + 1;  // npos + 1 is 0
    const std::size_t line = place.find(':', name);
    const std::size_t column = line == std::string_view::npos ? line : place.find(':', line + 1);
    const std::string_view digits =
        line == std::string_view::npos
            ? std::string_view()
            : place.substr(line + 1, column == std::string_view::npos ? column : column - line - 1);
    u64 number = 0;
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), number);
    all.text += fmt::format("{}{}", frame == 0 ? "" : ", in ", function);
    if (number == 0) continue;  // of a symbol table's file nobody knows the line
    all.text += fmt::format(" at {}:{}", place.substr(name, line - name), number);
    all.place = {std::string(place.substr(0, line)), number};
  }
  return all;
}

}  // namespace

SourceLine source_of(const std::string& path, u64 address) {
  const std::string at = fmt::format("{:#x}", address);
  for (const std::vector<std::string>& tool :
       std::vector<std::vector<std::string>>{{"llvm-symbolizer-19", "--obj=" + path, at},
                                             {"llvm-symbolizer", "--obj=" + path, at},
                                             {"addr2line", "-f", "-i", "-e", path, at}}) {
    if (SourceLine line = told(output_of(tool)); !line.text.empty()) return line;
  }
  return {.text = symbol_in(path, address)};
}

std::string source_line_in(const std::string& path, u64 address) {
  return source_of(path, address).text;
}

}  // namespace iommucheck::oracle
