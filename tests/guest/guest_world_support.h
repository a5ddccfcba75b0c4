// SPDX-License-Identifier: MIT
// A guest whose driver a test calls: the host below, and both monitors.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "check/guest_machine.h"
#include "guest/guest.h"
#include "host/driver_host.h"
#include "impl/driver.h"
#include "monitor/monitor.h"
#include "report/finding_text.h"
#include "spec/rules.h"

namespace iommucheck::test {

inline std::string text_of_first(const std::vector<oracle::Finding>& findings) {
  if (findings.empty()) return "";
  return std::string(spec::rule_name(findings[0].rule)) + ": " + oracle::one_line(findings[0]);
}

class GuestWorld {
 public:
  using Call = spec::sva::Call;
  using CallKind = spec::sva::CallKind;

  /// `make_smmu`: empty, or in the place of the right one.
  explicit GuestWorld(unsigned httu = 0, const oracle::Guest::MakeSmmu& make_smmu = {})
      : options_(guest_options(httu, make_smmu)),
        guest_(oracle::guest_of(options_)),
        monitor_(monitor_setup()),
        host_(*impl::builtin_driver(), monitor_) {
    EXPECT_EQ(guest_->host().boot(), "");
    EXPECT_EQ(host_.boot(), "");
    expect_nothing();
  }

  spec::sva::Observed call(const Call& call) {
    const spec::sva::Observed observed = host_.call(call);
    expect_nothing();
    return observed;
  }
  u64 domain(u32 kind = IOMMUCHECK_DOMAIN_PAGING) {
    Call alloc{.kind = CallKind::domain_alloc};
    alloc.domain_kind = kind;
    return call(alloc).value;
  }
  spec::sva::Status map(u64 domain, u64 iova, u64 pa, u64 size, u32 prot) {
    Call map{.kind = CallKind::map, .domain = domain};
    map.iova = iova;
    map.pa = pa;
    map.size = size;
    map.prot = prot;
    return call(map).status;
  }
  void unmap(u64 domain, u64 iova, u64 size) {
    Call unmap{.kind = CallKind::unmap, .domain = domain};
    unmap.iova = iova;
    unmap.size = size;
    EXPECT_EQ(call(unmap).value, size);
  }
  void attach(u64 domain, u32 device) {
    const Call attach{.kind = CallKind::attach, .domain = domain, .device = device};
    EXPECT_EQ(call(attach).status, spec::sva::Status::ok);
  }

  [[nodiscard]] spec::Access access(u32 device, u64 va, bool write = false) const {
    return {.sid = monitor_.setup().devices[device].stream_ids.front(),
            .type = write ? spec::AccessType::write : spec::AccessType::read,
            .va = va,
            .route = spec::Route::untranslated};
  }
  static spec::Access at(u32 pasid, spec::Access access) {
    access.ssid = pasid;
    access.ssv = true;
    return access;
  }

  /// All that may become of it, by the guest's addresses: "0xc0000000", "-" (terminated), with "|"
  /// between.
  std::string may(const spec::Access& access) {
    monitor_.check_other_smmu(access);
    expect_nothing();
    guest_->smmu().follow(access);
    std::string text;
    for (const oracle::OtherSmmu::Seen& seen : guest_->smmu().may_meet(access)) {
      text += (text.empty() ? "" : "|") + (seen.pa ? fmt::format("{:#x}", *seen.pa) : "-");
    }
    return text;
  }
  /// It happens. Whether there was a record, of which the guest's driver is told.
  bool happens(const spec::Access& access) {
    spec::FirstChoice first;
    const bool recorded = monitor_.device_access(access, first);
    expect_nothing();
    return recorded;
  }

  void expect_nothing() {
    EXPECT_EQ(text_of_first(guest_->host().monitor().findings()), "");
    EXPECT_EQ(text_of_first(monitor_.findings()), "");
  }

  oracle::Guest& guest() { return *guest_; }
  oracle::Monitor& monitor() { return monitor_; }
  oracle::DriverHost& host() { return host_; }

 private:
  static oracle::LockstepOptions guest_options(unsigned httu,
                                               const oracle::Guest::MakeSmmu& make_smmu) {
    oracle::LockstepOptions options;
    options.make_smmu = make_smmu;
    options.machine.guest = true;
    options.machine.caps.httu = httu;
    return oracle::fit_guest(std::move(options));
  }
  oracle::Setup monitor_setup() {
    oracle::Setup setup;
    setup.id = options_.place->id;
    setup.devices = options_.machine.devices;
    setup.window_pa = options_.place->window_pa;
    setup.window_bytes = options_.place->window_bytes;
    setup.process_bytes = options_.place->process_bytes;
    setup.other_smmu = &guest_->smmu();
    return setup;
  }

  oracle::LockstepOptions options_;
  std::unique_ptr<oracle::Guest> guest_;
  oracle::Monitor monitor_;
  oracle::DriverHost host_;
};

}  // namespace iommucheck::test
