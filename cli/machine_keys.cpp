// SPDX-License-Identifier: MIT
#include "cli/machine_keys.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace iommucheck::cli {
namespace {

bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool is_separator(char c) { return std::string_view("=,/:+").contains(c); }

/// Without blanks at its ends and beside what separates; others are no part of a key or value.
std::string trimmed(const std::string& line) {
  std::string text;
  const auto drop_blanks = [&text] {
    while (!text.empty() && is_blank(text.back())) text.pop_back();
  };
  for (const char c : line) {
    if (is_blank(c) && (text.empty() || is_separator(text.back()))) continue;
    if (is_separator(c)) drop_blanks();
    text += c;
  }
  drop_blanks();
  return text;
}

/// Keys with commas between: from a file, where # begins a remark, or as they are. Of a file that
/// cannot be read or names none, what no machine has, which says so.
std::string keys_of(const std::string& text) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(text, error)) return text;
  std::ifstream file(text);
  std::string keys;
  for (std::string line; std::getline(file, line);) {
    line.resize(std::min(line.size(), line.find('#')));
    line = trimmed(line);
    if (!line.empty()) keys += (keys.empty() ? "" : ",") + line;
  }
  return keys.empty() ? text + ": a file that names no key, or cannot be read" : keys;
}

}  // namespace

std::string with_keys(const std::string& machine, const std::string& keys) {
  return keys.empty() ? machine : machine + "," + keys_of(keys);
}

std::string with_keys(const std::string& machine, const std::string& profile,
                      const std::string& keys) {
  return with_keys(with_keys(machine, profile), keys);
}

}  // namespace iommucheck::cli
