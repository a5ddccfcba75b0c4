// SPDX-License-Identifier: MIT
// The right driver under a monitor, and what a test does behind its back: words of memory that it
// changes, calls of the platform that it makes itself.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

inline Setup three_devices() {
  Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = u64{16} << 20;
  for (const u32 sid : {1U, 2U, 8U}) {
    setup.devices.push_back({.stream_ids = {sid}, .ssid_bits = sid == 1 ? 5U : 0U});
  }
  setup.devices[0].stall = true;
  return setup;
}

class MonitoredDriver : public testing::Test {
 protected:
  static constexpr u64 page = 0x1000;
  static constexpr u64 far_away = u64{1} << 30;  // in a last-level table of its own
  static constexpr u64 p1 = u64{1} << 32;
  static constexpr u64 p2 = p1 + 0x10000;
  static constexpr u32 rw = spec::sva::prot_read | spec::sva::prot_write;

  explicit MonitoredDriver(const oracle::Setup& setup = three_devices())
      : driver(seen_by_test()), monitor(setup), host(driver, monitor) {
    EXPECT_EQ(host.boot(), "");
  }

  /// Ours, and where its platform is.
  static iommucheck_driver seen_by_test() {
    iommucheck_driver driver = *impl::builtin_driver();
    driver.init = [](const iommucheck_platform* its, const iommucheck_config* config,
                     void** self) -> int {
      platform = its;
      return impl::builtin_driver()->init(its, config, self);
    };
    return driver;
  }
  static inline const iommucheck_platform* platform = nullptr;

  u64 ok(const spec::sva::Call& call) {
    const spec::sva::Observed observed = host.call(call);
    EXPECT_EQ(observed.status, spec::sva::Status::ok) << spec::sva::call_text(call);
    return observed.value;
  }
  u64 paging() { return ok({.kind = spec::sva::CallKind::domain_alloc, .domain_kind = 1}); }
  void attach(u64 domain, u32 device) {
    ok({.kind = spec::sva::CallKind::attach, .domain = domain, .device = device});
  }
  void map(u64 domain, u64 iova, u64 pa, u32 prot = rw) {
    ok({.kind = spec::sva::CallKind::map,
        .domain = domain,
        .iova = iova,
        .pa = pa,
        .size = page,
        .prot = prot});
  }

  [[nodiscard]] u64 word(u64 pa) { return monitor.caches().memory().newest(pa).value; }
  /// Where the descriptor of the address stands that ends at bit `lowest`, four levels of 4 KiB.
  u64 descriptor(u64 domain, u64 iova, unsigned lowest) {
    u64 table = ok({.kind = spec::sva::CallKind::domain_get_attr,
                    .domain = domain,
                    .attribute = spec::sva::attribute_ttbr0});
    for (unsigned shift = 39; shift > lowest; shift -= 9) {
      table = word(table + 8 * ((iova >> shift) & 511)) & 0xfffffffff000;
    }
    return table + 8 * ((iova >> lowest) & 511);
  }
  u64 leaf(u64 domain, u64 iova) { return descriptor(domain, iova, 12); }
  u64 table(u64 domain, u64 iova) { return descriptor(domain, iova, 21); }
  u64 ste(u32 sid) {
    const spec::StreamTable& table = monitor.caches().stream_table();
    if (!table.two_level) return spec::linear_ste_address(table, u64{sid});
    const spec::L1Std<u64> l1std{word(spec::l1std_address(table, u64{sid}))};
    return spec::second_level_ste_address(table, l1std, u64{sid});
  }
  /// The CD of the RID's own space, or of a PASID.
  u64 cd(u32 sid, u64 ssid = 0) {
    spec::Ste<u64> entry{};
    for (u64 i = 0; i < 8; ++i) entry.dw[i] = word(ste(sid) + 8 * i);
    const unsigned leaf_bits = spec::cd_leaf_bits(entry, monitor.caches().capabilities());
    if (leaf_bits == 0) return spec::linear_cd_address(entry, ssid);
    const spec::L1Cd<u64> l1cd{word(spec::l1cd_address(entry, leaf_bits, ssid))};
    return spec::second_level_cd_address(l1cd, leaf_bits, ssid);
  }

  void plant(u64 pa, u64 value) { monitor.store(AgentId::cpu0, pa, value); }
  /// The window ends: what was planted in it is compared, once.
  void ends() {
    monitor.barrier(AgentId::cpu0);
    ok({.kind = spec::sva::CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 0});
  }
  void holds() {
    ends();
    for (const Finding& finding : monitor.findings()) ADD_FAILURE() << one_line(finding);
  }
  void is_found(const std::string& where, spec::Rule rule = spec::rule::PROMISE_OUTCOME) {
    ends();
    ASSERT_FALSE(monitor.findings().empty());
    EXPECT_EQ(monitor.findings()[0].rule, rule) << one_line(monitor.findings()[0]);
    EXPECT_NE(one_line(monitor.findings()[0]).find(where), std::string::npos)
        << one_line(monitor.findings()[0]);
  }

  /// Whether one of the findings says so; others may come before it.
  bool tells(const std::string& what, spec::Rule rule = spec::rule::PROMISE_OUTCOME) {
    std::string all;
    for (const Finding& finding : monitor.findings()) {
      all += one_line(finding) + "\n";
      if (finding.rule == rule && one_line(finding).find(what) != std::string::npos) return true;
    }
    ADD_FAILURE() << all;
    return false;
  }

  iommucheck_driver driver;
  Monitor monitor;
  DriverHost host;
};

}  // namespace iommucheck::oracle
