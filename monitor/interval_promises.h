// SPDX-License-Identifier: MIT
// What a look-up under one tag may meet, or one ATC may hold, against what is promised there: piece
// by piece of an interval of input addresses. SEMANTICS 5.
#pragma once

#include <algorithm>
#include <vector>

#include "base/inline_vector.h"
#include "monitor/hardware_events.h"
#include "monitor/permits.h"

namespace iommucheck::oracle {

class IntervalPromises : public HardwareEvents {
 protected:
  using HardwareEvents::HardwareEvents;

  /// From here on what is found right is not compared again, until something changes.
  void begin_comparison() { compared_.clear(); }
  /// No space is known any more to have more pieces than are compared.
  void forget_endless() { endless_ = false; }

  void check_interval(u32 tag, u64 first, u64 last);
  void check_interval_for(u32 tag, const Place& place, u64 first, u64 last);
  void check_walker(u32 walker, u64 first, u64 last);

  [[nodiscard]] spec::Rule rule_for(const spec::sva::Alternatives& allowed) const;
  [[nodiscard]] const spec::StreamOptions& ways_at(const Place& place) const {
    return caches_.fetches().ways_of(place.sid, place.at.number, place.at.present);
  }
  [[nodiscard]] bool is_on_a_user(const Place& place) const;
  [[nodiscard]] AttributesAsked asked_of_attributes() const;
  [[nodiscard]] std::vector<ObjectState> states_of(const Place& place);
  /// The finding says what is promised.
  static void promise(Finding& finding, const spec::sva::Alternatives& allowed);
  [[nodiscard]] static May reached(const spec::Candidate& c, u64 va);

 private:
  /// Configurations by which a tag is looked up.
  using Lookups = InlineVector<spec::StreamOption, 1>;
  /// What was found right, from `first` to `last`.
  struct Compared {
    u32 tag = 0;
    u32 device = 0;
    spec::sva::Substream at;
    Lookups lookups;
    u64 first = 0;
    u64 last = 0;

    [[nodiscard]] bool takes_in(const Compared& other) const {
      const auto alike = [](const auto& x, const auto& y) { return x.looks_up_like(y); };
      return tag == other.tag && device == other.device && at == other.at && first <= other.first &&
             other.last <= last && std::ranges::equal(lookups, other.lookups, alike);
    }
  };
  /// What is compared with promises, address by address: one tag by some configurations, or one
  /// ATC. `alias`: bits in which what is sent differs from what is looked up (top byte ignored).
  struct Question {
    u32 tag = 0;
    Place place;
    Lookups lookups;
    u64 alias = 0;
  };
  /// What of a piece is not as promised, and the outcome that shows it.
  struct Breach {
    enum class Kind : u8 {
      none,
      tags_differ,
      from_reset,
      unknown,
      reaches,
      conflict,
      fault,
      refused
    };
    Kind kind = Kind::none;
    const spec::Candidate* candidate = nullptr;
    May::Kind fault = May::Kind::fault;
    spec::Outcome outcome{};
  };
  [[nodiscard]] Lookups lookups_at(const Place& place, u32 tag);
  [[nodiscard]] bool is_contained(const Question& asked) const;
  [[nodiscard]] spec::sva::Alternatives allowed_at(const Question& asked, u64 va) const;
  void check_lookups(const Question& asked, u64 first, u64 last);
  [[nodiscard]] bool compare(const Question& asked, u64 first, u64 last);
  bool check_piece(const Question& asked, u64 va, const spec::sva::Alternatives& allowed);
  [[nodiscard]] Breach breach_of(const Question& asked, u64 va,
                                 const spec::sva::Alternatives& allowed);
  [[nodiscard]] Breach breach_by(const spec::Outcome& outcome,
                                 const spec::sva::Alternatives& allowed) const;
  [[nodiscard]] AttributesAsked asked_of_attributes(const Question& asked) const;
  [[nodiscard]] Finding finding_of_breach(const Breach& breach, const Question& asked, u64 va,
                                          const spec::sva::Alternatives& allowed,
                                          spec::Misses misses);
  /// What a breach lets happen, and by what.
  struct Effect {
    spec::Rule rule;
    May may;
    std::vector<spec::Cause> causes;
  };
  /// What the table or the cached item alone says of it.
  [[nodiscard]] Effect effect_of(const Breach& breach, u32 tag, u64 va,
                                 const spec::sva::Alternatives& allowed, spec::Misses misses) const;
  /// And the configuration that leads there.
  void add_configuration(const Breach& breach, const Question& asked, bool leads_where_promised,
                         spec::Misses misses, Finding& finding) const;

  std::vector<Compared> compared_;  ///< since the comparison began; nothing changes meanwhile
  bool endless_ = false;            ///< some space has more pieces than are compared
  std::vector<spec::Candidate> scratch_;
  std::vector<spec::Outcome> outcomes_;  ///< scratch
};

}  // namespace iommucheck::oracle
