// SPDX-License-Identifier: MIT
// Marks that are on their way to memory: one atomic operation of a CPU comes before them or behind
// them, since hardware makes them by one as well, and then lets the write proceed. IHI 0070 3.13.3.
#include <gtest/gtest.h>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "spec/arch/descriptor.h"

namespace iommucheck::oracle::marks_test {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;

constexpr u64 page = 0x1000;
constexpr u64 clean = spec::descriptor_bits::ap2;

/// Of several outcomes the first; marks come late.
class LateMarks final : public spec::Choices {
 protected:
  u32 pick(spec::ChoiceSite site, u32 n) override {
    return site == spec::ChoiceSite::mark ? n - 1 : 0;
  }
};

class LateMark : public testing::Test {
 protected:
  LateMark() : monitor(marking()), host(*impl::builtin_driver(), monitor) {
    EXPECT_EQ(host.boot(), "");
    const u64 domain = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
    ok({.kind = CallKind::attach, .domain = domain});
    ok({.kind = CallKind::map,
        .domain = domain,
        .iova = page,
        .pa = u64{1} << 32,
        .size = page,
        .prot = spec::sva::prot_read | spec::sva::prot_write});
    ok({.kind = CallKind::dirty_set, .domain = domain, .on = true});
    const spec::Access write{.sid = 1, .type = spec::AccessType::write, .va = page};
    monitor.caches().outcomes(write, [&](const spec::Outcome& o) { descriptor = o.origin; });
    LateMarks late;
    monitor.device_access(write, late);
    EXPECT_TRUE(monitor.findings().empty());
  }
  static oracle::Setup marking() {
    oracle::Setup setup;
    spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
    caps.httu = 2;
    setup.id = spec::make_id_registers(caps);
    setup.window_bytes = u64{16} << 20;
    setup.devices.push_back({.stream_ids = {1}});
    return setup;
  }
  u64 ok(const Call& call) {
    const spec::sva::Observed observed = host.call(call);
    EXPECT_EQ(observed.status, spec::sva::Status::ok) << spec::sva::call_text(call);
    return observed.value;
  }
  [[nodiscard]] bool is_clean() {
    return (monitor.caches().memory().newest(descriptor).value & clean) != 0;
  }

  Monitor monitor;
  DriverHost host;
  u64 descriptor = 0;
};

TEST_F(LateMark, IsThereForAnAtomicOperation) {
  ASSERT_NE(descriptor, 0U);
  EXPECT_TRUE(is_clean());
  monitor.atomic_meets(descriptor);
  EXPECT_FALSE(is_clean());
}

TEST_F(LateMark, IsNotThereForAnotherWord) {
  monitor.atomic_meets(descriptor + 8);
  EXPECT_TRUE(is_clean());
}

}  // namespace
}  // namespace iommucheck::oracle::marks_test
