// SPDX-License-Identifier: MIT
#include "spec/sva/dirty.h"

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "spec/sva/attachments.h"
#include "spec/sva/nested.h"

namespace iommucheck::spec::sva {

namespace {

/// Addresses, inclusive.
struct Extent {
  u64 first = 1;
  u64 last = 0;
};

bool can_be_tracked(const Space& space) {
  return is_mapped_by_driver(space.kind) && space.owner == Owner::domain;
}

/// INTERFACE "Dirty": without hardware or type for it EOPNOTSUPP.
void judge_type(const InterfaceState& s, u32 index, Permitted& set) {
  if (!can_be_tracked(s.spaces[index])) set.add(Reason::no_kind_of_domain_that_is_tracked);
  if (s.dirty == DirtyHardware::none) set.add(Reason::the_iommu_marks_nothing);
}

/// The bytes that the window has within the input size.
std::optional<Extent> window_of(const Space& space, const Call& call) {
  if (call.size == 0 || beyond(call.iova, space.input_bits)) return std::nullopt;
  u64 last = call.iova + (call.size - 1);
  if (last < call.iova) last = whole_space;
  if (space.input_bits < 64) last = std::min(last, (u64{1} << space.input_bits) - 1);
  return Extent{call.iova, last};
}

/// What of the piece may stand in memory as one leaf around an address: the widest of the page
/// sizes that lies in what one map call made, IOVA and PA congruent.
Extent widest_leaf(const InterfaceState& s, const Space& space, u64 address) {
  const Piece piece = s.forest.lookup(space.map, address);
  const u64 page = granule(space);
  Extent widest{address & ~(page - 1), address | (page - 1)};
  if (!piece.mapped) return widest;
  for (u64 sizes = space.page_sizes; sizes != 0; sizes &= sizes - 1) {
    const u64 size = sizes & (~sizes + 1);
    const Extent leaf{address & ~(size - 1), address | (size - 1)};
    const bool inside = piece.first <= leaf.first && leaf.last <= piece.last;
    if (inside && ((piece.pa - address) & (size - 1)) == 0) widest = leaf;
  }
  return widest;
}

bool any_in(const InterfaceState& s, u64 root, const Extent& extent) {
  return s.forest.first_mapped_in(root, extent.first, extent.last).found;
}

/// Whether something of [first, last], which is mapped, may have been written.
bool may_be_written(const InterfaceState& s, const Space& space, const Interval& part) {
  if (space.asked != 0 && (part.prot & prot_write) != 0) return true;
  const Extent pages{part.first, part.last};
  return any_in(s, space.written, pages) || any_in(s, space.maybe, pages) ||
         any_in(s, space.meanwhile, pages);
}

/// visit(index of a bit, its bytes) for those of the window that meet what stands in the map.
template <class Visit>
void for_each_bit(const InterfaceState& s, const Call& call, const Extent& window, u64 root,
                  Visit visit) {
  s.forest.for_each(root, window.first, window.last, [&](const Interval& piece) {
    const u64 from = (piece.first - call.iova) / call.grain;
    const u64 to = (piece.last - call.iova) / call.grain;
    for (u64 i = from; i <= to; ++i) {
      const u64 first = call.iova + i * call.grain;
      visit(i, Extent{first, std::min(first + (call.grain - 1), window.last)});
    }
  });
}

bool has_bit(const std::vector<u64>& bits, u64 i) {
  return i / 64 < bits.size() && (bits[i / 64] >> (i % 64) & 1) != 0;
}

void mark(InterfaceState& s, u64 Space::* root, u32 space, u64 page) {
  if (s.forest.lookup(s.spaces[space].*root, page).mapped) return;
  const u64 last = page | (granule(s.spaces[space]) - 1);
  s.forest.insert(s.spaces.edit(s.trail, space).*root, {page, last, 0, 0, 0});
}

void erase(InterfaceState& s, u64 Space::* root, u32 space, const Extent& extent) {
  if (!any_in(s, s.spaces[space].*root, extent)) return;
  s.forest.erase(s.spaces.edit(s.trail, space).*root, extent.first, extent.last);
}

/// A page is written: hardware marks the leaf that stands there now, and all its pages with it,
/// whatever becomes of the leaf. A block that is split while it is mapped (BBML 2) leaves its mark
/// to each of its pages.
void mark_leaf(InterfaceState& s, u32 space, u64 page) {
  const Extent leaf = widest_leaf(s, s.spaces[space], page);
  const Piece known = s.forest.lookup(s.spaces[space].maybe, leaf.first);
  if (known.mapped && known.last >= leaf.last) return;
  erase(s, &Space::maybe, space, leaf);
  s.forest.insert(s.spaces.edit(s.trail, space).maybe, {leaf.first, leaf.last, 0, 0, 0});
}

/// The pages of a map, as they are before it is changed.
std::vector<u64> pages_of(const InterfaceState& s, u32 space, u64 root, const Extent& extent) {
  std::vector<u64> pages;
  const u64 page = granule(s.spaces[space]);
  s.forest.for_each(root, extent.first, extent.last, [&](const Interval& piece) {
    for (u64 at = piece.first;; at += page) {
      pages.push_back(at);
      if (piece.last - at < page) return;
    }
  });
  return pages;
}

constexpr Extent everywhere{0, whole_space};

/// What was written while a call was in progress that has told nothing of it.
void meanwhile_is_written(InterfaceState& s, u32 space) {
  for (const u64 page : pages_of(s, space, s.spaces[space].meanwhile, everywhere)) {
    mark(s, &Space::written, space, page);
  }
  erase(s, &Space::meanwhile, space, everywhere);
}

bool may_ask(const InterfaceState& s, u32 space) {
  bool may = false;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    // Tables of a user's are written by the hardware, at places that the user chooses.
    may |= parent_of(s, s.devices[i].domain) == space;
    if (!s.constants[i].ats) continue;
    may |= s.devices[i].domain == space;
    for (u32 g = s.devices[i].ghosts; g != 0; g = s.ghosts[g].next) {
      may |= s.ghosts[g].domain == space;
    }
  }
  s.for_each_attachment([&](u32 i) {
    const Attachment& at = s.attachments[i];
    may |= s.constants[at.device].ats && (at.domain == space || at.ghosts != 0);
  });
  return may;
}

}  // namespace

