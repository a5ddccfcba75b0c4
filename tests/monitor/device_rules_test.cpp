// SPDX-License-Identifier: MIT
// What a device shows in its registers, one value changed at a time: the rest of the trace is of a
// device that is right.
#include <gtest/gtest.h>

#include <functional>

#include "conform/case.h"
#include "conform/dut/spec_device.h"
#include "conform/judge_case.h"
#include "conform/runner.h"

namespace iommucheck::oracle::device_rules_test {
namespace {

using Edit = std::function<void(trace::MmioRead&)>;

/// Rules and kinds that are broken once each read of `offset` is edited.
std::string judged(SpecDevice& device, Case what, u32 offset, const Edit& edit) {
  auto run = run_case(device, std::move(what));
  if (!run) return run.error().message;
  for (trace::Event& event : run->trace.events) {
    auto* read = std::get_if<trace::MmioRead>(&event.payload);
    if (read != nullptr && read->offset == offset) edit(*read);
  }
  CaseJudge judge(device.identity());
  std::string found;
  for (const Divergence& one : judge.judge(run->trace)) {
    found += std::string(spec::rule_name(one.rule)) + ": " + one.called + "\n";
  }
  return found;
}

void nothing(trace::MmioRead&) {}

/// IHI 0070 6.3.14: the update completes in finite time, and Update is 0 then.
TEST(DeviceRules, AnUpdateOfGbpaThatNeverEndsIsNoProgress) {
  SpecDevice device(1);
  const auto waiting = [&](unsigned reads) {
    CaseBuilder b(device.identity(), "gbpa");
    b.write(spec::reg::gbpa, spec::gbpa::abort | spec::gbpa::update);
    for (unsigned i = 0; i < reads; ++i) b.read(spec::reg::gbpa);
    return b.take();
  };
  const Edit stays = [](trace::MmioRead& read) { read.value = read.value | spec::gbpa::update; };
  EXPECT_EQ(judged(device, waiting(8), spec::reg::gbpa, nothing), "");
  EXPECT_EQ(judged(device, waiting(7), spec::reg::gbpa, stays), "");
  EXPECT_EQ(judged(device, waiting(8), spec::reg::gbpa, stays),
            "REGISTER_PROGRESS: GBPA.Update does not follow\n");
}

/// IHI 0070 7.4: OVFLG toggles where a record met a full queue, and only there.
TEST(DeviceRules, AnOverflowThatNoRecordMetIsFound) {
  SpecDevice device(1);
  const auto faulting = [&] {
    CaseBuilder b(device.identity(), "one fault");
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.access(0x5000);
    b.poll();
    return b.take();
  };
  const Edit toggles = [](trace::MmioRead& read) { read.value = read.value ^ u64 { 1 } << 31; };
  EXPECT_EQ(judged(device, faulting(), spec::reg::eventq_prod, nothing), "");
  EXPECT_EQ(judged(device, faulting(), spec::reg::eventq_prod, toggles),
            "EVENT_OVERFLOW: OVFLG toggles by itself\n");
}

/// The record of a stall waits for room, and is no overflow; that of a terminated access may be
/// lost.
TEST(DeviceRules, StallsThatMeetAFullQueueAreNoOverflow) {
  SpecDevice device(1);
  const auto faulting = [&](bool stalls) {
    CaseBuilder b(device.identity(), "more faults than slots", {.eventq_lg2 = 1});
    spec::Cd<u64> cd = b.plain_cd(b.root(spec::Granule::g4k, 25), 25, 1);
    if (stalls) cd.dw[0] |= u64{1} << 44;
    b.cd(0, cd);
    b.ste(0, b.stage1_ste(0));
    b.enable();
    for (u64 i = 1; i <= 4; ++i) b.access(0x1000 * i);
    b.poll();
    return b.take();
  };
  const Edit toggles = [](trace::MmioRead& read) { read.value = read.value ^ u64 { 1 } << 31; };
  EXPECT_EQ(judged(device, faulting(true), spec::reg::eventq_prod, nothing), "");
  EXPECT_EQ(judged(device, faulting(true), spec::reg::eventq_prod, toggles),
            "EVENT_OVERFLOW: OVFLG toggles by itself\n");
  EXPECT_EQ(judged(device, faulting(false), spec::reg::eventq_prod, nothing), "");
}

/// Records come late, so does the overflow, and a look that shows none of them does not end it.
TEST(DeviceRules, AnOverflowMayShowAfterALookThatShowsNothing) {
  SpecDevice device(1);
  const auto faulting = [&](u64 faults) {
    CaseBuilder b(device.identity(), "more faults than slots", {.eventq_lg2 = 1});
    b.translate(0, b.root(spec::Granule::g4k, 25));
    for (u64 i = 1; i <= faults; ++i) b.access(0x5000 * i);
    b.read(spec::reg::eventq_prod);
    b.poll();
    return b.take();
  };
  const auto late = [] {
    return Edit([hidden = false](trace::MmioRead& read) mutable {
      if (hidden || read.value == 0) return;
      hidden = true;
      read.value = 0;
    });
  };
  const auto late_and_toggles = [hides = late()](trace::MmioRead& read) {
    hides(read);
    if (read.value != 0) read.value = read.value ^ u64 { 1 } << 31;
  };
  EXPECT_EQ(judged(device, faulting(4), spec::reg::eventq_prod, late()), "");
  EXPECT_EQ(judged(device, faulting(2), spec::reg::eventq_prod, late_and_toggles),
            "EVENT_OVERFLOW: OVFLG toggles by itself\n");
}

/// A record is of one transaction that was terminated (7.3.1).
TEST(DeviceRules, MoreRecordsThanAccessesAreFound) {
  SpecDevice device(1);
  const auto quiet = [&] {
    CaseBuilder b(device.identity(), "no fault");
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.read(spec::reg::eventq_prod);
    return b.take();
  };
  const Edit invents = [](trace::MmioRead& read) { read.value = read.value + 1; };
  EXPECT_EQ(judged(device, quiet(), spec::reg::eventq_prod, nothing), "");
  EXPECT_EQ(judged(device, quiet(), spec::reg::eventq_prod, invents),
            "EVENT_ONCE: more records than terminated accesses\n");
}

}  // namespace
}  // namespace iommucheck::oracle::device_rules_test
