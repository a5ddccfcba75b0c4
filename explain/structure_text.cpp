// SPDX-License-Identifier: MIT
// IHI 0070 5.2, 5.4.
#include "explain/structure_text.h"

#include <fmt/format.h>

#include "spec/rules/structures.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/ste_legal.h"

namespace iommucheck::oracle {

std::string ste_fields(const spec::Ste<u64>& ste, unsigned word) {
  switch (word) {
    case 0:
      return fmt::format("V={:d} Config={:#05b} S1Fmt={} S1ContextPtr={:#x} S1CDMax={}",
                         ste.v().value, ste.config(), ste.s1fmt(), ste.s1contextptr(),
                         ste.s1cdmax());
    case 1:
      return fmt::format(
          "S1DSS={:#04b} MEV={:d} S1STALLD={:d} EATS={:#04b} STRW={:#04b} CONT={}{} "
          "PRIVCFG={:#04b} INSTCFG={:#04b}",
          ste.s1dss(), ste.mev().value, ste.s1stalld().value, ste.eats(), ste.strw(), ste.cont(),
          ste.cont() == 0 ? "" : fmt::format(" (alike: {} StreamIDs)", u64{1} << ste.cont()),
          ste.privcfg(), ste.instcfg());
    case 2:
      return fmt::format(
          "S2VMID={:#x} S2T0SZ={} S2SL0={} S2TG={} S2PS={} S2AA64={:d} S2S={:d} S2R={:d} S2HA={:d} "
          "S2HD={:d}",
          ste.s2vmid(), ste.s2t0sz(), ste.s2sl0(), ste.s2tg(), ste.s2ps(), ste.s2aa64().value,
          ste.s2s().value, ste.s2r().value, ste.s2ha().value, ste.s2hd().value);
    case 3: return fmt::format("S2TTB={:#x}", ste.s2ttb());
    default: return {};
  }
}

std::string cd_fields(const spec::Cd<u64>& cd, unsigned word) {
  switch (word) {
    case 0:
      return fmt::format(
          "V={:d} ASID={:#x} ASET={:d} T0SZ={} TG0={} EPD0={:d} T1SZ={} TG1={} EPD1={:d} IPS={} "
          "AA64={:d} A={:d} R={:d} S={:d} HA={:d} HD={:d}",
          cd.v().value, cd.asid(), cd.aset().value, cd.tsz(0), cd.tg(0), cd.epd(0).value, cd.tsz(1),
          cd.tg(1), cd.epd(1).value, cd.ips(), cd.aa64().value, cd.a().value, cd.r().value,
          cd.s().value, cd.ha().value, cd.hd().value);
    case 1: return fmt::format("TTB0={:#x}", cd.ttb(0));
    case 2: return fmt::format("TTB1={:#x}", cd.ttb(1));
    case 3: return fmt::format("MAIR={:#x}", cd.mair());
    default: return {};
  }
}

StructureMeaning meaning_of(const spec::Ste<u64>& ste, const spec::Capabilities& caps) {
  const spec::SteDecision decision = spec::decode_ste(ste, caps);
  switch (decision.kind) {
    case spec::SteKind::abort: return {"abort", spec::rule::STE_ABORT};
    case spec::SteKind::bypass: return {"bypass", spec::rule::STE_BYPASS};
    case spec::SteKind::stage1: return {"stage 1", spec::rule::STE_CONFIG_STAGE1};
    case spec::SteKind::stage2: return {"stage 2", spec::rule::STE_CONFIG_STAGE2};
    case spec::SteKind::nested: return {"nested", spec::rule::STE_CONFIG_STAGE2};
    case spec::SteKind::bad: break;
  }
  return {ste.v() ? "ILLEGAL" : "invalid", decision.rule, false};
}

StructureMeaning meaning_of(const spec::Cd<u64>& cd, const spec::Ste<u64>& ste,
                            const spec::Capabilities& caps) {
  if (const auto rule = spec::decode_cd(cd, ste, caps)) {
    return {cd.v() ? "ILLEGAL" : "invalid", *rule, false};
  }
  return {fmt::format("context of ASID {:#x}", cd.asid()), spec::rule::CD_VALID};
}

}  // namespace iommucheck::oracle
