// SPDX-License-Identifier: MIT
// Cached words of configuration that memory may say otherwise by now, and where in memory the
// structures lie that a fetch may lead to. What a fetch may read of both, says Fetches
// (fetches.h); what follows where they change, Configuration.
#pragma once

#include <algorithm>
#include <string>

#include "base/pool.h"
#include "spec/smmu/config_keys.h"
#include "spec/smmu/items.h"
#include "spec/smmu/memory.h"

namespace iommucheck::spec {

class ConfigIndex;

/// A range of memory that holds configuration structures.
struct Region {
  ConfigKind kind = ConfigKind::ste;
  u8 padding0[3] = {};
  u32 sid = 0;    ///< first
  u64 first = 0;  ///< address
  u64 bytes = 0;
  u32 ssid = 0;           ///< first
  u32 made_by = 0;        ///< stream whose STE leads here; STE arrays: first stream of the L1STD
  Group dies = immortal;  ///< of the STE that leads here
  u32 padding = 0;
  u64 via = 0;  ///< address of the L1STD or L1CD that leads here, 0: none does

  [[nodiscard]] bool holds(u64 pa) const { return pa - first < bytes; }
  [[nodiscard]] bool has_part_of(const Frame& frame) const {
    return holds(frame.address()) || first >> frame_lg2 == frame.address() >> frame_lg2;
  }
};

/// An L1STD or an L1CD: it leads to structures, and is one word of 8 bytes.
constexpr bool leads_on(ConfigKind kind) {
  return kind == ConfigKind::l1std || kind == ConfigKind::l1cd;
}

class ConfigCache {
 public:
  ConfigCache(Trail& trail, Memory& memory) : trail_(trail), memory_(memory) {}

  // ---- cached words, in any order ---------------------------------------------------------------
  [[nodiscard]] u32 size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] const ConfigItem& operator[](u32 i) const { return items_[i]; }
  /// Calls `visit` with the number of each of `kind` that serves stream `sid`, in their order.
  template <class Visit>
  void for_each_of(ConfigKind kind, u32 sid, Visit&& visit) const {
    const bool spans = kind == ConfigKind::l1std;
    keys_.for_each(key_of(kind, sid), [&](u32 i) {
      if (!spans || items_[i].serves(sid, 0)) visit(i);
    });
  }
  /// A word could be fetched until event `vanished_at`; of one that is there already that is noted.
  /// `index`, of all words, where so many come at once that it pays.
  void keep(const ConfigItem& item, ConfigIndex* index = nullptr);
  void set_dies(u32 i, Group group) { items_.edit(trail_, i).dies = group; }
  /// The last one takes its number.
  void remove(u32 i) {
    items_.remove_unordered(trail_, i);
    keys_.remove_unordered(trail_, i);
  }

  // ---- all that there is in memory, as it stands there ------------------------------------------
  /// In place of an item for each word of every region: it could be fetched until event `now`, and
  /// has not changed since.
  void hold_all(EventIndex now) {
    trail_.set(held_at_, now);
    trail_.set(held_dies_, u64{immortal});
    trail_.set(holds_all_, 1);
  }
  [[nodiscard]] bool holds_all() const { return holds_all_ != 0; }
  [[nodiscard]] EventIndex held_at() const { return static_cast<EventIndex>(held_at_); }
  [[nodiscard]] Group held_dies() const { return static_cast<Group>(held_dies_); }
  void let_all_die(Group group) { trail_.set(held_dies_, std::min(held_dies_, u64{group})); }
  void let_go_of_all() { trail_.set(holds_all_, 0); }

  // ---- regions, in any order --------------------------------------------------------------------
  [[nodiscard]] u32 regions() const { return regions_.size(); }
  [[nodiscard]] const Region& region(u32 i) const { return regions_[i]; }
  /// False: it is larger than is followed, and left out.
  [[nodiscard]] bool add_region(const Region& region);
  void remove_regions(u32 made_by, ConfigKind kind);
  void clear_regions();

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  /// Only an L1STD serves several streams: those of a span, which is one of 2^10 at most (SPLIT,
  /// IHI 0070 6.3.25).
  static u64 key_of(ConfigKind kind, u32 sid) {
    constexpr unsigned widest_span_lg2 = 10;
    const u32 first = kind == ConfigKind::l1std ? sid >> widest_span_lg2 : sid;
    return u64{first} << 8 | static_cast<u64>(kind);
  }
  static u64 key_of(const ConfigItem& item) { return key_of(item.kind, item.sid); }

  /// Frames know by how many regions they are part of configuration.
  void count_frames(const Region& region, bool more);

  Trail& trail_;
  Memory& memory_;
  TrailArray<ConfigItem> items_;
  ConfigKeys keys_;  ///< of each item
  TrailArray<Region> regions_;
  u64 holds_all_ = 0, held_at_ = 0, held_dies_ = 0;
};

}  // namespace iommucheck::spec
