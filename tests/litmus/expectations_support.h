// SPDX-License-Identifier: MIT
// What a litmus test expects, against what a reading of it gave.
#pragma once

#include <fmt/format.h>

#include <set>
#include <string>

#include "litmus/ast.h"
#include "litmus/judgement.h"

namespace iommucheck::litmus {

inline std::string text(const std::set<std::string>& set) {
  std::string out;
  for (const std::string& one : set) out += " " + one;
  return out;
}

inline std::set<std::string> expected(const std::vector<OutcomeText>& outcomes) {
  std::set<std::string> out;
  for (const OutcomeText& outcome : outcomes) out.insert(outcome.text);
  return out;
}

/// What differs, in words; empty if the reading gives what the test expects.
inline std::string difference(const iommucheck::litmus::Test& test, const Judgement& got) {
  std::string out;
  for (std::size_t i = 0; i < test.accesses.size(); ++i) {
    const auto want = expected(test.accesses[i].allowed);
    if (want != got.allowed.at(i)) {
      out += fmt::format("access {}: expected{}, got{}\n", i, text(want), text(got.allowed[i]));
    }
  }
  for (std::size_t i = 0; i < test.dmas.size(); ++i) {
    const auto want = expected(test.dmas[i].allowed);
    if (want != got.dmas.at(i)) {
      out += fmt::format("dma {}: expected{}, got{}\n", i, text(want), text(got.dmas[i]));
    }
  }
  for (std::size_t i = 0; i < test.loads.size(); ++i) {
    const auto want = expected(test.loads[i].allowed);
    if (want != got.loads.at(i)) {
      out += fmt::format("load {}: expected{}, got{}\n", i, text(want), text(got.loads[i]));
    }
  }
  const bool kept = !test.driver ||
                    (test.driver->ok ? got.broken.empty() : got.broken.contains(test.driver->rule));
  if (!kept) {
    out += fmt::format("driver: expected {}, broken are{}\n",
                       test.driver->ok ? "ok" : test.driver->rule, text(got.broken));
  }
  return out;
}

}  // namespace iommucheck::litmus
