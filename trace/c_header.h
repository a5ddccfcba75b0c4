// SPDX-License-Identifier: MIT
// The alphabet for C, from the .def files: headers of include/iommucheck that are made, not
// written. A test holds them equal.
#pragma once

#include <string>

namespace iommucheck::trace {

/// words.h: every word that has a number.
std::string c_words_header();
/// monitor_events.h: structs of events and of calls' arguments, bits of `known`.
std::string c_events_header();
/// monitor_report.h: a function for each event, that fills its struct. C99.
std::string c_report_header();

}  // namespace iommucheck::trace
