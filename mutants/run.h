// SPDX-License-Identifier: MIT
// Runs the tests of the woven build once for each mutant, and says which mutants nobody noticed.
#pragma once

#include <string>
#include <vector>

#include "mutants/list.h"

namespace iommucheck::mutants {

struct RunOptions {
  std::string binaries;  ///< folder of the woven build's programs
  std::string work;      ///< folder for logs, temporary files and what is remembered
  unsigned jobs = 1;
  std::vector<std::string> suites =
      {};  ///< only these of suites.h; empty: all that concern a mutant
  std::string killers =
      {};                   ///< list of the tree: who killed each mutant the last time, asked first
  bool record = false;      ///< write it anew, by what was found
  bool equivalent = false;  ///< run those that are said to be equivalent too
  double floor = 0.9;       ///< of each part's mutants that are not equivalent
};

/// What an interrupted run of the same programs has found, without or with a mutant, is not run
/// again (`work`/progress.txt).
/// 0: the floor is kept, every survivor is explained; 1: not; 3: the tests fail without a mutant,
/// or a program cannot be run. Prints each verdict, then the rate of each part and the survivors.
int run(const std::vector<Mutant>& mutants, const RunOptions& options);

}  // namespace iommucheck::mutants
