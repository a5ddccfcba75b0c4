// SPDX-License-Identifier: MIT
// Which ID registers no SMMU has: each statement is broken by one change of a legal device, and
// legal ones of all versions break none.
#include "spec/smmu/id_registers.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

namespace iommucheck::spec::smmu_id_registers_test {
namespace {

/// One that may exist: both stages, ATS and PRI, everything that its version makes mandatory.
IdRegisters legal(unsigned minor) {
  Capabilities c;
  c.minor = minor;
  c.s1p = c.s2p = c.aarch64 = true;
  c.hyp = true;
  c.ats = c.pri = true;
  c.had = c.xnx = minor >= 1;
  c.ril = c.fwb = minor >= 2;
  c.bbml = minor >= 2 ? 1 : 0;
  c.e0pd = minor >= 3;
  c.epan = minor >= 4;
  c.gran4k = c.gran64k = true;
  c.two_level_stream_table = true;
  c.sidsize = 16;
  c.ssidsize = 8;
  c.cmdqs = c.eventqs = c.priqs = 19;
  c.oas_lg2 = 48;
  return make_id_registers(c);
}

std::string texts(const IdRegisters& id) {
  std::string all;
  for (const IdInconsistency& one : id_inconsistencies(id)) {
    all += std::string(one.text) + " (" + std::string(one.section) + ")\n";
  }
  return all;
}

TEST(IdRegisters, LegalOnesOfEachVersionAreConsistent) {
  for (unsigned minor = 0; minor <= 4; ++minor) EXPECT_EQ(texts(legal(minor)), "") << minor;
  // Each version may have features of the next one: IHI 0070 2.9.
  IdRegisters id = legal(1);
  id.idr[3] |= 1U << 10 | 2U << 11 | 1U << 8;  // RIL, BBML = 2, FWB
  EXPECT_EQ(texts(id), "");
  id = legal(2);
  id.idr[3] |= 1U << 13;  // E0PD
  EXPECT_EQ(texts(id), "");
  id = legal(0);
  id.idr[3] |= 1U << 2;  // HAD is optional in v3.0
  EXPECT_EQ(texts(id), "");
  id = legal(3);
  id.idr[5] |= 1U << 7 | 1U << 10;  // DS and VAX
  id.idr[5] = static_cast<u32>(with_bits(id.idr[5], 2, 0, 6));
  EXPECT_EQ(texts(id), "");
  // PRIQS says nothing without PRI, a small SIDSIZE does without two levels.
  id = legal(3);
  id.idr[0] &= ~(1U << 16 | 3U << 27);
  id.idr[1] = (id.idr[1] & ~0x3fU) | 6 | 31U << 11;
  EXPECT_EQ(texts(id), "");
}

TEST(IdRegisters, OneStageIsEnough) {
  IdRegisters id = legal(3);
  id.idr[0] &= ~(1U << 0 | 1U << 9);  // S2P, Hyp
  id.idr[3] &= ~(1U << 14);           // PTWNNC
  EXPECT_EQ(texts(id), "");
  id = legal(3);
  id.idr[0] &= ~(1U << 1 | 1U << 9);  // S1P, Hyp
  id.idr[3] &= ~(1U << 2);            // HAD
  EXPECT_EQ(texts(id), "");
}

struct Wrong {
  const char* name;
  unsigned minor;
  std::function<void(IdRegisters&)> change;
  const char* text;
};

void set(u32& word, unsigned hi, unsigned lo, u64 value) {
  word = static_cast<u32>(with_bits(word, hi, lo, value));
}

const Wrong wrongs[] = {
    {"IDR3 = 0 in v3.3: HAD", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.HAD is 1"},
    {"IDR3 = 0 in v3.3: XNX", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.XNX is 1"},
    {"IDR3 = 0 in v3.3: RIL", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.RIL is 1"},
    {"IDR3 = 0 in v3.3: BBML", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.BBML is not 0b00"},
    {"IDR3 = 0 in v3.3: FWB", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.FWB is 1"},
    {"IDR3 = 0 in v3.3: E0PD", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.E0PD is 1"},
    {"IDR3 = 0 in v3.3: PTWNNC", 3, [](auto& i) { i.idr[3] = 0; }, "IDR3.PTWNNC is 1"},
    {"IDR3 = 0 in v3.4: MTEPERM", 4, [](auto& i) { i.idr[3] = 0; }, "IDR3.MTEPERM is 1"},
    {"Hyp", 2, [](auto& i) { set(i.idr[0], 9, 9, 0); }, "IDR0.Hyp is 1"},
    {"Hyp of one stage", 1, [](auto& i) { set(i.idr[0], 0, 0, 0); }, "IDR0.Hyp is 0"},
    {"no stage", 1, [](auto& i) { set(i.idr[0], 1, 0, 0); }, "S2P = 1 or both"},
    {"PRI alone", 1, [](auto& i) { set(i.idr[0], 10, 10, 0); }, "IDR0.PRI is 0"},
    {"ATSRECERR alone", 3,
     [](auto& i) {
       set(i.idr[0], 10, 10, 0);
       set(i.idr[0], 23, 23, 1);
     },
     "IDR0.ATSRECERR is 0 where"},
    {"NS1ATS", 1,
     [](auto& i) {
       set(i.idr[0], 10, 10, 0);
       set(i.idr[0], 11, 11, 1);
     },
     "IDR0.NS1ATS is 0"},
    {"VMW", 1,
     [](auto& i) {
       set(i.idr[0], 0, 0, 0);
       set(i.idr[0], 17, 17, 1);
     },
     "IDR0.VMW is 0"},
    {"VATOS", 1, [](auto& i) { set(i.idr[0], 20, 20, 1); }, "IDR0.VATOS is 0"},
    {"BA_VATOS", 1, [](auto& i) { i.idr[2] = 3; }, "IDR2.BA_VATOS is 0"},
    {"ST_LEVEL", 1, [](auto& i) { set(i.idr[0], 28, 27, 2); }, "IDR0.ST_LEVEL is 0b00 or 0b01"},
    {"linear only", 1, [](auto& i) { set(i.idr[0], 28, 27, 0); }, "IDR0.ST_LEVEL is not 0b00"},
    {"STALL_MODEL", 1, [](auto& i) { set(i.idr[0], 25, 24, 3); }, "IDR0.STALL_MODEL"},
    {"TTENDIAN", 1, [](auto& i) { set(i.idr[0], 22, 21, 1); }, "IDR0.TTENDIAN"},
    {"TTF", 1, [](auto& i) { set(i.idr[0], 3, 2, 0); }, "IDR0.TTF is not 0b00"},
    {"AArch32 without 4K", 1,
     [](auto& i) {
       set(i.idr[0], 2, 2, 1);
       set(i.idr[5], 4, 4, 0);
     },
     "IDR5.GRAN4K is 1"},
    {"SIDSIZE", 1, [](auto& i) { set(i.idr[1], 5, 0, 33); }, "IDR1.SIDSIZE"},
    {"SSIDSIZE", 1, [](auto& i) { set(i.idr[1], 10, 6, 21); }, "IDR1.SSIDSIZE"},
    {"PRIQS", 1, [](auto& i) { set(i.idr[1], 15, 11, 20); }, "IDR1.PRIQS"},
    {"EVENTQS", 1, [](auto& i) { set(i.idr[1], 20, 16, 20); }, "IDR1.EVENTQS"},
    {"CMDQS", 1, [](auto& i) { set(i.idr[1], 25, 21, 20); }, "IDR1.CMDQS"},
    {"REL", 1, [](auto& i) { set(i.idr[1], 28, 28, 1); }, "IDR1.REL"},
    {"ECMDQ", 3, [](auto& i) { set(i.idr[1], 31, 31, 1); }, "where IDR1.ECMDQ = 1"},
    {"early ECMDQ", 1,
     [](auto& i) {
       set(i.idr[1], 31, 31, 1);
       i.idr[0] |= 1U << 4 | 1U << 13;
     },
     "before SMMUv3.2"},
    {"early RIL", 0, [](auto& i) { set(i.idr[3], 10, 10, 1); }, "are 0 in SMMUv3.0"},
    {"early XNX", 0, [](auto& i) { set(i.idr[3], 4, 4, 1); }, "IDR3.XNX and PBHA"},
    {"early E0PD", 1, [](auto& i) { set(i.idr[3], 13, 13, 1); }, "before SMMUv3.2"},
    {"early EPAN", 2, [](auto& i) { set(i.idr[3], 17, 17, 1); }, "before SMMUv3.3"},
    {"early S1PI", 2, [](auto& i) { set(i.idr[3], 18, 18, 1); }, "before SMMUv3.3"},
    {"early DS", 2, [](auto& i) { set(i.idr[5], 7, 7, 1); }, "IDR5.DS and D128"},
    {"early HTTU", 2, [](auto& i) { set(i.idr[0], 7, 6, 3); }, "IDR0.HTTU"},
    {"BBML", 2, [](auto& i) { set(i.idr[3], 12, 11, 3); }, "IDR3.BBML is not 0b11"},
    {"HAD without S1P", 1, [](auto& i) { set(i.idr[0], 1, 1, 0); }, "IDR3.HAD is 0"},
    {"PBHA without HAD", 1,
     [](auto& i) {
       set(i.idr[3], 3, 3, 1);
       set(i.idr[3], 2, 2, 0);
     },
     "where IDR3.PBHA = 1"},
    {"PTWNNC without S2P", 3, [](auto& i) { set(i.idr[0], 0, 0, 0); }, "IDR3.PTWNNC is 0"},
    {"PPS", 1,
     [](auto& i) {
       set(i.idr[3], 5, 5, 1);
       set(i.idr[0], 16, 16, 0);
     },
     "IDR3.PPS is 0"},
    {"PASIDTT", 3,
     [](auto& i) {
       set(i.idr[3], 16, 16, 1);
       set(i.idr[1], 10, 6, 0);
     },
     "IDR3.PASIDTT is 0"},
    {"DPT", 3,
     [](auto& i) {
       set(i.idr[3], 15, 15, 1);
       set(i.idr[0], 10, 10, 0);
     },
     "IDR0.ATS is 1 where IDR3.DPT = 1"},
    {"DPT with AArch32", 3,
     [](auto& i) {
       set(i.idr[3], 15, 15, 1);
       set(i.idr[0], 2, 2, 1);
     },
     "IDR0.TTF[0] is 0"},
    {"S1PI without S1P", 3,
     [](auto& i) {
       set(i.idr[3], 18, 18, 1);
       set(i.idr[0], 1, 1, 0);
     },
     "IDR3.S1PI, THE and AIE are 0"},
    {"MTEPERM without S2P", 4, [](auto& i) { set(i.idr[0], 0, 0, 0); }, "S2PI and MTEPERM are 0"},
    {"S2PO", 3, [](auto& i) { set(i.idr[3], 20, 20, 1); }, "where IDR3.S2PO = 1"},
    {"THE", 3, [](auto& i) { set(i.idr[3], 21, 21, 1); }, "where IDR3.THE"},
    {"OAS 52 in v3.0", 0, [](auto& i) { set(i.idr[5], 2, 0, 6); }, "0b110 in SMMUv3.0"},
    {"OAS 56 in v3.3", 3, [](auto& i) { set(i.idr[5], 2, 0, 7); }, "0b111 before"},
    {"OAS 56", 4, [](auto& i) { set(i.idr[5], 2, 0, 7); }, "where OAS says 56"},
    {"OAS 52 with 4K", 3,
     [](auto& i) {
       set(i.idr[5], 2, 0, 6);
       set(i.idr[5], 6, 6, 0);
     },
     "only with GRAN64K"},
    {"VAX in v3.0", 0, [](auto& i) { set(i.idr[5], 11, 10, 1); }, "IDR5.VAX is 0 in SMMUv3.0"},
    {"VAX with 4K", 3,
     [](auto& i) {
       set(i.idr[5], 11, 10, 1);
       set(i.idr[5], 6, 6, 0);
     },
     "IDR5.VAX is 0 without GRAN64K"},
    {"VAX 56", 4, [](auto& i) { set(i.idr[5], 11, 10, 2); }, "VAX says 56"},
    {"VAX 3", 4, [](auto& i) { set(i.idr[5], 11, 10, 3); }, "IDR5.VAX is not 0b11"},
    {"DS without VAX", 3, [](auto& i) { set(i.idr[5], 7, 7, 1); }, "IDR5.VAX is not 0 where"},
    {"DS with 64K", 3,
     [](auto& i) {
       set(i.idr[5], 7, 7, 1);
       set(i.idr[5], 4, 4, 0);
     },
     "IDR5.DS is 0 without"},
    {"D128 alone", 4, [](auto& i) { set(i.idr[5], 8, 8, 1); }, "S1PI and AIE are 1"},
    {"D128 alone, stage 2", 4, [](auto& i) { set(i.idr[5], 8, 8, 1); }, "S2PI, S2PO and MTEPERM"},
    {"D128 and AArch32", 4,
     [](auto& i) {
       set(i.idr[5], 8, 8, 1);
       set(i.idr[0], 2, 2, 1);
     },
     "IDR0.TTF is 0b10"},
};

TEST(IdRegisters, EachStatementIsBrokenByWhatContradictsIt) {
  for (const Wrong& wrong : wrongs) {
    IdRegisters id = legal(wrong.minor);
    wrong.change(id);
    EXPECT_NE(texts(id).find(wrong.text), std::string::npos) << wrong.name << ":\n" << texts(id);
  }
}

/// Encodings that are reserved now may mean something in a version that is not described here.
TEST(IdRegisters, ReservedEncodingsOfLaterVersionsAreNotJudged) {
  IdRegisters id = legal(4);
  set(id.idr[3], 12, 11, 3);
  EXPECT_NE(texts(id), "");
  id.aidr = 5;
  EXPECT_EQ(texts(id), "");
}

/// What the minor revision says is judged all the same.
TEST(IdRegisters, AnotherMajorRevisionIsReserved) {
  IdRegisters id = legal(4);
  id.aidr |= 0x30;
  EXPECT_NE(texts(id).find("AIDR.ArchMajorRev is 0b0000"), std::string::npos);
  EXPECT_EQ(texts(id).find("from SMMUv3"), std::string::npos) << texts(id);
}

TEST(IdRegisters, GarbageIsJudgedAndNoStatementStandsTwice) {
  std::mt19937 random(11);
  for (unsigned n = 0; n < 2000; ++n) {
    IdRegisters id;
    for (u32& word : id.idr) word = static_cast<u32>(random());
    id.aidr = static_cast<u32>(random() % 5);
    const std::vector<IdInconsistency> found = id_inconsistencies(id);
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) EXPECT_NE(found[i].text, found[k].text);
    }
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_id_registers_test
