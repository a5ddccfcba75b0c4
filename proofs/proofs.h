// SPDX-License-Identifier: MIT
// `iommucheck prove`: all proofs and their twins.
#pragma once

#include "proofs/judge.h"

namespace iommucheck::proofs {

struct Options {
  Limits limits;
  std::string only;             ///< names that contain this; empty: all
  bool twins = true;            ///< also run the broken ones
  std::string query_directory;  ///< existing directory for SMT-LIB 2 files; empty: none
  std::function<void(const ProofResult&)> report;  ///< called as each one ends; may be empty
};

/// Of the solver, as it says itself.
std::string solver_version();

/// Of each proof, in the order in which they run.
std::vector<std::string> proof_names();

/// In a fixed order: each proof, then its twins. All held iff each result is as_expected() and
/// there is one at all.
std::vector<ProofResult> run_proofs(const Options& options);

/// One line: "proved   address-split  11 paths, 66 claims, 0.4 s".
std::string describe(const ProofResult& result);

/// The counterexample, one line a variable in hex; empty if there is none.
std::string describe_counterexample(const ProofResult& result);

}  // namespace iommucheck::proofs
