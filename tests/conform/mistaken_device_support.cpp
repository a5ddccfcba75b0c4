// SPDX-License-Identifier: MIT
#include "tests/conform/mistaken_device_support.h"

#include <algorithm>

#include "base/bits.h"
#include "spec/rules/translation.h"
#include "spec/smmu/command.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

spec::IdRegisters id_of(const Mistake& mistake) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  if (mistake.claims) mistake.claims(caps);
  return spec::make_id_registers(caps);
}

}  // namespace

/// Memory as it is now, each word as the mistake has it.
struct MistakenDevice::Fetched {
  MistakenDevice& device;
  std::optional<u64> read(spec::Structure kind, u64 pa) {
    const std::optional<u64> word = device.word_now(pa);
    if (!word || !device.mistake_.fetch) return word;
    return device.mistake_.fetch(device.context_, kind, pa, *word);
  }
};

MistakenDevice::MistakenDevice(const Mistake& mistake, u64 seed)
    : SpecDevice(seed, id_of(mistake)),
      mistake_(mistake),
      caps_(spec::parse_capabilities(identity().id)) {
  context_.word = [this](u64 pa) { return word_now(pa).value_or(0); };
  context_.register_value = [this](u32 offset) {
    return SpecDevice::value(SpecDevice::mmio_read(offset, 4));
  };
  context_.replace = [this](u64 pa, u64 word) {
    meant_.try_emplace(pa, word_now(pa).value_or(0));
    SpecDevice::store(pa, word);
  };
}

Expected<void> MistakenDevice::reset() {
  context_.written.clear();
  context_.held = {};
  cmdq_bytes_ = eventq_bytes_ = priq_bytes_ = 0;
  meant_.clear();
  values_.clear();
  tlb_.clear();
  taken_ = 0;
  return SpecDevice::reset();
}

// ---- registers ----------------------------------------------------------------------------------

void MistakenDevice::mmio_write(u32 offset, unsigned size, u64 value) {
  if (offset == reg::cmdq_base) {
    cmdq_ = value & mask(51, 5);
    context_.cmdq_lg2 = static_cast<unsigned>(bits(value, 4, 0));
    cmdq_bytes_ = u64{16} << context_.cmdq_lg2;
    taken_ = 0;
  }
  if (offset == reg::eventq_base) {
    eventq_ = value & mask(51, 5);
    eventq_bytes_ = u64{32} << bits(value, 4, 0);
  }
  if (offset == reg::priq_base) {
    priq_ = value & mask(51, 5);
    priq_bytes_ = u64{16} << bits(value, 4, 0);
  }
  const u64 taken = mistake_.write ? mistake_.write(context_, offset, value) : value;
  context_.written[offset] = value;
  SpecDevice::mmio_write(offset, size, taken);
  if (offset == reg::cmdq_prod || offset == reg::gerrorn || offset == reg::cr0) take_commands();
}

Ticket MistakenDevice::mmio_read(u32 offset, unsigned size) {
  const Ticket ticket = SpecDevice::mmio_read(offset, size);
  if (mistake_.read) values_[ticket] = mistake_.read(context_, offset, SpecDevice::value(ticket));
  return ticket;
}

u64 MistakenDevice::value(Ticket ticket) const {
  const auto changed = values_.find(ticket);
  return changed == values_.end() ? SpecDevice::value(ticket) : changed->second;
}

DmaSeen MistakenDevice::seen(Ticket ticket) const {
  DmaSeen seen = SpecDevice::seen(ticket);
  if (mistake_.seen) mistake_.seen(seen);
  return seen;
}

// ---- memory -------------------------------------------------------------------------------------

/// A command is stored as the mistake takes it, and read as it was stored.
void MistakenDevice::store(u64 pa, u64 value) {
  meant_.erase(pa);
  SpecDevice::store(pa, value);
  if (!mistake_.command || pa - cmdq_ >= cmdq_bytes_) return;
  if (pa % 16 == 0) {
    low_ = value;
    return;
  }
  const spec::Command command = spec::decode_command<u64>(low_, value, caps_);
  if (spec::check_command<u64>(command, caps_)) return;  // it is refused as it is
  spec::Command taken = command;
  mistake_.command(taken);
  if (taken == command) return;
  const spec::CommandWords words = spec::encode_command(taken);
  SpecDevice::store(pa - 8, words.dw0);
  SpecDevice::store(pa, words.dw1);
  meant_[pa - 8] = low_;
  meant_[pa] = value;
}

