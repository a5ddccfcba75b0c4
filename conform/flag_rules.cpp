// SPDX-License-Identifier: MIT
#include "conform/flag_rules.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "conform/newest_words.h"
#include "monitor/device_rules.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/flag_walks.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Arrival;
using spec::Outcome;
using spec::OutcomeKind;

}  // namespace

void FlagRules::begin() {
  enabled_once_ = waits_to_write_ = open_ = requested_ = both_ = big_endian_ = false;
  changed_.clear();
  leaves_.clear();
  leaves_of_tables_.clear();
  may_be_dirty_.clear();
  due_.clear();
  stored_.clear();
  asked_ = 0;
  atschk_.reset();
  atschk_changed_ = false;
}

void FlagRules::feed(const trace::Event& event) {
  if (caches_.capabilities().httu == 0) return;
  enabled_once_ |= (smmu_.cr0() & spec::cr0::smmuen) != 0;
  if (enabled_once_) look_at_atschk();
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    stored(align_down(store->pa, 3), (store->size + 7U) / 8);
  } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    stored(fill->pa, fill->words);
  } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
    dma->kind == trace::TransactionKind::translated ? translated(*dma) : access(*dma);
  } else if (const auto* request = std::get_if<trace::AtsRequest>(&event.payload)) {
    this->request(*request);
  }
}

/// What was due there is not to be seen any more.
void FlagRules::stored(u64 first, u64 words) {
  const u64 end = first + 8 * words;
  due_.erase(due_.lower_bound(first), due_.lower_bound(end));
  stored_.erase(stored_.lower_bound(first), stored_.lower_bound(end));
  if (!enabled_once_) return;
  open_ |= waits_to_write_;  // it may be tried again, and pass
  for (u64 pa = first; pa != end; pa += 8) changed_.insert(pa);
}

/// By memory as it is, which may be another thing than what a cache says.
spec::FlagUpdates FlagRules::walked(const spec::Access& access, Arrival arrival) const {
  NewestWords memory{caches_.memory()};
  const spec::SmmuState state{.caps = caches_.capabilities(),
                              .streams = caches_.stream_table(),
                              .smmuen = true,
                              .atschk = (smmu_.cr0() & spec::cr0::atschk) != 0,
                              .e2h = caches_.e2h()};
  spec::FlagUpdates made = spec::flag_updates(memory, state, access, arrival);
  made.known &= !memory.unknown;
  return made;
}

spec::FlagUpdates FlagRules::updates(const spec::Access& access, Arrival arrival) {
  spec::FlagUpdates made = walked(access, arrival);
  both_ |= made.both;
  open_ |= made.both && atschk_changed_;
  big_endian_ |= made.endi;
  if (made.both) {
    leaves_.insert(made.leaves.begin(), made.leaves.end());
    leaves_of_tables_.insert(made.leaves_of_tables.begin(), made.leaves_of_tables.end());
  }
  return made;
}

/// A write that stage 1 lets pass and stage 2 refuses: a walk may have made the leaf of stage 1
/// dirty before the output was translated. DDI 0487 D8.5; IHI 0070 3.13.4.
void FlagRules::may_dirty_stage1(spec::Access access) {
  access.route = spec::Route::untranslated;
  access.type = spec::AccessType::write;
  const Outcome refused = walked(access, Arrival::untranslated).outcome;
  const bool by_stage2 = refused.kind == OutcomeKind::fault && refused.stage2 &&
                         refused.input == spec::Stage2Input::transaction;
  if (!by_stage2) return;
  access.type = spec::AccessType::read;
  const spec::FlagUpdates read = walked(access, Arrival::untranslated);
  if (read.both && !read.leaves.empty()) may_be_dirty_.insert(read.leaves.front());
}

/// No cache has anything else of what it was translated by.
bool FlagRules::is_unchanged(const spec::FlagUpdates& made) const {
  return made.known &&
         std::ranges::none_of(made.words, [&](u64 pa) { return changed_.contains(pa); });
}

void FlagRules::owe(const spec::FlagUpdates& made) {
  for (const spec::FlagUpdate& one : made.all) {
    Due& due = due_.try_emplace(one.pa, Due{.from = one.from, .to = one.from}).first->second;
    due.to = due.from ^ ((due.from ^ due.to) | (one.from ^ one.to));
    due.group = caches_.next_group();
  }
}

/// All of it is in memory from here on, and in caches.
void FlagRules::settle(const spec::FlagUpdates& made) {
  owe(made);
  constexpr u64 dirty = bits_of::ap2 | __builtin_bswap64(bits_of::ap2);
  for (const spec::FlagUpdate& one : made.all) {
    if (((one.from ^ one.to) & dirty) != 0) may_be_dirty_.insert(one.pa);
    write(one.pa, one.to);
  }
}

/// Until CR0ACK says so it may translate, and may not.
bool FlagRules::is_enabled() {
  const bool surely = smmu_.surely_enabled();
  open_ |= !surely && (smmu_.cr0() & spec::cr0::smmuen) != 0;
  return surely;
}

