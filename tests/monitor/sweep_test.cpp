// SPDX-License-Identifier: MIT
// Stores that were found together, of a driver that writes through pointers: what is broken in the
// careful order too is broken, and what is not depends on an order that nobody knows.
#include <gtest/gtest.h>

#include <vector>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle::sweep_test {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;

constexpr u64 page = 0x1000;
constexpr u64 p1 = u64{1} << 32;
constexpr u32 rw = spec::sva::prot_read | spec::sva::prot_write;

class Sweeps : public testing::Test {
 protected:
  Sweeps() : monitor(one_device()), host(*impl::builtin_driver(), monitor) {
    EXPECT_EQ(host.boot(), "");
    domain = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
    ok({.kind = CallKind::attach, .domain = domain});
  }
  static oracle::Setup one_device() {
    oracle::Setup setup;
    setup.id = default_id_registers();
    setup.window_bytes = u64{16} << 20;
    setup.devices.push_back({.stream_ids = {1}, .ssid_bits = 5});
    return setup;
  }
  u64 ok(const Call& call) {
    const spec::sva::Observed observed = host.call(call);
    EXPECT_EQ(observed.status, spec::sva::Status::ok) << spec::sva::call_text(call);
    return observed.value;
  }
  [[nodiscard]] u64 word(u64 pa) { return monitor.caches().memory().newest(pa).value; }
  u64 ste() {
    const spec::StreamTable& table = monitor.caches().stream_table();
    if (!table.two_level) return spec::linear_ste_address(table, u64{1});
    const spec::L1Std<u64> l1std{word(spec::l1std_address(table, u64{1}))};
    return spec::second_level_ste_address(table, l1std, u64{1});
  }
  /// Of PASID 1.
  u64 cd() {
    spec::Ste<u64> entry{};
    for (u64 i = 0; i < 8; ++i) entry.dw[i] = word(ste() + 8 * i);
    EXPECT_EQ(spec::cd_leaf_bits(entry, monitor.caches().capabilities()), 0U);
    return spec::linear_cd_address(entry, u64{1});
  }
  void sweep(std::vector<SweptStore> stores) {
    monitor.sweep(AgentId::cpu0, stores);
    for (const u64 times : monitor.statistics().order_unknown) unknown += times;
  }

  Monitor monitor;
  DriverHost host;
  u64 domain = 0;
  u64 unknown = 0;
};

// A CD that nothing leads to yet, beside one that is in use, and the STE that leads to it: found
// together, the CD was there first, though it lies behind the STE.
TEST_F(Sweeps, ANewCdIsCompleteBeforeItsSte) {
  const u64 other = ok({.kind = CallKind::domain_alloc, .domain_kind = 1});
  const Call attach{.kind = CallKind::attach, .domain = other};
  const u64 before = word(ste());
  ok(attach);
  const u64 after = word(ste());
  const u64 place = after & 0xfffffffffffc0;
  ASSERT_GT(place, ste());
  ASSERT_EQ(place >> 12, (before & 0xfffffffffffc0) >> 12);  // in the page of the first domain's
  const std::vector<SweptStore> together{{ste(), after},
                                         {place, word(place)},
                                         {place + 8, word(place + 8)},
                                         {place + 24, word(place + 24)}};
  ok({.kind = CallKind::attach, .domain = domain});
  for (const u64 at : {place, place + 8, place + 24}) sweep({{at, 0}});
  ASSERT_TRUE(monitor.findings().empty()) << one_line(monitor.findings().front());
  monitor.call_begins(attach);
  sweep(together);
  EXPECT_TRUE(monitor.findings().empty()) << one_line(monitor.findings().front());
  EXPECT_NE(unknown, 0U);
}

// What is wrong in every order is found: a CD that stays valid, and leads nowhere.
TEST_F(Sweeps, ACdThatStaysValidAndLeadsNowhere) {
  ok({.kind = CallKind::sva_device_init, .features = spec::sva::feature_private, .min_pasid = 1});
  const u64 io_mm = ok({.kind = CallKind::sva_alloc_pasid, .domain = domain});
  ok({.kind = CallKind::sva_map, .iova = page, .pa = p1, .size = page, .prot = rw, .io_mm = io_mm});
  const u64 place = cd();
  Call free{.kind = CallKind::sva_free_pasid, .domain = domain, .io_mm = io_mm};
  monitor.call_begins(free);
  sweep({{place + 8, 0}, {place + 24, 0}});
  EXPECT_FALSE(monitor.findings().empty());
}

}  // namespace
}  // namespace iommucheck::oracle::sweep_test
