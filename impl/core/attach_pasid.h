// SPDX-License-Identifier: MIT
// attach_pasid, detach_pasid: a PASID of a device leads to a domain. INTERFACE "Attach".
//
// The device has a table of its own for it. Where an entry comes to a place that is empty it is
// entered there; what replaces another one, and the first attachment of a device that shared its
// domain's table, comes with a whole new table, complete before one store leads to it: so that
// nothing else that the device reaches is disturbed, and a time-out can be taken back.
#pragma once

#include "base/types.h"
#include "impl/core/attachments.h"
#include "impl/core/backend.h"
#include "impl/core/domain.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Batch;
class Binding;
class Debts;
class Devices;
class Domains;
class Entries;
class Faults;
class OwnTables;
class Pasids;
class Routes;
class Unbinding;

class AttachPasid {
 public:
  static constexpr u32 every_pasid = no_pasid;

  struct Parts {
    Devices& devices;
    Domains& domains;
    Attachments& attachments;
    Pasids& pasids;
    Batch& batch;
    Routes& routes;
    Debts& debts;
    Entries& entries;
    OwnTables& tables;
    Faults& faults;
    Binding& binding;
    Unbinding& unbinding;
  };
  AttachPasid(const Platform& platform, Backend& backend, const Parts& parts)
      : platform_(platform),
        backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        attachments_(parts.attachments),
        pasids_(parts.pasids),
        batch_(parts.batch),
        routes_(parts.routes),
        debts_(parts.debts),
        entries_(parts.entries),
        tables_(parts.tables),
        faults_(parts.faults),
        binding_(parts.binding),
        unbinding_(parts.unbinding) {}

  // The calls of driver.h; results and errors as stated there.
  int attach_pasid(iommucheck_handle handle, u32 device, u32 pasid);
  int detach_pasid(iommucheck_handle handle, u32 device, u32 pasid);
  int pasid_free(u32 pasid);

  /// Of one PASID, or of every one: entry, then what the device has cached, each complete before
  /// the next, then what it still asks for there. ETIMEDOUT: they are dead until recovery.
  int end_attachments(u32 device, u32 pasid);

 private:
  int check_attach_pasid(const Domain* domain, u32 device, u32 pasid);
  bool is_users(iommucheck_handle domain);
  int attach_by_new_table(Attachment& attachment, iommucheck_handle to);
  int attach_by_entry(Attachment& attachment, Domain& domain);
  int uncount_attachment(iommucheck_handle domain, u32 device, u32 pasid);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  Pasids& pasids_;
  Batch& batch_;
  Routes& routes_;
  Debts& debts_;
  Entries& entries_;
  OwnTables& tables_;
  Faults& faults_;
  Binding& binding_;
  Unbinding& unbinding_;
};

}  // namespace iommucheck::impl
