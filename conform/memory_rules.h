// SPDX-License-Identifier: MIT
// Memory that a case reads back: a word is as the tester stored it, or as data began: each word of
// four bytes holds its address. What an engine wrote to nobody knows where is left aside.
#pragma once

#include <map>
#include <optional>

#include "conform/case.h"
#include "conform/flag_rules.h"
#include "conform/interrupt_rules.h"
#include "monitor/finding.h"
#include "spec/smmu/caches.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class MemoryRules {
 public:
  /// Data is [first, first + bytes).
  MemoryRules(const spec::Caches& caches, FlagRules& flags, const InterruptRules& interrupts,
              u64 first, u64 bytes)
      : caches_(caches),
        flags_(flags),
        interrupts_(interrupts),
        data_pa_(first),
        data_bytes_(bytes) {}

  /// From reset on.
  void begin(const QueueLayout& queues) {
    state_ = {};
    state_.queues = queues;
  }
  /// The next event.
  void feed(const trace::Event& event);
  /// What is wrong with a word that was read, if anything.
  std::optional<Finding> loaded(const trace::Load& load);

 private:
  std::optional<Finding> wrong_flags(const trace::Load& load, u64 expected);

  /// What a case leaves here.
  struct State {
    QueueLayout queues;
    std::map<u64, u64> record_words;  ///< of the output queues, as they were read last
    u64 event = 0;                    ///< index of the next record
    bool unseen_write = false;        ///< an engine wrote to nobody knows where
  };
  const spec::Caches& caches_;
  FlagRules& flags_;
  const InterruptRules& interrupts_;
  u64 data_pa_, data_bytes_;
  State state_;
};

}  // namespace iommucheck::oracle
