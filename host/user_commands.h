// SPDX-License-Identifier: MIT
// Commands as a user writes them: IHI 0070 4. Apart from the driver's and the specification's, as
// all that the environment writes.
#pragma once

#include "spec/sva/call.h"

namespace iommucheck::oracle::user_command {

using spec::sva::CommandWords;

/// ASID of a user's table by its number, from 1: of 16 bits the upper ones count.
constexpr u64 asid_of_table(u64 number, bool of_16_bits) {
  return of_16_bits ? number | number << 8 : number;
}

constexpr u64 page_of(u64 address) { return address & ~u64{4095}; }

constexpr CommandWords nh_va(u64 asid, u64 va, bool leaf) {
  return {0x12 | asid << 48, page_of(va) | (leaf ? 1 : 0)};
}
constexpr CommandWords nh_vaa(u64 va) { return {0x13, page_of(va)}; }
/// (NUM + 1) * 2^SCALE granules of 4 KiB from the one with the page on; TTL: level 3, or any.
constexpr CommandWords with_range(CommandWords by_va, u64 num, u64 scale, bool tells_level) {
  const u64 level = tells_level && (by_va.high & 1) != 0 ? 3 : 0;
  return {by_va.low | num << 12 | scale << 20, by_va.high | u64{1} << 10 | level << 8};
}
/// Two to eight of them.
constexpr CommandWords as_range(CommandWords by_va, u64 how) {
  const u64 scale = how & 1;
  const u64 num = scale == 0 ? 1 + (how >> 1 & 1) : how >> 1 & 3;
  return with_range(by_va, num, scale, (how >> 3 & 1) != 0);
}
/// `count` of them, up to 32.
constexpr CommandWords as_range_of(CommandWords by_va, u64 count, bool tells_level) {
  return with_range(by_va, count - 1, 0, tells_level);
}
constexpr CommandWords nh_asid(u64 asid) { return {0x11 | asid << 48, 0}; }
constexpr CommandWords nh_all(u64 vmid = 0) { return {0x10 | vmid << 32, 0}; }
constexpr CommandWords nsnh_all() { return {0x30, 0}; }
constexpr CommandWords cfgi_cd(u64 sid, u64 ssid) { return {0x05 | ssid << 12 | sid << 32, 1}; }
constexpr CommandWords cfgi_cd_all(u64 sid) { return {0x06 | sid << 32, 0}; }
constexpr CommandWords atc_inv(u64 sid, u64 va) { return {0x40 | sid << 32, page_of(va)}; }
constexpr CommandWords atc_inv(u64 sid, u64 ssid, u64 va) {
  const CommandWords untagged = atc_inv(sid, va);
  return {untagged.low | u64{1} << 11 | ssid << 12, untagged.high};
}

// What a user may not give.
constexpr CommandWords cfgi_ste(u64 sid) { return {0x03 | sid << 32, 1}; }
constexpr CommandWords el2_all() { return {0x20, 0}; }
constexpr CommandWords sync() { return {0x46, 0}; }
constexpr CommandWords resume() { return {0x44, 0}; }
constexpr CommandWords reserved() { return {0xff, 0}; }

}  // namespace iommucheck::oracle::user_command
