// SPDX-License-Identifier: MIT
// Frames of include/iommucheck/device.h over a socket: a head of 8 bytes, and as many bytes as it
// says. Every wait is bounded, and the other side's stderr is read meanwhile.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline in_seconds(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::duration<double>(seconds));
}
inline constexpr Deadline no_deadline = Deadline::max();

/// The end of what a process prints.
class PrintedTail {
 public:
  /// The read end of a pipe, not blocking; none: no more comes. What was kept is forgotten.
  void open(Descriptor from);
  [[nodiscard]] int descriptor() const { return from_.number(); }
  void drain();
  /// The last lines with something in them, as one line; at most 300 characters.
  [[nodiscard]] std::string last_lines() const;

 private:
  Descriptor from_;
  std::string text_;
};

struct Frame {
  u32 type = 0;
  std::vector<char> bytes;
};

/// Both sides of the door speak through it: a stream socket.
class FrameChannel {
 public:
  FrameChannel() = default;
  explicit FrameChannel(Descriptor socket) : socket_(std::move(socket)) {}
  void close() { socket_.close(); }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  /// Read while it waits. Not owned.
  void watch(PrintedTail* tail) { tail_ = tail; }
  /// A busy machine is no fault of the other side's: a deadline is later by the seconds in which it
  /// had no processor, which `lost` says, each time since it was asked last.
  void excuse(std::function<double()> lost) { lost_ = std::move(lost); }

  /// `parts` one after the other as one frame. Errors: environment, as what the other side did:
  /// "closed the connection", "does not read".
  Expected<void> send(u32 type, std::span<const std::span<const char>> parts, Deadline until);
  /// For an answer that is asked for now, over all of its frames.
  Deadline deadline(double seconds);
  /// Errors: as send(); "stopped in the middle of a frame", "gives no answer", "sends a frame of …
  /// bytes". `until` is put off by what is excused.
  Expected<Frame> receive(Deadline& until);

 private:
  enum class Ready : u8 { yes, late };
  Ready wait(short events, Deadline& until);
  [[nodiscard]] int patience(Deadline until) const;
  bool is_late(Deadline& until);
  Expected<void> fill(char* to, std::size_t bytes, std::size_t whole, std::size_t before,
                      Deadline& until);

  Descriptor socket_;
  PrintedTail* tail_ = nullptr;
  std::function<double()> lost_;
  bool watches_lost_ = false;  // of the answer that is waited for
};

/// The bytes of a plain struct.
template <class T>
std::span<const char> bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace iommucheck::oracle
