// SPDX-License-Identifier: MIT
// Commands that one write of CMDQ_PROD publishes together, as drivers do: a CMD_SYNC is complete
// when what stands before it is, whenever it became visible. IHI 0070 3.5.1, 4.7.
#include <algorithm>
#include <iterator>
#include <map>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t cases_of_a_command = 4, long_run = 12;

bool is_command(const Step& step) { return step.kind == StepKind::command; }

/// As many before one CMD_SYNC as a device might take of its queue at a time, and leave the rest.
bool has_long_run(const Case& what) {
  std::size_t run = 0;
  return std::ranges::any_of(what.steps, [&](const Step& step) {
    run = is_command(step) ? run + 1 : 0;
    return run == long_run;
  });
}

/// Those that a CMD_SYNC ends, and behind which something is translated.
std::vector<u64> opcodes_in_batches(const Case& what) {
  std::vector<u64> opcodes;
  bool translated = false;
  for (std::size_t i = what.steps.size(); i-- > what.fixed;) {
    const Step& step = what.steps[i];
    translated |= is_access(step.kind);
    const bool ended = i + 1 < what.steps.size() && what.steps[i + 1].kind == StepKind::sync;
    if (is_command(step) && ended && translated) opcodes.push_back(bits(step.a, 7, 0));
  }
  return opcodes;
}

}  // namespace

std::optional<Case> published_together(const Case& what) {
  Case made = what;
  bool any = false;
  for (std::size_t i = made.fixed; i + 1 < made.steps.size(); ++i) {
    Step& step = made.steps[i];
    const Step& next = made.steps[i + 1];
    if (!is_command(step) || (next.kind != StepKind::sync && !is_command(next))) continue;
    step.c = 1;
    any = true;
  }
  if (!any) return std::nullopt;
  return made;
}

void batch_cases(std::vector<Case>& cases) {
  std::map<u64, std::size_t> taken;
  std::vector<Case> made;
  for (const Case& one : cases) {
    const std::vector<u64> opcodes = opcodes_in_batches(one);
    const bool wanted = has_long_run(one) || std::ranges::any_of(opcodes, [&](u64 opcode) {
                          return taken[opcode] < cases_of_a_command;
                        });
    if (!wanted) continue;
    auto together = published_together(one);
    if (!together) continue;
    for (const u64 opcode : opcodes) ++taken[opcode];
    together->name += ", published together";
    made.push_back(std::move(*together));
  }
  std::ranges::move(made, std::back_inserter(cases));
}

}  // namespace iommucheck::oracle
