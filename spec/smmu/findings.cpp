// SPDX-License-Identifier: MIT
#include "spec/smmu/findings.h"

namespace iommucheck::spec {

void Findings::report(Rule rule, std::string text, std::vector<Cause> causes) {
  constexpr std::size_t enough = 64;
  if (!work_.spend(0)) return;  // nothing is certain
  if (violations_.size() < enough) {
    violations_.push_back({rule, now_, std::move(text), std::move(causes)});
  }
}

void Findings::report_of(const StructureOf& structure, Rule rule, std::string text) {
  const std::size_t before = violations_.size();
  report(rule, std::move(text));
  if (violations_.size() > before) violations_.back().structure = structure;
}

void Findings::give_up(std::string what) {
  if (bound_.empty()) bound_ = std::move(what) + ", at event " + std::to_string(now_);
}

std::string Findings::bound() const {
  if (!bound_.empty()) return bound_;
  return work_.gave_up() ? work_.bound() : unasked_;
}

void Findings::forget() {
  violations_.clear();
  bound_.clear();
  unasked_.clear();
}

}  // namespace iommucheck::spec
