// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "cli/console.h"
#include "cli/options.h"
#include "proofs/proofs.h"

namespace iommucheck::cli {
namespace {

void print_text(const proofs::ProofResult& result) {
  fmt::print("{}\n", proofs::describe(result));
  if (result.verdict == proofs::Verdict::refuted) {
    fmt::print("{}", proofs::describe_counterexample(result));
  }
  std::fflush(stdout);
}

void print_json(const std::vector<proofs::ProofResult>& results, u64 unexpected) {
  JsonWriter json;
  json.begin_object().key("proofs").begin_array();
  for (const proofs::ProofResult& result : results) {
    json.begin_object()
        .member("name", result.name)
        .member("statement", result.statement)
        .member("twin", result.twin)
        .member("verdict", proofs::verdict_name(result.verdict))
        .member("reason", result.reason)
        .member("as_expected", result.as_expected())
        .member("paths", result.paths)
        .member("claims", result.claims)
        .member("queries", result.queries)
        .member("seconds", result.seconds)
        .key("counterexample")
        .begin_object();
    for (const auto& [name, value] : result.counterexample) {
      json.member(name, fmt::format("{:#x}", value));
    }
    json.end_object().end_object();
  }
  json.end_array().member("unexpected", unexpected).end_object().print();
}

}  // namespace

int run_prove(const ProveCommand& options) {
  ProgressLine progress;
  u64 done = 0;
  proofs::Options settings;
  settings.only = options.only;
  settings.twins = !options.no_twins;
  settings.query_directory = options.smt2;
  settings.report = [&](const proofs::ProofResult& result) {
    progress.clear();
    if (options.format == Format::text) print_text(result);
    progress.show(fmt::format("{} done", ++done));
  };
  progress.show("proving");
  const auto results = proofs::run_proofs(settings);
  progress.clear();
  if (results.empty()) {
    return report("prove", {ErrorCode::bad_input,
                            fmt::format("--only: no proof has '{}' in its name", options.only)});
  }
  u64 unexpected = 0, proved = 0, refuted = 0, unknown = 0;
  for (const proofs::ProofResult& result : results) {
    unexpected += result.as_expected() ? 0 : 1;
    unknown += !result.as_expected() && result.verdict == proofs::Verdict::unknown;
    proved += result.as_expected() && result.twin.empty();
    refuted += result.as_expected() && !result.twin.empty();
  }
  oracle::RunEnd end;
  if (unexpected != unknown) end.found();
  if (unknown != 0) end.undecided(fmt::format("{} questions had no answer", unknown));
  const int status = finish("prove", end);
  if (options.format == Format::json) {
    print_json(results, unexpected);
  } else {
    fmt::print("{}: {} proved, {} twins refuted, {} not as expected ({} unknown)\n",
               unexpected == 0 ? "holds" : "FAILS", proved, refuted, unexpected, unknown);
  }
  return status;
}

}  // namespace iommucheck::cli
