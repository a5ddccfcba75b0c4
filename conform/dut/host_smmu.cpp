// SPDX-License-Identifier: MIT
#include "conform/dut/host_smmu.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/dut/tester_memory.h"
#include "iommucheck/device.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using spec::Opcode;

static_assert(static_cast<u32>(Installed::ste) == IOMMUCHECK_DUT_INSTALL_STE &&
              static_cast<u32>(Installed::bypass) == IOMMUCHECK_DUT_INSTALL_BYPASS &&
              static_cast<u32>(Installed::abort) == IOMMUCHECK_DUT_INSTALL_ABORT);

constexpr unsigned sid_bits = 6;
static_assert(HostSmmu::sids_end == 1U << sid_bits);
/// One page, below 2^32, which every output size has, and where no guest has memory.
constexpr u64 table_pa = 0xfffff000, table_bytes = u64{HostSmmu::sids_end} * spec::ste_bytes;
static_assert(table_bytes == 4096);

/// What was not invalidated is to show in nearly every case that could show it.
constexpr unsigned stale_of_eight = 7;

u64 place_of(u32 sid) { return table_pa + u64{spec::ste_bytes} * sid; }

bool in_guest_memory(u64 pa) {
  return pa - TesterMemory::pa < TesterMemory::bytes || pa - table_pa < table_bytes;
}

/// Those of the guest, and a StreamID for each that a guest may have.
spec::Capabilities capabilities_of(const spec::IdRegisters& id) {
  spec::Capabilities caps = spec::parse_capabilities(id);
  caps.sidsize = std::max(caps.sidsize, sid_bits);
  return caps;
}

/// What Linux's iommufd takes as well.
bool is_handed_on(Opcode op) {
  switch (op) {
    case Opcode::tlbi_nh_all:
    case Opcode::tlbi_nh_asid:
    case Opcode::tlbi_nh_va:
    case Opcode::tlbi_nh_vaa:
    case Opcode::tlbi_nsnh_all:
    case Opcode::cfgi_cd:
    case Opcode::cfgi_cd_all:
    case Opcode::atc_inv: return true;
    default: return false;
  }
}

}  // namespace

HostSmmu::HostSmmu(const spec::IdRegisters& id, std::vector<u32> sids, u64 seed)
    : sids_(std::move(sids)), caches_(capabilities_of(id), {}), choices_(seed) {
  caches_.stores_bypass_caches();
  installed_.fill(Installed::abort);
  caches_.memory().assume_zero(table_pa);
  // Where no memory is nothing is found. Unknown words would be translations of every stream.
  for (u64 at = 0; at < TesterMemory::absent_bytes; at += 4096) {
    caches_.memory().assume_zero(TesterMemory::absent_pa + at);
  }
  caches_.set_stream_table({.base = table_pa, .log2size = sid_bits, .sid_bits = sid_bits});
  caches_.write_smmuen(true);
  caches_.acknowledge_smmuen();
  booted_ = caches_.trail().mark();
}

void HostSmmu::reset() {
  caches_.trail().undo_to(booted_);
  caches_.clear_findings();
  now_ = 0;
  caches_.set_now(0);
  installed_.fill(Installed::abort);
  choices_.begin();
}

void HostSmmu::store(u64 pa, u64 value) {
  caches_.set_now(++now_);
  put_word(pa, value);
  caches_.forget_findings();
}

void HostSmmu::fill(u64 pa, u64 words, u64 value) {
  caches_.set_now(++now_);
  caches_.fill(AgentId::cpu0, pa, words, value);
  caches_.barrier(AgentId::cpu0);
  caches_.forget_findings();
}

void HostSmmu::put_word(u64 pa, u64 value) {
  caches_.store(AgentId::cpu0, pa, value);
  caches_.barrier(AgentId::cpu0);
}

/// With a CMD_SYNC behind them.
void HostSmmu::complete(std::span<const spec::Command> commands) {
  for (const spec::Command& one : commands) caches_.expose(one, true);
  caches_.complete(caches_.expose(spec::cmd_sync(), true));
  caches_.forget_findings();
}

