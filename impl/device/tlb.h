// SPDX-License-Identifier: MIT
// The TLB: translations and table pointers of both stages, bounded and set-associative. Any thread
// looks up without a lock; one that holds the cache lock of the owner fills and invalidates.
//
// An entry is four words: the page, and how often the place was filled; its tag; output and rights;
// attributes, or what the tables above take away. Who finds the first word changed after the others
// were read has read nothing. A place would have to be filled 2^23 times between two loads of one
// reader for that to fail.
//
// An entry is found under the size that it covers, so that each look-up asks once for each size
// that is there at all, of all that the granule has.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <span>

#include "impl/device/context.h"

namespace iommucheck::device {

/// What an entry says. Of a table pointer `output` is the table, `extra` what tables above take
/// away (walk.h).
struct Entry {
  u64 output = 0;       ///< of the first byte of what it covers
  u32 rights = 0;       ///< right::; those that it does not have are for a walk to say
  u8 lg2 = 12;          ///< of what it covers
  bool device = false;  ///< of stage 2: some Device type
  u64 extra = 0;
  u8 leaf_lg2 = 0;  ///< of the leaf of stage 1 that it is a part of
};

class Tlb {
 public:
  /// 4 * 2^sets_lg2 places.
  explicit Tlb(unsigned sets_lg2);

  /// Input addresses: below 2^52, and for TTB1 bit 52 set.
  static constexpr u64 upper_half = u64{1} << 52;

  // ---- from any thread --------------------------------------------------------------------------
  /// A translation under one of the two tags; global_tag 0: there are none of that.
  [[gnu::always_inline]] bool find(u64 own_tag, u64 global_tag, u64 input, Entry& out) const {
    const u64 there = present_[0].load(std::memory_order_acquire);
    const auto page = static_cast<unsigned>(own_tag >> tag::page & 3);
    if (find_size(own_tag, input, there >> (size_count * page) & all_sizes, out)) return true;
    const u64 globals = there >> (size_count * (3 + page)) & all_sizes;
    return globals != 0 && global_tag != 0 && find_size(global_tag, input, globals, out);
  }
  /// Of stage 2.
  bool find_stage2(u64 own_tag, u64 input, Entry& out) const {
    const u64 there = present_[1].load(std::memory_order_acquire);
    const auto page = static_cast<unsigned>(own_tag >> tag::page & 3);
    return find_size(own_tag, input, there >> (size_count * page) & all_sizes, out);
  }
  /// The pointer to the table of `level`, of 1 to 3, on the way to `input`.
  bool find_table(u64 own_tag, unsigned level, unsigned shift, u64 input, Entry& out) const {
    return probe(table_tag(own_tag, level), input & ~low_mask(shift), out);
  }

  // ---- under the lock ---------------------------------------------------------------------------
  void fill(u64 own_tag, u64 input, const Entry& entry);
  void fill_table(u64 own_tag, unsigned level, unsigned shift, u64 input, const Entry& entry);

  /// Which entries go: those whose tag is as `value` in `mask`. With the mask `exact` all but
  /// granule and size of it is known, so that they can be looked for where they are.
  struct Match {
    u64 mask = 0, value = 0;
  };
  static constexpr u64 exact =
      ~(u64{3} << tag::page | u64{3} << tag::level | u64{15} << tag::size | tag::table);
  /// Whatever the address. Returns the work done, in entries.
  u64 invalidate(std::span<const Match> any);
  /// Those that cover anything of [first, last]; `leaf`: table pointers stay.
  u64 invalidate(std::span<const Match> any, u64 first, u64 last, bool leaf);

  [[nodiscard]] u64 places() const { return ways * sets_; }
  [[nodiscard]] u64 live() const { return live_; }
  /// Of a leaf of stage 1 at most of which there are parts, as stage 2 has smaller ones: a TLBI of
  /// any address in it is for all of them.
  [[nodiscard]] unsigned parted_lg2() const { return parted_lg2_; }

 private:
  static constexpr unsigned ways = 4;
  static constexpr unsigned size_count = 10;
  static constexpr u64 all_sizes = (u64{1} << size_count) - 1;
  /// log2 of all that a leaf may cover.
  static constexpr std::array<u8, size_count> sizes = {12, 14, 16, 21, 25, 29, 30, 36, 39, 42};
  static constexpr u64 page_mask = mask(40, 0);  // of `where`
  static constexpr u64 nowhere = page_mask;
  static constexpr u64 once = u64{1} << 41;
  static constexpr unsigned rights_bits = 6, device_bit = 6;  // of `answer`

  /// What is compared is in one cache line, what is answered in the next.
  struct alignas(128) Set {
    std::array<std::atomic<u64>, ways> where{}, tag{}, answer{}, extra{};
  };

  static constexpr u64 size_tag(unsigned index) { return u64{index} << tag::size; }
  static constexpr u64 table_tag(u64 own_tag, unsigned level) {
    return own_tag | tag::table | u64{level} << tag::level;
  }
  [[nodiscard]] u64 set_of(u64 its_tag, u64 page) const {
    const u64 salt = its_tag * 0x9e3779b97f4a7c15;
    // Sizes shift what is told apart to higher bits of the page.
    return (page ^ page >> 9 ^ page >> 18 ^ page >> 27 ^ salt >> 48) & (sets_ - 1);
  }
  [[gnu::always_inline]] bool find_size(u64 own_tag, u64 input, u64 which, Entry& out) const {
    for (; which != 0; which &= which - 1) {
      const auto index = static_cast<unsigned>(std::countr_zero(which));
      if (probe(own_tag | size_tag(index), input & ~low_mask(sizes[index]), out)) return true;
    }
    return false;
  }
  [[gnu::always_inline]] bool probe(u64 its_tag, u64 input, Entry& out) const {
    const u64 page = input >> 12;
    const Set& set = sets_at_[set_of(its_tag, page)];
    // All at once: which one it is, no branch predicts.
    std::array<u64, ways> where;
    unsigned matches = 0;
    for (unsigned way = 0; way < ways; ++way) {
      where[way] = set.where[way].load(std::memory_order_acquire);
      matches |= unsigned{(where[way] & page_mask) == page} << way;
    }
    for (; matches != 0; matches &= matches - 1) {
      const auto way = static_cast<unsigned>(std::countr_zero(matches));
      if (set.tag[way].load(std::memory_order_acquire) != its_tag) continue;
      const u64 answer = set.answer[way].load(std::memory_order_acquire);
      out.extra = set.extra[way].load(std::memory_order_acquire);
      if (set.where[way].load(std::memory_order_relaxed) != where[way]) continue;
      out.output = answer & mask(51, 12);
      out.rights = static_cast<u32>(answer & low_mask(rights_bits));
      out.device = bit(answer, device_bit);
      out.lg2 = sizes[(its_tag >> tag::size & 15) % size_count];
      return true;
    }
    return false;
  }
  void put(u64 its_tag, u64 input, const Entry& entry);
  void clear(u64 place);
  void count(u64 its_tag, int by);
  [[nodiscard]] u64 last_of(u64 place) const;
  u64 clear_at(u64 its_tag, u64 input);
  u64 clear_tag(u64 any_page, u64 first, u64 last, bool leaf);

  u64 sets_;
  u64 live_ = 0;
  u8 parted_lg2_ = 0;
  std::unique_ptr<Set[]> sets_at_;
  std::unique_ptr<u8[]> next_;
  std::unique_ptr<u64[]> used_;                // a bit for each place
  std::array<std::atomic<u64>, 2> present_{};  // by stage: which sizes are there
  std::array<u32, 2 * 64> counts_{};
};

}  // namespace iommucheck::device
