// SPDX-License-Identifier: MIT
// INTERFACE "Errors and their order": ENOMEM is said of a call that has met a failed allocation,
// and ENOSPC when no ASID is left. So there are as many paging domains as that.
#include <gtest/gtest.h>

#include <vector>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "report/finding_text.h"

namespace iommucheck::oracle::many_domains_test {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

TEST(ManyDomains, TheBuiltinDriverHasOneForEachAsid) {
  oracle::Setup setup;
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  setup.id = spec::make_id_registers(caps);
  setup.window_bytes = u64{32} << 20;
  setup.devices.push_back({.stream_ids = {1}});
  Monitor monitor(setup);
  DriverHost host(*impl::builtin_driver(), monitor);
  ASSERT_EQ(host.boot(), "");
  constexpr u32 wanted = 2100;  // the 1,025th had no slot for its context descriptor
  std::vector<u64> domains;
  for (u32 i = 0; i < wanted; ++i) {
    const auto observed = host.call({.kind = CallKind::domain_alloc, .domain_kind = 1});
    ASSERT_EQ(observed.status, Status::ok) << "domain " << i + 1;
    domains.push_back(observed.value);
  }
  // The last ones are domains like any other.
  for (const u64 domain : {domains[1023], domains[1024], domains.back()}) {
    ASSERT_EQ(host.call({.kind = CallKind::attach, .domain = domain}).status, Status::ok);
    ASSERT_EQ(host.call({.kind = CallKind::map,
                         .domain = domain,
                         .iova = 0x1000,
                         .pa = 0x5000,
                         .size = 0x1000,
                         .prot = spec::sva::prot_read})
                  .status,
              Status::ok);
  }
  ASSERT_EQ(host.call({.kind = CallKind::detach, .domain = domains.back()}).status, Status::ok);
  for (const u64 domain : domains) {
    ASSERT_EQ(host.call({.kind = CallKind::domain_free, .domain = domain}).status, Status::ok);
  }
  ASSERT_TRUE(monitor.findings().empty()) << one_line(monitor.findings().front());
  monitor.driver_stops();
  EXPECT_EQ(host.shut_down().blocks, 0U);
}

}  // namespace
}  // namespace iommucheck::oracle::many_domains_test
