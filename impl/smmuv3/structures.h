// SPDX-License-Identifier: MIT
// The words of stream table entries and context descriptors, IHI 0070 chapter 5.
//
// In which steps one becomes another says hitless.h. Of an STE word 1 is a fact of the device, but
// for S1DSS, which says what stands beside a PASID table for accesses without a PASID, and what a
// user chooses. Words 2 and 3 name a table of stage 2, and the VMID of stage 1 alone, which is 0.
// Of a CD word 0 has most fields, words 1 and 2 the tables, word 3 the memory types. Words 4 to 7
// are 0.
#pragma once

#include "base/bits.h"
#include "base/types.h"
#include "impl/smmuv3/hitless.h"
#include "impl/smmuv3/registers.h"
#include "impl/vmsav8/descriptor.h"

namespace iommucheck::impl {

inline constexpr u64 ste_bytes = 64;
inline constexpr u64 cd_bytes = 64;
inline constexpr u64 structure_words = 8;

/// TG0 and S2TG, of a granule by log2 of its page.
constexpr u64 granule_code(unsigned page) { return page == 12 ? 0 : page == 16 ? 1 : 2; }

namespace ste {

inline constexpr u64 valid = 1;
inline constexpr u64 config_bypass = u64{4} << 1;
inline constexpr u64 config_stage1 = u64{5} << 1;
inline constexpr u64 config_stage2 = u64{6} << 1;
inline constexpr u64 config_nested = u64{7} << 1;

// S1DSS, in word 1. IHI 0070 5.2.
inline constexpr u64 s1dss_terminate = 0;  ///< F_STREAM_DISABLED
inline constexpr u64 s1dss_bypass = 1;
inline constexpr u64 s1dss_cd0 = 2;
inline constexpr u64 s1dss_mask = 3;

template <class W>
constexpr W with_s1dss(W word1, u64 s1dss) {
  return (word1 & W(~s1dss_mask)) | W(s1dss);
}

constexpr bool is_stage1(u64 word0) { return (word0 & (u64{7} << 1)) == config_stage1; }
/// Neither blocked nor bypass: then all of an STE counts, else word 0 and constants of word 1.
constexpr bool translates(u64 word0) { return (word0 >> 1 & 7) > 4; }

using hitless::Words;

/// V = 1, Config = 0: terminated, and no event (arch 2.4).
inline constexpr u64 blocked = valid;
inline constexpr u64 bypass = valid | config_bypass;

/// Stage 2, through the table that words 2 and 3 name.
inline constexpr u64 stage2 = valid | config_stage2;

/// S2VMID, S2T0SZ, S2SL0, S2TG; walks write-back inner shareable, AArch64 tables, faults terminate
/// and are recorded (S2R); `dirty_state`: what is written to is marked (S2HD, S2HA). `page`: log2
/// of the granule's.
template <class W>
constexpr W stage2_word2(W vmid, unsigned input_bits, unsigned page, u64 output_size,
                         bool dirty_state = false) {
  constexpr u64 s2ir0_wb = u64{1} << 40;
  constexpr u64 s2or0_wb = u64{1} << 42;
  constexpr u64 s2sh0_inner = u64{3} << 44;
  constexpr u64 s2aa64 = u64{1} << 51;
  constexpr u64 s2r = u64{1} << 58;
  constexpr u64 s2hd_s2ha = u64{3} << 55;
  const unsigned deepest = page == 12 ? 2 : 3;  // where S2SL0 = 0 starts
  const u64 s2sl0 = deepest - stage2_start_level(input_bits, page);
  return W((dirty_state ? s2hd_s2ha : 0) | (64 - u64{input_bits}) << 32 | s2sl0 << 38 | s2ir0_wb |
           s2or0_wb | s2sh0_inner | granule_code(page) << 46 | output_size << 48 | s2aa64 | s2r) |
         vmid;
}

/// Stage 1 through the one CD at `cd_pa` (64-byte aligned); S1CDMax = 0, so no PASIDs.
template <class W>
constexpr W stage1(W cd_pa) {
  return W(valid | config_stage1) | cd_pa;
}

/// Stage 1 through a table of 2^cdmax CDs (1..20), aligned to its size: linear, or the first level
/// of two, with leaves of 64 CDs. Accesses without a PASID use CD 0 (S1DSS, word 1).
template <class W>
constexpr W stage1_table(W table_pa, bool two_level, u64 cdmax) {
  constexpr u64 two_level_4k = u64{1} << 4;
  return W(valid | config_stage1 | (two_level ? two_level_4k : 0) | cdmax << 59) | table_pa;
}

/// CD fetches write-back and inner shareable, StreamWorld EL1, incoming shareability for bypass,
/// CD 0 for accesses
/// without a PASID until a route says otherwise. S1STALLD says that this stream never stalls; where
/// stalls do not exist it must be 0. EATS counts for stage 1 only, so that it may be set all the
/// time.
/// `requests`: it asks for pages, and responses that nobody but the SMMU gives have the PASID
/// (PPAR).
constexpr u64 word1(const Features& features, bool stalls = false, bool ats = false,
                    bool requests = false) {
  constexpr u64 s1cir_wb = u64{1} << 2;
  constexpr u64 s1cor_wb = u64{1} << 4;
  constexpr u64 s1csh_inner = u64{3} << 6;
  constexpr u64 s1stalld = u64{1} << 27;
  constexpr u64 ppar = u64{1} << 18;
  constexpr u64 shcfg_incoming = u64{1} << 44;
  constexpr u64 eats_full = u64{1} << 28;
  u64 word = s1dss_cd0 | s1cir_wb | s1cor_wb | s1csh_inner | shcfg_incoming;
  if (features.stall_model == 0 && !stalls) word |= s1stalld;
  if (features.ats && ats) word |= eats_full;
  const bool ppar_counts = features.ssid_bits != 0 && !features.pasid_on_overflow;
  if (features.page_requests && requests && ppar_counts) word |= ppar;
  return word;
}

}  // namespace ste

/// A level 1 stream table descriptor: 2^(span - 1) STEs at `l2_pa`.
constexpr u64 make_l1std(u64 l2_pa, u64 span) { return l2_pa | span; }

namespace cd {

using hitless::Words;

inline constexpr u64 valid = u64{1} << 31;
inline constexpr u64 epd0 = u64{1} << 14;
inline constexpr u64 epd1 = u64{1} << 30;
inline constexpr u64 stall = u64{1} << 44;

/// What differs between address spaces in word 0.
struct Kind {
  bool shared = false;       // the ASID is the CPUs', and their broadcasts may act on it
  bool waits = false;        // faults stall
  bool quiet = false;        // nothing is walked any more, faults end without a record
  bool dirty_state = false;  // what is written to is marked, where leaves say so
  unsigned page = page_lg2;  // log2 of the granule's
};

/// Word 0. TTB0 only (EPD1), walks write-back inner shareable, faults terminate (A) and are
/// recorded (R) unless they stall (S). `quiet` is EPD0 without R and S: a legal CD, whatever its
/// table, that fills nothing (arch 3.4, 7.6).
template <class W>
constexpr W word0(W asid, u64 input_bits, u64 output_size, Kind kind = {}) {
  constexpr u64 ir0_wb = u64{1} << 8;
  constexpr u64 or0_wb = u64{1} << 10;
  constexpr u64 sh0_inner = u64{3} << 12;
  constexpr u64 aa64 = u64{1} << 41;
  constexpr u64 hd_ha = u64{3} << 42;
  constexpr u64 record = u64{1} << 45;
  constexpr u64 abort = u64{1} << 46;
  constexpr u64 aset = u64{1} << 47;
  u64 flags = kind.quiet ? epd0 : record | (kind.waits ? stall : 0);
  if (!kind.shared) flags |= aset;
  if (kind.dirty_state) flags |= hd_ha;
  return W((64 - input_bits) | granule_code(kind.page) << 6 | ir0_wb | or0_wb | sh0_inner | epd1 |
           valid | output_size << 32 | aa64 | abort | flags) |
         (asid << 48);
}

/// Word 1 is TTB0 alone, word 3 MAIR.
template <class W>
constexpr W word1(W ttb0) {
  return ttb0;
}
inline constexpr u64 word3 = descriptor::mair;

}  // namespace cd
}  // namespace iommucheck::impl
