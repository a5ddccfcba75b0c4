// SPDX-License-Identifier: MIT
// How everything outside of the hot path fails: a code to act on, and a sentence to read.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace iommucheck {

enum class ErrorCode {
  bad_input,    ///< a file, line, word or option cannot be read: exit status 2
  unsupported,  ///< understood, but the specification has not got it yet
  gave_up,      ///< a stated bound was hit; never a verdict
  environment,  ///< a file, process or resource of the machine failed: exit status 3
};

/// `message` says what was wrong, where ("file:line:column" or "event N"), and what to do.
struct Error {
  ErrorCode code;
  std::string message;
};

template <class T>
using Expected = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace iommucheck
