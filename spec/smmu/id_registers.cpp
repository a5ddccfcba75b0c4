// SPDX-License-Identifier: MIT
#include "spec/smmu/id_registers.h"

#include <utility>

namespace iommucheck::spec {
namespace {

/// Fields as the registers have them; Capabilities has only those that decide something here.
struct IdFields {
  unsigned major = 0;    ///< AIDR.ArchMajorRev
  unsigned version = 0;  ///< 3.<version>
  bool s1p, s2p, ttf_aarch32, ttf_aarch64, cohacc, hyp, ats, ns1ats, msi, atos, pri, vmw, vatos,
      atsrecerr, rme_impl;
  unsigned httu, ttendian, stall_model, st_level;
  unsigned sidsize, ssidsize, priqs, eventqs, cmdqs;
  bool rel, queues_preset, tables_preset, ecmdq;
  unsigned ba_vatos;
  bool had, pbha, xnx, pps, mpam, fwb, stt, ril, e0pd, ptwnnc, dpt, pasidtt, epan, s1pi, s2pi, s2po,
      the, mteperm, aie;
  unsigned bbml;
  unsigned oas, vax;
  bool gran4k, gran16k, gran64k, ds, d128;
};

constexpr unsigned latest = 4;  // the latest version that the manual describes

unsigned id_field(u32 word, unsigned hi, unsigned lo) {
  return static_cast<unsigned>(bits(word, hi, lo));
}

void read_idr0(IdFields& f, u32 w) {
  f.s2p = bit(w, 0);
  f.s1p = bit(w, 1);
  f.ttf_aarch32 = bit(w, 2);
  f.ttf_aarch64 = bit(w, 3);
  f.cohacc = bit(w, 4);
  f.httu = id_field(w, 7, 6);
  f.hyp = bit(w, 9);
  f.ats = bit(w, 10);
  f.ns1ats = bit(w, 11);
  f.msi = bit(w, 13);
  f.atos = bit(w, 15);
  f.pri = bit(w, 16);
  f.vmw = bit(w, 17);
  f.vatos = bit(w, 20);
  f.ttendian = id_field(w, 22, 21);
  f.atsrecerr = bit(w, 23);
  f.stall_model = id_field(w, 25, 24);
  f.st_level = id_field(w, 28, 27);
  f.rme_impl = bit(w, 30);
}

void read_idr1_2(IdFields& f, u32 idr1, u32 idr2) {
  f.sidsize = id_field(idr1, 5, 0);
  f.ssidsize = id_field(idr1, 10, 6);
  f.priqs = id_field(idr1, 15, 11);
  f.eventqs = id_field(idr1, 20, 16);
  f.cmdqs = id_field(idr1, 25, 21);
  f.rel = bit(idr1, 28);
  f.queues_preset = bit(idr1, 29);
  f.tables_preset = bit(idr1, 30);
  f.ecmdq = bit(idr1, 31);
  f.ba_vatos = id_field(idr2, 9, 0);
}

void read_idr3(IdFields& f, u32 w) {
  f.had = bit(w, 2);
  f.pbha = bit(w, 3);
  f.xnx = bit(w, 4);
  f.pps = bit(w, 5);
  f.mpam = bit(w, 7);
  f.fwb = bit(w, 8);
  f.stt = bit(w, 9);
  f.ril = bit(w, 10);
  f.bbml = id_field(w, 12, 11);
  f.e0pd = bit(w, 13);
  f.ptwnnc = bit(w, 14);
  f.dpt = bit(w, 15);
  f.pasidtt = bit(w, 16);
  f.epan = bit(w, 17);
  f.s1pi = bit(w, 18);
  f.s2pi = bit(w, 19);
  f.s2po = bit(w, 20);
  f.the = bit(w, 21);
  f.mteperm = bit(w, 22);
  f.aie = bit(w, 23);
}

void read_idr5(IdFields& f, u32 w) {
  f.oas = id_field(w, 2, 0);
  f.gran4k = bit(w, 4);
  f.gran16k = bit(w, 5);
  f.gran64k = bit(w, 6);
  f.ds = bit(w, 7);
  f.d128 = bit(w, 8);
  f.vax = id_field(w, 11, 10);
}

IdFields fields_of(const IdRegisters& id) {
  IdFields f{};
  f.major = id_field(id.aidr, 7, 4);
  f.version = id_field(id.aidr, 3, 0);
  read_idr0(f, id.idr[0]);
  read_idr1_2(f, id.idr[1], id.idr[2]);
  read_idr3(f, id.idr[3]);
  read_idr5(f, id.idr[5]);
  return f;
}

class Checks {
 public:
  explicit Checks(const IdRegisters& id) : f_(fields_of(id)) {}

