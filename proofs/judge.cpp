// SPDX-License-Identifier: MIT
#include "proofs/judge.h"

#include <chrono>

namespace iommucheck::proofs {
namespace {

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

/// Why an exploration without a failure proves nothing; empty if it proves.
std::string doubt(const Property& property, const Exploration& e) {
  if (!e.error.empty()) return "the property is wrong: " + e.error;
  if (!e.open.empty()) return "not decided: " + e.open.front();
  if (e.assumptions != Answer::sat) return "the assumptions cannot be met";
  if (e.uncovered != Answer::unsat) return "the paths do not cover the assumptions";
  if (e.reached != property.labels) {
    return "claims reached: " + list(e.reached) + "; expected: " + list(property.labels);
  }
  if (e.paths != property.paths) {
    return std::to_string(e.paths) + " paths, expected " + std::to_string(property.paths);
  }
  return {};
}

/// A refutation counts if the code itself fails on these values, at the same claim.
void confirm(const Property& property, const Failure& failure, ProofResult& result) {
  Replay replay(failure.values);
  property.executed(replay);
  result.counterexample = failure.values;
  if (!replay.assumptions_hold()) {
    result.reason = "the counterexample to '" + failure.label + "' breaks an assumption when run";
  } else if (replay.failed() != failure.label) {
    result.reason = "the counterexample to '" + failure.label + "' does not fail when run" +
                    (replay.failed().empty() ? "" : ", but '" + replay.failed() + "' does");
  } else {
    result.verdict = Verdict::refuted;
    result.reason = failure.label;
  }
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::proved: return "proved";
    case Verdict::refuted: return "refuted";
    case Verdict::unknown: return "unknown";
  }
  return "?";
}

ProofResult judge(const Property& property, const Limits& limits,
                  const std::string& query_directory) {
  const auto start = std::chrono::steady_clock::now();
  Engine engine(limits);
  if (!query_directory.empty()) {
    engine.write_queries_to(query_directory + "/" + property.name + "-");
  }
  const Exploration e = engine.explore(property.symbolic);
  ProofResult result;
  result.name = property.name;
  result.statement = property.statement;
  result.paths = e.paths;
  result.claims = e.claims;
  result.queries = e.queries;
  if (e.failure) {
    confirm(property, *e.failure, result);
  } else {
    result.reason = doubt(property, e);
    if (result.reason.empty()) result.verdict = Verdict::proved;
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  result.seconds = spent.count();
  return result;
}

}  // namespace iommucheck::proofs
