// SPDX-License-Identifier: MIT
// A finding of check as a C program that runs by itself: it loads a driver behind driver.h, makes
// the calls that were made, answers what the platform answered, and says where the driver does
// something else than it did.
#pragma once

#include <string>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Whether it begins with a driver that is brought up: then it is a trace of check.
bool is_of_driver(const trace::Trace& trace);

/// `about`: what is found, for the head of the program; may have several lines. Needs nothing but
/// include/iommucheck. Errors: bad_input for a trace without a driver's boot; unsupported, where
/// what the driver was told is not in a trace (a process's ASID), or calls wait for handlers.
Expected<std::string> driver_program(const trace::Trace& trace, const std::string& about);

}  // namespace iommucheck::oracle
