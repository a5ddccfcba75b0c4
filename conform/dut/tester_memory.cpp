// SPDX-License-Identifier: MIT
#include "conform/dut/tester_memory.h"

#include <sys/mman.h>

#include <cstring>

namespace iommucheck::oracle {

Expected<std::unique_ptr<TesterMemory>> TesterMemory::create() {
  void* base =
      ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return fail(ErrorCode::environment, "no memory for a device under test");
  std::unique_ptr<TesterMemory> memory(new TesterMemory(static_cast<char*>(base)));
  for (u64 page = 0; page < data_pages; ++page) memory->name_page(page);
  return memory;
}

TesterMemory::~TesterMemory() { ::munmap(base_, mapped_bytes); }

void TesterMemory::name_page(u64 page) {
  const u64 first = data_pa + page * page_bytes;
  for (u64 place = first; place < first + page_bytes; place += 8) {
    store(place, place | ((place + 4) << 32));
  }
  written(page) = 0;
}

void TesterMemory::note_written(u64 first, u64 count) {
  if (first + count <= data_pa) return;
  const u64 from = first < data_pa ? 0 : first - data_pa;
  for (u64 page = from / page_bytes; page <= (first + count - 1 - data_pa) / page_bytes; ++page) {
    written(page) = 1;
  }
}

void TesterMemory::reset() {
  // Gives the pages back, in every process: they read as 0.
  if (::madvise(base_, structures_bytes, MADV_REMOVE) != 0) {
    std::memset(base_, 0, structures_bytes);
  }
  for (u64 page = 0; page < data_pages; ++page) {
    if (written(page) != 0) name_page(page);
  }
}

bool TesterMemory::read(u64 from, void* to, u64 count) const {
  if (count == 0 || count > access_max || !inside(from, count)) return false;
  std::memcpy(to, at(from), count);
  return true;
}

bool TesterMemory::write(u64 to, const void* from, u64 count) {
  if (count == 0 || count > access_max || !inside(to, count)) return false;
  std::memcpy(at(to), from, count);
  note_written(to, count);
  return true;
}

void TesterMemory::store(u64 place, u64 value) {
  if (!inside(place, 8)) return;
  std::memcpy(at(place), &value, 8);
  note_written(place, 8);
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
