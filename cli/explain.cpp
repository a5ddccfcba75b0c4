// SPDX-License-Identifier: MIT
// iommucheck explain RULE, and explain TRACE[:LINE] [SID[.PASID] VA].
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/console.h"
#include "cli/explain_rule.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/trace_backend.h"
#include "explain/explain_trace.h"
#include "explain/timeline.h"
#include "report/html.h"
#include "spec/rules.h"

namespace iommucheck::cli {
namespace {

/// "5" or "5.3": a StreamID, and a SubstreamID of at most 20 bits.
Expected<oracle::ExplainedAccess> access_of(const std::string& stream, const std::string& va) {
  const std::size_t dot = stream.find('.');
  const auto sid = parse_number(std::string_view(stream).substr(0, dot));
  if (!sid || *sid > 0xffffffffU) {
    return fail(ErrorCode::bad_input,
                fmt::format("'{}' is no StreamID: SID or SID.PASID, as in 0x10 or 0x10.3", stream));
  }
  oracle::ExplainedAccess access{.sid = static_cast<u32>(*sid), .pasid = {}, .va = 0};
  if (dot != std::string::npos) {
    const auto pasid = parse_number(std::string_view(stream).substr(dot + 1));
    if (!pasid || *pasid > 0xfffff) {
      return fail(ErrorCode::bad_input,
                  fmt::format("'{}': a PASID has 20 bits, as in {:#x}.3", stream, *sid));
    }
    access.pasid = static_cast<u32>(*pasid);
  }
  const auto address = parse_number(va);
  if (!address) return fail(ErrorCode::bad_input, fmt::format("'{}' is no address", va));
  access.va = *address;
  return access;
}

bool exists(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown);
}

/// How many letters one takes away, adds or replaces to make the one of the other.
std::size_t slips_between(std::string_view one, std::string_view other) {
  std::vector<std::size_t> costs(other.size() + 1);
  std::iota(costs.begin(), costs.end(), std::size_t{0});
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = std::exchange(costs[0], i + 1);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t replaced = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = costs[j + 1];
      costs[j + 1] = std::min({replaced, diagonal + 1, costs[j] + 1});
    }
  }
  return costs.back();
}

/// The rule that may have been meant; empty: none is near.
std::string_view rule_near(std::string_view what) {
  constexpr std::size_t slips = 3;
  std::string_view nearest;
  std::size_t least = std::min(slips, what.size() / 3) + 1;
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    const std::size_t its = slips_between(what, rule.name);
    if (its >= least) continue;
    least = its;
    nearest = rule.name;
  }
  return nearest;
}

/// What was asked for is not there.
Error nowhere(const std::string& what) {
  if (what.contains('/')) return {ErrorCode::bad_input, what + ": there is no such file"};
  std::string text = what +
                     " is neither a rule (`iommucheck rules` has them all) nor a trace: there is "
                     "no such file";
  if (const auto near = rule_near(what); !near.empty()) text += fmt::format("; {} is a rule", near);
  return {ErrorCode::bad_input, std::move(text)};
}

/// Splits off ":LINE"; a name without it is a trace as a whole.
Expected<oracle::ExplainTrace> trace_of(const ExplainCommand& options) {
  oracle::ExplainTrace what;
  what.trace = options.what;
  const std::size_t colon = options.what.rfind(':');
  if (colon != std::string::npos && !exists(options.what)) {
    const std::string number = options.what.substr(colon + 1);
    const auto line = parse_number(number);
    what.trace = options.what.substr(0, colon);
    if (exists(what.trace) && (!line || *line == 0)) {
      return fail(
          ErrorCode::bad_input,
          fmt::format("'{}' is no line of {}: TRACE:LINE, counted from 1", number, what.trace));
    }
    if (line) what.line = *line;
  }
  if (!exists(what.trace)) return std::unexpected(nowhere(options.what));
  auto hardware = hardware_of_trace(what.trace, options.backend);
  if (!hardware) return std::unexpected(std::move(hardware.error()));
  what.hardware = std::move(*hardware);
  if (options.stream.empty()) return what;
  if (options.va.empty()) {
    return fail(ErrorCode::bad_input, "an address is missing: explain TRACE[:LINE] SID[.PASID] VA");
  }
  auto access = access_of(options.stream, options.va);
  if (!access) return std::unexpected(access.error());
  what.access = *access;
  return what;
}

/// The trace as a page. Exit status 0: it is explained, whatever it shows.
int print_page(const ExplainCommand& options) {
  if (spec::find_rule(options.what)) {
    return report("explain",
                  {ErrorCode::bad_input, options.what + " is a rule: --html is for traces"});
  }
  if (!exists(options.what)) return report("explain", nowhere(options.what));
  auto hardware = hardware_of_trace(options.what, options.backend);
  if (!hardware) return report("explain", hardware.error());
  auto found = oracle::timeline_of({.trace = options.what, .event = {}, .hardware = *hardware});
  if (!found) return report("explain", found.error());
  oracle::Report page = report_of("explain", options.what, {});
  if (found->finding) {
    page.verdict = Verdict::violated;
    page.findings.push_back(std::move(*found->finding));
  } else {
    page.summary = "no rule is broken in this trace";
  }
  page.trace = options.what;
  fmt::print("{}", oracle::to_html(page, std::span(&found->timeline, 1)));
  return exit_held;
}

}  // namespace

int run_explain(const ExplainCommand& options) {
  if (options.html) return print_page(options);
  Expected<std::string> text = std::string();
  if (const auto rule = spec::find_rule(options.what); rule && options.stream.empty()) {
    text = explain_rule(*rule);
  } else if (auto what = trace_of(options); !what) {
    return report("explain", what.error());
  } else {
    text = oracle::explain_trace(*what);
  }
  if (!text) return report("explain", text.error());
  fmt::print("{}", *text);
  return exit_held;
}

}  // namespace iommucheck::cli
