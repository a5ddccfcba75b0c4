// SPDX-License-Identifier: MIT
// Tables of devices' own: with tables per device, and from a device's first attach_pasid on until
// it is detached; such a one may stand beside a blocked or bypassed route of the RID's. What a
// time-out keeps of them waits here, as a device may reach it still.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/domain.h"

namespace iommucheck::impl {

class Attachments;
class Batch;
class Devices;
class Domains;
class Uses;

class OwnTables {
 public:
  OwnTables(Backend& backend, Devices& devices, Domains& domains, Attachments& attachments,
            Uses& uses, Batch& batch)
      : backend_(backend),
        devices_(devices),
        domains_(domains),
        attachments_(attachments),
        uses_(uses),
        batch_(batch) {}

  bool wants_table(u32 device, const Domain& domain);
  /// For a device on `domain`, with all that its own table holds now. Null: none_made() says why.
  Table* open_own_table(u32 device, const Domain& domain);
  int none_made() const;
  /// Of those that move. 0, ENOMEM, ETIMEDOUT.
  int open_next_tables(u32 device, const Domain& domain);
  /// Into a table that nothing leads to yet. False: no memory; nor if the time was up: then
  /// something is owed.
  bool copy_entry(Table& table, u32 pasid, const Entry& entry);

  /// Nothing leads to it, and that is known.
  void close_next_table(u32 device);
  void close_own_table(u32 device);
  /// Nothing has led to it. What could not be stored may come late.
  void close_unused(Table* table);
  /// A time-out: what led to it may still be cached, until recovery.
  void keep_table(Table*& table);
  void close_waiting_tables();
  void shutdown();

 private:
  bool grow_unused(Table& table);
  bool is_there(Stored stored);

  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  Uses& uses_;
  Batch& batch_;
  Table* waiting_tables_ = nullptr;  // a time-out keeps them: a device may reach them still
};

}  // namespace iommucheck::impl
