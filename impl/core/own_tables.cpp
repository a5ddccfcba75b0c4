// SPDX-License-Identifier: MIT
#include "impl/core/own_tables.h"

#include "impl/core/attachments.h"
#include "impl/core/batch.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

bool OwnTables::wants_table(u32 device, const Domain& domain) {
  return attachments_.has_attachments(device) || (domains_.own_tables() && domain.is_paging());
}

int OwnTables::none_made() const {
  return batch_.owed() ? -IOMMUCHECK_ETIMEDOUT : -IOMMUCHECK_ENOMEM;
}

/// False: no memory.
bool OwnTables::grow_unused(Table& table) {
  const Backend::Growth growth = backend_.grow(table);
  if (growth == Backend::Growth::moved) backend_.grown(table);
  return growth != Backend::Growth::no_memory;
}

/// In a table that nothing leads to; that the time was up is owed, and nothing else.
bool OwnTables::is_there(Stored stored) {
  batch_.owe_if(stored == Stored::timed_out);
  return stored != Stored::timed_out;
}

bool OwnTables::copy_entry(Table& table, u32 pasid, const Entry& entry) {
  if (!grow_unused(table)) return false;
  if (backend_.make_place(table, pasid) == Backend::Place::no_memory) return false;
  for (auto prepared = Prepared::again; prepared != Prepared::ready;) {
    prepared = backend_.prepare_entry(table, pasid, entry);
    batch_.owe_if(prepared == Prepared::timed_out);
    if (batch_.owed()) return false;
  }
  return is_there(backend_.store_entry(table, pasid, entry));
}

Table* OwnTables::open_own_table(u32 device, const Domain& domain) {
  Table* table = backend_.open_table();
  if (table == nullptr) return nullptr;
  const Entry first = Domains::entry_of(domain);
  bool all = is_there(
      backend_.set_first_entry(*table, domains_.has_first_entry(domain) ? &first : nullptr));
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.device != device || at.dead || !all) return;
    const Domain& its = *domains_.find(at.domain);
    if (domains_.has_entry(its)) all = copy_entry(*table, at.pasid, Domains::entry_of(its));
  });
  uses_.for_each_entry(Holder{.device = device}, [&](u32 pasid, const Entry& entry) {
    if (all) all = copy_entry(*table, pasid, entry);
  });
  // Also where all of them are blocked: with one entry alone nothing would tell the RID from a
  // PASID.
  if (all && attachments_.has_attachments(device)) all = grow_unused(*table);
  if (all) return table;
  close_unused(table);
  return nullptr;
}

/// With tables of their own those that move get another one, complete before its route leads there:
/// so that the route changes by one store, whatever they had. 0, ENOMEM, ETIMEDOUT.
int OwnTables::open_next_tables(u32 device, const Domain& domain) {
  bool all = true;
  devices_.for_each_moving(device, [&](u32 i) {
    if (!all || !wants_table(i, domain)) return;
    devices_[i].next_table = open_own_table(i, domain);
    all &= devices_[i].next_table != nullptr;
  });
  if (all) return 0;
  devices_.for_each_moving(device, [&](u32 i) { close_next_table(i); });
  return none_made();
}

void OwnTables::close_next_table(u32 device) {
  if (devices_[device].next_table != nullptr) backend_.close_table(*devices_[device].next_table);
  devices_[device].next_table = nullptr;
}

void OwnTables::close_own_table(u32 device) {
  if (devices_[device].table != nullptr) backend_.close_table(*devices_[device].table);
  devices_[device].table = nullptr;
}

void OwnTables::close_unused(Table* table) {
  if (table != nullptr) batch_.owed() ? keep_table(table) : backend_.close_table(*table);
}

void OwnTables::keep_table(Table*& table) {
  if (table == nullptr) return;
  table->next_waiting = waiting_tables_;
  waiting_tables_ = table;
  table = nullptr;
}

void OwnTables::close_waiting_tables() {
  while (waiting_tables_ != nullptr) {
    Table& table = *waiting_tables_;
    waiting_tables_ = table.next_waiting;
    backend_.close_table(table);
  }
}

void OwnTables::shutdown() {
  close_waiting_tables();
  for (u32 i = 0; i < devices_.count(); ++i) close_own_table(i);
}

}  // namespace iommucheck::impl
