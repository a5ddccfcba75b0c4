// SPDX-License-Identifier: MIT
// Devices, and which of them move together: a group. What each is on, and by which table.
//
// Invariants that the code relies on, and keeps:
//  - the devices of a group that are there are a ring by `next`;
//  - who is not there is on no domain;
//  - `next_table` is there only inside of a call that moves the device.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

struct Device {
  bool added = false;
  bool gone = false;             // being removed: it answers no more
  bool isolated = false;         // it does not answer, and is blocked
  bool had_user = false;         // what it has cached may be of PASIDs that a user has chosen
  u64 asked = 0;                 // the batch in which it was last told to drop what it has cached
  u8 pasid_bits = 0;             // of what it can send and the IOMMU can do
  bool moving = false;           // of those that an attach or detach is about, it is one
  bool between_users = false;    // by which user's tables it goes the IOMMU may not know yet
  u32 next = 0;                  // of the ring of added devices that move together
  iommucheck_handle domain = 0;  // 0: blocked
  iommucheck_handle from = 0;    // its domain before the attach that it is moving by
  Table* table = nullptr;        // its own
  Table* next_table = nullptr;   // the one that it is moving to
};

class Devices {
 public:
  Devices(const iommucheck_config& config, const Backend& backend)
      : config_(&config), backend_(backend), count_(config.device_count) {}

  /// False: no memory.
  bool create(const Platform& platform);
  void shutdown();

  u32 count() const { return count_; }
  bool has_several_iommus() const { return config_->iommu_count > 1; }
  const iommucheck_device& claims(u32 device) const { return *config_->devices[device]; }
  Device& operator[](u32 device) { return devices_[device]; }
  const Device& operator[](u32 device) const { return devices_[device]; }

  bool present(u32 device) const {
    return device < count() && devices_[device].added && !devices_[device].gone;
  }
  unsigned pasid_bits(u32 device) const {
    return device < count() ? devices_[device].pasid_bits : 0;
  }
  /// A device reaches nothing at a number that it cannot send, and nobody looks there for it.
  bool can_send(u32 device, u32 pasid) const {
    return pasid == no_pasid || (u64{pasid} >> pasid_bits(device)) == 0;
  }
  /// Whether it has to be told what to drop of its own cache: an isolated one uses none of it.
  bool is_told(u32 device) const {
    const Device& its = devices_[device];
    return !its.gone && !its.isolated && backend_.has_cache(device);
  }

  bool alone(u32 device) const;
  void join_group(u32 device);
  void leave_group(u32 device);
  /// The device and whoever moves with it.
  template <class Visit>
  void for_each_member(u32 device, Visit visit) const {
    u32 i = device;
    do {
      visit(i);
      i = devices_[i].next;
    } while (i != device);
  }
  /// Of them, those that do move.
  template <class Visit>
  void for_each_moving(u32 device, Visit visit) const {
    for_each_member(device, [&](u32 i) {
      if (devices_[i].moving) visit(i);
    });
  }
  template <class Visit>
  void for_each_device(iommucheck_handle domain, Visit visit) const {
    for (u32 i = 0; i < count(); ++i) {
      if (devices_[i].domain == domain) visit(i);
    }
  }
  /// Those that reach its table.
  template <class Visit>
  void for_each_device(const Holder& holder, Visit visit) const {
    if (holder.is_own()) return visit(holder.device);
    for_each_device(holder.domain, [&](u32 i) {
      if (devices_[i].table == nullptr) visit(i);
    });
  }
  Holder holder_of(u32 device, iommucheck_handle domain) const {
    return devices_[device].table != nullptr ? Holder{.device = device} : Holder{.domain = domain};
  }
  /// Of one that has just moved.
  Holder holder_before(u32 device) const {
    const Device& its = devices_[device];
    return its.next_table != nullptr ? Holder{.device = device} : Holder{.domain = its.from};
  }

  /// Whether faults may wait for whoever reaches the holder's PASIDs.
  bool may_wait(const Holder& holder) const;
  /// Whose access it was; false: nobody's that is there.
  bool device_of(const Fault& fault, u32* device) const;

  /// What of the above does not hold, between calls; null: all of it does.
  const char* inconsistency() const;

 private:
  const iommucheck_config* config_;
  const Backend& backend_;
  const u32 count_;
  Device* devices_ = nullptr;
};

}  // namespace iommucheck::impl
