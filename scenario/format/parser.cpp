// SPDX-License-Identifier: MIT
#include "scenario/format/parser.h"

#include <algorithm>

#include "base/input.h"
#include "scenario/format/check.h"
#include "scenario/format/read_step.h"
#include "scenario/format/tokens.h"

namespace iommucheck::scenario {
namespace {

constexpr std::size_t file_max = std::size_t{16} << 20;

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

/// Reads line by line. A scenario with an error is left out, from its first bad line on.
class Reader {
 public:
  explicit Reader(std::string_view name) { parsed_.file.name = name; }

  void line(std::string_view line, u32 number) {
    const std::string_view content = without_comment(line);
    if (content.empty()) return;
    const Place place{number, static_cast<u32>(content.data() - line.data() + 1)};
    File& file = parsed_.file;
    if (content[0] == '@') {
      begun_ = true;
      auto scenario = read_head(content, place, file);
      left_out_ = !scenario;
      if (scenario) {
        file.scenarios.push_back(std::move(*scenario));
      } else {
        parsed_.errors.push_back(scenario.error());
      }
      return;
    }
    if (left_out_) return;
    Cursor cursor(tokens_of(line, number), file.name);
    if (begun_) {
      file.scenarios.back().steps.push_back(read_step(cursor));
    } else {
      cursor.fail(cursor.peek(), "a scenario should begin before this line: '@ ID KEYS title'");
    }
    if (!cursor.error()) return;
    parsed_.errors.push_back(*cursor.error());
    if (begun_) file.scenarios.pop_back();
    left_out_ = true;
  }

  Parsed take() {
    if (!begun_ && parsed_.errors.empty()) {
      parsed_.errors.push_back(
          {ErrorCode::bad_input,
           parsed_.file.name + ": has no scenario; one begins with '@ ID KEYS title'"});
    }
    return std::move(parsed_);
  }

 private:
  Parsed parsed_;
  bool begun_ = false;
  bool left_out_ = false;  // what stands here belongs to something that could not be read
};

Expected<File> whole(Parsed parsed) {
  if (!parsed.errors.empty()) return std::unexpected(std::move(parsed.errors.front()));
  return std::move(parsed.file);
}

Parsed read_lines(std::string_view text, std::string_view name) {
  Reader reader(name);
  u32 number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const auto newline = std::min(text.find('\n', start), text.size());
    reader.line(text.substr(start, newline - start), ++number);
    start = newline + 1;
  }
  return reader.take();
}

}  // namespace

Expected<File> parse_unchecked(std::string_view text, std::string_view name) {
  return whole(read_lines(text, name));
}

Parsed parse_all(std::string_view text, std::string_view name) {
  Parsed parsed = read_lines(text, name);
  std::erase_if(parsed.file.scenarios, [&](const Scenario& scenario) {
    auto error = check_names(scenario, name);
    if (error) parsed.errors.push_back(std::move(*error));
    return error.has_value();
  });
  return parsed;
}

Expected<File> parse(std::string_view text, std::string_view name) {
  return whole(parse_all(text, name));
}

Expected<File> parse_file(const std::string& path) { return whole(parse_file_all(path)); }

Parsed parse_file_all(const std::string& path) {
  const auto text = read_whole(path, file_max);
  if (text) return parse_all(*text, path);
  Parsed parsed;
  parsed.file.name = path;
  parsed.errors.push_back(text.error());
  return parsed;
}

}  // namespace iommucheck::scenario
