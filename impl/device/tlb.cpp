// SPDX-License-Identifier: MIT
#include "impl/device/tlb.h"

#include <algorithm>

namespace iommucheck::device {

namespace {

constexpr u64 word_bits = 64;
constexpr unsigned pages[] = {12, 14, 16};

/// By presence: which counter a tag has. Pointers to tables have none.
unsigned counter_of(u64 its_tag, unsigned size_count) {
  const auto page = static_cast<unsigned>(its_tag >> tag::page & 3);
  const auto size = static_cast<unsigned>(its_tag >> tag::size & 15);
  const unsigned global = (its_tag & tag::global) != 0 ? 3 : 0;
  const unsigned stage = (its_tag & tag::stage2) != 0 ? 64 : 0;
  return stage + size_count * (page + global) + size;
}

}  // namespace

Tlb::Tlb(unsigned sets_lg2)
    : sets_(u64{1} << sets_lg2),
      sets_at_(std::make_unique<Set[]>(sets_)),
      next_(std::make_unique<u8[]>(sets_)),
      used_(std::make_unique<u64[]>((ways * sets_ + word_bits - 1) / word_bits)) {
  for (u64 i = 0; i < sets_; ++i) {
    for (auto& where : sets_at_[i].where) where.store(nowhere, std::memory_order_relaxed);
  }
}

void Tlb::count(u64 its_tag, int by) {
  live_ += static_cast<u64>(static_cast<std::int64_t>(by));
  if ((its_tag & tag::table) != 0) return;
  const unsigned which = counter_of(its_tag, size_count);
  counts_[which] += static_cast<u32>(by);
  std::atomic<u64>& present = present_[which / 64];
  const u64 flag = u64{1} << which % 64;
  const u64 now = present.load(std::memory_order_relaxed);
  const u64 then = counts_[which] != 0 ? now | flag : now & ~flag;
  if (then != now) present.store(then, std::memory_order_release);
}

void Tlb::clear(u64 place) {
  Set& set = sets_at_[place / ways];
  const u64 way = place % ways;
  count(set.tag[way].load(std::memory_order_relaxed), -1);
  const u64 where = set.where[way].load(std::memory_order_relaxed);
  set.where[way].store(((where & ~page_mask) + once) | nowhere, std::memory_order_release);
  set.tag[way].store(0, std::memory_order_release);
  used_[place / word_bits] &= ~(u64{1} << place % word_bits);
}

void Tlb::fill(u64 own_tag, u64 input, const Entry& entry) {
  if (live_ == 0) parted_lg2_ = 0;
  if (entry.leaf_lg2 > entry.lg2) parted_lg2_ = std::max(parted_lg2_, entry.leaf_lg2);
  for (unsigned i = 0; i < size_count; ++i) {
    if (sizes[i] == entry.lg2)
      return put(own_tag | size_tag(i), input & ~low_mask(sizes[i]), entry);
  }
}

void Tlb::fill_table(u64 own_tag, unsigned level, unsigned shift, u64 input, const Entry& entry) {
  put(table_tag(own_tag, level), input & ~low_mask(shift), entry);
}

/// Where it is already, else where nothing is, else round and round.
void Tlb::put(u64 its_tag, u64 input, const Entry& entry) {
  const u64 page = input >> 12;
  const u64 number = set_of(its_tag, page);
  Set& set = sets_at_[number];
  u64 way = ways;
  for (u64 i = 0; i < ways; ++i) {
    const u64 there = set.tag[i].load(std::memory_order_relaxed);
    const u64 where = set.where[i].load(std::memory_order_relaxed);
    if (there == 0 && way == ways) way = i;
    if (there == its_tag && (where & page_mask) == page) {
      way = i;
      break;
    }
  }
  if (way == ways) {
    way = next_[number];
    next_[number] = static_cast<u8>((way + 1) % ways);
  }
  const u64 place = ways * number + way;
  if ((used_[place / word_bits] >> place % word_bits & 1) != 0) clear(place);
  const u64 version = set.where[way].load(std::memory_order_relaxed) & ~page_mask;
  set.tag[way].store(its_tag, std::memory_order_release);
  set.answer[way].store(
      (entry.output & mask(51, 12)) | entry.rights | u64{entry.device} << device_bit,
      std::memory_order_release);
  set.extra[way].store(entry.extra, std::memory_order_release);
  set.where[way].store(version | page, std::memory_order_release);
  used_[place / word_bits] |= u64{1} << place % word_bits;
  count(its_tag, 1);
}

// ---- invalidation -------------------------------------------------------------------------------

/// The last input address that it covers.
u64 Tlb::last_of(u64 place) const {
  const Set& set = sets_at_[place / ways];
  const u64 its_tag = set.tag[place % ways].load(std::memory_order_relaxed);
  const u64 first = (set.where[place % ways].load(std::memory_order_relaxed) & page_mask) << 12;
  unsigned lg2 = sizes[(its_tag >> tag::size & 15) % size_count];
  if ((its_tag & tag::table) != 0) {
    const unsigned page = pages[its_tag >> tag::page & 3];
    lg2 = level_shift(page, static_cast<unsigned>(its_tag >> tag::level & 3) - 1);
  }
  return first + low_mask(lg2);
}

u64 Tlb::invalidate(std::span<const Match> any) { return invalidate(any, 0, ~u64{0}, false); }

u64 Tlb::clear_at(u64 its_tag, u64 input) {
  const u64 page = input >> 12, number = set_of(its_tag, page);
  const Set& set = sets_at_[number];
  for (u64 way = 0; way < ways; ++way) {
    if (set.tag[way].load(std::memory_order_relaxed) != its_tag) continue;
    const u64 where = set.where[way].load(std::memory_order_relaxed);
    if ((where & page_mask) == page) clear(ways * number + way);
  }
  return 1;
}

/// Of one tag with its granule: every place where something of it may be.
u64 Tlb::clear_tag(u64 any_page, u64 first, u64 last, bool leaf) {
  u64 work = 0;
  const unsigned base = counter_of(any_page, size_count);
  for (unsigned i = 0; i < size_count; ++i) {
    if (counts_[base + i] == 0) continue;
    const u64 step = u64{1} << sizes[i];
    for (u64 at = first & ~(step - 1); at <= last; at += step) {
      work += clear_at(any_page | size_tag(i), at);
    }
  }
  if (leaf || (any_page & tag::global) != 0) return work;
  const unsigned page = pages[any_page >> tag::page & 3];
  for (unsigned level = 1; level <= 3; ++level) {
    const u64 step = u64{1} << level_shift(page, level - 1);
    for (u64 at = first & ~(step - 1); at <= last; at += step) {
      work += clear_at(table_tag(any_page, level), at);
    }
  }
  return work;
}

u64 Tlb::invalidate(std::span<const Match> any, u64 first, u64 last, bool leaf) {
  constexpr u64 probed_pages = 64;
  if (live_ == 0 || first > last) return 1;
  bool probes = last - first < probed_pages << 12;
  for (const Match& one : any) probes &= one.mask == exact;
  u64 work = 1;
  if (probes) {
    for (const Match& one : any) {
      for (const unsigned page : pages) {
        work += clear_tag(one.value | tag::of_page(page), first, last, leaf);
      }
    }
    return work;
  }
  for (u64 i = 0; i < places(); i += word_bits) {
    ++work;
    for (u64 used = used_[i / word_bits]; used != 0; used &= used - 1) {
      const u64 place = i + static_cast<unsigned>(std::countr_zero(used));
      const Set& set = sets_at_[place / ways];
      const u64 its_tag = set.tag[place % ways].load(std::memory_order_relaxed);
      ++work;
      if (leaf && (its_tag & tag::table) != 0) continue;
      bool goes = false;
      for (const Match& one : any) goes |= (its_tag & one.mask) == one.value;
      if (!goes) continue;
      const u64 where = set.where[place % ways].load(std::memory_order_relaxed);
      const u64 start = (where & page_mask) << 12;
      if (start <= last && last_of(place) >= first) clear(place);
    }
  }
  return work;
}

}  // namespace iommucheck::device
