// SPDX-License-Identifier: MIT
#include "conform/flag_rules.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "monitor/device_rules.h"
#include "spec/smmu/flag_updates.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Outcome;
using spec::OutcomeKind;

struct NewestWords {
  const spec::Memory& memory;
  bool unknown = false;
  std::optional<u64> read(spec::Structure /*kind*/, u64 pa) {
    const spec::Content content = memory.newest(pa);
    unknown |= content.unknown;
    return content.value;
  }
};

}  // namespace

void FlagRules::begin() {
  enabled_once_ = open_ = requested_ = false;
  changed_.clear();
  may_be_dirty_.clear();
  due_.clear();
  stored_.clear();
  asked_ = 0;
}

void FlagRules::feed(const trace::Event& event) {
  if (caches_.capabilities().httu == 0) return;
  enabled_once_ |= (smmu_.cr0() & spec::cr0::smmuen) != 0;
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    stored(align_down(store->pa, 3), (store->size + 7U) / 8);
  } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    stored(fill->pa, fill->words);
  } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
    if (dma->kind != trace::TransactionKind::translated) access(*dma);
  } else if (const auto* request = std::get_if<trace::AtsRequest>(&event.payload)) {
    requested_ = true;
    // One that asks for no writing leaves clean what is clean. IHI 0070 3.13.7.1.
    if (!request->no_write.value_or(false)) request_to_write(*request);
  }
}

/// What was due there is not to be seen any more.
void FlagRules::stored(u64 first, u64 words) {
  const u64 end = first + 8 * words;
  due_.erase(due_.lower_bound(first), due_.lower_bound(end));
  stored_.erase(stored_.lower_bound(first), stored_.lower_bound(end));
  if (!enabled_once_) return;
  for (u64 pa = first; pa != end; pa += 8) changed_.insert(pa);
}

void FlagRules::access(const trace::Dma& dma) {
  if (!smmu_.surely_enabled()) return;
  const spec::Access access = access_in(dma);
  NewestWords memory{caches_.memory()};
  const spec::SmmuState state{.caps = caches_.capabilities(),
                              .streams = caches_.stream_table(),
                              .smmuen = true,
                              .e2h = caches_.e2h()};
  const spec::FlagUpdates made = spec::flag_updates(memory, state, access);
  std::vector<Outcome> allowed;
  const bool all = caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); });
  const bool followed = std::ranges::none_of(allowed, [](const Outcome& o) {
    return o.kind == OutcomeKind::any || o.kind == OutcomeKind::within;
  });
  if (!all || !followed || !made.known || memory.unknown || !caches_.unsupported().empty()) {
    open_ = true;
    return;
  }
  if (dma.result != trace::DmaResult::ok) return;
  make_dirty(allowed, dma.pa);
  // Surely only where it cannot have been translated by anything but this.
  const bool sure = allowed.size() == 1 && (!dma.pa || *dma.pa == made.outcome.pa) &&
                    std::ranges::none_of(made.words, [&](u64 pa) { return changed_.contains(pa); });
  if (!sure) return;
  for (const spec::FlagUpdate& one : made.all) {
    Due& due = due_.try_emplace(one.pa, Due{.from = one.from, .to = one.from}).first->second;
    due.to = due.from ^ ((due.from ^ due.to) | (one.from ^ one.to));
    due.group = caches_.next_group();
    write(one.pa, caches_.memory().newest(one.pa).value | (one.to & bits_of::af));
  }
}

/// What it is granted is dirty from then on, in memory and in caches; which flags are to be seen is
/// not followed.
void FlagRules::request_to_write(const trace::AtsRequest& request) {
  open_ = true;
  if (request.result != trace::AtsResult::success) return;
  spec::Access access = access_in(request);
  access.type = spec::AccessType::write;
  std::vector<Outcome> allowed;
  caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); });
  make_dirty(allowed, std::nullopt);
}

/// Whether or not it was by this access: it is cached as dirty then, which memory will not explain.
void FlagRules::make_dirty(const std::vector<Outcome>& allowed, std::optional<u64> pa) {
  for (const Outcome& o : allowed) {
    const bool its = !pa || *pa == o.pa;
    if (o.kind != OutcomeKind::translation || !o.dirty || !its) continue;
    may_be_dirty_.insert(o.origin);
    const u64 word = caches_.memory().newest(o.origin).value;
    const u64 flags = bits_of::af;
    if (((word ^ o.value) & ~flags) == 0) write(o.origin, (word | flags) ^ bits_of::ap2);
  }
}

void FlagRules::write(u64 pa, u64 value) {
  const u64 word = caches_.memory().newest(pa).value;
  if (word == value) return;
  stored_.try_emplace(pa, word);
  caches_.device_store(pa, value);
}

u64 FlagRules::as_stored(u64 pa, u64 word) const {
  const auto found = stored_.find(pa);
  return found == stored_.end() ? word : found->second;
}

u64 FlagRules::may_change(u64 pa, u64 stored) const {
  if (caches_.capabilities().httu == 0 || (stored & bits_of::valid) == 0) return 0;
  u64 may = 0;
  if (open_ || requested_ || caches_.memory().became(pa, stored)) may |= bits_of::af;
  const bool dirty = open_ || may_be_dirty_.contains(pa);
  if (dirty && (stored & bits_of::dbm) != 0) may |= bits_of::ap2;
  if ((stored & bits_of::af) != 0) may &= ~bits_of::af;  // the SMMU never clears it
  // Of big-endian tables the same bits lie elsewhere.
  return open_ && caches_.capabilities().ttendian != 2 ? may | __builtin_bswap64(may) : may;
}

u64 FlagRules::unset(u64 pa, u64 seen) {
  const auto found = due_.find(pa);
  if (found == due_.end() || caches_.completed_groups() <= found->second.group) return 0;
  ++asked_;
  return (found->second.from ^ found->second.to) & ~(found->second.from ^ seen);
}

}  // namespace iommucheck::oracle
