// SPDX-License-Identifier: MIT
#include "monitor/broadcasts.h"

#include <optional>

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

using spec::Opcode;
using trace::BroadcastScope;
using trace::CpuWorld;

constexpr unsigned page_lg2 = 12;

std::optional<Opcode> opcode_of(BroadcastScope scope, CpuWorld world) {
  const bool el1 = world == CpuWorld::el1;
  const bool has_asids = world != CpuWorld::el2;
  switch (scope) {
    case BroadcastScope::all: return el1 ? Opcode::tlbi_nh_all : Opcode::tlbi_el2_all;
    case BroadcastScope::asid:
      if (!has_asids) return std::nullopt;
      return el1 ? Opcode::tlbi_nh_asid : Opcode::tlbi_el2_asid;
    case BroadcastScope::va: return el1 ? Opcode::tlbi_nh_va : Opcode::tlbi_el2_va;
    case BroadcastScope::va_all_asids:
      if (!has_asids) return std::nullopt;
      return el1 ? Opcode::tlbi_nh_vaa : Opcode::tlbi_el2_vaa;
    case BroadcastScope::ipa:
      if (!el1) return std::nullopt;
      return Opcode::tlbi_s2_ipa;
    case BroadcastScope::both_stages:
      if (!el1) return std::nullopt;
      return Opcode::tlbi_s12_vmall;
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::optional<spec::Command>, std::string_view> command_of(
    const trace::BroadcastTlbi& broadcast) {
  const CpuWorld world = broadcast.world.value_or(CpuWorld::el1);
  const auto opcode = opcode_of(broadcast.scope, world);
  if (!opcode) return std::unexpected("a broadcast TLBI of a scope that its world does not have");
  const bool names_asid =
      (broadcast.scope == BroadcastScope::asid || broadcast.scope == BroadcastScope::va) &&
      world != CpuWorld::el2;
  if (names_asid && !broadcast.asid) return std::unexpected("the ASID of a broadcast TLBI");
  spec::Command command{.op = *opcode};
  if (world == CpuWorld::el1) command.vmid = broadcast.vmid.value_or(0);
  if (names_asid) command.asid = *broadcast.asid;
  command.cpu_e2h = world == CpuWorld::el2_e2h;
  if (!spec::is_tlbi_by_address(*opcode)) return command;
  if (!broadcast.va) return std::unexpected("the address of a broadcast TLBI");
  const u64 bytes = broadcast.length.value_or(pow2(page_lg2));
  if (bytes == 0) return std::nullopt;
  const u64 last = *broadcast.va + (bytes - 1);
  if (last < *broadcast.va) return std::unexpected("a broadcast TLBI of a range that wraps around");
  command.leaf = broadcast.leaf.value_or(false);
  command.address = align_down(*broadcast.va, page_lg2);
  command.beyond = align_down(last, page_lg2) - command.address;
  return command;
}

}  // namespace iommucheck::oracle
