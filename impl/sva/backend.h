// SPDX-License-Identifier: MIT
// What impl/sva needs of an IOMMU whose PASID tables belong to domains: nothing here names one.
//
// An *entry* is what stands at a PASID of a domain's table. A *tag* is what translations that are
// cached by the IOMMU carry; a process's is the CPU's and shared by all its entries. Translations
// may be cached by devices as well. Changes and drops are queued, and have acted when commit()
// returns 0. What two commits apart guarantee, one does not: an entry first, then translations,
// then those of devices, as each can fill the next.
#pragma once

#include "base/types.h"
#include "impl/pgtable/space.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

struct Entry {
  u64 table_pa = 0;
  u64 attributes = 0;  // what the CPU calls MAIR
  u32 input_bits = 0;
  u64 tag = 0;
  bool shared = false;  // the tag is the CPU's
  bool waits = false;   // faults wait for an answer
  bool quiet = false;   // nothing is translated, and nothing reported
};

class Backend {
 public:
  virtual bool device_present(u32 device) const = 0;
  /// Width of the PASIDs that device and IOMMU can do, 0: none.
  virtual unsigned pasid_bits(u32 device) const = 0;
  /// The paging domain that the device is on; 0: none, or one of another kind.
  virtual iommucheck_handle paging_domain(u32 device) const = 0;
  virtual iommucheck_handle domain_of(u32 device) const = 0;
  /// Whether faults may wait for whoever reaches the domain's PASIDs.
  virtual bool may_wait(iommucheck_handle domain) const = 0;

  /// Pays what earlier time-outs left open. 0 or ETIMEDOUT.
  virtual int ensure_settled() = 0;
  /// Makes place for an entry; it stays, empty. 0, ENOMEM, ETIMEDOUT.
  virtual int reserve(iommucheck_handle domain, u32 pasid) = 0;
  /// Writes an entry where none is, and completes that. ETIMEDOUT: it is cleared again, but may be
  /// cached, as may be translations with its tag.
  virtual int enter(iommucheck_handle domain, u32 pasid, const Entry& entry) = 0;
  /// Changes an entry with one store: tag, waits, quiet.
  virtual void change(iommucheck_handle domain, u32 pasid, const Entry& entry) = 0;
  virtual void clear(iommucheck_handle domain, u32 pasid) = 0;
  virtual void drop_translations(u64 tag) = 0;
  virtual void drop_range(u64 tag, u64 first, u64 end) = 0;
  virtual void drop_device_translations(iommucheck_handle domain, u32 pasid) = 0;
  virtual void drop_device_range(iommucheck_handle domain, u32 pasid, u64 first, u64 end) = 0;
  /// 0, or ETIMEDOUT: then what was queued may or may not act until ensure_settled() returns 0.
  virtual int commit() = 0;

  /// Reads all faults reported so far, and ends those of `pasid` that wait: of one device, or of
  /// every device of a domain.
  virtual void end_device_faults(u32 device, u32 pasid) = 0;
  virtual void end_domain_faults(iommucheck_handle domain, u32 pasid) = 0;

  /// Makes `tag` the caller's: a space of the driver's own that has it gets another one. ENOSPC,
  /// ETIMEDOUT.
  virtual int claim_tag(u64 tag) = 0;
  virtual void release_tag(u64 tag) = 0;

  /// An empty address space with the format of `domain`, and what its entry has to say.
  /// ENOMEM, ENOSPC (no tag).
  virtual int open_space(Space& space, iommucheck_handle domain) = 0;
  virtual Entry entry_of(const Space& space) const = 0;
  /// Gives it back; nothing may reach it any more, in memory or in caches.
  virtual void close_space(Space& space) = 0;

 protected:
  ~Backend() = default;
};

}  // namespace iommucheck::impl
