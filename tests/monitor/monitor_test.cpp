// SPDX-License-Identifier: MIT
// The monitor by its own functions: when windows end, what stalls, what processes and handlers
// owe, what a driver says that it holds.
#include <gtest/gtest.h>

#include <algorithm>

#include <algorithm>
#include <functional>
#include <vector>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/command.h"
#include "tests/monitor/monitored_driver_support.h"

namespace iommucheck::oracle::monitor_test {
namespace {

namespace rule = spec::rule;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

constexpr AgentId cpu = AgentId::cpu0;

class MonitorTest : public MonitoredDriver {
 protected:
  MonitorTest() { domain = paging(); }
  void nothing_is_found() {
    for (const Finding& finding : monitor.findings()) ADD_FAILURE() << one_line(finding);
  }
  u64 domain = 0;
};

// ---- windows ------------------------------------------------------------------------------------

/// What a call did before it waits is its own doing, whatever is promised after it.
TEST_F(MonitorTest, AWindowEndsWhereACallWaits) {
  attach(domain, 0);
  map(domain, page, p1);
  const u64 here = leaf(domain, page);
  monitor.call_begins({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 0});
  plant(here + 8, word(here));
  monitor.barrier(cpu);
  nothing_is_found();
  monitor.call_waits();
  EXPECT_TRUE(tells("device 0) at 0x2000", rule::PROMISE_UNDISTURBED));
}

/// Freed memory holds nothing that is known: what it led to is compared before.
TEST_F(MonitorTest, AWindowEndsWhereMemoryIsFreed) {
  attach(domain, 0);
  map(domain, page, p1);
  uint64_t block = 0;
  ASSERT_NE(platform->table_alloc(platform->ctx, page, &block), nullptr);
  plant(leaf(domain, page) + 8, word(leaf(domain, page)));
  monitor.barrier(cpu);
  nothing_is_found();
  platform->table_free(platform->ctx, block, page);
  EXPECT_TRUE(tells("device 0) at 0x2000"));
}

/// IHI 0070 4.8: a slot that the SMMU may still read is not written, whatever kind of store it is.
TEST_F(MonitorTest, NoExposedSlotIsWrittenByAnyKindOfStore) {
  const u64 base = platform->mmio_read64(platform->ctx, spec::reg::cmdq_base);
  const u32 prod = platform->mmio_read32(platform->ctx, spec::reg::cmdq_prod);
  const u64 slot =
      bits(base, 51, 5) * 32 + 16 * bits(prod, static_cast<unsigned>(bits(base, 4, 0)) - 1, 0);
  const std::vector<std::function<void(u64)>> stores = {
      [&](u64 pa) { monitor.store(cpu, pa, 0); },
      [&](u64 pa) { monitor.store(cpu, pa + 4, 4, 0, 0, 0); },
      [&](u64 pa) { monitor.store(cpu, pa, 16, 0, 0, 0); },
      [&](u64 pa) { monitor.fill(cpu, pa - 8, 2, 0); },
      [&](u64 pa) { monitor.rmw(cpu, {.pa = pa}); },
  };
  monitor.smmu().set_stuck(true);
  const Trail::Mark before = monitor.trail().mark();
  for (const bool exposed : {false, true}) {
    for (std::size_t i = 0; i < stores.size(); ++i) {
      monitor.store(cpu, slot, spec::encode_command(spec::cmd_tlbi_nsnh_all()).dw0);
      monitor.store(cpu, slot + 8, 0);
      if (exposed) {
        platform->mmio_write32(platform->ctx, spec::reg::cmdq_prod, prod + 1, IOMMUCHECK_ORDERED);
      }
      nothing_is_found();
      stores[i](slot);
      const auto live = [](const Finding& finding) {
        return finding.rule == rule::QUEUE_SLOT_LIVE;
      };
      EXPECT_EQ(std::ranges::any_of(monitor.findings(), live), exposed) << i;
      monitor.clear_findings();
      monitor.trail().undo_to(before);
    }
  }
}

// ---- tables without end -------------------------------------------------------------------------

/// 512^3 ways lead to each word: there is no verdict, soon, and none in what follows.
TEST_F(MonitorTest, ATableThatLeadsToItselfIsUndecidedInTime) {
  attach(domain, 0);
  attach(domain, 1);
  map(domain, page, p1);
  const u64 root = descriptor(domain, page, 39) & ~low_mask(u64{12});
  for (u64 i = 0; i < 512; ++i) plant(root + 8 * i, root | 3);
  EXPECT_TRUE(monitor.gave_up());
  for (u64 i = 0; i < 512; ++i) plant(root + 8 * i, 0);
  ends();
  monitor.check_whole_space();
  monitor.page_released(trace::environment_agent, p2, page);
  spec::FirstChoice choices;
  EXPECT_FALSE(monitor.device_access({.sid = 2, .va = page}, choices));
  nothing_is_found();
  EXPECT_TRUE(monitor.gave_up());
}

/// Its configuration is not followed any more: a detach that does all it has to is no mistake.
TEST_F(MonitorTest, AStreamIsNotJudgedWhereThereIsNoVerdict) {
  attach(domain, 0);
  map(domain, page, p1);
  const u64 root = descriptor(domain, page, 39) & ~low_mask(u64{12});
  for (u64 i = 0; i < 512; ++i) plant(root + 8 * i, root | 3);
  ASSERT_TRUE(monitor.gave_up());
  for (u64 i = 0; i < 512; ++i) plant(root + 8 * i, 0);
  ok({.kind = CallKind::detach, .domain = domain, .device = 0});
  nothing_is_found();
  EXPECT_TRUE(monitor.gave_up());
}

// ---- calls that do nothing ----------------------------------------------------------------------

/// What a call has to change is compared though no word changed.
TEST_F(MonitorTest, AnAttachThatDoesNothingIsFound) {
  map(domain, page, p1);
  driver.attach = [](void*, iommucheck_handle, uint32_t) -> int { return 0; };
  attach(domain, 1);
  EXPECT_TRUE(tells("device 1"));
}

TEST_F(MonitorTest, ADetachThatDoesNothingIsFound) {
  attach(domain, 1);
  map(domain, page, p1);
  driver.detach = [](void*, iommucheck_handle, uint32_t) -> int { return 0; };
  ok({.kind = CallKind::detach, .domain = domain, .device = 1});
  EXPECT_TRUE(tells("device 1"));
}

TEST_F(MonitorTest, ARecoveryThatDoesNothingIsFound) {
  attach(domain, 1);
  map(domain, page, p1);
  monitor.queue_stuck(true);
  const Call detach{.kind = CallKind::detach, .domain = domain, .device = 1};
  EXPECT_EQ(host.call(detach).status, Status::etimedout);
  monitor.queue_stuck(false);
  nothing_is_found();
  driver.recover = [](void*) -> int { return 0; };
  ok({.kind = CallKind::recover});
  EXPECT_TRUE(tells("device 1"));
}

/// A number may be given although a time-out has left a device at it; what that device meets there
/// is compared then, though no word and no item changes.
TEST_F(MonitorTest, ANumberThatATimeOutHoldsIsLookedAtWhereItIsGiven) {
  attach(domain, 1);
  attach(domain, 0);
  const u64 other = paging();
  map(other, page, p1);
  ok({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 1});
  ok({.kind = CallKind::attach_pasid, .domain = other, .device = 0, .pasid = 1});
  monitor.queue_stuck(true);
  const Call detach{.kind = CallKind::detach_pasid, .domain = other, .device = 0, .pasid = 1};
  EXPECT_EQ(host.call(detach).status, Status::etimedout);
  monitor.queue_stuck(false);
  driver.pasid_free = [](void*, uint32_t) -> int { return 0; };
  driver.pasid_alloc = [](void*, uint32_t, uint32_t, uint32_t* pasid) -> int {
    *pasid = 1;
    return 0;
  };
  ok({.kind = CallKind::pasid_free, .pasid = 1});
  nothing_is_found();
  ok({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 1});
  EXPECT_TRUE(tells("device 0, PASID 0x1"));
}

// ---- the platform -------------------------------------------------------------------------------

TEST_F(MonitorTest, CompareExchangeAnswersWhatWasThere) {
  uint64_t pa = 0;
  ASSERT_NE(platform->table_alloc(platform->ctx, page, &pa), nullptr);
  platform->store64(platform->ctx, pa, 3);
  const auto exchange = [&](u64 expected, u64 desired) {
    return platform->atomic(platform->ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, pa, 8, desired,
                            expected, 0, 0);
  };
  EXPECT_EQ(exchange(3, 5), 3U);
  EXPECT_EQ(platform->load64(platform->ctx, pa), 5U);
  EXPECT_EQ(exchange(3, 7), 5U);
  EXPECT_EQ(platform->load64(platform->ctx, pa), 5U);
  nothing_is_found();
}

/// A thousand waits in which nothing moves are no time-out of the SMMU's, and are told once.
TEST_F(MonitorTest, WaitsWithoutEndAreTold) {
  int waits = 0;
  while (platform->wait(platform->ctx, 0, 1000) == 0 && waits < 5000) ++waits;
  EXPECT_EQ(waits, 1000);
  EXPECT_TRUE(tells("waits without end", rule::HANG_RETURNS));
  EXPECT_EQ(one_line(monitor.findings().front()).find("CR0"), std::string::npos);
  EXPECT_EQ(platform->wait(platform->ctx, 0, 1000), 1);
  EXPECT_EQ(monitor.findings().size(), 1U);
}

/// A command that no SMMU knows, behind what the driver sent.
class MonitorOfRefusals : public MonitorTest {
 protected:
  MonitorOfRefusals() {
    u64 ring = monitor.setup().window_pa;
    while (!monitor.smmu().is_command_slot(ring)) ring += page;
    const u32 prod = platform->mmio_read32(platform->ctx, spec::reg::cmdq_prod);
    const u64 entries = u64{1} << monitor.setup().cmdq_log2size;
    plant(ring + 16 * (prod & (entries - 1)), 0xff);
    plant(ring + 16 * (prod & (entries - 1)) + 8, 0);
    monitor.barrier(AgentId::cpu0);
    platform->mmio_write32(platform->ctx, spec::reg::cmdq_prod,
                           static_cast<u32>((prod + 1) & (2 * entries - 1)),
                           IOMMUCHECK_MMIO_ORDERED);
    EXPECT_TRUE(tells("CERROR_ILL", rule::QUEUE_COMMAND_ILLEGAL));
  }
  bool hangs() {
    return std::ranges::any_of(monitor.findings(), [](const Finding& finding) {
      return finding.rule == rule::HANG_RETURNS;
    });
  }
};

TEST_F(MonitorOfRefusals, AWaitBehindOneNamesIt) {
  while (platform->wait(platform->ctx, IOMMUCHECK_WAIT_CMDQ, 1000) == 0) continue;
  EXPECT_TRUE(
      tells("the command queue is stopped: GERROR.CMDQ_ERR is 1 and GERRORN.CMDQ_ERR 0, "
            "CMDQ_CONS.ERR is CERROR_ILL, at the command in slot",
            rule::HANG_RETURNS));
}

/// Whoever acknowledges it and leaves the slot as it is gets the same refusal for ever.
TEST_F(MonitorOfRefusals, OneThatIsAcknowledgedAgainAndAgainIsToldSoon) {
  unsigned times = 0;
  for (; !hangs() && times < 100; ++times) {
    const u32 error = platform->mmio_read32(platform->ctx, spec::reg::gerror);
    platform->mmio_write32(platform->ctx, spec::reg::gerrorn, error, IOMMUCHECK_MMIO_ORDERED);
  }
  EXPECT_LT(times, 12U);
  EXPECT_TRUE(tells("refused as it was ", rule::HANG_RETURNS));
}

/// Bits that the SMMU has not got are in no CR0ACK: whoever waits for them waits for ever.
TEST_F(MonitorTest, AWaitForReservedBitsOfCr0SaysSo) {
  const auto was = platform->mmio_read32(platform->ctx, spec::reg::cr0);
  platform->mmio_write32(platform->ctx, spec::reg::cr0, was | spec::cr0::priqen, 0);
  while (platform->wait(platform->ctx, 0, 1000) == 0 && monitor.findings().empty()) {
  }
  EXPECT_TRUE(tells("0x2 in reserved bits (PRIQEN, since IDR0.PRI = 0)", rule::HANG_RETURNS));
}

// ---- what is held -------------------------------------------------------------------------------

TEST_F(MonitorTest, EachThingThatADriverHoldsIsCompared) {
  using Held = trace::Held;
  const Held right{.domains = 1};
  monitor.driver_holds(right);
  nothing_is_found();
  const std::pair<u32 Held::*, const char*> counts[] = {{&Held::domains, "holds 2 domains"},
                                                        {&Held::io_mms, "holds 1 private io_mm"},
                                                        {&Held::pasids, "holds 1 PASIDs"},
                                                        {&Held::bonds, "holds 1 bonds"}};
  for (const auto& [member, text] : counts) {
    Held wrong = right;
    ++(wrong.*member);
    monitor.driver_holds(wrong);
    EXPECT_EQ(monitor.findings().size(), 1U) << text;
    EXPECT_TRUE(tells(text, rule::LEAK_NOTHING));
    monitor.clear_findings();
  }
}

// ---- pages --------------------------------------------------------------------------------------

/// A page is reached by an entry that begins long before it.
TEST_F(MonitorTest, APageInTheMiddleOfABlockIsReached) {
  attach(domain, 0);
  map(domain, page, p1);
  monitor.page_released(trace::environment_agent, p2, page);
  nothing_is_found();
  const u64 attributes = word(leaf(domain, page)) & ~u64{0xfffffffff003};
  plant(table(domain, page) + 8, p1 | attributes | 1);  // 2 MiB
  monitor.barrier(cpu);
  monitor.page_released(trace::environment_agent, p2, page);
  EXPECT_TRUE(tells("the page at 0x100010000 is given back", rule::PAGE_REUSE));
  monitor.clear_findings();
  monitor.page_released(trace::environment_agent, p1 + (2 << 20), page);
  nothing_is_found();
}

// ---- what devices were seen to do ---------------------------------------------------------------

TEST_F(MonitorTest, WhatReadsAndWritesNeedsBothRights) {
  attach(domain, 0);
  map(domain, page, p1, spec::sva::prot_read);
  map(domain, 2 * page, p2);
  const auto seen = [&](u64 iova, u64 pa) {
    monitor.observe_access({.sid = 1,
                            .iova = iova,
                            .direction = trace::Direction::read_write,
                            .result = trace::DmaResult::ok,
                            .pa = pa});
  };
  seen(2 * page, p2);
  nothing_is_found();
  seen(page, p1);
  EXPECT_TRUE(tells("at 0x1000", rule::DEVICE_OUTCOME));
}

// ---- devices' own caches ------------------------------------------------------------------------

oracle::Setup with_ats() {
  oracle::Setup setup = three_devices();
  setup.devices[1].ats = true;
  return setup;
}

/// A driver whose ATC invalidations become TLB invalidations while `forgets_` says so.
class MonitorOfAtcs : public testing::Test {
 protected:
  MonitorOfAtcs() : monitor_(with_ats()), host_(forgetful(), monitor_) {
    forgets_ = false;
    its_monitor_ = &monitor_;
    EXPECT_EQ(host_.boot(), "");
  }
  static const iommucheck_driver& forgetful() {
    static iommucheck_driver driver = *impl::builtin_driver();
    driver.init = [](const iommucheck_platform* its, const iommucheck_config* config,
                     void** self) -> int {
      platform_ = *its;
      store_ = its->store64;
      platform_.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
        const bool slot = its_monitor_->smmu().is_command_slot(pa);
        if (slot && pa % 16 == 0) {
          drops_ = forgets_ && (value & 0xff) == static_cast<u64>(spec::Opcode::atc_inv);
          if (drops_) value = static_cast<u64>(spec::Opcode::tlbi_nsnh_all);
        } else if (slot && drops_) {
          value = 0;
        }
        store_(ctx, pa, value);
      };
      return impl::builtin_driver()->init(&platform_, config, self);
    };
    return driver;
  }
  void ok(const Call& call, u64* value = nullptr) {
    const spec::sva::Observed observed = host_.call(call);
    ASSERT_EQ(observed.status, Status::ok) << spec::sva::call_text(call);
    if (value != nullptr) *value = observed.value;
  }
  /// A page of device 1 in a new domain.
  u64 mapped() {
    u64 domain = 0;
    ok({.kind = CallKind::domain_alloc, .domain_kind = 1}, &domain);
    ok({.kind = CallKind::attach, .domain = domain, .device = 1});
    ok({.kind = CallKind::map,
        .domain = domain,
        .iova = 0x1000,
        .pa = u64{1} << 32,
        .size = 0x1000,
        .prot = spec::sva::prot_read});
    return domain;
  }
  void move() { ok({.kind = CallKind::detach, .domain = mapped(), .device = 1}); }
  /// Detached while nothing was consumed, and put right by a recovery.
  void recover() {
    const u64 domain = mapped();
    monitor_.queue_stuck(true);
    const Call detach{.kind = CallKind::detach, .domain = domain, .device = 1};
    EXPECT_EQ(host_.call(detach).status, Status::etimedout);
    monitor_.queue_stuck(false);
    ASSERT_TRUE(monitor_.findings().empty()) << one_line(monitor_.findings()[0]);
    ok({.kind = CallKind::recover});
  }
  /// The device goes to a domain in which nothing is mapped: from the store of its STE on what
  /// calls itself translated passes again.
  void attach_anew() {
    for (const Finding& finding : monitor_.findings()) ADD_FAILURE() << one_line(finding);
    u64 domain = 0;
    ok({.kind = CallKind::domain_alloc, .domain_kind = 1}, &domain);
    ok({.kind = CallKind::attach, .domain = domain, .device = 1});
  }
  void is_found() {
    ASSERT_FALSE(monitor_.findings().empty());
    const Finding& finding = monitor_.findings()[0];
    EXPECT_EQ(finding.rule, rule::PROMISE_TRANSIENT) << one_line(finding);
    EXPECT_NE(one_line(finding).find("at 0x1000 may reach 0x100000000"), std::string::npos)
        << one_line(finding);
  }

