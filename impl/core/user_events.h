// SPDX-License-Identifier: MIT
// Queues of users' events: what devices on their domains have met and nobody answers.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Attachments;
class Devices;
struct Domain;
class Domains;
class VirtualDevices;

/// A place of a queue, or what stands there.
struct UserEvent {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool after_lost = false;  // some that found the queue full are missing before it
  std::array<u64, 4> words{};
  UserEvent* next = nullptr;
};

struct EventQueue {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  iommucheck_handle parent = 0;
  UserEvent* first = nullptr;
  UserEvent* last = nullptr;
  UserEvent* free = nullptr;
  bool lost = false;  // some are missing behind the last one
};

class UserEvents {
 public:
  static constexpr u32 depth_max = 1u << 19;

  UserEvents(const Platform& platform, const Backend& backend, Devices& devices, Domains& domains,
             Attachments& attachments, VirtualDevices& virtual_devices)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        domains_(domains),
        attachments_(attachments),
        virtual_devices_(virtual_devices) {}

  /// Whether a queue's handle is that of one of these.
  static bool is_one(iommucheck_handle queue) { return (queue & mark) != 0; }

  // As stated in driver.h.
  int event_queue_open(iommucheck_handle parent, u32 depth, iommucheck_handle* queue);
  int read(iommucheck_handle queue, iommucheck_user_event& event);
  int close(iommucheck_handle queue);
  u32 queues();
  void shutdown();

  /// The domain that the device has met with it; null: nobody knows, or none.
  Domain* met_by(const Fault& fault, u32 device);
  /// False: it is no user's.
  bool tell(const Event& event);

 private:
  // Of the low half of a handle, which has the slot: other queues have numbers of their own.
  static constexpr iommucheck_handle mark = u64{1} << 31;

  EventQueue* find(iommucheck_handle queue) {
    return is_one(queue) ? queues_.find(queue & ~mark) : nullptr;
  }
  int open(iommucheck_handle parent, u32 depth, iommucheck_handle* queue);
  void release(EventQueue& queue);
  iommucheck_handle events_of(const Fault& fault, u32* number);

  const Platform& platform_;
  const Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  VirtualDevices& virtual_devices_;
  Pool<EventQueue> queues_;
  Pool<UserEvent> places_;
};

}  // namespace iommucheck::impl
