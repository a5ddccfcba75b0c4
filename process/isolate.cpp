// SPDX-License-Identifier: MIT
#include "process/isolate.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/descriptor.h"
#include "process/own_time.h"
#include "process/shared_block.h"

namespace iommucheck::oracle {
namespace {

constexpr int poll_ms = 20;
constexpr std::size_t output_bytes_max = 16 << 10;

std::unexpected<Error> environment_error(std::string_view what) {
  return fail(ErrorCode::environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// Handlers of fork() are given nothing.
pid_t& forks_now() {
  static thread_local pid_t pid = 0;
  return pid;
}

/// What a plug-in forks ends with the worker, and is told by its signal from what we fork.
void end_with_parent() {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != forks_now()) ::_exit(0);  // it died before the line above
}

class Pipe {
 public:
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    read_ = Descriptor(ends[0]);
    write_ = Descriptor(ends[1]);
  }
  bool ok() const { return read_.is_open(); }
  int read_end() const { return read_.number(); }
  int write_end() const { return write_.number(); }
  void close_read_end() { read_.close(); }
  void close_write_end() { write_.close(); }

 private:
  Descriptor read_, write_;
};

}  // namespace

/// One worker process, from the supervisor's side.
class Worker {
 public:
  Worker(SharedReport& report, const IsolationLimits& limits)
      : block_(*report.block_), report_(report), limits_(limits) {}

  Expected<Outcome> run(const std::function<int()>& work) {
    if (!pipe_.ok()) return environment_error("no pipe to a worker process");
    block_.finished = 0;
    block_.crash.seen = 0;
    std::fflush(nullptr);  // or both processes would print what is buffered
    const pid_t parent = ::getpid();
    child_ = ::fork();
    if (child_ < 0) return environment_error("no worker process");
    if (child_ == 0) be_the_child(work, parent);
    pipe_.close_write_end();
    ::fcntl(pipe_.read_end(), F_SETFL, O_NONBLOCK);
    return watch();
  }

