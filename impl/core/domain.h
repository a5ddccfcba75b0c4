// SPDX-License-Identifier: MIT
// One domain, of any kind.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"

namespace iommucheck::impl {

struct Domain {
  bool used = false;
  bool zombie = false;  // freed by its caller, held by a time-out
  u32 index = 0;
  u32 generation = 0;
  u32 kind = 0;
  u32 iommu = IOMMUCHECK_ANY_IOMMU;  // behind which its devices are; of a nested one: the parent's
  u32 devices = 0;
  u32 attachments = 0;           // at PASIDs of devices
  u32 caching_devices = 0;       // of both: those that cache translations themselves
  u32 dynamic = 0;               // dynamic domains and tasks of which it is the master
  iommucheck_handle master = 0;  // of a dynamic one
  iommucheck_handle events = 0;  // of an outer one: the event queue of its user
  iommucheck_handle faults = 0;  // of a nested one: the queue of faults that wait
  Table* table = nullptr;        // of a paging one whose devices share it
  Space* space = nullptr;    // that of accesses without a PASID; of a dynamic one, of its walkers
  UsesOfHolder uses;         // of the table that its devices share
  Domain* parent = nullptr;  // of a nested one, until it is freed: the outer domain
  Structure structure{};     // of a nested one
  u32 nested = 0;            // of an outer one: domains of which it is the parent
  u32 user_devices = 0;      // and devices on these, by their RIDs and at PASIDs
  List<VirtualDevice, &VirtualDevice::of_parent> virtual_devices;  // and their numbers

  bool is_paging() const { return kind == IOMMUCHECK_DOMAIN_PAGING; }
  bool is_outer() const { return kind == IOMMUCHECK_DOMAIN_PAGING_S2; }
  bool is_nested() const {
    return kind == IOMMUCHECK_DOMAIN_NESTED || kind == IOMMUCHECK_DOMAIN_NESTED_PASID;
  }
  /// Its own, that the IOMMU reaches.
  Space* mapped() const { return is_dynamic() ? nullptr : space; }
  /// The space that its devices reach; null: none that is mapped into.
  Space* reached() const { return parent != nullptr ? parent->space : mapped(); }
  bool is_behind_outer() const { return is_outer() || is_nested(); }
  bool has_devices() const { return devices != 0 || attachments != 0 || user_devices != 0; }
  bool is_dynamic() const { return kind == IOMMUCHECK_DOMAIN_DYNAMIC; }
};

}  // namespace iommucheck::impl
