// SPDX-License-Identifier: MIT
// The TLB against a list of what was filled: it finds nothing else, and nothing that was
// invalidated.
#include "impl/device/tlb.h"

#include <map>

#include <gtest/gtest.h>

#include "base/random.h"

namespace iommucheck::device::tlb_test {
namespace {

constexpr u8 sizes[] = {12, 14, 16, 21, 25, 29, 30, 36, 39, 42};

u64 a_tag(SplitMix64& draw) {
  const auto world = static_cast<World>(draw.below(2) * 2);
  u64 tag =
      tag::base(world, draw.below(2)) | tag::of_page(static_cast<unsigned>(12 + 2 * draw.below(3)));
  switch (draw.below(3)) {
    case 0: return tag | draw.below(2) << tag::asid;
    case 1: return tag | tag::global | (draw.below(2) != 0 ? tag::aset : 0);
    default: return tag | tag::stage2;
  }
}

/// What may be there: by tag, first address and size.
struct Kept {
  std::map<std::tuple<u64, u64, u8>, Entry> all;
  bool found(const Tlb& tlb, u64 tag, u64 input, Entry& out) const {
    if ((tag & tag::stage2) != 0) return tlb.find_stage2(tag, input, out);
    if ((tag & tag::global) != 0) {
      // No entry has this ASID, so that only the global one is met.
      const u64 nobody = (tag & ~(tag::global | tag::aset)) | u64{0x77} << tag::asid;
      return tlb.find(nobody, tag, input, out);
    }
    return tlb.find(tag, 0, input, out);
  }
};

TEST(DeviceTlb, FindsWhatWasFilledAndNothingThatWasInvalidated) {
  for (u64 seed = 1; seed <= 40; ++seed) {
    SplitMix64 draw(seed);
    Tlb tlb(static_cast<unsigned>(seed % 5));
    Kept kept;
    u64 hits = 0;
    for (unsigned step = 0; step < 600; ++step) {
      const u64 tag = a_tag(draw);
      const u64 input = draw.below(64) << 12 | (draw.below(4) == 0 ? Tlb::upper_half : 0);
      const u8 lg2 = sizes[draw.below(4)];
      const u64 first = input & ~low_mask(lg2);
      if (const u64 what = draw.below(8); what < 4) {
        Entry entry{.output = draw.below(1 << 20) << 12,
                    .rights = static_cast<u32>(draw.below(64)),
                    .lg2 = lg2,
                    .device = draw.below(2) != 0,
                    .extra = draw.below(1000)};
        tlb.fill(tag, input, entry);
        kept.all[{tag, first, lg2}] = entry;
      } else if (what == 4) {
        const Tlb::Match match{.mask = Tlb::exact, .value = tag & Tlb::exact};
        const u64 last = input + draw.below(100) * 4096 + 4095;
        (void)tlb.invalidate({&match, 1}, input, last, draw.below(2) != 0);
        std::erase_if(kept.all, [&](const auto& one) {
          const auto& [its, at, size] = one.first;
          return (its & Tlb::exact) == match.value && at <= last && at + low_mask(size) >= input;
        });
      } else if (what == 5 && draw.below(8) == 0) {
        const Tlb::Match match{.mask = tag::valid | u64{0xffff} << tag::vmid,
                               .value = tag & (tag::valid | u64{0xffff} << tag::vmid)};
        (void)tlb.invalidate({&match, 1});
        std::erase_if(kept.all, [&](const auto& one) {
          return (std::get<0>(one.first) & match.mask) == match.value;
        });
      }
      Entry out;
      const u64 asked = a_tag(draw);
      const u64 at = draw.below(64) << 12 | (draw.below(4) == 0 ? Tlb::upper_half : 0);
      if (!kept.found(tlb, asked, at, out)) continue;
      ++hits;
      const auto its = kept.all.find({asked, at & ~low_mask(out.lg2), out.lg2});
      ASSERT_NE(its, kept.all.end()) << "seed " << seed << ", step " << step;
      EXPECT_EQ(out.output, its->second.output);
      EXPECT_EQ(out.rights, its->second.rights);
      EXPECT_EQ(out.device, its->second.device);
      EXPECT_EQ(out.extra, its->second.extra);
    }
    EXPECT_GT(hits, 5U) << "seed " << seed;
    EXPECT_LE(tlb.live(), tlb.places());
  }
}

TEST(DeviceTlb, KeepsAsMuchAsFits) {
  Tlb tlb(10);
  const u64 tag = tag::base(World::el1, 0) | u64{1} << tag::asid;
  for (u64 i = 0; i < 4096; ++i) tlb.fill(tag, i << 12, {.output = i << 12, .rights = 1});
  EXPECT_EQ(tlb.live(), 4096U);
  Entry out;
  for (u64 i = 0; i < 4096; ++i) EXPECT_TRUE(tlb.find(tag, 0, i << 12, out));
  tlb.fill(tag, u64{4096} << 12, {.output = 0, .rights = 1});
  EXPECT_EQ(tlb.live(), 4096U);  // it took another's place
}

TEST(DeviceTlb, TablesGoUnlessLeavesAloneAreMeant) {
  Tlb tlb(4);
  const u64 tag = tag::base(World::el1, 0) | u64{1} << tag::asid;
  const Tlb::Match match{.mask = Tlb::exact, .value = tag};
  const u64 at = 0x40201000;
  Entry out;
  for (unsigned level = 1; level <= 3; ++level) {
    tlb.fill_table(tag, level, level_shift(12, level - 1), at, {.output = 0x1000});
  }
  (void)tlb.invalidate({&match, 1}, at, at + 4095, true);
  for (unsigned level = 1; level <= 3; ++level) {
    EXPECT_TRUE(tlb.find_table(tag, level, level_shift(12, level - 1), at, out));
  }
  // One that another address is on the way to as well, by looking for it and by looking at all.
  (void)tlb.invalidate({&match, 1}, at + 0x1000, at + 0x1fff, false);
  for (unsigned level = 1; level <= 3; ++level) {
    EXPECT_FALSE(tlb.find_table(tag, level, level_shift(12, level - 1), at, out)) << level;
    tlb.fill_table(tag, level, level_shift(12, level - 1), at, {.output = 0x1000});
  }
  (void)tlb.invalidate({&match, 1}, at, at + (u64{1} << 30), false);
  for (unsigned level = 1; level <= 3; ++level) {
    EXPECT_FALSE(tlb.find_table(tag, level, level_shift(12, level - 1), at, out)) << level;
  }
}

}  // namespace
}  // namespace iommucheck::device::tlb_test