// ---- dirty_set ----------------------------------------------------------------------------------

Permitted permitted_dirty_set(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const u32 index = s.find(call.domain);
  if (index == 0) {
    set.add(Reason::no_such_domain);
    return set;
  }
  judge_type(s, index, set);
  if (!set.empty()) return set;
  set.add(Reason::done);
  if (s.dirty == DirtyHardware::open) set.add(Reason::the_driver_may_not_use_the_marks);
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

void begin_dirty(const InterfaceState& s, const Call& call, Pending& pending) {
  const u32 index = s.find(call.domain);
  if (index != 0 && can_be_tracked(s.spaces[index])) pending.space = index;
}

/// On starts clean, off forgets, the same again changes nothing. One that fails changes nothing,
/// but for off, which is off whatever the caches say.
void apply_dirty_set(InterfaceState& s, const Call& call, Status status) {
  const u32 index = s.find(call.domain);
  if (index == 0) return;
  if (!call.on && ended(status)) return forget_dirty(s, index);
  const bool begins = call.on && status == Status::ok && s.spaces[index].tracked == 0;
  if (!begins) {
    if (s.spaces[index].tracked != 0) {
      meanwhile_is_written(s, index);
    } else {
      erase(s, &Space::maybe, index, everywhere);
    }
    erase(s, &Space::meanwhile, index, everywhere);
    return;
  }
  Space& space = s.spaces.edit(s.trail, index);
  space.tracked = 1;
  space.asked = may_ask(s, index) ? 1 : 0;
  s.trail.set(s.tracked, s.tracked + 1);
  for (const u64 page : pages_of(s, index, space.meanwhile, everywhere)) {
    mark(s, &Space::maybe, index, page);
  }
  erase(s, &Space::meanwhile, index, everywhere);
}

void forget_dirty(InterfaceState& s, u32 space) {
  for (u64 Space::* root : {&Space::written, &Space::maybe, &Space::meanwhile}) {
    erase(s, root, space, everywhere);
  }
  if (s.spaces[space].tracked == 0) return;
  Space& record = s.spaces.edit(s.trail, space);
  record.tracked = record.asked = 0;
  s.trail.set(s.tracked, s.tracked - 1);
}

// ---- dirty_read ---------------------------------------------------------------------------------

/// Nothing says what a window is of which the input range has a part, or none.
Permitted permitted_dirty_read(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const u32 index = s.find(call.domain);
  if (index == 0) {
    set.add(Reason::no_such_domain);
    return set;
  }
  const Space& space = s.spaces[index];
  judge_type(s, index, set);
  if (s.dirty == DirtyHardware::open) set.add(Reason::the_driver_may_not_use_the_marks);
  if (space.tracked == 0) set.add(Reason::tracking_is_off);
  const bool grained = std::has_single_bit(call.grain) && call.grain >= granule(space);
  if (!grained) set.add(Reason::no_such_grain);
  if (call.size == 0) set.add(Reason::the_window_is_empty);
  const bool unaligned = grained && ((call.iova | call.size) & (call.grain - 1)) != 0;
  if (unaligned) set.add(Reason::unaligned);
  const u64 last = call.iova + (call.size - 1);
  const bool wraps = call.size != 0 && last < call.iova;
  if (wraps || (call.size != 0 && beyond(last, space.input_bits))) {
    set.add(Reason::argument_beyond_the_input_size);
    set.add(Reason::beyond_the_input_size);
    if (wraps) return set;
  }
  const bool refused =
      space.tracked == 0 || !can_be_tracked(space) || !grained || call.size == 0 || unaligned;
  if (refused) return set;
  set.add(Reason::done);
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

std::vector<u64> written_bits(const InterfaceState& s, const Call& call) {
  std::vector<u64> bits;
  const u32 index = s.find(call.domain);
  if (index == 0 || call.grain == 0) return bits;
  const auto window = window_of(s.spaces[index], call);
  if (!window) return bits;
  for_each_bit(s, call, *window, s.spaces[index].written, [&](u64 i, const Extent& /*bytes*/) {
    if (bits.size() <= i / 64) bits.resize(i / 64 + 1);
    bits[i / 64] |= u64{1} << (i % 64);
  });
  return bits;
}

WrongBit check_bits(const InterfaceState& s, const Call& call, const Observed& observed) {
  const u32 index = s.find(call.domain);
  if (index == 0 || call.grain == 0) return {};
  const Space& space = s.spaces[index];
  const auto window = window_of(space, call);
  const auto text = [&](u64 i, const char* what) {
    return "bit " + std::to_string(i) + ", of " + hex(call.iova + i * call.grain) + ", is " + what;
  };
  WrongBit found;
  std::string& why = found.text;
  if (window) {
    for_each_bit(s, call, *window, space.written, [&](u64 i, const Extent& bytes) {
      if (!why.empty() || has_bit(observed.bits, i)) return;
      why = text(i, "0, and a device has written there");
      s.forest.for_each(space.written, bytes.first, bytes.last, [&](const Interval& piece) {
        if (!found.unmarked) found.unmarked = std::max(piece.first, bytes.first);
      });
    });
  }
  for (u64 i = 0; why.empty() && i < 64 * observed.bits.size(); ++i) {
    if (!has_bit(observed.bits, i)) continue;
    const u64 first = call.iova + i * call.grain;
    if (i >= call.size / call.grain) {
      why = text(i, "1, behind the end of the window");
    } else if (!window || first > window->last) {
      why = text(i, "1, beyond the input size");
    } else {
      bool may = false;
      bool mapped = false;
      const u64 last = std::min(first + (call.grain - 1), window->last);
      s.forest.for_each(space.map, first, last, [&](const Interval& part) {
        mapped = true;
        may |= may_be_written(s, space, part);
      });
      if (!may) {
        why = text(i, mapped ? "1, and no device has written there since the last clear"
                             : "1, and nothing is mapped there");
      }
    }
  }
  return found;
}

namespace {

/// Clear resets only what lies wholly inside the window. Of a page that is part of something larger
/// nobody knows; one that was written while the call was in progress is told now or next time.
void clear_window(InterfaceState& s, u32 index, const Call& call, const Observed& observed,
                  const Extent& window) {
  std::vector<Extent> marked;
  for (const u64 root : {s.spaces[index].written, s.spaces[index].maybe}) {
    s.forest.for_each(root, window.first, window.last, [&](const Interval& piece) {
      for (u64 at = piece.first;;) {
        const Extent leaf = widest_leaf(s, s.spaces[index], at);
        const u64 last = std::min(leaf.last, piece.last);
        const bool whole = window.first <= leaf.first && leaf.last <= window.last;
        if (!whole) marked.push_back({at, last});
        if (last == piece.last) return;
        at = last + 1;
      }
    });
  }
  for (u64 Space::* root : {&Space::written, &Space::maybe}) erase(s, root, index, window);
  for (const Extent& part : marked) {
    erase(s, &Space::maybe, index, part);
    s.forest.insert(s.spaces.edit(s.trail, index).maybe, {part.first, part.last, 0, 0, 0});
  }
  for (const u64 page : pages_of(s, index, s.spaces[index].meanwhile, everywhere)) {
    const bool told = window.first <= page && page <= window.last &&
                      has_bit(observed.bits, (page - call.iova) / call.grain);
    mark_leaf(s, index, page);
    mark(s, told ? &Space::maybe : &Space::written, index, page);
  }
  erase(s, &Space::meanwhile, index, everywhere);
}

}  // namespace

void apply_dirty_read(InterfaceState& s, const Call& call, const Observed& observed) {
  const u32 index = s.find(call.domain);
  if (index == 0 || s.spaces[index].tracked == 0) return;
  const auto window = window_of(s.spaces[index], call);
  const bool whole = window && std::has_single_bit(call.grain);
  if (whole && call.clear && observed.status == Status::ok) {
    return clear_window(s, index, call, observed, *window);
  }
  meanwhile_is_written(s, index);
  if (!whole || !call.clear || observed.status != Status::etimedout) return;
  // What it had cleared it has to mark again, and knows by the bit only.
  std::vector<Extent> bits;
  for (const u64 root : {s.spaces[index].written, s.spaces[index].maybe}) {
    for_each_bit(s, call, *window, root, [&](u64, const Extent& bytes) { bits.push_back(bytes); });
  }
  for (const Extent& bytes : bits) {
    erase(s, &Space::maybe, index, bytes);
    s.forest.for_each(s.spaces[index].map, bytes.first, bytes.last, [&](const Interval& piece) {
      s.forest.insert(s.spaces.edit(s.trail, index).maybe, {piece.first, piece.last, 0, 0, 0});
    });
  }
}

// ---- what devices do ----------------------------------------------------------------------------

namespace {

/// A write met the space, or may have: as one of several.
void space_written(InterfaceState& s, u32 index, u64 iova, bool sure) {
  const Space& space = s.spaces[index];
  bool in_call = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool of_dirt = kind == CallKind::dirty_set || kind == CallKind::dirty_read;
    in_call |= of_dirt && pending.space == index;
  });
  if ((space.tracked == 0 && !in_call) || beyond(iova, space.input_bits)) return;
  const u64 page = iova & ~(granule(space) - 1);
  mark_leaf(s, index, page);
  if (in_call && sure) return mark(s, &Space::meanwhile, index, page);
  mark(s, sure ? &Space::written : &Space::maybe, index, page);
}

/// Whether it is mapped there so, and nothing older may be met.
bool leads_to(const InterfaceState& s, u32 index, u64 iova, std::optional<u64> pa) {
  const Space& space = s.spaces[index];
  const Piece piece = s.forest.lookup(space.map, iova);
  if (!piece.mapped || (piece.prot & prot_write) == 0 || (pa && *pa != piece.pa)) return false;
  return !s.forest.lookup(space.stale, iova).mapped && space.older[0] == 0;
}

/// A write of a user's device met the parent there, at whatever IPA that is.
void parent_written(InterfaceState& s, u32 parent, std::optional<u64> pa, bool sure) {
  if (!pa) return;
  std::vector<u64> ipas;
  s.forest.for_each(s.spaces[parent].map, 0, whole_space, [&](const Interval& piece) {
    const bool holds = piece.pa <= *pa && *pa - piece.pa <= piece.last - piece.first;
    if (holds) ipas.push_back(piece.first + (*pa - piece.pa));
  });
  for (const u64 ipa : ipas) {
    space_written(s, parent, ipa, sure && ipas.size() == 1 && leads_to(s, parent, ipa, pa));
  }
}

}  // namespace

