// SPDX-License-Identifier: MIT
// What an SMMU writes into descriptors (HTTU): the flags that an access or a request of ATS had to
// set are in memory once a CMD_SYNC that was submitted after it is complete, and no others are ever
// written. IHI 0070 3.13. Under both stages, in big-endian tables and of requests that is asked
// where no word on the way has changed since SMMUEN was 1.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "spec/smmu/caches.h"
#include "spec/smmu/flag_updates.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class FlagRules {
 public:
  /// `caches` are told what was surely written: what may be cached of it is.
  FlagRules(spec::Caches& caches, const spec::Smmu& smmu) : caches_(caches), smmu_(smmu) {}

  /// From reset on.
  void begin();
  /// The next event, which caches and SMMU know already.
  void feed(const trace::Event& event);

  /// The word as the tester stored it, of which the caches have `word`.
  [[nodiscard]] u64 as_stored(u64 pa, u64 word) const;
  /// Bits of the word in which it may be another one than it was stored as, by now.
  [[nodiscard]] u64 may_change(u64 pa, u64 stored) const;
  /// Bits in which it has to be another one than it was stored as, and is not.
  u64 unset(u64 pa, u64 seen);
  /// Descriptors looked at that had to be written. Counted on from begin() to begin().
  [[nodiscard]] u64 asked() const { return asked_; }

 private:
  struct Due {
    u64 from = 0, to = 0;
    u64 group = 0;  ///< of the CMD_SYNC behind the access
  };
  void stored(u64 first, u64 words);
  [[nodiscard]] bool is_enabled();
  void access(const trace::Dma& dma);
  void translated(const trace::Dma& dma);
  void request(const trace::AtsRequest& request);
  void look_at_atschk();
  [[nodiscard]] spec::FlagUpdates walked(const spec::Access& access, spec::Arrival arrival) const;
  [[nodiscard]] spec::FlagUpdates updates(const spec::Access& access, spec::Arrival arrival);
  void may_dirty_stage1(spec::Access access);
  [[nodiscard]] bool is_unchanged(const spec::FlagUpdates& made) const;
  void settle(const spec::FlagUpdates& made);
  void owe(const spec::FlagUpdates& made);
  void make_dirty(const std::vector<spec::Outcome>& allowed, std::optional<u64> pa);
  void may_make_dirty(const spec::FlagUpdates& made);
  void write(u64 pa, u64 value);
  [[nodiscard]] u64 flags_of(u64 pa, u64 word) const;

  spec::Caches& caches_;
  const spec::Smmu& smmu_;
  bool enabled_once_ = false;
  bool waits_to_write_ = false;
  bool open_ = false;        // what was written is not followed any more
  bool requested_ = false;   // nor which Access flags, of what was asked for by ATS
  bool both_ = false;        // nor of both stages, and which pages that map tables are dirty
  bool big_endian_ = false;  // flags may lie in words the other way round
  std::set<u64> changed_;  // words stored since SMMUEN was 1: what caches hold of them is not asked
  // What was met under both stages: leaves of accesses, and those that map tables.
  std::set<u64> leaves_, leaves_of_tables_;
  std::set<u64> may_be_dirty_;
  std::map<u64, Due> due_;
  std::map<u64, u64> stored_;  // words that were written since, as the tester stored them
  u64 asked_ = 0;
  std::optional<bool> atschk_;   // CR0.ATSCHK since SMMUEN was 1
  bool atschk_changed_ = false;  // what was cached of it with an STE may count
};

}  // namespace iommucheck::oracle
