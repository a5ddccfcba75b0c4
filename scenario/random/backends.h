// SPDX-License-Identifier: MIT
// Backends by what people call them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

struct Subjects {
  std::function<std::unique_ptr<Subject>()> make;
  const void* code = nullptr;  ///< an address within the object that is under test; null: none
  std::string path{};          ///< of that object
};

/// "two": the second one that is built in; else the path of an object (iommucheck/backend.h), which
/// is loaded into this process. bad_input.
Expected<Subjects> subjects_of(const std::string& backend);

/// The same in a process that is then gone: what it has; what is wrong, if it crashes or comes to
/// no end, too.
Expected<Offers> probe_backend(const std::string& backend, double seconds);

}  // namespace iommucheck::oracle::stories
