// SPDX-License-Identifier: MIT
#include "impl/core/users.h"

#include "impl/core/attachments.h"
#include "impl/core/batch.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/virtual_devices.h"

namespace iommucheck::impl {

int Users::vdevice(iommucheck_handle handle, u32 device, u64 number) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  Domain* parent = domains_.find_outer(handle);
  if (parent == nullptr || (number >> 32) != 0) return -IOMMUCHECK_EINVAL;
  if (domains_.is_of_another_iommu(*parent, device)) return -IOMMUCHECK_EINVAL;
  const auto same = [&](const VirtualDevice& other) {
    return other.device == device || other.number == number;
  };
  if (parent->virtual_devices.find_if(virtual_devices_, same) != nullptr) {
    return -IOMMUCHECK_EEXIST;
  }
  VirtualDevice* made = virtual_devices_.allocate(platform_);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  made->device = device;
  made->number = static_cast<u32>(number);
  virtual_devices_.add(*parent, *made);
  return 0;
}

namespace {

constexpr u64 user_batch_max = 64;
constexpr u64 command_words = 2;

}  // namespace

/// Whether the device is on a domain of the user's; where PASIDs are the host's, whether it is by
/// that one.
bool Users::is_users(const Domain& parent, u32 device, const UserCommand& command) {
  const auto is_on = [&](iommucheck_handle handle) {
    const Domain* on = domains_.find(handle);
    return on != nullptr && on->parent == &parent;
  };
  if (!command.names_pasid || command.pasid == no_pasid) return is_on(devices_[device].domain);
  const Attachment* at = attachments_.find_attachment(device, command.pasid);
  return at != nullptr && is_on(at->domain);
}

/// False: refused. What is sent for it joins the batch.
bool Users::forward(Domain& parent, const UserCommand& command, const u64* words) {
  using About = UserCommand::About;
  if (command.about == About::refused) return false;
  const Tag tag = parent.space->tag;
  if (!command.names_device) {
    backend_.forward(words, tag, 0, {});
    return true;
  }
  const auto named = [&](const VirtualDevice& its) { return its.number == command.number; };
  const VirtualDevice* its = parent.virtual_devices.find_if(virtual_devices_, named);
  if (its == nullptr || !is_users(parent, its->device, command)) return false;
  if (command.about == About::device) {
    if (!devices_.is_told(its->device)) return true;
    batch_.is_asked(its->device);
  }
  const Domain* rid = domains_.find(devices_[its->device].domain);
  backend_.forward(words, tag, its->device, rid != nullptr ? rid->structure : Structure{});
  return true;
}

/// In batches. What can refill what the next command is about has acted before that is sent. What
/// an earlier time-out has left open commit() pays.
iommucheck_result Users::cache_invalidate(iommucheck_handle handle, const u64* commands,
                                          u64 count) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie || !domain->is_nested()) {
    return {0, -IOMMUCHECK_EINVAL, 0};
  }
  auto last = UserCommand::About::device;
  u64 done = 0;
  int refused = 0;
  u64 sent = 0;
  while (sent < count) {
    const u64* words = commands + sent * command_words;
    const UserCommand command = backend_.understand(words);
    if (command.about > last || sent - done == user_batch_max) {
      if (int error = batch_.commit()) return {done, error, 0};
      done = sent;
    }
    last = command.about;
    if (!forward(*domain->parent, command, words)) {
      refused = -IOMMUCHECK_EIO;
      break;
    }
    ++sent;
  }
  if (sent != done) {
    if (int error = batch_.commit()) return {done, error, 0};
  }
  return {sent, refused, 0};
}

}  // namespace iommucheck::impl
