// SPDX-License-Identifier: MIT
// Memory as the SMMU may see it: words of 8 bytes, each with its newest version and the older ones
// that are still visible because no barrier covers the store that replaced them. SEMANTICS 1.
//
// What happens when an old version stops being visible ("vanishes") is not decided here: settle()
// tells its caller, who knows whether a cache may have held it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bits.h"
#include "base/mapped.h"
#include "base/number_map.h"
#include "base/pool.h"
#include "base/types.h"

namespace iommucheck::spec {

inline constexpr unsigned frame_lg2 = 12;
inline constexpr unsigned frame_words = 512;
/// Ways in which tables are laid out: Geometry (space.h).
inline constexpr unsigned layouts = 4;

/// What a word holds. Unknown: freed, recycled or never written; it reads as anything.
struct Content {
  u64 value = 0;
  bool unknown = false;
  friend bool operator==(const Content&, const Content&) = default;
};

/// One 4 KiB frame of physical memory. Everything that changes is in 64-bit words, for the trail.
struct Frame {
  u64* words = nullptr;
  u64 number = 0;                               ///< physical address >> 12
  std::array<u64, frame_words / 64> unknown{};  ///< bit set: content not known
  std::array<u64, frame_words / 64> pending{};  ///< bit set: older versions may be visible
  std::array<u64, frame_words / 64> updated{};  ///< bit set: see Memory::may_become()
  u64 used = 0;  ///< bit b: one of words 8b to 8b + 7 was not zero since all were stored as zeros
  /// Of each layout four 16-bit counts: edges that make it a table, or a part of one, of level
  /// 0..3.
  std::array<u64, layouts> table_edges{};
  u64 first_edge = 0;  ///< list of those edges (tables.h)
  u64 stores = 0;      ///< 1 + index of the last pending store in it, or 0
  u64 config = 0;      ///< number of configuration regions that overlap it
  u64 contiguous = 0;  ///< 1: a leaf with the contiguous hint was ever stored here
  u64 uncached = 0;    ///< 1: who stores here does so around the CPUs' caches
  u64 cleaned = 0;  ///< bit n: line n of it has left those once; where somebody asks (see hides())
  // Scratch of a search that visits a frame once (paths.h); no part of the state.
  mutable u64 search = 0;  ///< the last one that came here
  mutable u64 place = 0;   ///< in its list

  [[nodiscard]] u64 address() const { return number << frame_lg2; }
  [[nodiscard]] bool is_unknown(unsigned i) const { return bit(unknown[i / 64], i % 64); }
  /// Bit k set: word i + k is unknown; `count` words of one aligned group of 64.
  [[nodiscard]] u64 unknown_of(unsigned i, unsigned count) const {
    return (unknown[i / 64] >> (i % 64)) & mask(count - 1, 0);
  }
  [[nodiscard]] bool is_pending(unsigned i) const { return bit(pending[i / 64], i % 64); }
  /// Bit k set: word i + k is unknown or may have older versions; as unknown_of().
  [[nodiscard]] u64 unsettled_of(unsigned i, unsigned count) const {
    return ((unknown[i / 64] | pending[i / 64]) >> (i % 64)) & mask(count - 1, 0);
  }
  [[nodiscard]] Content newest(unsigned i) const {
    return is_unknown(i) ? Content{0, true} : Content{words[i], false};
  }
  /// The first word from number `i` on that may read as anything but zero, or frame_words.
  [[nodiscard]] unsigned next_used(unsigned i) const;
  /// Bytes from the aligned address on, in this frame, that surely read as zero.
  [[nodiscard]] u64 zeros_from(u64 pa) const {
    const auto index = static_cast<unsigned>(bits(pa, 11, 3));
    return u64{8} * (next_used(index) - index);
  }
  /// The first word from number `i` on that is unknown or may have several versions.
  [[nodiscard]] unsigned next_unsettled(unsigned i) const;
  /// Some word is unknown, or has a store that is pending.
  [[nodiscard]] bool any_unknown() const {
    return std::ranges::any_of(unknown, [](u64 word) { return word != 0; });
  }
  [[nodiscard]] bool any_pending() const {
    return std::ranges::any_of(pending, [](u64 word) { return word != 0; });
  }

