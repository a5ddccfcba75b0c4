// SPDX-License-Identifier: MIT
// Memory: stores, loads, barriers, cleaning, and blocks that come and go.
#pragma once

#include <span>
#include <vector>

#include "monitor/walkers.h"

namespace iommucheck::oracle {

/// A word that differs from what was known, found by comparing memory.
struct SweptStore {
  u64 pa = 0;
  u64 value = 0;
};

class MemoryEvents : public WalkerEvents {
 public:
  void store(AgentId by, u64 pa, u64 value);  ///< 8 aligned bytes
  /// 1, 2, 4 or 8 bytes, or 16 that are aligned to 8, `high` the last 8 of them: two words, since
  /// no more than 8 bytes are relied upon to be read at once. `pc`: 0 if it is not known.
  void store(AgentId by, u64 pa, unsigned size, u64 value, u64 high, u64 pc);
  void load(AgentId by, u64 pa, unsigned size, u64 value, bool ordered);
  void fill(AgentId by, u64 pa, u64 words, u64 value);
  /// An atomic read and write that stored something.
  struct Atomic {
    u64 pa = 0;
    unsigned size = 8;  ///< 1, 2, 4 or 8, aligned
    u64 old_value = 0;
    u64 value = 0;
    bool ordered = false;
    u64 pc = 0;
  };
  void rmw(AgentId by, const Atomic& atomic);
  /// Stores to distinct words, made since the last event in an order that nobody knows
  /// (swept_stores.cpp).
  void sweep(AgentId by, std::span<const SweptStore> stores);
  void barrier(AgentId by, trace::BarrierKind kind = trace::BarrierKind::full,
               bool completes = false);
  /// A TLBI that a CPU broadcasts. Where the SMMU does not hear it, nothing; where it does, it is
  /// complete behind the next full barrier of `by` that completes.
  void broadcast(AgentId by, const trace::BroadcastTlbi& tlbi);
  void handoff(AgentId from, AgentId to);
  void clean(AgentId by, u64 pa, u64 bytes);
  /// What CPU caches have of it is dropped. Told once, where nobody has to.
  void cache_invalidate(AgentId by, u64 pa, u64 bytes);
  /// `cacheable`: the mapping of the CPU that stores there.
  void alloc(AgentId by, u64 pa, u64 bytes, bool cacheable = true);
  void free(AgentId by, u64 pa, u64 bytes);

 protected:
  using WalkerEvents::WalkerEvents;

  /// A barrier. The window ends before a version goes that no cache keeps.
  void make_visible(AgentId by);

  struct Allocation {  // a block of table memory that the driver asked for
    u64 pa = 0;
    u64 bytes = 0;
    EventIndex at = 0;
    EventIndex freed = 0;  // 0: it is not
  };
  [[nodiscard]] const std::vector<Allocation>& allocations() const { return allocations_; }
  /// Blocks that came or went after that event, as the trail has it.
  void forget_allocations(EventIndex after);
  void forget_freed();

 private:
  class Sweep;
  void before_store(u64 word);
  void after_store(AgentId by);
  void tell_other_smmu(u64 pa, u64 bytes);

  std::vector<Allocation> allocations_;  // not trailed: an event after which all is forgotten
};

}  // namespace iommucheck::oracle
