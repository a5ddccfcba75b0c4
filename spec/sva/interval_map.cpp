// SPDX-License-Identifier: MIT
#include "spec/sva/interval_map.h"

namespace iommucheck::spec::sva {

namespace {

/// Priorities are a hash of the key: the same calls give the same shape, and no order of keys that
/// a caller is likely to choose makes it deep.
u32 priority_of(u64 key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdULL;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53ULL;
  return static_cast<u32>(key >> 32);
}

}  // namespace

u32 IntervalForest::at_or_below(u64 root, u64 address) const {
  u32 best = 0;
  for (u32 at = static_cast<u32>(root); at != 0;) {
    const IntervalNode& node = nodes_[at];
    if (node.first <= address) {
      best = at;
      at = node.right;
    } else {
      at = node.left;
    }
  }
  return best;
}

u32 IntervalForest::above(u64 root, u64 address) const {
  u32 best = 0;
  for (u32 at = static_cast<u32>(root); at != 0;) {
    const IntervalNode& node = nodes_[at];
    if (node.first > address) {
      best = at;
      at = node.left;
    } else {
      at = node.right;
    }
  }
  return best;
}

Piece IntervalForest::lookup(u64 root, u64 address) const {
  Piece hole{.mapped = false, .first = 0, .last = ~u64{0}, .pa = 0, .prot = 0, .tag = 0};
  for (u32 at = static_cast<u32>(root); at != 0;) {
    const IntervalNode& node = nodes_[at];
    if (node.first > address) {
      hole.last = node.first - 1;
      at = node.left;
    } else if (node.last >= address) {
      return {true, node.first, node.last, node.pa + (address - node.first), node.prot, node.tag};
    } else {
      hole.first = node.last + 1;
      at = node.right;
    }
  }
  return hole;
}

FirstMapped IntervalForest::first_mapped_in(u64 root, u64 first, u64 last) const {
  if (first > last) return {};
  if (const u32 below = at_or_below(root, first); below != 0 && nodes_[below].last >= first) {
    return {true, first};
  }
  const u32 next = above(root, first);
  if (next == 0 || nodes_[next].first > last) return {};
  return {true, nodes_[next].first};
}

void IntervalForest::link_left(u32 parent, u32 child) {
  if (nodes_[parent].left != child) nodes_.edit(trail_, parent).left = child;
}

void IntervalForest::link_right(u32 parent, u32 child) {
  if (nodes_[parent].right != child) nodes_.edit(trail_, parent).right = child;
}

void IntervalForest::set_root(u64& root, u32 tree) {
  if (root != tree) trail_.set(root, tree);
}

/// Nodes that begin below `key`, and the others.
IntervalForest::Halves IntervalForest::split(u32 tree, u64 key) {
  if (tree == 0) return {0, 0};
  if (nodes_[tree].first < key) {
    const Halves halves = split(nodes_[tree].right, key);
    link_right(tree, halves.below);
    return {tree, halves.rest};
  }
  const Halves halves = split(nodes_[tree].left, key);
  link_left(tree, halves.rest);
  return {halves.below, tree};
}

/// Everything of `left` lies below everything of `right`.
u32 IntervalForest::merge(u32 left, u32 right) {
  if (left == 0) return right;
  if (right == 0) return left;
  if (nodes_[left].priority >= nodes_[right].priority) {
    link_right(left, merge(nodes_[left].right, right));
    return left;
  }
  link_left(right, merge(left, nodes_[right].left));
  return right;
}

u32 IntervalForest::insert_node(u32 tree, u32 node) {
  if (tree == 0) return node;
  if (nodes_[node].priority > nodes_[tree].priority) {
    const Halves halves = split(tree, nodes_[node].first);
    link_left(node, halves.below);
    link_right(node, halves.rest);
    return node;
  }
  if (nodes_[node].first < nodes_[tree].first) {
    link_left(tree, insert_node(nodes_[tree].left, node));
  } else {
    link_right(tree, insert_node(nodes_[tree].right, node));
  }
  return tree;
}

u32 IntervalForest::erase_node(u32 tree, u64 key) {
  if (tree == 0) return 0;
  if (nodes_[tree].first == key) {
    const u32 rest = merge(nodes_[tree].left, nodes_[tree].right);
    nodes_.release(trail_, tree);
    return rest;
  }
  if (key < nodes_[tree].first) {
    link_left(tree, erase_node(nodes_[tree].left, key));
  } else {
    link_right(tree, erase_node(nodes_[tree].right, key));
  }
  return tree;
}

bool IntervalForest::insert(u64& root, const Interval& interval) {
  if (interval.first > interval.last) return false;
  if (first_mapped_in(root, interval.first, interval.last).found) return false;
  const u32 node = nodes_.allocate(trail_, {.first = interval.first,
                                            .last = interval.last,
                                            .pa = interval.pa,
                                            .prot = interval.prot,
                                            .tag = interval.tag,
                                            .left = 0,
                                            .right = 0,
                                            .priority = priority_of(interval.first),
                                            .next = 0});
  set_root(root, insert_node(static_cast<u32>(root), node));
  return true;
}

void IntervalForest::erase(u64& root, u64 first, u64 last) {
  for (;;) {
    const FirstMapped at = first_mapped_in(root, first, last);
    if (!at.found) return;
    const u32 index = at_or_below(root, at.address);
    const IntervalNode node = nodes_[index];
    const bool keeps_front = node.first < at.address;
    const bool keeps_back = node.last > last;
    // A cut piece keeps its place in the tree: its key stays between those of its neighbours.
    if (keeps_front) {
      nodes_.edit(trail_, index).last = at.address - 1;
    } else if (keeps_back) {
      IntervalNode& back = nodes_.edit(trail_, index);
      back.first = last + 1;
      back.pa = node.pa + (back.first - node.first);
      return;
    } else {
      set_root(root, erase_node(static_cast<u32>(root), node.first));
    }
    if (keeps_back) {
      insert(root, {last + 1, node.last, node.pa + (last + 1 - node.first), node.prot, node.tag});
      return;
    }
    if (node.last == last) return;
    first = node.last + 1;
  }
}

void IntervalForest::release_tree(u32 tree) {
  if (tree == 0) return;
  release_tree(nodes_[tree].left);
  release_tree(nodes_[tree].right);
  nodes_.release(trail_, tree);
}

void IntervalForest::clear(u64& root) {
  release_tree(static_cast<u32>(root));
  set_root(root, 0);
}

void IntervalForest::set_tags(u64 root, u32 tag) {
  if (root == 0) return;
  const u32 at = static_cast<u32>(root);
  if (nodes_[at].tag != tag) nodes_.edit(trail_, at).tag = tag;
  set_tags(nodes_[at].left, tag);
  set_tags(nodes_[at].right, tag);
}

}  // namespace iommucheck::spec::sva
