// SPDX-License-Identifier: MIT
// A line protocol over a unix socket: lines are collected and sent together, answers are read when
// they are waited for. Every wait is bounded.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

class LineSocket {
 public:
  LineSocket() = default;
  explicit LineSocket(Descriptor socket) : socket_(std::move(socket)) {}

  void close() { *this = {}; }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  /// Adds a line (without its end) to what the next flush() sends.
  void add(std::string_view line) {
    out_ += line;
    out_ += '\n';
  }
  [[nodiscard]] bool pending() const { return !out_.empty(); }
  /// Errors: environment: the other side is gone, or does not read for `timeout_ms`.
  Expected<void> flush(int timeout_ms);
  /// The next line; valid until the next call. Errors: as flush(), and lines of more than 1 MiB.
  Expected<std::string_view> line(int timeout_ms);

 private:
  Expected<void> wait(short events, int timeout_ms) const;

  Descriptor socket_;
  std::string out_;
  std::string in_;
  std::size_t begin_ = 0;
  std::size_t searched_ = 0;
};

}  // namespace iommucheck::oracle
