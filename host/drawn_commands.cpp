// SPDX-License-Identifier: MIT
#include "host/drawn_commands.h"

#include <iterator>

#include "host/user_commands.h"
#include "host/user_words.h"

namespace iommucheck::oracle {

using spec::sva::CommandWords;

namespace {

constexpr u64 drawn_page = 4096;

/// Some granules, or what is reserved of NUM, SCALE, TTL and TG (IHI 0070 4.4.1).
CommandWords drawn_range(u64 word, u64 asid) {
  using namespace user_command;
  const u64 va = (word >> 8 & 31) * drawn_page;
  CommandWords range = (word >> 16 & 1) != 0 ? nh_va(asid, va, true) : nh_vaa(va);
  range.low |= (word >> 17 & 7) << 12 | (word >> 20 & 1) << 20;                      // NUM, SCALE
  range.high |= (word >> 21 & 3) << 8 | ((word >> 23 & 3) == 0 ? 0 : u64{1} << 10);  // TTL, TG
  if ((word >> 25 & 15) == 0) range.high ^= u64{1} << 11;  // another granule
  return range;
}

/// Those with which nothing else has to be said, so that they are obeyed if they get that far:
/// prefetches, CFGI_ALL, NH_ALL, EL2 and EL3, S12_VMALL, S2_IPA, NSNH_ALL, answers, CMD_SYNC.
constexpr u64 drawn_opcodes[] = {0x01, 0x02, 0x03, 0x04, 0x10, 0x18, 0x1a, 0x20, 0x21,
                                 0x28, 0x2a, 0x30, 0x41, 0x44, 0x45, 0x46, 0x47};

}  // namespace

/// By its place in a drawn list; `word` has what is in it.
CommandWords drawn_command(u64 word) {
  using namespace user_command;
  const u64 va = (word >> 8 & 31) * drawn_page;
  const u64 asid = asid_of_table(1 + (word >> 13 & 3), (word >> 30 & 1) != 0);
  const u64 sid = word >> 15 & 3;
  switch (word & 31) {
    case 16:
    case 17:
    case 18:
    case 19: return drawn_range(word, asid);
    case 20:
    case 21: {
      CommandWords of_pasid = atc_inv(sid, word >> 18 & 3, va);
      of_pasid.low |= (word >> 20 & 3) == 0 ? u64{1} << 9 : 0;                    // Global
      of_pasid.high |= (word >> 22 & 3) == 0 ? word >> 24 & 63 : word >> 24 & 3;  // Size
      return of_pasid;
    }
    case 0:
    case 1:
    case 2: return nh_vaa(va);
    case 3:
    case 4: return nh_va(asid, va, (word >> 17 & 1) != 0);
    case 5: return nh_asid(asid);
    case 6:
    case 7: return nh_all(word >> 18 & 7);
    case 8:
    case 9: return cfgi_cd(sid, word >> 18 & 3);
    case 10: return cfgi_cd_all(sid);
    case 11: return atc_inv(sid, va);
    case 12: return cfgi_ste(sid);
    case 13: return sync();
    case 14: return {word >> 8 & 0xff, word >> 16};
    case 22:
    case 23: return {drawn_opcodes[(word >> 8) % std::size(drawn_opcodes)], 0};
    default: return {nh_vaa(va).low | u64{1} << (32 + (word >> 18 & 15)), va};
  }
}

/// The same for the second IOMMU's.
CommandWords drawn_command_of_two(u64 word, std::span<const u64> roots) {
  using namespace two_user_command;
  const u64 va = (word >> 8 & 31) * drawn_page;
  const u64 number = word >> 15 & 3;
  const u64 root = roots.empty() || (word >> 17 & 1) != 0 ? 0 : roots[(word >> 18) % roots.size()];
  const u64 pages = word >> 20 & 3;
  const u64 aligned = va >> (12 + pages) << (12 + pages);
  const auto pasid = (word >> 22 & 1) != 0 ? std::optional(word >> 23 & 7) : std::nullopt;
  switch (word & 15) {
    case 0:
    case 1:
    case 2: return drop_range(root, va, 0);
    case 3: return drop_range(root, aligned, pages);
    case 4: return drop_range(root, va, pages);  // not aligned, where it is more than a page
    case 5: return drop_range(root, 0, all_pages);
    case 6:
    case 7: return drop_all();
    case 8:
    case 9: return drop_device(number, pasid, aligned, pages);
    case 10: return drop_device(number, pasid, 0, all_pages);
    case 11: return {word >> 4 & 63, word >> 23 & 1};
    case 12: return {drop_range(root, va, 0).low | u64{1} << (word >> 20 & 63), va};
    case 13: return {drop_range(root, va, 0).low, va | u64{1} << (word >> 20 & 63)};
    default: return drop_range(0, va, 0);
  }
}

}  // namespace iommucheck::oracle
