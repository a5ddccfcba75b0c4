// SPDX-License-Identifier: MIT
// Events of memory: stores, when they become visible, pages that come and go; and what follows of
// each in tables, caches and configuration.
#include <algorithm>
#include <iterator>

#include "spec/rules/promises.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

// ---- stores -------------------------------------------------------------------------------------

void Caches::store(AgentId by, u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  store_word(by, frame, static_cast<unsigned>(bits(pa, 11, 3)), Content{value, false}, true);
}

void Caches::store_unknown(AgentId by, u64 pa) {
  store_word(by, memory_.frame(pa), static_cast<unsigned>(bits(pa, 11, 3)), Content{0, true}, true);
}

void Caches::store_bytes(AgentId by, u64 pa, unsigned size, u64 value) {
  if (size == 8 && pa % 8 == 0) {
    store(by, pa, value);
    return;
  }
  // No single-copy atomicity is promised beyond one aligned word of the access's own size; what is
  // unaligned is taken byte by byte.
  const bool natural = (size == 1 || size == 2 || size == 4) && pa % size == 0;
  const unsigned unit = natural ? size : 1;
  for (unsigned done = 0; done < size; done += unit) {
    const u64 at = pa + done;
    Frame& frame = memory_.frame(at);
    const auto index = static_cast<unsigned>(bits(at, 11, 3));
    const auto shift = static_cast<unsigned>(8 * (at % 8));
    const Content old = frame.newest(index);
    if (old.unknown) {
      store_word(by, frame, index, Content{0, true}, true);
      continue;
    }
    const u64 part = unit == 8 ? value : (value >> (8 * done)) & mask(8 * unit - 1, 0);
    const u64 word = with_bits(old.value, shift + 8 * unit - 1, shift, part);
    store_word(by, frame, index, Content{word, false}, true);
  }
}

void Caches::fill(AgentId by, u64 pa, u64 words, u64 value) {
  while (words != 0) {
    const u64 here = std::min<u64>(words, frame_words - bits(pa, 11, 3));
    memory_.fill(pa, here, value, by, findings_.now(),
                 [&](Frame& frame, unsigned index, Content content) {
                   work_.earn(Work::per_word);
                   store_word(by, frame, index, content, true);
                 });
    pa += 8 * here;
    words -= here;
  }
}

void Caches::store_word(AgentId by, Frame& frame, unsigned index, Content content, bool plain) {
  if (frame.is_unreachable() || stands_still()) {
    memory_.store(frame, index, content, by, findings_.now());
    return;
  }
  if (frame.newest(index) == content && !frame.is_pending(index)) {
    if (frame.is_table() && plain && !content.unknown) {
      tables_.check_lost_update(frame, index, content.value);
    }
    return;
  }
  if (frame.is_table()) before_table_store(frame, index, content.value, plain);
  if (frame.config != 0) configuration_.list_all();
  memory_.store(frame, index, content, by, findings_.now());
  if (frame.is_table() && !content.unknown) after_table_store(frame, index, content.value);
  if (frame.config != 0) configuration_.reform_around(frame.address() + 8 * index);
}

void Caches::rmw(AgentId by, u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  store_word(by, frame, index, Content{value, false}, false);
  if (!memory_.needs_clean(frame)) settle_word(pa);
}

/// As an atomic exchange has it: whose agent stored makes no difference, since nothing is pending.
void Caches::device_store(u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  if (frame.is_unreachable()) return memory_.device_store(pa, value);
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  const u64 before = frame.words[index];
  store_word(AgentId{}, frame, index, Content{value, false}, false);
  settle_word(pa);
  memory_.tell_device_store(pa, before, value);
}

void Caches::settle_word(u64 pa) {
  if (!memory_.is_pending(pa)) return;
  std::vector<Vanished> vanished;
  memory_.settle_word(pa, [&](Frame& f, unsigned i, Content content, EventIndex at) {
    vanished.push_back({&f, i, content, at});
  });
  settle(vanished);
}

