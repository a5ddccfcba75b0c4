// SPDX-License-Identifier: MIT
// One program of the woven build, run with a mutant and a limit of time.
#pragma once

#include <string>
#include <vector>

namespace iommucheck::mutants {

struct Execution {
  std::vector<std::string> arguments;  ///< the program first
  std::string mutant;                  ///< empty: none is switched on
  std::string log;                     ///< file that takes its output
  std::string scratch;                 ///< its own folder of temporary files
  double limit_seconds = 3600;
};

struct Ended {
  enum class How { passed, failed, crashed, hung, not_run };
  How how = How::not_run;
  double seconds = 0;
};

Ended execute(const Execution& execution);

}  // namespace iommucheck::mutants
