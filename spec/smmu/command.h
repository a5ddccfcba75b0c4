// SPDX-License-Identifier: MIT
// Commands: 16 bytes to fields, and back. IHI 0070 4; arch 5.1, 5.2.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/word.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

/// `reserved` stands for every number that is not listed.
enum class Opcode : u8 {
  reserved = 0x00,
  prefetch_config = 0x01,
  prefetch_addr = 0x02,
  cfgi_ste = 0x03,
  cfgi_ste_range = 0x04,  ///< CFGI_ALL is Range = 31
  cfgi_cd = 0x05,
  cfgi_cd_all = 0x06,
  cfgi_vms_pidm = 0x07,
  tlbi_nh_all = 0x10,
  tlbi_nh_asid = 0x11,
  tlbi_nh_va = 0x12,
  tlbi_nh_vaa = 0x13,
  tlbi_el3_all = 0x18,
  tlbi_el3_va = 0x1a,
  tlbi_el2_all = 0x20,
  tlbi_el2_asid = 0x21,
  tlbi_el2_va = 0x22,
  tlbi_el2_vaa = 0x23,
  tlbi_s12_vmall = 0x28,
  tlbi_s2_ipa = 0x2a,
  tlbi_nsnh_all = 0x30,
  atc_inv = 0x40,
  pri_resp = 0x41,
  resume = 0x44,
  stall_term = 0x45,
  sync = 0x46,
};

inline constexpr std::array known_opcodes = {Opcode::prefetch_config,
                                             Opcode::prefetch_addr,
                                             Opcode::cfgi_ste,
                                             Opcode::cfgi_ste_range,
                                             Opcode::cfgi_cd,
                                             Opcode::cfgi_cd_all,
                                             Opcode::cfgi_vms_pidm,
                                             Opcode::tlbi_nh_all,
                                             Opcode::tlbi_nh_asid,
                                             Opcode::tlbi_nh_va,
                                             Opcode::tlbi_nh_vaa,
                                             Opcode::tlbi_el3_all,
                                             Opcode::tlbi_el3_va,
                                             Opcode::tlbi_el2_all,
                                             Opcode::tlbi_el2_asid,
                                             Opcode::tlbi_el2_va,
                                             Opcode::tlbi_el2_vaa,
                                             Opcode::tlbi_s12_vmall,
                                             Opcode::tlbi_s2_ipa,
                                             Opcode::tlbi_nsnh_all,
                                             Opcode::atc_inv,
                                             Opcode::pri_resp,
                                             Opcode::resume,
                                             Opcode::stall_term,
                                             Opcode::sync};

/// The manual's name without CMD_, e.g. "TLBI_NH_VA"; "reserved" for every other number.
std::string_view opcode_name(Opcode op);

constexpr bool is_tlbi(Opcode op) {
  return op >= Opcode::tlbi_nh_all && op <= Opcode::tlbi_nsnh_all;
}
constexpr bool is_cfgi(Opcode op) { return op >= Opcode::cfgi_ste && op <= Opcode::cfgi_vms_pidm; }
/// Has an address, Leaf, and with IDR3.RIL the range fields.
constexpr bool is_tlbi_by_address(Opcode op) {
  return op == Opcode::tlbi_nh_va || op == Opcode::tlbi_nh_vaa || op == Opcode::tlbi_el2_va ||
         op == Opcode::tlbi_el2_vaa || op == Opcode::tlbi_s2_ipa || op == Opcode::tlbi_el3_va;
}

