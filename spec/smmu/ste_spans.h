// SPDX-License-Identifier: MIT
// Streams of which some STE that may be fetched or is cached states that its neighbours are as it
// is (STE.CONT): a look-up of one of these may match it. IHI 0070 5.2.
#pragma once

#include <algorithm>

#include "base/pool.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::spec {

class SteSpans {
 public:
  explicit SteSpans(Trail& trail) : trail_(trail) {}

  [[nodiscard]] bool none() const { return spans_.empty(); }
  [[nodiscard]] u32 size() const { return spans_.size(); }
  [[nodiscard]] u32 sid(u32 i) const { return static_cast<u32>(spans_[i].sid); }
  /// The largest CONT that an STE of the stream may state.
  [[nodiscard]] unsigned of(u32 sid) const {
    for (u32 i = 0; i < spans_.size(); ++i) {
      if (spans_[i].sid == sid) return static_cast<unsigned>(spans_[i].cont);
    }
    return 0;
  }
  /// Those whose STEs may serve the stream: itself, and of the largest span that holds it all.
  [[nodiscard]] SidRange around(u32 sid) const {
    unsigned cont = 0;
    for (u32 i = 0; i < spans_.size(); ++i) {
      const auto its = static_cast<unsigned>(spans_[i].cont);
      if (spans_[i].sid >> its == sid >> its) cont = std::max(cont, its);
    }
    return span_of(sid, cont);
  }
  void set(u32 sid, unsigned cont) {
    u32 i = 0;
    while (i < spans_.size() && spans_[i].sid != sid) ++i;
    if (i == spans_.size()) {
      if (cont != 0) spans_.push(trail_, {.sid = sid, .cont = cont});
    } else if (cont == 0) {
      spans_.remove_unordered(trail_, i);
    } else if (spans_[i].cont != cont) {
      spans_.edit(trail_, i).cont = cont;
    }
  }

 private:
  struct Span {
    u64 sid = 0;
    u64 cont = 0;
  };

  Trail& trail_;
  TrailArray<Span> spans_;
};

}  // namespace iommucheck::spec