  [[nodiscard]] bool is_table() const {
    return (table_edges[0] | table_edges[1] | table_edges[2] | table_edges[3]) != 0;
  }
  [[nodiscard]] bool is_unreachable() const { return !is_table() && config == 0; }
  [[nodiscard]] unsigned tables_at(unsigned layout, unsigned level) const {
    return static_cast<unsigned>(table_edges[layout] >> (16 * level)) & 0xffffU;
  }
};

/// A store whose old version may still be visible.
struct PendingStore {
  u64 pa = 0;
  u64 old_value = 0;
  u64 covered_by = 0;  ///< agents (bit = agent modulo 64) whose next barrier makes it visible
  u32 at = 0;          ///< event of the store
  u32 older = 0;       ///< 1 + index of the pending store to the same word before it, 0: none
  u32 old_unknown = 0;
  u32 needs_clean = 0;  ///< 1: not coherent and its line not cleaned yet
  /// Words, all in one frame and with the same or evenly growing old contents: a fill, or stores
  /// one after the other at consecutive events.
  u64 count = 1;
  u32 step = 1;      ///< 1: the next word was stored at the next event; 0: all at one event
  u32 before = 0;    ///< 1 + index of the one before it in the list that is in its frame, 0: none
  u64 old_step = 0;  ///< by which the next word's old value is larger

  [[nodiscard]] bool has(u64 word) const { return word - pa < 8 * count; }
  [[nodiscard]] Content old_of(u64 word) const {
    return {old_value + old_step * ((word - pa) / 8), old_unknown != 0};
  }
  [[nodiscard]] u32 at_of(u64 word) const {
    return at + static_cast<u32>(step * ((word - pa) / 8));
  }
};

class Memory {
 public:
  explicit Memory(Trail& trail) : trail_(trail) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Backs [base, base + size) by one block of host memory, zeroed but of unknown content, so that
  /// a driver can read its tables through a pointer. Once, before any frame of it exists. `memory`:
  /// the caller's, zeroed, of whole frames, and there as long as this is; null: a block of its own.
  void reserve(u64 base, u64 size, u64* memory = nullptr);

  /// Grows whenever a word of the host memory may have changed; undoing aside.
  [[nodiscard]] u64 changes() const { return changes_; }
  /// visit(address) for the frames in which that was since changes() was `before`, one perhaps
  /// more than once; false: they are too many to be known, and nothing was visited.
  template <class Visit>
  bool changed_since(u64 before, Visit&& visit) const {
    if (changes_ - before > changed_.size()) return false;
    for (u64 i = before; i != changes_; ++i) visit(changed_[i % changed_.size()]);
    return true;
  }

  /// Host address of a reserved physical address, or null.
  [[nodiscard]] u64* host(u64 pa);

  [[nodiscard]] const Frame* find(u64 pa) const;
  /// The frame of `pa`, made (unknown content) where there is none.
  Frame& frame(u64 pa);

  [[nodiscard]] Content newest(u64 pa) const;

  /// Calls `visit(Content)` for every version of the aligned word that the SMMU may see now, the
  /// newest first, each distinct one once.
  /// What may_become() said of a version comes with it.
  template <class Visit>
  void visible(u64 pa, Visit&& visit) const;
  /// The same where the frame is known already.
  template <class Visit>
  void visible(const Frame& frame, unsigned index, Visit&& visit) const;

  /// One version more: an aligned 8-byte store of `by` at event `at`. Not visible for sure before
  /// a barrier.
  void store(Frame& frame, unsigned index, Content content, AgentId by, EventIndex at);

  /// `count` aligned words of one value from `pa`, in ascending order and inside of one frame. One
  /// step where nothing was known of the frame and nobody can reach it; else each word's store is
  /// given to `each(frame, index, Content)` instead.
  template <class Each>
  void fill(u64 pa, u64 count, u64 value, AgentId by, EventIndex at, Each&& each);

