// SPDX-License-Identifier: MIT
// Who translates through what: groups of devices move between domains. INTERFACE "Attach". They
// move as a whole or, as far as anybody knows, not at all: after a time-out they are what they
// were, and what they may still reach is in quarantine.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/domain.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class AttachPasid;
class Attachments;
class Batch;
class Bonds;
class Debts;
class Devices;
class Domains;
class Faults;
class OwnTables;
class Routes;
class Unbinding;
class Waiting;

class Moves {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    Attachments& attachments;
    Batch& batch;
    Routes& routes;
    Debts& debts;
    OwnTables& tables;
    Bonds& bonds;
    Faults& faults;
    Waiting& waiting;
    Unbinding& unbinding;
    AttachPasid& attach_pasid;
  };
  Moves(const Platform& platform, Backend& backend, const Parts& parts)
      : platform_(platform),
        backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        attachments_(parts.attachments),
        batch_(parts.batch),
        routes_(parts.routes),
        debts_(parts.debts),
        tables_(parts.tables),
        bonds_(parts.bonds),
        faults_(parts.faults),
        waiting_(parts.waiting),
        unbinding_(parts.unbinding),
        attach_pasid_(parts.attach_pasid) {}

  // The calls of driver.h; results and errors as stated there.
  int attach(iommucheck_handle handle, u32 device);
  int detach(iommucheck_handle handle, u32 device);

  /// All of the group that are there: from `domain` to blocked. ETIMEDOUT: they are off for the
  /// caller, and what they may still reach is in quarantine.
  int take_off(Domain& domain, u32 device);

 private:
  int leave(Domain& domain, u32 device, const Holder& holder);
  int move_devices(u32 device, Domain& domain);
  bool is_cached(const Domain& domain) const;
  bool would_silence(u32 device, const Domain& domain);
  bool would_lose_pasids(u32 device, const Domain& domain);
  bool can_pass(u32 device, const Domain& domain) const;
  int move_dynamic(const Domain& domain, u32 device) const;
  void users_part(u32 device, const Domain* to);
  void users_have_parted(u32 device);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  Batch& batch_;
  Routes& routes_;
  Debts& debts_;
  OwnTables& tables_;
  Bonds& bonds_;
  Faults& faults_;
  Waiting& waiting_;
  Unbinding& unbinding_;
  AttachPasid& attach_pasid_;
};

}  // namespace iommucheck::impl
