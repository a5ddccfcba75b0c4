// SPDX-License-Identifier: MIT
#include "spec/smmu/table_graph.h"

namespace iommucheck::spec {

namespace {

/// One edge, in the counts of a frame.
u64 counted(const Edge& edge) { return u64{1} << (16 * edge.level); }

}  // namespace

bool TableGraph::add(Frame& frame, Edge edge) {
  ++version_;
  const u8 layout = edge.geometry.layout;
  if (frame.tables_at(layout, edge.level) == 0xffff) return false;
  edge.next = first(frame);
  const u32 node = edges_.allocate(trail_, edge);
  trail_.set(frame.first_edge, node);
  trail_.set(frame.table_edges[layout], frame.table_edges[layout] + counted(edge));
  return true;
}

bool TableGraph::remove(Frame& frame, const Edge& like) {
  ++version_;
  u32 before = 0;
  for (u32 i = first(frame); i != 0; before = i, i = edges_[i].next) {
    if (!work_.spend(1)) return false;
    const Edge& edge = edges_[i];
    if (edge.level != like.level || edge.geometry != like.geometry || edge.kind != like.kind ||
        edge.parent != like.parent || edge.value != like.value) {
      continue;
    }
    u64& edges = frame.table_edges[edge.geometry.layout];
    trail_.set(edges, edges - counted(edge));
    if (before == 0) {
      trail_.set(frame.first_edge, edge.next);
    } else {
      edges_.edit(trail_, before).next = edge.next;
    }
    edges_.release(trail_, i);
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