void FlagRules::access(const trace::Dma& dma) {
  if (!is_enabled()) return;
  const spec::Access access = access_in(dma);
  waits_to_write_ |=
      dma.result == trace::DmaResult::stall && access.type == spec::AccessType::write;
  const spec::FlagUpdates made = updates(access, Arrival::untranslated);
  if (made.both && access.type == spec::AccessType::write) may_dirty_stage1(access);
  if (made.both || made.endi || !caches_.unsupported().empty()) {
    if (!is_unchanged(made)) {
      open_ = true;
    } else if (dma.result == trace::DmaResult::ok &&
               dma.pa.value_or(made.outcome.pa) == made.outcome.pa) {
      settle(made);
    }
    return;
  }
  std::vector<Outcome> allowed;
  const bool all = caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); });
  const bool followed = std::ranges::none_of(allowed, [](const Outcome& o) {
    return o.kind == OutcomeKind::any || o.kind == OutcomeKind::within;
  });
  if (!all || !followed || !made.known) {
    open_ = true;
    may_make_dirty(made);
    return;
  }
  if (dma.result != trace::DmaResult::ok) return;
  make_dirty(allowed, dma.pa);
  // Surely only where it cannot have been translated by anything but this.
  const bool sure = allowed.size() == 1 && (!dma.pa || *dma.pa == made.outcome.pa);
  if (!sure || !is_unchanged(made)) return;
  owe(made);
  for (const spec::FlagUpdate& one : made.all) {
    write(one.pa, caches_.memory().newest(one.pa).value | (one.to & bits_of::af));
  }
}

/// By split-stage ATS its address is translated by stage 2, which sets the flags of that page.
void FlagRules::translated(const trace::Dma& dma) {
  if (!is_enabled()) return;
  spec::Access access = access_in(dma);
  access.route = spec::Route::translated;
  const spec::FlagUpdates made = updates(access, Arrival::translated);
  if (!is_unchanged(made)) {
    open_ |= both_;
  } else if (made.outcome.kind == OutcomeKind::translation && dma.result == trace::DmaResult::ok &&
             dma.pa.value_or(made.outcome.pa) == made.outcome.pa) {
    settle(made);
  }
}

/// By which split-stage ATS is on. It may be cached with an STE. IHI 0070 6.3.9 (ATSCHK).
void FlagRules::look_at_atschk() {
  const bool checks = (smmu_.cr0() & spec::cr0::atschk) != 0;
  atschk_changed_ |= atschk_.value_or(checks) != checks;
  atschk_ = checks;
}

/// What is granted is accessed, and what is granted to be written is dirty, as by an access. One
/// that asks for no writing leaves clean what is clean. IHI 0070 3.13.7.1.
void FlagRules::request(const trace::AtsRequest& request) {
  requested_ = true;
  if (!is_enabled()) return;
  const trace::Rights rights = request.rights.value_or(trace::Rights{});
  const bool granted = request.result == trace::AtsResult::success;
  spec::Access access = access_in(request);
  access.route = spec::Route::translated;
  for (const bool writes : {false, true}) {
    if (writes && request.no_write.value_or(false)) break;
    access.type = writes ? spec::AccessType::write : spec::AccessType::read;
    const spec::FlagUpdates made = updates(access, Arrival::request);
    if (made.may_be_dirty) may_be_dirty_.insert(*made.may_be_dirty);
    if (writes && made.both) {
      spec::Access written = access;
      written.privileged &= written.ssv;
      may_dirty_stage1(written);
    }
    if (is_unchanged(made)) {
      if (granted && (writes ? rights.write : rights.read)) settle(made);
      continue;
    }
    if (!writes) continue;
    open_ = true;
    if (!granted) continue;
    access.route = spec::Route::untranslated;
    std::vector<Outcome> allowed;
    caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); });
    make_dirty(allowed, std::nullopt);
  }
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

/// Of an access to which anything may happen: where it has walked to the leaf that is there, this
/// is dirty from now on, and cached as that.
void FlagRules::may_make_dirty(const spec::FlagUpdates& made) {
  for (const spec::FlagUpdate& one : made.all) {
    if (((one.from ^ one.to) & bits_of::ap2) == 0) continue;
    write(one.pa, one.from | bits_of::af);
    caches_.memory().may_become(one.pa, one.from | bits_of::af, one.to);
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

/// Of a descriptor that is that word.
u64 FlagRules::flags_of(u64 pa, u64 word) const {
  if ((word & bits_of::valid) == 0) return 0;
  u64 may = 0;
  const bool met = open_ || requested_ || both_ || big_endian_ || caches_.memory().became(pa, word);
  if (met && (word & bits_of::af) == 0) may |= bits_of::af;  // the SMMU never clears it
  // What maps tables of stage 1 may become dirty by speculation. IHI 0070 3.13.4.
  const bool leaf = leaves_.contains(pa) && !leaves_of_tables_.contains(pa);
  const bool dirty = open_ || may_be_dirty_.contains(pa) || (both_ && !leaf);
  if (dirty && (word & bits_of::dbm) != 0) may |= bits_of::ap2;
  return may;
}

u64 FlagRules::may_change(u64 pa, u64 stored) const {
  if (caches_.capabilities().httu == 0) return 0;
  u64 may = flags_of(pa, stored);
  if (caches_.capabilities().ttendian != 2 && (open_ || big_endian_)) {
    may |= __builtin_bswap64(flags_of(pa, __builtin_bswap64(stored)));
  }
  return may;
}

u64 FlagRules::unset(u64 pa, u64 seen) {
  const auto found = due_.find(pa);
  if (found == due_.end() || caches_.completed_groups() <= found->second.group) return 0;
  ++asked_;
  return (found->second.from ^ found->second.to) & ~(found->second.from ^ seen);
}

}  // namespace iommucheck::oracle