Ticket MistakenDevice::load(u64 pa) {
  const Ticket ticket = SpecDevice::load(pa);
  if (const auto meant = meant_.find(pa); meant != meant_.end()) values_[ticket] = meant->second;
  if (mistake_.record && pa - eventq_ < eventq_bytes_) {
    const u64 first = align_down(pa, 5);
    trace::EventRecord words;
    for (unsigned i = 0; i < 4; ++i) words[i] = word_now(first + 8 * i).value_or(0);
    if (words[0] != 0) mistake_.record(words);
    values_[ticket] = words[(pa - first) / 8];
  }
  if (mistake_.page_record && pa - priq_ < priq_bytes_) {
    const u64 first = align_down(pa, 4);
    spec::PageRequestWords words = {word_now(first).value_or(0), word_now(first + 8).value_or(0)};
    if (words[0] != 0) mistake_.page_record(words);
    values_[ticket] = words[(pa - first) / 8];
  }
  return ticket;
}

std::vector<spec::PageResponse> MistakenDevice::take_page_responses() {
  std::vector<spec::PageResponse> all = SpecDevice::take_page_responses();
  if (mistake_.page_responses) mistake_.page_responses(all);
  return all;
}

spec::PageRequestOutcome MistakenDevice::page_outcome_of(const spec::PageRequest& request) {
  spec::PageRequestOutcome outcome = SpecDevice::page_outcome_of(request);
  if (mistake_.page) mistake_.page(context_, request, outcome);
  return outcome;
}

std::vector<spec::FlagUpdate> MistakenDevice::updates_of(const spec::Access& access,
                                                         const spec::Outcome& outcome) {
  std::vector<spec::FlagUpdate> all = SpecDevice::updates_of(access, outcome);
  if (mistake_.flags) mistake_.flags(context_, access, outcome, all);
  return all;
}

std::vector<AtcInvalidation> MistakenDevice::take_invalidations() {
  std::vector<AtcInvalidation> all = SpecDevice::take_invalidations();
  if (mistake_.invalidation) std::ranges::for_each(all, mistake_.invalidation);
  return all;
}

// ---- accesses -----------------------------------------------------------------------------------

spec::SmmuState MistakenDevice::its_state() const {
  spec::SmmuState state = state_now();
  if (mistake_.state) mistake_.state(state);
  return state;
}

bool MistakenDevice::translates_itself() const {
  return mistake_.state || mistake_.fetch || mistake_.access || mistake_.outcome;
}

std::optional<spec::Outcome> MistakenDevice::outcome_of(spec::Access& access) {
  if (mistake_.translated && access.route == spec::Route::translated) {
    std::optional<spec::Outcome> outcome = SpecDevice::outcome_of(access);
    if (outcome && state_now().smmuen) mistake_.translated(access, *outcome);
    return outcome;
  }
  const bool itself = translates_itself() || mistake_.tlb;
  if (!itself || access.route == spec::Route::translated || !state_now().smmuen) {
    return SpecDevice::outcome_of(access);
  }
  if (mistake_.tlb) return through_tlb(access);
  spec::Access taken = access;
  if (mistake_.access) mistake_.access(taken);
  Fetched memory{*this};
  spec::Outcome outcome = spec::untranslated_transaction(memory, its_state(), taken);
  if (mistake_.outcome) mistake_.outcome(context_, access, outcome);
  return outcome;
}

spec::AtsCompletion MistakenDevice::completion_of(const spec::Access& access) {
  spec::Access taken = access;
  if (mistake_.request) mistake_.request(taken);
  Fetched memory{*this};
  return spec::ats_request(memory, its_state(), taken);
}

// ---- a TLB --------------------------------------------------------------------------------------

namespace {

/// Without the tag in its top byte.
u64 canonical(u64 va) { return bit(va, 55) ? va | mask(63, 56) : va & mask(55, 0); }

}  // namespace

bool MistakenDevice::hits(const Entry& entry, const spec::Regime<u64>& regime, u64 va) const {
  const TlbMistake& wrong = *mistake_.tlb;
  const bool same_asid = ((entry.asid ^ regime.asid) & wrong.asid_bits) == 0;
  if (entry.global ? entry.aset != regime.aset.value : !same_asid) return false;
  const unsigned last = wrong.forgets_ttb ? 38 : 63;
  const u64 at = wrong.keeps_tags ? va : canonical(va);
  return ((at ^ entry.first) & mask(last, entry.bytes_lg2)) == 0;
}

