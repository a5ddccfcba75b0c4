// SPDX-License-Identifier: MIT
// Calls of the interface as operations of driver.h: arguments in, what was observed out.
#include <vector>

#include "host/driver_host.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;

Observed status(int result) { return {.status = spec::sva::status_from_driver(result)}; }

Observed with_value(int result, u64 value) {
  Observed observed = status(result);
  if (observed.status == spec::sva::Status::ok) observed.value = value;
  return observed;
}

Observed bytes(iommucheck_result result) {
  return {.status = spec::sva::status_from_driver(result.error), .value = result.bytes};
}

std::vector<iommucheck_sg> pieces(const Call& call) {
  std::vector<iommucheck_sg> list;
  for (const spec::sva::Segment& segment : call.segments)
    list.push_back({segment.pa, segment.size});
  return list;
}

const Observed not_built{.status = spec::sva::Status::not_built};

}  // namespace

bool DriverHost::has(CallKind kind) const {
  const iommucheck_driver& d = driver_;
  switch (kind) {
    case CallKind::domain_alloc: return d.domain_alloc != nullptr;
    case CallKind::domain_free: return d.domain_free != nullptr;
    case CallKind::attach: return d.attach != nullptr;
    case CallKind::detach: return d.detach != nullptr;
    case CallKind::map: return d.map != nullptr;
    case CallKind::map_sg: return d.map_sg != nullptr;
    case CallKind::unmap: return d.unmap != nullptr;
    case CallKind::unmap_fast: return d.unmap_fast != nullptr;
    case CallKind::iotlb_sync: return d.iotlb_sync != nullptr;
    case CallKind::flush_iotlb_all: return d.flush_iotlb_all != nullptr;
    case CallKind::tlb_range_add: return d.tlb_range_add != nullptr;
    case CallKind::iova_to_phys: return d.iova_to_phys != nullptr;
    case CallKind::domain_get_attr: return d.domain_get_attr != nullptr;
    case CallKind::pasid_alloc: return d.pasid_alloc != nullptr;
    case CallKind::pasid_free: return d.pasid_free != nullptr;
    case CallKind::sva_device_init: return d.sva_device_init != nullptr;
    case CallKind::sva_device_shutdown: return d.sva_device_shutdown != nullptr;
    case CallKind::bind_device: return d.bind_device != nullptr;
    case CallKind::unbind_device: return d.unbind_device != nullptr;
    case CallKind::unbind_dev_all: return d.unbind_dev_all != nullptr;
    case CallKind::sva_drvdata: return d.sva_drvdata != nullptr;
    case CallKind::io_mm_of: return d.io_mm_of != nullptr;
    case CallKind::sva_alloc_pasid:
      return d.sva_alloc_pasid != nullptr && d.io_mm_get_pasid != nullptr;
    case CallKind::sva_free_pasid: return d.sva_free_pasid != nullptr;
    case CallKind::io_mm_get_pasid: return d.io_mm_get_pasid != nullptr;
    case CallKind::io_mm_get_attr: return d.io_mm_get_attr != nullptr;
    case CallKind::sva_attach: return d.sva_attach != nullptr;
    case CallKind::sva_detach: return d.sva_detach != nullptr;
    case CallKind::sva_map: return d.sva_map != nullptr;
    case CallKind::sva_map_sg: return d.sva_map_sg != nullptr;
    case CallKind::sva_unmap: return d.sva_unmap != nullptr;
    case CallKind::sva_unmap_fast: return d.sva_unmap_fast != nullptr;
    case CallKind::sva_iotlb_sync: return d.sva_iotlb_sync != nullptr;
    case CallKind::sva_flush_tlb_all: return d.sva_flush_tlb_all != nullptr;
    case CallKind::sva_tlb_range_add: return d.sva_tlb_range_add != nullptr;
    case CallKind::sva_iova_to_phys: return d.sva_iova_to_phys != nullptr;
    case CallKind::recover: return d.recover != nullptr;
    default: return false;
  }
}

Observed DriverHost::dispatch(const Call& call) {
  if (!has(call.kind)) return not_built;
  switch (call.kind) {
    case CallKind::domain_alloc:
    case CallKind::domain_free:
    case CallKind::attach:
    case CallKind::detach:
    case CallKind::domain_get_attr: return dispatch_domain(call);
    case CallKind::map:
    case CallKind::map_sg:
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all:
    case CallKind::tlb_range_add:
    case CallKind::iova_to_phys: return dispatch_mapping(call);
    case CallKind::sva_map:
    case CallKind::sva_map_sg:
    case CallKind::sva_unmap:
    case CallKind::sva_unmap_fast:
    case CallKind::sva_iotlb_sync:
    case CallKind::sva_flush_tlb_all:
    case CallKind::sva_tlb_range_add:
    case CallKind::sva_iova_to_phys: return dispatch_private_mapping(call);
    default: return dispatch_sva(call);
  }
}

Observed DriverHost::dispatch_domain(const Call& call) {
  const iommucheck_driver& d = driver_;
  switch (call.kind) {
    case CallKind::domain_free: return status(d.domain_free(state_, call.domain));
    case CallKind::attach: return status(d.attach(state_, call.domain, call.device));
    case CallKind::detach: return status(d.detach(state_, call.domain, call.device));
    case CallKind::domain_get_attr: {
      u64 value = 0;
      const int error = d.domain_get_attr(state_, call.domain, call.attribute, &value);
      return with_value(error, value);
    }
    default: break;
  }
  iommucheck_domain_params params{};
  params.size = sizeof(params);
  params.abi = IOMMUCHECK_DRIVER_ABI;
  params.kind = call.domain_kind;
  params.input_bits = call.input_bits;
  iommucheck_handle handle = 0;
  Observed observed = status(d.domain_alloc(state_, &params, &handle));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.value = handle;
  iommucheck_domain_info info{};
  info.size = sizeof(info);
  info.abi = IOMMUCHECK_DRIVER_ABI;
  if (d.domain_get_info != nullptr && d.domain_get_info(state_, handle, &info) == 0) {
    observed.facts = {info.input_bits, info.output_bits, info.page_sizes};
  }
  return observed;
}