/// A command's operands; those that its opcode has not read 0. `tg`, `ttl`, `num`, `scale` read 0
/// without IDR3.RIL, and the last three where TG = 0; TTL = 1 with 16 KiB reads 0 (IDR5.DS = 0).
template <Word W>
struct CommandOf {
  Opcode op = Opcode::reserved;
  W sid{0}, ssid{0};
  Flag<W> ssv = false;
  W vmid{0}, asid{0};
  W address{0};  ///< of TLBI, ATC_INV, PREFETCH_ADDR: bits 11:0 are 0
  Flag<W> leaf = false;
  W num{0}, scale{0}, ttl{0}, tg{0};
  W range{0};  ///< CFGI_STE_RANGE: 2^(range + 1) StreamIDs
  W cs{0}, msh{0}, msi_attr{0}, msi_data{0}, msi_address{0};  ///< SYNC
  W size{0};                                                  ///< ATC_INV: log2 of 4 KiB units
  Flag<W> global = false;
  W prg_index{0}, resp{0};         ///< PRI_RESP
  Flag<W> ac = false, ab = false;  ///< RESUME: retry; abort
  W stag{0};
  Flag<W> ssec = false;  ///< 1 is illegal in the Non-secure queue
  /// A TLBI of a CPU that the SMMU hears (IDR0.BTM), of the same scope; of one with E2H = 1.
  bool broadcast = false, cpu_e2h = false;
  W beyond{0};  ///< of a broadcast of a range: bytes behind the address that it covers as well
  friend bool operator==(const CommandOf&, const CommandOf&) = default;
};
using Command = CommandOf<u64>;

/// The opcode of a command's first word.
template <Word W>
constexpr Opcode opcode_of(W dw0) {
  const W code = field(dw0, 7, 0);
  for (const Opcode op : known_opcodes) {
    if (equal(code, W(static_cast<u64>(op)))) return op;
  }
  return Opcode::reserved;
}

/// The fields that TLBI commands by address have for ranges and levels.
template <Word W>
constexpr void decode_range(CommandOf<W>& command, W dw0, W dw1, const Capabilities& caps) {
  if (!caps.ril) return;
  command.tg = field(dw1, 11, 10);
  const Flag<W> used = !is_zero(command.tg);
  const W ttl = field(dw1, 9, 8);
  const Flag<W> ttl_reserved = equal(command.tg, W(2)) & equal(ttl, W(1)) & Flag<W>(!caps.ds);
  const W scale = caps.ds ? minimum(field(dw0, 25, 20), W(39)) : field(dw0, 24, 20);
  command.ttl = select(used & !ttl_reserved, ttl, W(0));
  command.num = select(used, field(dw0, 16, 12), W(0));
  command.scale = select(used, scale, W(0));
}

template <Word W>
constexpr void decode_tlbi(CommandOf<W>& command, W dw0, W dw1, const Capabilities& caps) {
  const Opcode op = command.op;
  const bool has_vmid = op == Opcode::tlbi_nh_all || op == Opcode::tlbi_nh_asid ||
                        op == Opcode::tlbi_nh_va || op == Opcode::tlbi_nh_vaa ||
                        op == Opcode::tlbi_s12_vmall || op == Opcode::tlbi_s2_ipa;
  const bool has_asid = op == Opcode::tlbi_nh_asid || op == Opcode::tlbi_nh_va ||
                        op == Opcode::tlbi_el2_asid || op == Opcode::tlbi_el2_va;
  if (has_vmid) command.vmid = field(dw0, 47, 32);
  if (has_asid) command.asid = field(dw0, 63, 48);
  if (!is_tlbi_by_address(op)) return;
  command.leaf = flag(dw1, 0);
  command.address = field_in_place(dw1, op == Opcode::tlbi_s2_ipa ? 51 : 63, 12);
  decode_range(command, dw0, dw1, caps);
}

