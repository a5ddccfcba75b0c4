// SPDX-License-Identifier: MIT
// Memory keeps runs of pending stores as one entry. Here each word keeps its own list, and both say
// the same of every word after every event: which versions are visible, when the newest was made,
// and what vanishes at a barrier.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "spec/smmu/memory.h"

namespace iommucheck::spec::smmu_memory_test {
namespace {

constexpr u64 base = u64{1} << 31;
constexpr u64 words = 2 * frame_words;

using Gone = std::tuple<u64, u64, bool, u32>;  // address, value, unknown, event of the store

/// The simple form.
struct Word {
  struct Pending {
    Content old;
    u64 covered = 0;
    bool needs_clean = false;
    u32 at = 0;
  };
  Content newest{.value = 0, .unknown = true};
  std::vector<Pending> pending;  // the oldest first
};

struct Words {
  bool coherent = true;
  bool second_uncached = false;  ///< of the two frames
  std::array<Word, words> all;

  static u64 bit_of(AgentId by) { return u64{1} << (static_cast<unsigned>(by) % 64); }
  void store(u64 i, Content content, AgentId by, u32 at) {
    Word& word = all[i];
    if (word.newest == content && word.pending.empty()) return;
    const bool uncached = second_uncached && i >= frame_words;
    word.pending.push_back({word.newest, bit_of(by), !coherent && !uncached, at});
    word.newest = content;
  }
  std::vector<Gone> barrier(AgentId by) {
    std::vector<Gone> gone;
    for (u64 i = 0; i < words; ++i) {
      std::vector<Word::Pending>& list = all[i].pending;
      std::size_t settled = 0;
      for (std::size_t k = 0; k < list.size(); ++k) {
        if ((list[k].covered & bit_of(by)) != 0 && !list[k].needs_clean) settled = k + 1;
      }
      for (std::size_t k = 0; k < settled; ++k) {
        gone.emplace_back(base + 8 * i, list[k].old.value, list[k].old.unknown, list[k].at);
      }
      list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(settled));
    }
    return gone;
  }
  void handoff(AgentId from, AgentId to) {
    for (Word& word : all) {
      for (Word::Pending& store : word.pending) {
        if ((store.covered & bit_of(from)) != 0) store.covered |= bit_of(to);
      }
    }
  }
  void clean(u64 i, AgentId by) {
    for (u64 k = align_down(i, 3); k < align_down(i, 3) + 8; ++k) {
      for (Word::Pending& store : all[k].pending) {
        if ((store.covered & bit_of(by)) == 0 || !store.needs_clean) continue;
        store.needs_clean = false;
        store.covered = bit_of(by);
      }
    }
  }
  void forget(u64 frame) {
    for (u64 i = frame * frame_words; i < (frame + 1) * frame_words; ++i) all[i] = {};
    if (frame == 1) second_uncached = false;  // who has it next maps it otherwise
  }
  [[nodiscard]] std::vector<Content> visible(u64 i) const {
    std::vector<Content> found{all[i].newest};
    for (std::size_t k = all[i].pending.size(); k-- > 0;) {
      const Content old = all[i].pending[k].old;
      if (std::ranges::find(found, old) == found.end()) found.push_back(old);
    }
    return found;
  }
};

void compare(const Memory& memory, const Words& simple) {
  for (u64 i = 0; i < words; ++i) {
    std::vector<Content> found;
    memory.visible(base + 8 * i, [&](Content content) { found.push_back(content); });
    RC_ASSERT(found == simple.visible(i));
    RC_ASSERT(memory.is_pending(base + 8 * i) == !simple.all[i].pending.empty());
    if (simple.all[i].pending.empty()) continue;
    RC_ASSERT(memory.first_pending(base + 8 * i) == simple.all[i].pending.front().at);
    RC_ASSERT(*memory.pending_since(base + 8 * i) == simple.all[i].pending.back().at);
  }
}

RC_GTEST_PROP(SmmuMemory, RunsOfPendingStoresAreStoresOfEachWord,
              (bool coherent, bool second_uncached)) {
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, u64{8} * words);
  memory.set_coherent(coherent);
  Words simple;
  simple.coherent = coherent;
  simple.second_uncached = second_uncached;
  if (second_uncached) memory.set_uncached(memory.frame(base + 8 * frame_words));
  // In the first page what vanishes is told; nobody reaches the second one.
  memory.frame(base).table_edges[0] = 1;
  u32 now = 1;
  const auto below = [](u64 n) { return *rc::gen::inRange<u64>(0, n); };
  const auto agent = [&] { return below(4) == 0 ? AgentId{1} : AgentId::cpu0; };
  const u64 steps = 5 + below(30);
  for (u64 step = 0; step < steps; ++step) {
    const AgentId by = agent();
    const u64 place = below(4) == 0 ? below(words) : frame_words * below(2) + below(24);
    switch (below(9)) {
      case 0: {  // a page's worth of one value, or less
        const u64 page = frame_words * below(2);
        const u64 first = below(2) == 0 ? 0 : below(16);
        const u64 count = below(2) == 0 ? frame_words - first : 1 + below(20);
        const u32 at = ++now;
        const u64 value = below(2);
        memory.fill(base + 8 * (page + first), count, value, by, at,
                    [&](Frame& frame, unsigned index, Content content) {
                      memory.store(frame, index, content, by, at);
                    });
        for (u64 k = 0; k < count; ++k) {
          simple.store(page + first + k, {value, false}, by, at);
        }
        break;
      }
      case 1:
      case 2: {
        std::vector<Gone> gone;
        memory.barrier(by, [&](Frame& frame, unsigned index, Content content, EventIndex at) {
          gone.emplace_back(frame.address() + 8 * index, content.value, content.unknown, at);
        });
        std::vector<Gone> expected = simple.barrier(by);
        std::erase_if(expected, [](const Gone& each) {
          return std::get<0>(each) >= base + u64{8} * frame_words;
        });
        std::ranges::sort(gone);
        std::ranges::sort(expected);
        RC_ASSERT(gone == expected);
        break;
      }
      case 3: {
        const AgentId to = agent();
        memory.handoff(by, to);
        simple.handoff(by, to);
        break;
      }
      case 6: {
        std::vector<Gone> gone;
        memory.settle_word(
            base + 8 * place, [&](Frame& frame, unsigned index, Content content, EventIndex at) {
              gone.emplace_back(frame.address() + 8 * index, content.value, content.unknown, at);
            });
        RC_ASSERT(gone.size() == simple.all[place].pending.size());
        simple.all[place].pending.clear();
        break;
      }
      case 4: {
        const u64 count = below(2) == 0 ? 1 : std::min<u64>(1 + below(600), words - place);
        memory.clean(base + 8 * place, 8 * count, by);
        for (u64 k = align_down(place, 3); k < place + count; k += 8) simple.clean(k, by);
        break;
      }
      case 5:
        if (below(4) == 0) {
          memory.forget(memory.frame(base + 8 * place));
          simple.forget(place / frame_words);
          break;
        }
        [[fallthrough]];
      default: {  // words one after the other
        const u64 count = std::min<u64>(1 + below(20), words - place);
        const u64 value = below(3);
        const u64 grows = below(2);
        for (u64 k = 0; k < count; ++k) {
          const Content content{value + grows * k, false};
          ++now;
          memory.store(memory.frame(base + 8 * (place + k)),
                       static_cast<unsigned>((place + k) % frame_words), content, by, now);
          simple.store(place + k, content, by, now);
        }
      }
    }
    compare(memory, simple);
    RC_ASSERT(memory.consistent().empty());
  }
}

