// SPDX-License-Identifier: MIT
#include "impl/driver.h"

#include <algorithm>
#include <cstring>

#include "base/version.h"
#include "impl/core/core.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

/// The core, and the IOMMU that it drives.
struct Driver {
  Driver(const iommucheck_platform& platform, const iommucheck_config& config, TableForm form)
      : smmu(platform, config), core(platform, config, smmu, form) {}
  Smmu smmu;
  Core core;
};

Core& core(void* self) { return *static_cast<Core*>(self); }

template <TableForm form>
int init(const iommucheck_platform* platform, const iommucheck_config* config, void** self) {
  const bool understood = platform->abi == IOMMUCHECK_DRIVER_ABI &&
                          platform->size >= IOMMUCHECK_PLATFORM_SIZE_VER0 &&
                          config->abi == IOMMUCHECK_DRIVER_ABI &&
                          config->size >= IOMMUCHECK_CONFIG_SIZE_VER0 && config->iommu_count != 0;
  if (!understood) return -IOMMUCHECK_EINVAL;
  void* memory = platform->arena_alloc(platform->ctx, sizeof(Driver), alignof(Driver));
  if (memory == nullptr) return -IOMMUCHECK_ENOMEM;
  auto* instance = new (memory) Driver(*platform, *config, form);
  *self = &instance->core;
  return instance->core.init();
}

/// Copies `full` into the caller's struct of out->size bytes: what it has not is left out, and what
/// only it has is 0 (driver.h).
template <class Struct>
int fill(Struct* out, Struct full, u32 first_version) {
  if (out->abi != IOMMUCHECK_DRIVER_ABI || out->size < first_version) return -IOMMUCHECK_EINVAL;
  full.size = out->size;
  full.abi = out->abi;
  std::memcpy(out, &full, std::min<std::size_t>(full.size, sizeof full));
  if (full.size > sizeof full) {
    std::memset(reinterpret_cast<char*>(out) + sizeof full, 0, full.size - sizeof full);
  }
  return 0;
}

// A domain's calls are the calls on an io_mm, for another space: one rule, one implementation.
using Find = Space* (Core::*)(iommucheck_handle, int*);

template <Find find>
int map_in(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  int error = 0;
  Space* space = (core(self).*find)(handle, &error);
  return space == nullptr ? error : core(self).mapping().map(*space, iova, pa, bytes, prot);
}

template <Find find>
iommucheck_result map_sg_in(void* self, iommucheck_handle handle, u64 iova, const iommucheck_sg* sg,
                            u64 count, u32 prot) {
  int error = 0;
  Space* space = (core(self).*find)(handle, &error);
  if (space == nullptr) return {0, error, 0};
  return core(self).mapping().map_sg(*space, iova, sg, count, prot);
}

template <Find find, iommucheck_result (Mapping::*call)(Space&, u64, u64)>
iommucheck_result unmap_in(void* self, iommucheck_handle handle, u64 iova, u64 bytes) {
  int error = 0;
  Space* space = (core(self).*find)(handle, &error);
  if (space == nullptr) return {0, 0, 0};
  return (core(self).mapping().*call)(*space, iova, bytes);
}

template <Find find, int (Mapping::*call)(Space&)>
int call_in(void* self, iommucheck_handle handle) {
  int error = 0;
  Space* space = (core(self).*find)(handle, &error);
  return space == nullptr ? error : (core(self).mapping().*call)(*space);
}

template <Find find>
int range_add_in(void* self, iommucheck_handle handle, u64 iova, u64 bytes) {
  int error = 0;
  Space* space = (core(self).*find)(handle, &error);
  return space == nullptr ? error : Mapping::range_add(*space, iova, bytes);
}

constexpr void add_tasks(iommucheck_driver& d) {
  d.bind_task = [](void* self, u32 device, const iommucheck_mm* mm, u32 flags, u64 drvdata,
                   iommucheck_handle* token) {
    if (mm->size < IOMMUCHECK_MM_SIZE_VER0) return -IOMMUCHECK_EINVAL;
    return core(self).tasks().bind_task(device, *mm, flags, drvdata, token);
  };
  d.unbind_task = [](void* self, u32 device, iommucheck_handle token) {
    return core(self).tasks().unbind_task(device, token);
  };
  d.task_map = map_in<&Core::task_space>;
  d.task_unmap = unmap_in<&Core::task_space, &Mapping::unmap>;
  d.task_get_attr = [](void* self, iommucheck_handle token, u32 attr, u64* value) {
    return core(self).tasks().task_get_attr(token, attr, value);
  };
}

