// SPDX-License-Identifier: MIT
// Whether faults at an entry wait for an answer: all devices of a table share its entries. Who
// joins or leaves the table, is bound there, or opens a queue may change that.
#pragma once

#include "base/types.h"
#include "impl/core/objects.h"

namespace iommucheck::impl {

class Batch;
class Devices;
class Domains;
class Entries;
class Faults;
class IoMms;
class SvaDevices;
class Bonds;
class Uses;

class Waiting {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    SvaDevices& sva_devices;
    IoMms& io_mms;
    Uses& uses;
    Bonds& bonds;
    Batch& batch;
    Entries& entries;
    Faults& faults;
  };
  explicit Waiting(const Parts& parts)
      : devices_(parts.devices),
        domains_(parts.domains),
        sva_devices_(parts.sva_devices),
        io_mms_(parts.io_mms),
        uses_(parts.uses),
        bonds_(parts.bonds),
        batch_(parts.batch),
        entries_(parts.entries),
        faults_(parts.faults) {}

  /// Whether a queue or a handler is open for faults of a device that reaches them.
  bool reads_faults(const Holder& holder);
  bool wants_wait(const Use& use);
  /// A device more, or less, is bound there.
  int update_use(Use& use);
  /// Devices joined or left the table: whether faults may wait there. Queues changes.
  void update_waits(const Holder& holder);

 private:
  Devices& devices_;
  Domains& domains_;
  SvaDevices& sva_devices_;
  IoMms& io_mms_;
  Uses& uses_;
  Bonds& bonds_;
  Batch& batch_;
  Entries& entries_;
  Faults& faults_;
};

}  // namespace iommucheck::impl
