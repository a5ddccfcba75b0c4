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
  static constexpr std::string_view general[] = {
      "an allocation of this call failed",
      "it would wait for the handler that it is called from",
      "its device vanished while it waited for a handler",
      "no IOMMU behind the device",
      "no such device",
      "no such domain",
      "no such domain, or none that can map",
      "no such io_mm",
      "no such object",
      "no such queue",
      "no such token",
      "the command queue was stuck",
      "unaligned",
  };
  return reason.empty() || std::ranges::find(general, reason) != std::end(general);
}

/// A status, and why it is the answer. Which scenario shows it, or why none does, is said by
/// `iommucheck scenario --coverage`.
struct PermittedAnswer {
  std::string status;
  bool without_reason = false;  ///< or for one that goes without saying
  std::vector<std::string> reasons;
};

/// By their status, in the order in which each comes first. "ok" needs no reason.
std::vector<PermittedAnswer> answers_of(std::string_view call,
                                        std::span<const CoverageLine> lines) {
  std::vector<PermittedAnswer> answers;
  for (const CoverageLine& line : lines) {
    if (line.call != call || line.beside) continue;
    const std::size_t colon = line.answer.find(": ");
    const std::string status = line.answer.substr(0, colon);
    std::string reason = colon == std::string::npos ? std::string() : line.answer.substr(colon + 2);
    auto at = std::ranges::find(answers, status, &PermittedAnswer::status);
    if (at == answers.end()) at = answers.insert(at, {.status = status, .reasons = {}});
    if (status == "ok" || goes_without_saying(reason)) {
      at->without_reason = true;
    } else if (std::ranges::find(at->reasons, reason) == at->reasons.end()) {
      at->reasons.push_back(std::move(reason));
    }
  }
  return answers;
}

/// What is left of `answers` without those of `other`; all, where `other` has one that they lack.
std::vector<PermittedAnswer> beyond(const std::vector<PermittedAnswer>& answers,
                                    const std::vector<PermittedAnswer>& other) {
  std::vector<PermittedAnswer> rest = answers;
  for (const PermittedAnswer& its : other) {
    const auto at = std::ranges::find(rest, its.status, &PermittedAnswer::status);
    if (at == rest.end() || at->without_reason < its.without_reason) return answers;
    if (its.without_reason) at->without_reason = false;
    for (const std::string& reason : its.reasons) {
      if (std::erase(at->reasons, reason) == 0) return answers;
    }
  }
  return rest;
}

/// Of a call that is "as map" those of map are not told again.
std::vector<PermittedAnswer> told_of(const trace::CallInfo& call,
                                     std::span<const CoverageLine> lines) {
  std::vector<PermittedAnswer> answers = answers_of(call.name, lines);
  if (!call.text.starts_with("as ")) return answers;
  return beyond(answers, answers_of(call.text.substr(3), lines));
}

std::string chapter_of(const trace::CallInfo& call, const std::string& arguments,
                       std::span<const CoverageLine> lines) {
  std::string text =
      fmt::format("`{}({})` → {}: {}.\n", call.name, arguments, to_string(call.result), call.text);
  std::string plain, told;
  for (const auto& [status, without_reason, reasons] : told_of(call, lines)) {
    if (without_reason) plain += fmt::format("{}{}", plain.empty() ? "- " : ", ", status);
    if (!reasons.empty()) told += fmt::format("- {}: {}\n", status, fmt::join(reasons, "; "));
  }
  if (!plain.empty()) plain += '\n';
  return text + (plain.empty() && told.empty() ? "" : "\n") + plain + told;
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