template <Word W>
constexpr void decode_other(CommandOf<W>& command, W dw0, W dw1) {
  switch (command.op) {
    case Opcode::cfgi_ste_range: command.range = field(dw1, 4, 0); break;
    case Opcode::cfgi_ste:
    case Opcode::cfgi_cd: command.leaf = flag(dw1, 0); break;
    case Opcode::cfgi_vms_pidm: command.vmid = field(dw0, 47, 32); break;
    case Opcode::prefetch_addr:
      command.size = field(dw1, 4, 0);
      command.address = field_in_place(dw1, 63, 12);
      break;
    case Opcode::atc_inv:
      command.global = flag(dw0, 9);
      command.size = field(dw1, 5, 0);
      command.address = field_in_place(dw1, 63, 12);
      break;
    case Opcode::pri_resp:
      command.prg_index = field(dw1, 8, 0);
      command.resp = field(dw1, 13, 12);
      break;
    case Opcode::resume:
      command.ac = flag(dw0, 12);
      command.ab = flag(dw0, 13);
      command.stag = field(dw1, 15, 0);
      break;
    case Opcode::sync:
      command.cs = field(dw0, 13, 12);
      command.msh = field(dw0, 23, 22);
      command.msi_attr = field(dw0, 27, 24);
      command.msi_data = field(dw0, 63, 32);
      command.msi_address = field_in_place(dw1, 51, 2);
      break;
    default: break;
  }
}

/// Total: any two words are some command; whether it may be executed says command_legal.h.
template <Word W>
constexpr CommandOf<W> decode_command(W dw0, W dw1, const Capabilities& caps) {
  CommandOf<W> command;
  command.op = opcode_of(dw0);
  const Opcode op = command.op;
  if (op == Opcode::reserved) return command;
  if (is_tlbi(op)) {
    decode_tlbi(command, dw0, dw1, caps);
    return command;
  }
  command.ssec = flag(dw0, 10) &
                 Flag<W>(op != Opcode::sync && op != Opcode::atc_inv && op != Opcode::pri_resp);
  const bool has_sid = op != Opcode::sync && op != Opcode::cfgi_vms_pidm;
  const bool has_ssv = op == Opcode::prefetch_config || op == Opcode::prefetch_addr ||
                       op == Opcode::atc_inv || op == Opcode::pri_resp;
  if (has_sid) command.sid = field(dw0, 63, 32);
  if (has_ssv) command.ssv = flag(dw0, 11);
  if (has_ssv || op == Opcode::cfgi_cd) command.ssid = field(dw0, 31, 12);
  decode_other(command, dw0, dw1);
  return command;
}

struct CommandWords {
  u64 dw0 = 0;
  u64 dw1 = 0;
  friend bool operator==(const CommandWords&, const CommandWords&) = default;
};

/// The inverse of decode_command() for a command as that gives it, on a device with RIL.
CommandWords encode_command(const Command& command);

/// Bits that the opcode defines; others are RES0: a device answers CERROR_ILL or ignores them.
CommandWords defined_bits(Opcode op, const Capabilities& caps);

/// Bits set that the opcode does not define: CERROR_ILL and ignoring them are both allowed.
bool has_reserved_bits(const CommandWords& words, const Capabilities& caps);

/// One line for reports: "TLBI_NH_VA vmid=0 asid=5 va=0x1000 leaf=1".
std::string describe(const Command& command);

// The commands in use, for those who write queues.
Command cmd_cfgi_ste(u32 sid, bool leaf = true);
Command cmd_cfgi_ste_range(u32 sid, unsigned range);
Command cmd_cfgi_all();
Command cmd_cfgi_cd(u32 sid, u32 ssid, bool leaf = true);
Command cmd_cfgi_cd_all(u32 sid);
Command cmd_tlbi_nh_all(u16 vmid);
Command cmd_tlbi_nh_asid(u16 vmid, u16 asid);
Command cmd_tlbi_nh_va(u16 vmid, u16 asid, u64 va, bool leaf = true);
Command cmd_tlbi_nh_vaa(u16 vmid, u64 va, bool leaf = true);
Command cmd_tlbi_s12_vmall(u16 vmid);
Command cmd_tlbi_s2_ipa(u16 vmid, u64 ipa, bool leaf = true);
Command cmd_tlbi_el2_all();
Command cmd_tlbi_nsnh_all();
Command cmd_stall_term(u32 sid);
Command cmd_sync(unsigned cs = 0, u64 msi_address = 0, u32 msi_data = 0);

}  // namespace iommucheck::spec
