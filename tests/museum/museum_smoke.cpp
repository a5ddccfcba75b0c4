// SPDX-License-Identifier: MIT
// museum_smoke PLUGIN NAME: a plug-in named "none" has to behave, any other has to be caught.
#include <dlfcn.h>

#include <cstdio>
#include <initializer_list>
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

  for (iommucheck::u32 other = 0; other < 64; ++other) {
    const bool its = other == stream || other == world.stream_id(0, 1);
    if (!its && world.access(other, page)) return "a stream that is on no domain passes";
  }

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

/// Tables that a GPU walks by itself: no command goes out for them, and nobody but their caller
/// knows when they may be given back.
std::string judge_tables(const iommucheck_driver* driver) {
  FakeWorld world;
  Booted d(driver, world);
  if (d.error() != 0) return "does not come up";
  void* self = d.self();
  const iommucheck_handle master = d.alloc(IOMMUCHECK_DOMAIN_PAGING, 39);
  iommucheck_dynamic_params of_master{};
  of_master.size = sizeof of_master;
  of_master.abi = IOMMUCHECK_DRIVER_ABI;
  of_master.master = master;
  iommucheck_domain_params params{};
  params.size = sizeof params;
  params.abi = IOMMUCHECK_DRIVER_ABI;
  params.kind = IOMMUCHECK_DOMAIN_DYNAMIC;
  params.of_kind = &of_master;
  iommucheck_handle domain = 0;
  if (driver->domain_alloc(self, &params, &domain) != 0) return "does not make a dynamic domain";
  iommucheck_domain_info info{};
  info.size = sizeof info;
  info.abi = IOMMUCHECK_DRIVER_ABI;
  driver->domain_get_info(self, domain, &info);
  if (info.input_bits != 39) return "a dynamic domain has not its master's format";
  u64 root = 0;
  u64 other = 0;
  driver->domain_get_attr(self, domain, IOMMUCHECK_ATTRIBUTE_TTBR0, &root);
  driver->domain_get_attr(self, master, IOMMUCHECK_ATTRIBUTE_TTBR0, &other);
  if (root == other) return "a dynamic domain has its master's table";
  if (driver->map(self, domain, 0, phys + page, block, rw) != 0) return "does not map";
  const u64 live = world.live_tables();
  const u64 barriers = world.barriers;
  if (driver->unmap(self, domain, 0, block).bytes != block) return "does not unmap";
  if (world.barriers == barriers) return "an unmap is not ordered";
  if (world.live_tables() != live) return "a table is freed that a GPU may walk";
  if (driver->iotlb_sync(self, domain) != 0) return "does not sync";
  if (world.live_tables() == live) return "a table is not freed that nobody walks";
  if (driver->domain_free(self, master) != -IOMMUCHECK_EBUSY) return "frees a master first";
  if (driver->domain_free(self, domain) != 0) return "does not free a dynamic domain";
  if (driver->domain_free(self, master) != 0) return "does not free a master";
  return world.errors.empty() ? std::string() : world.errors.front();
}

FakeOptions with_pasids() {
  FakeOptions options;
  options.streams_per_device = 1;
  options.ssid_bits = 8;
  options.ats = true;
  options.stalling_devices = 2;
  return options;
}

/// One device with processes and private address spaces, in a world where it is always busy.
class Processes {
 public:
  explicit Processes(const iommucheck_driver* driver)
      : driver_(driver), world_(with_pasids()), d_(driver, world_) {
    for (iommucheck_handle mm = 1; mm <= 2; ++mm) {
      world_.add_process(mm, 0x55);  // not at once: the CPUs use the number again
      world_.mm_map(mm, page, phys + mm * page);
    }
  }

  std::string judge() {
    if (d_.error() != 0) return "does not come up";
    domain_ = d_.alloc(IOMMUCHECK_DOMAIN_PAGING, 39);
    if (driver_->attach(d_.self(), domain_, 0) != 0) return "does not attach";
    constexpr iommucheck::u32 both = IOMMUCHECK_SVA_IOPF | IOMMUCHECK_SVA_PRIVATE;
    if (driver_->sva_device_init(d_.self(), 0, both, 1, 1, 1) != 0) return "does not init";
    busy(true);
    for (auto part : {&Processes::bind, &Processes::tasks, &Processes::spaces, &Processes::exit}) {
      if (std::string fault = (this->*part)(); !fault.empty()) return fault;
    }
    busy(false);
    if (driver_->detach(d_.self(), domain_, 0) != 0) return "does not detach";
    if (driver_->domain_free(d_.self(), domain_) != 0) return "does not free";
    if (driver_->shutdown(d_.self()) != 0) return "does not shut down";
    if (world_.live_tables() != 0) return "leaks table memory";
    return world_.errors.empty() ? std::string() : world_.errors.front();
  }

