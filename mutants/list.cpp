// SPDX-License-Identifier: MIT
#include "mutants/list.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace iommucheck::mutants {
namespace {

bool is_word(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !text.empty() && std::ranges::all_of(text, letter);
}

class Reader {
 public:
  Reader(std::string_view name, std::string_view text) : name_(name), text_(text) {}

  Expected<std::vector<Mutant>> read() {
    std::istringstream lines{std::string(text_)};
    for (std::string line; std::getline(lines, line);) {
      ++number_;
      if (!line.empty() && line[0] == '#') continue;
      if (without_blanks_around(line).empty()) continue;
      if (auto error = one(line); !error.empty()) return wrong(error);
    }
    if (auto error = finished(); !error.empty()) return wrong(error);
    return std::move(mutants_);
  }

 private:
  [[nodiscard]] std::string here() const {
    return std::string(name_) + ':' + std::to_string(number_);
  }

  std::unexpected<Error> wrong(const std::string& what) const {
    return fail(ErrorCode::bad_input, here() + ": " + what);
  }

  std::string one(std::string_view line) {
    if (line[0] == '[') return begin(line);
    if (mutants_.empty()) return "a mutant begins with '[id] path/of/file'";
    Mutant& mutant = mutants_.back();
    if (line.starts_with("what: ")) return set(mutant.what, line.substr(6));
    if (line.starts_with("after: ")) return set(mutant.after, line.substr(7));
    if (line.starts_with("equivalent: ")) return set(mutant.equivalent, line.substr(12));
    if (line[0] == '-') return append(mutant.original, line.substr(1));
    if (line[0] == '+') return append(mutant.replacement, line.substr(1));
    return "a line begins with [, what:, after:, -, +, equivalent: or #";
  }

  std::string begin(std::string_view line) {
    if (auto error = finished(); !error.empty()) return error;
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos) return "'[id] path/of/file' has no ]";
    Mutant mutant;
    mutant.id = line.substr(1, end - 1);
    mutant.file = without_blanks_around(line.substr(end + 1));
    mutant.place = here();
    if (!is_word(mutant.id)) return "an id is of a-z, 0-9, - and _";
    if (mutant.file.empty()) return "mutant " + mutant.id + " names no file";
    mutants_.push_back(std::move(mutant));
    return {};
  }

  static std::string set(std::string& field, std::string_view value) {
    if (!field.empty()) return "said twice";
    field = without_blanks_around(value);
    return field.empty() ? "nothing is said" : "";
  }

  static std::string append(std::string& field, std::string_view line) {
    if (!field.empty()) field += '\n';
    field += line;
    return {};
  }

  /// The mutant that was read last is whole.
  [[nodiscard]] std::string finished() const {
    if (mutants_.empty()) return {};
    const Mutant& last = mutants_.back();
    const std::string name = "mutant " + last.id + " (" + last.place + ")";
    if (last.what.empty()) return name + " has no 'what:'";
    if (without_blanks_around(last.original).empty()) return name + " has no '-' line";
    if (!last.is_statement() && without_blanks_around(last.replacement).empty()) {
      return name + " replaces an expression by nothing; a fragment that ends in ; is a statement";
    }
    return {};
  }

  std::string_view name_, text_;
  unsigned number_ = 0;
  std::vector<Mutant> mutants_;
};

}  // namespace

std::string_view without_blanks_around(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool Mutant::is_statement() const {
  const std::string_view text = without_blanks_around(original);
  return text.ends_with(';') || text.ends_with('}');
}

std::string_view part_name(Part part) {
  switch (part) {
    case Part::specification: return "specification";
    case Part::harness: return "harness";
    case Part::driver: return "driver";
  }
  return "?";
}

Part part_of(const Mutant& mutant) {
  if (mutant.file.starts_with("spec/")) return Part::specification;
  if (mutant.file.starts_with("impl/")) return Part::driver;
  return Part::harness;
}

Expected<std::vector<Mutant>> read_list(std::string_view name, std::string_view text) {
  return Reader(name, text).read();
}

Expected<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) {
    return fail(ErrorCode::environment, path + ": cannot be read");
  }
  return text;
}

Expected<std::vector<Mutant>> read_folder(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".mutants") paths.push_back(entry.path());
  }
  if (error) return fail(ErrorCode::environment, folder + ": " + error.message());
  if (paths.empty()) return fail(ErrorCode::bad_input, folder + ": holds no list (*.mutants)");
  std::ranges::sort(paths);
  std::vector<Mutant> all;
  std::map<std::string, std::string> places;
  for (const auto& path : paths) {
    const auto text = read_text(path.string());
    if (!text) return std::unexpected(text.error());
    auto list = read_list(path.filename().string(), *text);
    if (!list) return std::unexpected(list.error());
    for (Mutant& mutant : *list) {
      const auto [known, fresh] = places.emplace(mutant.id, mutant.place);
      if (!fresh) {
        return fail(ErrorCode::bad_input, mutant.place + ": mutant " + mutant.id + " stands at " +
                                              known->second + " too");
      }
      all.push_back(std::move(mutant));
    }
  }
  return all;
}

}  // namespace iommucheck::mutants
