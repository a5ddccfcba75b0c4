// SPDX-License-Identifier: MIT
// Commands whose libraries are not part of this build (cli/CMakeLists.txt) say so.
#include "cli/console.h"
#include "cli/options.h"

namespace iommucheck::cli {

[[maybe_unused]] static int not_built(const char* command) {
  return report(command, {ErrorCode::environment, "is not part of this build"});
}

#ifdef IOMMUCHECK_WITHOUT_CHECK
int run_check(const CheckCommand&) { return not_built("check"); }
#endif
#ifdef IOMMUCHECK_WITHOUT_REPLAY
int run_replay(const ReplayCommand&) { return not_built("replay"); }
#endif
#ifdef IOMMUCHECK_WITHOUT_PROVE
int run_prove(const ProveCommand&) { return not_built("prove"); }
#endif

}  // namespace iommucheck::cli
