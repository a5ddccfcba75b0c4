// SPDX-License-Identifier: MIT
#include "scenario/run/call_document.h"

#include <fmt/format.h>

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

std::string shown_by(const CoverageLine& line) {
  return line.shown.empty() ? "none: " + line.why : line.shown;
}

std::string chapter_of(const trace::CallInfo& call, const std::string& arguments,
                       std::span<const CoverageLine> lines) {
  std::string text = fmt::format("`{}({})` → {}: {}.\n\n| answer | shown by |\n|---|---|\n",
                                 call.name, arguments, to_string(call.result), call.text);
  std::string beside;
  for (const CoverageLine& line : lines) {
    if (line.call != call.name) continue;
    if (!line.beside) {
      text += fmt::format("| {} | {} |\n", line.answer, shown_by(line));
    } else if (!line.shown.empty()) {
      beside += fmt::format("{}{} ({})", beside.empty() ? "" : ", ", line.answer, line.shown);
    }
  }
  if (!beside.empty()) text += fmt::format("\nAlso seen {}.\n", beside);
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
