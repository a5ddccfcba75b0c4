// SPDX-License-Identifier: MIT
// INTERFACE "Nested".
#include "impl/core/user_events.h"

#include <algorithm>

#include "impl/core/attachments.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/virtual_devices.h"

namespace iommucheck::impl {

// ---- queues ----

/// All its places are there from the beginning: none is asked for when an event comes.
int UserEvents::open(iommucheck_handle parent, u32 depth, iommucheck_handle* handle) {
  if (depth == 0 || depth > depth_max) return -IOMMUCHECK_EINVAL;
  EventQueue* queue = queues_.allocate(platform_);
  if (queue == nullptr) return -IOMMUCHECK_ENOMEM;
  queue->parent = parent;
  for (u32 i = 0; i < depth; ++i) {
    UserEvent* place = places_.allocate(platform_);
    if (place == nullptr) {
      release(*queue);
      return -IOMMUCHECK_ENOMEM;
    }
    place->next = queue->free;
    queue->free = place;
  }
  *handle = queues_.handle(*queue) | mark;
  return 0;
}

int UserEvents::event_queue_open(iommucheck_handle handle, u32 depth, iommucheck_handle* queue) {
  Domain* parent = domains_.find_outer(handle);
  if (parent == nullptr) return -IOMMUCHECK_EINVAL;
  if (parent->events != 0) return -IOMMUCHECK_EBUSY;
  if (int error = open(handle, depth, queue)) return error;
  parent->events = *queue;
  return 0;
}

void UserEvents::release(EventQueue& queue) {
  for (UserEvent* list : {queue.first, queue.free}) {
    while (list != nullptr) {
      UserEvent& place = *list;
      list = place.next;
      places_.release(place);
    }
  }
  queues_.release(queue);
}

int UserEvents::close(iommucheck_handle handle) {
  EventQueue* queue = find(handle);
  Domain* parent = queue != nullptr ? domains_.find(queue->parent) : nullptr;
  if (queue != nullptr) release(*queue);
  if (parent == nullptr) return -IOMMUCHECK_EINVAL;
  parent->events = 0;
  return 0;
}

u32 UserEvents::queues() {
  u32 count = 0;
  queues_.for_each_used([&](const EventQueue&) { ++count; });
  return count;
}

void UserEvents::shutdown() {
  queues_.for_each_used([&](EventQueue& queue) { release(queue); });
}

// ---- events ----

/// Where some are missing is told once, in their place.
int UserEvents::read(iommucheck_handle handle, iommucheck_user_event& event) {
  EventQueue* queue = find(handle);
  if (queue == nullptr) return -IOMMUCHECK_EINVAL;
  UserEvent* oldest = queue->first;
  bool& missing = oldest != nullptr ? oldest->after_lost : queue->lost;
  if (missing) {
    missing = false;
    event.lost = 1;
    return 0;
  }
  if (oldest == nullptr) return -IOMMUCHECK_EAGAIN;
  std::ranges::copy(oldest->words, event.record);
  queue->first = oldest->next;
  oldest->next = queue->free;
  queue->free = oldest;
  return 0;
}

/// Where PASIDs are the host's, what stands at that one; null: nobody knows.
Domain* UserEvents::met_by(const Fault& fault, u32 device) {
  if (fault.pasid != no_pasid && domains_.users_by_entries()) {
    const Attachment* at = attachments_.find_attachment(device, fault.pasid);
    return at == nullptr || at->between_users ? nullptr : domains_.find(at->domain);
  }
  return devices_[device].between_users ? nullptr : domains_.find(devices_[device].domain);
}

/// To which user's queue its device's events go, and by which number the user knows it. 0: to none.
iommucheck_handle UserEvents::events_of(const Fault& fault, u32* number) {
  u32 device = 0;
  if (!devices_.device_of(fault, &device)) return 0;
  const Domain* domain = met_by(fault, device);
  if (domain == nullptr || domain->parent == nullptr) return 0;
  const auto its = [&](const VirtualDevice& one) { return one.device == device; };
  const VirtualDevice* named = domain->parent->virtual_devices.find_if(virtual_devices_, its);
  if (named == nullptr) return 0;
  *number = named->number;
  return domain->parent->events;
}

bool UserEvents::tell(const Event& event) {
  u32 number = 0;
  EventQueue* queue = find(events_of(event.from, &number));
  if (queue == nullptr) return false;
  UserEvent* place = queue->free;
  if (place == nullptr) {
    queue->lost = true;
    return true;
  }
  queue->free = place->next;
  Event its = event;
  backend_.set_number(its, number);
  place->words = its.words;
  place->after_lost = queue->lost;
  place->next = nullptr;
  queue->lost = false;
  (queue->first != nullptr ? queue->last->next : queue->first) = place;
  queue->last = place;
  return true;
}

}  // namespace iommucheck::impl
