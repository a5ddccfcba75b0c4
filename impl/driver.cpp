// SPDX-License-Identifier: MIT
#include "impl/driver.h"

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

Smmu& smmu(void* self) { return *static_cast<Smmu*>(self); }

int init(const iommucheck_platform* platform, const iommucheck_config* config, void** self) {
  const bool understood = platform->abi <= IOMMUCHECK_DRIVER_ABI &&
                          config->abi <= IOMMUCHECK_DRIVER_ABI &&
                          config->size >= sizeof(iommucheck_config);
  if (!understood) return -IOMMUCHECK_EINVAL;
  void* memory = platform->arena_alloc(platform->ctx, sizeof(Smmu), alignof(Smmu));
  if (memory == nullptr) return -IOMMUCHECK_ENOMEM;
  auto* instance = new (memory) Smmu(*platform, *config);
  *self = instance;
  return instance->init();
}

constexpr iommucheck_driver make_driver() {
  iommucheck_driver d = {};
  d.size = sizeof d;
  d.abi = IOMMUCHECK_DRIVER_ABI;
  d.name = "builtin";
  d.version = "0.1.0";
  d.init = init;
  d.reset = [](void* self) { return smmu(self).reset(); };
  d.shutdown = [](void* self) { return smmu(self).shutdown(); };
  d.device_add = [](void* self, u32 device) { return smmu(self).device_add(device); };
  d.device_remove = [](void* self, u32 device) { return smmu(self).device_remove(device); };
  d.handle_irq = [](void* self, u32 source) { smmu(self).handle_irq(source); };
  d.domain_alloc = [](void* self, const iommucheck_domain_params* params,
                      iommucheck_handle* domain) {
    return smmu(self).domain_alloc(*params, domain);
  };
  d.domain_free = [](void* self, iommucheck_handle domain) {
    return smmu(self).domain_free(domain);
  };
  d.domain_get_info = [](void* self, iommucheck_handle domain, iommucheck_domain_info* info) {
    return smmu(self).domain_get_info(domain, info);
  };
  d.attach = [](void* self, iommucheck_handle domain, u32 device) {
    return smmu(self).attach(domain, device);
  };
  d.detach = [](void* self, iommucheck_handle domain, u32 device) {
    return smmu(self).detach(domain, device);
  };
  d.map = [](void* self, iommucheck_handle domain, u64 iova, u64 pa, u64 bytes, u32 prot) {
    return smmu(self).map(domain, iova, pa, bytes, prot);
  };
  d.map_sg = [](void* self, iommucheck_handle domain, u64 iova, const iommucheck_sg* sg, u64 count,
                u32 prot) { return smmu(self).map_sg(domain, iova, sg, count, prot); };
  d.unmap = [](void* self, iommucheck_handle domain, u64 iova, u64 bytes) {
    return smmu(self).unmap(domain, iova, bytes);
  };
  d.unmap_fast = [](void* self, iommucheck_handle domain, u64 iova, u64 bytes) {
    return smmu(self).unmap_fast(domain, iova, bytes);
  };
  d.iotlb_sync = [](void* self, iommucheck_handle domain) { return smmu(self).iotlb_sync(domain); };
  d.flush_iotlb_all = [](void* self, iommucheck_handle domain) {
    return smmu(self).flush_iotlb_all(domain);
  };
  d.tlb_range_add = [](void* self, iommucheck_handle domain, u64 iova, u64 bytes) {
    return smmu(self).tlb_range_add(domain, iova, bytes);
  };
  d.iova_to_phys = [](void* self, iommucheck_handle domain, u64 iova) {
    return smmu(self).iova_to_phys(domain, iova);
  };
  return d;
}

constexpr iommucheck_driver driver = make_driver();

}  // namespace

const iommucheck_driver* builtin_driver() { return &driver; }

}  // namespace iommucheck::impl
