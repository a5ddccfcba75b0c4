// SPDX-License-Identifier: MIT
// Context descriptors: what stands in a table. IHI 0070 3.3.3, 5.4; arch 3, 7.3.
#include "impl/smmuv3/tables.h"

#include <algorithm>

namespace iommucheck::impl {

namespace {

constexpr u64 ttb_alignment = 16;  // of TTB0, whatever the size of the table

CdTable& cds_of(Table& table) { return static_cast<SmmuTable&>(table).cds; }

u64 ttb0_of(const Entry& entry) {
  return entry.mm != nullptr ? entry.mm->table_pa : entry.space->table_pa;
}

u64 mair_of(const Entry& entry) { return entry.mm != nullptr ? entry.mm->mair : cd::word3; }

}  // namespace

/// Tables of processes have pages of 4 KiB.
bool Tables::understands(const iommucheck_mm& mm) const {
  return features_.stage1 && features_.page == page_lg2 && mm.input_bits >= input_bits_min &&
         mm.input_bits <= input_bits_max && mm.table_pa % ttb_alignment == 0;
}

/// False: no memory.
bool Tables::create(u32 devices, unsigned pasid_bits_max) {
  pasid_bits_max_ = pasid_bits_max;
  return cds_.create(platform_, features_.asid_bits, 2 * devices);
}

SmmuTable* Tables::open_stage2() {
  SmmuTable* table = tables_.allocate(platform_);
  if (table != nullptr) table->stage2 = true;
  return table;
}

Table* Tables::open_table() {
  SmmuTable* table = tables_.allocate(platform_);
  if (table == nullptr) return nullptr;
  table->stage2 = !features_.stage1;
  if (table->stage2 || table->cds.create(platform_, cds_)) return table;
  tables_.release(*table);
  return nullptr;
}

void Tables::close_table(Table& table) {
  auto& its = static_cast<SmmuTable&>(table);
  if (!its.stage2) its.cds.destroy(platform_, cds_);
  tables_.release(its);
}

/// A process's ASID is shared with the CPUs.
u64 Tables::cd_word0(const Entry& entry) const {
  const bool shared = entry.mm != nullptr;
  const u64 input_bits = shared ? entry.mm->input_bits : entry.space->input_bits;
  const cd::Kind kind = {.shared = shared,
                         .waits = entry.waits && features_.stall_model == 0,
                         .quiet = entry.quiet,
                         .dirty_state = !shared && features_.dirty_state,
                         .page = features_.page};
  return cd::word0<u64>(entry.tag.inner, input_bits, features_.output_size, kind);
}

cd::Words Tables::cd_words(const Entry& entry) const {
  return {cd_word0(entry), cd::word1(ttb0_of(entry)), 0, mair_of(entry)};
}

cd::Words Tables::cd_at(u64 cd) const {
  cd::Words words;
  const u64* at = platform_.words(cd);
  std::copy(at, at + words.size(), words.begin());
  return words;
}

void Tables::store_step(u64 cd, const cd::Step& step) {
  for (unsigned i = 0; i < step.words.size(); ++i) {
    if ((step.stored >> i & 1) != 0) platform_.store64(cd + i * sizeof(u64), step.words[i]);
  }
  platform_.clean(cd, cd_bytes);
}

/// Where steps are left before the last one, nobody has prepared it: then it is invalid at most.
Stored Tables::store_last(u64 cd, const cd::Words& to) {
  const cd::Step step = cd::next_step(cd_at(cd), to);
  if (step.stored == 0) return Stored::unchanged;
  store_step(cd, step);
  platform_.barrier();
  return Stored::changed;
}

/// Of a new table memory says anything; later only word 0 may be another one.
Stored Tables::set_first_entry(Table& table, const Entry* entry) {
  auto& its = static_cast<SmmuTable&>(table);
  if (its.stage2) {
    name_table(its, *entry->space);
    return Stored::changed;
  }
  const u64 cd = cds_of(table).entry(platform_, 0);
  const cd::Words to = entry != nullptr ? cd_words(*entry) : cd::Words{};
  if (its.begun) return store_last(cd, to);
  its.begun = true;
  platform_.fill64(cd, structure_words, 0);
  if (entry != nullptr) {
    platform_.store64(cd + 24, to[3]);
    platform_.store64(cd + 8, to[1]);
    platform_.store64(cd, to[0]);
  }
  platform_.clean(cd, cd_bytes);
  platform_.barrier();
  return Stored::changed;
}

/// The table's first PASID: from one CD to many with the same CD 0, for all devices. One store
/// of word 0 for each STE leads to it.
Backend::Growth Tables::grow(Table& table) {
  CdTable& cds = cds_of(table);
  if (cds.has_table()) return Growth::none;
  const bool built = cds.build(platform_, pasid_bits_max_, features_.two_level_cd_table);
  return built ? Growth::moved : Growth::no_memory;
}

void Tables::grown(Table& table) { cds_of(table).drop_slot(cds_); }

void Tables::not_grown(Table& table) { cds_of(table).abandon(); }

void Tables::free_abandoned(Table& table) { cds_of(table).drop_abandoned(platform_); }

Backend::Place Tables::make_place(Table& table, u32 pasid) {
  switch (cds_of(table).reserve(platform_, pasid)) {
    case CdTable::Reserved::present: return Place::present;
    case CdTable::Reserved::linked: return Place::made;
    case CdTable::Reserved::no_memory: break;
  }
  return Place::no_memory;
}

/// All steps but the last one, each with what is forgotten behind it.
Prepared Tables::prepare_entry(Table& table, u32 pasid, const Entry& entry) {
  const u64 cd = cds_of(table).entry(platform_, pasid);
  const cd::Words to = cd_words(entry);
  const cd::Step step = cd::next_step(cd_at(cd), to);
  if (step.last) return Prepared::ready;
  store_step(cd, step);
  return cd::next_step(cd_at(cd), to).last ? Prepared::ready : Prepared::again;
}

Stored Tables::store_entry(Table& table, u32 pasid, const Entry& entry) {
  return store_last(cds_of(table).entry(platform_, ssid_of(pasid)), cd_words(entry));
}

Stored Tables::clear_entry(Table& table, u32 pasid) {
  return store_last(cds_of(table).entry(platform_, pasid), {});
}

}  // namespace iommucheck::impl
