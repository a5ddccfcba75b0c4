// SPDX-License-Identifier: MIT
// From an exploration to a verdict. "Proved" is said only when everything that could make a proof
// empty has been excluded: see judge().
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "proofs/symbolic.h"

namespace iommucheck::proofs {

/// The executing reading of a property, on given values: where a counterexample has to fail too.
class Replay {
 public:
  using W = u64;
  explicit Replay(const Assignment& values) : values_(values) {}

  u64 variable(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? 0 : found->second;
  }
  void assume(Bool condition) { assumptions_hold_ = assumptions_hold_ && condition.value; }
  void claim(const std::string& label, Bool condition) {
    if (!condition && failed_.empty()) failed_ = label;
  }

  bool assumptions_hold() const { return assumptions_hold_; }
  const std::string& failed() const { return failed_; }  ///< first label; empty: none

 private:
  const Assignment& values_;
  bool assumptions_hold_ = true;
  std::string failed_;
};

/// A statement about code over words, in both readings: `symbolic` and `executed` are one template.
struct Property {
  std::string name;
  std::string statement;            ///< one sentence
  std::vector<std::string> labels;  ///< of its claims, sorted: each has to be reached
  unsigned paths = 0;               ///< expected; another number means that the proof has changed
  std::function<void(Engine&)> symbolic;
  std::function<void(Replay&)> executed;
};

/// Makes both readings of `body`, a functor with a template operator()(Proof&).
template <class Body>
Property make_property(std::string name, std::string statement, std::vector<std::string> labels,
                       unsigned paths, Body body) {
  return {std::move(name),
          std::move(statement),
          std::move(labels),
          paths,
          [body](Engine& engine) { body(engine); },
          [body](Replay& replay) { body(replay); }};
}

enum class Verdict { proved, refuted, unknown };
const char* verdict_name(Verdict verdict);

struct ProofResult {
  std::string name;
  std::string statement;
  std::string twin;  ///< empty, or what was broken: then `refuted` is what is expected
  Verdict verdict = Verdict::unknown;
  std::string reason;  ///< of unknown, or of refuted: the claim that fails
  Assignment counterexample;
  unsigned paths = 0, claims = 0, queries = 0;
  double seconds = 0;

  bool as_expected() const {
    return verdict == (twin.empty() ? Verdict::proved : Verdict::refuted);
  }
};

/// Explores and judges one property. Proved needs: no open query, the expected number of paths and
/// labels, satisfiable assumptions, and paths that cover them. Refuted needs a counterexample that
/// fails at the same claim when the code runs on 64-bit integers.
ProofResult judge(const Property& property, const Limits& limits,
                  const std::string& query_directory = {});

}  // namespace iommucheck::proofs
