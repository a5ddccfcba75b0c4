// SPDX-License-Identifier: MIT
// What a device did beside accesses and records, and may not: found by a judge of one subject
// (interrupts, page requests, invalidations at its endpoints).
#pragma once

#include <string>
#include <utility>

#include "monitor/finding.h"

namespace iommucheck::oracle {

/// `kind`: what is the same in each case.
inline Finding device_finding(spec::Rule rule, std::string kind, std::string text) {
  Finding finding = finding_of(rule, std::move(text));
  finding.kind = kind_in_words(std::move(kind));
  return finding;
}

}  // namespace iommucheck::oracle
