// SPDX-License-Identifier: MIT
// Devices behind several IOMMUs: INTERFACE "Attach", "Errors and their order" (a domain that is not
// the device's); each with what must be refused.
#include "tests/spec/sva_fixture.h"

namespace iommucheck::spec::sva::sva_iommus_test {
namespace {

using namespace words;

constexpr Circumstances no_memory{.allocation_failed = true};
constexpr Circumstances stuck{.queue_stuck = true};

Call attach_pasid(u64 domain, u32 device, u32 pasid) {
  return {.kind = CallKind::attach_pasid, .domain = domain, .device = device, .pasid = pasid};
}

class SvaIommus : public SvaWorld {
 protected:
  // 0 and 1 are behind one IOMMU, 2 is behind another.
  static Machine machine() {
    Machine setup{.devices = {device(1), device(2), device(3)}, .ssid_bits = 16};
    setup.devices[2].iommu_number = 1;
    return setup;
  }
  SvaIommus() : SvaWorld(machine()) {}
};

TEST_F(SvaIommus, the_first_device_says_for_which_a_domain_is) {
  paging(d);
  ok(attach(d, 0));
  only(attach(d, 2), Status::einval);
  ok(attach(d, 1));
  ok(detach(d, 0));
  ok(detach(d, 1));
  only(attach(d, 2), Status::einval);
  ok(free_domain(d));
  paging(e);
  ok(attach(e, 2));
  only(attach(e, 0), Status::einval);
}

// The twin: who lets a device of another IOMMU on it is told of.
TEST_F(SvaIommus, who_attaches_across_is_wrong) {
  paging(d);
  ok(attach(d, 0));
  refused(attach(d, 2), Status::ok);
  refused(attach(d, 2), Status::ebusy);
}

TEST_F(SvaIommus, what_has_failed_says_nothing) {
  paging(d);
  fails(attach(d, 0), Status::enomem, no_memory);
  fails(attach(d, 0), Status::etimedout, stuck);
  ok(attach(d, 2));
  only(attach(d, 0), Status::einval);
}

TEST_F(SvaIommus, its_caller_may_say_it) {
  Call call = alloc();
  call.iommu = 1;
  ok(call, d);
  only(attach(d, 0), Status::einval);
  refused(attach(d, 0), Status::ok);
  ok(attach(d, 2));
}

TEST_F(SvaIommus, a_domain_at_a_pasid_is_for_one_as_well) {
  paging(d);
  paging(e);
  paging(0x77);
  ok(attach(d, 0));
  ok(attach(e, 2));
  ok(pasid_alloc(1, 0), 1);
  only(attach_pasid(d, 2, 1), Status::einval);
  refused(attach_pasid(d, 2, 1), Status::ok);
  ok(attach_pasid(0x77, 2, 1));
  only(attach_pasid(0x77, 0, 1), Status::einval);
  only(attach(0x77, 0), Status::einval);
}

TEST_F(SvaIommus, a_process_and_its_number_are_for_all) {
  paging(d);
  paging(e);
  ok(attach(d, 0));
  ok(attach(e, 2));
  process(0x51, page, p1);
  ok(init(0, 0));
  ok(init(2, 0));
  ok(bind(0, 0x51), 1);
  refused(bind(2, 0x51), 2);
  ok(bind(2, 0x51), 1);
}

TEST_F(SvaIommus, a_device_of_another_one_has_no_number_in_a_user) {
  ok(alloc(DomainKind::paging_s2), d);
  ok(attach(d, 0));
  const auto vdevice = [](u32 device) {
    return Call{.kind = CallKind::vdevice, .domain = d, .device = device, .number = 7};
  };
  only(vdevice(2), Status::einval);
  refused(vdevice(2), Status::ok);
  ok(vdevice(1));
}

/// Where nobody says behind which IOMMU devices are, a domain's says nothing of them.
class SvaOneIommu : public SvaWorld {
 protected:
  SvaOneIommu() : SvaWorld({.devices = {device(1)}, .ssid_bits = 16}) {}
};

TEST_F(SvaOneIommu, any_domain_is_for_it) {
  Call call = alloc();
  call.iommu = 1;
  ok(call, d);
  ok(attach(d, 0));
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_iommus_test
