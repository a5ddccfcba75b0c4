// SPDX-License-Identifier: MIT
#include "spec/smmu/registers.h"

#include <algorithm>

namespace iommucheck::spec {
namespace {

using enum RegisterAccess;

// Ascending by offset. GATOS, VATOS and the CoreSight IDs are left out: RES0 to this specification.
constexpr RegisterInfo registers[] = {
    {reg::idr0, 4, read_only, Guard::none, "IDR0"},
    {reg::idr1, 4, read_only, Guard::none, "IDR1"},
    {reg::idr2, 4, read_only, Guard::none, "IDR2"},
    {reg::idr3, 4, read_only, Guard::none, "IDR3"},
    {reg::idr4, 4, read_only, Guard::none, "IDR4"},
    {reg::idr5, 4, read_only, Guard::none, "IDR5"},
    {reg::iidr, 4, read_only, Guard::none, "IIDR"},
    {reg::aidr, 4, read_only, Guard::none, "AIDR"},
    {reg::cr0, 4, read_write, Guard::none, "CR0"},
    {reg::cr0ack, 4, read_only, Guard::none, "CR0ACK"},
    {reg::cr1, 4, read_write, Guard::queues, "CR1"},
    {reg::cr2, 4, read_write, Guard::smmuen, "CR2"},
    {reg::statusr, 4, read_only, Guard::none, "STATUSR"},
    {reg::gbpa, 4, read_write, Guard::own_update, "GBPA"},
    {reg::agbpa, 4, read_write, Guard::none, "AGBPA"},
    {reg::irq_ctrl, 4, read_write, Guard::none, "IRQ_CTRL"},
    {reg::irq_ctrlack, 4, read_only, Guard::none, "IRQ_CTRLACK"},
    {reg::gerror, 4, read_only, Guard::none, "GERROR"},
    {reg::gerrorn, 4, read_write, Guard::none, "GERRORN"},
    {reg::gerror_irq_cfg0, 8, read_write, Guard::gerror_irqen, "GERROR_IRQ_CFG0"},
    {reg::gerror_irq_cfg1, 4, read_write, Guard::gerror_irqen, "GERROR_IRQ_CFG1"},
    {reg::gerror_irq_cfg2, 4, read_write, Guard::gerror_irqen, "GERROR_IRQ_CFG2"},
    {reg::strtab_base, 8, read_write, Guard::smmuen, "STRTAB_BASE"},
    {reg::strtab_base_cfg, 4, read_write, Guard::smmuen, "STRTAB_BASE_CFG"},
    {reg::cmdq_base, 8, read_write, Guard::cmdqen, "CMDQ_BASE"},
    {reg::cmdq_prod, 4, read_write, Guard::none, "CMDQ_PROD"},
    {reg::cmdq_cons, 4, read_write, Guard::cmdqen, "CMDQ_CONS"},
    {reg::eventq_base, 8, read_write, Guard::eventqen, "EVENTQ_BASE"},
    {reg::eventq_irq_cfg0, 8, read_write, Guard::eventq_irqen, "EVENTQ_IRQ_CFG0"},
    {reg::eventq_irq_cfg1, 4, read_write, Guard::eventq_irqen, "EVENTQ_IRQ_CFG1"},
    {reg::eventq_irq_cfg2, 4, read_write, Guard::eventq_irqen, "EVENTQ_IRQ_CFG2"},
    {reg::priq_base, 8, read_write, Guard::priqen, "PRIQ_BASE"},
    {reg::priq_irq_cfg0, 8, read_write, Guard::priq_irqen, "PRIQ_IRQ_CFG0"},
    {reg::priq_irq_cfg1, 4, read_write, Guard::priq_irqen, "PRIQ_IRQ_CFG1"},
    {reg::priq_irq_cfg2, 4, read_write, Guard::priq_irqen, "PRIQ_IRQ_CFG2"},
    {reg::eventq_prod, 4, read_write, Guard::eventqen, "EVENTQ_PROD"},
    {reg::eventq_cons, 4, read_write, Guard::none, "EVENTQ_CONS"},
    {reg::priq_prod, 4, read_write, Guard::priqen, "PRIQ_PROD"},
    {reg::priq_cons, 4, read_write, Guard::none, "PRIQ_CONS"},
};

constexpr unsigned number(u32 word, unsigned hi, unsigned lo) {
  return static_cast<unsigned>(bits(word, hi, lo));
}

u32 put(bool value, unsigned n) { return value ? u32{1} << n : 0; }
u32 put(unsigned value, unsigned lo) { return value << lo; }

StallModel stall_model_of(unsigned code) {
  if (code == 1) return StallModel::never;
  if (code == 2) return StallModel::always;
  return StallModel::both;
}

void parse_idr0(Capabilities& c, u32 w) {
  c.s2p = bit(w, 0);
  c.s1p = bit(w, 1);
  c.aarch32 = bit(w, 2);
  c.aarch64 = bit(w, 3);
  c.cohacc = bit(w, 4);
  c.btm = bit(w, 5);
  c.httu = number(w, 7, 6);
  c.hyp = bit(w, 9);
  c.ats = bit(w, 10);
  c.ns1ats = bit(w, 11);
  c.asid16 = bit(w, 12);
  c.msi = bit(w, 13);
  c.sev = bit(w, 14);
  c.pri = bit(w, 16);
  c.vmw = bit(w, 17);
  c.vmid16 = bit(w, 18);
  c.cd2l = bit(w, 19);
  c.ttendian = number(w, 22, 21);
  c.atsrecerr = bit(w, 23);
  c.stall_model = stall_model_of(number(w, 25, 24));
  c.term_model = bit(w, 26);
  c.two_level_stream_table = number(w, 28, 27) == 1;
  c.rme = bit(w, 30);
}

void parse_idr1(Capabilities& c, u32 w) {
  c.sidsize = std::min(number(w, 5, 0), 32u);
  c.ssidsize = std::min(number(w, 10, 6), 20u);
  c.priqs = std::min(number(w, 15, 11), 19u);
  c.eventqs = std::min(number(w, 20, 16), 19u);
  c.cmdqs = std::min(number(w, 25, 21), 19u);
  c.attr_perms_ovr = bit(w, 26);
  c.attr_types_ovr = bit(w, 27);
  c.queues_preset = bit(w, 29);
  c.tables_preset = bit(w, 30);
  c.ecmdq = bit(w, 31);
}

void parse_idr3(Capabilities& c, u32 w) {
  c.had = bit(w, 2);
  c.pbha = bit(w, 3);
  c.xnx = bit(w, 4);
  c.pps = bit(w, 5);
  c.mpam = bit(w, 7);
  c.fwb = bit(w, 8);
  c.stt = bit(w, 9);
  c.ril = bit(w, 10);
  c.bbml = number(w, 12, 11);
  c.e0pd = bit(w, 13);
  c.dpt = bit(w, 15);
  c.epan = bit(w, 17);
  c.pasidtt = bit(w, 16);
  c.s1pi = bit(w, 18);
  c.s2pi = bit(w, 19);
  c.s2po = bit(w, 20);
  c.the = bit(w, 21);
  c.aie = bit(w, 23);
}

void parse_idr5(Capabilities& c, u32 w) {
  c.oas_lg2 = address_size_lg2(number(w, 2, 0));
  c.gran4k = bit(w, 4);
  c.gran16k = bit(w, 5);
  c.gran64k = bit(w, 6);
  c.ds = bit(w, 7);
  c.d128 = bit(w, 8);
  c.vax = number(w, 11, 10);
  c.stall_max = number(w, 31, 16);
}

}  // namespace

std::optional<RegisterInfo> register_at(u32 offset) {
  for (const RegisterInfo& r : registers) {
    if (offset >= r.offset && offset < r.offset + r.bytes) return r;
  }
  return std::nullopt;
}

u64 read_only_register(u32 offset) {
  if (offset > reg::gerror) return 0;  // the last of them
  unsigned number_of_it = 0;
  for (const RegisterInfo& r : registers) {
    if (r.access != RegisterAccess::read_only) continue;
    if (offset >= r.offset && offset < r.offset + r.bytes) return u64{1} << number_of_it;
    ++number_of_it;
  }
  return 0;
}

std::vector<std::string_view> read_only_names(u64 numbers) {
  std::vector<std::string_view> names;
  for (const RegisterInfo& r : registers) {
    if (r.access == RegisterAccess::read_only && (read_only_register(r.offset) & numbers) != 0) {
      names.push_back(r.name);
    }
  }
  return names;
}

Capabilities parse_capabilities(const IdRegisters& id) {
  Capabilities c;
  c.minor = number(id.aidr, 3, 0);
  parse_idr0(c, id.idr[0]);
  parse_idr1(c, id.idr[1]);
  parse_idr3(c, id.idr[3]);
  parse_idr5(c, id.idr[5]);
  return c;
}

IdRegisters make_id_registers(const Capabilities& c) {
  IdRegisters id;
  id.aidr = c.minor;
  id.idr[0] = put(c.s2p, 0) | put(c.s1p, 1) | put(c.aarch32, 2) | put(c.aarch64, 3) |
              put(c.cohacc, 4) | put(c.btm, 5) | put(c.httu, 6) | put(c.hyp, 9) | put(c.ats, 10) |
              put(c.ns1ats, 11) | put(c.asid16, 12) | put(c.msi, 13) | put(c.sev, 14) |
              put(c.pri, 16) | put(c.vmw, 17) | put(c.vmid16, 18) | put(c.cd2l, 19) |
              put(c.ttendian, 21) | put(c.atsrecerr, 23) |
              put(static_cast<unsigned>(c.stall_model), 24) | put(c.term_model, 26) |
              put(c.two_level_stream_table, 27) | put(c.rme, 30);
  id.idr[1] = put(c.sidsize, 0) | put(c.ssidsize, 6) | put(c.priqs, 11) | put(c.eventqs, 16) |
              put(c.cmdqs, 21) | put(c.attr_perms_ovr, 26) | put(c.attr_types_ovr, 27) |
              put(c.queues_preset, 29) | put(c.tables_preset, 30) | put(c.ecmdq, 31);
  id.idr[3] = put(c.had, 2) | put(c.pbha, 3) | put(c.xnx, 4) | put(c.pps, 5) | put(c.mpam, 7) |
              put(c.fwb, 8) | put(c.stt, 9) | put(c.ril, 10) | put(c.bbml, 11) | put(c.e0pd, 13) |
              put(c.dpt, 15) | put(c.epan, 17) | put(c.pasidtt, 16) | put(c.s1pi, 18) |
              put(c.s2pi, 19) | put(c.s2po, 20) | put(c.the, 21) | put(c.aie, 23);
  // PTWNNC and MTEPERM follow from the version: IHI 0070 6.3.4. No outcome here depends on them.
  id.idr[3] |= put(c.minor >= 3 && c.s2p, 14) | put(c.minor >= 4 && c.s2p, 22);
  id.idr[5] = put(address_size_encoding(c.oas_lg2), 0) | put(c.gran4k, 4) | put(c.gran16k, 5) |
              put(c.gran64k, 6) | put(c.ds, 7) | put(c.d128, 8) | put(c.vax, 10) |
              put(c.stall_max, 16);
  return id;
}

std::optional<std::string_view> unsupported_feature(const Capabilities& caps) {
  if (!caps.aarch64) return "AArch32 tables only (IDR0.TTF[1] = 0)";
  if (caps.ds) return "52-bit addresses with 4 KiB and 16 KiB granules (IDR5.DS = 1)";
  if (caps.d128) return "128-bit descriptors (IDR5.D128 = 1)";
  if (caps.dpt) return "the device permission table (IDR3.DPT = 1)";
  if (caps.ats && caps.pasidtt) return "PASIDs of translated transactions (IDR3.PASIDTT = 1)";
  if (caps.s1pi) return "permission indirection (IDR3.S1PI = 1)";
  if (caps.the) return "the Translation Hardening Extension (IDR3.THE = 1)";
  if (caps.aie) return "attribute index enhancements (IDR3.AIE = 1)";
  if (caps.rme) return "granule protection checks (IDR0.RME_IMPL = 1)";
  if (caps.ecmdq) return "enhanced command queues (IDR1.ECMDQ = 1)";
  if (caps.queues_preset) return "queues at fixed addresses (IDR1.QUEUES_PRESET = 1)";
  if (caps.tables_preset) return "a stream table at a fixed address (IDR1.TABLES_PRESET = 1)";
  return std::nullopt;
}

}  // namespace iommucheck::spec
