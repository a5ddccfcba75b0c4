// SPDX-License-Identifier: MIT
// Which STEs and CDs are ILLEGAL, of five machines: exactly those of which an independent table
// says so, and the others are what their fields say. IHI 0070 5.2, 5.2.2, 5.4, 5.4.1. The code:
// decode_ste(), decode_cd().
#include "proofs/properties.h"
#include "proofs/structure_table.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/ste_legal.h"

namespace iommucheck::proofs {
namespace {

spec::Capabilities capabilities_of(const MachineBits& m) {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.aarch64 = true;
  caps.s1p = m.s1p;
  caps.s2p = m.s2p;
  caps.hyp = m.hyp;
  caps.ats = m.ats;
  caps.ns1ats = m.ns1ats;
  caps.vmid16 = m.vmid16;
  caps.asid16 = m.asid16;
  caps.cd2l = m.cd2l;
  caps.term_model = m.term;
  caps.stt = m.stt;
  caps.ssidsize = m.ssidsize;
  caps.httu = m.httu;
  caps.stall_model = static_cast<spec::StallModel>(m.stall);
  caps.ttendian = m.ttendian;
  caps.vax = m.vax;
  caps.oas_lg2 = m.oas;
  caps.gran4k = m.g4k;
  caps.gran16k = m.g16k;
  caps.gran64k = m.g64k;
  return caps;
}

/// The machine that the variable says. Nothing: none of them, which the assumption excludes.
template <class Proof>
std::optional<unsigned> machine_of(Proof& proof) {
  using W = typename Proof::W;
  const W machine = proof.variable("machine");
  for (unsigned i = 0; i < std::size(machines); ++i) {
    if (equal(machine, W(i))) return i;
  }
  return std::nullopt;
}

template <class Structure, class Proof>
Structure structure_of(Proof& proof, const char* name) {
  Structure structure;
  for (unsigned i = 0; i < 4; ++i) {
    structure.dw[i] = proof.variable(std::string(name) + std::to_string(i));
  }
  return structure;
}

template <class W>
std::array<W, 4> first_of(const std::array<W, 8>& dw) {
  return {dw[0], dw[1], dw[2], dw[3]};
}

struct SteLegal {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    proof.assume(less(proof.variable("machine"), W(std::size(machines))));
    const auto ste = structure_of<spec::Ste<W>>(proof, "ste");
    const auto machine = machine_of(proof);
    if (!machine) return;
    const StructureTable<W> table{machines[*machine], first_of(ste.dw)};
    const auto kind = spec::decode_ste(ste, capabilities_of(machines[*machine])).kind;
    const Flag<W> bad = table.ste_illegal();
    const Flag<W> translates = table.on(0, 3);
    switch (kind) {
      case spec::SteKind::bad: proof.claim("ILLEGAL: only where a row says so", bad); break;
      case spec::SteKind::abort: proof.claim("abort: Config is 0b0xx", (!bad) & !translates); break;
      default: {
        const bool one = kind == spec::SteKind::stage1 || kind == spec::SteKind::nested;
        const bool two = kind == spec::SteKind::stage2 || kind == spec::SteKind::nested;
        proof.claim("legal: no row is against it, and it has the stages of Config",
                    (!bad) & translates & Flag<W>(table.on(0, 1) == Flag<W>(one)) &
                        Flag<W>(table.on(0, 2) == Flag<W>(two)));
      }
    }
  }
};

struct CdLegal {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W world = proof.variable("world"), above = proof.variable("ste");
    proof.assume(less(proof.variable("machine"), W(std::size(machines))));
    proof.assume(less(world, W(4)));
    const auto cd = structure_of<spec::Cd<W>>(proof, "cd");
    const auto machine = machine_of(proof);
    if (!machine) return;
    const MachineBits& m = machines[*machine];
    // EL1 alone, EL2, EL2-E2H, EL1 above stage 2, whose tables may be AArch32's.
    unsigned w = 3;
    for (unsigned i = 0; i < 3; ++i) {
      if (equal(world, W(i))) {
        w = i;
        break;
      }
    }
    const bool el2 = (w == 1 || w == 2) && m.hyp && m.s1p;
    const bool aarch64 = w != 3 || static_cast<bool>(flag(above, 1));
    spec::Ste<W> ste;
    ste.dw[0] = W(1 | (w == 3 ? u64{7} : u64{5}) << 1);
    ste.dw[1] =
        select(flag(above, 0), W(u64{1} << 27), W(0)) | W(u64{w == 1 || w == 2 ? 2U : 0U} << 30);
    ste.dw[2] = W(u64{aarch64} << 51);
    const bool legal = !spec::decode_cd(cd, ste, capabilities_of(m), w == 2);
    const StructureTable<W> table{m, first_of(cd.dw)};
    const Flag<W> bad = table.cd_illegal(
        {.halves = !el2 || w == 2, .aarch64 = aarch64, .s1stalld = flag(above, 0)});
    if (legal) {
      proof.claim("legal: no row is against it", !bad);
    } else {
      proof.claim("ILLEGAL: only where a row says so", bad);
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(ste_legal)() {
  return make_property("ste-legal",
                       "An STE is ILLEGAL exactly where an independent table of 5.2.2 says so.",
                       {"ILLEGAL: only where a row says so", "abort: Config is 0b0xx",
                        "legal: no row is against it, and it has the stages of Config"},
                       // The ends of a list of conditions, for each machine and Config.
                       219, SteLegal{});
}

Property IOMMUCHECK_PROPERTY(cd_legal)() {
  return make_property(
      "cd-legal", "A CD is ILLEGAL exactly where an independent table of 5.4.1 says so.",
      {"ILLEGAL: only where a row says so", "legal: no row is against it"},
      // Likewise; and each half with EPDx = 1, of the three page sizes, or of none.
      734, CdLegal{});
}

}  // namespace iommucheck::proofs