// Lines that are cleaned one after the other join, but not where only one of two has a fill below
// it.
TEST(SmmuMemory, ALineOverAPendingFillJoinsNoneWithoutOne) {
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, u64{8} * words);
  memory.set_coherent(false);
  Frame& frame = memory.frame(base);
  memory.assume_zero(base);
  const auto store = [&](unsigned index, u64 value, EventIndex at) {
    memory.store(frame, index, Content{value, false}, AgentId::cpu0, at);
  };
  EventIndex now = 0;
  for (unsigned i = 8; i < 32; ++i) memory.assume(base + 8 * i, Content{7, false});
  for (unsigned i = 8; i < 32; ++i) store(i, 0, ++now);
  for (unsigned i = 8; i < 32; i += 8) memory.clean_line(base + 8 * i, AgentId::cpu0);
  for (unsigned i = 0; i < 32; ++i) store(i, 9, ++now);
  for (unsigned i = 0; i < 32; i += 8) memory.clean_line(base + 8 * i, AgentId::cpu0);
  for (unsigned i = 0; i < 32; ++i) {
    std::vector<u64> seen;
    memory.visible(base + 8 * i, [&](Content content) { seen.push_back(content.value); });
    EXPECT_EQ(seen, i < 8 ? (std::vector<u64>{9, 0}) : (std::vector<u64>{9, 0, 7})) << i;
  }
}

