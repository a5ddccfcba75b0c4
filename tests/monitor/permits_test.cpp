// SPDX-License-Identifier: MIT
// What of outcomes is promised: by hand, one thing at a time.
#include "monitor/permits.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "spec/sva/call.h"

namespace iommucheck::oracle::permits_test {
namespace {

using spec::AccessKind;
using spec::AccessType;
using spec::EventType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::sva::Alternatives;
using spec::sva::State;

constexpr u32 rw = spec::sva::prot_read | spec::sva::prot_write;
constexpr u64 pa = 0x10000;

Alternatives promised(State state, u32 prot = rw) {
  Alternatives allowed;
  allowed.add({.state = state, .pa = pa, .prot = prot});
  return allowed;
}

Outcome reaches(u64 mair = 0xff, u64 sh = 3) {
  return {.kind = OutcomeKind::translation,
          .pa = pa,
          .attr = mair,
          .memory = spec::attributes_of_mair(mair, sh)};
}

Outcome faults(EventType event, bool stalls = false) {
  return {.kind = OutcomeKind::fault, .event = event, .reaction = {.stall = stalls}};
}

bool is_permitted(const Alternatives& allowed, const Outcome& outcome, AccessKind kind = {},
                  bool at_pasid = false, AttributesAsked asked = AttributesAsked::coherent) {
  return permits(allowed, at_pasid, false, kind, outcome, asked);
}

TEST(Permits, TheAddressAndTheRightsOfAMapping) {
  const Alternatives mapped = promised(State::mapped);
  EXPECT_TRUE(is_permitted(mapped, reaches()));
  EXPECT_TRUE(is_permitted(mapped, reaches(), {AccessType::write, false}));
  EXPECT_FALSE(is_permitted(mapped, reaches(), {AccessType::execute, false}));
  Outcome other = reaches();
  other.pa += 0x1000;
  EXPECT_FALSE(is_permitted(mapped, other));
  EXPECT_FALSE(is_permitted(mapped, faults(EventType::f_permission)));
  EXPECT_TRUE(is_permitted(mapped, faults(EventType::f_permission), {AccessType::execute, false}));
  EXPECT_FALSE(is_permitted(mapped, faults(EventType::f_translation)));
  EXPECT_FALSE(is_permitted(mapped, {.kind = OutcomeKind::any}));
}

TEST(Permits, PrivilegedMappingsArePrivilegedAccessesOwn) {
  const Alternatives mapped = promised(State::mapped, rw | spec::sva::prot_privileged);
  EXPECT_FALSE(is_permitted(mapped, reaches()));
  EXPECT_TRUE(is_permitted(mapped, faults(EventType::f_permission)));
  EXPECT_TRUE(is_permitted(mapped, reaches(), {AccessType::write, true}));
  EXPECT_FALSE(is_permitted(mapped, faults(EventType::f_permission), {AccessType::write, true}));
  EXPECT_EQ(grant_of(rw, {AccessType::read, true}), Grant::either);
}

/// driver.h, `prot`: READ is implied where the format cannot leave it out; stage 2 can (S2AP).
TEST(Permits, ReadsOfWhatIsMappedForWritesAlone) {
  const Alternatives mapped = promised(State::mapped, spec::sva::prot_write);
  EXPECT_TRUE(is_permitted(mapped, reaches(), {AccessType::read, false}));
  EXPECT_TRUE(is_permitted(mapped, faults(EventType::f_permission), {AccessType::read, false}));
  EXPECT_FALSE(is_permitted(mapped, faults(EventType::f_translation), {AccessType::read, false}));
  EXPECT_FALSE(is_permitted(mapped, faults(EventType::f_permission), {AccessType::write, false}));
}

/// A parent's mapping for writes alone lets reads of its users pass or not: they were accused.
TEST(Permits, AUsersReadsOfWhatItsParentHasForWritesAlone) {
  Alternatives allowed;
  allowed.add({.state = State::mapped, .pa = pa, .prot = rw, .outer_prot = spec::sva::prot_write});
  EXPECT_TRUE(permits_of_user(allowed, AccessType::read, reaches()));
  EXPECT_TRUE(permits_of_user(allowed, AccessType::read, faults(EventType::f_permission)));
  EXPECT_FALSE(permits_of_user(allowed, AccessType::read, faults(EventType::f_translation)));
  EXPECT_TRUE(permits_of_user(allowed, AccessType::write, reaches()));
  EXPECT_FALSE(permits_of_user(allowed, AccessType::write, faults(EventType::f_permission)));
  const Alternatives unmapped = promised(State::unmapped);
  EXPECT_TRUE(permits_of_user(unmapped, AccessType::read, faults(EventType::f_translation)));
  EXPECT_FALSE(permits_of_user(unmapped, AccessType::read, reaches()));
  EXPECT_TRUE(
      permits_of_user(promised(State::identity), AccessType::read, {.kind = OutcomeKind::bypass}));
}

/// driver.h: "device memory instead of normal write-back". Allocation and transient hints are none
/// of it.
TEST(Permits, AttributesOfMemory) {
  const Alternatives mapped = promised(State::mapped);
  for (const u64 write_back :
       std::initializer_list<u64>{0xff, 0xee, 0xdd, 0xcc, 0x77, 0x55, 0xf0}) {
    EXPECT_TRUE(is_permitted(mapped, reaches(write_back, 3))) << write_back;
    EXPECT_TRUE(is_permitted(mapped, reaches(write_back, 2))) << write_back;
    EXPECT_FALSE(is_permitted(mapped, reaches(write_back, 1))) << write_back;
    EXPECT_FALSE(is_permitted(mapped, reaches(write_back, 0))) << write_back;
  }
  for (const u64 other :
       std::initializer_list<u64>{0x44, 0x40, 0xbb, 0x4f, 0xf4, 0x04, 0x00, 0x0f, 0x80}) {
    EXPECT_FALSE(is_permitted(mapped, reaches(other))) << other;
    EXPECT_TRUE(is_permitted(mapped, reaches(other), {}, false, AttributesAsked::none)) << other;
  }
  const Alternatives device = promised(State::mapped, rw | spec::sva::prot_device);
  for (const u64 kind : std::initializer_list<u64>{0x00, 0x04, 0x08, 0x0c}) {
    for (u64 sh = 0; sh < 4; ++sh) EXPECT_TRUE(is_permitted(device, reaches(kind, sh))) << kind;
  }
  EXPECT_FALSE(is_permitted(device, reaches()));
  EXPECT_FALSE(is_permitted(device, reaches(0x44)));
}

/// IDR0.COHACC = 0: whoever has no coherent way to memory takes what Normal type it likes.
TEST(Permits, WhereNothingIsCoherentAnyNormalMemoryWillDo) {
  const Alternatives mapped = promised(State::mapped);
  const auto fits = [&](u64 mair, u64 sh) {
    return is_permitted(mapped, reaches(mair, sh), {}, false, AttributesAsked::type);
  };
  EXPECT_TRUE(fits(0x44, 2));
  EXPECT_TRUE(fits(0xbb, 0));
  EXPECT_TRUE(fits(0xff, 0));
  EXPECT_FALSE(fits(0x04, 2));
}

TEST(Permits, WhatPassesKeepsItsAttributes) {
  const Alternatives identity = promised(State::identity);
  Outcome bypass{.kind = OutcomeKind::bypass, .pa = pa};
  EXPECT_TRUE(is_permitted(identity, bypass));
  bypass.memory = spec::attributes_of_input({.sh = spec::Shareability::inner});
  EXPECT_TRUE(is_permitted(identity, bypass));
  bypass.memory = spec::attributes_of_input({.sh = spec::Shareability::none});
  EXPECT_FALSE(is_permitted(identity, bypass));
  bypass.memory = spec::attributes_of_input({.type = true, .memattr = 5});
  EXPECT_FALSE(is_permitted(identity, bypass));
  EXPECT_FALSE(is_permitted(promised(State::unmapped), {.kind = OutcomeKind::bypass}));
}

TEST(Permits, EndsAreOfTheirKind) {
  const Outcome fault = faults(EventType::f_translation);
  const Outcome stall = faults(EventType::f_translation, true);
  EXPECT_TRUE(is_permitted(promised(State::unmapped), fault));
  EXPECT_FALSE(is_permitted(promised(State::unmapped), stall));
  EXPECT_FALSE(is_permitted(promised(State::unmapped), {.kind = OutcomeKind::abort}));
  EXPECT_TRUE(is_permitted(promised(State::blocked), {.kind = OutcomeKind::abort}));
  EXPECT_TRUE(is_permitted(promised(State::blocked), faults(EventType::c_bad_ste)));
  EXPECT_FALSE(is_permitted(promised(State::blocked), fault)) << "there are tables";
  EXPECT_TRUE(is_permitted(promised(State::no_pasid), fault, {}, true));
  EXPECT_TRUE(is_permitted(promised(State::waits), stall, {}, true));
  EXPECT_FALSE(is_permitted(promised(State::waits), fault, {}, true));
  Alternatives moving = promised(State::mapped);
  EXPECT_FALSE(is_permitted(moving, faults(EventType::c_bad_ste)));
  moving.concerned = true;
  EXPECT_TRUE(is_permitted(moving, faults(EventType::c_bad_ste)));
}

/// What an ATC has kept is refused where the STE forbids ATS by now: right while a device moves, or
/// where nothing is to be reached; else the access that is promised does not come through.
TEST(Permits, WhatIsPromisedIsNotRefusedForItsAnswerByAts) {
  const Outcome refused = faults(EventType::f_transl_forbidden);
  EXPECT_TRUE(is_permitted(promised(State::blocked), refused));
  EXPECT_TRUE(is_permitted(promised(State::unmapped), refused));
  for (const State state : {State::identity, State::mapped}) {
    Alternatives settled = promised(state);
    EXPECT_FALSE(is_permitted(settled, refused));
    settled.concerned = true;
    EXPECT_TRUE(is_permitted(settled, refused));
    Alternatives open = promised(state);
    open.add({.state = State::blocked});
    EXPECT_TRUE(is_permitted(open, refused));
  }
}

/// Who asks for pages waits by its request, at PASIDs alone: the SMMU ends the access.
TEST(Permits, WhoAsksForPagesWaitsByNoStall) {
  const Alternatives waits = promised(State::waits);
  const Alternatives unmapped = promised(State::unmapped);
  const auto is_right = [](const Alternatives& allowed, bool at_pasid, const Outcome& outcome) {
    return permits(allowed, at_pasid, true, {}, outcome, AttributesAsked::coherent);
  };
  EXPECT_TRUE(is_right(waits, true, faults(EventType::f_translation)));
  EXPECT_FALSE(is_right(waits, false, faults(EventType::f_translation)));
  EXPECT_FALSE(is_right(unmapped, false, faults(EventType::f_translation, true)));
  EXPECT_FALSE(is_right(promised(State::mapped), true, faults(EventType::f_translation)));
}

/// What a user's stage 1 yields is not looked at; what lets an access pass is promised by addresses
/// of stage 2, or it is not.
TEST(Permits, OnAUsersDomainAnyFaultIsRightAndNothingPasses) {
  const Alternatives within = promised(State::within);
  EXPECT_TRUE(is_permitted(within, faults(EventType::f_translation, true)));
  EXPECT_TRUE(is_permitted(within, faults(EventType::f_permission)));
  EXPECT_TRUE(is_permitted(within, faults(EventType::c_bad_cd)));
  EXPECT_TRUE(is_permitted(within, {.kind = OutcomeKind::abort}));
  EXPECT_TRUE(is_permitted(within, {.kind = OutcomeKind::within}));
  EXPECT_FALSE(is_permitted(within, reaches()));
  EXPECT_FALSE(is_permitted(within, {.kind = OutcomeKind::bypass}));
  EXPECT_FALSE(is_permitted(within, {.kind = OutcomeKind::any}));
  EXPECT_FALSE(is_permitted(promised(State::mapped), {.kind = OutcomeKind::within}));
}

}  // namespace
}  // namespace iommucheck::oracle::permits_test
