// SPDX-License-Identifier: MIT
// Which commands are legal. IHI 0070 4; arch 5.1, 5.2.
#pragma once

#include "spec/check.h"
#include "spec/rules/commands.h"
#include "spec/smmu/command.h"

namespace iommucheck::spec {

/// Why the command raises CERROR_ILL, or nothing. arch 5.1, 5.2.
template <Word W>
constexpr std::optional<Rule> check_command(const CommandOf<W>& command, const Capabilities& caps) {
  const Opcode op = command.op;
  if (auto r = require(rule::CMD_OPCODE, op != Opcode::reserved)) return r;
  if (auto r = require(rule::CMD_SSEC, !command.ssec)) return r;
  const bool needs_s1 = op == Opcode::cfgi_cd || op == Opcode::cfgi_cd_all ||
                        (op >= Opcode::tlbi_nh_all && op <= Opcode::tlbi_nh_vaa) ||
                        (op >= Opcode::tlbi_el2_all && op <= Opcode::tlbi_el2_vaa);
  const bool needs_hyp = op >= Opcode::tlbi_el2_all && op <= Opcode::tlbi_el2_vaa;
  const bool needs_s2 = op == Opcode::tlbi_s12_vmall || op == Opcode::tlbi_s2_ipa;
  const bool needs_stalls = op == Opcode::resume || op == Opcode::stall_term;
  const bool exists = (!needs_s1 || caps.s1p) && (!needs_hyp || caps.hyp) &&
                      (!needs_s2 || caps.s2p) &&
                      (!needs_stalls || caps.stall_model != StallModel::never) &&
                      (op != Opcode::atc_inv || caps.ats) && (op != Opcode::pri_resp || caps.pri) &&
                      (op != Opcode::cfgi_vms_pidm || caps.mpam) && op != Opcode::tlbi_el3_all &&
                      op != Opcode::tlbi_el3_va;
  if (auto r = require(rule::CMD_NOT_IMPLEMENTED, exists)) return r;
  if (is_tlbi_by_address(op)) {
    const Flag<W> pointless =
        is_zero(command.num) & is_zero(command.scale) & is_zero(command.ttl) & !is_zero(command.tg);
    return require(rule::CMD_TLBI_RANGE_RESERVED, !pointless);
  }
  if (op == Opcode::sync) return require(rule::CMD_SYNC_CS, !equal(command.cs, W(3)));
  if (op == Opcode::pri_resp) return require(rule::CMD_PRI_RESP, !equal(command.resp, W(3)));
  return std::nullopt;
}

}  // namespace iommucheck::spec