  std::vector<IdInconsistency> run() {
    must(f_.major == 0, "6.3.8 (ArchMajorRev)", "AIDR.ArchMajorRev is 0b0000, SMMUv3");
    if (f_.version <= latest) encodings();
    sizes();
    mandatory();
    not_yet();
    stages();
    ats();
    queues_and_tables();
    addresses();
    later_formats();
    return std::move(found_);
  }

 private:
  void must(bool holds, std::string_view section, std::string_view text) {
    if (!holds) found_.push_back({text, section});
  }
  [[nodiscard]] bool from(unsigned minor) const { return f_.version >= minor; }

  void encodings() {
    must(f_.st_level <= 1, "6.3.1 (ST_LEVEL)", "IDR0.ST_LEVEL is 0b00 or 0b01");
    must(f_.stall_model != 3, "6.3.1 (STALL_MODEL)", "IDR0.STALL_MODEL is not 0b11");
    must(f_.ttendian != 1, "6.3.1 (TTENDIAN)", "IDR0.TTENDIAN is not 0b01");
    must(f_.ttf_aarch32 || f_.ttf_aarch64, "6.3.1 (TTF)", "IDR0.TTF is not 0b00");
    must(f_.bbml != 3, "6.3.4 (BBML)", "IDR3.BBML is not 0b11");
    must(f_.vax != 3, "6.3.6 (VAX)", "IDR5.VAX is not 0b11");
    must(f_.oas != 7 || from(latest), "6.3.6 (OAS)", "IDR5.OAS is not 0b111 before SMMUv3.4");
    must(f_.oas != 6 || from(1), "6.3.6 (OAS)", "IDR5.OAS is not 0b110 in SMMUv3.0");
  }

  void sizes() {
    must(f_.sidsize <= 32, "6.3.2 (SIDSIZE)", "IDR1.SIDSIZE is at most 32");
    must(f_.ssidsize <= 20, "6.3.2 (SSIDSIZE)", "IDR1.SSIDSIZE is at most 20");
    must(f_.cmdqs <= 19, "6.3.2 (CMDQS)", "IDR1.CMDQS is at most 19");
    must(f_.eventqs <= 19, "6.3.2 (EVENTQS)", "IDR1.EVENTQS is at most 19");
    must(f_.priqs <= 19 || !f_.pri, "6.3.2 (PRIQS)", "IDR1.PRIQS is at most 19");
    must(f_.sidsize < 7 || f_.st_level != 0, "6.3.2 (SIDSIZE)",
         "IDR0.ST_LEVEL is not 0b00 where IDR1.SIDSIZE is 7 or more");
  }

  /// What each version has to have. EPAN is left out: 2.8 calls it optional, 6.3.4 does not.
  void mandatory() {
    must(!from(1) || !f_.s1p || f_.had, "6.3.4 (HAD)",
         "IDR3.HAD is 1 from SMMUv3.1 on where IDR0.S1P = 1");
    must(!from(1) || !f_.s2p || f_.xnx, "6.3.4 (XNX)",
         "IDR3.XNX is 1 from SMMUv3.1 on where IDR0.S2P = 1");
    must(!from(2) || f_.ril, "6.3.4 (RIL), 4.4.1", "IDR3.RIL is 1 from SMMUv3.2 on");
    must(!from(2) || f_.bbml != 0, "6.3.4 (BBML)", "IDR3.BBML is not 0b00 from SMMUv3.2 on");
    must(!from(2) || f_.fwb, "6.3.4 (FWB)", "IDR3.FWB is 1 from SMMUv3.2 on");
    must(!from(2) || !f_.s1p || !f_.s2p || f_.hyp, "6.3.1 (Hyp)",
         "IDR0.Hyp is 1 from SMMUv3.2 on where both stages are there");
    must(!from(3) || f_.e0pd, "6.3.4 (E0PD)", "IDR3.E0PD is 1 from SMMUv3.3 on");
    must(!from(3) || !f_.s2p || f_.ptwnnc, "6.3.4 (PTWNNC)",
         "IDR3.PTWNNC is 1 from SMMUv3.3 on where IDR0.S2P = 1");
    must(!from(4) || !f_.s2p || f_.mteperm, "6.3.4 (MTEPERM)",
         "IDR3.MTEPERM is 1 from SMMUv3.4 on where IDR0.S2P = 1");
  }

