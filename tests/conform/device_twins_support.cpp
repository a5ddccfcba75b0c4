// SPDX-License-Identifier: MIT
#include "tests/conform/device_twins_support.h"

#include <fstream>

namespace iommucheck::oracle {
namespace {

std::string trimmed(std::string text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::vector<DeviceTwin> listed_twins() {
  std::vector<DeviceTwin> all;
  std::ifstream file(test::in_tree("tests/device_twins/found.list"));
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> parts;
    for (std::size_t at = 0; at != std::string::npos;) {
      const std::size_t end = parts.size() == 4 ? std::string::npos : line.find('|', at);
      parts.push_back(trimmed(line.substr(at, end - at)));
      at = end == std::string::npos ? end : end + 1;
    }
    if (parts.size() == 3) {
      all.push_back({.id = parts[0], .rule = {}, .only = parts[2]});
    } else if (parts.size() == 5) {
      all.push_back({parts[0], std::stoull(parts[1]), parts[2], std::stoul(parts[3]), parts[4]});
    }
  }
  return all;
}

}  // namespace iommucheck::oracle
