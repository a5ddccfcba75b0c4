// SPDX-License-Identifier: MIT
#include "tests/check/lines_support.h"

#include <gtest/gtest.h>

#include "check/given.h"
#include "check/machine.h"
#include "check/sequence.h"
#include "report/finding_text.h"

namespace iommucheck::test {

std::vector<std::string> findings_of_lines(const iommucheck_driver& driver, std::string_view lines,
                                           std::string_view machine,
                                           const std::function<void(oracle::Lockstep&)>& look) {
  oracle::LockstepOptions options;
  options.machine = oracle::parse_machine(machine).value();
  oracle::Lockstep lockstep(driver, options);
  EXPECT_EQ(lockstep.boot(), "");
  const auto read = oracle::parse_sequence(lines, "t");
  EXPECT_TRUE(read) << (read ? "" : read.error().message);
  if (!read) return {};
  const bool names_end = oracle::ends_word(read->ends) != 0;
  lockstep.run(
      read->operations,
      names_end ? read->ends : oracle::Lockstep::Ends{.whole_space = true, .teardown = true});
  if (look) look(lockstep);
  std::vector<std::string> all;
  for (const oracle::Finding& finding : lockstep.monitor().findings()) {
    all.push_back(oracle::one_line(finding));
  }
  return all;
}

}  // namespace iommucheck::test
