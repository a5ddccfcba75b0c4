// SPDX-License-Identifier: MIT
// Commands as they stand in the queue, IHI 0070 chapter 4. Templates over the word, so that a proof
// can run the same code.
#pragma once

#include <bit>

#include "base/bits.h"
#include "base/types.h"
#include "impl/vmsav8/layout.h"

namespace iommucheck::impl {

template <class W>
struct CommandOf {
  W word0;
  W word1;
};
using Command = CommandOf<u64>;

namespace command {

inline constexpr u64 op_cfgi_ste = 0x03;
inline constexpr u64 op_cfgi_ste_range = 0x04;
inline constexpr u64 op_cfgi_cd = 0x05;
inline constexpr u64 op_cfgi_cd_all = 0x06;
inline constexpr u64 op_tlbi_nh_all = 0x10;
inline constexpr u64 op_tlbi_nh_asid = 0x11;
inline constexpr u64 op_tlbi_nh_va = 0x12;
inline constexpr u64 op_tlbi_nh_vaa = 0x13;
inline constexpr u64 op_tlbi_el2_all = 0x20;
inline constexpr u64 op_tlbi_s12_vmall = 0x28;
inline constexpr u64 op_tlbi_s2_ipa = 0x2a;
inline constexpr u64 op_tlbi_nsnh_all = 0x30;
inline constexpr u64 op_atc_inv = 0x40;
inline constexpr u64 op_pri_resp = 0x41;
inline constexpr u64 op_resume = 0x44;
inline constexpr u64 op_sync = 0x46;

inline constexpr unsigned sid_lsb = 32;
inline constexpr unsigned asid_lsb = 48;
inline constexpr unsigned vmid_lsb = 32;
inline constexpr unsigned num_lsb = 12;
inline constexpr unsigned scale_lsb = 20;
inline constexpr unsigned ttl_lsb = 8;
inline constexpr unsigned tg_lsb = 10;
inline constexpr u64 range_all = 31;
inline constexpr unsigned ssid_lsb = 12;
inline constexpr u64 ssid_valid = 1 << 11;
inline constexpr u64 global = 1 << 9;  // ATC_INV: of every PASID
inline constexpr u64 atc_size_all = 52;
inline constexpr u64 resume_retry = 1 << 12;
inline constexpr u64 resume_abort = 1 << 13;

/// The STE of `sid` and every CD fetched through it; its L1STD too unless `leaf`.
template <class W>
constexpr CommandOf<W> cfgi_ste(W sid, bool leaf) {
  return {W(op_cfgi_ste) | (sid << sid_lsb), W(leaf ? 1 : 0)};
}

/// CFGI_ALL: every configuration structure.
constexpr Command cfgi_all() { return {op_cfgi_ste_range, range_all}; }

/// The CD of `ssid` (0: the first) as fetched through `sid`; its L1CD too unless `leaf`.
template <class W>
constexpr CommandOf<W> cfgi_cd(W sid, W ssid, bool leaf) {
  return {W(op_cfgi_cd) | (ssid << ssid_lsb) | (sid << sid_lsb), W(leaf ? 1 : 0)};
}

/// 4096 << size_lg2 bytes at `address`, aligned to that, in the device's ATC: of requests with
/// PASID `ssid`, or of those without one if it is 0. arch 5.6.
template <class W>
constexpr CommandOf<W> atc_inv(W sid, W ssid, bool with_ssid, W address, u64 size_lg2) {
  const W ssid_bits = with_ssid ? W(ssid_valid) | (ssid << ssid_lsb) : W(0);
  return {W(op_atc_inv) | ssid_bits | (sid << sid_lsb),
          (address & W(~u64{page_bytes - 1})) | W(size_lg2)};
}

/// All that the device has cached with a PASID, whichever.
template <class W>
constexpr CommandOf<W> atc_inv_every_pasid(W sid) {
  return {W(op_atc_inv | global | ssid_valid) | (sid << sid_lsb), W(atc_size_all)};
}

/// Ends a stall: the access is made again, or aborted.
template <class W>
constexpr CommandOf<W> resume(W sid, W stag, bool retry) {
  return {W(op_resume | (retry ? resume_retry : resume_abort)) | (sid << sid_lsb), stag};
}

/// Of CMD_PRI_RESP, to a group of page requests. IHI 0070 4.5.2.
inline constexpr u64 pri_resp_failure = 0;
inline constexpr u64 pri_resp_invalid = 1;
inline constexpr u64 pri_resp_success = 2;

/// To the group with that index, of requests without a PASID.
template <class W>
constexpr CommandOf<W> pri_resp_without_pasid(W sid, W prg_index, u64 response) {
  return {W(op_pri_resp) | (sid << sid_lsb), prg_index | W(response << 12)};
}

/// To the group with that index of the PASID.
template <class W>
constexpr CommandOf<W> pri_resp(W sid, W pasid, W prg_index, u64 response) {
  return {W(op_pri_resp | ssid_valid) | (pasid << 12) | (sid << sid_lsb),
          prg_index | W(response << 12)};
}

/// All non-global entries and pointers of `asid`, VMID 0.
template <class W>
constexpr CommandOf<W> tlbi_nh_asid(W asid) {
  return {W(op_tlbi_nh_asid) | (asid << asid_lsb), W(0)};
}

/// One address, any granule, any level.
template <class W>
constexpr CommandOf<W> tlbi_nh_va(W asid, W iova, bool leaf) {
  return {W(op_tlbi_nh_va) | (asid << asid_lsb),
          (iova & W(~u64{page_bytes - 1})) | W(leaf ? 1 : 0)};
}

/// (num + 1) * 2^scale pages from `iova`, of a granule by log2 of its page; `ttl` 0 for any level.
/// num = scale = ttl = 0 is CERROR_ILL (arch 5.2) and has to be said with tlbi_nh_va.
template <class W>
constexpr CommandOf<W> tlbi_nh_va_range(W asid, W iova, W num, W scale, u64 ttl, bool leaf,
                                        unsigned page = page_lg2) {
  const u64 tg = u64{page - 10} / 2;  // 1: 4 KiB, 2: 16, 3: 64
  return {W(op_tlbi_nh_va) | (num << num_lsb) | (scale << scale_lsb) | (asid << asid_lsb),
          (iova & W(~u64{page_bytes - 1})) | W(tg << tg_lsb | ttl << ttl_lsb | (leaf ? 1 : 0))};
}

/// All of `vmid` but what is of stage 2 alone.
template <class W>
constexpr CommandOf<W> tlbi_nh_all(W vmid) {
  return {W(op_tlbi_nh_all) | (vmid << vmid_lsb), W(0)};
}

/// All of `vmid`, of each stage.
template <class W>
constexpr CommandOf<W> tlbi_s12_vmall(W vmid) {
  return {W(op_tlbi_s12_vmall) | (vmid << vmid_lsb), W(0)};
}

/// A command by address for stage 2 of `vmid`, from the same for an ASID: the fields of address,
/// range and level are where they are. IHI 0070 4.4.3.1.
template <class W>
constexpr CommandOf<W> as_s2_ipa(CommandOf<W> by_va, W vmid) {
  const W range = by_va.word0 & W(mask(31, 8));
  return {W(op_tlbi_s2_ipa) | range | (vmid << vmid_lsb), by_va.word1};
}

/// What a range command covers, in pages: the formula of 4.4.1.
template <class W>
constexpr W range_pages(W num, W scale) {
  return (num + W(1)) << scale;
}

constexpr Command tlbi_el2_all() { return {op_tlbi_el2_all, 0}; }
constexpr Command tlbi_nsnh_all() { return {op_tlbi_nsnh_all, 0}; }

/// CS = 0: completion is seen by CONS alone.
constexpr Command sync() { return {op_sync, 0}; }
/// CS = SIG_IRQ: and by `data`, which the SMMU writes to `pa`, aligned to 4 bytes, as to memory
/// that CPUs cache: normal, write-back, inner shareable.
constexpr Command sync_with_message(u64 pa, u32 data) {
  return {op_sync | u64{1} << 12 | u64{3} << 22 | u64{0xf} << 24 | u64{data} << 32, pa};
}

inline constexpr unsigned scale_max = 31;
inline constexpr u64 num_max = 31;

struct RangePiece {
  u64 num;
  u64 scale;
};

/// The next command of a range of `pages` (1 .. 2^36): the lowest five bits of the count from its
/// lowest set bit on, so that what is left is a multiple of 32 * 2^scale and later pieces have
/// greater scales. At most 8 commands for any range, which together cover exactly `pages`.
constexpr RangePiece next_piece(u64 pages) {
  const auto zeros = static_cast<unsigned>(std::countr_zero(pages));
  const unsigned scale = zeros < scale_max ? zeros : scale_max;
  return {((pages >> scale) - 1) & num_max, scale};  // 2^36 pages: 32 of the greatest scale
}

}  // namespace command
}  // namespace iommucheck::impl