  static inline iommucheck_platform platform_;
  static inline void (*store_)(void*, uint64_t, uint64_t) = nullptr;
  static inline Monitor* its_monitor_ = nullptr;
  static inline bool forgets_ = false;
  static inline bool drops_ = false;
  Monitor monitor_;
  DriverHost host_;
};

TEST_F(MonitorOfAtcs, WhatADriverInvalidatesHolds) {
  move();
  recover();
  for (const Finding& finding : monitor_.findings()) ADD_FAILURE() << one_line(finding);
}

/// What a device holds itself outlives its stream's configuration. While the STE terminates its
/// accesses those that call themselves translated are, too (ATSCHK); the next domain lets them
/// pass.
TEST_F(MonitorOfAtcs, WhatADeviceHoldsAfterItsDetachIsFound) {
  forgets_ = true;
  move();
  attach_anew();
  is_found();
}

/// Nothing changes in it when the time-out is over, and what was permitted is so no more.
TEST_F(MonitorOfAtcs, WhatADeviceHoldsAfterARecoveryIsFound) {
  forgets_ = true;
  recover();
  attach_anew();
  is_found();
}

// ---- PASIDs, processes, handlers ----------------------------------------------------------------

class MonitorOfPasids : public MonitorTest {
 protected:
  static constexpr u64 drvdata = 0x77;
  MonitorOfPasids() {
    attach(domain, 0);
    ok({.kind = CallKind::sva_device_init,
        .device = 0,
        .features = spec::sva::feature_iopf,
        .min_pasid = 1,
        .max_pasid = 8,
        .has_mm_exit = true});
    mm = host.processes().create();
    pasid = static_cast<u32>(
        ok({.kind = CallKind::bind_device, .device = 0, .mm = mm, .drvdata = drvdata}));
  }
  [[nodiscard]] spec::Access access_at(u64 va) const {
    return {.sid = 1, .ssid = pasid, .ssv = true, .va = va};
  }
  u64 mm = 0;
  u32 pasid = 0;
};

TEST_F(MonitorOfPasids, AnAccessThatHasToWaitIsNotTerminated) {
  const auto seen = [&](trace::DmaResult result) {
    monitor.observe_access({.sid = 1,
                            .ssid = trace::substream(pasid),
                            .iova = page,
                            .direction = trace::Direction::read,
                            .result = result});
  };
  seen(trace::DmaResult::stall);
  nothing_is_found();
  seen(trace::DmaResult::abort);
  EXPECT_TRUE(tells("was seen as abort", rule::DEVICE_OUTCOME));
}

/// IHI 0070 7.2.1: a stalled access whose record finds no room waits for some; nothing is lost.
TEST_F(MonitorOfPasids, AStallWaitsForRoomInTheEventQueue) {
  spec::FirstChoice first;
  const spec::Access aborted{.sid = 1, .va = far_away};
  for (unsigned i = 0; i < 1000 && monitor.smmu().event_slots() != 0; ++i) {
    monitor.device_access(aborted, first);
  }
  ASSERT_EQ(monitor.smmu().event_slots(), 0U);
  EXPECT_FALSE(monitor.device_access(access_at(page), first));
  EXPECT_FALSE(monitor.smmu().has_stall(1, pasid, true));
  host.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  ASSERT_NE(monitor.smmu().event_slots(), 0U);
  monitor.device_access(aborted, first);
  EXPECT_TRUE(monitor.smmu().has_stall(1, pasid, true));
  nothing_is_found();
}

TEST_F(MonitorOfPasids, MmExitHasTheWordOfTheBind) {
  monitor.release_begins(mm);
  monitor.handler_called(0, pasid, drvdata);
  nothing_is_found();
}

TEST_F(MonitorOfPasids, MmExitWithAnotherWordIsFound) {
  monitor.release_begins(mm);
  monitor.handler_called(0, pasid, drvdata + 1);
  EXPECT_TRUE(tells("with drvdata 120 instead of 119", rule::EXIT_HANDLERS));
}

TEST_F(MonitorOfPasids, AReleaseThatLeavesAHandlerRunningIsFound) {
  monitor.release_begins(mm);
  monitor.handler_called(0, pasid, drvdata);
  monitor.release_ends(false);
  EXPECT_TRUE(tells("Release returned while mm_exit runs", rule::EXIT_WAITS));
}

// ---- what is fed --------------------------------------------------------------------------------

class MonitorFed : public MonitorTest {
 protected:
  void feed(trace::Payload payload, AgentId by = cpu) {
    monitor.feed({.agent = by, .payload = std::move(payload)});
  }
  void queue(bool stuck) { feed(trace::StuckQueue{.stuck = stuck}, trace::environment_agent); }
};

TEST_F(MonitorFed, ATimeOutIsRightThoughTheQueueMovesAgain) {
  attach(domain, 0);
  ok({.kind = CallKind::sva_device_init, .device = 0, .min_pasid = 1, .max_pasid = 8});
  const trace::Call shutdown{.id = trace::CallId{1},
                             .call = trace::calls::SvaDeviceShutdown{.device = trace::DeviceId{0}}};
  const trace::Return timed_out{.id = trace::CallId{1}, .status = trace::Status::etimedout};
  feed(shutdown);
  feed(timed_out);
  EXPECT_TRUE(tells("ETIMEDOUT", rule::RESULT_EXACT));
  monitor.clear_findings();
  feed(shutdown);
  queue(true);
  queue(false);
  feed(timed_out);
  nothing_is_found();
}

}  // namespace
}  // namespace iommucheck::oracle::monitor_test
