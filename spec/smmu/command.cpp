// SPDX-License-Identifier: MIT
#include "spec/smmu/command.h"

#include <utility>

#include "spec/text.h"

namespace iommucheck::spec {
namespace {

constexpr std::pair<Opcode, std::string_view> names[] = {
    {Opcode::prefetch_config, "PREFETCH_CONFIG"},
    {Opcode::prefetch_addr, "PREFETCH_ADDR"},
    {Opcode::cfgi_ste, "CFGI_STE"},
    {Opcode::cfgi_ste_range, "CFGI_STE_RANGE"},
    {Opcode::cfgi_cd, "CFGI_CD"},
    {Opcode::cfgi_cd_all, "CFGI_CD_ALL"},
    {Opcode::cfgi_vms_pidm, "CFGI_VMS_PIDM"},
    {Opcode::tlbi_nh_all, "TLBI_NH_ALL"},
    {Opcode::tlbi_nh_asid, "TLBI_NH_ASID"},
    {Opcode::tlbi_nh_va, "TLBI_NH_VA"},
    {Opcode::tlbi_nh_vaa, "TLBI_NH_VAA"},
    {Opcode::tlbi_el3_all, "TLBI_EL3_ALL"},
    {Opcode::tlbi_el3_va, "TLBI_EL3_VA"},
    {Opcode::tlbi_el2_all, "TLBI_EL2_ALL"},
    {Opcode::tlbi_el2_asid, "TLBI_EL2_ASID"},
    {Opcode::tlbi_el2_va, "TLBI_EL2_VA"},
    {Opcode::tlbi_el2_vaa, "TLBI_EL2_VAA"},
    {Opcode::tlbi_s12_vmall, "TLBI_S12_VMALL"},
    {Opcode::tlbi_s2_ipa, "TLBI_S2_IPA"},
    {Opcode::tlbi_nsnh_all, "TLBI_NSNH_ALL"},
    {Opcode::atc_inv, "ATC_INV"},
    {Opcode::pri_resp, "PRI_RESP"},
    {Opcode::resume, "RESUME"},
    {Opcode::stall_term, "STALL_TERM"},
    {Opcode::sync, "SYNC"},
};

u64 place(Bool value, unsigned n) { return u64{value.value} << n; }

void encode_other(CommandWords& w, const Command& c) {
  switch (c.op) {
    case Opcode::prefetch_addr: w.dw1 |= c.size | c.address; break;
    case Opcode::cfgi_ste:
    case Opcode::cfgi_cd: w.dw1 |= place(c.leaf, 0); break;
    case Opcode::cfgi_ste_range: w.dw1 |= c.range; break;
    case Opcode::atc_inv:
      w.dw0 |= place(c.global, 9);
      w.dw1 |= c.size | c.address;
      break;
    case Opcode::pri_resp: w.dw1 |= c.prg_index | (c.resp << 12); break;
    case Opcode::resume:
      w.dw0 |= place(c.ac, 12) | place(c.ab, 13);
      w.dw1 |= c.stag;
      break;
    case Opcode::sync:
      w.dw0 |= (c.cs << 12) | (c.msh << 22) | (c.msi_attr << 24) | (c.msi_data << 32);
      w.dw1 |= c.msi_address;
      break;
    default: break;
  }
}

CommandWords operands_of_tlbi(Opcode op, const Capabilities& caps) {
  CommandWords w;
  const bool vmid = op == Opcode::tlbi_nh_all || op == Opcode::tlbi_nh_asid ||
                    op == Opcode::tlbi_nh_va || op == Opcode::tlbi_nh_vaa ||
                    op == Opcode::tlbi_s12_vmall || op == Opcode::tlbi_s2_ipa;
  const bool asid = op == Opcode::tlbi_nh_asid || op == Opcode::tlbi_nh_va ||
                    op == Opcode::tlbi_el2_asid || op == Opcode::tlbi_el2_va;
  w.dw0 = (vmid ? mask(47, 32) : 0) | (asid ? mask(63, 48) : 0);
  if (!is_tlbi_by_address(op)) return w;
  w.dw1 = mask(0, 0) | mask(op == Opcode::tlbi_s2_ipa ? 51 : 63, 12);
  if (caps.ril) {
    w.dw0 |= mask(16, 12) | mask(caps.ds ? 25 : 24, 20);
    w.dw1 |= mask(11, 8);
  }
  return w;
}

CommandWords operands_of(Opcode op, const Capabilities& caps) {
  constexpr u64 sid = mask(63, 32), ssv = mask(11, 11), ssid = mask(31, 12), ssec = mask(10, 10);
  if (is_tlbi(op)) return operands_of_tlbi(op, caps);
  switch (op) {
    case Opcode::prefetch_config: return {ssec | ssv | ssid | sid, 0};
    case Opcode::prefetch_addr: return {ssec | ssv | ssid | sid, mask(10, 0) | mask(63, 12)};
    case Opcode::cfgi_ste: return {ssec | sid, 1};
    case Opcode::cfgi_ste_range: return {ssec | sid, mask(4, 0)};
    case Opcode::cfgi_cd: return {ssec | ssid | sid, 1};
    case Opcode::cfgi_cd_all: return {ssec | sid, 0};
    case Opcode::cfgi_vms_pidm: return {ssec | mask(47, 32), 0};
    case Opcode::atc_inv: return {mask(9, 9) | ssv | ssid | sid, mask(5, 0) | mask(63, 12)};
    case Opcode::pri_resp: return {ssv | ssid | sid, mask(8, 0) | mask(13, 12)};
    case Opcode::resume: return {ssec | mask(13, 12) | sid, mask(15, 0)};
    case Opcode::stall_term: return {ssec | sid, 0};
    case Opcode::sync: return {mask(13, 12) | mask(27, 22) | sid, mask(51, 2)};
    default: return {};
  }
}

void add(std::string& text, std::string_view key, u64 value) {
  text += ' ';
  text += key;
  text += '=';
  text += std::to_string(value);
}

Command command_of(Opcode op) {
  Command c;
  c.op = op;
  return c;
}

Command tlbi_by_address(Opcode op, u16 vmid, u64 address, bool leaf) {
  Command c = command_of(op);
  c.vmid = vmid;
  c.address = address;
  c.leaf = leaf;
  return c;
}

}  // namespace

std::string_view opcode_name(Opcode op) {
  for (const auto& [value, name] : names) {
    if (value == op) return name;
  }
  return "reserved";
}

CommandWords encode_command(const Command& c) {
  CommandWords w{static_cast<u64>(c.op), 0};
  if (is_tlbi(c.op)) {
    w.dw0 |= (c.vmid << 32) | (c.asid << 48) | (c.num << 12) | (c.scale << 20);
    w.dw1 |= place(c.leaf, 0) | (c.ttl << 8) | (c.tg << 10) | c.address;
    return w;
  }
  w.dw0 |= place(c.ssec, 10) | place(c.ssv, 11) | (c.ssid << 12) | (c.sid << 32) | (c.vmid << 32);
  encode_other(w, c);
  return w;
}

CommandWords defined_bits(Opcode op, const Capabilities& caps) {
  CommandWords w = operands_of(op, caps);
  w.dw0 |= mask(7, 0);
  return w;
}

bool has_reserved_bits(const CommandWords& words, const Capabilities& caps) {
  const CommandWords defined = defined_bits(opcode_of(words.dw0), caps);
  return ((words.dw0 & ~defined.dw0) | (words.dw1 & ~defined.dw1)) != 0;
}

std::string describe(const Command& c) {
  std::string text(opcode_name(c.op));
  const CommandWords used = operands_of(c.op, Capabilities{});
  if (is_cfgi(c.op) || c.op == Opcode::atc_inv || c.op == Opcode::pri_resp ||
      c.op == Opcode::resume || c.op == Opcode::stall_term || c.op == Opcode::prefetch_config) {
    add(text, "sid", c.sid);
  }
  if (c.op == Opcode::cfgi_cd || c.ssv) add(text, "ssid", c.ssid);
  if (c.op == Opcode::cfgi_ste_range) add(text, "range", c.range);
  if (is_tlbi(c.op) && (used.dw0 & mask(47, 32)) != 0) add(text, "vmid", c.vmid);
  if (is_tlbi(c.op) && (used.dw0 & mask(63, 48)) != 0) add(text, "asid", c.asid);
  if (is_tlbi_by_address(c.op)) {
    text += (c.op == Opcode::tlbi_s2_ipa ? " ipa=" : " va=") + to_hex(c.address);
    if (c.beyond != 0) text += " to " + to_hex(c.address + c.beyond);
  }
  if (c.op == Opcode::atc_inv) {
    text += " va=" + to_hex(c.address);
    add(text, "size", c.size);
  }
  if (is_tlbi_by_address(c.op) || c.op == Opcode::cfgi_ste || c.op == Opcode::cfgi_cd) {
    add(text, "leaf", c.leaf ? 1 : 0);
  }
  if (c.tg != 0) {
    add(text, "tg", c.tg);
    add(text, "ttl", c.ttl);
    add(text, "num", c.num);
    add(text, "scale", c.scale);
  }
  return text;
}

Command cmd_cfgi_ste(u32 sid, bool leaf) {
  Command c = command_of(Opcode::cfgi_ste);
  c.sid = sid;
  c.leaf = leaf;
  return c;
}

Command cmd_cfgi_ste_range(u32 sid, unsigned range) {
  Command c = command_of(Opcode::cfgi_ste_range);
  c.sid = sid;
  c.range = range;
  return c;
}

Command cmd_stall_term(u32 sid) {
  Command c = command_of(Opcode::stall_term);
  c.sid = sid;
  return c;
}

Command cmd_cfgi_all() { return cmd_cfgi_ste_range(0, 31); }

Command cmd_cfgi_cd(u32 sid, u32 ssid, bool leaf) {
  Command c = command_of(Opcode::cfgi_cd);
  c.sid = sid;
  c.ssid = ssid;
  c.leaf = leaf;
  return c;
}

Command cmd_cfgi_cd_all(u32 sid) {
  Command c = command_of(Opcode::cfgi_cd_all);
  c.sid = sid;
  return c;
}

Command cmd_tlbi_nh_all(u16 vmid) {
  Command c = command_of(Opcode::tlbi_nh_all);
  c.vmid = vmid;
  return c;
}

Command cmd_tlbi_nh_asid(u16 vmid, u16 asid) {
  Command c = command_of(Opcode::tlbi_nh_asid);
  c.vmid = vmid;
  c.asid = asid;
  return c;
}

Command cmd_tlbi_nh_va(u16 vmid, u16 asid, u64 va, bool leaf) {
  Command c = cmd_tlbi_nh_vaa(vmid, va, leaf);
  c.op = Opcode::tlbi_nh_va;
  c.asid = asid;
  return c;
}

Command cmd_tlbi_nh_vaa(u16 vmid, u64 va, bool leaf) {
  return tlbi_by_address(Opcode::tlbi_nh_vaa, vmid, va & mask(63, 12), leaf);
}

Command cmd_tlbi_s12_vmall(u16 vmid) {
  Command c = command_of(Opcode::tlbi_s12_vmall);
  c.vmid = vmid;
  return c;
}

Command cmd_tlbi_s2_ipa(u16 vmid, u64 ipa, bool leaf) {
  return tlbi_by_address(Opcode::tlbi_s2_ipa, vmid, ipa & mask(51, 12), leaf);
}

Command cmd_tlbi_el2_all() { return command_of(Opcode::tlbi_el2_all); }
Command cmd_tlbi_nsnh_all() { return command_of(Opcode::tlbi_nsnh_all); }

Command cmd_sync(unsigned cs, u64 msi_address, u32 msi_data) {
  Command c = command_of(Opcode::sync);
  c.cs = cs;
  c.msi_address = msi_address & mask(51, 2);
  c.msi_data = msi_data;
  return c;
}

}  // namespace iommucheck::spec