  /// A version may have features of the next one, and none of later ones: 2.9. Which are whose:
  /// 2.3 to 2.8.
  void not_yet() {
    must(from(1) || (!f_.xnx && !f_.pbha), "6.3.4 (XNX, PBHA)",
         "IDR3.XNX and PBHA are 0 in SMMUv3.0");
    must(from(1) || f_.vax == 0, "6.3.6 (VAX)", "IDR5.VAX is 0 in SMMUv3.0");
    must(from(1) || (!f_.ril && f_.bbml == 0 && !f_.fwb && !f_.stt && !f_.mpam), "2.9, 2.4",
         "IDR3.RIL, BBML, FWB, STT and MPAM, features of SMMUv3.2, are 0 in SMMUv3.0");
    must(from(2) || (!f_.e0pd && !f_.ptwnnc && !f_.dpt), "2.9, 2.5, 2.7",
         "IDR3.E0PD, PTWNNC and DPT, features of SMMUv3.3, are 0 before SMMUv3.2");
    must(from(2) || (!f_.ecmdq && !f_.atsrecerr && !f_.rme_impl), "2.9, 2.5, 2.6",
         "IDR1.ECMDQ, IDR0.ATSRECERR and RME_IMPL, features of SMMUv3.3, are 0 before SMMUv3.2");
    must(from(3) || (!f_.epan && !f_.pasidtt && !f_.mteperm), "2.9, 2.8",
         "IDR3.EPAN, PASIDTT and MTEPERM, features of SMMUv3.4, are 0 before SMMUv3.3");
    must(from(3) || (!f_.s1pi && !f_.s2pi && !f_.s2po && !f_.the && !f_.aie), "2.9, 2.8",
         "IDR3.S1PI, S2PI, S2PO, THE and AIE, features of SMMUv3.4, are 0 before SMMUv3.3");
    must(from(3) || (!f_.ds && !f_.d128), "2.9, 2.8",
         "IDR5.DS and D128, features of SMMUv3.4, are 0 before SMMUv3.3");
    must(from(3) || f_.httu != 3, "2.9, 2.8",
         "IDR0.HTTU is not 0b11, a feature of SMMUv3.4, before SMMUv3.3");
  }

  void stages() {
    must(f_.s1p || f_.s2p, "3.3.3", "IDR0 has S1P = 1, S2P = 1 or both");
    must(!f_.hyp || (f_.s1p && f_.s2p), "6.3.1 (Hyp)", "IDR0.Hyp is 0 without both stages");
    must(!f_.vmw || f_.s2p, "6.3.1 (VMW)", "IDR0.VMW is 0 where IDR0.S2P = 0");
    must(!f_.had || f_.s1p, "6.3.4 (HAD)", "IDR3.HAD is 0 where IDR0.S1P = 0");
    must(!f_.pbha || f_.had, "6.3.4 (PBHA)", "IDR3.HAD is 1 where IDR3.PBHA = 1");
    must(!f_.ptwnnc || f_.s2p, "6.3.4 (PTWNNC)", "IDR3.PTWNNC is 0 where IDR0.S2P = 0");
    must(!f_.vatos || (f_.atos && f_.s1p && f_.s2p), "6.3.1 (VATOS)",
         "IDR0.VATOS is 0 without ATOS or without both stages");
    must(f_.ba_vatos == 0 || f_.vatos, "6.3.3 (BA_VATOS)", "IDR2.BA_VATOS is 0 where VATOS = 0");
  }

