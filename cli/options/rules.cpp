// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_rules(Commands& commands) {
  auto [app, options] =
      commands.add<RulesCommand>("rules", "The catalogue: what is checked, and who must keep it",
                                 "  iommucheck rules --family page-reuse\n");
  app.add_option("names", options.names, "only these")->type_name("RULE");
  app.add_option("--family", options.family, "only of this family")->type_name("FAMILY");
  app.add_option("--keeper", options.keeper, "only those that this party must keep")
      ->type_name("PARTY");
  CLI::Option* choices = app.add_flag(
      "--choices", options.choices,
      "in their place what the architecture leaves open and a profile may fix, and where "
      "implementations are known to differ from it; docs/profiles.md");
  choices->excludes("--family")->excludes("--keeper")->excludes("names");
  add_format(app, options.format);
}

void add_explain(Commands& commands) {
  auto [app, options] = commands.add<ExplainCommand>(
      "explain", "Explain a rule, or draw what memory says at a line of a trace",
      "  iommucheck explain PAGE_REUSE\n"
      "  iommucheck explain out/finding-PAGE_REUSE-1.trace.jsonl:120 0x1 0x4000\n"
      "  iommucheck explain --html out/finding-PAGE_REUSE-1.trace.jsonl >page.html\n");
  app.add_option("what", options.what,
                 "a rule's name, or a trace; without :LINE up to its first finding")
      ->required()
      ->type_name("RULE|TRACE[:LINE]");
  app.add_option("stream", options.stream, "what an access of this stream may meet, with reasons")
      ->type_name("SID[.PASID]");
  app.add_option("address", options.va, "the input address of that access")->type_name("VA");
  app.add_option("--backend", options.backend,
                 "whose trace it is, of check --backend. Default: two, if that is what it names")
      ->type_name("BACKEND");
  app.add_flag("--html", options.html,
               "a page (on stdout) of a trace: its finding, what caches may have held, and memory "
               "step by step");
  commands.refuse(app, [&options]() -> std::string {
    return options.html && !options.stream.empty()
               ? "--html draws all of the trace: leave stream and address out"
               : "";
  });
}

void add_prove(Commands& commands) {
  auto [app, options] =
      commands.add<ProveCommand>("prove", "Prove the pure part; refute its broken twins",
                                 "  iommucheck prove --only coverage\n");
  app.add_option("--only", options.only, "proofs with this in their name")->type_name("NAME");
  app.add_flag("--no-twins", options.no_twins, "leave the broken twins out");
  app.add_option("--smt2", options.smt2, "write each query there")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  add_format(app, options.format);
}

}  // namespace iommucheck::cli
