// SPDX-License-Identifier: MIT
#include "spec/smmu/memory.h"

#include <algorithm>
#include <new>

namespace iommucheck::spec {

void Memory::reserve(u64 base, u64 size, u64* memory) {
  window_first_ = base >> frame_lg2;
  window_count_ = (size + 0xfff) >> frame_lg2;
  window_words_ = memory;
  if (memory == nullptr && window_count_ != 0) {
    auto own = map_zeroed<u64[]>(Sharing::own, window_count_ << frame_lg2, "a window");
    if (!own) throw std::bad_alloc();
    own_window_ = *std::move(own);
    window_words_ = own_window_.get();
  }
  window_.assign(window_count_, nullptr);
}

u64* Memory::host(u64 pa) {
  const u64 number = (pa >> frame_lg2) - window_first_;
  if (number >= window_count_) return nullptr;
  return window_words_ + number * frame_words + bits(pa, 11, 3);
}

const Frame* Memory::find(u64 pa) const {
  const u64 number = pa >> frame_lg2;
  if (number - window_first_ < window_count_) return window_[number - window_first_];
  Frame* const* found = others_.find(number);
  return found == nullptr ? nullptr : *found;
}

Frame& Memory::frame(u64 pa) {
  const Frame* found = find(pa);
  return found != nullptr ? const_cast<Frame&>(*found) : *make_frame(pa >> frame_lg2);
}

// A frame that exists with unknown content means the same as none, so making one is not undone.
Frame* Memory::make_frame(u64 number) {
  auto frame = std::make_unique<Frame>();
  frame->number = number;
  frame->unknown.fill(~u64{0});
  Frame* made = frame.get();
  if (number - window_first_ < window_count_) {
    made->words = window_words_ + (number - window_first_) * frame_words;
    window_[number - window_first_] = made;
  } else {
    words_.push_back(std::make_unique<u64[]>(frame_words));
    made->words = words_.back().get();
    others_[number] = made;
  }
  frames_.push_back(std::move(frame));
  return made;
}

Content Memory::newest(u64 pa) const {
  const Frame* found = find(pa);
  if (found == nullptr) return {0, true};
  return found->newest(static_cast<unsigned>(bits(pa, 11, 3)));
}

void Memory::set_word(Frame& frame, unsigned index, Content content) {
  note_change(frame);
  const Content old = frame.newest(index);
  if (old.unknown != content.unknown) {
    trail_.set(frame.unknown[index / 64], frame.unknown[index / 64] ^ (u64{1} << (index % 64)));
  }
  if (content.unknown) return;
  trail_.set(frame.words[index], content.value);
  const u64 block = u64{1} << (index / 8);
  if (content.value != 0 && (frame.used & block) == 0) trail_.set(frame.used, frame.used | block);
}

void Memory::store(Frame& frame, unsigned index, Content content, AgentId by, EventIndex at) {
  const Content old = frame.newest(index);
  const bool pending = frame.is_pending(index);
  if (old == content && !pending) return;
  const u64 pa = frame.address() + 8 * index;
  const u32 older = pending ? newest_pending(pa) : 0;
  if (!extend_pending(frame, pa, old, older, by, at)) {
    push_pending(PendingStore{pa, old.value, agent_bit(by), at, older, old.unknown ? 1U : 0U,
                              needs_clean(frame) ? 1U : 0U});
  }
  const u64 flag = u64{1} << (index % 64);
  if ((frame.pending[index / 64] & flag) == 0) {
    trail_.set(frame.pending[index / 64], frame.pending[index / 64] | flag);
  }
  set_word(frame, index, content);
}

void Memory::may_become(u64 pa, u64 value, u64 update) {
  if (became(pa, value)) return;
  update_index_[{pa, value}] = updates_.push(trail_, {pa, value, update});
  const u64 index = bits(pa, 11, 3);
  u64& flags = frame(pa).updated[index / 64];
  if (!bit(flags, static_cast<unsigned>(index % 64))) {
    trail_.set(flags, flags | u64{1} << (index % 64));
  }
}

std::optional<u64> Memory::became(u64 pa, u64 value) const {
  if (updates_.empty()) return std::nullopt;
  const auto known = update_index_.find({pa, value});
  if (known == update_index_.end() || known->second >= updates_.size()) return std::nullopt;
  const Update& entry = updates_[known->second];
  if (entry.pa != pa || entry.value != value) return std::nullopt;
  return entry.update;
}

/// The word after those of the newest pending store, at the event after: one entry serves both.
/// Where an older store to all of them is pending, that is a fill or a run itself.
bool Memory::extend_pending(const Frame& frame, u64 pa, Content old, u32 older, AgentId by,
                            EventIndex at) {
  if (pending_.empty()) return false;
  PendingStore& last = pending_.back();
  const bool follows = pa == last.pa + 8 * last.count && bits(pa, 11, 3) != 0 && last.step == 1 &&
                       at == last.at + last.count && last.older == older;
  const u64 old_step = last.count == 1 ? old.value - last.old_value : last.old_step;
  const bool alike = last.old_of(pa - 8).value + old_step == old.value &&
                     (last.old_unknown != 0) == old.unknown && last.covered_by == agent_bit(by) &&
                     last.needs_clean == (needs_clean(frame) ? 1U : 0U);
  if (!follows || !alike) return false;
  trail_.set(last.count, last.count + 1);
  if (last.old_step != old_step) trail_.set(last.old_step, old_step);
  return true;
}

void Memory::assume(u64 pa, Content content) {
  set_word(frame(pa), static_cast<unsigned>(bits(pa, 11, 3)), content);
}

void Memory::device_store(u64 pa, u64 value) {
  Frame& where = frame(pa);
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  const u64 before = where.words[index];
  set_word(where, index, Content{value, false});
  tell_device_store(pa, before, value);
}

void Memory::assume_zero(u64 pa) {
  Frame& where = frame(pa);
  for (unsigned i = 0; i < frame_words; ++i) where.words[i] = 0;
  where.unknown.fill(0);
  where.used = 0;
}

void Memory::handoff(AgentId from, AgentId to) {
  for (u32 i = 0; i < pending_.size(); ++i) {
    if ((pending_[i].covered_by & agent_bit(from)) == 0) continue;
    pending_.edit(trail_, i).covered_by |= agent_bit(to);
  }
}

// A driver may store and clean much before its barrier: what is looked at is in the line's frame.
void Memory::clean_line(u64 pa, AgentId by) {
  const Frame* where = find(pa);
  if (where == nullptr || where->stores == 0) return;
  const u64 line = align_down(pa, 6);
  // Cleaning goes from line to line: the front of a run of words joins what was cleaned of it
  // before. Not where a newer store to one of its words refers to the run.
  const auto take_front = [&](u32 i) {
    const PendingStore run = pending_[i];
    const u64 words = (line + 64 - run.pa) / 8;
    u32 before = pending_.size();
    for (const u32 j : pending_in(*where)) {
      const PendingStore& other = pending_[j];
      if (other.older == i + 1) return false;
      const bool continues = other.needs_clean == 0 && other.covered_by == agent_bit(by) &&
                             other.pa + 8 * other.count == run.pa && bits(run.pa, 11, 3) != 0 &&
                             other.step == run.step && other.old_step == run.old_step &&
                             other.old_unknown == run.old_unknown && other.older == 0 &&
                             run.older == 0 && other.old_of(run.pa).value == run.old_value &&
                             other.at_of(run.pa) == run.at;
      if (continues) before = j;
    }
    if (before != pending_.size()) {
      pending_.edit(trail_, before).count += words;
    } else {
      PendingStore front = run;
      front.count = words;
      front.needs_clean = 0;
      front.covered_by = agent_bit(by);
      push_pending(front);
    }
    PendingStore& rest = pending_.edit(trail_, i);
    rest.old_value = run.old_of(line + 64).value;
    rest.at = run.at_of(line + 64);
    rest.pa = line + 64;
    rest.count -= words;
    return true;
  };
  for (const u32 i : pending_in(*where)) {
    const PendingStore& entry = pending_[i];
    if (!may_be_cleaned(entry, by)) continue;
    if (entry.pa + 8 * entry.count <= line || entry.pa >= line + 64) continue;
    if (entry.pa >= line && entry.pa + 8 * entry.count > line + 64 && take_front(i)) continue;
    if (entry.pa < line || entry.pa + 8 * entry.count > line + 64) {
      cut_runs({line, line + 64});  // only a part of it lies in the line
      clean_line(pa, by);
      return;
    }
    note_cleaned(i, by);
  }
}

void Memory::note_cleaned(u32 i, AgentId by) {
  PendingStore& cleaned = pending_.edit(trail_, i);
  cleaned.needs_clean = 0;
  cleaned.covered_by = agent_bit(by);  // whose barrier orders the clean
  u64 count = cleaned_;
  while (count < pending_.size() && pending_[static_cast<u32>(count)].needs_clean == 0) ++count;
  if (count != cleaned_) trail_.set(cleaned_, count);
}

/// Of the pending stores in the frame those that have no word outside of [first, end). False: some
/// have words inside and outside of it, which are not cleaned.
bool Memory::clean_whole(const Frame& frame, u64 first, u64 end, AgentId by) {
  bool all = true;
  for (u64 i = frame.stores; i > cleaned_; i = pending_[static_cast<u32>(i) - 1].before) {
    const auto number = static_cast<u32>(i) - 1;
    const PendingStore& entry = pending_[number];
    const u64 entry_end = entry.pa + 8 * entry.count;
    if (!may_be_cleaned(entry, by) || entry_end <= first || entry.pa >= end) continue;
    if (first <= entry.pa && entry_end <= end) {
      note_cleaned(number, by);
    } else {
      all = false;
    }
  }
  return all;
}

// Mostly what was just stored, and nothing beside it: a page of zeros is one run, and stays one.
void Memory::clean(u64 pa, u64 bytes, AgentId by) {
  constexpr u64 line = 64;
  const u64 end = pa + bytes;
  for (u64 at = align_down(pa, 6); at < end;) {
    const u64 next =
        std::min(align_down(at, frame_lg2) + (u64{1} << frame_lg2), align_down(end + line - 1, 6));
    const Frame* where = find(at);
    if (where != nullptr && where->stores != 0 && !clean_whole(*where, at, next, by)) {
      for (; at < next; at += line) clean_line(at, by);
    }
    at = next;
  }
}

void Memory::note_cleaned(u64 pa, u64 bytes) {
  constexpr u64 line_bytes = 64;
  for (u64 line = align_down(pa, 6); line < pa + bytes; line += line_bytes) {
    Frame& where = frame(line);
    const u64 noted = where.cleaned | (u64{1} << bits(line, 11, 6));
    if (noted != where.cleaned) trail_.set(where.cleaned, noted);
  }
}

bool Memory::left_caches(u64 pa) const {
  const Frame* where = find(pa);
  if (where == nullptr) return false;
  return where->uncached != 0 || bit(where->cleaned, static_cast<unsigned>(bits(pa, 11, 6)));
}

bool Memory::hides(u64 pa, u64 bytes) const {
  for (u64 word = align_down(pa, 3); word < pa + bytes; word += sizeof(u64)) {
    const Content now = newest(word);
    if (!now.unknown && now.value != 0 && !left_caches(word)) return true;
  }
  return false;
}

void Memory::push_pending(PendingStore entry) {
  Frame& where = frame(entry.pa);
  entry.before = static_cast<u32>(where.stores);
  trail_.set(where.stores, u64{pending_.push(trail_, entry)} + 1);
}

std::vector<u32> Memory::pending_in(const Frame& frame) const {
  std::vector<u32> found;
  for (u64 i = frame.stores; i != 0; i = pending_[static_cast<u32>(i) - 1].before) {
    found.push_back(static_cast<u32>(i) - 1);
  }
  std::ranges::reverse(found);
  return found;
}

void Memory::empty_list() {
  for (u32 i = 0; i < pending_.size(); ++i) {
    Frame& where = frame(pending_[i].pa);
    if (where.stores != 0) trail_.set(where.stores, 0);
  }
  pending_.clear(trail_);
  if (cleaned_ != 0) trail_.set(cleaned_, 0);
}

bool Memory::is_dirty(u64 pa) const {
  if (!is_pending(pa)) return false;
  for (u32 i = newest_pending(pa); i != 0; i = pending_[i - 1].older) {
    if (pending_[i - 1].needs_clean != 0) return true;
  }
  return false;
}

u32 Memory::newest_pending(u64 pa) const {
  const Frame* where = find(pa);
  u32 i = where == nullptr ? 0 : static_cast<u32>(where->stores);
  while (i != 0 && !pending_[i - 1].has(pa)) i = pending_[i - 1].before;
  return i;
}

bool Memory::is_pending(u64 pa) const {
  const Frame* found = find(pa);
  return found != nullptr && found->is_pending(static_cast<unsigned>(bits(pa, 11, 3)));
}

EventIndex Memory::made_at(u64 pa, u64 value) const {
  // A version, or what hardware made of it.
  const auto is = [&](u64 version) { return version == value || became(pa, version) == value; };
  EventIndex made = ~EventIndex{0};
  u64 newer = newest(pa).value;
  for (u32 i = newest_pending(pa); i != 0; i = pending_[i - 1].older) {
    if (is(newer)) made = pending_[i - 1].at_of(pa);
    newer = pending_[i - 1].old_of(pa).value;
  }
  return is(newer) ? 0 : made;
}

EventIndex Memory::first_pending(u64 pa) const {
  EventIndex first = ~EventIndex{0};
  for (u32 i = newest_pending(pa); i != 0; i = pending_[i - 1].older)
    first = pending_[i - 1].at_of(pa);
  return first;
}

std::optional<EventIndex> Memory::pending_since(u64 pa) const {
  if (!is_pending(pa)) return std::nullopt;
  return pending_[newest_pending(pa) - 1].at_of(pa);
}

bool Memory::fill_at_once(Frame& frame, unsigned index, u64 count, u64 value, AgentId by,
                          EventIndex at) {
  if (!frame.is_unreachable()) return false;
  note_change(frame);
  for (unsigned i = index / 64; i <= (index + count - 1) / 64; ++i) {
    if (frame.unknown[i] != ~u64{0} || frame.pending[i] != 0) return false;
  }
  push_pending(PendingStore{frame.address() + 8 * index, 0, agent_bit(by), at, 0, 1,
                            needs_clean(frame) ? 1U : 0U, count, 0});
  // The words need no saving: while they are unknown nobody may depend on them.
  trail_.save(frame.unknown.data(), static_cast<u32>(frame.unknown.size()));
  trail_.save(frame.pending.data(), static_cast<u32>(frame.pending.size()));
  std::fill_n(frame.words + index, count, value);
  const u64 blocks = mask(static_cast<unsigned>((index + count - 1) / 8), index / 8);
  const u64 used = value != 0 ? frame.used | blocks : count == frame_words ? 0 : frame.used;
  if (used != frame.used) trail_.set(frame.used, used);
  for (u64 i = index; i < index + count;) {
    const u64 end = std::min<u64>(index + count, align_down(i, 6) + 64);
    const u64 group = mask(static_cast<unsigned>((end - 1) % 64), static_cast<unsigned>(i % 64));
    frame.unknown[i / 64] &= ~group;
    frame.pending[i / 64] |= group;
    i = end;
  }
  return true;
}

void Memory::forget(Frame& frame) {
  note_change(frame);
  if (frame.uncached != 0) trail_.set(frame.uncached, 0);
  if (frame.cleaned != 0) trail_.set(frame.cleaned, 0);
  trail_.save(frame.words, frame_words);
  trail_.save(frame.unknown.data(), static_cast<u32>(frame.unknown.size()));
  frame.unknown.fill(~u64{0});
  // A pattern, so that a driver which reads what it never wrote does so alike each time.
  for (unsigned i = 0; i < frame_words; ++i) frame.words[i] = 0xdeadbeefdeadbeefULL;
  bool pending = false;
  for (const u64 word : frame.pending) pending |= word != 0;
  if (!pending) return;
  for (u32 i = 0; i < pending_.size(); ++i) {
    if (pending_[i].pa >> frame_lg2 == frame.number) pending_.edit(trail_, i).covered_by = settled;
  }
  sweep();
}

/// Of an older store no word is left behind that the newer one does not replace.
void Memory::cut_older_runs() {
  for (bool again = true; again;) {
    std::vector<u64> ends;
    for (u32 i = 0; i < pending_.size(); ++i) {
      const PendingStore& entry = pending_[i];
      if (entry.older == 0) continue;
      const PendingStore& older = pending_[entry.older - 1];
      if (older.pa == entry.pa && older.count == entry.count) continue;
      ends.push_back(entry.pa);
      ends.push_back(entry.pa + 8 * entry.count);
    }
    std::ranges::sort(ends);
    again = cut_runs(ends);
  }
}

/// No run goes on beyond one of these addresses, which ascend. Not whole runs: where much is never
/// cleaned, each word of it would be looked at by each barrier from then on. False: none did.
bool Memory::cut_runs(const std::vector<u64>& ends) {
  std::vector<PendingStore> all;
  const auto push = [&](PendingStore entry) {
    if (entry.count == 1) {
      entry.step = 1;
      entry.old_step = 0;
    }
    all.push_back(entry);
  };
  for (u32 k = 0; k < pending_.size(); ++k) {
    PendingStore rest = pending_[k];
    const u64 end = rest.pa + 8 * rest.count;
    for (auto at = std::ranges::upper_bound(ends, rest.pa); at != ends.end() && *at < end; ++at) {
      if (*at == rest.pa) continue;  // named twice
      PendingStore front = rest;
      front.count = (*at - rest.pa) / 8;
      rest.old_value = front.old_of(*at).value;
      rest.at = front.at_of(*at);
      rest.pa = *at;
      rest.count -= front.count;
      push(front);
    }
    push(rest);
  }
  if (all.size() == pending_.size()) return false;
  relist(all);
  return true;
}

void Memory::clear_pending() {
  for (u32 i = 0; i < pending_.size(); ++i) {
    const PendingStore& entry = pending_[i];
    Frame& where = frame(entry.pa);
    const u64 first = bits(entry.pa, 11, 3);
    for (u64 word = first / 64; word <= (first + entry.count - 1) / 64; ++word) {
      if (where.pending[word] != 0) trail_.set(where.pending[word], 0);
    }
  }
  empty_list();
}

void Memory::sweep() {
  std::vector<PendingStore> rest;
  for (u32 i = 0; i < pending_.size(); ++i) {
    const PendingStore& entry = pending_[i];
    if (entry.covered_by != settled) {
      rest.push_back(entry);
      continue;
    }
    Frame& where = frame(entry.pa);
    const u64 first = bits(entry.pa, 11, 3);
    if (entry.count == 1) {
      const u64 flag = u64{1} << (first % 64);
      if ((where.pending[first / 64] & flag) != 0) {
        trail_.set(where.pending[first / 64], where.pending[first / 64] & ~flag);
      }
      continue;
    }
    trail_.save(where.pending.data(), static_cast<u32>(where.pending.size()));
    for (u64 k = first; k < first + entry.count; ++k) {
      where.pending[k / 64] &= ~(u64{1} << (k % 64));
    }
  }
  if (rest.empty()) {
    empty_list();
  } else {
    relist(rest);
  }
}

/// 1 + index of the newest store in the list to the first of the entry's words that has one, or 0.
u32 Memory::newest_among(const Frame& frame, const PendingStore& entry) const {
  u32 newest = 0;
  u64 first = entry.pa + 8 * entry.count;
  for (u64 i = frame.stores; i != 0; i = pending_[static_cast<u32>(i) - 1].before) {
    const PendingStore& other = pending_[static_cast<u32>(i) - 1];
    const u64 shared = std::max(entry.pa, other.pa);
    if (shared >= first || shared >= other.pa + 8 * other.count) continue;
    first = shared;
    newest = static_cast<u32>(i);
  }
  return newest;
}

void Memory::relist(std::vector<PendingStore>& entries) {
  empty_list();
  for (PendingStore& entry : entries) {
    Frame& where = frame(entry.pa);
    entry.older = newest_among(where, entry);
    const u64 first = bits(entry.pa, 11, 3), end = first + entry.count;
    for (u64 i = first; i < end; i = align_down(i, 6) + 64) {  // 64 words at a time
      const u64 last = std::min<u64>(end - 1, i | 63);
      const u64 flags = mask(static_cast<unsigned>(last % 64), static_cast<unsigned>(i % 64));
      u64& pending = where.pending[i / 64];
      if ((pending & flags) != flags) trail_.set(pending, pending | flags);
    }
    push_pending(entry);
  }
}

}  // namespace iommucheck::spec
