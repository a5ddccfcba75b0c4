// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "check/driver_program.h"
#include "cli/console.h"
#include "cli/options.h"
#include "conform/case_libqos.h"
#include "conform/case_program.h"
#include "conform/case_qtest.h"
#include "conform/case_rust.h"
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

/// In the form that was asked for; of a driver's trace there is a program in C.
Expected<std::string> exported(const trace::Trace& trace, const ExportCommand& options) {
  const std::string words = about(trace, options.trace);
  if (oracle::is_of_driver(trace)) {
    if (options.form == "c") return oracle::driver_program(trace, words);
    return fail(ErrorCode::bad_input, "a finding of check: --as c is the form for it");
  }
  if (options.form == "qtest") return oracle::case_qtest(trace, words);
  if (options.form == "libqos") return oracle::case_libqos(trace, words);
  if (options.form == "rust") return oracle::case_rust(trace, words);
  return oracle::case_program(trace, words);
}

}  // namespace

int run_export(const ExportCommand& options) {
  const auto trace = trace::read_trace(options.trace);
  if (!trace) return report("export", trace.error());
  const auto text = exported(*trace, options);
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
