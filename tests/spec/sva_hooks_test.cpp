// SPDX-License-Identifier: MIT
// INTERFACE "Hooks": which results they leave, and what a call has to undo of them.
#include <gtest/gtest.h>

#include <initializer_list>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva::sva_hooks_test {
namespace {

constexpr u64 paging_handle = 0x10;
constexpr u64 process = 7;

struct World {
  explicit World(Hooks hooks = {}) : interface(trail, setup_with(hooks)) {
    interface.process_created(process);
    expect_ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging)},
              {.value = paging_handle});
    expect_ok({.kind = CallKind::attach, .domain = paging_handle});
    expect_ok({.kind = CallKind::sva_device_init,
               .features = feature_private,
               .min_pasid = 1,
               .max_pasid = 1});
  }
  static Setup setup_with(Hooks hooks) {
    Setup setup;
    setup.devices = {{.stream_ids = {1}, .ssid_bits = 4}};
    setup.ssid_bits = 16;
    setup.hooks = hooks;
    return setup;
  }
  void expect_ok(const Call& call, const Observed& observed = {}) {
    const Verdict verdict = interface.apply(call, observed);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  [[nodiscard]] Verdict returns(const Call& call, Status status, HookCalls hooks, u64 value = 0) {
    hooks.are_told = true;
    return interface.apply(call, {.status = status, .value = value}, {.hooks = hooks});
  }

  Trail trail;
  Interface interface;
};

const Call makes{.kind = CallKind::sva_alloc_pasid, .domain = paging_handle};
const Call binds{.kind = CallKind::bind_device, .mm = process};

TEST(SvaHooks, OneOfAPairAloneIsNoBackend) {
  for (const Hooks& hooks :
       {Hooks{.mm_alloc = false}, Hooks{.mm_free = false}, Hooks{.mm_attach = false},
        Hooks{.mm_detach = false}, Hooks{.mm_attach = false, .mm_detach = false}}) {
    World world(hooks);
    for (const Call& call : {makes, binds}) {
      const Permitted set = world.interface.permitted(call, {});
      EXPECT_TRUE(set.has(Status::enodev));
      EXPECT_FALSE(set.has(Status::ok));
    }
  }
  World world({.mm_alloc = false, .mm_free = false});
  EXPECT_TRUE(world.interface.permitted(makes, {}).has(Status::ok));
  EXPECT_TRUE(world.interface.permitted(binds, {}).has(Status::ok));
  EXPECT_FALSE(world.interface.permitted(binds, {}).has(Status::enodev));
}

TEST(SvaHooks, AnErrorIsPassedOnAsItIs) {
  constexpr auto eperm = static_cast<Status>(1);
  for (const Call& call : {makes, binds}) {
    World world;
    EXPECT_FALSE(world.returns(call, Status::ok, {.failed = eperm}, 1).ok);
    EXPECT_FALSE(world.returns(call, Status::enomem, {.failed = eperm}).ok);
    EXPECT_TRUE(world.returns(call, eperm, {.failed = eperm}).ok);
    EXPECT_TRUE(
        world.returns(call, Status::enomem, {.failed = Status::enomem, .made_nothing = true}).ok);
    EXPECT_FALSE(world.returns(call, eperm, {}).ok) << "nobody has failed so";
  }
}

TEST(SvaHooks, WhatWasMadeIsGivenBackWhenTheCallFails) {
  World world;
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_alloc, 5, 0, false).ok);
  const HookCalls hooks{.failed = Status::eio, .made = 5};
  EXPECT_FALSE(world.returns(makes, Status::eio, hooks).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
  EXPECT_EQ(world.interface.hooked_io_mms(), 0U);
  EXPECT_TRUE(world.returns(makes, Status::eio, hooks).ok);
}

TEST(SvaHooks, APrivateSpaceIsMadeAndAttachedByThem) {
  World world;
  EXPECT_FALSE(world.returns(makes, Status::ok, {.attached = true}, 0x20).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_alloc, 5, 0, false).ok);
  EXPECT_FALSE(world.returns(makes, Status::ok, {.made = 5}, 0x20).ok);
  EXPECT_TRUE(world.returns(makes, Status::ok, {.made = 5, .attached = true}, 0x20).ok);
  EXPECT_EQ(world.interface.hooked_io_mms(), 1U);
}

TEST(SvaHooks, ADriverThatDoesNotTellIsNotAskedForThem) {
  World world;
  EXPECT_TRUE(world.interface.apply(makes, {.value = 0x20}).ok);
}

TEST(SvaHooks, OnlyWhatWasMadeIsGivenBackAndOnce) {
  World world;
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_attach, 5, 0, false).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_alloc, 5, 0, true).ok);
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok) << "it has failed";
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_alloc, 5, 0, false).ok);
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_alloc, 5, 0, false).ok);
  const Trail::Mark mark = world.trail.mark();
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
  world.trail.undo_to(mark);
  EXPECT_EQ(world.interface.hooked_io_mms(), 1U);
}

TEST(SvaHooks, WithoutMmAllocNobodyAsksWhoMadeIt) {
  World world({.mm_alloc = false, .mm_free = false});
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_attach, 5, 0, false).ok);
  EXPECT_TRUE(world.returns(makes, Status::ok, {.attached = true}, 0x20).ok);
}

TEST(SvaHooks, AttachAndDetachAreBalanced) {
  World world({.mm_alloc = false, .mm_free = false});
  const auto called = [&](Hook hook, bool failed = false) {
    return world.interface.hook_called(hook, 5, 0, failed).ok;
  };
  EXPECT_FALSE(called(Hook::mm_detach)) << "nothing is attached";
  EXPECT_TRUE(called(Hook::mm_attach, true));
  EXPECT_FALSE(called(Hook::mm_detach)) << "it has failed";
  EXPECT_TRUE(called(Hook::mm_attach));
  EXPECT_FALSE(called(Hook::mm_attach)) << "twice";
  EXPECT_EQ(world.interface.hooked_attachments(), 1U);
  const Trail::Mark mark = world.trail.mark();
  EXPECT_TRUE(called(Hook::mm_detach));
  EXPECT_FALSE(called(Hook::mm_detach)) << "twice";
  world.trail.undo_to(mark);
  EXPECT_EQ(world.interface.hooked_attachments(), 1U);
}

TEST(SvaHooks, ACallThatFailsDetachesWhatItAttached) {
  World world({.mm_alloc = false, .mm_free = false});
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_attach, 5, 0, false).ok);
  const HookCalls hooks{.failed = Status::enomem, .attached = true, .attached_io_mm = 5};
  EXPECT_FALSE(world.returns(makes, Status::enomem, hooks).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_detach, 5, 0, false).ok);
  EXPECT_TRUE(world.returns(makes, Status::enomem, hooks).ok);
}

TEST(SvaHooks, WhatIsGivenBackIsDetachedBefore) {
  World world;
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_alloc, 5, 0, false).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_attach, 5, 0, false).ok);
  const Trail::Mark mark = world.trail.mark();
  EXPECT_FALSE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
  world.trail.undo_to(mark);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_detach, 5, 0, false).ok);
  EXPECT_TRUE(world.interface.hook_called(Hook::mm_free, 5, 0, false).ok);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_hooks_test