void device_wrote(InterfaceState& s, u32 device, Substream at, u64 iova, std::optional<u64> pa,
                  bool sure) {
  if (s.tracked == 0 && !s.tickets.any()) return;
  if (device >= s.devices.size()) return;
  const u32 met =
      s.routes_users && at.present ? domain_at(s, device, at.number) : s.devices[device].domain;
  if (const u32 parent = parent_of(s, met); parent != 0) {
    return parent_written(s, parent, pa, sure && !s.tickets.any());
  }
  std::vector<u32> spaces;
  const auto add = [&](u32 space) {
    if (space == 0 || !can_be_tracked(s.spaces[space])) return;
    if (std::ranges::find(spaces, space) == spaces.end()) spaces.push_back(space);
  };
  if (at.present) {
    s.for_each_attachment([&](u32 i) {
      const Attachment& its = s.attachments[i];
      if (its.device != device || s.numbers[its.number].value != at.number) return;
      add(its.domain);
      for (u32 g = its.ghosts; g != 0; g = s.ghosts[g].next) add(s.ghosts[g].domain);
    });
  } else {
    add(s.devices[device].domain);
    for (u32 g = s.devices[device].ghosts; g != 0; g = s.ghosts[g].next) add(s.ghosts[g].domain);
  }
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves = at.present
                           ? kind == CallKind::attach_pasid && pending.device == device
                           : kind == CallKind::attach && s.moves_with(pending.device, device);
    if (moves) add(pending.space);
  });
  const auto leads =
      std::ranges::count_if(spaces, [&](u32 space) { return leads_to(s, space, iova, pa); });
  for (const u32 space : spaces) {
    space_written(s, space, iova, sure && leads == 1 && leads_to(s, space, iova, pa));
  }
}

