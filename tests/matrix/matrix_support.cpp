// SPDX-License-Identifier: MIT
#include "tests/matrix/matrix_support.h"

#include "tests/places.h"

namespace iommucheck::oracle {

std::string test_plugin(const std::string& name) {
  return test::in_build("test-plugins/" + name + ".so");
}

DriverRun driver_run(const std::string& driver, u64 sequences, u64 seed) {
  DriverRun run;
  run.driver = driver;
  run.seed = seed;
  run.sequences = sequences;
  return run;
}

ConformOptions options_with(const std::vector<Case>& cases) {
  ConformOptions options;
  options.use_known = false;
  options.causes = false;
  options.given = std::make_shared<const std::vector<Case>>(cases);
  return options;
}

std::optional<spec::Outcome> CountingDevice::outcome_of(spec::Access& access) {
  auto outcome = SpecDevice::outcome_of(access);
  if (!outcome) return outcome;
  ++(outcome->kind == spec::OutcomeKind::translation ? translated : terminated);
  return outcome;
}

}  // namespace iommucheck::oracle