Observed DriverHost::dispatch_mapping(const Call& call) {
  const iommucheck_driver& d = driver_;
  switch (call.kind) {
    case CallKind::map:
      return status(d.map(state_, call.domain, call.iova, call.pa, call.size, call.prot));
    case CallKind::map_sg: {
      const std::vector<iommucheck_sg> list = pieces(call);
      return bytes(d.map_sg(state_, call.domain, call.iova, list.data(), list.size(), call.prot));
    }
    case CallKind::unmap: return bytes(d.unmap(state_, call.domain, call.iova, call.size));
    case CallKind::unmap_fast:
      return bytes(d.unmap_fast(state_, call.domain, call.iova, call.size));
    case CallKind::iotlb_sync: return status(d.iotlb_sync(state_, call.domain));
    case CallKind::flush_iotlb_all: return status(d.flush_iotlb_all(state_, call.domain));
    case CallKind::tlb_range_add:
      return status(d.tlb_range_add(state_, call.domain, call.iova, call.size));
    default: return {.value = d.iova_to_phys(state_, call.domain, call.iova)};
  }
}

Observed DriverHost::dispatch_private_mapping(const Call& call) {
  const iommucheck_driver& d = driver_;
  switch (call.kind) {
    case CallKind::sva_map:
      return status(d.sva_map(state_, call.io_mm, call.iova, call.pa, call.size, call.prot));
    case CallKind::sva_map_sg: {
      const std::vector<iommucheck_sg> list = pieces(call);
      return bytes(
          d.sva_map_sg(state_, call.io_mm, call.iova, list.data(), list.size(), call.prot));
    }
    case CallKind::sva_unmap: return bytes(d.sva_unmap(state_, call.io_mm, call.iova, call.size));
    case CallKind::sva_unmap_fast:
      return bytes(d.sva_unmap_fast(state_, call.io_mm, call.iova, call.size));
    case CallKind::sva_iotlb_sync: return status(d.sva_iotlb_sync(state_, call.io_mm));
    case CallKind::sva_flush_tlb_all: return status(d.sva_flush_tlb_all(state_, call.io_mm));
    case CallKind::sva_tlb_range_add:
      return status(d.sva_tlb_range_add(state_, call.io_mm, call.iova, call.size));
    default: return {.value = d.sva_iova_to_phys(state_, call.io_mm, call.iova)};
  }
}

Observed DriverHost::dispatch_sva(const Call& call) {
  const iommucheck_driver& d = driver_;
  u32 pasid = 0;
  u64 value = 0;
  int error = 0;
  switch (call.kind) {
    case CallKind::pasid_alloc:
      error = d.pasid_alloc(state_, call.min_pasid, call.max_pasid, &pasid);
      return with_value(error, pasid);
    case CallKind::pasid_free: return status(d.pasid_free(state_, call.pasid));
    case CallKind::sva_device_init:
      return status(d.sva_device_init(state_, call.device, call.features, call.min_pasid,
                                      call.max_pasid, call.has_mm_exit ? 1 : 0));
    case CallKind::sva_device_shutdown: return status(d.sva_device_shutdown(state_, call.device));
    case CallKind::bind_device: {
      iommucheck_mm mm{};
      mm.size = sizeof(mm);
      mm.abi = IOMMUCHECK_DRIVER_ABI;
      mm.mm = call.mm;
      mm.table_pa = processes_.root(call.mm);
      mm.mair = Processes::mair;
      mm.input_bits = Processes::input_bits;
      error = d.bind_device(state_, call.device, &mm, call.flags, call.drvdata, &pasid);
      return with_value(error, pasid);
    }
    case CallKind::unbind_device: return status(d.unbind_device(state_, call.device, call.pasid));
    case CallKind::unbind_dev_all: return status(d.unbind_dev_all(state_, call.device));
    case CallKind::sva_drvdata:
      error = d.sva_drvdata(state_, call.device, call.pasid, &value);
      return with_value(error, value);
    case CallKind::io_mm_of:
      error = d.io_mm_of(state_, call.device, call.pasid, &value);
      return with_value(error, value);
    case CallKind::sva_alloc_pasid: {
      Observed observed = status(d.sva_alloc_pasid(state_, call.domain, call.device, &value));
      if (observed.status != spec::sva::Status::ok) return observed;
      observed.value = value;
      if (d.io_mm_get_pasid(state_, value, &pasid) == 0) observed.pasid = pasid;
      return observed;
    }
    case CallKind::sva_free_pasid: return status(d.sva_free_pasid(state_, call.domain, call.io_mm));
    case CallKind::io_mm_get_pasid:
      error = d.io_mm_get_pasid(state_, call.io_mm, &pasid);
      return with_value(error, pasid);
    case CallKind::io_mm_get_attr:
      error = d.io_mm_get_attr(state_, call.io_mm, call.attribute, &value);
      return with_value(error, value);
    case CallKind::sva_attach: return status(d.sva_attach(state_, call.io_mm, call.device));
    case CallKind::sva_detach: return status(d.sva_detach(state_, call.io_mm, call.device));
    case CallKind::recover: return status(d.recover(state_));
    default: return not_built;
  }
}

}  // namespace iommucheck::oracle
