// SPDX-License-Identifier: MIT
// A question of one line, and its answer.
#include "cli/ask.h"

#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "cli/litmus_result.h"
#include "cli/verdicts.h"
#include "litmus/ask.h"

namespace iommucheck::cli {
namespace {

void print_json(const std::vector<LitmusResult>& results, const oracle::RunEnd& end) {
  JsonWriter json;
  json.begin_object().member("ask", "access").key("answers").begin_array();
  for (const LitmusResult& result : results) write_json(json, result);
  json.end_array();
  end_json(json, end);
}

int answer_access(const AskCommand& options) {
  std::string asked = options.question;
  if (asked == "-") asked.assign(std::istreambuf_iterator<char>(std::cin), {});
  const litmus::Question question(asked);
  auto file = question.read();
  if (!file) return report("ask", file.error());
  oracle::RunEnd end;
  std::vector<LitmusResult> results;
  for (litmus::Test& test : file->tests) {
    state_profile(test, options.profile);
    const auto got = litmus::judge_by_either(test);
    if (!got) return report("ask", question.placed(got.error()));
    results.push_back(result_of(test, *got));
    const LitmusResult& result = results.back();
    if (!result.unsupported.empty()) {
      end.undecided("the specification has not got what is asked about: " + result.unsupported);
    } else if (!result.passed()) {
      end.found();  // a set that was said is another
    }
  }
  if (options.format == Format::json) {
    print_json(results, end);
  } else {
    for (const LitmusResult& result : results) print_answer(result);
  }
  return finish("ask", end);
}

}  // namespace

int run_ask(const AskCommand& options) {
  if (!options.hitless.empty()) return answer_hitless(options);
  if (!options.ste.empty() || !options.cd.empty()) return answer_legality(options);
  return answer_access(options);
}

}  // namespace iommucheck::cli
