// SPDX-License-Identifier: MIT
// Random sequences of the interface's calls, as scenarios: what fails is a file that anybody can
// read and run again. They expect nothing of what calls answer but that they do; what is promised
// the interface's specification knows.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle::stories {

struct DrawOptions {
  u32 steps = 24;           ///< behind the machine's description, about
  bool faults_wait = true;  ///< the machine hands faults to its driver
  bool groups = true;       ///< of more than one page request
};

/// Lines of one scenario, of which the first is its head, "@ ID KEYS title". Number `number` of
/// `seed`; beside the options that is all that it depends on. A sequence may end early where a call
/// that gives a name fails.
std::vector<std::string> draw_lines(u64 seed, u64 number, const DrawOptions& options);

/// The lines as a text that the parser reads.
std::string text_of_lines(const std::vector<std::string>& lines);

}  // namespace iommucheck::oracle::stories
