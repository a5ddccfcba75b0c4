// SPDX-License-Identifier: MIT
#include "process/lanes.h"
#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

namespace iommucheck::oracle {

struct LanesBlock {
  std::atomic<u64> next;
  std::atomic<u64> stop;
  std::atomic<u64> told_count;
  std::array<std::atomic<u64>, Lane::told_max> told;
  std::array<std::array<std::atomic<u64>, Lane::counters_max>, Lanes::lanes_max> counters;
};

namespace {

constexpr auto patience = std::chrono::seconds(2);

std::unexpected<Error> cannot(const char* what) {
  return fail(ErrorCode::environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

void write_all(int pipe, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(pipe, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

/// Takes whole messages off the front: a length of 8 bytes before each.
void take_messages(std::string& bytes, std::vector<std::string>& messages) {
  u64 size = 0;
  while (bytes.size() >= sizeof size) {
    std::memcpy(&size, bytes.data(), sizeof size);
    if (bytes.size() - sizeof size < size) return;
    messages.push_back(bytes.substr(sizeof size, size));
    bytes.erase(0, sizeof size + size);
  }
}

}  // namespace

u64 Lane::take_number() { return block_.next++; }
bool Lane::is_to_stop() const { return block_.stop != 0; }
std::vector<u64> Lane::told() const {
  const auto count = static_cast<std::size_t>(block_.told_count.load());
  return {block_.told.begin(), block_.told.begin() + static_cast<std::ptrdiff_t>(count)};
}
std::atomic<u64>& Lane::counter(std::size_t which) { return block_.counters[index_][which]; }

void Lane::send(const std::string& message) {
  const u64 size = message.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  write_all(pipe_, bytes + message);
}

Expected<Lanes> Lanes::start(u32 count, u64 first, const std::function<void(Lane&)>& work) {
  auto block = map_zeroed<LanesBlock>(Sharing::with_forks, sizeof(LanesBlock),
                                      "processes that run side by side");
  if (!block) return std::unexpected(block.error());
  Lanes lanes;
  lanes.block_ = *std::move(block);
  lanes.block_->next = first;
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  for (u32 i = 0; i < std::clamp<u32>(count, 1, lanes_max); ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return cannot("no pipe to a process of the run");
    const pid_t pid = ::fork();
    if (pid < 0) {
      ::close(ends[0]);
      ::close(ends[1]);
      return cannot("no process to run side by side");
    }
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::signal(SIGPIPE, SIG_IGN);
      ::close(ends[0]);
      for (const Running& other : lanes.lanes_) ::close(other.pipe);
      Lane lane(*lanes.block_, i, ends[1]);
      work(lane);
      std::fflush(nullptr);
      ::_exit(0);
    }
    ::close(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    lanes.lanes_.push_back({.pid = pid, .pipe = ends[0], .bytes = {}});
  }
  return lanes;
}

Lanes::~Lanes() {
  for (const Running& lane : lanes_) {
    if (lane.pipe >= 0) ::close(lane.pipe);
    if (lane.pid < 0) continue;
    ::kill(lane.pid, SIGKILL);
    while (::waitpid(lane.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

std::optional<std::vector<std::string>> Lanes::wait(double seconds) {
  std::vector<pollfd> open;
  for (const Running& lane : lanes_) {
    if (lane.pipe >= 0) open.push_back({.fd = lane.pipe, .events = POLLIN, .revents = 0});
  }
  if (open.empty()) return std::nullopt;
  ::poll(open.data(), open.size(), static_cast<int>(seconds * 1000));
  std::vector<std::string> messages;
  for (Running& lane : lanes_) {
    char bytes[64 << 10];
    while (lane.pipe >= 0) {
      const ssize_t got = ::read(lane.pipe, bytes, sizeof bytes);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) break;  // nothing more yet
      if (got == 0) {
        ::close(lane.pipe);
        lane.pipe = -1;
        break;
      }
      lane.bytes.append(bytes, static_cast<std::size_t>(got));
    }
    take_messages(lane.bytes, messages);
  }
  return messages;
}

void Lanes::tell(u64 number) {
  const u64 count = block_->told_count;
  if (count == Lane::told_max) return;
  block_->told[static_cast<std::size_t>(count)] = number;
  block_->told_count = count + 1;
}

u64 Lanes::sum(std::size_t which) const {
  u64 all = 0;
  for (std::size_t i = 0; i < lanes_.size(); ++i) all += block_->counters[i][which];
  return all;
}

void Lanes::ask_to_stop() { block_->stop = 1; }

std::vector<std::string> Lanes::end() {
  const auto limit = Clock::now() + patience;
  std::vector<std::string> deaths;
  for (Running& lane : lanes_) {
    int status = 0;
    bool killed = false;
    for (;;) {
      const pid_t done = ::waitpid(lane.pid, &status, killed ? 0 : WNOHANG);
      if (done == lane.pid || (done < 0 && errno != EINTR)) break;
      if (done < 0) continue;
      (void)wait(0.01);  // whoever has something to say must not wait for us
      if (Clock::now() < limit) continue;
      ::kill(lane.pid, SIGKILL);
      killed = true;
    }
    lane.pid = -1;
    if (killed) continue;
    if (WIFSIGNALED(status)) {
      deaths.push_back(fmt::format("a process of the run was ended by signal {} ({})",
                                   WTERMSIG(status), ::strsignal(WTERMSIG(status))));
    } else if (WEXITSTATUS(status) != 0) {
      deaths.push_back(
          fmt::format("a process of the run ended with status {}", WEXITSTATUS(status)));
    }
  }
  return deaths;
}

}  // namespace iommucheck::oracle