  /// The SMMU may replace the version `value` of the word by `update` at any time (HTTU), and
  /// nothing shows whether it did.
  void may_become(u64 pa, u64 value, u64 update);
  /// What the version may have become, if anything was said.
  [[nodiscard]] std::optional<u64> became(u64 pa, u64 value) const;

  /// Content that is there without a store of anybody's: set-up, a recording's first sight.
  void assume(u64 pa, Content content);

  /// A store of the SMMU or a device: visible at once.
  void device_store(u64 pa, u64 value);
  /// Who has a copy of memory is told of these stores when they are made: `pa` of the aligned word,
  /// its value, and the bits of the host memory that it changes. Empty: nobody.
  using DeviceStored = std::function<void(u64 pa, u64 value, u64 changed)>;
  void on_device_store(DeviceStored told) { device_stored_ = std::move(told); }
  /// Likewise who follows another SMMU over the same memory.
  void on_device_store_for_others(DeviceStored told) { others_told_ = std::move(told); }
  /// One of them was made otherwise than by device_store(); before it the word held `before`.
  void tell_device_store(u64 pa, u64 before, u64 value) const {
    if (before == value) return;
    if (device_stored_) device_stored_(pa, value, before ^ value);
    if (others_told_) others_told_(pa, value, before ^ value);
  }

  /// The whole frame was always zero. For set-up: not undone.
  void assume_zero(u64 pa);

  /// The frame's content is known to nobody any more (allocated anew, or given back).
  void forget(Frame& frame);

  /// Events that order stores. Lines are of 64 bytes: the one around pa, or those that have a part
  /// of [pa, pa + bytes).
  void handoff(AgentId from, AgentId to);
  void clean_line(u64 pa, AgentId by);
  void clean(u64 pa, u64 bytes, AgentId by);
  /// Lines leave the CPUs' caches. Of coherent accesses nobody needs to know it.
  void note_cleaned(u64 pa, u64 bytes);
  /// The line has left them once, or who stores there does so around them.
  [[nodiscard]] bool left_caches(u64 pa) const;
  /// Some word of [pa, pa + bytes) that is not 0 is in a line that never left the CPUs' caches: an
  /// access that does not look into these may find what was there before.
  [[nodiscard]] bool hides(u64 pa, u64 bytes) const;

  /// Makes visible what a barrier of `by` covers. First `vanish(frame, index, Content, at)` is
  /// called for each version that stops being visible, while all are still there; then they go.
  template <class Vanish>
  void barrier(AgentId by, Vanish&& vanish);
  /// A barrier of `by` would make a version vanish that came after a descriptor: one that still
  /// pends, or one that was `replaced(pa)`. Of words in tables only.
  template <class Replaced>
  [[nodiscard]] bool ends_later_version(AgentId by, bool any_replaced, Replaced&& replaced) const;
  /// Before the newest version of the word there was a descriptor, which is visible still.
  [[nodiscard]] bool has_descriptor_before(u64 pa) const {
    return is_pending(pa) && is_descriptor_before(newest_pending(pa), pa);
  }
  /// The same for the pending stores of one word, whoever made them (an Rmw performs).
  template <class Vanish>
  void settle_word(u64 pa, Vanish&& vanish);

  [[nodiscard]] bool any_pending() const { return !pending_.empty(); }
  [[nodiscard]] u64 pending_count() const { return pending_.size(); }
  /// Indices of the pending stores that are in a frame, in the order of the list.
  [[nodiscard]] std::vector<u32> pending_in(const Frame& frame) const;
  [[nodiscard]] bool is_pending(u64 pa) const;
  /// A store to the word may be in a cache only, and be written back at any time.
  [[nodiscard]] bool is_dirty(u64 pa) const;
  /// Each of the words `i` to i + count - 1, of one aligned group of 64, has one version only.
  [[nodiscard]] bool is_settled(const Frame& frame, unsigned i, unsigned count) const {
    const u64 several = frame.pending[i / 64] | frame.updated[i / 64];
    return (several >> (i % 64) & mask(count - 1, 0)) == 0;
  }
  /// Event of the oldest store that made a version with this value and is still visible; 0: it was
  /// there before the pending ones.
  [[nodiscard]] EventIndex made_at(u64 pa, u64 value) const;
  /// Event of the oldest pending store to the word, which is pending.
  [[nodiscard]] EventIndex first_pending(u64 pa) const;
  /// Event of the newest pending store to the word, if it is pending.
  [[nodiscard]] std::optional<EventIndex> pending_since(u64 pa) const;

