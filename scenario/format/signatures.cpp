// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/call_arguments.h"
#include "scenario/format/check.h"

namespace iommucheck::scenario {
namespace {

struct Entry {
  Signature signature;
  std::string letters;
};

/// The letter of calls.def for an argument.
char letter_of(CallArgument argument) {
  using enum CallArgument;
  switch (argument) {
    case domain: return 'D';
    case device: return 'V';
    case mm: return 'm';
    case io_mm: return 'I';
    case token: return 'K';
    case queue: return 'Q';
    case iova:
    case size:
    case drvdata:
    case min_pasid:
    case max_pasid:
    case depth:
    case fault_group:
    case grain: return 'n';
    case pasid: return 'q';
    case pa: return 'p';
    case rights: return 'r';
    case flags: return 'g';
    case features: return 'f';
    case pieces: return 's';
    case commands: return 'c';
    case number: return 'n';
    case kind: return 'w';
    case mm_exit: return 'x';
    case attribute: return 'a';
    case response: return 'u';
    case present: return 'b';
    case on: return 'o';
    case clear: return 'e';
    case other: break;
  }
  return '*';
}

/// A scenario leaves out the caller's word.
std::string written_form(const CallShape& shape) {
  std::string letters;
  for (const auto& argument : shape.arguments) {
    if (argument == CallArgument::drvdata) letters += '/';
    if (argument) letters += letter_of(*argument);
  }
  return letters;
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<std::pair<std::string_view, std::string>> written = {
#define CALL(name, arguments) {#name, arguments},
#include "scenario/format/calls.def"
#undef CALL
    };
    for (const CallShape& shape : call_shapes) {
      const auto is_it = [&](const auto& form) { return form.first == shape.name; };
      if (std::ranges::none_of(written, is_it))
        written.emplace_back(shape.name, written_form(shape));
    }
    std::vector<Entry> list(written.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string_view text = written[i].second;
      const std::size_t slash = std::min(text.find('/'), text.size());
      list[i].letters = std::string(text.substr(0, slash));
      if (slash < text.size()) list[i].letters += text.substr(slash + 1);
      list[i].signature = {written[i].first, list[i].letters, slash};
    }
    return list;
  }();
  return all;
}

}  // namespace

const Signature* find_call(std::string_view name) {
  for (const Entry& entry : entries()) {
    if (entry.signature.name == name) return &entry.signature;
  }
  return nullptr;
}

}  // namespace iommucheck::scenario
