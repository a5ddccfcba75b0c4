// SPDX-License-Identifier: MIT
// What every part of the programming interface (smmu.h) stands on: the engine of caches, the trail
// by which values go back, where broken rules are told, which memory is there, and whether it is a
// recording that says which commands are consumed.
#pragma once

#include <string>
#include <utility>

#include "spec/smmu/caches.h"

namespace iommucheck::spec {

class Ground {
 public:
  explicit Ground(Caches& caches) : caches_(caches) {}
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  [[nodiscard]] Caches& caches() { return caches_; }
  [[nodiscard]] const Caches& caches() const { return caches_; }
  [[nodiscard]] const Capabilities& capabilities() const { return caches_.capabilities(); }
  [[nodiscard]] Trail& trail() { return caches_.trail(); }

  void set(u64& place, u64 value) {
    if (place != value) trail().set(place, value);
  }
  /// The rule is asked where breaking it would show.
  void count(Rule rule) { ++caches_.exercised()[number_of(rule)]; }
  void report(Rule rule, std::string text) {
    caches_.violations().push_back({rule, caches_.now(), std::move(text)});
  }

  // ---- the world around -------------------------------------------------------------------------
  /// A recording knows commands only when they are consumed: slots are not read from memory, and
  /// what the recording does not have is no device's mistake.
  [[nodiscard]] bool is_recording() const { return recording_; }
  void set_recording() { recording_ = true; }

  /// Memory that is there, so that the SMMU's accesses to it do not abort; and none, so that they
  /// do.
  void memory_is(u64 first, u64 bytes) {
    memory_first_ = first;
    memory_bytes_ = bytes;
  }
  void no_memory_at(u64 first, u64 bytes) {
    absent_first_ = first;
    absent_bytes_ = bytes;
  }
  [[nodiscard]] bool may_abort(u64 pa) const { return pa - memory_first_ >= memory_bytes_; }
  [[nodiscard]] bool aborts(u64 pa) const { return pa - absent_first_ < absent_bytes_; }

 private:
  Caches& caches_;
  bool recording_ = false;
  u64 memory_first_ = 0, memory_bytes_ = 0;
  u64 absent_first_ = 0, absent_bytes_ = 0;
};

}  // namespace iommucheck::spec
