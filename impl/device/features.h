// SPDX-License-Identifier: MIT
// What the model claims: each feature can be left out, and the ID registers say what is there.
// IHI 0070 6.3.1 to 6.3.8. What is not named here is not there: AArch32 tables, 52-bit addresses
// with 4 and 16 KiB granules, split-stage ATS, broadcast TLB maintenance,
// ATOS, MPAM, DPT, ECMDQ, Secure and Realm state.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/types.h"

namespace iommucheck::device {

enum class Stalls : u8 { optional = 0, never = 1, always = 2 };  ///< IDR0.STALL_MODEL

enum class Endian : u8 { both = 0, little = 2, big = 3 };  ///< IDR0.TTENDIAN

/// Names are the manual's; sizes are in bits, those of queues log2 of entries.
struct Features {
  unsigned minor = 3;  ///< SMMUv3.<minor>, 0 to 3
  bool s1p = true, s2p = true, hyp = true;
  bool cohacc = true;
  unsigned httu = 2;  ///< 0 none, 1 AF, 2 and dirty state, 3 and AF of tables
  bool ats = true, pri = true, atsrecerr = true, pps = false;
  bool asid16 = true, vmid16 = true, vmw = true;
  bool msi = true;
  bool cd2l = true, two_level_streams = true;
  Stalls stalls = Stalls::optional;
  bool term_model = false;  ///< all terminations are aborts
  unsigned sidsize = 16, ssidsize = 20;
  unsigned cmdqs = 19, eventqs = 19, priqs = 19;
  bool attr_perms_ovr = true;
  bool had = true, xnx = true, fwb = true, stt = true, ril = true, e0pd = true, epan = true;
  unsigned bbml = 2;
  unsigned oas = 48;  ///< 32, 36, 40, 42, 44, 48 or 52
  bool gran4k = true, gran16k = true, gran64k = true;
  Endian endian = Endian::both;  ///< of translation tables
  bool vax = false;              ///< 52-bit input addresses, of the 64 KiB granule
  unsigned stall_max = 16;
  friend bool operator==(const Features&, const Features&) = default;
};

/// IDR0 to IDR5, IIDR, AIDR, as they are read.
using IdWords = std::array<u32, 8>;
IdWords id_words(const Features& features);

/// What no SMMU claims, or the model cannot keep; nothing: Smmu takes them.
std::optional<std::string_view> wrong_with(const Features& features);

}  // namespace iommucheck::device
