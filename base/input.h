// SPDX-License-Identifier: MIT
// Files that people name on a command line: regular ones, pipes, devices. Reading is bounded, and
// a signal ends the wait for a pipe's other side.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/types.h"

namespace iommucheck {

class Input {
 public:
  /// bad_input for a folder and for what is not there; environment for what cannot be opened.
  static Expected<Input> open(const std::string& path) {
    // Without O_NONBLOCK a pipe that nobody writes would hold us here, whatever signal comes.
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.is_open()) return failure(path, "cannot open", errno);
    struct stat info{};
    if (::fstat(file.number(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return fail(ErrorCode::bad_input, path + ": is a folder; name a file");
    }
    return Input(std::move(file), path);
  }

  /// How many bytes were read; 0 at the end.
  Expected<std::size_t> read(std::span<char> out) {
    while (true) {
      pollfd ready{.fd = file_.number(), .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, -1) < 0) {
        if (errno != EINTR) return failure(path_, "cannot read", errno);
        return fail(ErrorCode::gave_up, path_ + ": stopped while waiting for more of it");
      }
      const ssize_t got = ::read(file_.number(), out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EAGAIN && errno != EINTR) return failure(path_, "cannot read", errno);
    }
  }

 private:
  Input(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  static std::unexpected<Error> failure(const std::string& path, const char* what, int code) {
    const bool wrong_name = code == ENOENT || code == ENOTDIR;
    return fail(wrong_name ? ErrorCode::bad_input : ErrorCode::environment,
                path + ": " + what + " it: " + std::system_category().message(code));
  }

  Descriptor file_;
  std::string path_;
};

/// All of a file of at most `bytes_max` bytes. bad_input where it cannot be opened or is larger.
inline Expected<std::string> read_whole(const std::string& path, std::size_t bytes_max) {
  auto input = Input::open(path);
  if (!input) return fail(ErrorCode::bad_input, std::move(input.error().message));
  std::string text;
  constexpr std::size_t chunk = std::size_t{64} << 10;
  while (true) {
    const std::size_t before = text.size();
    text.resize(before + chunk);
    const auto got = input->read(std::span(text).subspan(before));
    text.resize(before + (got ? *got : 0));
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return text;
    if (text.size() > bytes_max) {
      return fail(ErrorCode::bad_input,
                  path + ": is larger than " + std::to_string(bytes_max >> 20) + " MiB; split it");
    }
  }
}

}  // namespace iommucheck
