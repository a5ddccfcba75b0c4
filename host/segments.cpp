// SPDX-License-Identifier: MIT
#include "host/segments.h"

#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/text.h"

namespace iommucheck::oracle {
namespace {

struct AddressRange {
  u64 begin, end;
};

struct Search {
  u64 address;
  bool found = false;
  std::vector<AddressRange> writable;
};

/// What lies outside of the part that is read-only after relocation.
void add_without(std::vector<AddressRange>& ranges, AddressRange range,
                 const std::optional<AddressRange>& hole) {
  if (!hole || hole->end <= range.begin || range.end <= hole->begin) {
    ranges.push_back(range);
    return;
  }
  if (range.begin < hole->begin) ranges.push_back({range.begin, hole->begin});
  if (hole->end < range.end) ranges.push_back({hole->end, range.end});
}

int look_at(dl_phdr_info* info, std::size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  const std::span<const ElfW(Phdr)> headers(info->dlpi_phdr, info->dlpi_phnum);
  const auto range_of = [&](const ElfW(Phdr) & header) {
    const u64 begin = info->dlpi_addr + header.p_vaddr;
    return AddressRange{begin, begin + header.p_memsz};
  };
  std::optional<AddressRange> relro;
  for (const auto& header : headers) {
    const AddressRange range = range_of(header);
    if (header.p_type == PT_LOAD && range.begin <= search.address && search.address < range.end) {
      search.found = true;
    }
    if (header.p_type == PT_GNU_RELRO) {
      // The dynamic linker protects whole pages only, rounding both ends down.
      const u64 host_page = static_cast<u64>(::sysconf(_SC_PAGESIZE));
      relro = AddressRange{range.begin / host_page * host_page, range.end / host_page * host_page};
    }
  }
  if (!search.found) return 0;
  for (const auto& header : headers) {
    if (header.p_type == PT_LOAD && (header.p_flags & PF_W) != 0) {
      add_without(search.writable, range_of(header), relro);
    }
  }
  return 1;
}

// Word by word and out of sight of sanitizers: the red zones between an instrumented plug-in's
// variables are part of the range. The barrier keeps the compiler from making a memcpy of it.
#define IOMMUCHECK_UNSEEN __attribute__((no_sanitize("address", "undefined", "thread")))

IOMMUCHECK_UNSEEN void copy_words(u64* to, const u64* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = from[i];
    asm volatile("" ::: "memory");
  }
}

IOMMUCHECK_UNSEEN bool put_back(u64* to, const u64* from, std::size_t count) {
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (to[i] == from[i]) continue;  // untouched pages stay clean
    to[i] = from[i];
    any = true;
  }
  return any;
}

}  // namespace

Expected<Segments> Segments::of(const void* address) {
  Search search{.address = reinterpret_cast<std::uintptr_t>(address), .writable = {}};
  ::dl_iterate_phdr(look_at, &search);
  if (!search.found) {
    return fail(ErrorCode::bad_input, "no loaded object holds the address " + hex(search.address));
  }
  Segments segments;
  for (const AddressRange& range : search.writable) {
    // Whole words: a segment may begin or end within one, and pages are mapped whole.
    const u64 begin = range.begin & ~u64{7};
    const u64 end = (range.end + 7) & ~u64{7};
    segments.segments_.push_back({reinterpret_cast<u64*>(static_cast<std::uintptr_t>(begin)),
                                  std::vector<u64>(static_cast<std::size_t>((end - begin) / 8))});
  }
  segments.save();
  return segments;
}

void Segments::save() {
  for (Segment& segment : segments_) {
    copy_words(segment.saved.data(), segment.begin, segment.saved.size());
  }
}

bool Segments::restore() {
  bool any = false;
  for (const Segment& segment : segments_) {
    any |= put_back(segment.begin, segment.saved.data(), segment.saved.size());
  }
  return any;
}

std::size_t Segments::bytes() const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.saved.size() * 8;
  return bytes;
}

}  // namespace iommucheck::oracle
