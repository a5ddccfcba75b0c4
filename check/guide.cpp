// SPDX-License-Identifier: MIT
#include "check/guide.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace iommucheck::oracle {

namespace {

constexpr u16 whole_space = 1, teardown = 2;

}  // namespace

/// Zero is nothing.
struct Guide::Block {
  struct Made {
    u16 ends = 0;
    u16 shared = 0;
    u32 count = 0;
    u64 words[fuzz::operations_max] = {};
  };
  struct Feature {
    u16 families = 0;     // that showed it
    u16 last_family = 0;  // + 1
    u16 place = 0;        // of who showed it behind the fewest operations
    u16 operations = 0;
    u16 chosen = 0;
  };
  u64 made = 0;
  u64 begun = 0;
  u64 seen = 0;
  u16 order[features] = {};  // features as they were seen first
  Feature feature[features] = {};
  Made sequences[part_size] = {};
};

void Guide::Unmap::operator()(Block* block) const { ::munmap(block, sizeof(Block)); }

Expected<Guide> Guide::create() {
  void* const memory =
      ::mmap(nullptr, sizeof(Block), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return fail(ErrorCode::environment,
                std::string("no shared memory for what sequences show: ") + std::strerror(errno));
  }
  Guide guide;
  guide.block_.reset(static_cast<Block*>(memory));  // anonymous memory is zero
  return guide;
}

u64 Guide::made() const { return std::min(block_->made, part_size); }
u64 Guide::begun() const { return std::min(block_->begun, made()); }
u64 Guide::count() const { return std::min<u64>(block_->seen, features); }

void Guide::sequence(u64 place, Sequence& sequence) const {
  const Block::Made& made = block_->sequences[place % part_size];
  const std::size_t count = std::min<std::size_t>(made.count, fuzz::operations_max);
  sequence.operations.clear();
  for (std::size_t i = 0; i < count; ++i) {
    sequence.operations.push_back(fuzz::decode_word(made.words[i]));
  }
  sequence.ends = {.whole_space = (made.ends & whole_space) != 0,
                   .teardown = (made.ends & teardown) != 0};
  sequence.shared = std::min<std::size_t>(made.shared, count);
}

void Guide::add(const Sequence& sequence) {
  if (block_->made >= part_size) return;
  Block::Made& made = block_->sequences[block_->made];
  made.ends = static_cast<u16>((sequence.ends.whole_space ? whole_space : 0) |
                               (sequence.ends.teardown ? teardown : 0));
  made.shared = static_cast<u16>(sequence.shared);
  made.count =
      static_cast<u32>(std::min<std::size_t>(sequence.operations.size(), fuzz::operations_max));
  for (std::size_t i = 0; i < made.count; ++i) {
    made.words[i] = fuzz::encode_word(sequence.operations[i]);
  }
  ++block_->made;
}

void Guide::enter(u64 place) {
  place_ = place;
  noting_ = place < part_size;
  block_->begun = std::max(block_->begun, place + 1);
}

void Guide::note(u64 what, std::size_t operations) {
  if (!noting_) return;
  const auto number = static_cast<u16>(SplitMix64::mixed(what) % features);
  Block::Feature& feature = block_->feature[number];
  const auto family = static_cast<u16>(place_ / family_size + 1);
  if (feature.families == 0) block_->order[block_->seen++ % features] = number;
  if (feature.families == 0 || operations < feature.operations) {
    feature.place = static_cast<u16>(place_);
    feature.operations = static_cast<u16>(operations);
  }
  if (feature.last_family != family && feature.families != 0xffff) ++feature.families;
  feature.last_family = family;
}

std::optional<Guide::Rare> Guide::rare(SplitMix64& words) {
  const auto weight_of = [&](u64 i) -> u64 {
    const Block::Feature& feature = block_->feature[block_->order[i] % features];
    constexpr u64 one = 1U << 20;
    const u64 times = u64{feature.families} + feature.chosen;
    return times == 0 ? 0 : std::max<u64>(one / (times * times), 1);
  };
  u64 total = 0;
  for (u64 i = 0; i < count(); ++i) total += weight_of(i);
  if (total == 0) return std::nullopt;
  u64 left = words.below(total);
  for (u64 i = 0; i < count(); ++i) {
    const u64 weight = weight_of(i);
    if (left >= weight) {
      left -= weight;
      continue;
    }
    Block::Feature& feature = block_->feature[block_->order[i] % features];
    if (feature.chosen != 0xffff) ++feature.chosen;
    return Rare{feature.place, feature.operations};
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
