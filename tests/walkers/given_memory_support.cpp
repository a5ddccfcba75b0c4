// SPDX-License-Identifier: MIT
#include "tests/walkers/given_memory_support.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/random.h"

namespace iommucheck::walkers {

void GivenMemory::begin(u64 seed, Kind kind) {
  seed_ = SplitMix64::mixed(seed);
  kind_ = kind;
  planted_.clear();
  writes.clear();
  record.reset();
}

void GivenMemory::put(u64 pa, u64 value) {
  const auto known = std::ranges::find(planted_, pa, &Planted::pa);
  if (known != planted_.end()) {
    known->value = value;
  } else {
    planted_.push_back({pa, value});
  }
}

u64 GivenMemory::drawn(u64 pa) const {
  SplitMix64 draw(seed_ ^ SplitMix64::mixed(pa));
  const u64 place = draw.next(), bits = draw.next();
  constexpr u64 usual = u64{1} << 6 | u64{1} << 10;  // may be read, AF
  u64 word = (place & 0xffff'f000) | 3 | (bits & 0xffc);
  if ((place >> 48 & 31) != 0) word |= usual;
  if (kind_.young && (place >> 63) != 0) word &= ~(u64{1} << 10);
  if ((place >> 53 & 3) == 0) word |= (bits >> 12 & 15) << 51;  // DBM, Contiguous, PXN, UXN
  if ((place >> 55 & 7) == 0) word |= (bits >> 16 & 31) << 59;  // APTable, XNTable
  if ((place >> 58 & 31) == 0) word &= ~u64{2};                 // a block
  if ((bits >> 21 & 0xffffff) % kind_.good == 0) {
    switch (bits >> 60) {
      case 0:
      case 1: return draw.next();
      case 2:
      case 3: return word | (place >> 32 & 0xffff) << 32;  // beyond some output size
      case 4:
      case 5:
      case 6: return word & ~u64{0x40};
      case 7:
      case 8:
      case 9: return word & ~u64{0x400};
      default: return word & ~u64{1};
    }
  }
  return word;
}

std::optional<u64> GivenMemory::word(u64 pa) const {
  const auto written = std::ranges::find(writes, pa, &Write::pa);
  std::optional<u64> found;
  if (written != writes.end()) {
    found = written->to;
  } else if (const auto known = std::ranges::find(planted_, pa, &Planted::pa);
             known != planted_.end()) {
    return known->value;
  } else {
    const u64 page = SplitMix64::mixed(seed_ + (pa >> 12));
    if (page % (64 * kind_.good) == 0) return std::nullopt;
    const u64 own = drawn(pa);
    found = kind_.big ? __builtin_bswap64(own) : own;
  }
  if (is_of_device && unseen != 0) {
    found = kind_.big ? *found & ~__builtin_bswap64(unseen) : *found & ~unseen;
  }
  return found;
}

bool GivenMemory::read(u64 pa, void* to, u64 bytes) noexcept {
  for (u64 at = 0; at < bytes; at += 8) {
    const std::optional<u64> one = word(pa + at);
    if (!one) return false;
    std::memcpy(static_cast<std::byte*>(to) + at, &*one, 8);
  }
  return true;
}

bool GivenMemory::write(u64 /*pa*/, const void* from, u64 bytes) noexcept {
  if (bytes != sizeof *record) return false;
  record.emplace();
  std::memcpy(record->data(), from, bytes);
  return true;
}

bool GivenMemory::compare_exchange(u64 pa, u64& expected, u64 desired) noexcept {
  const std::optional<u64> there = word(pa);
  if (!there) return false;
  if (*there != expected) {
    expected = *there;
    return true;
  }
  const u64 forgotten = kind_.big ? __builtin_bswap64(unwritten) : unwritten;
  const u64 kept = desired & ~(forgotten & ~expected);
  const auto known = std::ranges::find(writes, pa, &Write::pa);
  if (known != writes.end()) {
    known->to = kept;
  } else if (kept != *there) {
    writes.push_back({pa, *there, kept});
  }
  return true;
}

}  // namespace iommucheck::walkers
