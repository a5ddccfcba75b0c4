// SPDX-License-Identifier: MIT
#include "conform/dut/peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "conform/dut/serve_device.h"
#include "conform/dut/system_error.h"
#include "impl/device/door.h"
#include "process/own_time.h"

namespace iommucheck::oracle {

namespace {

constexpr std::string_view exec_prefix = "exec:", unix_prefix = "unix:", fast_name = "fast";
constexpr auto moment = std::chrono::milliseconds(5);

std::string how_it_ended(int status) {
  if (!WIFSIGNALED(status)) {
    return fmt::format("ended with exit status {}", WEXITSTATUS(status));
  }
  const char* name = ::sigabbrev_np(WTERMSIG(status));
  return fmt::format("crashed with SIG{} ({})", name != nullptr ? name : "?",
                     ::strsignal(WTERMSIG(status)));
}

}  // namespace

bool names_a_peer(std::string_view device) {
  return device == fast_name || device.starts_with(exec_prefix) ||
         device.starts_with(unix_prefix) || device.find('/') != std::string_view::npos ||
         device.ends_with(".so");
}

Peer::Peer(std::string device) : kind_(Kind::plugin), what_(std::move(device)) {
  if (what_ == fast_name) {
    kind_ = Kind::fast;
    return;
  }
  if (what_.starts_with(exec_prefix)) kind_ = Kind::command;
  if (what_.starts_with(unix_prefix)) kind_ = Kind::socket;
  if (kind_ != Kind::plugin) what_.erase(0, exec_prefix.size());
  static_assert(exec_prefix.size() == unix_prefix.size());
}

Expected<void> Peer::start(TesterMemory& memory, double seconds) {
  end();
  if (kind_ == Kind::socket) return connect(seconds);
  struct stat info{};
  if (kind_ == Kind::plugin && ::stat(what_.c_str(), &info) != 0) {
    return fail(
        ErrorCode::bad_input,
        fmt::format("{}: {}; --device takes spec, fast, qemu, qemu:PATH, the path of a shared "
                    "object, exec:COMMAND or unix:PATH",
                    what_, std::strerror(errno)));
  }
  return spawn(memory);
}

Expected<void> Peer::spawn(TesterMemory& memory) {
  std::array<int, 2> ends{};
  std::array<int, 2> output{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_error("no socket for a device");
  }
  if (::pipe2(output.data(), O_CLOEXEC) != 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return system_error("no pipe for a device");
  }
  ::fcntl(output[0], F_SETFL, O_NONBLOCK);
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) be_the_child(ends[1], output[1], memory, parent);
  const bool forked = pid_ > 0;
  if (forked) ::setpgid(pid_, pid_);  // whoever of the two comes first
  ::close(ends[1]);
  ::close(output[1]);
  printed_.open(Descriptor(output[0]));
  channel_ = FrameChannel(Descriptor(ends[0]));
  channel_.watch(&printed_);
  channel_.excuse([own = OwnTime(pid_)]() mutable {
    const double lost = own.waiting();
    own.restart();
    return lost;
  });
  if (!forked) return system_error("no process for a device");
  return {};
}

void Peer::be_the_child(int socket, int output, TesterMemory& memory, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::setpgid(0, 0);  // Ctrl-C is for whoever started us; and all of it is ended together
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  const bool command = kind_ == Kind::command;
  ::dup2(command ? socket : ::open("/dev/null", O_RDONLY), 0);
  ::dup2(command ? socket : output, 1);
  ::dup2(output, 2);
  if (command) {
    ::execl("/bin/sh", "sh", "-c", what_.c_str(), nullptr);
    ::_exit(127);
  }
  const int own = ::fcntl(socket, F_DUPFD_CLOEXEC, 3);
  for (int other = 3; other < 1024; ++other) {
    if (other != own) ::close(other);
  }
  if (kind_ == Kind::fast) {
    serve_device(FrameChannel(Descriptor(own)), device::door(), &memory);
  } else {
    serve_plugin(FrameChannel(Descriptor(own)), what_, &memory);
  }
  ::_exit(0);
}

Expected<void> Peer::connect(double seconds) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (what_.empty() || what_.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::bad_input,
                "unix:" + what_ + ": no path of a socket (107 bytes at most)");
  }
  std::memcpy(address.sun_path, what_.c_str(), what_.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return system_error("unix:" + what_);
  channel_ = FrameChannel(Descriptor(descriptor));
  // One that has died may be started anew by whoever looks after it.
  const Deadline until = in_seconds(seconds);
  while (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool may_come = errno == ECONNREFUSED || errno == ENOENT || errno == EINTR;
    if (!may_come || std::chrono::steady_clock::now() >= until) {
      auto error = system_error("unix:" + what_);
      channel_.close();
      return error;
    }
    std::this_thread::sleep_for(moment);
  }
  return {};
}

std::string Peer::end() {
  channel_.close();
  if (pid_ <= 0) return {};
  siginfo_t info{};
  for (int waited = 0; waited < 60 && info.si_pid != pid_; ++waited) {  // the socket closes before
    if (waited != 0) std::this_thread::sleep_for(moment);
    printed_.drain();
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  }
  const bool by_itself = info.si_pid == pid_;
  ::kill(-pid_, SIGKILL);  // what it started itself, too
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  std::string how = by_itself ? how_it_ended(status) : std::string();
  printed_.drain();
  pid_ = -1;
  return how;
}

std::string Peer::printed() { return printed_.last_lines(); }

}  // namespace iommucheck::oracle
