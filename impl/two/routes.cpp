// SPDX-License-Identifier: MIT
// Where devices go: words of the device table, and what stands in their PASID tables.
#include <algorithm>
#include <bit>

#include "impl/two/two.h"

namespace iommucheck::impl {

namespace {

constexpr u64 two_address_mask = mask(51, 12);

}  // namespace

Backend::Added Two::add_device(u32 device) {
  for_each_stream(device, [&](u32 stream) {
    platform_.store64(device_table_ + sizeof(u64) * stream, two::blocked);
  });
  return {.changed = true};
}

unsigned Two::pasid_bits(u32 device) const {
  return std::min<unsigned>(device_config(device).ssid_bits, pasid_bits_);
}

bool Two::can_wait(u32 device) const {
  return (device_config(device).flags & (IOMMUCHECK_DEVICE_PRI | IOMMUCHECK_DEVICE_STALL)) != 0;
}

bool Two::has_cache(u32 device) const {
  return (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
}

Stored Two::set_route(u32 device, const Route& route) {
  u64 word = two::blocked;
  if (route.kind == Route::Kind::bypass) word = two::untranslated;
  if (route.kind == Route::Kind::table) {
    const u64 first = route.first == Route::Kind::blocked  ? two::first_blocked
                      : route.first == Route::Kind::bypass ? two::first_untranslated
                                                           : 0;
    word = two::device_word(static_cast<const TwoTable*>(route.table)->pa, route.pasid_bits, first);
  }
  bool changed = false;
  for_each_stream(device, [&](u32 stream) {
    const u64 place = device_table_ + sizeof(u64) * stream;
    if (*platform_.words(place) == word) return;
    platform_.store64(place, word);
    changed = true;
  });
  return changed ? Stored::changed : Stored::unchanged;
}

void Two::forget_route(u32 device, bool /*whole*/) {
  for_each_stream(device, [&](u32 stream) { send(two::Command::forget_device, stream, 0, 0); });
}

// ---- PASID tables ----

/// An entry, and a word for each page of entries.
u64 Two::table_bytes() const {
  const u64 pages =
      pasid_bits_max_ > two::entries_lg2 ? u64{1} << (pasid_bits_max_ - two::entries_lg2) : 1;
  return std::max(two::page_bytes, std::bit_ceil(two::entry_bytes + pages * sizeof(u64)));
}

Table* Two::open_table() {
  TwoTable* table = tables_.allocate(platform_);
  if (table == nullptr) return nullptr;
  table->pa = new_words(table_bytes());
  if (table->pa != 0) return table;
  tables_.release(*table);
  return nullptr;
}

void Two::close_table(Table& table) {
  auto& its = static_cast<TwoTable&>(table);
  const u64* words = platform_.words(its.pa);
  for (u64 i = two::entry_bytes / sizeof(u64); i < table_bytes() / sizeof(u64); ++i) {
    if (words[i] != 0) platform_.table_free(words[i] & two_address_mask, two::page_bytes);
  }
  platform_.table_free(its.pa, table_bytes());
  tables_.release(its);
}

u64 Two::word_of(const Entry& entry) {
  if (entry.passes()) return two::entry_valid | two::entry_untranslated;
  if (entry.outer != nullptr) {
    const u64 users = entry.structure[0] & two::entry_by_user;
    return (users & two::entry_valid) != 0 ? users | two::entry_users : 0;
  }
  const u64 root = entry.mm != nullptr ? entry.mm->table_pa : entry.space->table_pa;
  const u32 input_bits = entry.mm != nullptr ? entry.mm->input_bits : entry.space->input_bits;
  u64 word = root | two::entry_valid;
  if (two::Format::start_level(input_bits) == 0) word |= two::entry_four_levels;
  if (entry.mm != nullptr) word |= two::entry_cpus;
  if (entry.waits) word |= two::entry_waits;
  if (entry.quiet) word |= two::entry_quiet;
  return word;
}

/// Of a user's: the outer table.
u64 Two::outer_word_of(const Entry& entry) {
  if (entry.outer == nullptr) return 0;
  const bool deep = two::Format::start_level(entry.outer->input_bits) == 0;
  return entry.outer->table_pa | (deep ? two::entry_four_levels : 0);
}

Stored Two::set_first_entry(Table& table, const Entry* entry) {
  const u64 place = static_cast<TwoTable&>(table).pa;
  platform_.store64(place + sizeof(u64), entry != nullptr ? outer_word_of(*entry) : 0);
  platform_.store64(place, entry != nullptr ? word_of(*entry) : 0);
  return Stored::changed;
}

u64 Two::pointer_place(const Table& table, u32 pasid) {
  return static_cast<const TwoTable&>(table).pa + two::entry_bytes +
         sizeof(u64) * (u64{pasid} >> two::entries_lg2);
}

Backend::Place Two::make_place(Table& table, u32 pasid) {
  const u64 pointer = pointer_place(table, pasid);
  if (*platform_.words(pointer) != 0) return Place::present;
  const u64 page = new_words(two::page_bytes);
  if (page == 0) return Place::no_memory;
  platform_.store64(pointer, page | 1);
  return Place::made;
}

u64 Two::entry_place(const Table& table, u32 pasid) const {
  if (pasid == no_pasid) return static_cast<const TwoTable&>(table).pa;
  const u64 pointer = *platform_.words(pointer_place(table, pasid));
  return (pointer & two_address_mask) + two::entry_bytes * (pasid & mask(two::entries_lg2 - 1, 0));
}

Prepared Two::prepare_entry(Table& table, u32 pasid, const Entry& entry) {
  platform_.store64(entry_place(table, pasid) + sizeof(u64), outer_word_of(entry));
  return Prepared::ready;
}

Stored Two::store_entry(Table& table, u32 pasid, const Entry& entry) {
  platform_.store64(entry_place(table, pasid), word_of(entry));
  return Stored::changed;
}

Stored Two::clear_entry(Table& table, u32 pasid) {
  platform_.store64(entry_place(table, pasid), 0);
  return Stored::changed;
}

void Two::forget_entry(u32 device, u32 pasid, bool /*whole*/) {
  for_each_stream(device,
                  [&](u32 stream) { send(two::Command::forget_entry, who(stream, pasid), 0, 0); });
}

bool Two::understands(const iommucheck_mm& mm) const {
  return mm.input_bits >= limits_.input_bits_min && mm.input_bits <= limits_.input_bits_max &&
         mm.table_pa % two::page_bytes == 0;
}

}  // namespace iommucheck::impl
