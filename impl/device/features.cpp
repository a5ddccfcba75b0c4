// SPDX-License-Identifier: MIT
#include "impl/device/features.h"

#include <algorithm>

namespace iommucheck::device {

namespace {

constexpr std::array<unsigned, 7> sizes = {32, 36, 40, 42, 44, 48, 52};

u32 put(bool value, unsigned place) { return u32{value} << place; }
u32 put(unsigned value, unsigned place) { return u32{value} << place; }

u32 size_encoding(unsigned oas) {
  return static_cast<u32>(std::ranges::find(sizes, oas) - sizes.begin());
}

/// What a version makes mandatory, and what it does not have yet. IHI 0070 2.3 to 2.9, 6.3.4.
std::optional<std::string_view> wrong_version(const Features& f) {
  if (f.minor > 3) return "the model is of SMMUv3.0 to SMMUv3.3";
  if (f.minor >= 1 && ((f.s1p && !f.had) || (f.s2p && !f.xnx))) {
    return "HAD and XNX are mandatory from SMMUv3.1 on";
  }
  if (f.minor >= 2 && (!f.ril || !f.fwb || f.bbml == 0)) {
    return "RIL, FWB and BBML are mandatory from SMMUv3.2 on";
  }
  if (f.minor >= 2 && f.s1p && f.s2p && !f.hyp) return "Hyp is mandatory from SMMUv3.2 on";
  if (f.minor >= 3 && !f.e0pd) return "E0PD is mandatory from SMMUv3.3 on";
  if (f.minor < 1 && (f.xnx || f.ril || f.bbml != 0 || f.fwb || f.stt || f.vax || f.oas > 48)) {
    return "SMMUv3.0 has none of XNX, RIL, BBML, FWB, STT and 52 bits";
  }
  if (f.minor < 2 && (f.e0pd || f.atsrecerr)) return "E0PD and ATSRECERR come with SMMUv3.2";
  if (f.minor < 3 && (f.epan || f.httu == 3)) return "EPAN and HTTU = 3 come with SMMUv3.3";
  return std::nullopt;
}

}  // namespace

IdWords id_words(const Features& f) {
  IdWords id{};
  constexpr u32 aarch64 = 1U << 3;
  id[0] = put(f.s2p, 0) | put(f.s1p, 1) | aarch64 | put(f.cohacc, 4) | put(f.httu, 6) |
          put(f.hyp, 9) | put(f.ats, 10) | put(f.ats && f.s1p && f.s2p, 11) | put(f.asid16, 12) |
          put(f.msi, 13) | put(f.pri, 16) | put(f.vmw, 17) | put(f.vmid16, 18) | put(f.cd2l, 19) |
          put(static_cast<unsigned>(f.endian), 21) | put(f.atsrecerr, 23) |
          put(static_cast<unsigned>(f.stalls), 24) | put(f.term_model, 26) |
          put(f.two_level_streams, 27);
  id[1] = put(f.sidsize, 0) | put(f.ssidsize, 6) | put(f.pri ? f.priqs : 0, 11) |
          put(f.eventqs, 16) | put(f.cmdqs, 21) | put(f.attr_perms_ovr, 26);
  id[3] = put(f.had, 2) | put(f.xnx, 4) | put(f.pps, 5) | put(f.fwb, 8) | put(f.stt, 9) |
          put(f.ril, 10) | put(f.bbml, 11) | put(f.e0pd, 13) | put(f.minor >= 3 && f.s2p, 14) |
          put(f.epan, 17);
  id[5] = size_encoding(f.oas) | put(f.gran4k, 4) | put(f.gran16k, 5) | put(f.gran64k, 6) |
          put(f.vax, 10) | put(f.stalls == Stalls::never ? 0 : f.stall_max, 16);
  id[7] = f.minor;
  return id;
}

std::optional<std::string_view> wrong_with(const Features& f) {
  if (auto wrong = wrong_version(f)) return wrong;
  if (!f.s1p && !f.s2p) return "an SMMU has a stage";
  if (f.hyp && !(f.s1p && f.s2p)) return "Hyp needs both stages";
  if (f.vmw && !f.s2p) return "VMW needs stage 2";
  if (f.had && !f.s1p) return "HAD needs stage 1";
  if (f.httu > 3) return "HTTU is 0 to 3";
  if (f.bbml > 2) return "BBML is 0 to 2";
  if ((f.pri || f.atsrecerr) && !f.ats) return "PRI and ATSRECERR need ATS";
  if (f.pps && (!f.pri || f.ssidsize == 0)) return "PPS needs PRI and SubstreamIDs";
  if (f.sidsize > 32 || f.ssidsize > 20) return "SIDSIZE is 32 at most, SSIDSIZE 20";
  if (f.sidsize >= 7 && !f.two_level_streams) return "SIDSIZE from 7 on needs two-level tables";
  if (std::max({f.cmdqs, f.eventqs, f.priqs}) > 19) return "queues have 2^19 entries at most";
  if (std::ranges::find(sizes, f.oas) == sizes.end()) return "no OAS has so many bits";
  if (!f.gran4k && !f.gran16k && !f.gran64k) return "an SMMU has a granule";
  if ((f.oas == 52 || f.vax) && !f.gran64k) return "52 bits need the 64 KiB granule";
  if (f.stalls != Stalls::never && (f.stall_max == 0 || f.stall_max > 256)) {
    return "1 to 256 transactions may be stalled";
  }
  return std::nullopt;
}

}  // namespace iommucheck::device
