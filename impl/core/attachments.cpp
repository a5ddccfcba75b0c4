// SPDX-License-Identifier: MIT
#include "impl/core/attachments.h"

namespace iommucheck::impl {

Attachment* Attachments::find_attachment(u32 device, u32 pasid) {
  return attachments_.find_if(
      [&](const Attachment& at) { return at.device == device && at.pasid == pasid && !at.dead; });
}

bool Attachments::has_attachments(u32 device) {
  return attachments_.find_if(
             [&](const Attachment& at) { return at.device == device && !at.dead; }) != nullptr;
}

/// Nothing is owed: nobody reaches what dead ones led to.
void Attachments::attachments_recovered() {
  attachments_.for_each_used([&](Attachment& at) {
    if (at.dead && at.domain == 0) attachments_.release(at);
  });
}

void Attachments::shutdown() {
  attachments_.for_each_used([&](Attachment& at) { attachments_.release(at); });
}

}  // namespace iommucheck::impl