 private:
  [[noreturn]] void be_the_child(const std::function<int()>& work, pid_t parent) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    block_.worker = ::getpid();
    ::pthread_atfork([] { forks_now() = ::getpid(); }, nullptr, end_with_parent);
    if (::getppid() != parent) ::_exit(1);  // it died before the line above
    ::signal(SIGINT, SIG_IGN);              // Ctrl-C goes to all; the supervisor says what to do
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_DFL);  // names the limit; an error would be one of memory
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    record_crashes(block_.crash);
    ::dup2(pipe_.write_end(), STDOUT_FILENO);
    ::dup2(pipe_.write_end(), STDERR_FILENO);
    block_.result = static_cast<u64>(work());
    block_.finished.store(1, std::memory_order_release);
    std::fflush(nullptr);
    ::_exit(0);
  }

  Expected<Outcome> watch() {
    const auto start = Clock::now();
    OwnTime silent(child_);
    u64 progress = block_.progress.load(std::memory_order_relaxed);
    Clock::time_point stop_at{};
    Outcome outcome;
    int status = 0;
    while (true) {
      const pid_t ended = ::waitpid(child_, &status, WNOHANG);
      if (ended < 0 && errno != EINTR) return environment_error("lost a worker process");
      if (ended == child_) break;
      read_output(poll_ms);
      if (limits_.watching) limits_.watching();
      if (!stopping_ && limits_.stop && limits_.stop()) {
        report_.request_stop();
        stopping_ = true;
        stop_at = Clock::now();
      }
      const u64 now = block_.progress.load(std::memory_order_relaxed);
      const bool went_on = now != progress;
      if (went_on) silent.restart();
      progress = now;
      if (killed_) continue;
      if (stopping_ && seconds_since(stop_at) > limits_.grace_seconds) kill(Ended::stopped);
      if (!went_on && silent.seconds() > limits_.hang_seconds) kill(Ended::timed_out);
      if (limits_.total_seconds > 0 && seconds_since(start) > limits_.total_seconds) {
        kill(Ended::timed_out);
      }
    }
    read_output(0);
    block_.worker = 0;
    outcome.seconds = seconds_since(start);
    outcome.output = std::move(output_);
    classify(outcome, status);
    return outcome;
  }

  void kill(Ended reason) {
    if (killed_) return;
    killed_ = true;
    reason_ = reason;
    ::kill(child_, SIGKILL);
  }

  void classify(Outcome& outcome, int status) const {
    if (block_.finished.load(std::memory_order_acquire) != 0 && !WIFSIGNALED(status)) {
      outcome.ended = Ended::returned;
      outcome.result = static_cast<int>(block_.result);
    } else if (killed_) {
      outcome.ended = reason_;
    } else {
      outcome.ended = Ended::crashed;
      if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
      if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
      const std::size_t length =
          ::strnlen(block_.driver_path, sizeof block_.driver_path);  // whoever wrote there
      // A sanitizer makes an exit of a signal.
      const int cause =
          outcome.signal != 0 || block_.crash.seen == 0 ? outcome.signal : block_.crash.signal;
      Blame blame = blame_of(cause, block_.crash, std::string(block_.driver_path, length));
      outcome.party = blame.party;
      outcome.where = std::move(blame.where);
      outcome.address = blame.address;
    }
  }

  /// Waits for output or `timeout_ms`, and keeps the end of what came.
  void read_output(int timeout_ms) {
    char bytes[4096];
    pollfd ready{.fd = pipe_.read_end(), .events = POLLIN, .revents = 0};
    if (ready.fd < 0) {
      ::poll(nullptr, 0, timeout_ms);
      return;
    }
    if (::poll(&ready, 1, timeout_ms) <= 0) return;
    for (int n = 0; n < 64; ++n) {  // bounded: a driver may print without end
      const ssize_t got = ::read(ready.fd, bytes, sizeof bytes);
      if (got == 0) pipe_.close_read_end();
      if (got <= 0) return;
      output_.append(bytes, static_cast<std::size_t>(got));
      if (output_.size() > 2 * output_bytes_max) {
        output_.erase(0, output_.size() - output_bytes_max);
      }
    }
  }

  SharedReport::Block& block_;
  SharedReport& report_;
  const IsolationLimits& limits_;
  Pipe pipe_;
  pid_t child_ = -1;
  std::string output_;
  bool stopping_ = false;
  bool killed_ = false;
  Ended reason_ = Ended::timed_out;
};

std::string Outcome::describe() const {
  switch (ended) {
    case Ended::returned: return fmt::format("returned {}", result);
    case Ended::timed_out:
      return fmt::format("made no progress and was killed after {:.1f} s", seconds);
    case Ended::stopped: return "was stopped";
    case Ended::crashed: break;
  }
  if (signal != 0) {
    const char* name = ::sigabbrev_np(signal);
    const std::string_view verb = party == Party::outside ? "was ended by" : "crashed with";
    return fmt::format("{} SIG{} ({}){}", verb, name != nullptr ? name : "?", ::strsignal(signal),
                       where);
  }
  return fmt::format("ended the process with exit status {}", exit_code);
}

Expected<Outcome> run_isolated(SharedReport& report, const std::function<int()>& work,
                               const IsolationLimits& limits) {
  return Worker(report, limits).run(work);
}

Expected<Outcome> supervise(SharedReport& report, const std::function<int(u32 restart)>& work,
                            const IsolationLimits& limits,
                            const std::function<bool(const Outcome&)>& died) {
  for (u32 restart = 0;; ++restart) {
    auto outcome = run_isolated(report, [&] { return work(restart); }, limits);
    if (!outcome || outcome->ended == Ended::returned || outcome->ended == Ended::stopped) {
      return outcome;
    }
    const bool go_on = died(*outcome);
    report.end_sequence();
    if (!go_on) return outcome;
  }
}

}  // namespace iommucheck::oracle
