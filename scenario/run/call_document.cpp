// SPDX-License-Identifier: MIT
#include "scenario/run/call_document.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "trace/members.h"

namespace iommucheck::oracle::stories {
namespace {

std::string arguments_of(trace::CallName call) {
  std::string text;
  for (const auto& [field, offset, type] : trace::fields_of(call)) {
    text +=
        fmt::format("{}{}{}", text.empty() ? "" : ", ", field.name, field.may_be_absent ? "?" : "");
  }
  return text;
}

/// What calls answer for this reason in general: docs/interface.md says it once.
bool goes_without_saying(std::string_view reason) {
  static constexpr std::string_view general[] = {"an allocation of this call failed",
                                                 "the command queue was stuck",
                                                 "no IOMMU behind the device", "no such device"};
  return std::ranges::find(general, reason) != std::end(general);
}

/// Behind its reason, if it has one to tell: which scenario shows the answer. Why none does is said
/// by `iommucheck scenario --coverage`.
std::string case_of(const std::string& reason, const CoverageLine& line) {
  const std::string shown = line.shown.empty() ? "none" : line.shown;
  return reason.empty() || goes_without_saying(reason) ? shown
                                                       : fmt::format("{} ({})", reason, shown);
}

/// A status, and the cases in which it is the answer: what two of them say alike is said once.
struct StatusCases {
  std::string status;
  std::vector<std::string> cases;
};

/// By their status, in the order in which each comes first.
std::vector<StatusCases> answers_of(std::string_view call, std::span<const CoverageLine> lines) {
  std::vector<StatusCases> answers;
  for (const CoverageLine& line : lines) {
    if (line.call != call || line.beside) continue;
    const std::size_t colon = line.answer.find(": ");
    const std::string status = line.answer.substr(0, colon);
    const std::string reason =
        colon == std::string::npos ? std::string() : line.answer.substr(colon + 2);
    auto at = std::ranges::find(answers, status, &StatusCases::status);
    if (at == answers.end()) at = answers.insert(at, {.status = status, .cases = {}});
    std::string its = case_of(reason, line);
    if (std::ranges::find(at->cases, its) == at->cases.end()) at->cases.push_back(std::move(its));
  }
  return answers;
}

std::string chapter_of(const trace::CallInfo& call, const std::string& arguments,
                       std::span<const CoverageLine> lines) {
  std::string text = fmt::format("`{}({})` → {}: {}.\n\n", call.name, arguments,
                                 to_string(call.result), call.text);
  for (const auto& [status, cases] : answers_of(call.name, lines)) {
    text += fmt::format("- {}: {}\n", status, fmt::join(cases, "; "));
  }
  return text;
}

}  // namespace

std::vector<CallChapter> call_chapters(std::span<const CoverageLine> lines) {
  std::vector<CallChapter> chapters;
  for (const trace::CallInfo& call : trace::call_table) {
    if (!call.built) continue;
    chapters.push_back({std::string(call.name), chapter_of(call, arguments_of(call.call), lines)});
  }
  return chapters;
}

}  // namespace iommucheck::oracle::stories
