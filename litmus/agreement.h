// SPDX-License-Identifier: MIT
// Two readings of docs/semantics.md beside each other: the specification's engine and the literal
// model must say the same about a test. Used by tests/litmus and by the fuzz target `litmus`.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "litmus/ast.h"
#include "litmus/fast.h"
#include "litmus/judgement.h"
#include "litmus/layout.h"

namespace iommucheck::litmus {

/// What the two say differently, one line each; empty where they agree.
std::string disagreement(const Test& test, const Judgement& engine, const Judgement& literal);

/// The engine allows everything that the literal model allows, and blames all that it blames.
bool includes(const Judgement& engine, const Judgement& literal);

/// Why a disagreement about this test is a known one (docs/semantics.md, 6 and 7), in words; empty
/// if it is not.
std::string known_difference(const Test& test, const Layout& laid, const Judgement& engine,
                             const Judgement& literal);

enum class Agreement : u8 {
  agree,
  disagree,
  known,         ///< differently, for a reason that docs/semantics.md gives
  not_compared,  ///< one of them has it not, or it is too large for the bounds
};

struct Comparison {
  Agreement agreement = Agreement::agree;
  std::string words;  ///< what is said differently; known, not_compared: why, in the first line
};

/// How large a test may be for the literal model, whose cost grows exponentially with what is open.
struct Bounds {
  u64 states = 20'000;
  u64 init_lines = 400;
  u64 actions = 400;   ///< elementary steps
  u64 commands = 400;  ///< of all steps, CMD_SYNCs included
  u64 accesses = 64;
};
/// One comparison takes a few milliseconds, and some tens under the sanitizers.
inline constexpr Bounds bounds_of_fuzzing{
    .states = 400, .init_lines = 40, .actions = 60, .commands = 12, .accesses = 6};

/// The reading of the engine; of a test that needs what only the literal model has (nesting, DMAs
/// that take time), that one's, whose reasons know caches and no stores.
Expected<FastResult> judge_by_either(const Test& test);

using Reading = std::function<Expected<Judgement>(const Test&)>;

/// The reading of the engine, `judge`.
Expected<Judgement> read_by_engine(const Test& test);

/// Judges by both. `engine` may be another reading, so that a test of the comparison can be wrong
/// on purpose. Errors: bad_input, a test whose names or indices do not fit (layout.h).
Expected<Comparison> compare_readings(const Test& test, const Bounds& bounds = {},
                                      const Reading& engine = read_by_engine);

}  // namespace iommucheck::litmus
