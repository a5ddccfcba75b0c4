// SPDX-License-Identifier: MIT
// Where the route of each device leads, and that it is known.
//
// A device's route is blocked, bypass, or a table whose first entry is the space of the domain that
// it is on: the domain's, which its devices share, or its own. Once shutdown has begun all are to
// be blocked, whatever is stored again.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Batch;
class Devices;
class Domains;

class Routes {
 public:
  Routes(const Platform& platform, Backend& backend, Devices& devices, Domains& domains,
         Batch& batch)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        domains_(domains),
        batch_(batch) {}

  /// Where its domain and its table say.
  Route route_of(u32 device) const;
  /// Leads the device there, completely. 0, ETIMEDOUT.
  int switch_route(u32 device);
  /// An isolated one reaches what it is to reach again, if it answers. 0, ETIMEDOUT.
  int rejoin(u32 device);
  /// Step by step, each known before the next. False: the time was up.
  bool restore_route(u32 device);

  void set_leaving(bool leaving) { leaving_ = leaving; }
  /// Devices' own caches are emptied while that still works, and cannot be filled again.
  int block_caching_devices();

 private:
  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Batch& batch_;
  bool leaving_ = false;  // shutdown has begun: all devices are to be blocked
};

}  // namespace iommucheck::impl
