// SPDX-License-Identifier: MIT
#include "spec/smmu/table_graph.h"

namespace iommucheck::spec {

bool TableGraph::add(Frame& frame, u64 table, unsigned level, Edge edge) {
  ++version_;
  if (frame.tables_at(level) == 0xffff) return false;
  edge.level = static_cast<u8>(level);
  edge.first = static_cast<u16>(bits(table, 11, 3));
  edge.next = first(frame);
  const u32 node = edges_.allocate(trail_, edge);
  trail_.set(frame.first_edge, node);
  trail_.set(frame.table_edges, frame.table_edges + (u64{1} << (16 * level)));
  return true;
}

bool TableGraph::remove(Frame& frame, unsigned level, EdgeKind kind, u64 parent, u64 value) {
  ++version_;
  u32 before = 0;
  for (u32 i = first(frame); i != 0; before = i, i = edges_[i].next) {
    if (!work_.spend(1)) return false;
    const Edge& edge = edges_[i];
    if (edge.level != level || edge.kind != kind || edge.parent != parent || edge.value != value) {
      continue;
    }
    if (before == 0) {
      trail_.set(frame.first_edge, edge.next);
    } else {
      edges_.edit(trail_, before).next = edge.next;
    }
    edges_.release(trail_, i);
    trail_.set(frame.table_edges, frame.table_edges - (u64{1} << (16 * level)));
    return true;
  }
  return false;
}

unsigned TableGraph::valid_versions(const Frame& frame, unsigned index) const {
  unsigned count = 0;
  memory_.visible(frame, index,
                  [&](Content content) { count += content.unknown || bit(content.value, 0); });
  return count;
}

/// The search, number searches_, comes to an entry of the page.
void TableGraph::reach(const Frame& frame, u64 entry, std::vector<Reached>& reached) const {
  if (is_new(frame)) {
    frame.place = reached.size();
    reached.push_back({&frame});
  }
  reached[frame.place].entries[entry / 64] |= u64{1} << (entry % 64);
}

}  // namespace iommucheck::spec
