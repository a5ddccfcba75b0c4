// SPDX-License-Identifier: MIT
// Users: by which numbers they call devices, and their commands. All domains over one outer domain
// are one user: its tag is theirs. INTERFACE "Nested".
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/domain.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Attachments;
class Batch;
class Devices;
class Domains;
class VirtualDevices;

class Users {
 public:
  Users(const Platform& platform, Backend& backend, Devices& devices, Domains& domains,
        Attachments& attachments, VirtualDevices& virtual_devices, Batch& batch)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        domains_(domains),
        attachments_(attachments),
        virtual_devices_(virtual_devices),
        batch_(batch) {}

  // The calls of driver.h; results and errors as stated there.
  int vdevice(iommucheck_handle handle, u32 device, u64 number);
  iommucheck_result cache_invalidate(iommucheck_handle handle, const u64* commands, u64 count);

 private:
  bool is_users(const Domain& parent, u32 device, const UserCommand& command);
  bool forward(Domain& parent, const UserCommand& command, const u64* words);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  VirtualDevices& virtual_devices_;
  Batch& batch_;
};

}  // namespace iommucheck::impl
