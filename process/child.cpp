// SPDX-License-Identifier: MIT
#include "process/child.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "base/types.h"

namespace iommucheck::oracle {

namespace {

constexpr char end_mark[] = "\x04the end";  // what a child that lived to the end sends last

std::unexpected<Error> no_child(const char* what) {
  return fail(ErrorCode::environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

[[noreturn]] void be_the_child(const std::function<std::string()>& work, int pipe, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const std::string text = work() + std::string(end_mark, sizeof end_mark);
  std::fflush(nullptr);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t done = ::write(pipe, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
  ::_exit(0);
}

[[noreturn]] void end_like(int status) {
  if (WIFSIGNALED(status)) {
    ::signal(WTERMSIG(status), SIG_DFL);
    ::kill(::getpid(), WTERMSIG(status));
    ::pause();
  }
  ::_exit(WEXITSTATUS(status));
}

}  // namespace

Expected<std::string> in_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return no_child("no pipe to the process of a case");
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return no_child("no process for a case");
  }
  if (child == 0) be_the_child(work, ends[1], parent);
  ::close(ends[1]);
  std::string text;
  char bytes[16 << 10];
  while (true) {
    const ssize_t got = ::read(ends[0], bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(bytes, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string_view mark(end_mark, sizeof end_mark);
  if (!text.ends_with(mark)) end_like(status);
  text.resize(text.size() - mark.size());
  return text;
}

}  // namespace iommucheck::oracle
