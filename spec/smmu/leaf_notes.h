// SPDX-License-Identifier: MIT
// Kinds of leaves that were ever in a table, for which look-ups have to look further, and when
// leaves were stored, as far as it matters which is newer.
#pragma once

#include "base/pool.h"
#include "spec/smmu/memory.h"

namespace iommucheck::spec {

class LeafNotes {
 public:
  explicit LeafNotes(Trail& trail) : trail_(trail) {}

  /// A word with nG = 0, or unknown, was ever in a table, of any world.
  [[nodiscard]] bool any_without_ng() const { return without_ng_ != 0; }
  void note_without_ng() {
    if (without_ng_ == 0) trail_.set(without_ng_, 1);
  }
  /// A leaf with the contiguous hint was; the page in which it is knows it too.
  [[nodiscard]] bool any_contiguous() const { return contiguous_ != 0; }
  void note_contiguous(Frame& frame) {
    if (contiguous_ == 0) trail_.set(contiguous_, 1);
    if (frame.contiguous == 0) trail_.set(frame.contiguous, 1);
  }

  /// A leaf is stored, while there are global ones.
  void note_store(u64 pa, u64 value, EventIndex at) {
    stores_.push(trail_, {.pa = pa, .value = value, .at = at});
  }
  /// When this value was stored there last before event `before`; 0: that is not known.
  [[nodiscard]] EventIndex stored_before(u64 pa, u64 value, EventIndex before) const {
    for (u32 i = stores_.size(); i != 0; --i) {
      const Store& store = stores_[i - 1];
      if (store.pa == pa && store.value == value && store.at < before) return store.at;
    }
    return 0;
  }

 private:
  struct Store {
    u64 pa = 0;
    u64 value = 0;
    u32 at = 0;
    u32 padding = 0;
  };

  Trail& trail_;
  u64 without_ng_ = 0;
  u64 contiguous_ = 0;
  TrailArray<Store> stores_;
};

}  // namespace iommucheck::spec
