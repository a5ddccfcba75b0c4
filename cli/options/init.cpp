// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_init(Commands& commands) {
  auto [app, options] = commands.add<InitCommand>(
      "init", "Begin: a driver, a device or a backend that builds and is judged, or a CI for it",
      "  iommucheck init driver mine && sh mine/build.sh && sh mine/check.sh\n"
      "  iommucheck init ci mine\n");
  app.add_option("kind", options.kind,
                 "a plug-in behind driver.h, device.h or backend.h, complete and right; or ci: "
                 "workflows for GitHub and GitLab over build.sh and check.sh")
      ->required()
      ->check(CLI::IsMember({"driver", "device", "backend", "ci"}).description(""))
      ->type_name("driver|device|backend|ci");
  app.add_option("folder", options.folder,
                 "where to, made if there is none; nothing that is there is overwritten")
      ->type_name("DIR")
      ->default_str(".");
}

}  // namespace iommucheck::cli
