// SPDX-License-Identifier: MIT
#include "proofs/proofs.h"

#include <z3.h>

#include <cstdio>

#include "proofs/properties.h"
#include "proofs/twins.h"

namespace iommucheck::proofs {
namespace {

struct Case {
  Property property;
  std::string twin;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (Property (*make)() :
       {address_split, input_range, tlbi_formula, tlbi_range, covers_table, walk_output,
        access_check, stage2_access, stage2_walk, monotone, stage2_monotone, ste_legal, cd_legal,
        same_tables, same_words, table_step, table_writer, pasid_steps}) {
    Property property = make();
    const std::string name = property.name;
    cases.push_back({std::move(property), {}});
    for (Twin& twin : all_twins()) {
      if (twin.property.name == name) cases.push_back({std::move(twin.property), twin.broken});
    }
  }
  return cases;
}

std::string hex(u64 value) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::vector<std::string> proof_names() {
  std::vector<std::string> names;
  for (const Case& c : all_cases()) {
    if (c.twin.empty()) names.push_back(c.property.name);
  }
  return names;
}

std::vector<ProofResult> run_proofs(const Options& options) {
  std::vector<ProofResult> results;
  for (const Case& c : all_cases()) {
    if (c.property.name.find(options.only) == std::string::npos) continue;
    if (!c.twin.empty() && !options.twins) continue;
    ProofResult result = judge(c.property, options.limits, options.query_directory);
    result.twin = c.twin;
    if (options.report) options.report(result);
    results.push_back(std::move(result));
  }
  return results;
}

std::string describe(const ProofResult& r) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", r.seconds);
  std::string text = verdict_name(r.verdict);
  text.resize(9, ' ');
  text += r.name;
  if (!r.twin.empty()) text += " [twin: " + r.twin + "]";
  text += "  " + std::to_string(r.paths) + " paths, " + std::to_string(r.claims) + " claims, " +
          std::to_string(r.queries) + " queries, " + seconds;
  if (!r.reason.empty()) text += "\n         " + r.reason;
  if (!r.as_expected()) text += r.twin.empty() ? "\n         NOT PROVED" : "\n         NOT REFUTED";
  return text;
}

std::string describe_counterexample(const ProofResult& result) {
  std::string text;
  for (const auto& [name, value] : result.counterexample) {
    text += "         " + name + " = " + hex(value) + "\n";
  }
  return text;
}

std::string solver_version() { return Z3_get_full_version(); }

}  // namespace iommucheck::proofs