constexpr void add_faults(iommucheck_driver& d) {
  d.fault_queue_open = [](void* self, u32 device, iommucheck_handle domain, u32 depth,
                          iommucheck_handle* queue) {
    return core(self).fault_queue_open(device, domain, depth, queue);
  };
  d.fault_queue_read = [](void* self, iommucheck_handle queue, iommucheck_fault* fault) {
    // A struct that cannot be filled takes no record with it.
    const iommucheck_fault empty = {};
    if (int error = fill(fault, empty, IOMMUCHECK_FAULT_SIZE_VER0)) return error;
    iommucheck_fault full = {};
    if (int error = core(self).faults().read(queue, full)) return error;
    return fill(fault, full, IOMMUCHECK_FAULT_SIZE_VER0);
  };
  d.fault_queue_respond = [](void* self, iommucheck_handle queue, u32 device, u32 pasid, u32 group,
                             u32 response) {
    return core(self).faults().respond(queue, device, pasid, group, response);
  };
  d.fault_queue_close = [](void* self, iommucheck_handle queue) {
    return core(self).fault_queue_close(queue);
  };
  d.event_queue_open = [](void* self, iommucheck_handle parent, u32 depth,
                          iommucheck_handle* queue) {
    return core(self).events().event_queue_open(parent, depth, queue);
  };
  d.event_read = [](void* self, iommucheck_handle queue, iommucheck_user_event* event) {
    const iommucheck_user_event empty = {};
    if (int error = fill(event, empty, IOMMUCHECK_USER_EVENT_SIZE_VER0)) return error;
    iommucheck_user_event full = {};
    if (int error = core(self).events().read(queue, full)) return error;
    return fill(event, full, IOMMUCHECK_USER_EVENT_SIZE_VER0);
  };
  d.fault_handler_set = [](void* self, u32 device, u32 pasid, int present, u64 drvdata) {
    return core(self).fault_handler_set(device, pasid, present != 0, drvdata);
  };
}

constexpr void add_processes(iommucheck_driver& d) {
  d.pasid_alloc = [](void* self, u32 min, u32 max, u32* pasid) {
    return core(self).pasids().pasid_alloc(min, max, pasid);
  };
  d.pasid_free = [](void* self, u32 pasid) { return core(self).attach_pasid().pasid_free(pasid); };
  d.sva_device_init = [](void* self, u32 device, u32 features, u32 min, u32 max, int has_mm_exit) {
    return core(self).device_init(device, features, min, max, has_mm_exit != 0);
  };
  d.sva_device_shutdown = [](void* self, u32 device) {
    return core(self).unbinding().device_shutdown(device);
  };
  d.bind_device = [](void* self, u32 device, const iommucheck_mm* mm, u32 flags, u64 drvdata,
                     u32* pasid) {
    if (mm->size < IOMMUCHECK_MM_SIZE_VER0) return -IOMMUCHECK_EINVAL;
    return core(self).binding().bind_device(device, *mm, flags, drvdata, pasid);
  };
  d.unbind_device = [](void* self, u32 device, u32 pasid) {
    return core(self).unbinding().unbind_device(device, pasid);
  };
  d.unbind_dev_all = [](void* self, u32 device) {
    return core(self).unbinding().unbind_dev_all(device);
  };
  d.sva_drvdata = [](void* self, u32 device, u32 pasid, u64* drvdata) {
    return core(self).bonds().drvdata(device, pasid, drvdata);
  };
  d.io_mm_of = [](void* self, u32 device, u32 pasid, iommucheck_handle* io_mm) {
    return core(self).bonds().io_mm_of(device, pasid, io_mm);
  };
  d.mm_invalidate = [](void* self, iommucheck_handle mm, u64 start, u64 bytes) {
    return core(self).exit().mm_invalidate(mm, start, bytes);
  };
  d.mm_release = [](void* self, iommucheck_handle mm) { return core(self).exit().mm_release(mm); };
  d.mm_exit_done = [](void* self, u32 device, u32 pasid, int status) {
    return core(self).exit().mm_exit_done(device, pasid, status);
  };
}

