// SPDX-License-Identifier: MIT
// What somebody tells that an SMMU may have cached, each until a command that ends it is complete:
// the list that ToldCds and ToldPointers keep. A thing has `dies`, a Group.
#pragma once

#include "base/pool.h"
#include "spec/smmu/commands.h"

namespace iommucheck::spec {

template <class Thing>
class ToldThings {
 public:
  /// More are not remembered.
  static constexpr u32 max = 256;

  explicit ToldThings(Trail& trail) : trail_(trail) {}

  [[nodiscard]] u32 size() const { return all_.size(); }
  [[nodiscard]] const Thing& operator[](u32 i) const { return all_[i]; }

  /// In the place of the one that is_same(known), if there is one.
  template <class IsSame>
  void add(const Thing& told, IsSame&& is_same) {
    for (u32 i = 0; i < all_.size(); ++i) {
      if (!is_same(all_[i])) continue;
      all_.edit(trail_, i) = told;
      return;
    }
    if (all_.size() < max) all_.push(trail_, told);
  }
  /// A command that may act, and ends(sent, thing).
  template <class Ends>
  void remove(const InFlight& sent, Ends&& ends) {
    for (u32 i = 0; i < all_.size(); ++i) {
      if (all_[i].dies > sent.group && ends(sent, all_[i])) all_.edit(trail_, i).dies = sent.group;
    }
  }
  /// The group is complete.
  void drop(Group group) {
    for (u32 i = all_.size(); i != 0; --i) {
      if (all_[i - 1].dies <= group) all_.remove_unordered(trail_, i - 1);
    }
  }
  /// Commands were lost.
  template <class Ends>
  void revive(const Commands& commands, Ends&& ends) {
    for (u32 i = 0; i < all_.size(); ++i) {
      const auto still = [&](const InFlight& sent) { return ends(sent, all_[i]); };
      if (all_[i].dies == immortal || commands.is_ended_by(all_[i].dies, still)) continue;
      all_.edit(trail_, i).dies = immortal;
    }
  }

 private:
  Trail& trail_;
  TrailArray<Thing> all_;
};

}  // namespace iommucheck::spec
