// SPDX-License-Identifier: MIT
// Where numbers of pasid_alloc lead to domains, by device. A dead one is kept as long as a time-out
// may have left something there: then it is on no domain.
#pragma once

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

/// Where a number of pasid_alloc leads on a device.
struct Attachment {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;
  u32 pasid = 0;
  iommucheck_handle domain = 0;
  bool between_users = false;  // by which user's table it goes the IOMMU may not know yet
  bool dead = false;           // its entry is cleared, and an invalidation has timed out
};

class Attachments {
 public:
  Attachment* allocate(const Platform& platform) { return attachments_.allocate(platform); }
  void release(Attachment& attachment) { attachments_.release(attachment); }
  iommucheck_handle handle(const Attachment& attachment) const {
    return attachments_.handle(attachment);
  }
  Attachment* find(iommucheck_handle handle) { return attachments_.find(handle); }
  template <class Visit>
  void for_each_used(Visit visit) {
    attachments_.for_each_used(visit);
  }

  Attachment* find_attachment(u32 device, u32 pasid);
  bool has_attachments(u32 device);
  void attachments_recovered();
  void shutdown();

 private:
  Pool<Attachment> attachments_;
};

}  // namespace iommucheck::impl
