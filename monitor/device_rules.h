// SPDX-License-Identifier: MIT
// A device under test against what the specification allows it, over the sequence: each access with
// what became of it, each event record with the access it belongs to, each register with the
// progress it shows: it is right if everything it does is one of the allowed outcomes.
//
// Each subject has its own owner, which holds what a case leaves there:
//
//   DeviceFindings   what was found, and how often rules were asked
//   DeviceAllowed    what an access may meet now
//   DeviceRegisters  registers that have to show progress
//   DeviceRecords    event records, and accesses that wait for theirs
//   DeviceOutcomes   what became of accesses
//   DeviceAts        translation requests, and accesses that are translated
#pragma once

#include <string>
#include <vector>

#include "monitor/access_in.h"
#include "monitor/device_allowed.h"
#include "monitor/device_ats.h"
#include "monitor/device_findings.h"
#include "monitor/device_outcomes.h"
#include "monitor/device_records.h"
#include "monitor/device_registers.h"

namespace iommucheck::oracle {

class DeviceRules {
 public:
  using Numbers = DeviceNumbers;

  /// Accesses to [first, first + bytes) are seen to arrive; others that pass are not judged.
  DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes);
  DeviceRules(const DeviceRules&) = delete;
  DeviceRules& operator=(const DeviceRules&) = delete;

  /// Nothing answers there: what the SMMU fetches from there ends in an external abort. Such
  /// accesses are judged while nothing has changed since SMMUEN = 1, so that memory alone says what
  /// is right.
  void no_memory_at(u64 first, u64 bytes) { allowed_.no_memory_at({first, bytes}); }

  // ---- events, in order; the monitor tells caches and smmu of them ------------------------------
  /// Before memory has it.
  void stored(u64 pa, u64 words = 1);
  void register_write(u32 offset, u64 value);
  /// Before the SMMU as a judge sees it. True: it is judged here.
  bool register_read(u32 offset, u64 value);
  void access(const trace::Dma& dma);
  /// One that takes time, whose end is an access(): any record may be of it.
  void access_begins(const trace::Dma& dma) { outcomes_.access_begins(dma); }
  /// A translation request of ATS and its answer. It counts as an access.
  void ats_request(const trace::AtsRequest& request) { ats_.request(request); }
  /// An endpoint has done an invalidation: CMDQ_CONS may have waited for it.
  void endpoint_answered() { registers_.endpoint_answered(); }
  void record(const trace::EventRecord& words) { records_.record(words); }
  /// The case is over: what did not come now does not come.
  void finish() { records_.finish(); }

  /// Findings since the last call.
  std::vector<Finding> take() { return findings_.take(); }
  /// What was missing to judge what was done since the last call.
  std::vector<std::string> take_missing() { return findings_.take_missing(); }
  /// Forgets the case.
  void begin_case();
  /// The untranslated accesses of the case that has begun: what both stages may yield after a
  /// change is judged of these only.
  void expect_accesses(const std::vector<spec::Access>& accesses) {
    allowed_.expect_accesses(accesses);
  }

  [[nodiscard]] const Numbers& numbers() const { return findings_.numbers(); }
  /// Takes back what was counted since.
  void set_numbers(const Numbers& numbers) { findings_.numbers() = numbers; }
  /// How many outcomes each access of the case was allowed, in order; ~0: anything.
  [[nodiscard]] const std::vector<u32>& breadth() const { return outcomes_.breadth(); }

 private:
  DeviceFindings findings_;
  DeviceAllowed allowed_;
  DeviceRegisters registers_;
  DeviceRecords records_;
  DeviceOutcomes outcomes_;
  DeviceAts ats_;
};

}  // namespace iommucheck::oracle