  void ats() {
    must(!f_.pri || f_.ats, "6.3.1 (PRI)", "IDR0.PRI is 0 where IDR0.ATS = 0");
    must(!f_.atsrecerr || f_.ats, "6.3.1 (ATSRECERR)", "IDR0.ATSRECERR is 0 where IDR0.ATS = 0");
    must(!f_.ns1ats || (f_.ats && f_.s1p && f_.s2p), "6.3.1 (NS1ATS)",
         "IDR0.NS1ATS is 0 without ATS or without both stages");
    must(!f_.dpt || f_.ats, "6.3.4 (DPT)", "IDR0.ATS is 1 where IDR3.DPT = 1");
    must(!f_.dpt || !f_.ttf_aarch32, "6.3.1 (TTF)", "IDR0.TTF[0] is 0 where IDR3.DPT = 1");
    must(!f_.pps || (f_.pri && f_.ssidsize != 0), "6.3.4 (PPS)",
         "IDR3.PPS is 0 without PRI or SubstreamIDs");
    must(!f_.pasidtt || (f_.ats && f_.ssidsize != 0), "6.3.4 (PASIDTT)",
         "IDR3.PASIDTT is 0 without ATS or SubstreamIDs");
  }

  void queues_and_tables() {
    must(!f_.ecmdq || (f_.cohacc && f_.msi && !f_.queues_preset), "6.3.2 (ECMDQ)",
         "IDR0.COHACC and MSI are 1 and IDR1.QUEUES_PRESET is 0 where IDR1.ECMDQ = 1");
    must(!f_.rel || f_.queues_preset || f_.tables_preset, "6.3.2 (REL)",
         "IDR1.REL is 0 where nothing is preset");
  }

  void addresses() {
    const bool small = f_.gran4k || f_.gran16k;
    must(!f_.ttf_aarch32 || f_.gran4k, "6.3.6 (GRAN4K)",
         "IDR5.GRAN4K is 1 where IDR0.TTF has VMSAv8-32 LPAE tables");
    must(f_.vax == 0 || f_.gran64k || (f_.ds && small), "6.3.6 (VAX)",
         "IDR5.VAX is 0 without GRAN64K, or DS with GRAN4K or GRAN16K");
    must(f_.vax != 2 || f_.d128, "6.3.6 (VAX)", "IDR5.D128 is 1 where VAX says 56 bits");
    must(!f_.ds || small, "6.3.6 (DS)", "IDR5.DS is 0 without GRAN4K and GRAN16K");
    must(!f_.ds || f_.vax != 0, "6.3.6 (DS)", "IDR5.VAX is not 0 where IDR5.DS = 1");
    must(f_.oas != 6 || f_.gran64k || f_.ds || f_.d128, "6.3.6 (OAS)",
         "IDR5.OAS is 0b110 only with GRAN64K, DS or D128");
    must(f_.oas != 7 || f_.d128, "6.3.6 (OAS)", "IDR5.D128 is 1 where OAS says 56 bits");
  }

  void later_formats() {
    must(f_.s1p || (!f_.s1pi && !f_.the && !f_.aie), "6.3.4 (S1PI, THE, AIE)",
         "IDR3.S1PI, THE and AIE are 0 where IDR0.S1P = 0");
    must(f_.s2p || (!f_.s2pi && !f_.mteperm), "6.3.4 (S2PI, MTEPERM)",
         "IDR3.S2PI and MTEPERM are 0 where IDR0.S2P = 0");
    must(!f_.s2po || f_.s2pi, "6.3.4 (S2PO)", "IDR3.S2PI is 1 where IDR3.S2PO = 1");
    must(!f_.the || !f_.s2p || f_.s2pi, "6.3.4 (THE)",
         "IDR3.S2PI is 1 where IDR3.THE and IDR0.S2P are 1");
    if (!f_.d128) return;
    must(f_.ttf_aarch64 && !f_.ttf_aarch32, "6.3.6 (D128)", "IDR0.TTF is 0b10 where D128 = 1");
    must(!f_.s1p || (f_.s1pi && f_.aie), "6.3.6 (D128), 6.3.4",
         "IDR3.S1PI and AIE are 1 where IDR5.D128 and IDR0.S1P are 1");
    must(!f_.s2p || (f_.s2pi && f_.s2po && f_.mteperm), "6.3.6 (D128), 6.3.4",
         "IDR3.S2PI, S2PO and MTEPERM are 1 where IDR5.D128 and IDR0.S2P are 1");
  }

  IdFields f_;
  std::vector<IdInconsistency> found_;
};

}  // namespace

std::vector<IdInconsistency> id_inconsistencies(const IdRegisters& id) { return Checks(id).run(); }

}  // namespace iommucheck::spec
