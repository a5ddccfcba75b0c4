// SPDX-License-Identifier: MIT
// iommucheck_prove [--only NAME] [--no-twins] [--smt2 DIR]: exit status 0 if everything is as
// expected, 1 if something is refuted or unknown (or a twin is not refuted), 2 for bad usage.
#include <cstdio>
#include <cstring>

#include "proofs/proofs.h"

namespace {

int usage(const char* what) {
  std::fprintf(stderr,
               "iommucheck_prove: %s\nusage: iommucheck_prove [--only NAME] [--no-twins] "
               "[--smt2 DIR]\n",
               what);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace iommucheck::proofs;
  Options options;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--no-twins") == 0) {
      options.twins = false;
    } else if (std::strcmp(argv[i], "--only") == 0 && has_value) {
      options.only = argv[++i];
    } else if (std::strcmp(argv[i], "--smt2") == 0 && has_value) {
      options.query_directory = argv[++i];
    } else {
      return usage(argv[i]);
    }
  }
  options.report = [](const ProofResult& r) {
    std::printf("%s\n", describe(r).c_str());
    if (r.verdict == Verdict::refuted) std::printf("%s", describe_counterexample(r).c_str());
    std::fflush(stdout);
  };
  const auto results = run_proofs(options);
  if (results.empty()) return usage("no proof has such a name");
  unsigned failed = 0;
  for (const ProofResult& r : results) failed += r.as_expected() ? 0 : 1;
  std::printf("%zu as expected, %u not\n", results.size() - failed, failed);
  return failed == 0 ? 0 : 1;
}
