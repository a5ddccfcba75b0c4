// SPDX-License-Identifier: MIT
// Where a device behind the door lives: a child that loads a shared object or has the fast model, a
// command, or whoever listens on a unix socket.
#pragma once

#include <sys/types.h>

#include <string>

#include "conform/dut/frames.h"
#include "conform/dut/tester_memory.h"

namespace iommucheck::oracle {

class Peer {
 public:
  enum class Kind : u8 { plugin, fast, command, socket };
  /// "fast", "exec:COMMAND", "unix:PATH", or the path of a shared object.
  explicit Peer(std::string device);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { end(); }

  /// A new one; the one before is gone. Errors: environment; bad_input: there is no such file.
  Expected<void> start(TesterMemory& memory, double seconds);
  FrameChannel& channel() { return channel_; }
  /// How it ended by itself ("crashed with SIGSEGV (Segmentation fault)"), waiting a moment for
  /// that; empty: it had to be killed, or is not ours. It is gone afterwards.
  std::string end();
  [[nodiscard]] Kind kind() const { return kind_; }
  /// What it printed last, as one line.
  std::string printed();

 private:
  Expected<void> spawn(TesterMemory& memory);
  Expected<void> connect(double seconds);
  [[noreturn]] void be_the_child(int socket, int output, TesterMemory& memory, pid_t parent);

  Kind kind_;
  std::string what_;  // path or command
  pid_t pid_ = -1;
  FrameChannel channel_;
  PrintedTail printed_;
};

/// Is it the name of a device behind the door?
bool names_a_peer(std::string_view device);

}  // namespace iommucheck::oracle