// A driver that stores and cleans page by page before one barrier: of each page its own stores are
// looked at, however many pages there were before, and after what was undone as well.
TEST(SmmuMemory, ACleanedLineCostsWhatItsPageHas) {
  constexpr u64 pages = 64;
  constexpr u64 lines = frame_words / 16;
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, pages << frame_lg2);
  memory.set_coherent(false);
  EventIndex now = 0;
  const auto store_and_clean = [&](u64 page, u64 value) {
    const u64 pa = base + (page << frame_lg2);
    for (unsigned i = 0; i < frame_words; i += 16) {
      memory.store(memory.frame(pa), i, Content{value, false}, AgentId::cpu0, ++now);
      memory.clean_line(pa + 8 * i, AgentId::cpu0);
    }
  };
  for (u64 page = 0; page < pages; ++page) store_and_clean(page, 1);
  EXPECT_EQ(memory.pending_count(), pages * lines);
  for (u64 page = 0; page < pages; ++page) {
    const std::vector<u32> in_page = memory.pending_in(memory.frame(base + (page << frame_lg2)));
    ASSERT_EQ(in_page.size(), lines);
    EXPECT_EQ(in_page.front(), page * lines);
  }
  const Trail::Mark mark = trail.mark();
  memory.barrier(AgentId::cpu0, [](Frame&, unsigned, Content, EventIndex) {});
  EXPECT_EQ(memory.pending_in(memory.frame(base)).size(), 0U);
  store_and_clean(1, 2);
  EXPECT_EQ(memory.pending_in(memory.frame(base + (1 << frame_lg2))).size(), lines);
  EXPECT_EQ(memory.consistent(), "");
  trail.undo_to(mark);
  EXPECT_EQ(memory.pending_in(memory.frame(base)).size(), lines);
  EXPECT_EQ(memory.consistent(), "");
}

// Whoever gets a page next has a mapping of his own.
TEST(SmmuMemory, APageThatIsGivenBackIsMappedAnew) {
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, u64{8} * words);
  memory.set_coherent(false);
  const auto is_pending_behind_a_barrier = [&](u64 value) {
    memory.store(memory.frame(base), 0, {value, false}, AgentId::cpu0, 1);
    memory.barrier(AgentId::cpu0, [](Frame&, unsigned, Content, EventIndex) {});
    return memory.is_pending(base);
  };
  memory.set_uncached(memory.frame(base));
  EXPECT_FALSE(is_pending_behind_a_barrier(1));
  memory.forget(memory.frame(base));
  EXPECT_TRUE(is_pending_behind_a_barrier(2));
}

