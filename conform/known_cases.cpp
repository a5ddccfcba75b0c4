// SPDX-License-Identifier: MIT
#include "conform/known_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace iommucheck::oracle {

Expected<KnownCases> KnownCases::of(const KnownFile& known) {
  KnownCases cases;
  const std::string path =
      std::filesystem::path(known.path).replace_extension().string() + "/cases.list";
  std::ifstream file(path);
  u64 number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t tab = line.find('\t');
    const std::string name = line.substr(0, tab);
    cases.ran(name);
    std::istringstream ids(tab == std::string::npos ? std::string() : line.substr(tab + 1));
    for (std::string id; ids >> id;) {
      const bool there = std::ranges::any_of(
          known.entries, [&](const KnownFinding& entry) { return entry.id == id; });
      if (!there) {
        return fail(ErrorCode::bad_input,
                    fmt::format("{}:{}: {} has no entry '{}'", path, number, known.path, id));
      }
      cases.shows(name, id);
    }
  }
  return cases;
}

bool KnownCases::was_right(const std::string& name, const std::string& id) const {
  const auto its = shown_.find(name);
  return its != shown_.end() && !its->second.contains(id);
}

std::string KnownCases::text() const {
  std::string text =
      "# Directed cases, and which of the known divergences each shows: made by conform --out.\n";
  for (const auto& [name, ids] : shown_) {
    text += name;
    for (const std::string& id : ids) text += (id == *ids.begin() ? "\t" : " ") + id;
    text += '\n';
  }
  return text;
}

}  // namespace iommucheck::oracle
