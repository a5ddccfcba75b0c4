// SPDX-License-Identifier: MIT
// What a device's access writes of itself: the access flag and the dirty state of the descriptor
// that it was translated by. The interface hears of the write at once; memory has the mark at once
// or late, when the driver looks whether a CMD_SYNC has completed, at the latest. IHI 0070 3.13.4;
// SEMANTICS 4.
#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "monitor/marks.h"
#include "spec/arch/descriptor.h"
#include "spec/smmu/stage_walk.h"
#include "spec/smmu/view.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;

constexpr u64 output = mask(47, 12);

/// By an answer that a request may have got before the configuration went, from a word that it
/// would have marked.
bool needs_a_mark(const spec::CachesView& of, const spec::Outcome& write) {
  if (write.kind != spec::OutcomeKind::translation || write.dirty || write.atc == 0) return false;
  const spec::AtcItem& item = of.atcs.item(write.atc);
  if (item.kind == spec::ItemKind::unknown || item.identity != 0) return false;
  const auto met = step_in(of.regimes, item.space, item.level, write.value, item.hierarchical);
  const auto* leaf = std::get_if<spec::Leaf<u64>>(&met);
  return leaf != nullptr && leaf->writable_clean.value;
}

}  // namespace

void Marks::note_write(const spec::Access& access, std::optional<u64> pa, bool sure) {
  if (!setup_.calls_are_known) return;
  interface_.device_wrote(interface_.device_of(access.sid),
                          {.present = access.ssv, .number = access.ssv ? access.ssid : 0},
                          access.va, pa, sure);
}

Marks::Mark Marks::mark_of(const spec::Outcome& outcome) const {
  const bool translated = outcome.kind == spec::OutcomeKind::translation;
  // A request by ATS has marked what its answer was made of.
  if (!translated || caches_.capabilities().httu == 0 || outcome.atc != 0) return {};
  const auto flagged = caches_.memory().became(outcome.origin, outcome.value);
  Mark mark{.pa = outcome.origin,
            .from = outcome.value,
            .to = flagged.value_or(outcome.value),
            .cause = trace::StoreCause::access_flag};
  if (outcome.dirty) {
    mark.to = (mark.to | bits_of::af) ^ bits_of::ap2;
    mark.cause = trace::StoreCause::dirty_flag;
  }
  return mark;
}

/// Of a device that is played here: what the access has met is one of the allowed outcomes.
void Marks::mark_descriptor(const spec::Access& access, const spec::Outcome& outcome,
                            spec::Choices& choices) {
  const bool writes = access.type == spec::AccessType::write;
  if (outcome.passes() && writes) note_write(access, outcome.pa, true);
  const Mark mark = mark_of(outcome);
  if (mark.to == mark.from) return;
  if (choices.choose(spec::ChoiceSite::mark, 2) == 0) return store_mark(mark);
  case_.marks.push_back(mark);
}

/// Of a walk through both stages by memory as it is: flags of the user's descriptors, and of those
/// of stage 2 that map them, all at once. The leaf of stage 2 by which the access itself passes is
/// mark_descriptor()'s. IHI 0070 3.13.5.
void Marks::mark_walk(const spec::Access& access, const spec::Outcome& outcome) {
  const bool translated = outcome.kind == spec::OutcomeKind::translation;
  if (!translated || caches_.capabilities().httu == 0 || outcome.atc != 0) return;
  const spec::FlagUpdates made = caches_.nested().updates(access);
  if (!made.known || made.outcome.kind != outcome.kind || made.outcome.pa != outcome.pa) return;
  for (const spec::FlagUpdate& one : made.all) {
    if (one.pa != outcome.origin || !outcome.dirty) store_flags(one);
  }
}

/// What is mapped for a user may have the driver's tables in it: whose descriptor it was is open.
void Marks::tell_flags(u64 pa) {
  interface_.descriptor_written(pa, !spec::is_walkable_table(caches_.view(), pa));
}

void Marks::store_flags(const spec::FlagUpdate& update) {
  const spec::Content now = caches_.memory().newest(update.pa);
  if (now.unknown || now.value != update.from) return;
  const bool dirties = ((update.from ^ update.to) & bits_of::ap2) != 0;
  tick();
  emit(trace::smmu_agent(), trace::DeviceStore{.pa = update.pa,
                                               .size = 8,
                                               .value = update.to,
                                               .cause = dirties ? trace::StoreCause::dirty_flag
                                                                : trace::StoreCause::access_flag});
  caches_.device_store(update.pa, update.to);
  tell_flags(update.pa);
  gather();
}

/// By ATS the write may be one of later, by an answer whose request has marked the page: that one
/// would have been made here, and its mark is in memory. What has other words is no such answer: it
/// is cached, and dirty. Nor has any request got an answer that is gone, where the word it would
/// have marked is unmarked.
void Marks::forget_marked_before(std::vector<spec::Outcome>& outcomes) const {
  const auto marks = [&](const spec::Outcome& marked_before) {
    return std::ranges::any_of(outcomes, [&](const spec::Outcome& one) {
      return one.dirty && one.pa == marked_before.pa && one.origin == marked_before.origin &&
             one.value == marked_before.value;
    });
  };
  const auto is_unmarked = [&](const spec::Outcome& one) {
    const auto is_on_its_way = [&](const Mark& mark) { return mark.pa == one.origin; };
    return caches_.memory().newest(one.origin) == spec::Content{one.value, false} &&
           std::ranges::none_of(case_.marks, is_on_its_way);
  };
  std::erase_if(outcomes, [&](const spec::Outcome& one) {
    const bool translated = one.kind == spec::OutcomeKind::translation;
    if (!translated || one.dirty) return false;
    return marks(one) || (needs_a_mark(caches_.view(), one) && is_unmarked(one));
  });
}

/// As one atomic step on the word as memory has it then. Where it is another one the walk has
/// started again, and there is nothing to be marked.
void Marks::store_mark(const Mark& mark) {
  const spec::Content now = caches_.memory().newest(mark.pa);
  const u64 flags = mark.from ^ mark.to;
  const bool same = !now.unknown && ((now.value ^ mark.from) & (output | bits_of::valid)) == 0;
  if (!same) return;
  u64 value = now.value | (flags & bits_of::af);
  const bool clean = ((now.value ^ mark.from) & (bits_of::ap2 | bits_of::dbm)) == 0;
  if ((flags & bits_of::ap2) != 0 && clean) value ^= bits_of::ap2;
  if (value == now.value) return;
  tick();
  emit(trace::smmu_agent(),
       trace::DeviceStore{.pa = mark.pa, .size = 8, .value = value, .cause = mark.cause});
  caches_.device_store(mark.pa, value);
  gather();
}

void Marks::atomic_meets(u64 pa) {
  for (const Mark& mark : std::exchange(case_.marks, {})) {
    if (mark.pa == pa) {
      store_mark(mark);
    } else {
      case_.marks.push_back(mark);
    }
  }
}

void Marks::settle_marks() {
  for (const Mark& mark : std::exchange(case_.marks, {})) store_mark(mark);
}

}  // namespace iommucheck::oracle
