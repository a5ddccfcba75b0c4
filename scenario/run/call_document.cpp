// SPDX-License-Identifier: MIT
#include "scenario/run/call_document.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "trace/event.h"

namespace iommucheck::oracle::stories {
namespace {

template <class Call>
std::string arguments_of() {
  std::string text;
  Call call{};
  for_each_field(call, [&](const trace::FieldInfo& field, auto&) {
    text +=
        fmt::format("{}{}{}", text.empty() ? "" : ", ", field.name, field.may_be_absent ? "?" : "");
  });
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
  const auto add = [&]<std::size_t i>() {
    const trace::CallInfo& call = trace::call_table[i];
    if (!call.built) return;
    using Call = std::variant_alternative_t<i, trace::CallVariant>;
    chapters.push_back({std::string(call.name), chapter_of(call, arguments_of<Call>(), lines)});
  };
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (add.template operator()<i>(), ...);
  }(std::make_index_sequence<std::variant_size_v<trace::CallVariant>>{});
  return chapters;
}

}  // namespace iommucheck::oracle::stories
