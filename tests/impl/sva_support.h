// SPDX-License-Identifier: MIT
// The driver's calls about PASIDs, by short names.
#pragma once

#include <gtest/gtest.h>

#include "impl/driver.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::test {

constexpr u64 page = 0x1000;
constexpr u64 phys = u64{4} << 30;
constexpr u64 va = 0x40'0000;
constexpr u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;
constexpr u32 iopf = IOMMUCHECK_SVA_IOPF;
constexpr u32 private_pasids = IOMMUCHECK_SVA_PRIVATE;
constexpr u32 further = IOMMUCHECK_BIND_FURTHER_PASID;

inline FakeOptions with_pasids(u32 ssid_bits = 10) {
  FakeOptions options;
  options.ssid_bits = ssid_bits;
  options.streams_per_device = 1;
  options.ats = true;
  options.stalling_devices = 2;
  return options;
}

struct Sva : Booted {
  explicit Sva(FakeWorld& w, const iommucheck_driver* d = impl::builtin_driver()) : Booted(d, w) {}

  int attach(iommucheck_handle d, u32 device) { return driver->attach(self(), d, device); }
  int detach(iommucheck_handle d, u32 device) { return driver->detach(self(), d, device); }
  int free(iommucheck_handle d) { return driver->domain_free(self(), d); }
  int init(u32 device, u32 features, u32 min = 1, u32 max = 0, bool handler = true) {
    return driver->sva_device_init(self(), device, features, min, max, handler ? 1 : 0);
  }
  /// The PASID, or a negative error.
  int bind(u32 device, iommucheck_handle mm, u32 flags = 0, u64 drvdata = 0) {
    const iommucheck_mm what = world.mm_of(mm);
    u32 pasid = 0;
    const int error = driver->bind_device(self(), device, &what, flags, drvdata, &pasid);
    return error != 0 ? error : static_cast<int>(pasid);
  }
  int unbind(u32 device, u32 pasid) { return driver->unbind_device(self(), device, pasid); }
  int unbind_all(u32 device) { return driver->unbind_dev_all(self(), device); }
  int release(iommucheck_handle mm) {
    world.processes[mm].dead = true;
    return driver->mm_release(self(), mm);
  }
  int done(u32 device, u32 pasid, int status = 0) {
    return driver->mm_exit_done(self(), device, pasid, status);
  }
  int unmap_page(iommucheck_handle mm, u64 iova) {
    world.mm_unmap(mm, iova);
    return driver->mm_invalidate(self(), mm, iova, page);
  }
  iommucheck_handle alloc_private(iommucheck_handle domain, u32 device) {
    iommucheck_handle io_mm = 0;
    last_error = driver->sva_alloc_pasid(self(), domain, device, &io_mm);
    return last_error == 0 ? io_mm : 0;
  }
  int free_private(iommucheck_handle domain, iommucheck_handle io_mm) {
    return driver->sva_free_pasid(self(), domain, io_mm);
  }
  int map_private(iommucheck_handle io_mm, u64 iova, u64 pa) {
    return driver->sva_map(self(), io_mm, iova, pa, page, rw);
  }
  u32 pasid_of(iommucheck_handle io_mm) {
    u32 pasid = 0;
    EXPECT_EQ(driver->io_mm_get_pasid(self(), io_mm, &pasid), 0);
    return pasid;
  }
  iommucheck_held held() {
    iommucheck_held held = {};
    held.size = sizeof held;
    held.abi = IOMMUCHECK_DRIVER_ABI;
    EXPECT_EQ(driver->held(self(), &held), 0);
    return held;
  }
  /// What the device reaches, with and without its ATC: both say the same.
  std::optional<u64> reach(u32 device, u32 pasid, u64 iova) {
    const u32 sid = world.stream_id(device, 0);
    const auto by_atc = world.ats_access(sid, iova, pasid);
    const auto direct = pasid == 0 ? world.access(sid, iova) : world.access(sid, iova, pasid);
    EXPECT_EQ(by_atc, direct) << "device " << device << " PASID " << pasid;
    return direct ? std::optional<u64>(direct->pa) : std::nullopt;
  }
};

/// Two devices with ATS and stalls on two domains, and processes 1 and 2 with a page at `va` each.
struct TwoDevices {
  explicit TwoDevices(const FakeOptions& options = with_pasids(),
                      const iommucheck_driver* driver = impl::builtin_driver())
      : world(options), d(world, driver) {
    EXPECT_EQ(d.error(), 0);
    a = d.alloc();
    b = d.alloc();
    EXPECT_EQ(d.attach(a, 0), 0);
    EXPECT_EQ(d.attach(b, 1), 0);
    world.add_process(1, 0x101);
    world.add_process(2, 0x102);
    world.mm_map(1, va, phys + page);
    world.mm_map(2, va, phys + 2 * page);
  }
  /// Frees all; nothing may be left.
  void end() {
    EXPECT_EQ(d.detach(a, 0), 0);
    EXPECT_EQ(d.detach(b, 1), 0);
    EXPECT_EQ(d.free(a), 0);
    EXPECT_EQ(d.free(b), 0);
    const iommucheck_held left = d.held();
    EXPECT_EQ(left.domains + left.io_mms + left.pasids + left.bonds, 0u);
    for (const auto& [mm, process] : world.processes) EXPECT_EQ(process.pins, 0u) << "mm " << mm;
    EXPECT_EQ(d.driver->shutdown(d.self()), 0);
    EXPECT_EQ(world.live_tables(), 0u);
    EXPECT_TRUE(world.errors.empty()) << world.errors.front();
  }

  FakeWorld world;
  Sva d;
  iommucheck_handle a = 0;
  iommucheck_handle b = 0;
};

}  // namespace iommucheck::test
