// SPDX-License-Identifier: MIT
#include "scenario/parser.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenario/check.h"
#include "scenario/read_step.h"
#include "scenario/tokens.h"

namespace iommucheck::scenario {
namespace {

constexpr std::uintmax_t file_max = std::uintmax_t{16} << 20;

/// Words between blanks.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return words;
    const auto end = std::min(text.find_first_of(" \t\r", first), text.size());
    words.push_back(text.substr(first, end - first));
    text.remove_prefix(end);
  }
}

/// `@ ID KEYS title`.
Expected<Scenario> read_head(std::string_view line, Place place, const File& file) {
  const auto words = words_of(line.substr(1));
  if (words.empty()) {
    return std::unexpected(bad(file.name, place, "@", "expected the ID of the scenario behind it"));
  }
  Scenario scenario;
  scenario.place = place;
  scenario.id = words[0];
  if (words.size() > 1) scenario.keys = words[1];
  for (std::size_t i = 2; i < words.size(); ++i) {
    scenario.title += (i > 2 ? " " : "") + std::string(words[i]);
  }
  for (const Scenario& other : file.scenarios) {
    if (other.id == scenario.id) {
      return std::unexpected(
          bad(file.name, place, scenario.id, "this ID stands twice in the file; rename one"));
    }
  }
  return scenario;
}

}  // namespace

Expected<File> parse_unchecked(std::string_view text, std::string_view name) {
  File file;
  file.name = name;
  u32 number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const auto newline = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, newline - start);
    start = newline + 1;
    ++number;
    const std::string_view content = without_comment(line);
    if (content.empty()) continue;
    const Place place{number, static_cast<u32>(content.data() - line.data() + 1)};
    if (content[0] == '@') {
      auto scenario = read_head(content, place, file);
      if (!scenario) return std::unexpected(scenario.error());
      file.scenarios.push_back(std::move(*scenario));
      continue;
    }
    Cursor cursor(tokens_of(line, number), name);
    if (file.scenarios.empty()) {
      cursor.fail(cursor.peek(), "a scenario should begin before this line: '@ ID KEYS title'");
    } else {
      file.scenarios.back().steps.push_back(read_step(cursor));
    }
    if (cursor.error()) return std::unexpected(*cursor.error());
  }
  if (file.scenarios.empty()) {
    return fail(ErrorCode::bad_input,
                file.name + ": has no scenario; one begins with '@ ID KEYS title'");
  }
  return file;
}

Expected<File> parse(std::string_view text, std::string_view name) {
  auto file = parse_unchecked(text, name);
  if (!file) return file;
  for (const Scenario& scenario : file->scenarios) {
    if (auto error = check_names(scenario, name)) return std::unexpected(std::move(*error));
  }
  return file;
}

Expected<File> parse_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::bad_input, path + ": cannot be read; name a file of scenarios");
  }
  if (!error && size > file_max) {
    return fail(ErrorCode::bad_input, path + ": is larger than 16 MiB; split it");
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return parse(text.str(), path);
}

}  // namespace iommucheck::scenario
