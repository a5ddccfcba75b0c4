// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_cc(Commands& commands) {
  auto [app, options] = commands.add<CcCommand>(
      "cc", "Compile a plug-in so that its plain stores are seen one by one (clang)",
      "  iommucheck cc -shared -o mine.so mine.c && iommucheck check --driver ./mine.so\n");
  // They do not come here: parse() hands them over as they are, in their order.
  app.add_option("arguments", options.arguments, "for the compiler, as they are")
      ->type_name("ARGS")
      ->required();
}

void add_bench(Commands& commands) {
  auto [app, options] =
      commands.add<BenchCommand>("bench", "Run the benchmarks", "  iommucheck bench --only api\n");
  // Those with hyphens are none of ours.
  app.add_option("arguments", options.arguments, "for Google Benchmark")->type_name("ARGS");
  app.prefix_command();
  app.callback([&commands, &app, &options] {
    BenchCommand all = options;
    const auto remaining = app.remaining();
    all.arguments.insert(all.arguments.end(), remaining.begin(), remaining.end());
    commands.choose(all);
  });
}

}  // namespace iommucheck::cli