 private:
  void busy(bool on) {
    world_.on_command = nullptr;
    if (on) world_.on_command = [this](const FakeCommand&) { world_.access(sid(), page, 1); };
  }
  iommucheck::u32 sid() const { return world_.stream_id(0, 0); }
  bool bound(iommucheck_handle mm) {
    const iommucheck_mm what = world_.mm_of(mm);
    iommucheck::u32 pasid = 0;
    return driver_->bind_device(d_.self(), 0, &what, 0, 0, &pasid) == 0;
  }
  /// Both ways; 0: it reaches nothing.
  u64 reached() {
    const auto by_atc = world_.ats_access(sid(), page, 1);
    if (by_atc) return by_atc->pa;
    const auto direct = world_.access(sid(), page, 1);
    return direct ? direct->pa : 0;
  }

  std::string bind() {
    for (const iommucheck_handle mm : std::initializer_list<iommucheck_handle>{1, 2, 1}) {
      if (!bound(mm)) return "does not bind";
      if (reached() != phys + mm * page) return "a process's page is not reached";
      if (driver_->unbind_device(d_.self(), 0, 1) != 0) return "does not unbind";
      if (reached() != 0) return "a process is reached after unbind";
    }
    return {};
  }

  std::string tasks() {
    const iommucheck_mm what = world_.mm_of(1);
    iommucheck_handle token = 0;
    if (driver_->bind_task(d_.self(), 0, &what, IOMMUCHECK_TASK_FULL_SVM, 0, &token) != 0) {
      return "does not bind a task";
    }
    if (reached() != phys + page) return "a task's page is not reached";
    if (driver_->unbind_task(d_.self(), 0, token) != 0) return "does not unbind a task";
    return reached() == 0 ? "" : "a task is reached after unbind";
  }

  std::string spaces() {
    for (int round = 0; round < 2; ++round) {
      iommucheck_handle io_mm = 0;
      if (driver_->sva_alloc_pasid(d_.self(), domain_, 0, &io_mm) != 0) return "no private PASID";
      if (reached() != 0) return "an empty space has a page";
      if (driver_->sva_map(d_.self(), io_mm, page, phys, page, rw) != 0) return "does not map";
      if (reached() != phys) return "a mapped page is not reached";
      const int error = round == 0 ? driver_->sva_free_pasid(d_.self(), domain_, io_mm)
                                   : driver_->unbind_dev_all(d_.self(), 0);
      if (error != 0) return "does not free a private PASID";
      if (reached() != 0) return "a private space is reached after its end";
    }
    return {};
  }

  std::string exit() {
    if (!bound(1)) return "does not bind";
    bool raced = false;
    int waits = 0;
    world_.on_wait = [&] {
      raced |= bound(1);
      return ++waits < 3;
    };
    world_.processes[1].dead = true;
    const int error = driver_->mm_release(d_.self(), 1);
    world_.on_wait = nullptr;
    if (error != 0) return "does not release";
    if (raced) return "binds a dying process";
    if (reached() != 0) return "a dead process is reached";
    if (bound(2)) return "gives a number away whose handler has not returned";
    if (driver_->mm_exit_done(d_.self(), 0, 1, 0) != 0) return "does not know its handler";
    if (!bound(2)) return "does not give the number after the handler returned";
    return driver_->unbind_device(d_.self(), 0, 1) == 0 ? "" : "does not unbind";
  }

  const iommucheck_driver* driver_;
  FakeWorld world_;
  Booted d_;
  iommucheck_handle domain_ = 0;
};

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
  std::string fault = judge(entry());
  if (fault.empty()) fault = judge_tables(entry());
  if (fault.empty()) fault = Processes(entry()).judge();
  std::printf("%s: %s\n", argv[2], fault.empty() ? "nothing is wrong" : fault.c_str());
  return fault.empty() == (std::string(argv[2]) == "none") ? 0 : 1;
}
