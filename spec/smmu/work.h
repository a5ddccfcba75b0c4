// SPDX-License-Identifier: MIT
// How much looking at tables an event may cost. Tables that lead to themselves or to each other, as
// a broken driver may write them, are trees of up to 512^3 pages on a handful of frames: an event
// that finds no work left leaves off, the engine gives up, and from then on, until the state is put
// back, memory alone is followed.
#pragma once

#include <algorithm>
#include <string>

#include "spec/smmu/memory.h"

namespace iommucheck::spec {

/// Counted in edges and words that are looked at. Questions spend too: what they leave is no part
/// of the state, but for the mark that something was left out, which is undone with the state.
class Work {
 public:
  /// What a case may spend beside what its events earn: a few seconds at most. The largest honest
  /// events stay below it, such as the end of a regime over some GiB that were mapped page by page.
  static constexpr u64 reserve = u64{1} << 24;
  /// What each event may cost again and again, about a millisecond. A store into trees, even of
  /// hundreds of regimes, costs less than a hundredth of it.
  static constexpr u64 per_event = u64{1} << 16;
  /// Each further word of a fill or a barrier.
  static constexpr u64 per_word = 256;
  /// One look-up of one address.
  static constexpr u64 per_question = 64;

  Work(Trail& trail, const Memory& memory) : trail_(trail), memory_(memory) {}

  /// False, now and until it is undone, if there is less left: the caller leaves off.
  [[nodiscard]] bool spend(u64 work) const {
    work *= versions();
    if (!bound_hit_ && incomplete_ == 0 && work <= left_) {
      left_ -= work;
      return true;
    }
    stand_still();
    return false;
  }
  void earn(u64 work) const { left_ = std::min(left_ + work, reserve); }
  /// For what looks at all tables: as much as honest ones of this memory can cost.
  void earn_for_all() const { earn(memory_.frame_count() * frame_words); }

  /// What was asked is not all, although there is work left: so many ways lead to one word.
  void give_up(u64 ways) const {
    if (!bound_hit_) hit_ = {.ways = ways, .versions = 0, .at = now_};
    bound_hit_ = true;
  }
  void set_now(EventIndex now) { now_ = now; }
  /// Where gave_up().
  [[nodiscard]] std::string bound() const {
    return (hit_.ways != 0
                ? "more than " + std::to_string(hit_.ways) + " ways lead to one word of a table"
                : std::string("following the tables takes too many steps (") +
                      (hit_.versions > many_versions
                           ? "with so many stores that are not visible yet"
                           : "do they lead to themselves, or to each other?") +
                      ")") +
           ", at event " + std::to_string(hit_.at);
  }
  [[nodiscard]] bool gave_up() const { return bound_hit_ || incomplete_ != 0; }
  /// For the next case: nothing was spent.
  void renew() {
    bound_hit_ = false;
    left_ = reserve;
  }

 private:
  /// Versions of a word are looked for among what is not visible.
  [[nodiscard]] u64 versions() const { return 1 + memory_.pending_count() / 128; }
  static constexpr u64 many_versions = 8;

  /// A question may be what hits the bound; the mark is undone with the state it was asked of.
  void stand_still() const {
    if (!bound_hit_) hit_ = {.ways = 0, .versions = versions(), .at = now_};
    bound_hit_ = true;
    if (incomplete_ == 0) trail_.set(incomplete_, 1);
  }

  Trail& trail_;
  const Memory& memory_;
  struct Hit {
    u64 ways = 0;      // 0: work was over
    u64 versions = 0;  // as work was counted then
    EventIndex at = 0;
  };
  mutable bool bound_hit_ = false;
  mutable Hit hit_;  // where the bound was
  EventIndex now_ = 0;
  mutable u64 left_ = reserve;
  mutable u64 incomplete_ = 0;  // a bound was hit: the state lacks what was left out
};

}  // namespace iommucheck::spec