/// Configuration is read each time; translations of whole walks are kept.
spec::Outcome MistakenDevice::through_tlb(const spec::Access& access) {
  Fetched memory{*this};
  const spec::SmmuState smmu = its_state();
  const auto plain = [&] { return spec::untranslated_transaction(memory, smmu, access); };
  const auto ste = spec::find_ste(memory, smmu.streams, access.sid);
  if (!ste) return plain();
  const spec::StreamDecision stream = spec::decide_stream(*ste, smmu.caps, access.ssv, access.ssid);
  if (stream.not_modelled != spec::NotModelled::no || stream.event != spec::EventType::none ||
      !stream.cd)
    return plain();
  const auto cd = spec::find_cd(memory, *ste, smmu.caps, *stream.cd);
  if (!cd) return plain();
  const spec::ContextDecision context = spec::decide_context(*ste, *cd, smmu.caps, smmu.e2h);
  if (context.illegal || context.not_modelled != spec::NotModelled::no) return plain();

  const spec::Regime<u64>& regime = context.regime;
  const unsigned half = spec::select_half(regime, access.va);
  const spec::AccessKind kind =
      spec::effective_access({access.type, access.privileged}, stream.overrides);
  if (spec::check_input(regime, half, access.va, kind)) return plain();
  const auto entry =
      std::ranges::find_if(tlb_, [&](const Entry& one) { return hits(one, regime, access.va); });
  if (entry != tlb_.end()) {
    const spec::AccessResult<u64> result = spec::check_access(entry->leaf, kind, regime);
    if (result.fault && !mistake_.tlb->rights_of_fill) {
      return spec::fault_outcome(result.fault->event, result.fault->rule, kind, context.reaction);
    }
    return {.kind = spec::OutcomeKind::translation,
            .pa = entry->leaf.output + (access.va & low_mask(u64{entry->bytes_lg2})),
            .rule = spec::rule::TRANSLATION_RESULT};
  }

  std::optional<spec::Leaf<u64>> found;
  spec::DescriptorReader<Fetched> descriptors{memory};
  (void)spec::walk_stage1(descriptors, regime, access.va, kind, [&](const spec::Leaf<u64>& leaf) {
    const spec::AccessResult<u64> result = spec::check_access(leaf, kind, regime);
    if (!result.fault) found = leaf;
    return result;
  });
  if (found) {
    Entry fresh{.asid = regime.asid,
                .global = !found->ng.value,
                .aset = regime.aset.value,
                .first = 0,
                .bytes_lg2 = found->extent_lg2,
                .leaf = *found};
    if (found->contiguous.value) {
      fresh.bytes_lg2 += spec::contiguous_lg2(found->granule, found->level);
      fresh.leaf.output = align_down(fresh.leaf.output, fresh.bytes_lg2);
    }
    const u64 at = mistake_.tlb->keeps_tags ? access.va : canonical(access.va);
    fresh.first = align_down(at, fresh.bytes_lg2);
    tlb_.push_back(fresh);
  }
  return plain();
}

/// Up to CMDQ_PROD, or to the first that is illegal.
void MistakenDevice::take_commands() {
  if (!mistake_.tlb) return;
  const unsigned lg2 = context_.cmdq_lg2;
  const u64 end = spec::queue_bits<u64>(lg2, context_.written[reg::cmdq_prod]);
  while (taken_ != end) {
    const u64 slot = cmdq_ + 16 * spec::queue_index<u64>(lg2, taken_);
    const auto command = spec::decode_command<u64>(word_now(slot).value_or(0),
                                                   word_now(slot + 8).value_or(0), caps_);
    if (spec::check_command<u64>(command, caps_)) return;
    if (spec::is_tlbi(command.op)) invalidate(command);
    taken_ = spec::queue_next<u64>(lg2, taken_);
  }
}

/// Leaf, TTL and the level are no reason to keep an entry.
bool MistakenDevice::covers(const spec::Command& command, const Entry& entry) const {
  constexpr u64 page = 4096;
  const TlbMistake& wrong = *mistake_.tlb;
  if (wrong.upper_half_stays && bit(entry.first, 55)) return false;
  const u64 begin = canonical(command.address);
  const u64 bytes = page * ((command.num + 1) << command.scale);
  if (wrong.ranges_cover && command.tg != 0) return entry.first - begin < bytes;
  const bool by_first = (wrong.contiguous_first && entry.leaf.contiguous.value) ||
                        (wrong.blocks_by_first && entry.leaf.level < spec::last_level);
  return entry.first - begin < bytes ||
         begin - entry.first < (by_first ? page : pow2(entry.bytes_lg2));
}

void MistakenDevice::invalidate(const spec::Command& command) {
  using enum spec::Opcode;
  std::erase_if(tlb_, [&](const Entry& entry) {
    const bool same = ((entry.asid ^ command.asid) & mistake_.tlb->asid_bits) == 0;
    switch (command.op) {
      case tlbi_nsnh_all:
      case tlbi_nh_all: return true;
      case tlbi_nh_asid: return same && !entry.global;
      case tlbi_nh_va: return (same || entry.global) && covers(command, entry);
      case tlbi_nh_vaa: return covers(command, entry);
      default: return false;
    }
  });
}

}  // namespace iommucheck::oracle
