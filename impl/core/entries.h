// SPDX-License-Identifier: MIT
// What stands at the PASIDs of a table, and who has cached it; which tag it has.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Attachments;
class Batch;
class Debts;
class Devices;
class Domains;
class IoMms;
class Routes;
class Uses;

class Entries {
 public:
  Entries(const Platform& platform, Backend& backend, Devices& devices, Domains& domains,
          Attachments& attachments, IoMms& io_mms, Uses& uses, Batch& batch, Routes& routes,
          Debts& debts)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        domains_(domains),
        attachments_(attachments),
        io_mms_(io_mms),
        uses_(uses),
        batch_(batch),
        routes_(routes),
        debts_(debts) {}

  /// Makes place for an entry; it stays, empty. 0, ENOMEM, ETIMEDOUT.
  int reserve(const Holder& holder, u32 pasid);
  /// Writes an entry where none is, and completes that. ETIMEDOUT: it is cleared again, but may be
  /// cached, as may be translations with its tag.
  int enter(const Holder& holder, u32 pasid, const Entry& entry);
  /// Changes an entry: tag, waits, quiet.
  void change(const Holder& holder, u32 pasid, const Entry& entry);
  void clear(const Holder& holder, u32 pasid);
  /// What it is to be, after a store has timed out. Null: there is none. A table that is gone
  /// nothing leads to.
  void restore_entry(const Holder& holder, u32 pasid, const Entry* entry);

  /// A tag for a process, of what it has in the CPUs' caches: a space of the driver's own that has
  /// it gets another one. ENOSPC, ETIMEDOUT.
  int claim_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag);

 private:
  int ensure_table(const Holder& holder);
  void forget_entry(const Holder& holder, u32 pasid, bool whole);
  template <class Visit>
  void for_each_entry(const Space& space, Visit visit);
  int relocate(Space& space);
  Space* space_with_tag(Tag tag);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  IoMms& io_mms_;
  Uses& uses_;
  Batch& batch_;
  Routes& routes_;
  Debts& debts_;
};

}  // namespace iommucheck::impl