constexpr void add_private(iommucheck_driver& d) {
  d.sva_alloc_pasid = [](void* self, iommucheck_handle domain, u32 device,
                         iommucheck_handle* io_mm) {
    return core(self).private_spaces().alloc_private(domain, device, io_mm);
  };
  d.io_mm_get_pasid = [](void* self, iommucheck_handle io_mm, u32* pasid) {
    return core(self).io_mms().get_pasid(io_mm, pasid);
  };
  d.sva_free_pasid = [](void* self, iommucheck_handle domain, iommucheck_handle io_mm) {
    return core(self).unbinding().free_private(domain, io_mm);
  };
  d.sva_attach = [](void* self, iommucheck_handle io_mm, u32 device) {
    return core(self).private_spaces().attach_private(io_mm, device);
  };
  d.sva_detach = [](void* self, iommucheck_handle io_mm, u32 device) {
    return core(self).private_spaces().detach_private(io_mm, device);
  };
  d.sva_map = map_in<&Core::private_space>;
  d.sva_map_sg = map_sg_in<&Core::private_space>;
  d.sva_unmap = unmap_in<&Core::private_space, &Mapping::unmap>;
  d.sva_unmap_fast = unmap_in<&Core::private_space, &Mapping::unmap_fast>;
  d.sva_iotlb_sync = call_in<&Core::private_space, &Mapping::sync>;
  d.sva_flush_tlb_all = call_in<&Core::private_space, &Mapping::flush_all>;
  d.sva_tlb_range_add = range_add_in<&Core::private_space>;
  d.sva_iova_to_phys = [](void* self, iommucheck_handle io_mm, u64 iova) -> u64 {
    int error = 0;
    const Space* space = core(self).private_space(io_mm, &error);
    return space == nullptr ? 0 : core(self).domains().translate(*space, iova);
  };
  d.io_mm_get_attr = [](void* self, iommucheck_handle io_mm, u32 attr, u64* value) {
    return core(self).io_mms().get_attr(io_mm, attr, value);
  };
}

