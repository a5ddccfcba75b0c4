// SPDX-License-Identifier: MIT
// What the types of fields do not say: sizes that exist, values that fit, ranges that do not wrap.
// Reader and codec refuse what breaks it, so whoever gets an event need not ask again.
#pragma once

#include "trace/event.h"

namespace iommucheck::trace {

struct FieldError {
  std::string_view field;  ///< name of the field that is wrong
  std::string message;     ///< what is wrong, and what is expected
};

/// Nothing if the event is well formed.
std::optional<FieldError> check(const Event& event);
std::optional<FieldError> check(const Header& header);

}  // namespace iommucheck::trace
