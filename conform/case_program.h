// SPDX-License-Identifier: MIT
// A case of conform as a C program that runs by itself: it loads a device behind device.h, asks
// what the case asked and says where an answer is another one than it was.
#pragma once

#include <string>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// `about`: what it shows, for the head of the program; may have several lines. Needs nothing but
/// include/iommucheck. Errors: bad_input for a trace that is not of conform, or
/// whose device delegates translation.
Expected<std::string> case_program(const trace::Trace& trace, const std::string& about);

}  // namespace iommucheck::oracle
