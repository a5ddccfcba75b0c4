// SPDX-License-Identifier: MIT
#include "conform/dut/frames.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "conform/dut/last_words.h"

#include "iommucheck/device.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t head_bytes = 8, kept_max = std::size_t{8} << 10;
constexpr int at_once_milliseconds = 20;

int milliseconds_to(Deadline until) {
  if (until == no_deadline) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
}

}  // namespace

// ---- what it prints -----------------------------------------------------------------------------

void PrintedTail::open(Descriptor from) {
  from_ = std::move(from);
  text_.clear();
}

void PrintedTail::drain() {
  std::array<char, 4096> bytes;
  for (int n = 0; n < 64 && from_.is_open(); ++n) {  // bounded: it may print without end
    const ssize_t got = ::read(from_.number(), bytes.data(), bytes.size());
    if (got == 0) from_.close();
    if (got <= 0) return;
    text_.append(bytes.data(), static_cast<std::size_t>(got));
    if (text_.size() > 2 * kept_max) text_.erase(0, text_.size() - kept_max);
  }
}

std::string PrintedTail::last_lines() const { return oracle::last_lines(text_); }

// ---- frames -------------------------------------------------------------------------------------

Deadline FrameChannel::deadline(double seconds) {
  watches_lost_ = false;
  return in_seconds(seconds);
}

bool FrameChannel::is_late(Deadline& until) {
  if (milliseconds_to(until) != 0) return false;
  const double excused = lost_ ? lost_() : 0;
  constexpr double least = 0.01;
  if (excused < least) return true;
  until = in_seconds(excused);
  return false;
}

/// What was lost before is none of this answer's. Asking for it costs more than most answers take:
/// it is asked from the moment on that one is not there at once.
int FrameChannel::patience(Deadline until) const {
  const int left = milliseconds_to(until);
  return lost_ && !watches_lost_ ? std::min(left, at_once_milliseconds) : left;
}

FrameChannel::Ready FrameChannel::wait(short events, Deadline& until) {
  while (true) {
    std::array<pollfd, 2> both = {
        pollfd{.fd = socket_.number(), .events = events, .revents = 0},
        pollfd{.fd = tail_ != nullptr ? tail_->descriptor() : -1, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(both.data(), both.size(), patience(until));
    if (ready < 0 && errno != EINTR) return Ready::late;
    if (ready > 0 && both[1].revents != 0) tail_->drain();
    if (ready > 0 && both[0].revents != 0) return Ready::yes;
    if (ready == 0 && lost_ && !watches_lost_) {
      lost_();
      watches_lost_ = true;
    }
    if (is_late(until)) return Ready::late;
  }
}

Expected<void> FrameChannel::send(u32 type, std::span<const std::span<const char>> parts,
                                  Deadline until) {
  std::vector<char> out(head_bytes);
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  const u32 head[2] = {static_cast<u32>(out.size() - head_bytes), type};
  std::memcpy(out.data(), head, sizeof head);
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t sent =
        ::send(socket_.number(), out.data() + done, out.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) {
      return fail(ErrorCode::environment, "closed the connection");
    }
    if (wait(POLLOUT, until) == Ready::late) return fail(ErrorCode::environment, "does not read");
  }
  return {};
}

Expected<void> FrameChannel::fill(char* to, std::size_t bytes, std::size_t whole,
                                  std::size_t before, Deadline& until) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::recv(socket_.number(), to + done, bytes - done, MSG_DONTWAIT);
    if (got > 0) {
      done += static_cast<std::size_t>(got);
      continue;
    }
    const bool nothing_yet = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (nothing_yet && wait(POLLIN, until) == Ready::yes) continue;
    if (before + done != 0) {
      return fail(
          ErrorCode::environment,
          fmt::format("stopped in the middle of a frame ({} of {} bytes)", before + done, whole));
    }
    return fail(ErrorCode::environment, nothing_yet ? "gives no answer" : "closed the connection");
  }
  return {};
}

Expected<Frame> FrameChannel::receive(Deadline& until) {
  // Frames that come without end are no answer either.
  if (is_late(until)) return fail(ErrorCode::environment, "gives no answer");
  u32 head[2] = {};
  auto ok = fill(reinterpret_cast<char*>(head), head_bytes, head_bytes, 0, until);
  if (!ok) return std::unexpected(ok.error());
  if (head[0] > IOMMUCHECK_FRAME_BYTES_MAX) {
    return fail(ErrorCode::environment, fmt::format("answers nonsense: a frame of {} bytes (type "
                                                    "{}); {} are the most",
                                                    head[0], head[1], IOMMUCHECK_FRAME_BYTES_MAX));
  }
  Frame frame{.type = head[1], .bytes = std::vector<char>(head[0])};
  ok = fill(frame.bytes.data(), head[0], head_bytes + head[0], head_bytes, until);
  if (!ok) return std::unexpected(ok.error());
  return frame;
}

}  // namespace iommucheck::oracle
