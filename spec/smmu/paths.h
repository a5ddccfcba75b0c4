// SPDX-License-Identifier: MIT
// From a word of a table page up to the tags and input addresses that it translates for. Bodies of
// TableGraph's templates; include in the engine's own files only.
//
// Where tables lead to themselves or to each other, a question for tags looks at each page once for
// each level and needs no bound. Where every input address counts, work is bounded: see work.h.
#pragma once

#include "spec/smmu/table_graph.h"

namespace iommucheck::spec {

/// Input addresses of one word.
inline constexpr unsigned path_bound = 1U << 16;

template <class Visit>
void TableGraph::for_each_path(const Frame& frame, unsigned index, Geometry geometry,
                               unsigned level, Visit&& visit) const {
  // Stores come in runs: the only way up from a page is remembered while no edge changes.
  PathCache& known = path_cache_;
  if (known.frame == &frame && known.level == level && known.geometry == geometry &&
      known.version == version_ && known.generation == trail_.generation()) {
    if (index - known.first >= known.count) return;
    Path path = known.path;
    path.va += (index - known.first) << geometry.shift(level);
    visit(path);
    return;
  }
  std::array<u64, 4> indices{};
  unsigned count = 0;
  const u64 version = version_;
  Path only;
  const Path here{.level = static_cast<u8>(level)};
  paths_up(frame, index, geometry, level, indices, here, [&](const Path& path) {
    if (++count > path_bound) {
      work_.give_up(path_bound);
      return;
    }
    only = path;
    visit(path);
  });
  const Edge& edge = edges_[first(frame)];
  if (count != 1 || edge.next != 0 || edge.level != level || edge.geometry != geometry ||
      version != version_ || !work_.spend(0)) {
    return;
  }
  known = {&frame, geometry, level, version_, trail_.generation(), edge.first, edge.count, only};
  known.path.va -= (u64{index} - edge.first) << geometry.shift(level);
}

template <class Visit>
void TableGraph::paths_up(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                          std::array<u64, 4>& indices, const Path& below, Visit&& visit) const {
  for (u32 i = first(frame); i != 0 && work_.spend(1); i = edges_[i].next) {
    const Edge& edge = edges_[i];
    if (edge.level != level || edge.geometry != geometry || u64{index} - edge.first >= edge.count) {
      continue;
    }
    indices[level] = u64{index} - edge.first + edge.base;
    if (edge.kind == EdgeKind::word) {
      const Frame* parent = memory_.find(edge.parent);
      const auto entry = static_cast<unsigned>(bits(edge.parent, 11, 3));
      Path above = below;
      above.hierarchical = pack_below(below.hierarchical, edge.value);
      above.several |= valid_versions(*parent, entry) > 1;
      paths_up(*parent, entry, geometry, level - 1, indices, above, visit);
      continue;
    }
    Path path = below;
    if (edge.kind == EdgeKind::root) {
      path.space = edge.space();
      const RegimeState& state = regimes_[path.space.regime];
      path.tag = state.tag;
      path.dies = static_cast<Group>(state.dies);
      path.ghost = state.ghost != 0;
      path.va = first_address(state.regime, edge.half);
    } else {
      const Item& item = items_[static_cast<u32>(edge.parent)];
      path.space = item.space;
      path.tag = item.tag;
      path.dies = item.dies;
      path.va = item.va;
      path.hierarchical =
          static_cast<u8>(below.hierarchical | pack_below(item.hierarchical, item.value));
      path.item = static_cast<u32>(edge.parent) + 1;
    }
    for (unsigned l = level; l <= below.level; ++l) {
      path.va += indices[l] << geometry.shift(l);
    }
    visit(path);
  }
}

/// Some entry of number `first` to first + count - 1 is in the set.
inline bool has_any(const std::array<u64, frame_words / 64>& entries, u64 first, u64 count) {
  for (u64 i = first; i < first + count;) {
    const u64 here = std::min<u64>(64 - i % 64, first + count - i);
    if ((entries[i / 64] >> (i % 64) & low_mask(here)) != 0) return true;
    i += here;
  }
  return false;
}

/// Level by level upwards: each page is looked at once for each level.
template <class Visit>
void TableGraph::for_each_end(const Frame& frame, const Entries& entries, Geometry geometry,
                              unsigned level, Visit&& visit) const {
  auto& [here, above] = scratch_reached_;
  here.clear();
  here.push_back({&frame, entries});
  for (unsigned l = level + 1; l-- != 0 && !here.empty(); std::swap(here, above)) {
    above.clear();
    begin_search();
    for (const Reached& page : here) {
      for (u32 i = first(*page.frame); i != 0; i = edges_[i].next) {
        if (!work_.spend(1)) return;
        const Edge& edge = edges_[i];
        if (edge.level != l || edge.geometry != geometry ||
            !has_any(page.entries, edge.first, edge.count)) {
          continue;
        }
        if (edge.kind == EdgeKind::word) {
          reach(*memory_.find(edge.parent), bits(edge.parent, 11, 3), above);
        } else if (edge.kind == EdgeKind::root) {
          const RegimeState& state = regimes_[static_cast<u32>(edge.parent)];
          visit(End{state.tag, edge.space(), state.ghost != 0, 0});
        } else {
          const Item& item = items_[static_cast<u32>(edge.parent)];
          visit(End{item.tag, item.space, false, static_cast<u32>(edge.parent) + 1});
        }
      }
    }
  }
}

template <class Visit>
void TableGraph::for_each_end(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                              Visit&& visit) const {
  Entries entries{};
  entries[index / 64] = u64{1} << (index % 64);
  for_each_end(frame, entries, geometry, level, visit);
}

}  // namespace iommucheck::spec
