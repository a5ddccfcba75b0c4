// SPDX-License-Identifier: MIT
#include "conform/dut/spec_device.h"

#include "base/bits.h"
#include "monitor/monitor.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 structures = 0x40000000, structures_bytes = u64{8} << 20;
constexpr u64 data = 0x40800000, data_bytes = u64{4} << 20;
constexpr u64 absent = 0x70000000, absent_bytes = u64{1} << 16;
constexpr unsigned engines = 4;

/// Memory as it is now; where none is, a fetch aborts.
struct MemoryNow {
  const spec::Memory& memory;
  bool aborted = false;
  std::optional<u64> read(spec::Structure /*kind*/, u64 pa) {
    if (pa - absent >= absent_bytes) return memory.newest(pa).value;
    aborted = true;
    return std::nullopt;
  }
};

}  // namespace

spec::IdRegisters spec_device_id() {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.minor = 1;
  caps.bbml = 2;
  caps.term_model = true;
  caps.sidsize = 16;
  caps.cmdqs = caps.eventqs = 19;
  return spec::make_id_registers(caps);
}

SpecDevice::SpecDevice(u64 seed, const spec::IdRegisters& id)
    : caches_(spec::parse_capabilities(id), {}), smmu_(caches_, id), choices_(seed) {
  identity_.name = "spec";
  identity_.version = "1";
  identity_.id = id;
  for (u32 i = 0; i < engines; ++i) identity_.sids.push_back((2 + i) << 3);
  identity_.structures_pa = structures;
  identity_.structures_bytes = structures_bytes;
  identity_.data_pa = data;
  identity_.data_bytes = data_bytes;
  identity_.absent_pa = absent;
  identity_.absent_bytes = absent_bytes;
  identity_.every_pa = true;
  identity_.sends_privileged = identity_.sends_instructions = identity_.sends_substreams = true;
  for (u64 at = 0; at < absent_bytes; at += 8) caches_.assume(absent + at, 0);
  smmu_.reset(false);
  booted_ = caches_.trail().mark();
}

Expected<void> SpecDevice::reset() {
  caches_.trail().undo_to(booted_);
  caches_.clear_findings();
  now_ = 0;
  caches_.set_now(0);
  answers_.clear();
  choices_.begin();
  return {};
}

void SpecDevice::mmio_write(u32 offset, unsigned size, u64 value) {
  caches_.set_now(++now_);
  smmu_.write(AgentId::cpu0, offset, size, value, true);
  caches_.clear_findings();
}

Ticket SpecDevice::mmio_read(u32 offset, unsigned size) {
  caches_.set_now(++now_);
  answers_.push_back({smmu_.read(offset, size, choices_), {}});
  caches_.clear_findings();
  return static_cast<Ticket>(answers_.size() - 1);
}

void SpecDevice::store(u64 pa, u64 value) {
  caches_.set_now(++now_);
  caches_.store(AgentId::cpu0, pa, value);
  caches_.barrier(AgentId::cpu0);
}

void SpecDevice::fill(u64 pa, u64 words, u64 value) {
  caches_.set_now(++now_);
  caches_.fill(AgentId::cpu0, pa, words, value);
  caches_.barrier(AgentId::cpu0);
}

Ticket SpecDevice::load(u64 pa) {
  const spec::Content content = caches_.memory().newest(pa);
  const bool named = content.unknown && pa - data < data_bytes;  // as data begins
  const u64 names = (pa & mask(31, 0)) | ((pa + 4) << 32);
  answers_.push_back({named ? names : content.value, {}});
  return static_cast<Ticket>(answers_.size() - 1);
}

/// The engine of the caches knows of no memory that is not there: a fetch from there aborts.
std::optional<spec::Outcome> SpecDevice::aborted_fetch(const spec::Access& access) const {
  if (!smmu_.surely_enabled()) return std::nullopt;
  MemoryNow memory{caches_.memory()};
  const spec::SmmuState state{.caps = caches_.capabilities(),
                              .streams = caches_.stream_table(),
                              .smmuen = true,
                              .e2h = caches_.e2h()};
  const spec::Outcome outcome = spec::untranslated_transaction(memory, state, access);
  return memory.aborted ? std::optional(outcome) : std::nullopt;
}

Ticket SpecDevice::dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  using spec::OutcomeKind;
  caches_.set_now(++now_);
  spec::Access access{.sid = identity_.sids[engine], .va = iova};
  access.type = write                    ? spec::AccessType::write
                : attributes.instruction ? spec::AccessType::execute
                                         : spec::AccessType::read;
  access.privileged = attributes.privileged;
  access.ssv = attributes.substream.has_value();
  access.ssid = attributes.substream.value_or(0);
  std::vector<spec::Outcome> outcomes;
  if (const auto aborted = aborted_fetch(access)) {
    outcomes.push_back(*aborted);
  } else {
    (void)caches_.outcomes(access, [&](const spec::Outcome& o) { outcomes.push_back(o); });
  }
  answers_.emplace_back();
  const auto ticket = static_cast<Ticket>(answers_.size() - 1);
  if (outcomes.empty()) return ticket;
  const spec::Outcome outcome =
      outcomes[choices_.choose(spec::ChoiceSite::outcome, static_cast<u32>(outcomes.size()))];
  if (outcome.kind == OutcomeKind::translation || outcome.kind == OutcomeKind::bypass) {
    answers_[ticket].seen.reached = true;
    answers_[ticket].seen.pa = outcome.pa;
  }
  (void)smmu_.record(access, outcome);
  return ticket;
}

}  // namespace iommucheck::oracle
