// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_import(Commands& commands) {
  auto [app, options] = commands.add<ImportCommand>(
      "import", "Convert a recording of a real driver to a trace",
      "  iommucheck import recording.zst -o recording.trace.jsonl.zst\n");
  app.add_option("file", options.file, "smmu-watch-1: plain, .gz or .zst")
      ->required()
      ->type_name("FILE")
      ->check(readable());
  app.add_option("-o,--output", options.output, "the trace; compressed by its name's end")
      ->required()
      ->type_name("TRACE");
  app.add_option("--assumed-clean", options.assumed_clean,
                 "whether caches hold nothing stale where it begins (true or false)")
      ->type_name("BOOL");
}

void add_export(Commands& commands) {
  auto [app, options] = commands.add<ExportCommand>(
      "export", "Write a trace of conform as a program that runs by itself",
      "  iommucheck export out/mine/mymodel-1/NAME.jsonl -o case.c\n"
      "  iommucheck export --as qtest data/known/qemu-7.2/global-nh-va.jsonl -o case.sh\n");
  app.add_option("trace", options.trace, "a trace that conform wrote")
      ->required()
      ->type_name("TRACE")
      ->check(readable());
  app.add_option("--as", options.form,
                 "c: for a device behind iommucheck/device.h; qtest: a script for QEMU")
      ->type_name("FORM")
      ->check(CLI::IsMember({"c", "qtest"}))
      ->capture_default_str();
  app.add_option("-o,--output", options.out, "the program; without it stdout")->type_name("FILE");
}

}  // namespace iommucheck::cli
