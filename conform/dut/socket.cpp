// SPDX-License-Identifier: MIT
#include "conform/dut/socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace iommucheck::oracle {

Expected<void> LineSocket::wait(short events, int timeout_ms) const {
  pollfd one{.fd = socket_.number(), .events = events, .revents = 0};
  while (true) {
    const int ready = ::poll(&one, 1, timeout_ms);
    if (ready > 0) return {};
    if (ready == 0) {
      return fail(ErrorCode::environment, "no answer within " + std::to_string(timeout_ms) + " ms");
    }
    if (errno != EINTR) {
      return fail(ErrorCode::environment, std::string("poll: ") + std::strerror(errno));
    }
  }
}

Expected<void> LineSocket::flush(int timeout_ms) {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t n = ::send(socket_.number(), out_.data() + sent, out_.size() - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      out_.clear();
      return fail(ErrorCode::environment, "the connection is closed");
    }
    if (auto ready = wait(POLLOUT, timeout_ms); !ready) return ready;
  }
  out_.clear();
  return {};
}

Expected<std::string_view> LineSocket::line(int timeout_ms) {
  constexpr std::size_t longest = std::size_t{1} << 20;
  while (true) {
    if (searched_ < in_.size()) {
      const std::size_t end = in_.find('\n', searched_);
      if (end != std::string::npos) {
        const std::string_view found(in_.data() + begin_, end - begin_);
        begin_ = searched_ = end + 1;
        return found;
      }
      searched_ = in_.size();
    }
    if (begin_ != 0) {
      in_.erase(0, begin_);
      searched_ -= begin_;
      begin_ = 0;
    }
    if (in_.size() > longest) return fail(ErrorCode::environment, "a line without end");
    char piece[16384];
    const ssize_t n = ::recv(socket_.number(), piece, sizeof piece, MSG_DONTWAIT);
    const int why = errno;
    if (n > 0) {
      in_.append(piece, static_cast<std::size_t>(n));
      continue;
    }
    if (n == 0) return fail(ErrorCode::environment, "the connection is closed");
    if (why == EINTR) continue;
    if (why != EAGAIN && why != EWOULDBLOCK) {
      return fail(ErrorCode::environment, "the connection is closed");
    }
    if (auto ready = wait(POLLIN, timeout_ms); !ready) return std::unexpected(ready.error());
  }
}

}  // namespace iommucheck::oracle
