// SPDX-License-Identifier: MIT
// The events of a monitor's life, encoded: all, or the last ones.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class KeptEvents {
 public:
  static constexpr u64 all = ~u64{0};

  /// How many are kept from here on; more than there are now do not come back.
  void keep(u64 most);
  void add(const trace::Event& event);

  /// How many came, and how many of them are kept: the last ones.
  [[nodiscard]] u64 came() const { return came_; }
  [[nodiscard]] u64 kept() const { return kept_; }
  /// visit(event) of each that is kept, in order, until it fails.
  Expected<void> for_each(const std::function<Expected<void>(const trace::Event&)>& visit) const;

 private:
  struct Block {
    std::vector<u8> bytes;
    u64 events = 0;
  };
  void drop();

  std::deque<Block> blocks_;
  u64 most_ = all;
  u64 came_ = 0;
  u64 kept_ = 0;
  u64 in_blocks_ = 0;  // a few more, since blocks go as a whole
};

}  // namespace iommucheck::oracle
