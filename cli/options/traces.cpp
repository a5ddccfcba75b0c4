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
      "export", "Write a finding as a program or a test that runs without iommucheck",
      "  iommucheck export out/finding-PAGE_REUSE-1.trace.jsonl -o finding.c\n"
      "  iommucheck export out/mine/mymodel-1/NAME.jsonl -o case.c\n"
      "  iommucheck export --as rust out/mine/mymodel-1/NAME.jsonl -o case.rs\n"
      "  iommucheck export --as qtest data/known/qemu-7.2/global-nh-va.jsonl -o case.sh\n");
  app.add_option("trace", options.trace, "a trace that check or conform wrote")
      ->required()
      ->type_name("TRACE")
      ->check(readable());
  app.add_option("--as", options.form,
                 "c: over iommucheck/driver.h or device.h; of conform, too: rust: a #[test] over "
                 "the crate in "
                 "rust/; libqos: a test of QEMU's tree; qtest: a script for QEMU")
      ->type_name("FORM")
      ->check(CLI::IsMember({"c", "rust", "libqos", "qtest"}))
      ->capture_default_str();
  app.add_option("-o,--output", options.out, "the program; without it stdout")->type_name("FILE");
}

}  // namespace iommucheck::cli
