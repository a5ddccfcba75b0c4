// SPDX-License-Identifier: MIT
#include "proofs/symbolic.h"

#include <z3++.h>

#include <fstream>
#include <set>
#include <utility>

namespace iommucheck::proofs {
namespace {

enum class Op { add, sub, bit_and, bit_or, bit_xor, shl, shr };

u64 fold(Op op, u64 a, u64 b) {
  switch (op) {
    case Op::add: return a + b;
    case Op::sub: return a - b;
    case Op::bit_and: return a & b;
    case Op::bit_or: return a | b;
    case Op::bit_xor: return a ^ b;
    case Op::shl: return iommucheck::shift_left(a, b);
    case Op::shr: return iommucheck::shift_right(a, b);
  }
  return 0;
}

z3::expr build(Op op, const z3::expr& a, const z3::expr& b) {
  switch (op) {
    case Op::add: return a + b;
    case Op::sub: return a - b;
    case Op::bit_and: return a & b;
    case Op::bit_or: return a | b;
    case Op::bit_xor: return a ^ b;
    case Op::shl: return z3::shl(a, b);
    case Op::shr: return z3::lshr(a, b);
  }
  return a;
}

Answer answer_of(z3::check_result result) {
  if (result == z3::sat) return Answer::sat;
  if (result == z3::unsat) return Answer::unsat;
  return Answer::unknown;
}

}  // namespace

/// Decisions are replayed by position: the property is deterministic. Forced ones count as well.
struct Engine::State {
  explicit State(const Limits& l) : limits(l) {}

  Limits limits;
  z3::context context;
  std::map<std::string, z3::expr> variables;
  std::vector<z3::expr> terms;
  std::vector<std::vector<bool>> pending;  // prefixes still to run
  std::vector<bool> decisions;             // of the path that runs
  std::size_t position = 0;
  bool forked = false;
  std::unique_ptr<z3::solver> solver;
  std::vector<std::pair<std::string, z3::expr>> claims;  // since the last branch, not yet asked
  std::optional<z3::model> path_model;  // values that take the path so far, if some are known
  std::vector<z3::expr> path;           // conditions of the path that runs
  std::vector<z3::expr> assumptions;    // of the path that runs; the same on each
  std::optional<std::vector<z3::expr>> first_assumptions;
  std::vector<z3::expr> path_conditions;
  std::set<std::string> labels_on_path, reached;
  Exploration result;
  std::string query_prefix;

  z3::expr conjunction(const std::vector<z3::expr>& parts) {
    z3::expr all = context.bool_val(true);
    for (const z3::expr& part : parts) all = all && part;
    return all;
  }

  std::unique_ptr<z3::solver> make_solver() {
    // Equations of the path first (granule, level, sizes become numbers), then bits.
    z3::tactic tactic(context, "simplify");
    for (const char* next : {"propagate-values", "solve-eqs", "simplify", "bit-blast", "sat"}) {
      tactic = tactic & z3::tactic(context, next);
    }
    auto made = std::make_unique<z3::solver>(tactic.mk_solver());
    z3::params parameters(context);
    parameters.set("rlimit", limits.rlimit);
    parameters.set("timeout", limits.timeout_ms);
    made->set(parameters);
    return made;
  }

  struct Asked {
    Answer answer = Answer::unknown;
    std::optional<z3::model> model{};  // of Answer::sat
    std::string reason{};              // of Answer::unknown
  };

  Asked ask(z3::solver& s, const z3::expr& extra) {
    ++result.queries;
    s.push();
    s.add(extra);
    write(s);
    Asked asked;
    try {
      asked.answer = answer_of(s.check());
      if (asked.answer == Answer::sat) asked.model = s.get_model();
      if (asked.answer == Answer::unknown) asked.reason = s.reason_unknown();
    } catch (const z3::exception& e) {
      asked = {.reason = e.msg()};
    }
    s.pop();
    return asked;
  }

  /// What is not decided is said by its name.
  Asked ask(z3::solver& s, const z3::expr& extra, const std::string& name) {
    Asked asked = ask(s, extra);
    if (asked.answer == Answer::unknown) result.open.push_back(name + ": " + asked.reason);
    return asked;
  }

