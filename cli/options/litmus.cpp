// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_litmus(Commands& commands) {
  auto [app, options] =
      commands.add<LitmusOptions>("litmus", "Judge litmus tests: which outcomes may hardware give?",
                                  "  iommucheck litmus litmus/files/*.litmus\n");
  app.add_option("files", options.files, "files of tests")->type_name("FILE");
  app.add_flag("--list-words", options.list_words, "judge nothing: print the words of the format");
  app.add_flag("--list-preludes", options.list_preludes,
               "judge nothing: print what `use NAME` stands for");
  app.add_option("--to-corpus", options.corpus,
                 "judge nothing: write each test as a seed of fuzz_litmus there")
      ->type_name("DIR");
  app.add_flag("-q,--quiet", options.quiet,
               "sets and their reasons only where they differ from what the test expects");
  add_profile(app, options.profile);
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
  commands.refuse(app, [&options]() -> std::string {
    const bool lists = options.list_words || options.list_preludes;
    return options.files.empty() && !lists ? "litmus: files is required" : "";
  });
}

}  // namespace iommucheck::cli
