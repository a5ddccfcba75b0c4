// SPDX-License-Identifier: MIT
// The symbolic word: 64-bit bit-vectors of Z3 behind the Word concept of base/word.h. Z3 itself is
// seen by symbolic.cpp only.
//
// An Engine explores one property: it runs it once for each path. `if (flag)` on a symbolic flag
// asks the engine; where both answers are possible the path forks, and the other one is run later.
// A side is left out only if the solver says unsat; what it cannot decide is kept.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/word.h"

namespace iommucheck::proofs {

class Engine;
struct Terms;  // builds terms out of words and conditions; symbolic.cpp

/// A condition: a constant, or a term of an engine.
class SymbolicBool {
 public:
  SymbolicBool() = default;
  SymbolicBool(bool constant) : constant_(constant) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  SymbolicBool(T) = delete;

  /// The one place where a path forks.
  explicit operator bool() const;

  SymbolicBool operator!() const;
  friend SymbolicBool operator&(const SymbolicBool& a, const SymbolicBool& b);
  friend SymbolicBool operator|(const SymbolicBool& a, const SymbolicBool& b);
  friend SymbolicBool operator==(const SymbolicBool& a, const SymbolicBool& b);
  friend void operator&&(SymbolicBool, SymbolicBool) = delete;
  friend void operator||(SymbolicBool, SymbolicBool) = delete;

  bool is_constant() const { return engine_ == nullptr; }

 private:
  friend struct Terms;
  SymbolicBool(Engine* engine, u32 term) : engine_(engine), term_(term) {}

  Engine* engine_ = nullptr;
  u32 term_ = 0;
  bool constant_ = false;
};

/// 64 bits: a constant, or a term of an engine. Arithmetic is modulo 2^64, comparison unsigned.
class SymbolicWord {
 public:
  SymbolicWord() = default;
  explicit SymbolicWord(u64 constant) : constant_(constant) {}

  SymbolicWord operator~() const;
  SymbolicWord operator<<(unsigned n) const;
  SymbolicWord operator>>(unsigned n) const;
  friend SymbolicWord operator+(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord operator-(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord operator&(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord operator|(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord operator^(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicBool operator==(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicBool equal(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicBool less(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicBool less_equal(const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord select(const SymbolicBool& c, const SymbolicWord& a, const SymbolicWord& b);
  friend SymbolicWord shift_left(const SymbolicWord& a, const SymbolicWord& distance);
  friend SymbolicWord shift_right(const SymbolicWord& a, const SymbolicWord& distance);

  bool is_constant() const { return engine_ == nullptr; }

 private:
  friend struct Terms;
  SymbolicWord(Engine* engine, u32 term) : engine_(engine), term_(term) {}

  Engine* engine_ = nullptr;
  u32 term_ = 0;
  u64 constant_ = 0;
};

SymbolicBool select(const SymbolicBool& c, const SymbolicBool& a, const SymbolicBool& b);

enum class Answer { sat, unsat, unknown };

/// Values of the variables, by name.
using Assignment = std::map<std::string, u64>;

struct Limits {
  unsigned rlimit = 40'000'000;   ///< resource units of Z3 for one query: what bounds a proof
  unsigned timeout_ms = 120'000;  ///< guard only: a machine too slow, never part of a verdict
  unsigned max_paths = 100'000;
};

/// One failed claim with the values that make it fail.
struct Failure {
  std::string label;
  Assignment values;
};

/// What one exploration found; judge.h makes a verdict of it.
struct Exploration {
  unsigned paths = 0;
  unsigned claims = 0;
  unsigned queries = 0;
  std::optional<Failure> failure;        ///< the first one; exploration stops there
  std::vector<std::string> open;         ///< queries that were not decided, with the reason
  std::vector<std::string> reached;      ///< labels on a path that is satisfiable, sorted
  Answer assumptions = Answer::unknown;  ///< must be sat
  Answer uncovered = Answer::unknown;    ///< assumptions outside of every path: must be unsat
  std::string error;                     ///< how the property misused the engine; empty: not
};

class Engine {
 public:
  explicit Engine(const Limits& limits);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Runs `property` (void(Engine&)) along every path.
  template <class Property>
  Exploration explore(Property&& property) {
    begin();
    while (next_path()) {
      try {
        property(*this);
        end_path();
      } catch (const Abandoned&) {
        // The path is infeasible, or nothing further needs to be known.
      }
    }
    return finish();
  }

  // What a property may ask for. A variable of the same name is the same variable on all paths.
  using W = SymbolicWord;
  SymbolicWord variable(const std::string& name);
  /// Before the first fork only: an assumption is about variables, not about paths.
  void assume(const SymbolicBool& condition);
  /// Must hold wherever the path leads; `label` must be reachable.
  void claim(const std::string& label, const SymbolicBool& condition);

  /// Writes each query to `prefix`N.smt2 (SMT-LIB 2), for another solver; empty: none.
  void write_queries_to(std::string prefix);

 private:
  friend class SymbolicBool;
  friend struct Terms;
  struct Abandoned {};
  struct State;

  void begin();
  bool next_path();
  void end_path();
  Exploration finish();
  bool decide(const SymbolicBool& condition);

  std::unique_ptr<State> state_;
};

}  // namespace iommucheck::proofs

namespace iommucheck {
template <>
struct WordTraits<proofs::SymbolicWord> {
  using Flag = proofs::SymbolicBool;
};
}  // namespace iommucheck
