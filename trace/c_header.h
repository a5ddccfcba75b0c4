// SPDX-License-Identifier: MIT
// The alphabet for C: include/iommucheck/monitor_events.h and the functions behind it, from the
// .def files. A test holds both files equal.
#pragma once

#include <string>

namespace iommucheck::trace {

/// Structs of events and calls, words, bits of `known`, declarations of the report functions.
std::string c_events_header();
/// The report functions: each fills the struct of its event. C99.
std::string c_events_source();

}  // namespace iommucheck::trace
