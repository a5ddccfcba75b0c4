// SPDX-License-Identifier: MIT
// Stores that were found together by comparing memory. Their order is not known, and neither is
// whether the driver had barriers (instructions of the CPU, which nobody sees) between them. Both
// readings are tried: all pending together, which is any order without barriers, and one after the
// other with barriers in an order that a careful driver would have chosen. Broken is what is broken
// in both; where they differ the rule is undetermined, and the careful one goes on.
#include <algorithm>
#include <numeric>
#include <utility>

#include "monitor/memory_events.h"
#include "spec/smmu/recordings.h"

namespace iommucheck::oracle {

namespace {

/// Where a word lies, as far as the order of stores is concerned: leaves are the last level's. What
/// nothing leads to yet comes first; of what is reached already every old version may be cached, so
/// that another order among those, or among the words of one structure, would change nothing.
enum class WordPlace : u8 { unreachable, leaf, table, configuration };

WordPlace place_of(const spec::Caches& caches, u64 pa) {
  const spec::Frame* frame = caches.memory().find(pa);
  if (frame == nullptr || frame->is_unreachable()) return WordPlace::unreachable;
  // Of a page of structures some may be in use and others not.
  if (frame->config != 0) {
    return structure_at(caches.view(), pa) ? WordPlace::configuration : WordPlace::unreachable;
  }
  WordPlace place = WordPlace::leaf;
  spec::for_each_layout(*frame, [&](spec::Geometry, unsigned level) {
    if (level != spec::last_level) place = WordPlace::table;
  });
  return place;
}

}  // namespace

class MemoryEvents::Sweep {
 public:
  Sweep(MemoryEvents& monitor, AgentId by, std::span<const SweptStore> stores)
      : m_(monitor), by_(by), stores_(stores), order_(stores.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    for (const SweptStore& store : stores) {
      places_.push_back(place_of(m_.caches_, store.pa));
      above_ |= places_.back() == WordPlace::table || places_.back() == WordPlace::configuration;
    }
  }

  void run() {
    const bool reached =
        std::ranges::any_of(places_, [](WordPlace p) { return p != WordPlace::unreachable; });
    const bool updated = m_.caches_.capabilities().httu != 0;
    if (reached && (stores_.size() > 1 || updated)) {
      try_readings();
    } else {
      apply(Reading::together);
    }
    emit();
  }

 private:
  enum class Reading : u8 { together, careful };

  struct Kept {  // what the trail does not
    Trail::Mark mark;
    EventIndex now;
    spec::Changes changes;
    Touched touched;
    Statistics statistics;
    std::array<u64, spec::rule_numbers> exercised;
  };
  Kept keep() const {
    return {m_.caches_.trail().mark(), m_.case_.now,    m_.caches_.changes(),
            m_.case_.calls.touched,    m_.statistics(), m_.caches_.exercised()};
  }
  void put_back(const Kept& kept) {
    m_.caches_.trail().undo_to(kept.mark);
    m_.case_.now = kept.now;
    m_.caches_.set_now(kept.now);
    m_.caches_.violations().clear();
    m_.caches_.changes() = kept.changes;
    m_.case_.calls.touched = kept.touched;
    m_.put_back(kept.statistics);
    m_.caches_.exercised() = kept.exercised;
  }

  /// Rules that the reading breaks.
  std::vector<Finding> findings_of(Reading reading) {
    const std::size_t before = m_.findings().size();
    apply(reading);
    // What a device meets at an address depends on one word of the last level, and on the order of
    // several only where something above it changes. Else the window may be compared later.
    if (above_) m_.window_ends();
    m_.gather();
    return m_.take_findings(before);
  }

  void try_readings() {
    const Kept kept = keep();
    // Of a reading that is only tried nobody knows anything.
    Excuses* const excuses = m_.set_excuses_aside();
    try_without_excuses(kept);
    m_.set_excuses(excuses);
    m_.excuse_found();
  }

  void try_without_excuses(const Kept& kept) {
    std::vector<Finding> together = findings_of(Reading::together);
    if (together.empty()) return;
    put_back(kept);
    if (findings_of(Reading::careful).empty()) {
      for (const Finding& finding : together) {
        m_.order_is_unknown(finding);
      }
      return;
    }
    put_back(kept);
    for (Finding& finding : findings_of(Reading::together)) {
      m_.put_back(std::move(finding));
    }
  }

  void sort() {
    const auto key = [&](std::size_t i) {
      return std::pair<unsigned, u64>{static_cast<unsigned>(places_[i]), stores_[i].pa};
    };
    std::ranges::sort(order_, {}, key);
  }

  void apply(Reading reading) {
    if (reading != Reading::together) {
      sort();
    } else if (sorted_) {
      std::ranges::sort(order_);
    }
    sorted_ = reading != Reading::together;
    const bool careful = reading != Reading::together;
    for (std::size_t n = 0; n < order_.size();) {
      const std::size_t i = order_[n];
      if (places_[i] == WordPlace::unreachable) {
        n += fill(n);
        continue;
      }
      if (careful) m_.make_visible(by_);
      m_.tick();
      m_.smmu_.before_store(stores_[i].pa);
      if (careful && places_[i] != WordPlace::configuration &&
          m_.caches_.capabilities().httu != 0) {
        m_.caches_.rmw(by_, stores_[i].pa, stores_[i].value);  // nobody knows whether it was one
      } else {
        m_.caches_.store(by_, stores_[i].pa, stores_[i].value);
      }
      ++n;
    }
    if (!careful && m_.probes_each_store()) m_.window_ends();
    m_.gather();
  }

  /// The stores from the n-th on that give words one after the other the same value, where nobody
  /// reaches them: a new table's zeros are one step. How many.
  std::size_t fill(std::size_t n) {
    const SweptStore& first = stores_[order_[n]];
    std::size_t count = 0;
    while (n + count < order_.size()) {
      const std::size_t i = order_[n + count];
      const bool follows = places_[i] == WordPlace::unreachable &&
                           stores_[i].value == first.value && stores_[i].pa == first.pa + 8 * count;
      if (!follows) break;
      m_.smmu_.before_store(stores_[i].pa);
      m_.tick();
      ++count;
    }
    m_.caches_.fill(by_, first.pa, count, first.value);
    return count;
  }

  void emit() {
    if (m_.sink_ == nullptr) return;
    const EventIndex last = m_.case_.now;
    m_.case_.now -= static_cast<EventIndex>(order_.size());
    for (const std::size_t i : order_) {
      ++m_.case_.now;
      m_.emit(by_, trace::Store{
                       .pa = stores_[i].pa, .size = 8, .value = stores_[i].value, .swept = true});
    }
    m_.case_.now = last;
  }

  MemoryEvents& m_;
  AgentId by_;
  std::span<const SweptStore> stores_;
  std::vector<WordPlace> places_;
  std::vector<std::size_t> order_;
  bool above_ = false;
  bool sorted_ = false;  // order_ is not ascending
};

void MemoryEvents::sweep(AgentId by, std::span<const SweptStore> stores) {
  if (stores.empty()) return;
  Sweep(*this, by, stores).run();
  for (const SweptStore& store : stores) tell_other_smmu(store.pa, 8);
}

}  // namespace iommucheck::oracle
