// SPDX-License-Identifier: MIT
// Faults that wait for an answer end where the device, or the PASID, goes. INTERFACE "Faults". Our
// driver, once with an event queue that it can see, and once with one that seems empty to it; and
// with devices that ask for pages where their process has exited.
#include <gtest/gtest.h>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::faults_ended_test {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;

/// What stands between the driver and its platform. A driver has no place for it.
struct Blindness {
  iommucheck_platform platform{};
  uint32_t (*read32)(void* ctx, uint64_t offset) = nullptr;
  void (*write32)(void* ctx, uint64_t offset, uint32_t value, uint32_t flags) = nullptr;
  bool on = false;
  bool forgets_priqen = false;
  uint32_t said = 0;  // what the driver has written to CR0 of it
};
Blindness& blindness() {
  static Blindness state;
  return state;
}

iommucheck_driver driver_that_may_be_blind() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.init = [](const iommucheck_platform* platform, const iommucheck_config* config,
                   void** state) {
    Blindness& blind = blindness();
    blind.platform = *platform;
    blind.read32 = platform->mmio_read32;
    blind.write32 = platform->mmio_write32;
    blind.platform.mmio_read32 = [](void* ctx, uint64_t offset) -> uint32_t {
      const bool hidden =
          blindness().on && (offset == spec::reg::eventq_prod || offset == spec::reg::priq_prod);
      if (hidden) return 0;  // as it was: nothing was consumed
      const uint32_t value = blindness().read32(ctx, offset);
      const bool forgets = blindness().forgets_priqen && offset == spec::reg::cr0ack;
      return forgets ? value | blindness().said : value;
    };
    blind.platform.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
      const bool forgets = blindness().forgets_priqen && offset == spec::reg::cr0;
      if (forgets) blindness().said = value & uint32_t{spec::cr0::priqen};
      const uint32_t written = forgets ? value & ~uint32_t{spec::cr0::priqen} : value;
      blindness().write32(ctx, offset, written, flags);
    };
    return impl::builtin_driver()->init(&blind.platform, config, state);
  };
  return driver;
}

oracle::Setup two_devices() {
  oracle::Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = u64{16} << 20;
  for (const u32 sid : {1U, 2U}) {
    setup.devices.push_back({.stream_ids = {sid}, .ssid_bits = 5, .stall = true});
  }
  return setup;
}

/// Devices 0 and 1 share a domain, and their faults go to the driver, which may be blind to them.
struct TwoOfADomain {
  explicit TwoOfADomain(const oracle::Setup& setup)
      : driver(driver_that_may_be_blind()), monitor(setup), host(driver, monitor) {
    blindness().on = false;
    EXPECT_EQ(host.boot(), "");
    domain = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
    for (const u32 device : {0U, 1U}) {
      ok({.kind = CallKind::attach, .domain = domain, .device = device});
      ok({.kind = CallKind::sva_device_init,
          .device = device,
          .features = spec::sva::feature_iopf,
          .min_pasid = 1});
    }
  }
  ~TwoOfADomain() { blindness().on = false; }

  u64 ok(const Call& call) {
    const spec::sva::Observed observed = host.call(call);
    EXPECT_EQ(observed.status, spec::sva::Status::ok) << spec::sva::call_text(call);
    return observed.value;
  }
  void is_left() {
    ASSERT_FALSE(monitor.findings().empty());
    EXPECT_EQ(monitor.findings()[0].rule, spec::rule::FAULT_ENDED)
        << one_line(monitor.findings()[0]);
  }

  iommucheck_driver driver;
  Monitor monitor;
  DriverHost host;
  u64 domain = 0;
};

/// Device 1 is bound at PASID 1 of the domain that it shares with device 0, which faults there.
class FaultsEnded : public testing::TestWithParam<bool>, protected TwoOfADomain {
 protected:
  FaultsEnded() : TwoOfADomain(two_devices()) {
    mm = host.processes().create();
    EXPECT_EQ(ok({.kind = CallKind::bind_device, .device = 1, .mm = mm}), 1U);
    spec::FirstChoice first;
    monitor.device_access({.sid = 1, .ssid = 1, .ssv = true, .va = 0x1000}, first);
    EXPECT_TRUE(monitor.smmu().has_stall(1, 1, true));
    EXPECT_TRUE(monitor.findings().empty());
    blindness().on = GetParam();
  }

  void judge() {
    if (!GetParam()) {
      EXPECT_TRUE(monitor.findings().empty()) << one_line(monitor.findings().front());
      EXPECT_FALSE(monitor.smmu().has_stall(1, 1, true));
      return;
    }
    is_left();
  }

  u64 mm = 0;
};

TEST_P(FaultsEnded, AtDetach) {
  ok({.kind = CallKind::detach, .domain = domain, .device = 0});
  judge();
}

TEST_P(FaultsEnded, AtRemoval) {
  host.remove(0);
  judge();
}

TEST_P(FaultsEnded, WhereTheDeviceMovesToAnotherDomain) {
  const u64 other = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
  ok({.kind = CallKind::attach, .domain = other, .device = 0});
  judge();
}

