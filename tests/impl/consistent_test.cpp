// SPDX-License-Identifier: MIT
// What the core counts of devices, attachments and users is what there is, after any call.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "impl/driver.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::test::consistent_test {
namespace {

constexpr u64 phys = u64{4} << 30;
constexpr u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;
constexpr u32 devices = 4;

struct Driver : Booted {
  explicit Driver(FakeWorld& w) : Booted(impl::builtin_driver(), w) {}
  iommucheck_handle nested(iommucheck_handle parent) {
    constexpr u64 valid_and_bypass = 1 | 4 << 1;
    const iommucheck_nested_params of_user = {.size = sizeof of_user,
                                              .abi = IOMMUCHECK_DRIVER_ABI,
                                              .parent = parent,
                                              .format = IOMMUCHECK_FORMAT_SMMUV3,
                                              .reserved = 0,
                                              .table = valid_and_bypass,
                                              .config = 0};
    const iommucheck_domain_params params = {.size = sizeof params,
                                             .abi = IOMMUCHECK_DRIVER_ABI,
                                             .kind = IOMMUCHECK_DOMAIN_NESTED,
                                             .input_bits = 0,
                                             .iommu = 0,
                                             .reserved = 0,
                                             .of_kind = &of_user};
    iommucheck_handle domain = 0;
    return driver->domain_alloc(self(), &params, &domain) == 0 ? domain : 0;
  }
};

FakeOptions machine() {
  FakeOptions options;
  options.devices = devices;
  options.ssid_bits = 4;
  options.ats = true;
  options.stage2 = true;
  options.grouped_devices = 2;
  return options;
}

RC_GTEST_PROP(CoreCounts, AreWhatThereIs, ()) {
  FakeWorld world(machine());
  Driver d(world);
  RC_ASSERT(d.error() == 0);
  void* self = d.self();
  std::vector<iommucheck_handle> domains = {d.alloc(), d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2),
                                            d.alloc(IOMMUCHECK_DOMAIN_IDENTITY)};
  domains.push_back(d.nested(domains[1]));
  u32 number = 0;
  d.driver->pasid_alloc(self, 1, 8, &number);
  u32 done = 0;
  for (int n = 0; n < 80; ++n) {
    const u32 device = *rc::gen::inRange<u32>(0, devices);
    const iommucheck_handle domain = *rc::gen::elementOf(domains);
    int error = 0;
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1: error = d.driver->attach(self, domain, device); break;
      case 2: error = d.driver->detach(self, domain, device); break;
      case 3: error = d.driver->attach_pasid(self, domain, device, number); break;
      case 4: error = d.driver->detach_pasid(self, domain, device, number); break;
      case 5:
        error = d.driver->device_remove(self, device);
        if (*rc::gen::inRange(0, 2) == 0) d.driver->device_add(self, device);
        break;
      case 6: error = d.driver->device_add(self, device); break;
      default: error = d.driver->map(self, domain, u64{0x1000} * device, phys, 0x1000, rw); break;
    }
    done += error == 0 ? 1 : 0;
    const char* wrong = impl::inconsistency(self);
    if (wrong != nullptr) RC_FAIL(wrong);
  }
  RC_CLASSIFY(done > 20);
  for (const iommucheck_handle domain : domains) d.driver->domain_free(self, domain);
  RC_ASSERT(impl::inconsistency(self) == nullptr);
}

}  // namespace
}  // namespace iommucheck::test::consistent_test