// A frozen translation regime must not see what is stored from now on.
void Caches::before_table_store(Frame& frame, unsigned index, u64 value, bool plain) {
  formed_.materialize_ghosts_over(frame);
  if (plain) tables_.check_lost_update(frame, index, value);
  // A table takes the place of a descriptor, a block's mostly: through it each of its words may be
  // met as it was before what still pends there, and an invalid one leaves nothing when that ends.
  const Content old = frame.newest(index);
  if (!changes_.followed() || old.unknown || !bit(old.value, 0)) return;
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    if (!Geometry::is_table(value, level)) return;
    const TableExtent below = table_below(geometry, value, level, 0);
    for (u64 i = 0; i < below.entries; ++i) changes_.note_replaced(below.table + 8 * i);
  });
}

void Caches::after_table_store(Frame& frame, unsigned index, u64 value) {
  const u64 pa = frame.address() + 8 * index;
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    if (geometry.is_leaf(value, level)) {
      tables_.note_leaf(frame, index, geometry, level, value);
      tables_.note_access_flag(frame, index, geometry, level, value);
      if (regimes_.any_globals()) {
        leaves_.note_store(pa, value, findings_.now());
        if (const auto update = memory_.became(pa, value)) {
          leaves_.note_store(pa, *update, findings_.now());
        }
      }
      if (contiguous_hint(value).value)
        makes_.check_contiguous(frame, index, geometry, level, value);
    }
    if (Geometry::is_table(value, level)) {
      tables_.link_word(frame, index, geometry, level, value);
    }
    if (changes_.followed()) {
      graph_.for_each_path(frame, index, geometry, level, [&](const TableGraph::Path& path) {
        unsigned extent = geometry.shift(level);
        if (frame.contiguous != 0 && level > 0) extent += geometry.group_lg2(level);
        changes_.mark_extent(path.tag, path.va, extent);
      });
    }
    if (bit(value, 0)) makes_.check(frame, index, geometry, level, value);
  });
}

// ---- visibility ---------------------------------------------------------------------------------

bool Caches::barrier_ends_version(AgentId by) const {
  return memory_.ends_later_version(by, changes_.any_replaced(),
                                    [&](u64 pa) { return changes_.is_replaced(pa); });
}

bool Caches::rmw_ends_version(u64 pa) const {
  const Frame* frame = memory_.find(pa);
  if (frame == nullptr || memory_.needs_clean(*frame) || !frame->is_table()) return false;
  return changes_.is_replaced(pa) || memory_.has_descriptor_before(pa);
}

void Caches::barrier(AgentId by) {
  std::vector<Vanished>& vanished = scratch_vanished_;
  vanished.clear();
  memory_.barrier(by, [&](Frame& frame, unsigned index, Content content, EventIndex at) {
    // Nothing is left behind by an invalid descriptor.
    if (frame.config == 0 && !content.unknown && !bit(content.value, 0)) return;
    vanished.push_back({&frame, index, content, at});
  });
  if (!vanished.empty()) settle(vanished);
}

