// SPDX-License-Identifier: MIT
// Endpoints with an ATC that a tester plays: what they were sent, and when they answer.
#pragma once

#include <deque>

#include "conform/case_log.h"

namespace iommucheck::oracle {

class CaseEndpoints {
 public:
  explicit CaseEndpoints(CaseLog& log) : log_(log) {}

  // Each is false if the device died.
  bool answer_one();
  bool answer_all();
  /// None answers, and the time is over.
  bool silence();

 private:
  bool gather_invalidations();
  void answer_first();
  [[nodiscard]] AgentId engine_of(u32 sid) const;

  CaseLog& log_;
  std::deque<AtcInvalidation> sent_;  // not answered yet
};

}  // namespace iommucheck::oracle
