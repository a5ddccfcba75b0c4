// SPDX-License-Identifier: MIT
// What the monitor and the interface count of their state is what is there, between all operations
// of random cases. A mutant that miscounts is killed here (mutants/spec_sva.mutants, counts_*);
// builds with sanitizers ask the same of every case.
#include <gtest/gtest.h>

#include "check/machine.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test::lockstep_consistent_test {
namespace {

struct Watch {
  oracle::Lockstep* lockstep = nullptr;
  std::string wrong;
  u64 looked = 0;
};

void look(void* context) {
  Watch& watch = *static_cast<Watch*>(context);
  if (watch.lockstep == nullptr) return;
  ++watch.looked;
  if (watch.wrong.empty()) watch.wrong = watch.lockstep->monitor().consistent();
}

TEST(LockstepConsistent, BetweenAllOperations) {
  // Dirty state; devices that do not answer in time; users; page requests.
  for (const char* machine :
       {"httu=2,ats=1", "devices=1:4:ats/2:4:ats:stall", "s2p=1,hyp=1", "drawn:4"}) {
    const auto parsed = oracle::parse_machine(machine);
    ASSERT_TRUE(parsed) << machine << ": " << parsed.error().message;
    Watch watch;
    oracle::LockstepOptions options;
    options.machine = *parsed;
    options.on_step = look;
    options.step_context = &watch;
    Booted booted({}, options);
    watch.lockstep = booted.lockstep.get();
    for (u64 number = 0; number < 120; ++number) {
      const oracle::Sequence sequence = sequence_of(5, number, 24);
      booted->run(sequence.operations, sequence.ends);
      ASSERT_EQ(watch.wrong, "") << machine << ", sequence " << number;
    }
    EXPECT_GT(watch.looked, 1000U) << machine;
  }
}

}  // namespace
}  // namespace iommucheck::test::lockstep_consistent_test