void Caches::settle(std::vector<Vanished>& vanished) {
  if (stands_still()) return;
  for (std::size_t i = 0, count = vanished.size(); i < count; ++i) {
    const Vanished what = vanished[i];
    const u64 pa = what.frame->address() + 8 * what.index;
    if (const auto update = memory_.became(pa, what.content.value);
        update && !what.content.unknown) {
      vanished.push_back({what.frame, what.index, Content{*update, false}, what.at});
    }
  }
  // What is visible again, or still, has not vanished.
  std::erase_if(vanished, [&](const Vanished& what) {
    bool visible = false;
    memory_.visible(*what.frame, what.index,
                    [&](Content content) { visible |= content == what.content; });
    // With global entries it matters that an equal one is older.
    if (visible && regimes_.any_globals() && what.frame->is_table()) {
      fills_.vanish(*what.frame, what);
    }
    return visible;
  });
  // First all items, while every way to them is still there; then the ways that are gone.
  for (const Vanished& what : vanished) {
    if (what.frame->is_table()) {
      changes_.note_replaced(what.frame->address() + 8 * what.index);
      fills_.vanish(*what.frame, what);
    }
    if (what.frame->config != 0) config_fills_.vanish(what, vanished);
  }
  for (const Vanished& what : vanished) {
    if (!what.frame->is_table() || what.content.unknown) continue;
    const u64 value = what.content.value;
    for_each_layout(*what.frame, [&](Geometry geometry, unsigned level) {
      if (!Geometry::is_table(value, level)) return;
      tables_.unlink_word(*what.frame, what.index, geometry, level, value);
    });
  }
  StreamParts streams;
  for (const Vanished& what : vanished) {
    if (what.frame->config == 0) continue;
    configuration_.add_streams_around(what.frame->address() + 8 * what.index, streams);
  }
  configuration_.reform(streams);
}

// ---- pages that come and go ---------------------------------------------------------------------

void Caches::recycle(u64 pa, bool given_back) {
  Frame& frame = memory_.frame(pa);
  if (given_back) findings_.count(rule::TABLE_FREE);
  if (stands_still()) return memory_.forget(frame);
  if (frame.config != 0) configuration_.list_all();
  // While SMMUEN = 0 an SMMU fetches nothing, whatever it has cached. IHI 0070 6.3.9.6.
  const bool fetched = given_back && (controls_.enabled() || walkers_.any());
  if (fetched && (tables_.may_be_walked_to(frame) || is_configuration(view_, pa))) {
    std::vector<Cause> causes;
    constexpr std::size_t enough = 4;
    for (u32 i = graph_.first(frame); i != 0 && causes.size() < enough;) {
      const Edge& edge = graph_.edge(i);
      causes.push_back(cause_of(view_, edge));
      if (edge.kind == EdgeKind::root) {
        const std::vector<Cause> by = causes_of_regime(view_, static_cast<u32>(edge.parent));
        causes.insert(causes.end(), by.begin(), by.end());
      }
      i = edge.next;
    }
    if (is_configuration(view_, pa)) {
      std::vector<Cause> by = causes_of_configuration(view_, pa);
      std::ranges::move(by, std::back_inserter(causes));
    }
    findings_.report(rule::TABLE_FREE,
                     "hardware may still walk the table page " + findings_.name(frame.address()) +
                         " that is given back",
                     std::move(causes));
  }
  if (fetched && tables_.is_walked(frame, false)) {
    findings_.report(rule::WILD_WALK,
                     "a walk may read the page " + findings_.name(frame.address()) +
                         " after it was given back, when its content is anybody's");
    tables_.for_each_way(frame, [&](const TableGraph::End& end, unsigned /*level*/) {
      tables_.may_be_global(end.tag);
    });
  }
  std::vector<Vanished> vanished;
  if (!frame.is_unreachable()) {
    for (unsigned i = 0; i < frame_words; ++i) {
      memory_.visible(frame, i, [&](Content content) {
        if (!content.unknown) vanished.push_back({&frame, i, content, findings_.now()});
      });
    }
    formed_.materialize_ghosts_over(frame);
  }
  memory_.forget(frame);
  if (!vanished.empty()) settle(vanished);
}

void Caches::assume(u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  if (frame.is_unreachable() || stands_still()) {
    memory_.assume(pa, Content{value, false});
    return;
  }
  // Seen late: it was like this since the page became reachable.
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  if (frame.newest(index) == Content{value, false}) return;
  if (frame.config != 0) configuration_.list_all();
  memory_.assume(pa, Content{value, false});
  if (frame.is_table()) after_table_store(frame, index, value);
  if (frame.config != 0) configuration_.reform_around(pa);
}

}  // namespace iommucheck::spec
