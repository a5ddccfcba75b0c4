// SPDX-License-Identifier: MIT
// What an STE and a CD come to: decoded once, cached by StreamID and SubstreamID, looked at by
// every access. IHI 0070 5.2, 5.4; what makes them ILLEGAL 5.2.2, 5.4.1.
#pragma once

#include <array>

#include "impl/device/fault.h"
#include "impl/device/features.h"
#include "impl/device/granule.h"

namespace iommucheck::device {

using Words = std::array<u64, 8>;

/// Non-secure StreamWorlds.
enum class World : u8 { el1 = 0, el2 = 1, el2_e2h = 2 };

/// How a fault ends: CD.S, R, A or STE.S2S, S2R.
struct Reaction {
  bool stall = false, record = true, abort = true;
};

/// One half of stage 1, or stage 2: a root and its geometry.
struct Tables {
  u64 root = 0;    ///< the first table
  u64 beyond = 0;  ///< bits of an input address that have to be as in `above`
  u64 above = 0;
  PageLg2 page = 12;
  u8 start = 0;  ///< level of the first table
  u8 input = 0;  ///< bits of the input address
  bool off = true;
  bool had = false, e0pd = false;
};

struct Stage1 {
  std::array<Tables, 2> half{};
  u64 mair = 0;
  u8 output = 48;    ///< bits of an output address
  bool big = false;  ///< descriptors are big-endian
  bool affd = false, ha = false, hd = false, haft = false, wxn = false, pan = false, epan = false;
  Reaction reaction;
};

struct Stage2 {
  Tables tables;
  u8 output = 48;
  bool big = false;
  bool affd = false, ha = false, hd = false, haft = false, ptw = false, fwb = false;
  Reaction reaction;
};

/// Tags of TLB entries, IHI 0070 3.17, 16.2. Two words are equal where an entry may be used.
namespace tag {
inline constexpr u64 valid = 1, global = 2, aset = 4, stage2 = 8, table = 16;
inline constexpr unsigned world = 5, page = 7, level = 9, size = 11, vmid = 16, asid = 32;
constexpr u64 base(World w, u64 vmid_) { return valid | u64(w) << world | vmid_ << vmid; }
constexpr u64 of_page(unsigned lg2) { return u64{(lg2 - 12) / 2} << page; }
}  // namespace tag

/// `event`: what every access that looks it up ends with.
struct Context {
  enum class Way : u8 { abort, bypass, translate };
  Way way = Way::abort;
  bool stage1 = false, stage2 = false;
  bool two_halves = false, one_privilege = false, xnx = false;
  bool skips_stage1 = false;  ///< by S1DSS
  bool ats = false;           ///< the effective EATS is full ATS
  u8 privcfg = 0, instcfg = 0;
  World world = World::el1;
  u16 vmid = 0;
  u64 own_tag = 0, global_tag = 0;  ///< of entries of stage 1; of stage 2 alone `stage2_tag`
  u64 stage2_tag = 0;
  Stage1 s1;
  Stage2 s2;

  /// PRIVCFG and INSTCFG. IHI 0070 13.1.2, 13.4.
  [[nodiscard]] Kind effective(Kind kind) const {
    if (privcfg >= 2) kind.privileged = privcfg == 3;
    if (instcfg >= 2 && kind.type != Type::write) {
      kind.type = instcfg == 3 ? Type::execute : Type::read;
    }
    return kind;
  }
};

/// What registers say beside structures.
struct Decoding {
  Features features;
  bool e2h = false;
};

/// The stream's part of a Context. False: the STE is ILLEGAL, or V = 0.
bool decode_ste(const Words& ste, const Decoding& by, Context& out);

/// Which CD an access of a stream with stage 1 uses. IHI 0070 3.9, 5.2 (S1DSS).
struct CdChoice {
  Event event = Event::none;  ///< C_BAD_SUBSTREAMID, F_STREAM_DISABLED
  bool bypass = false;        ///< by S1DSS
  u32 number = 0;
};
CdChoice choose_cd(const Words& ste, const Features& features, bool ssv, u32 ssid);

/// Bits of a SubstreamID that its second-level table resolves; 0: the table is linear.
unsigned cd_leaf_bits(const Words& ste, const Features& features);

/// The CD's part. False: it is ILLEGAL, or V = 0.
bool decode_cd(const Words& cd, const Words& ste, const Decoding& by, Context& out);

}  // namespace iommucheck::device
