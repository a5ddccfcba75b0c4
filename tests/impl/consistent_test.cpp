// SPDX-License-Identifier: MIT
// What the parts of the core count and list is what there is, after any call.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "impl/driver.h"
#include "tests/impl/fake_world_support.h"
#include "tests/impl/sva_support.h"

namespace iommucheck::test::consistent_test {
namespace {

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

/// One that has PASIDs: processes come and go, and so do private address spaces and their devices.
RC_GTEST_PROP(CoreLists, AreWhatThereIs, (bool own_tables)) {
  TwoDevices t(with_pasids(4),
               own_tables ? impl::builtin_driver_per_device() : impl::builtin_driver());
  Sva& d = t.d;
  const iommucheck_handle domain_of[] = {t.a, t.b};
  std::vector<iommucheck_handle> private_ones;
  u32 done = 0;
  for (u32 device = 0; device < 2; ++device) d.init(device, iopf | private_pasids, 1, 0, false);
  for (int n = 0; n < 80; ++n) {
    const u32 device = *rc::gen::inRange<u32>(0, 2);
    const u32 pasid = *rc::gen::inRange<u32>(1, 8);
    const iommucheck_handle mm = *rc::gen::inRange<u32>(1, 3);
    int error = 0;
    switch (*rc::gen::inRange(0, 9)) {
      case 0:
      case 1:
        error = d.bind(device, mm, *rc::gen::inRange(0, 2) == 0 ? further : 0) < 0 ? -1 : 0;
        break;
      case 2:
        error = d.driver->fault_handler_set(d.self(), device, pasid, *rc::gen::inRange(0, 2), 1);
        break;
      case 3:
      case 4: error = d.unbind(device, pasid); break;
      case 5:
        error = d.release(mm);
        t.world.processes[mm].dead = false;  // the number is another one's
        break;
      case 6: private_ones.push_back(d.alloc_private(domain_of[device], device)); break;
      case 7:
        if (private_ones.empty()) break;
        error = d.free_private(domain_of[device], private_ones.back());
        private_ones.pop_back();
        break;
      default:
        if (*rc::gen::inRange(0, 4) != 0) break;
        error = d.detach(domain_of[device], device);
        d.attach(domain_of[device], device);
        break;
    }
    done += error == 0 ? 1 : 0;
    const char* wrong = impl::inconsistency(d.self());
    if (wrong != nullptr) RC_FAIL(wrong);
  }
  RC_CLASSIFY(done > 20);
}

}  // namespace
}  // namespace iommucheck::test::consistent_test
