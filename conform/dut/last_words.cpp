// SPDX-License-Identifier: MIT
#include "conform/dut/last_words.h"

#include <regex>

namespace iommucheck::oracle {

namespace {

constexpr std::size_t shown_max = 300;

}  // namespace

std::string last_lines(std::string_view printed) {
  std::string shown;
  std::string_view rest = printed;
  while (!rest.empty() && shown.size() < shown_max) {
    const std::size_t at = rest.rfind('\n');
    std::string line(at == std::string_view::npos ? rest : rest.substr(at + 1));
    rest = at == std::string_view::npos ? std::string_view() : rest.substr(0, at);
    for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    line.erase(0, line.find_first_not_of(' '));
    if (line.empty()) continue;
    if (!shown.empty() && line.size() + shown.size() > shown_max) break;
    if (line.size() > shown_max) line.resize(shown_max);
    shown = shown.empty() ? line : line + " | " + shown;
  }
  return shown;
}

std::string source_place(std::string_view printed) {
  static const std::regex place(
      R"(([A-Za-z0-9_][A-Za-z0-9_./-]*\.(?:c|cc|cpp|cxx|h|hh|hpp|rs|go|py|js|zig|sv)):([0-9]+))");
  const std::string text(printed);
  std::string last;
  for (std::sregex_iterator at(text.begin(), text.end(), place), end; at != end; ++at) {
    last = (*at)[1].str() + ":" + (*at)[2].str();
  }
  return last;
}

}  // namespace iommucheck::oracle
