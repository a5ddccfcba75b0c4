// SPDX-License-Identifier: MIT
// What engines of a device under test send: accesses, translation requests, page requests.
#pragma once

#include "conform/case_log.h"

namespace iommucheck::oracle {

class CaseEngines {
 public:
  explicit CaseEngines(CaseLog& log) : log_(log) {}

  void access(const Step& step);
  void request(const Step& step);
  /// False: the device died.
  bool page_request(const Step& step);

 private:
  [[nodiscard]] unsigned engine_in(const Step& step) const;
  [[nodiscard]] bool may_write(u64 address) const;

  CaseLog& log_;
};

}  // namespace iommucheck::oracle