  /// Whether some values take the path and `e`. Known ones are tried first: they need no query.
  bool may_be(const z3::expr& e) {
    if (path_model && path_model->eval(e, true).is_true()) return true;
    Asked asked = ask(*solver, e, "branch");
    if (asked.model) path_model = asked.model;
    return asked.answer != Answer::unsat;
  }

  /// The claims since the last branch in one query, which names none: the first that fails is found
  /// by its own.
  void ask_claims() {
    const auto asked_now = std::exchange(claims, {});
    if (asked_now.empty()) return;
    if (asked_now.size() > 1) {
      z3::expr some_fails = context.bool_val(false);
      for (const auto& [label, holds] : asked_now) some_fails = some_fails || !holds;
      if (ask(*solver, some_fails).answer == Answer::unsat) return;
    }
    for (const auto& [label, holds] : asked_now) {
      const Asked wrong = ask(*solver, !holds, "claim " + label);
      if (!wrong.model) continue;
      result.failure = Failure{label, values_of(*wrong.model)};
      return;
    }
  }

  void write(z3::solver& s) {
    if (query_prefix.empty()) return;
    std::ofstream file(query_prefix + std::to_string(result.queries) + ".smt2");
    file << s.to_smt2();
  }

  Assignment values_of(const z3::model& model) {
    Assignment values;
    for (const auto& [name, variable] : variables) {
      values[name] = model.eval(variable, true).get_numeral_uint64();
    }
    return values;
  }

  u32 keep(const z3::expr& term) {
    terms.push_back(term);
    return static_cast<u32>(terms.size() - 1);
  }
};

/// The only code that sees the values, the engine and its terms at once.
struct Terms {
  static z3::expr of(Engine& engine, const SymbolicWord& w) {
    Engine::State& state = *engine.state_;
    return w.engine_ == nullptr ? state.context.bv_val(w.constant_, 64) : state.terms[w.term_];
  }
  static z3::expr of(Engine& engine, const SymbolicBool& b) {
    Engine::State& state = *engine.state_;
    return b.engine_ == nullptr ? state.context.bool_val(b.constant_) : state.terms[b.term_];
  }
  static SymbolicWord word(Engine& engine, const z3::expr& e) {
    return {&engine, engine.state_->keep(e)};
  }
  static SymbolicBool condition(Engine& engine, const z3::expr& e) {
    return {&engine, engine.state_->keep(e)};
  }
  template <class A, class B>
  static Engine* engine(const A& a, const B& b) {
    return a.engine_ != nullptr ? a.engine_ : b.engine_;
  }
  static Engine* engine(const SymbolicBool& a) { return a.engine_; }
  static bool is(const SymbolicWord& w, u64 value) {
    return w.engine_ == nullptr && w.constant_ == value;
  }
  static bool is(const SymbolicBool& b, bool value) {
    return b.engine_ == nullptr && b.constant_ == value;
  }
  static u64 constant(const SymbolicWord& w) { return w.constant_; }
  static bool constant(const SymbolicBool& b) { return b.constant_; }

