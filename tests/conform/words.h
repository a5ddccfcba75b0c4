// SPDX-License-Identifier: MIT
// What a run of conform has found, for messages of tests.
#pragma once

#include <string>

#include "conform/conform.h"
#include "spec/rules.h"

namespace iommucheck::oracle {

/// A line each: rule, kind, text.
inline std::string words(const ConformResult& result) {
  std::string text;
  for (const FoundDivergence& found : result.divergences) {
    text += std::string(spec::rule_name(found.divergence.rule)) + ": " + found.divergence.called +
            " (" + found.divergence.statement + ")\n";
  }
  return text;
}

}  // namespace iommucheck::oracle