bool HostSmmu::knows(u32 sid) const { return std::ranges::find(sids_, sid) != sids_.end(); }

/// Through V = 0, so that no fetch meets words of both. IHI 0070 3.21.3.1. Its neighbours here are
/// not those of the guest's table: no span (CONT) is taken over.
Expected<void> HostSmmu::install(u32 sid, Installed how, const SteWords& words) {
  if (!knows(sid)) {
    return fail(ErrorCode::bad_input,
                fmt::format("it installs for StreamID {:#x}, which none of its engines has", sid));
  }
  const spec::Command invalidation = spec::cmd_cfgi_ste(sid);
  const std::span<const spec::Command> one(&invalidation, 1);
  const u64 place = place_of(sid);
  caches_.set_now(++now_);
  installed_[sid] = how;
  put_word(place, 0);
  complete(one);
  if (how != Installed::ste) return {};
  for (unsigned i = spec::ste_words; i-- != 0;) {
    put_word(place + 8 * i, i == 1 ? with_bits(words[i], 16, 13, 0) : words[i]);
  }
  complete(one);
  return {};
}

std::optional<std::string> HostSmmu::wrong_with(const spec::Command& command) const {
  if (!is_handed_on(command.op)) {
    return fmt::format("CMD_{}, which is none that a host takes", spec::describe(command));
  }
  if (spec::check_command(command, caches_.capabilities())) {
    return fmt::format("CMD_{}, which is not legal by its ID registers", spec::describe(command));
  }
  const bool has_sid = command.op == Opcode::cfgi_cd || command.op == Opcode::cfgi_cd_all;
  if (has_sid && !knows(static_cast<u32>(command.sid))) {
    return fmt::format("CMD_{}: none of its engines has that StreamID", spec::describe(command));
  }
  return std::nullopt;
}

Expected<void> HostSmmu::invalidate(std::span<const spec::CommandWords> commands) {
  std::vector<spec::Command> decoded;
  for (const spec::CommandWords& words : commands) {
    const auto command = spec::decode_command<u64>(words.dw0, words.dw1, caches_.capabilities());
    if (const auto wrong = wrong_with(command)) {
      return fail(ErrorCode::bad_input, "it hands on " + *wrong);
    }
    if (command.op != Opcode::atc_inv) decoded.push_back(command);  // no engine has an ATC
  }
  caches_.set_now(++now_);
  complete(decoded);
  return {};
}

spec::Outcome HostSmmu::outcome_of(const spec::Access& access) {
  const spec::Capabilities& caps = caches_.capabilities();
  const Installed how = installed_[access.sid];
  if (how != Installed::ste) {
    return spec::disabled_outcome(caps, how == Installed::abort, access.va);
  }
  const spec::SmmuState state = {
      .caps = caps, .streams = caches_.stream_table(), .smmuen = true, .e2h = caches_.e2h()};
  const auto chosen =
      chosen_outcome(caches_, state, access, in_guest_memory, choices_, stale_of_eight);
  if (chosen) return *chosen;  // where anything may happen, it ends without a record
  // What the engine of the caches does not follow, tables of 16 and 64 KiB, is as memory is now.
  MemoryNow memory{caches_.memory(), in_guest_memory};
  return spec::untranslated_transaction(memory, state, access);
}

HostSmmu::Answer HostSmmu::dma(u32 sid, u64 iova, bool write, const DmaAttributes& attributes) {
  caches_.set_now(++now_);
  const spec::Access access = access_of(sid, iova, write, attributes);
  const spec::Outcome outcome = outcome_of(access);
  Answer answer{.seen = seen_of(outcome)};
  if (spec::has_record(access, outcome, true)) {
    answer.record = spec::record_of(outcome.event, spec::fields_of(access, outcome)).dw;
  }
  return answer;
}

}  // namespace iommucheck::oracle
