// SPDX-License-Identifier: MIT
// What accesses through both stages may meet over time. The engine does not look at stage 1 below a
// stage 2; whoever knows which accesses a case makes can have it told, before each store, what an
// SMMU may have fetched for them until then. IHI 0070 3.21, 4.4.
#pragma once

#include <set>
#include <vector>

#include "spec/smmu/caches.h"

namespace iommucheck::oracle {

class NestedProbes {
 public:
  /// The untranslated accesses of a case that is about to begin, all of them; none: nothing is
  /// followed.
  void begin(const std::vector<spec::Access>& accesses);
  /// Words [pa, pa + 8 * words) are about to change.
  void before_store(spec::Caches& caches, u64 pa, u64 words);
  /// SMMUEN is about to go: what was fetched until then may stay cached behind it.
  void before_disable(spec::Caches& caches);
  /// NestedAccesses::outcomes() has all that the access may meet.
  [[nodiscard]] bool follows(const spec::Access& access) const;

 private:
  struct Probe {
    u32 sid = 0;
    u32 ssid = 0;
    bool ssv = false;
    u64 page = 0;
    friend auto operator<=>(const Probe&, const Probe&) = default;
  };
  static Probe probe_of(const spec::Access& access);
  void tell(spec::Caches& caches);

  std::set<Probe> probes_;
  std::set<u64> relied_on_;  // words whose old values may be cached in ways that nobody is told
  bool lost_ = false;        // one of them has changed, or too much was told
  u64 told_ = 0;
};

}  // namespace iommucheck::oracle
