// SPDX-License-Identifier: MIT
#include "cli/machine_keys.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

namespace iommucheck::cli {
namespace {

/// Keys with commas between: from a file, where # begins a remark, or as they are.
std::string keys_of(const std::string& text) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(text, error)) return text;
  std::ifstream file(text);
  std::string keys;
  for (std::string line; std::getline(file, line);) {
    line.resize(std::min(line.size(), line.find('#')));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c) != 0; });
    if (!line.empty()) keys += (keys.empty() ? "" : ",") + line;
  }
  return keys;
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
