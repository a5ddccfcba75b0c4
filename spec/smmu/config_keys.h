// SPDX-License-Identifier: MIT
// Numbers of cached words by a key. Most look-ups ask for the words of one structure, and there may
// be as many as a stream table has: a chain for each value of a hash, in the order of the numbers.
#pragma once

#include <array>

#include "base/pool.h"

namespace iommucheck::spec {

class ConfigKeys {
 public:
  [[nodiscard]] u64 operator[](u32 number) const { return nodes_[number].key; }
  /// Calls `visit` with each number that has `key`, in their order.
  template <class Visit>
  void for_each(u64 key, Visit&& visit) const {
    for (u64 at = chains_[chain_of(key)].first; at != 0; at = nodes_[index(at)].next) {
      if (nodes_[index(at)].key == key) visit(index(at));
    }
  }

  /// The next number has `key`.
  void push(Trail& trail, u64 key) { append(trail, nodes_.push(trail, {.key = key, .next = 0})); }
  /// Number `number` is gone; the last one takes its place.
  void remove_unordered(Trail& trail, u32 number) {
    const u32 last = nodes_.size() - 1;
    unlink(trail, number);
    if (number != last) {
      unlink(trail, last);
      nodes_.edit(trail, number) = {.key = nodes_[last].key, .next = 0};
      insert(trail, number);
    }
    nodes_.pop(trail);
  }

 private:
  struct Node {
    u64 key;
    u64 next;  ///< plus one, 0: none
  };
  struct Chain {
    u64 first = 0, last = 0;  ///< plus one, 0: none
  };
  static constexpr unsigned chains_lg2 = 7;

  static std::size_t chain_of(u64 key) {
    constexpr u64 golden = 0x9e37'79b9'7f4a'7c15;
    return static_cast<std::size_t>(key * golden >> (64 - chains_lg2));
  }
  static u32 index(u64 at) { return static_cast<u32>(at - 1); }

  void append(Trail& trail, u32 number) {
    Chain& chain = chains_[chain_of(nodes_[number].key)];
    if (chain.first == 0) {
      trail.set(chain.first, u64{number} + 1);
    } else {
      trail.set(nodes_[index(chain.last)].next, u64{number} + 1);
    }
    trail.set(chain.last, u64{number} + 1);
  }

  /// The number before `number` in its chain, plus one; 0: there is none.
  [[nodiscard]] u64 before(u32 number) const {
    u64 previous = 0;
    u64 at = chains_[chain_of(nodes_[number].key)].first;
    for (; at != 0 && index(at) < number; at = nodes_[index(at)].next) previous = at;
    return previous;
  }

  void unlink(Trail& trail, u32 number) {
    Chain& chain = chains_[chain_of(nodes_[number].key)];
    const u64 previous = before(number);
    trail.set(previous == 0 ? chain.first : nodes_[index(previous)].next, nodes_[number].next);
    if (chain.last == u64{number} + 1) trail.set(chain.last, previous);
  }

  void insert(Trail& trail, u32 number) {
    Chain& chain = chains_[chain_of(nodes_[number].key)];
    const u64 previous = before(number);
    u64& link = previous == 0 ? chain.first : nodes_[index(previous)].next;
    trail.set(nodes_[number].next, link);
    trail.set(link, u64{number} + 1);
    if (chain.last == previous) trail.set(chain.last, u64{number} + 1);
  }

  TrailArray<Node> nodes_;  ///< of each number
  std::array<Chain, std::size_t{1} << chains_lg2> chains_{};
};

}  // namespace iommucheck::spec
