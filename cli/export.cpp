// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "cli/console.h"
#include "cli/options.h"
#include "conform/case_program.h"
#include "conform/case_qtest.h"
#include "spec/rules.h"
#include "trace/file.h"
#include "trace/trace_file.h"

namespace iommucheck::cli {

namespace {

/// What its header says that the trace shows.
std::string about(const trace::Trace& trace, const std::string& path) {
  std::string text = path;
  if (!trace.header.about) return text;
  const auto name = trace.header.about->find("case");
  if (name != trace.header.about->end()) text += "\nOf the case: " + name->second;
  const auto asks = trace.header.about->find("asks");
  if (asks == trace.header.about->end()) return text;
  text += "\nIt asks for " + asks->second;
  if (const auto rule = spec::find_rule(asks->second)) {
    const spec::RuleInfo& info = spec::rule_info(*rule);
    text += fmt::format(" [{}]: {}", info.section, info.text);
  }
  return text;
}

}  // namespace

int run_export(const ExportCommand& options) {
  const auto trace = trace::read_trace(options.trace);
  if (!trace) return report("export", trace.error());
  const std::string words = about(*trace, options.trace);
  const auto text = options.form == "qtest" ? oracle::case_qtest(*trace, words)
                                            : oracle::case_program(*trace, words);
  if (!text) return report("export", text.error());
  if (options.out.empty()) {
    fmt::print("{}", *text);
    return 0;
  }
  if (const auto written = trace::write_file(options.out, *text); !written) {
    return report("export", written.error());
  }
  return 0;
}

}  // namespace iommucheck::cli
