// SPDX-License-Identifier: MIT
// A device of a shared object over frames, in a process that shares no memory with the tester:
//   serve_plugin PLUGIN          over stdin and stdout
//   serve_plugin PLUGIN PATH     to everyone who connects to the unix socket PATH
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "conform/dut/serve_device.h"

namespace {

using namespace iommucheck::oracle;

int listen_at(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  ::unlink(path);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 4) != 0) {
    std::perror(path);
    return -1;
  }
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (argc == 2) {
    const int both = ::dup(0);  // one socket
    ::dup2(2, 1);
    serve_plugin(FrameChannel(iommucheck::Descriptor(both)), argv[1], nullptr);
    return 0;
  }
  std::signal(SIGCHLD, SIG_IGN);
  const int listener = listen_at(argv[2]);
  if (listener < 0) return 1;
  while (true) {
    const int connection = ::accept(listener, nullptr, nullptr);
    if (connection < 0) return 1;
    if (::fork() == 0) {
      ::close(listener);
      serve_plugin(FrameChannel(iommucheck::Descriptor(connection)), argv[1], nullptr);
      ::_exit(0);
    }
    ::close(connection);
  }
}
