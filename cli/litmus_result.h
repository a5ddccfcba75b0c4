// SPDX-License-Identifier: MIT
// A litmus test beside what the specification says of it: as words, JSON and JUnit. For `litmus`
// and `ask`.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/console.h"
#include "litmus/agreement.h"
#include "litmus/ast.h"
#include "report/junit.h"

namespace iommucheck::cli {

/// A set of the test beside the one that the specification gives.
struct LitmusRow {
  std::string what;
  std::set<std::string> expected{}, allowed{};
  std::vector<litmus::Reason> reasons{};
  std::vector<std::string> configuration{};  ///< of the stream, cached, that memory no longer says
  bool asked = false;  ///< the test says nothing: what is allowed is the answer
  [[nodiscard]] bool agrees() const { return asked || expected == allowed; }
};

struct LitmusResult {
  const litmus::Test* test = nullptr;
  std::vector<LitmusRow> rows;
  std::string expected_verdict;
  std::set<std::string> broken;
  std::vector<litmus::Blame> evidence;
  bool verdict_agrees = true;
  std::string unsupported;
  std::string literal;  ///< judged by the literal model: what the engine has not got

  [[nodiscard]] bool passed() const;
};

LitmusResult result_of(const litmus::Test& test, const litmus::FastResult& got);

oracle::JunitCase case_of(const LitmusResult& result, const std::string& file, double seconds);
/// `quiet`: sets and reasons only where something differs, or is asked.
void print_result(const LitmusResult& result, bool quiet);
/// What was asked, and what the driver did wrong.
void print_answer(const LitmusResult& result);
void write_json(JsonWriter& json, const LitmusResult& result);

/// The test on a device whose profile has these keys (ProfileFile::machine): what of it the
/// language has, the kinds of caches that are lacking and the size of a fetch.
void state_profile(litmus::Test& test, const std::string& keys);

}  // namespace iommucheck::cli