// A page that is filled and cleaned is one run all the while, and not one of each of its lines.
TEST(SmmuMemory, WhatIsCleanedAsAWholeStaysWhole) {
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, u64{2} << frame_lg2);
  memory.set_coherent(false);
  constexpr u64 bytes = u64{1} << frame_lg2;
  for (u64 page = 0; page < 2; ++page) {
    memory.fill(base + page * bytes, frame_words, 0, AgentId::cpu0, 1,
                [](Frame&, unsigned, Content) {});
  }
  // The first page, and of the second one a line.
  memory.clean(base, bytes + 1, AgentId::cpu0);
  EXPECT_EQ(memory.pending_count(), 3U);
  u64 gone = 0;
  memory.frame(base).table_edges[0] = memory.frame(base + bytes).table_edges[0] = 1;
  memory.barrier(AgentId::cpu0, [&](Frame&, unsigned, Content, EventIndex) { ++gone; });
  EXPECT_EQ(gone, frame_words + 8U);
  EXPECT_EQ(memory.pending_count(), 1U);
  EXPECT_EQ(memory.consistent(), "");
}

// What a driver keeps beside its tables and never cleans is pending for ever: a store to one word
// of a page of zeros leaves the rest of them one run on each side.
TEST(SmmuMemory, AStoreInARunLeavesTheRestOfItWhole) {
  constexpr u64 pages = 8;
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, pages << frame_lg2);
  memory.set_coherent(false);
  EventIndex now = 0;
  const auto barrier = [&] {
    memory.barrier(AgentId::cpu0, [](Frame&, unsigned, Content, EventIndex) {});
  };
  for (u64 page = 0; page < pages; ++page) {
    const u64 pa = base + (page << frame_lg2);
    memory.fill(pa, frame_words, 0, AgentId::cpu0, ++now, [](Frame&, unsigned, Content) {});
  }
  barrier();
  EXPECT_EQ(memory.pending_count(), pages);
  memory.store(memory.frame(base), 100, Content{1, false}, AgentId::cpu0, ++now);
  memory.clean_line(base + 8 * 8, AgentId::cpu0);
  barrier();
  // Words 0 to 7, 16 to 99, 100 twice, the rest; and the other pages.
  EXPECT_EQ(memory.pending_count(), 5 + pages - 1);
  memory.settle_word(base + 8 * 200, [](Frame&, unsigned, Content, EventIndex) {});
  EXPECT_FALSE(memory.is_pending(base + 8 * 200));
  EXPECT_EQ(memory.pending_count(), 6 + pages - 1);
  EXPECT_EQ(memory.consistent(), "");
}

// Where the words of a page are passed over that surely read as zero, none is missed, whatever was
// stored, filled, given back and undone before.
RC_GTEST_PROP(SmmuMemory, NextUsedMissesNoWord, ()) {
  Trail trail;
  Memory memory(trail);
  memory.reserve(base, u64{8} * words);
  Frame& frame = memory.frame(base);
  std::vector<Trail::Mark> marks{trail.mark()};
  EventIndex now = 0;
  for (unsigned step = 0; step < 40; ++step) {
    const auto index = *rc::gen::inRange(0U, frame_words);
    const u64 value = *rc::gen::element<u64>(0, 0, 3);
    const auto each = [&](Frame& where, unsigned i, Content content) {
      memory.store(where, i, content, AgentId::cpu0, now);
    };
    ++now;
    switch (*rc::gen::inRange(0, 8)) {
      case 0: memory.fill(base, frame_words, value, AgentId::cpu0, now, each); break;
      case 1:
        memory.fill(base + 8 * index, frame_words - index, value, AgentId::cpu0, now, each);
        break;
      case 2: memory.forget(frame); break;
      case 3: memory.barrier(AgentId::cpu0, [](Frame&, unsigned, Content, EventIndex) {}); break;
      case 4: marks.push_back(trail.mark()); break;
      case 5:
        trail.undo_to(marks.back());
        if (marks.size() > 1) marks.pop_back();
        break;
      default: memory.store(frame, index, {value, false}, AgentId::cpu0, now); break;
    }
    const auto used = [&](unsigned i) {
      return frame.is_unknown(i) || frame.is_pending(i) || frame.words[i] != 0;
    };
    for (unsigned i = 0, next = 0; i <= frame_words; ++i) {
      for (next = std::max(next, i); next < frame_words && !used(next);) ++next;
      RC_ASSERT(frame.next_used(i) == next);
    }
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_memory_test
