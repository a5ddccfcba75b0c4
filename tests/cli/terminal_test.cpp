// SPDX-License-Identifier: MIT
// What a terminal shows, and that pipes and files get it plain and unfolded.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <sstream>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::terminal_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Terminal : public Command {
 protected:
  /// What a terminal of so many columns is given, without carriage returns.
  static std::string on_a_terminal(const std::string& line, unsigned short columns) {
    const int end = ::posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT_GE(end, 0);
    EXPECT_EQ(::grantpt(end), 0);
    EXPECT_EQ(::unlockpt(end), 0);
    winsize size{};
    size.ws_row = 24;
    size.ws_col = columns;
    EXPECT_EQ(::ioctl(end, TIOCSWINSZ, &size), 0);
    const std::string command = line + " >" + ::ptsname(end) + " 2>/dev/null </dev/null";
    // Nobody else holds the other side: reading ends when the command does.
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(end);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    std::string text;
    char buffer[4096];
    bool ended = false;
    for (;;) {
      const ssize_t got = ::read(end, buffer, sizeof buffer);
      if (got > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
        continue;
      }
      if (ended) break;  // EIO before the command has opened it, too
      ended = ::waitpid(child, &status, WNOHANG) == child;
      ::usleep(10'000);
    }
    ::close(end);
    std::erase(text, '\r');
    return text;
  }
  static std::string without_colour(std::string text) {
    for (std::size_t at = 0; (at = text.find('\x1b')) != std::string::npos;) {
      text.erase(at, text.find('m', at) - at + 1);
    }
    return text;
  }
  static std::string in_one_line(const std::string& text) {
    std::istringstream in(text);
    std::string all;
    for (std::string word; in >> word;) all += word + " ";
    return all;
  }
  static std::string check() {
    return program() + " check --seed 1 --runs 300 --findings 1 --no-shrink --machine default " +
           "--out '' -j 1 --driver " + test::in_build("examples/simple_driver_buggy.so");
  }
  /// But for the line of times.
  static std::string timeless(const std::string& text) {
    std::istringstream in(text);
    std::string all;
    for (std::string line; std::getline(in, line);) {
      if (!line.contains("sequences/s")) all += line + "\n";
    }
    return all;
  }
};

TEST_F(Terminal, FoldsAndColours) {
  const std::string plain = timeless(shell(check()).out);
  ASSERT_THAT(plain, HasSubstr("VIOLATION PAGE_REUSE"));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  const std::string shown = timeless(on_a_terminal("TERM=xterm " + check(), 72));
  EXPECT_THAT(shown, HasSubstr("\x1b[1;31mVIOLATION\x1b[0m PAGE_REUSE"));
  EXPECT_EQ(in_one_line(without_colour(shown)), in_one_line(plain)) << "no word is lost";
  std::istringstream lines(without_colour(shown));
  for (std::string line; std::getline(lines, line);) {
    if (line.contains("again: ")) continue;
    EXPECT_LE(line.size(), 72U) << line;
  }
  std::istringstream unfolded(plain);
  std::size_t longest = 0;
  for (std::string line; std::getline(unfolded, line);) longest = std::max(longest, line.size());
  EXPECT_GT(longest, 100U) << "the twin: in a pipe it is not folded";
}

TEST_F(Terminal, NoColourWhereNobodyWantsIt) {
  for (const char* wish : {"TERM=xterm NO_COLOR=1 ", "TERM=dumb "}) {
    const std::string shown = on_a_terminal(wish + check(), 200);
    EXPECT_THAT(shown, Not(HasSubstr("\x1b"))) << wish;
    EXPECT_THAT(shown, HasSubstr("VIOLATION PAGE_REUSE")) << wish;
    std::istringstream lines(shown);
    for (std::string line; std::getline(lines, line);) {
      if (line.contains("again: ")) continue;
      EXPECT_LE(line.size(), 100U) << "a wide terminal: " << line;
    }
  }
}

/// What programs read stays as it is, on a terminal too; so do files that a run writes.
TEST_F(Terminal, DocumentsAndFilesAreNotTouched) {
  const std::string json = on_a_terminal("TERM=xterm " + check() + " --format json", 60);
  EXPECT_EQ(std::ranges::count(json, '\n'), 1);
  EXPECT_THAT(json, Not(HasSubstr("\x1b")));
  (void)on_a_terminal("TERM=xterm " + check() + " --report " + path("a.txt"), 60);
  (void)shell(check() + " --report " + path("b.txt"));
  ASSERT_FALSE(slurp(path("a.txt")).empty());
  EXPECT_EQ(slurp(path("a.txt")), slurp(path("b.txt")));
}

TEST_F(Terminal, MachinesAreOneLineUnlessEachIsAskedFor) {
  const Ran folded = run("check --seed 3 --runs 20 --out ''");
  EXPECT_THAT(folded.out, HasSubstr(" machines, the first: default (-v: each)\n"));
  EXPECT_THAT(folded.out, Not(HasSubstr("machine 1:")));
  EXPECT_THAT(run("check --seed 3 --runs 20 --out '' -v").out, HasSubstr("machine 2: "));
}

}  // namespace
}  // namespace iommucheck::terminal_test
