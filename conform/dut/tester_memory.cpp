// SPDX-License-Identifier: MIT
#include "conform/dut/tester_memory.h"

#include <cstring>

namespace iommucheck::oracle {

Expected<std::unique_ptr<TesterMemory>> TesterMemory::create() {
  auto mapped =
      map_zeroed<char[]>(Sharing::with_forks, mapped_bytes, "the system of a device under test");
  if (!mapped) return std::unexpected(mapped.error());
  std::unique_ptr<TesterMemory> memory(new TesterMemory(*std::move(mapped)));
  for (u64 page = first_data_page; page < pages; ++page) memory->begin_anew(page);
  return memory;
}

void TesterMemory::begin_anew(u64 page) {
  const u64 first = pa + page * page_bytes;
  if (page < first_data_page) {
    std::memset(at(first), 0, page_bytes);
  } else {
    for (u64 place = first; place < first + page_bytes; place += 8) {
      store(place, place | ((place + 4) << 32));
    }
  }
  written(page) = 0;
}

void TesterMemory::note_written(u64 first, u64 count) {
  const u64 last = (first + count - 1 - pa) / page_bytes;
  for (u64 page = (first - pa) / page_bytes; page <= last; ++page) written(page) = 1;
}

/// Page by page: most cases write to few, and pages given back would be faulted in again.
void TesterMemory::reset() {
  for (u64 page = 0; page < pages; ++page) {
    if (written(page) != 0) begin_anew(page);
  }
}

bool TesterMemory::read(u64 from, void* to, u64 count) const {
  if (count == 0 || count > access_max || !inside(from, count)) return false;
  std::memcpy(to, at(from), count);
  return true;
}

bool TesterMemory::write(u64 to, const void* from, u64 count) {
  if (count == 0 || count > access_max || !inside(to, count)) return false;
  note_written(to, count);  // first: its process may be killed at any time
  std::memcpy(at(to), from, count);
  return true;
}

void TesterMemory::store(u64 place, u64 value) {
  if (!inside(place, 8)) return;
  note_written(place, 8);
  std::memcpy(at(place), &value, 8);
}

void TesterMemory::fill(u64 place, u64 words, u64 value) {
  if (words > bytes / 8 || !inside(place, 8 * words)) return;
  for (u64 i = 0; i < words; ++i) store(place + 8 * i, value);
}

u64 TesterMemory::load(u64 place) const {
  u64 value = 0;
  if (inside(place, 8)) std::memcpy(&value, at(place), 8);
  return value;
}

std::optional<u64> TesterMemory::take_mark(u32 mark, u64 iova) {
  const u64 offset = iova % page_bytes;
  const auto there = [&](u64 first) {
    u32 found = 0;
    std::memcpy(&found, at(first + offset), 4);
    if (found != mark) return false;
    const auto own = static_cast<u32>(first + offset);
    std::memcpy(at(first + offset), &own, 4);
    last_mark_page_ = first;
    return true;
  };
  if (there(last_mark_page_)) return last_mark_page_ + offset;
  for (u64 first = data_pa; first < data_pa + data_bytes; first += page_bytes) {
    if (there(first)) return first + offset;
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