  static SymbolicWord apply(Op op, const SymbolicWord& a, const SymbolicWord& b) {
    Engine* e = engine(a, b);
    if (e == nullptr) return SymbolicWord(fold(op, a.constant_, b.constant_));
    const bool zero_is_neutral = op != Op::bit_and;
    if (is(b, 0)) return zero_is_neutral ? a : b;
    if (is(a, 0) && (op == Op::add || op == Op::bit_or || op == Op::bit_xor)) return b;
    if (op == Op::bit_and && (is(a, 0) || is(b, ~u64{0}))) return a;
    if (op == Op::bit_and && is(a, ~u64{0})) return b;
    return word(*e, build(op, of(*e, a), of(*e, b)));
  }
};

SymbolicBool::operator bool() const {
  if (engine_ == nullptr) return constant_;
  return engine_->decide(*this);
}

SymbolicBool SymbolicBool::operator!() const {
  if (engine_ == nullptr) return SymbolicBool(!constant_);
  return Terms::condition(*engine_, !Terms::of(*engine_, *this));
}

SymbolicBool operator&(const SymbolicBool& a, const SymbolicBool& b) {
  if (Terms::is(a, false) || Terms::is(b, true)) return a;
  if (Terms::is(b, false) || Terms::is(a, true)) return b;
  Engine& e = *Terms::engine(a, b);
  return Terms::condition(e, Terms::of(e, a) && Terms::of(e, b));
}

SymbolicBool operator|(const SymbolicBool& a, const SymbolicBool& b) {
  if (Terms::is(a, true) || Terms::is(b, false)) return a;
  if (Terms::is(b, true) || Terms::is(a, false)) return b;
  Engine& e = *Terms::engine(a, b);
  return Terms::condition(e, Terms::of(e, a) || Terms::of(e, b));
}

SymbolicBool operator==(const SymbolicBool& a, const SymbolicBool& b) {
  Engine* e = Terms::engine(a, b);
  if (e == nullptr) return SymbolicBool(Terms::constant(a) == Terms::constant(b));
  return Terms::condition(*e, Terms::of(*e, a) == Terms::of(*e, b));
}

SymbolicBool select(const SymbolicBool& c, const SymbolicBool& a, const SymbolicBool& b) {
  return (c & a) | (b & !c);
}

SymbolicWord SymbolicWord::operator~() const { return *this ^ SymbolicWord(~u64{0}); }
SymbolicWord SymbolicWord::operator<<(unsigned n) const {
  return Terms::apply(Op::shl, *this, SymbolicWord(u64{n}));
}
SymbolicWord SymbolicWord::operator>>(unsigned n) const {
  return Terms::apply(Op::shr, *this, SymbolicWord(u64{n}));
}
SymbolicWord operator+(const SymbolicWord& a, const SymbolicWord& b) {
  return Terms::apply(Op::add, a, b);
}
SymbolicWord operator-(const SymbolicWord& a, const SymbolicWord& b) {
  return Terms::apply(Op::sub, a, b);
}
SymbolicWord operator&(const SymbolicWord& a, const SymbolicWord& b) {
  return Terms::apply(Op::bit_and, a, b);
}
SymbolicWord operator|(const SymbolicWord& a, const SymbolicWord& b) {
  return Terms::apply(Op::bit_or, a, b);
}
SymbolicWord operator^(const SymbolicWord& a, const SymbolicWord& b) {
  return Terms::apply(Op::bit_xor, a, b);
}
SymbolicWord shift_left(const SymbolicWord& a, const SymbolicWord& distance) {
  return Terms::apply(Op::shl, a, distance);
}
SymbolicWord shift_right(const SymbolicWord& a, const SymbolicWord& distance) {
  return Terms::apply(Op::shr, a, distance);
}

SymbolicBool equal(const SymbolicWord& a, const SymbolicWord& b) {
  Engine* e = Terms::engine(a, b);
  if (e == nullptr) return SymbolicBool(Terms::constant(a) == Terms::constant(b));
  return Terms::condition(*e, Terms::of(*e, a) == Terms::of(*e, b));
}
SymbolicBool operator==(const SymbolicWord& a, const SymbolicWord& b) { return equal(a, b); }

SymbolicBool less(const SymbolicWord& a, const SymbolicWord& b) {
  Engine* e = Terms::engine(a, b);
  if (e == nullptr) return SymbolicBool(Terms::constant(a) < Terms::constant(b));
  return Terms::condition(*e, z3::ult(Terms::of(*e, a), Terms::of(*e, b)));
}
SymbolicBool less_equal(const SymbolicWord& a, const SymbolicWord& b) { return !less(b, a); }

SymbolicWord select(const SymbolicBool& c, const SymbolicWord& a, const SymbolicWord& b) {
  Engine* e = Terms::engine(c);
  if (e == nullptr) return Terms::constant(c) ? a : b;
  return Terms::word(*e, z3::ite(Terms::of(*e, c), Terms::of(*e, a), Terms::of(*e, b)));
}

// --- Exploration ------------------------------------------------------------------------------

Engine::Engine(const Limits& limits) : state_(std::make_unique<State>(limits)) {}
Engine::~Engine() = default;

void Engine::write_queries_to(std::string prefix) { state_->query_prefix = std::move(prefix); }

SymbolicWord Engine::variable(const std::string& name) {
  State& s = *state_;
  auto found = s.variables.find(name);
  if (found == s.variables.end()) {
    found = s.variables.emplace(name, s.context.bv_const(name.c_str(), 64)).first;
  }
  return Terms::word(*this, found->second);
}

void Engine::assume(const SymbolicBool& condition) {
  State& s = *state_;
  if (s.forked || s.position != 0) {
    s.result.error = "an assumption after the first branch would be one about that path only";
    throw Abandoned{};
  }
  s.ask_claims();
  if (s.result.failure) throw Abandoned{};
  const z3::expr e = Terms::of(*this, condition);
  s.assumptions.push_back(e);
  s.path.push_back(e);
  s.solver->add(e);
}

void Engine::claim(const std::string& label, const SymbolicBool& condition) {
  State& s = *state_;
  ++s.result.claims;
  s.labels_on_path.insert(label);
  if (!Terms::is(condition, true)) s.claims.emplace_back(label, Terms::of(*this, condition));
}

bool Engine::decide(const SymbolicBool& condition) {
  State& s = *state_;
  const z3::expr e = Terms::of(*this, condition).simplify();
  if (e.is_true() || e.is_false()) return e.is_true();  // no branch at all
  s.ask_claims();
  if (s.result.failure) throw Abandoned{};
  bool value = true;
  if (s.position < s.decisions.size()) {
    value = s.decisions[s.position];
  } else {
    const bool may_be_true = s.may_be(e);
    const bool may_be_false = s.may_be(!e);
    if (!may_be_true && !may_be_false) throw Abandoned{};  // only after an undecided query
    value = may_be_true;
    s.decisions.push_back(value);
    if (may_be_true && may_be_false) {
      s.pending.push_back(s.decisions);
      s.pending.back().back() = false;
    }
  }
  ++s.position;
  s.forked = true;
  const z3::expr taken = value ? e : !e;
  s.path.push_back(taken);
  s.solver->add(taken);
  if (s.path_model && !s.path_model->eval(taken, true).is_true()) s.path_model.reset();
  return value;
}

void Engine::begin() {
  State& s = *state_;
  s.pending.assign(1, {});
  s.result = Exploration{};
}

bool Engine::next_path() {
  State& s = *state_;
  if (s.pending.empty() || s.result.failure || !s.result.error.empty()) return false;
  if (s.result.paths >= s.limits.max_paths) {
    s.result.open.push_back("more than " + std::to_string(s.limits.max_paths) + " paths");
    return false;
  }
  s.decisions = std::move(s.pending.back());
  s.pending.pop_back();
  s.position = 0;
  s.forked = false;
  s.terms.clear();
  s.path.clear();
  s.assumptions.clear();
  s.labels_on_path.clear();
  s.claims.clear();
  s.path_model.reset();
  s.solver = s.make_solver();
  return true;
}

void Engine::end_path() {
  State& s = *state_;
  s.ask_claims();
  if (s.result.failure) return;
  ++s.result.paths;
  s.path_conditions.push_back(s.conjunction(s.path));
  if (!s.first_assumptions) s.first_assumptions = s.assumptions;
  const bool taken =
      s.path_model || s.ask(*s.solver, s.context.bool_val(true), "path").answer == Answer::sat;
  if (taken) s.reached.insert(s.labels_on_path.begin(), s.labels_on_path.end());
}

Exploration Engine::finish() {
  State& s = *state_;
  s.result.reached.assign(s.reached.begin(), s.reached.end());
  if (s.result.failure || !s.result.error.empty() || !s.first_assumptions) return s.result;
  const z3::expr assumed = s.conjunction(*s.first_assumptions);
  const auto fresh = s.make_solver();
  s.result.assumptions = s.ask(*fresh, assumed, "assumptions").answer;
  z3::expr outside = assumed;
  for (const z3::expr& path : s.path_conditions) outside = outside && !path;
  s.result.uncovered = s.ask(*fresh, outside, "cover").answer;
  return s.result;
}

}  // namespace iommucheck::proofs
