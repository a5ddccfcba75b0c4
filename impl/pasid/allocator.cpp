// SPDX-License-Identifier: MIT
#include "impl/pasid/allocator.h"

#include <algorithm>
#include <bit>

namespace iommucheck::impl {

u64 PasidAllocator::state(u32 pasid) const {
  if (pasid > last) return 0;
  const Block* block = block_of(pasid);
  return block == nullptr ? 0 : block->state[pasid % block_size];
}

/// The lowest number of [from, to] that was never given; what is full is skipped at three levels.
bool PasidAllocator::find_new(u32 from, u32 to, u32* found) const {
  u32 pasid = from;
  while (pasid <= to) {
    *found = pasid;
    const auto full_groups = static_cast<u32>(std::countr_one(full_groups_ >> pasid / group_span));
    if (full_groups != 0) {
      pasid = (pasid / group_span + full_groups) * group_span;
      continue;
    }
    const Group* group = groups_[pasid / group_span];
    if (group == nullptr) return true;
    const u32 word = pasid % group_span / 64;
    const u64 given = group->given[word] >> pasid % 64;
    const u32 at = pasid % 64 + static_cast<u32>(std::countr_one(given));
    if (at < 64) {
      *found = pasid / 64 * 64 + at;
      return *found <= to;
    }
    // The next word that is not full, of those behind this one in the same 64.
    const u32 next = word + 1;
    const u64 full = next % 64 == 0 ? 0 : group->full[next / 64] >> next % 64;
    const auto skipped = static_cast<u32>(std::countr_one(full));
    pasid = (pasid / 64 + 1 + skipped) * 64;
  }
  return false;
}

/// The run with the number of [min, max] that has been free for longest.
PasidAllocator::Run* PasidAllocator::find_freed(u32 min, u32 max) const {
  Run* run = oldest_;
  while (run != nullptr && (run->first > max || run->last < min)) run = run->next;
  return run;
}

void PasidAllocator::drop(Run& run) {
  (run.before == nullptr ? oldest_ : run.before->next) = run.next;
  (run.next == nullptr ? newest_ : run.next->before) = run.before;
  run.next = spare_runs_;
  spare_runs_ = &run;
  ++spare_run_count_;
}

/// Splits a run around `pasid`; both parts stay where they are in the order of freeing.
void PasidAllocator::take_from(Run& run, u32 pasid) {
  if (run.first == run.last) {
    drop(run);
  } else if (pasid == run.first) {
    ++run.first;
  } else if (pasid == run.last) {
    --run.last;
  } else {
    Run* rest = spare_runs_;
    spare_runs_ = rest->next;
    --spare_run_count_;
    *rest = {.first = pasid + 1, .last = run.last, .next = run.next, .before = &run};
    (run.next == nullptr ? newest_ : run.next->before) = rest;
    run.next = rest;
    run.last = pasid - 1;
  }
}

/// Memory for `pasid` to be used, and to be freed again. False: the arena is full.
bool PasidAllocator::reserve(const Platform& platform, u32 pasid) {
  // One run for each number in use, this one, and the rest of a run that is split.
  if (spare_run_count_ < held_ + 2) {
    constexpr u32 more = 64;
    Run* runs = platform.arena<Run>(more);
    if (runs == nullptr) return false;
    for (u32 i = 0; i < more; ++i) {
      runs[i].next = spare_runs_;
      spare_runs_ = &runs[i];
    }
    spare_run_count_ += more;
  }
  Group*& group = groups_[pasid / group_span];
  if (group == nullptr) {
    group = platform.arena<Group>(1);
    if (group == nullptr) return false;
    // 0 is never given, so that the rest can be.
    if (keeps_zero_ && pasid / group_span == 0) group->given[0] = 1;
  }
  Block*& block = group->blocks[pasid / block_size % group_size];
  if (block != nullptr) return true;
  if (spare_blocks_ != nullptr) {
    block = spare_blocks_;
    spare_blocks_ = block->next;
    block->next = nullptr;
  } else {
    block = platform.arena<Block>(1);
  }
  return block != nullptr;
}

void PasidAllocator::mark_given(u32 pasid) {
  Group& group = *groups_[pasid / group_span];
  const u32 word = pasid % group_span / 64;
  group.given[word] |= u64{1} << pasid % 64;
  if (group.given[word] != ~u64{0}) return;
  group.full[word / 64] |= u64{1} << word % 64;
  const bool all =
      std::all_of(group.full.begin(), group.full.end(), [](u64 words) { return words == ~u64{0}; });
  if (all) full_groups_ |= u64{1} << pasid / group_span;
}

void PasidAllocator::mark_free(u32 pasid) {
  Block*& block = groups_[pasid / group_span]->blocks[pasid / block_size % group_size];
  --held_;
  if (--block->count == 0) {
    block->next = spare_blocks_;
    spare_blocks_ = block;
    block = nullptr;
  }
  if (newest_ != nullptr && newest_->last + 1 == pasid) {
    newest_->last = pasid;
    return;
  }
  Run* run = spare_runs_;
  spare_runs_ = run->next;
  --spare_run_count_;
  *run = {.first = pasid, .last = pasid, .next = nullptr, .before = newest_};
  (newest_ == nullptr ? oldest_ : newest_->next) = run;
  newest_ = run;
}

int PasidAllocator::allocate(const Platform& platform, u32 min, u32 max, u64 kind, u32* pasid) {
  const u32 next = cursor_ + 1;
  const bool above = next > min && next <= max;
  u32 found = 0;
  Run* run = nullptr;
  const bool is_new = above ? find_new(next, max, &found) || find_new(min, next - 1, &found)
                            : find_new(min, max, &found);
  if (!is_new) {
    run = find_freed(min, max);
    if (run == nullptr) return -IOMMUCHECK_ENOSPC;
    found = std::max(run->first, min);
  }
  if (!reserve(platform, found)) return -IOMMUCHECK_ENOMEM;
  Block& block = *block_of(found);
  u64& state = block.state[found % block_size];
  const pasid::Step<u64> step = pasid::take(state, kind);
  if (!step.ok) return -IOMMUCHECK_ENOSPC;
  state = step.state;
  if (is_new) {
    mark_given(found);
  } else {
    take_from(*run, found);
  }
  ++block.count;
  ++held_;
  cursor_ = found;
  *pasid = found;
  return 0;
}

}  // namespace iommucheck::impl