TEST_P(FaultsEnded, AtUnbindOfAnotherDeviceOfTheDomain) {
  ok({.kind = CallKind::unbind_device, .device = 1, .pasid = 1});
  judge();
}

INSTANTIATE_TEST_SUITE_P(SeenAndNotSeen, FaultsEnded, testing::Bool(),
                         [](const auto& its) { return its.param ? "blind" : "seeing"; });

oracle::Setup two_that_ask() {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.pri = true;
  caps.priqs = 4;
  oracle::Setup setup;
  setup.id = spec::make_id_registers(caps);
  setup.window_bytes = u64{16} << 20;
  for (const u32 sid : {1U, 2U}) {
    setup.devices.push_back({.stream_ids = {sid}, .ssid_bits = 5, .ats = true, .pri = true});
  }
  return setup;
}

/// Both devices are bound to a process at PASID 1, device 0 twice. It exits, which nobody says
/// "done" to, and device 0 asks for a page there, of which the driver is not told before the call.
class LateRequest : public testing::Test, protected TwoOfADomain {
 protected:
  LateRequest() : TwoOfADomain(two_that_ask()) {
    const u64 mm = host.processes().create();
    for (const u32 device : {0U, 1U, 0U}) {
      EXPECT_EQ(ok({.kind = CallKind::bind_device, .device = device, .mm = mm}), 1U);
    }
    blindness().on = true;
    EXPECT_FALSE(host.exit(mm).waits);
    trace::PageRequest request{.sid = 1, .iova = 0x1000};
    request.ssid = trace::substream(1);
    request.rights = trace::Rights{.read = true};
    request.last = true;
    monitor.feed({.agent = trace::device_agent(0), .payload = request});
    EXPECT_EQ(monitor.stalled_accesses().size(), 1U);
    EXPECT_TRUE(monitor.findings().empty());
  }

  /// Which the call does not end.
  void may_wait() {
    EXPECT_TRUE(monitor.findings().empty()) << one_line(monitor.findings().front());
    EXPECT_EQ(monitor.stalled_accesses().size(), 1U);
  }
};

TEST_F(LateRequest, OutlivesAnAttachThatDoesNothing) {
  ok({.kind = CallKind::attach, .domain = domain, .device = 0});
  may_wait();
}

TEST_F(LateRequest, OutlivesWhatAnotherDeviceOfTheDomainEnds) {
  ok({.kind = CallKind::unbind_device, .device = 1, .pasid = 1});
  may_wait();
  ok({.kind = CallKind::detach, .domain = domain, .device = 1});
  may_wait();
}

TEST_F(LateRequest, OutlivesTheRemovalOfAnotherDevice) {
  host.remove(1);
  may_wait();
}

TEST_F(LateRequest, OutlivesRecovery) {
  ok({.kind = CallKind::recover});
  may_wait();
}

TEST_F(LateRequest, EndsWithTheLastUnbindThoughAnotherDeviceHoldsTheNumber) {
  ok({.kind = CallKind::unbind_device, .device = 0, .pasid = 1});
  may_wait();
  ok({.kind = CallKind::unbind_device, .device = 0, .pasid = 1});
  is_left();
}

TEST_F(LateRequest, EndsWithAllBondsOfTheDevice) {
  ok({.kind = CallKind::unbind_dev_all, .device = 0});
  is_left();
}

TEST_F(LateRequest, EndsWithTheDevicesDetach) {
  ok({.kind = CallKind::detach, .domain = domain, .device = 0});
  is_left();
}

TEST_F(LateRequest, EndsWithTheDevice) {
  host.remove(0);
  is_left();
}

/// IHI 0070 8.2: without CR0.PRIQEN the SMMU answers each request with "failure".
TEST(PageRequests, AreAskedInVainWhereTheQueueIsOff) {
  for (const bool forgets : {false, true}) {
    blindness().on = false;
    blindness().forgets_priqen = forgets;
    const iommucheck_driver driver = driver_that_may_be_blind();
    Monitor monitor(two_that_ask());
    DriverHost host(driver, monitor);
    EXPECT_EQ(host.boot(), "");
    const auto ok = [&](const Call& call) {
      const spec::sva::Observed observed = host.call(call);
      EXPECT_EQ(observed.status, spec::sva::Status::ok) << spec::sva::call_text(call);
      return observed.value;
    };
    const u64 domain = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
    ok({.kind = CallKind::attach, .domain = domain, .device = 0});
    ok({.kind = CallKind::sva_device_init,
        .device = 0,
        .features = spec::sva::feature_iopf,
        .min_pasid = 1});
    const u64 mm = host.processes().create();
    ok({.kind = CallKind::bind_device, .device = 0, .mm = mm});
    spec::FirstChoice first;
    monitor.device_access({.sid = 1, .ssid = 1, .ssv = true, .va = 0x1000}, first);
    blindness().forgets_priqen = false;
    ASSERT_EQ(monitor.findings().empty(), !forgets);
    if (!forgets) continue;
    EXPECT_EQ(monitor.findings()[0].rule, spec::rule::PROMISE_OUTCOME);
    EXPECT_NE(one_line(monitor.findings()[0]).find("CR0.PRIQEN is 0"), std::string::npos)
        << one_line(monitor.findings()[0]);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::faults_ended_test
