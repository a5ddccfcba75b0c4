// SPDX-License-Identifier: MIT
// The way through a time-out: every route and entry says again what it is to, everything is
// invalidated, and what quarantine held is free. SEMANTICS 5.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/batch.h"

namespace iommucheck::impl {

class Debts;
class Domains;
class Entries;
class Faults;
class OwnTables;
class Routes;
class Unbinding;
class Uses;

class Recovery final : public Recover {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    Attachments& attachments;
    IoMms& io_mms;
    Uses& uses;
    Batch& batch;
    Routes& routes;
    Debts& debts;
    Entries& entries;
    OwnTables& tables;
    Faults& faults;
    Unbinding& unbinding;
  };
  Recovery(Backend& backend, const Parts& parts)
      : backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        attachments_(parts.attachments),
        io_mms_(parts.io_mms),
        uses_(parts.uses),
        batch_(parts.batch),
        routes_(parts.routes),
        debts_(parts.debts),
        entries_(parts.entries),
        tables_(parts.tables),
        faults_(parts.faults),
        unbinding_(parts.unbinding) {}

  int recover() override;

 private:
  bool restore();

  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  IoMms& io_mms_;
  Uses& uses_;
  Batch& batch_;
  Routes& routes_;
  Debts& debts_;
  Entries& entries_;
  OwnTables& tables_;
  Faults& faults_;
  Unbinding& unbinding_;
};

}  // namespace iommucheck::impl
