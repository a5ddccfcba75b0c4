// SPDX-License-Identifier: MIT
#include "litmus/agreement.h"

#include <fmt/format.h>

#include <algorithm>

#include "litmus/fast.h"
#include "litmus/names.h"
#include "litmus/twin/twin.h"
#include "spec/rules/promises.h"

namespace iommucheck::litmus {
namespace {

std::string text(const std::set<std::string>& set) {
  std::string out;
  for (const std::string& one : set) out += " " + one;
  return out.empty() ? " nothing" : out;
}

/// Which bound the test exceeds, in words; empty if none.
std::string too_large(const Test& test, const Bounds& bounds) {
  if (test.init.size() > bounds.init_lines) return "too many init lines";
  if (test.accesses.size() > bounds.accesses) return "too many accesses";
  return {};
}

std::string too_large(const Layout& laid, const Bounds& bounds) {
  if (laid.actions.size() > bounds.actions) return "too many steps";
  const auto commands = std::ranges::count_if(laid.actions, [](const Action& action) {
    return std::holds_alternative<CommandAction>(action.what);
  });
  if (static_cast<u64>(commands) > bounds.commands) return "too many commands";
  return {};
}

/// A descriptor of a contiguous group whose output does not follow from its index.
bool is_crooked(const Descriptor& descriptor, u64 index, const Layout& laid) {
  const Region* region = laid.region_named(descriptor.target.name);
  if (region == nullptr) return false;
  const u64 page = (region->pa >> 12) + descriptor.target.part.value_or(0);
  const unsigned shift = descriptor.kind == Descriptor::Kind::block ? 9 : 0;
  return ((page >> shift) - index) % 16 != 0;
}

bool has_crooked_group(const Test& test, const Layout& laid) {
  bool crooked = false;
  for_each_object(test, [&](const Object& object) {
    if (const auto* word = std::get_if<WordLine>(&object)) {
      crooked |= word->descriptor.cont && is_crooked(word->descriptor, word->index.value, laid);
    } else if (const auto* group = std::get_if<ContLine>(&object)) {
      crooked |= is_crooked(group->descriptor, group->index.value, laid);
    }
  });
  for (const Step& step : test.run) {
    const auto* fill = std::get_if<FillContStep>(&step.what);
    if (fill == nullptr) continue;
    crooked |= is_crooked(fill->descriptor, fill->index.value, laid);
  }
  return crooked;
}

/// Both saw memory of unknown content walked, and all that differs is what one of them calls `any`
/// after it, and blames for it.
bool differs_after_unknown(const Judgement& engine, const Judgement& literal) {
  if (!engine.broken.contains("wild") || !literal.broken.contains("wild")) return false;
  bool any = false;
  for (std::size_t i = 0; i < literal.allowed.size(); ++i) {
    if (engine.allowed[i] == literal.allowed[i]) continue;
    if (!engine.allowed[i].contains("any") && !literal.allowed[i].contains("any")) return false;
    any = true;
  }
  return any;
}

/// A table was freed to which a cached pointer leads, which is blamed by both; that its unknown
/// content can be walked as well is blamed by the literal model only.
bool blames_freed_table_once(const Judgement& engine, const Judgement& literal) {
  if (!engine.broken.contains("table-free") || engine.allowed != literal.allowed) return false;
  std::set<std::string> broken = literal.broken;
  return broken.erase("wild") == 1 && broken == engine.broken;
}

/// Memory of unknown content was walked, which is blamed by both; that what it may have yielded is
/// in conflict with something as well is blamed by the literal model only.
bool blames_conflict_of_unknown(const Judgement& engine, const Judgement& literal) {
  if (!engine.broken.contains("wild") || engine.allowed != literal.allowed) return false;
  std::set<std::string> broken = literal.broken;
  return broken.erase("conflict") == 1 && broken == engine.broken;
}

/// A CFGI and another invalidation of one group are exposed at different rings, and between these
/// something is stored, or a register changes that is cached with configuration.
bool rings_apart(const Test& test) {
  enum { none, open, exposed, stored };
  int cfgi = none, other = none;
  const auto expose = [](int& state) {
    if (state == open) state = exposed;
  };
  for (const Step& step : test.run) {
    const auto* cmd = std::get_if<CmdStep>(&step.what);
    if (cmd != nullptr) {
      const CommandOp op = cmd->command.op;
      if (op == CommandOp::sync) {
        cfgi = other = none;
        continue;
      }
      int& mine = op <= CommandOp::cfgi_all ? cfgi : other;
      const int theirs = op <= CommandOp::cfgi_all ? other : cfgi;
      if (theirs == stored) return true;
      if (mine == none) mine = open;
    } else if (std::holds_alternative<RingStep>(step.what)) {
      expose(cfgi);
      expose(other);
    } else if (std::holds_alternative<DoStep>(step.what)) {
      const auto& commands = std::get<DoStep>(step.what).commands;
      const bool mixed = std::ranges::any_of(commands, [&](const Command& command) {
        return (command.op <= CommandOp::cfgi_all ? other : cfgi) == stored;
      });
      if (mixed) return true;
      cfgi = other = none;
    } else if (std::holds_alternative<StoreStep>(step.what) ||
               std::holds_alternative<ClearStep>(step.what) ||
               std::holds_alternative<ZeroStep>(step.what) ||
               std::holds_alternative<RegBitStep>(step.what)) {
      if (cfgi == exposed) cfgi = stored;
      if (other == exposed) other = stored;
    }
  }
  return false;
}

/// The literal model knows families; these have one rule for a driver that a test can break.
std::vector<Blame> literal_blames(const std::set<std::string>& broken) {
  constexpr std::pair<const char*, spec::Rule> alone[] = {
      {"page-reuse", spec::rule::PAGE_REUSE},         {"table-free", spec::rule::TABLE_FREE},
      {"lost-update", spec::rule::LOST_UPDATE_STORE}, {"unknown", spec::rule::UNKNOWN_AFTER_RESET},
      {"promise", spec::rule::PROMISE_OUTCOME},       {"cont", spec::rule::STE_SPAN},
  };
  std::vector<Blame> blames;
  for (const auto& [family, rule] : alone) {
    if (!broken.contains(family)) continue;
    blames.push_back({rule, family, std::string(spec::rule_info(rule).text)});
  }
  return blames;
}

std::vector<std::vector<Reason>> literal_reasons(const std::vector<std::vector<Way>>& ways) {
  std::vector<std::vector<Reason>> all;
  for (const auto& of_access : ways) {
    auto& reasons = all.emplace_back();
    for (const Way& way : of_access) {
      reasons.push_back({.outcome = way.outcome, .why = way.why, .section = way.section});
    }
  }
  return all;
}

Comparison not_compared(std::string why) { return {Agreement::not_compared, std::move(why)}; }

}  // namespace

std::string disagreement(const Test& test, const Judgement& engine, const Judgement& literal) {
  std::string out;
  for (std::size_t i = 0; i < test.accesses.size(); ++i) {
    if (engine.allowed[i] == literal.allowed[i]) continue;
    out += fmt::format("access {}: engine{}, literal model{}\n", i, text(engine.allowed[i]),
                       text(literal.allowed[i]));
  }
  if (engine.broken != literal.broken) {
    out += fmt::format("broken: engine{}, literal model{}\n", text(engine.broken),
                       text(literal.broken));
  }
  return out;
}

bool includes(const Judgement& engine, const Judgement& literal) {
  for (std::size_t i = 0; i < literal.allowed.size(); ++i) {
    if (engine.allowed[i].contains("any")) continue;
    if (!std::ranges::includes(engine.allowed[i], literal.allowed[i])) return false;
  }
  return std::ranges::includes(engine.broken, literal.broken);
}

std::string known_difference(const Test& test, const Layout& laid, const Judgement& engine,
                             const Judgement& literal) {
  if (has_crooked_group(test, laid)) {
    return "a contiguous descriptor whose output is not at its place in the group";
  }
  if (differs_after_unknown(engine, literal)) {
    return "what was filled through memory of unknown content, after that is gone itself";
  }
  if (blames_freed_table_once(engine, literal)) {
    return "a freed table that a cached pointer leads to is blamed as that, and not once more";
  }
  if (blames_conflict_of_unknown(engine, literal)) {
    return "what memory of unknown content may have yielded conflicts with something";
  }
  if (!includes(engine, literal)) return {};
  if (rings_apart(test)) {
    return "one item lives as a command acted late, another as the same command acted early";
  }
  return {};
}

Expected<Judgement> read_by_engine(const Test& test) {
  auto read = judge(test);
  if (!read) return std::unexpected(read.error());
  return std::move(read->judgement);
}

/// A verdict is worth some seconds.
constexpr Bounds bounds_of_a_verdict{.states = 100'000,
                                     .init_lines = 10'000,
                                     .actions = 100'000,
                                     .commands = 10'000,
                                     .accesses = 10'000};

Expected<FastResult> judge_by_either(const Test& test) {
  auto read = judge(test);
  if (!read || read->judgement.unsupported.empty()) return read;
  if (read->judgement.unsupported == waits_for_ever) return read;
  const Bounds& bounds = bounds_of_a_verdict;
  const auto laid = layout(test);
  if (!laid || !too_large(test, bounds).empty() || !too_large(*laid, bounds).empty()) return read;
  // Where it has no verdict either, its reason is the one that counts.
  FastResult result;
  result.literal = std::move(read->judgement.unsupported);
  std::vector<std::vector<Way>> ways;
  result.judgement = judge_literally(test, bounds.states, true, &ways);
  result.reasons = literal_reasons(ways);
  result.evidence = literal_blames(result.judgement.broken);
  return result;
}

Expected<Comparison> compare_readings(const Test& test, const Bounds& bounds,
                                      const Reading& engine) {
  if (std::string why = too_large(test, bounds); !why.empty()) return not_compared(std::move(why));
  const auto laid = layout(test);
  if (!laid) return std::unexpected(laid.error());
  if (std::string why = too_large(*laid, bounds); !why.empty()) return not_compared(std::move(why));
  auto fast = engine(test);
  if (!fast) return std::unexpected(fast.error());
  if (!fast->unsupported.empty()) return not_compared("engine: " + fast->unsupported);
  const Judgement literal = judge_literally(test, bounds.states);
  if (!literal.unsupported.empty()) return not_compared("literal model: " + literal.unsupported);
  std::string words = disagreement(test, *fast, literal);
  if (words.empty()) return Comparison{};
  const std::string why = known_difference(test, *laid, *fast, literal);
  if (!why.empty()) return Comparison{Agreement::known, why + "\n" + words};
  return Comparison{Agreement::disagree, std::move(words)};
}

}  // namespace iommucheck::litmus
