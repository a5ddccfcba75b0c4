// SPDX-License-Identifier: MIT
// One SMMU and its paging domains: the state of the driver, all of it in the platform's arena.
//
// Invariants that the code relies on, and keeps:
//  - an STE is blocked, bypass, or stage 1 through the CD of the domain that the device is on
//    (structures.h: one word, so that every change is hitless);
//  - `Domain::cached` is false only if no STE leads to the domain and its ASID has been invalidated
//    since the last one did. Such a domain owes the hardware nothing: its unmaps send no command;
//  - after a time-out (`owed_`) nothing that a cache may still hold is freed or used anew until
//    recover() has invalidated everything (SEMANTICS 5, quarantine).
#pragma once

#include "base/types.h"
#include "impl/pgtable/page_table.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/command_queue.h"
#include "impl/smmuv3/invalidation.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/stream_table.h"

namespace iommucheck::impl {

struct Domain {
  bool used = false;
  bool zombie = false;  // freed by its caller, held by a time-out
  bool cached = false;  // its translations may be in a TLB
  u32 index = 0;
  u32 generation = 0;
  u32 kind = 0;
  u32 devices = 0;
  u64 asid = 0;
  u64 cd_pa = 0;
  u64 page_sizes = 0;
  PageTable table;
  Gather gather;          // cleared, not yet invalidated
  Gather quarantine;      // cleared, and an invalidation has timed out
  RetiredTables retired;  // wait for either
};

struct Device {
  bool added = false;
  iommucheck_handle domain = 0;  // 0: blocked
};

class Smmu {
 public:
  Smmu(const iommucheck_platform& platform, const iommucheck_config& config)
      : platform_(platform), config_(&config) {}

  // The calls of driver.h; results and errors as stated there.
  int init();
  int reset();
  int shutdown();
  void handle_irq(u32 source);
  int device_add(u32 device);
  int device_remove(u32 device);
  int domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle);
  int domain_free(iommucheck_handle handle);
  int domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info);
  int attach(iommucheck_handle handle, u32 device);
  int detach(iommucheck_handle handle, u32 device);
  int map(iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot);
  iommucheck_result map_sg(iommucheck_handle handle, u64 iova, const iommucheck_sg* sg, u64 count,
                           u32 prot);
  iommucheck_result unmap(iommucheck_handle handle, u64 iova, u64 bytes);
  iommucheck_result unmap_fast(iommucheck_handle handle, u64 iova, u64 bytes);
  int iotlb_sync(iommucheck_handle handle);
  int flush_iotlb_all(iommucheck_handle handle);
  int tlb_range_add(iommucheck_handle handle, u64 iova, u64 bytes);
  u64 iova_to_phys(iommucheck_handle handle, u64 iova);

 private:
  // bring-up (bring_up.cpp)
  int write_cr0(u32 value);
  int block_bypass();
  int allocate_structures();
  void program_event_queue();
  void drain_events();
  void free_everything();

  // configuration (attach.cpp)
  bool device_exists(u32 device) const {
    return device < config_->device_count && devices_[device].added;
  }
  const iommucheck_device& device_config(u32 device) const { return config_->devices[device]; }
  u64 ste_word0(const Domain* domain) const;
  bool set_stes(u32 device, u64 word);
  void add_cfgi(u32 device);
  int leave(Domain& domain);
  int build_paging(Domain& domain, unsigned input_bits);
  void release(Domain& domain);

  // invalidation (invalidate.cpp)
  int settle(SyncResult result);
  int invalidate_everything();
  int recover();
  int ensure_settled() { return owed_ ? recover() : 0; }
  int complete(Domain& domain);
  void settled(Domain& domain);
  void quarantine(Domain& domain);

  // mapping (mapping.cpp)
  Domain* paging(iommucheck_handle handle);
  int check_map(const Domain& domain, u64 iova, u64 pa, u64 bytes, u32 prot) const;
  int map_checked(Domain& domain, u64 iova, u64 pa, u64 bytes, u32 prot);
  int clear_the_way(Domain& domain, u64 iova, u64 pa, u64 bytes);
  void unroll(Domain& domain, u64 iova, u64 bytes);
  u64 clear(Domain& domain, u64 iova, u64 bytes);
  bool quarantined(const Domain& domain, u64 iova, u64 bytes) const;

  Platform platform_;
  const iommucheck_config* config_;
  Features features_;
  CommandQueue commands_;
  StreamTable streams_;
  AsidAllocator asids_;
  CdSlots cds_;
  Pool<Domain> domains_;
  Device* devices_ = nullptr;
  u64 event_ring_ = 0;
  u32 event_lg2_ = 0;
  u32 event_cons_ = 0;
  u32 cr0_ = 0;
  bool owed_ = false;  // an invalidation has timed out, and none of everything has completed since
};

}  // namespace iommucheck::impl