void descriptor_written(InterfaceState& s, u64 pa, bool sure) {
  if (s.tracked == 0 && !s.tickets.any()) return;
  std::vector<u32> parents;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    const u32 parent = parent_of(s, s.devices[i].domain);
    if (parent == 0 || std::ranges::find(parents, parent) != parents.end()) continue;
    bool holds = false;
    s.forest.for_each(s.spaces[parent].map, 0, whole_space, [&](const Interval& piece) {
      holds |= piece.pa <= pa && pa - piece.pa <= piece.last - piece.first;
    });
    if (holds) parents.push_back(parent);
  }
  // Through which of several it came is not known.
  for (const u32 parent : parents) {
    parent_written(s, parent, pa, sure && parents.size() == 1 && !s.tickets.any());
  }
}

void forget_written(InterfaceState& s, u32 space, u64 first, u64 last) {
  for (u64 Space::* root : {&Space::written, &Space::maybe, &Space::meanwhile}) {
    erase(s, root, space, {first, last});
  }
}

void note_askers(InterfaceState& s) {
  if (s.tracked == 0) return;
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].tracked == 0 || s.spaces[i].asked != 0 || !may_ask(s, i)) return;
    s.spaces.edit(s.trail, i).asked = 1;
  });
}

}  // namespace iommucheck::spec::sva
