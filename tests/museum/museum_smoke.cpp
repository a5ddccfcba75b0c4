// SPDX-License-Identifier: MIT
// museum_smoke PLUGIN NAME: a plug-in named "none" has to behave, any other has to be caught.
#include <dlfcn.h>

#include <cstdio>
#include <string>

#include "tests/impl/fake_world_support.h"

namespace {

using namespace iommucheck::test;
using iommucheck::u64;

constexpr u64 page = 0x1000;
constexpr u64 block = u64{2} << 20;
constexpr u64 phys = u64{4} << 30;
constexpr iommucheck::u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;

/// What is wrong with the driver; empty if nothing is seen.
std::string judge(const iommucheck_driver* driver) {
  FakeWorld world;
  Booted d(driver, world);
  if (d.error() != 0) return "does not come up";
  void* self = d.self();
  const auto stream = world.stream_id(0, 0);
  const iommucheck_handle domain = d.alloc(IOMMUCHECK_DOMAIN_PAGING, 39);
  if (domain == 0 || driver->attach(self, domain, 0) != 0) return "does not attach";

  if (driver->map(self, domain, page, phys, page, rw) != 0) return "does not map";
  if (!world.access(stream, page)) return "a mapped page is not reached";
  const iommucheck_result gone = driver->unmap(self, domain, page, page);
  if (gone.bytes != page || gone.error != 0) return "does not unmap";
  if (world.access(stream, page)) return "an unmapped page is reached";

  if (driver->map(self, domain, 3 * page, phys, page, rw) != 0) return "does not map again";
  if (driver->map(self, domain, page, phys, 4 * page, rw) != -IOMMUCHECK_EEXIST) {
    return "maps over a mapping";
  }
  if (world.access(stream, page)) return "a failed map is reached";
  driver->unmap(self, domain, 3 * page, page);

  const u64 live = world.live_tables();
  bool early = false;
  world.on_command = [&](const FakeCommand& command) {
    if (command.op() != 0x46) early |= world.live_tables() < live;
  };
  if (driver->map(self, domain, 0, phys, block, rw) != 0) return "does not map a block";
  if (early) return "a table page is freed before its invalidation";
  world.on_command = nullptr;

  if (driver->detach(self, domain, 0) != 0) return "does not detach";
  if (driver->domain_free(self, domain) != 0) return "does not free";
  if (driver->shutdown(self) != 0) return "does not shut down";
  if (world.live_tables() != 0) return "leaks table memory";
  return world.errors.empty() ? std::string() : world.errors.front();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: museum_smoke PLUGIN NAME\n");
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 3;
  }
  const auto entry =
      reinterpret_cast<iommucheck_driver_entry_fn>(dlsym(library, IOMMUCHECK_DRIVER_ENTRY_NAME));
  if (entry == nullptr) {
    std::fprintf(stderr, "%s: no %s\n", argv[1], IOMMUCHECK_DRIVER_ENTRY_NAME);
    return 3;
  }
  const std::string fault = judge(entry());
  std::printf("%s: %s\n", argv[2], fault.empty() ? "nothing is wrong" : fault.c_str());
  return fault.empty() == (std::string(argv[2]) == "none") ? 0 : 1;
}