  /// IDR0.COHACC = 0: a store needs a cache clean besides a barrier, but where the CPUs' mapping of
  /// the frame is not cacheable.
  void set_coherent(bool coherent) { coherent_ = coherent; }
  void set_uncached(Frame& frame) { trail_.set(frame.uncached, 1); }
  [[nodiscard]] bool needs_clean(const Frame& frame) const {
    return !coherent_ && frame.uncached == 0;
  }

  /// Calls `visit(Frame&)` for the frames that exist in [first, last] (addresses).
  template <class Visit>
  void frames_in(u64 first, u64 last, Visit&& visit);

  /// Frames that were ever named.
  [[nodiscard]] u64 frame_count() const { return frames_.size(); }

  template <class Visit>
  void for_each_frame(Visit&& visit) const {
    for (const auto& frame : frames_) visit(static_cast<const Frame&>(*frame));
  }

  Trail& trail() { return trail_; }
  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  static u64 agent_bit(AgentId agent) { return u64{1} << (static_cast<unsigned>(agent) % 64); }
  Frame* make_frame(u64 number);
  void note_change(const Frame& frame) { changed_[changes_++ % changed_.size()] = frame.address(); }
  void set_word(Frame& frame, unsigned index, Content content);
  /// The i-th pending store (from 1 on; 0: none) or one before it to the word replaced a
  /// descriptor.
  [[nodiscard]] bool is_descriptor_before(u32 i, u64 pa) const;
  /// Index of the newest pending store to the word + 1, or 0.
  [[nodiscard]] u32 newest_pending(u64 pa) const;
  template <class Vanish>
  void vanish_entry(const PendingStore& entry, Vanish&& vanish);
  void push_pending(PendingStore entry);
  /// A clean of its lines by the agent concerns it.
  [[nodiscard]] static bool may_be_cleaned(const PendingStore& entry, AgentId by) {
    return (entry.covered_by & agent_bit(by)) != 0 && entry.needs_clean != 0;
  }
  void note_cleaned(u32 i, AgentId by);
  [[nodiscard]] bool clean_whole(const Frame& frame, u64 first, u64 end, AgentId by);
  /// Empties the list; the flags of its words stay.
  void empty_list();
  /// No store is pending any more.
  void clear_pending();
  /// Removes the pending stores that are marked as settled (covered_by = all ones).
  void sweep();
  bool extend_pending(const Frame& frame, u64 pa, Content old, u32 older, AgentId by,
                      EventIndex at);
  bool fill_at_once(Frame& frame, unsigned index, u64 count, u64 value, AgentId by, EventIndex at);
  /// Cuts runs that have a newer store to some of their words: what is older has those words alone.
  void cut_older_runs();
  bool cut_runs(const std::vector<u64>& ends);
  /// Makes `entries`, in this order, the list of pending stores.
  void relist(std::vector<PendingStore>& entries);
  [[nodiscard]] u32 newest_among(const Frame& frame, const PendingStore& entry) const;

  static constexpr u64 settled = ~u64{0};

