// SPDX-License-Identifier: MIT
#include "scenario/run/needs.h"

#include <algorithm>

#include "scenario/run/make_call.h"

namespace iommucheck::oracle::stories {
namespace {

using scenario::Check;
using scenario::Invoke;

class Needs {
 public:
  Needs(Subject& subject, const World& world) : subject_(subject) {
    add(subject.needs(world));
    if (world.lacks_hooks() && !subject.has_hooks()) add("hooks=");
  }

  std::vector<std::string> take() { return std::move(names_); }

  void visit(const Invoke& invoke) {
    const std::string& name = invoke.call.text;
    constexpr std::string_view environment[] = {
        "exit",           "exec",       "fork",    "thread",     "remove",   "thread_end",
        "mm_exit_return", "page_reuse", "recover", "gpu_switch", "gpu_flush"};
    if (std::ranges::find(environment, name) != std::end(environment)) return;
    if (name == "dma_state") return;  // its dma has been looked at
    const auto kind = kind_of(name);
    if (!kind || !subject_.has(*kind)) return add(name);
    if (name == "domain_alloc" && !invoke.arguments.empty()) {
      const scenario::Value& what = invoke.arguments[0];
      const bool is_word = what.kind == scenario::Value::Kind::word;
      if (is_word && !what.is_word("paging") && !what.is_word("blocked") &&
          !what.is_word("identity") && !what.is_word("dynamic")) {
        add("domain_alloc(" + what.word + ")");
      }
    }
  }
  void visit(const scenario::Change& change) {
    if (change.kind == scenario::Change::Kind::upt) add("upt");
  }
  void visit(const scenario::UserEntry& /*entry*/) { add("ucd"); }
  void visit(const scenario::Probe& /*probe*/) {}
  void visit(const scenario::Dma& /*dma*/) {}
  void visit(const Check& check) {
    if (check.kind == Check::Kind::hook && !subject_.has_hooks()) add("hook");
  }
  void visit(const scenario::Race& race) {
    std::visit([&](const auto& what) { visit(what); }, race.first);
    std::visit([&](const auto& what) { visit(what); }, race.second);
  }
  void visit(const scenario::Declare& /*declare*/) {}
  void visit(const scenario::Resume& /*resume*/) {}

 private:
  void add(const std::string& name) {
    if (name.empty() || std::ranges::find(names_, name) != names_.end()) return;
    names_.push_back(name);
  }

  Subject& subject_;
  std::vector<std::string> names_;
};

}  // namespace

std::vector<std::string> needs_of(const scenario::Scenario& scenario, const World& world,
                                  Subject& subject) {
  Needs needs(subject, world);
  for (const scenario::Step& step : scenario.steps) {
    std::visit([&](const auto& what) { needs.visit(what); }, step.what);
  }
  return needs.take();
}

}  // namespace iommucheck::oracle::stories
