// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_ask(Commands& commands) {
  auto [app, options] = commands.add<AskCommand>(
      "ask",
      "One question: what may an access reach, is this STE or CD legal, what may be seen "
      "between two of them?",
      "  iommucheck ask 'use std; store word B 1 0; barrier; access 1 0x1000 r'\n"
      "  iommucheck ask --ste 0xb --cd 0 --smmu s1p=1 --format json\n"
      "  iommucheck ask --hitless 0x1 0x8000000b,0x10000000 --order 1,sync,0,sync\n"
      "Of ask: 0 it is answered, whatever the answer; 1 a set that the question names is another; "
      "2 it cannot be read, or asks for what the specification has not got.\n");
  app.add_option("question", options.question,
                 "lines of a litmus test, with ; between; - reads them from standard input; their "
                 "words: iommucheck litmus --list-words and --list-preludes")
      ->type_name("QUESTION");
  app.add_option("--ste", options.ste,
                 "words of an STE, from the first on: what it says, whether it is legal, and by "
                 "which sentence")
      ->type_name("WORD,...");
  app.add_option("--cd", options.cd, "words of a CD, under the STE of --ste or one of stage 1")
      ->type_name("WORD,...");
  app.add_option("--hitless", options.hitless,
                 "two STEs, OLD and NEW: what a fetch may meet while one becomes the other")
      ->type_name("WORD,...")
      ->expected(2)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option(
         "--order", options.order,
         "with --hitless: the steps, with commas between: N stores word N of NEW, N+M both by one "
         "store of 16 bytes, N=VALUE another value, barrier, sync (barrier, CFGI, CMD_SYNC). "
         "Without it "
         "the shortest that is hitless, if there is one")
      ->type_name("STEP,...");
  app.add_option_function<std::string>(
         "--of", [&options](const std::string& name) { options.of_cds = name == "cd"; },
         "with --hitless: what the words are of (default: ste)")
      ->check(CLI::IsMember({"ste", "cd"}).description(""))
      ->type_name("ste|cd");
  app.add_option("--machine", options.machine, "whose ID registers decide, as `check` has it")
      ->type_name("MACHINE")
      ->capture_default_str();
  add_profile(app, options.profile);
  app.add_option("--smmu", options.smmu, "what of it is otherwise, or a file of such lines")
      ->type_name("FILE|KEY=VALUE,...");
  add_format(app, options.format);
  commands.refuse(app, [&app, &options]() -> std::string {
    const bool words = !options.ste.empty() || !options.cd.empty() || !options.hitless.empty();
    const bool question = app.count("question") != 0;
    if (!question && !words) return "a question is required, or --ste, --cd or --hitless";
    if (question && words) return "a question in words, or --ste, --cd or --hitless: not both";
    if (options.hitless.empty() && (!options.order.empty() || options.of_cds)) {
      return "--order and --of go with --hitless";
    }
    if (!options.hitless.empty() &&
        (!options.cd.empty() || (!options.ste.empty() && !options.of_cds))) {
      return "--hitless has its words itself; --ste says by which STE CDs are reached (--of cd)";
    }
    return {};
  });
}

}  // namespace iommucheck::cli