template <TableForm form>
constexpr iommucheck_driver make_driver() {
  iommucheck_driver d = {};
  d.size = sizeof d;
  d.abi = IOMMUCHECK_DRIVER_ABI;
  d.name = form == TableForm::per_device ? "builtin-per-device" : "builtin";
  d.flags = IOMMUCHECK_DRIVER_HOOKS | IOMMUCHECK_DRIVER_PAGE_SIZES |
            IOMMUCHECK_DRIVER_PAGE_REQUESTS | IOMMUCHECK_DRIVER_SEVERAL_IOMMUS |
            IOMMUCHECK_DRIVER_TAKES_OVER;
  if (form == TableForm::per_device) d.flags |= IOMMUCHECK_DRIVER_PER_DEVICE_TABLES;
  d.version = release_version;
  d.init = init<form>;
  d.reset = [](void* self) { return core(self).reset(); };
  d.shutdown = [](void* self) { return core(self).shutdown(); };
  d.device_add = [](void* self, u32 device) { return core(self).device_add(device); };
  d.device_remove = [](void* self, u32 device) { return core(self).device_remove(device); };
  d.handle_irq = [](void* self, u64 source) { core(self).handle_irq(source); };
  d.domain_alloc = [](void* self, const iommucheck_domain_params* params,
                      iommucheck_handle* domain) {
    return core(self).domains().domain_alloc(*params, domain);
  };
  d.domain_free = [](void* self, iommucheck_handle domain) {
    return core(self).domains().domain_free(domain);
  };
  d.domain_get_info = [](void* self, iommucheck_handle domain, iommucheck_domain_info* info) {
    iommucheck_domain_info full = {};
    full.size = sizeof full;
    const int error = core(self).domains().domain_get_info(domain, &full);
    return error != 0 ? error : fill(info, full, IOMMUCHECK_DOMAIN_INFO_SIZE_VER0);
  };
  d.attach = [](void* self, iommucheck_handle domain, u32 device) {
    return core(self).moves().attach(domain, device);
  };
  d.detach = [](void* self, iommucheck_handle domain, u32 device) {
    return core(self).moves().detach(domain, device);
  };
  d.attach_pasid = [](void* self, iommucheck_handle domain, u32 device, u32 pasid) {
    return core(self).attach_pasid().attach_pasid(domain, device, pasid);
  };
  d.detach_pasid = [](void* self, iommucheck_handle domain, u32 device, u32 pasid) {
    return core(self).attach_pasid().detach_pasid(domain, device, pasid);
  };
  d.map = map_in<&Core::domain_space>;
  d.map_sg = map_sg_in<&Core::domain_space>;
  d.unmap = unmap_in<&Core::domain_space, &Mapping::unmap>;
  d.unmap_fast = unmap_in<&Core::domain_space, &Mapping::unmap_fast>;
  d.iotlb_sync = call_in<&Core::domain_space, &Mapping::sync>;
  d.flush_iotlb_all = call_in<&Core::domain_space, &Mapping::flush_all>;
  d.tlb_range_add = range_add_in<&Core::domain_space>;
  d.iova_to_phys = [](void* self, iommucheck_handle domain, u64 iova) {
    return core(self).domains().iova_to_phys(domain, iova);
  };
  d.domain_get_attr = [](void* self, iommucheck_handle domain, u32 attr, u64* value) {
    return core(self).domains().domain_get_attr(domain, attr, value);
  };
  d.dirty_set = [](void* self, iommucheck_handle domain, int on) {
    return core(self).dirty().dirty_set(domain, on != 0);
  };
  d.dirty_read = [](void* self, iommucheck_handle domain, u64 iova, u64 bytes, u64 grain, int clear,
                    u64* bitmap) {
    return core(self).dirty().dirty_read(domain, iova, bytes, grain, clear != 0, bitmap);
  };
  d.vdevice = [](void* self, iommucheck_handle parent, u32 device, u64 number) {
    return core(self).users().vdevice(parent, device, number);
  };
  d.cache_invalidate = [](void* self, iommucheck_handle domain, const u64* commands, u64 count) {
    return core(self).users().cache_invalidate(domain, commands, count);
  };
  add_processes(d);
  add_tasks(d);
  add_private(d);
  if (form == TableForm::per_domain) d.sva_attach = d.sva_detach = nullptr;
  add_faults(d);
  d.recover = [](void* self) { return core(self).recover(); };
  d.held = [](void* self, iommucheck_held* held) {
    iommucheck_held full = {};
    core(self).held(full);
    return fill(held, full, IOMMUCHECK_HELD_SIZE_VER0);
  };
  return d;
}

constexpr iommucheck_driver driver = make_driver<TableForm::per_domain>();
constexpr iommucheck_driver per_device = make_driver<TableForm::per_device>();

constexpr iommucheck_driver make_operations(TableForm form) {
  iommucheck_driver d = form == TableForm::per_device ? per_device : driver;
  d.name = "core";
  d.init = nullptr;
  return d;
}
constexpr iommucheck_driver operations[] = {make_operations(TableForm::per_domain),
                                            make_operations(TableForm::per_device)};

}  // namespace

const char* inconsistency(void* self) { return core(self).inconsistency(); }

const iommucheck_driver* core_operations(bool per_device_tables) {
  return &operations[per_device_tables ? 1 : 0];
}

int make_core(const iommucheck_platform& platform, const iommucheck_config& config,
              Backend& backend, bool per_device_tables, void** self) {
  void* memory = platform.arena_alloc(platform.ctx, sizeof(Core), alignof(Core));
  if (memory == nullptr) return -IOMMUCHECK_ENOMEM;
  const TableForm form = per_device_tables ? TableForm::per_device : TableForm::per_domain;
  auto* made = new (memory) Core(platform, config, backend, form);
  *self = made;
  return made->init();
}

const iommucheck_driver* builtin_driver() { return &driver; }
const iommucheck_driver* builtin_driver_per_device() { return &per_device; }

const iommucheck_driver* builtin_driver(std::string_view name) {
  for (const iommucheck_driver* one : {&driver, &per_device}) {
    if (name == one->name) return one;
  }
  return nullptr;
}

}  // namespace iommucheck::impl
