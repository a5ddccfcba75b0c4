// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_matrix(Commands& commands) {
  auto [app, options] = commands.add<MatrixCommand>(
      "matrix", "Each driver against each device: whose fault a difference is",
      "  iommucheck matrix --driver builtin --driver ./mine.so --device fast --device qemu\n");
  takes_one_each_time(
      *app.add_option("--driver", options.drivers,
                      "builtin, builtin-per-device, or the path of a plug-in; several times")
           ->type_name("DRIVER")
           ->required());
  takes_one_each_time(*app.add_option("--device", options.devices,
                                      "as conform has it; several times. spec, the specification "
                                      "as a device, is always there")
                           ->type_name("DEVICE")
                           ->required());
  app.add_option("--runs", options.runs, "random sequences of each pair")
      ->type_name("N")
      ->check(whole(1, u64{1} << 20))
      ->capture_default_str();
  app.add_option("--seed", options.seed,
                 "all randomness comes from it; drawn and printed if absent")
      ->type_name("N")
      ->check(whole());
  app.add_option("--corpus", options.corpus, "sequences of this folder of check come first")
      ->type_name("DIR");
  app.add_option("--out", options.out, "folder for traces of what devices do wrong")
      ->type_name("DIR");
  app.add_option("--hang", options.hang_seconds,
                 "a device of one's own that gives no answer for so long hangs")
      ->type_name("SECONDS")
      ->check(seconds_of_a_hang())
      ->capture_default_str();
  add_format(app, options.format);
}

}  // namespace iommucheck::cli