  Trail& trail_;
  bool coherent_ = true;
  u64 changes_ = 0;
  std::array<u64, 4> changed_{};  // frames of the last changes
  TrailArray<PendingStore> pending_;
  u64 cleaned_ = 0;  ///< so many of them, from the first on, need no clean
  struct Update {
    u64 pa = 0;
    u64 value = 0;
    u64 update = 0;
  };
  TrailArray<Update> updates_;
  struct HashUpdate {
    std::size_t operator()(const std::pair<u64, u64>& key) const {
      return static_cast<std::size_t>((key.first >> 3) * 0x9e3779b97f4a7c15ULL ^ key.second);
    }
  };
  /// Where in updates_ the newest of (pa, value) stands, or stood before it was undone: one that is
  /// there is never made again.
  std::unordered_map<std::pair<u64, u64>, u32, HashUpdate> update_index_;
  DeviceStored device_stored_, others_told_;
  u64 window_first_ = 0;  // frame numbers of the reserved range
  u64 window_count_ = 0;
  u64* window_words_ = nullptr;
  Mapped<u64[]> own_window_;  // where nobody gave one
  std::vector<Frame*> window_;
  NumberMap<Frame*> others_;
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<std::unique_ptr<u64[]>> words_;
};

inline unsigned Frame::next_unsettled(unsigned i) const {
  while (i < frame_words) {
    const u64 flags = (unknown[i / 64] | pending[i / 64]) >> (i % 64);
    if (flags != 0) return i + static_cast<unsigned>(std::countr_zero(flags));
    i = static_cast<unsigned>(align_down(i, 6)) + 64;
  }
  return frame_words;
}

inline unsigned Frame::next_used(unsigned i) const {
  while (i < frame_words) {
    // 64 words at a time, of which those before `end` are known and have one version.
    const unsigned group = i / 64;
    const u64 other = (unknown[group] | pending[group]) >> (i % 64);
    const unsigned end =
        other != 0 ? i + static_cast<unsigned>(std::countr_zero(other)) : 64 * group + 64;
    while (i < end) {  // tables are mostly empty
      const u64 blocks = bits(used, 8 * group + 7, 8 * group) >> (i % 64 / 8);
      if (blocks == 0) break;
      if (const auto skipped = static_cast<unsigned>(std::countr_zero(blocks)); skipped != 0) {
        i = static_cast<unsigned>(align_down(i, 3)) + 8 * skipped;
      }
      const unsigned block_end = std::min(end, static_cast<unsigned>(align_down(i, 3)) + 8);
      for (; i < block_end; ++i) {
        if (words[i] != 0) return i;
      }
    }
    if (other != 0) return end;
    i = end;
  }
  return frame_words;
}

template <class Visit>
void Memory::visible(const Frame& frame, unsigned index, Visit&& visit) const {
  const Content now = frame.newest(index);
  visit(now);
  if (is_settled(frame, index, 1)) return;
  const u64 pa = frame.address() + 8 * index;
  if (const auto update = became(pa, now.value); update && !now.unknown) {
    visit(Content{*update, false});
  }
  if (!frame.is_pending(index)) return;
  const u32 newest = newest_pending(pa);
  for (u32 i = newest; i != 0; i = pending_[i - 1].older) {
    const PendingStore& entry = pending_[i - 1];
    const Content old = entry.old_of(pa);
    bool seen = old == now;
    for (u32 j = newest; j != i && !seen; j = pending_[j - 1].older) {
      seen = old == pending_[j - 1].old_of(pa);
    }
    if (seen) continue;
    visit(old);
    if (const auto update = became(pa, old.value); update && !old.unknown) {
      visit(Content{*update, false});
    }
  }
}

template <class Visit>
void Memory::visible(u64 pa, Visit&& visit) const {
  const Frame* frame = find(pa);
  if (frame == nullptr) {
    visit(Content{0, true});
    return;
  }
  visible(*frame, static_cast<unsigned>(bits(pa, 11, 3)), visit);
}

template <class Each>
void Memory::fill(u64 pa, u64 count, u64 value, AgentId by, EventIndex at, Each&& each) {
  Frame& where = frame(pa);
  const auto first = static_cast<unsigned>(bits(pa, 11, 3));
  if (fill_at_once(where, first, count, value, by, at)) return;
  for (u64 i = 0; i < count; ++i)
    each(where, static_cast<unsigned>(first + i), Content{value, false});
}

template <class Vanish>
void Memory::vanish_entry(const PendingStore& entry, Vanish&& vanish) {
  Frame& where = frame(entry.pa);
  if (where.is_unreachable()) return;
  const auto first = static_cast<unsigned>(bits(entry.pa, 11, 3));
  for (u64 k = 0; k < entry.count; ++k) {
    const u64 pa = entry.pa + 8 * k;
    vanish(where, static_cast<unsigned>(first + k), entry.old_of(pa), entry.at_of(pa));
  }
}

inline bool Memory::is_descriptor_before(u32 i, u64 pa) const {
  for (; i != 0; i = pending_[i - 1].older) {
    const Content old = pending_[i - 1].old_of(pa);
    if (old.unknown || bit(old.value, 0)) return true;
  }
  return false;
}

template <class Replaced>
bool Memory::ends_later_version(AgentId by, bool any_replaced, Replaced&& replaced) const {
  const u64 who = agent_bit(by);
  for (u32 i = 0; i < pending_.size(); ++i) {
    const PendingStore& entry = pending_[i];
    if (entry.older == 0 && !any_replaced) continue;
    if ((entry.covered_by & who) == 0 || entry.needs_clean != 0) continue;
    const Frame* where = find(entry.pa);
    if (where == nullptr || !where->is_table()) continue;
    for (u64 pa = entry.pa; entry.has(pa); pa += 8) {
      if (is_descriptor_before(entry.older, pa) || replaced(pa)) return true;
    }
  }
  return false;
}

template <class Vanish>
void Memory::barrier(AgentId by, Vanish&& vanish) {
  if (pending_.empty()) return;
  const u64 who = agent_bit(by);
  bool all = true;
  for (u32 i = 0; i < pending_.size(); ++i) {
    all &= (pending_[i].covered_by & who) != 0 && pending_[i].needs_clean == 0;
  }
  if (all) {
    for (u32 i = 0; i < pending_.size(); ++i) vanish_entry(pending_[i], vanish);
    clear_pending();
    return;
  }
  cut_older_runs();
  bool any = false;
  for (u32 i = 0; i < pending_.size(); ++i) {
    const PendingStore& entry = pending_[i];
    if ((entry.covered_by & who) == 0 || entry.needs_clean != 0) continue;
    any = true;
    // Stores to one word become visible in order: with this one the older ones are past, too.
    for (u32 j = i + 1; j != 0; j = pending_[j - 1].older) {
      if (pending_[j - 1].covered_by == settled) break;
      pending_.edit(trail_, j - 1).covered_by = settled;
    }
  }
  if (!any) return;
  for (u32 i = 0; i < pending_.size(); ++i) {
    if (pending_[i].covered_by == settled) vanish_entry(pending_[i], vanish);
  }
  sweep();
}

template <class Vanish>
void Memory::settle_word(u64 pa, Vanish&& vanish) {
  if (!is_pending(pa)) return;
  cut_runs({pa, pa + 8});  // of a run of words this one only
  bool any = false;
  for (u32 i = newest_pending(pa); i != 0; i = pending_[i - 1].older) {
    pending_.edit(trail_, i - 1).covered_by = settled;
    any = true;
  }
  if (!any) return;
  for (u32 i = newest_pending(pa); i != 0; i = pending_[i - 1].older) {
    const PendingStore entry = pending_[i - 1];
    vanish(frame(pa), static_cast<unsigned>(bits(pa, 11, 3)), entry.old_of(pa), entry.at_of(pa));
  }
  sweep();
}

template <class Visit>
void Memory::frames_in(u64 first, u64 last, Visit&& visit) {
  const u64 low = first >> frame_lg2;
  const u64 high = last >> frame_lg2;
  if (high - low < frames_.size()) {
    for (u64 number = low; number <= high; ++number) {
      if (const Frame* found = find(number << frame_lg2)) visit(const_cast<Frame&>(*found));
    }
    return;
  }
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    Frame& frame = *frames_[i];
    if (frame.number >= low && frame.number <= high) visit(frame);
  }
}

}  // namespace iommucheck::spec
