// SPDX-License-Identifier: MIT
#include "mutants/weave.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "base/text.h"
#include "mutants/switch.h"

namespace iommucheck::mutants {
namespace {

namespace fs = std::filesystem;

bool is_blank_or_end(char c) { return is_blank(c) || c == '\n'; }

/// A text without its blanks, and where each character of it stands: fragments are found whatever
/// the formatter made of their lines.
struct Packed {
  std::string_view source;
  std::string text;
  std::vector<std::size_t> at;

  explicit Packed(std::string_view of) : source(of) {
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (is_blank_or_end(source[i])) continue;
      text += source[i];
      at.push_back(i);
    }
  }

  [[nodiscard]] unsigned count(const std::string& part) const {
    unsigned n = 0;
    for (auto i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) ++n;
    return n;
  }
};

/// A fragment in its file: [first, last).
struct Place {
  std::size_t first = 0, last = 0;
  const Mutant* mutant = nullptr;
};

std::unexpected<Error> misfit(const Mutant& mutant, const std::string& why) {
  return fail(ErrorCode::bad_input, mutant.place + ": mutant " + mutant.id + ": " + why +
                                        "; write the entry anew after the file " + mutant.file);
}

/// A switch between two expressions takes each of them whole.
std::string why_no_expression(std::string_view text) {
  int depth = 0, open_choices = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (quoted) continue;
    if (depth == 0 && c == '?') ++open_choices;
    if (depth == 0 && c == ':') {
      const bool scope = i + 1 < text.size() && text[i + 1] == ':';
      if (scope) {
        ++i;
      } else {
        --open_choices;
      }
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth < 0) return "a bracket is closed that is not opened";
    if (depth == 0 && (c == ',' || c == ';'))
      return std::string("a '") + c + "' outside of brackets";
  }
  if (open_choices != 0) return "a '?' and its ':' are not both in it";
  return depth == 0 ? "" : "a bracket is not closed";
}

/// The code of the last line before `place` that has some.
std::string_view code_before(std::string_view source, std::size_t place) {
  while (place != 0) {
    const std::size_t end = source.rfind('\n', place - 1);
    const std::size_t begin = end == std::string_view::npos ? 0 : end + 1;
    const std::string_view line = source.substr(begin, place - begin);
    const std::string_view code = without_blanks_around(line.substr(0, line.find("//")));
    if (!code.empty()) return code;
    place = begin == 0 ? 0 : end;
  }
  return "";
}

/// A statement may begin at `place`: a switch there is one.
bool is_place_of_statement(std::string_view source, std::size_t place) {
  const std::string_view before = code_before(source, place);
  constexpr std::string_view ends = ";{}):";
  return before.empty() || ends.find(before.back()) != std::string_view::npos ||
         before.ends_with("else") || before.ends_with("do");
}

/// Of a fragment that is a designated initializer: `.name = expression`.
bool names_member(std::string_view fragment) {
  const std::string_view text = without_blanks_around(fragment);
  const std::size_t equals = text.find('=');
  if (!text.starts_with('.') || equals == std::string_view::npos) return false;
  return std::ranges::none_of(without_blanks_around(text.substr(1, equals - 1)), is_blank_or_end) &&
         text.substr(1).find_first_of(".(") > equals;
}

/// A type and a name.
bool declares(std::string_view text) {
  const std::string_view left = without_blanks_around(text);
  constexpr std::string_view of_no_name = ".-+*/%|^!()[]\"";
  return left.find_first_of(of_no_name) == std::string_view::npos &&
         std::ranges::any_of(left, is_blank_or_end) && !left.starts_with("return");
}

/// Of a fragment that is one declaration, with or without its semicolon: a type and a name stand
/// before its '=' or its '{'. What it declares would end with the switch around it.
bool is_declaration(std::string_view text) {
  if (text.find(';') < text.size() - 1) return false;
  const std::size_t brace = text.find('{');
  const std::size_t equals = text.find('=');
  if (brace < equals) return declares(text.substr(0, brace)) && text.ends_with(';');
  if (equals == std::string_view::npos) return false;
  const bool assigns = equals != 0 && !is_blank_or_end(text[equals - 1]);  // &=, <=, !=
  if (assigns || text.substr(equals).starts_with("==")) return false;
  return declares(text.substr(0, equals));
}

bool begins_statement(std::string_view text) {
  constexpr std::array<std::string_view, 8> words{"if",     "for",  "while", "do",
                                                  "switch", "case", "else",  "return"};
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const auto end = std::ranges::find_if_not(text, is_letter);
  return std::ranges::find(words, std::string_view(text.begin(), end)) != words.end();
}

Expected<Place> find(const Packed& file, const Mutant& mutant) {
  if (!mutant.is_statement()) {
    for (const std::string& text : {mutant.original, mutant.replacement}) {
      if (const auto why = why_no_expression(text); !why.empty()) {
        return misfit(mutant, "an expression has " + why);
      }
    }
  }
  std::size_t from = 0;
  if (!mutant.after.empty()) {
    const std::string anchor = Packed(mutant.after).text;
    const unsigned found = file.count(anchor);
    if (found != 1) {
      return misfit(mutant,
                    "the text of 'after:' occurs " + std::to_string(found) + " times and not once");
    }
    from = file.text.find(anchor) + anchor.size();
  }
  const std::string fragment = Packed(mutant.original).text;
  const std::size_t first = file.text.find(fragment, from);
  if (first == std::string::npos) return misfit(mutant, "its fragment does not occur");
  if (mutant.after.empty()) {
    const unsigned found = file.count(fragment);
    if (found != 1) {
      return misfit(mutant, "its fragment occurs " + std::to_string(found) +
                                " times; say with 'after:' which one is meant");
    }
  }
  if (mutant.is_statement() && !is_place_of_statement(file.source, file.at[first])) {
    return misfit(mutant, "it ends as a statement does, but begins inside of one");
  }
  if (without_blanks_around(mutant.original).starts_with("case ")) {
    return misfit(mutant, "a label cannot be switched; take what stands behind it");
  }
  if (names_member(mutant.original)) {
    return misfit(mutant, "a member's name is no expression; take what stands behind its '='");
  }
  if (is_declaration(without_blanks_around(mutant.original))) {
    return misfit(mutant, "a declaration cannot be switched; take the expression behind its '='");
  }
  if (!mutant.is_statement() && begins_statement(without_blanks_around(mutant.original))) {
    return misfit(mutant, "half of a statement; take the expression in it, or all of it");
  }
  return Place{file.at[first], file.at[first + fragment.size() - 1] + 1, &mutant};
}

class Weaver {
 public:
  Weaver(std::string_view text, std::vector<Place> places)
      : text_(text), places_(std::move(places)) {
    // Whoever holds others comes before them.
    std::ranges::sort(places_, [](const Place& a, const Place& b) {
      if (a.first != b.first) return a.first < b.first;
      return a.last != b.last ? a.last > b.last : a.mutant->id < b.mutant->id;
    });
  }

  Expected<std::string> woven() {
    for (std::size_t i = 1; i < places_.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (places_[i].first < places_[k].last && places_[i].last > places_[k].last) {
          return misfit(*places_[i].mutant,
                        "its fragment overlaps with that of " + places_[k].mutant->id);
        }
      }
    }
    return between(0, text_.size());
  }

 private:
  /// [first, last) with the mutants from next_ on that lie in it.
  std::string between(std::size_t first, std::size_t last) {
    std::string out;
    while (next_ < places_.size() && places_[next_].first < last) {
      const Place place = places_[next_++];
      out += text_.substr(first, place.first - first);
      out += switched(*place.mutant, between(place.first, place.last));
      first = place.last;
    }
    return out += text_.substr(first, last - first);
  }

  static std::string switched(const Mutant& mutant, const std::string& original) {
    const std::string on =
        "::iommucheck_mutants::on(" + hex(iommucheck_mutants::number_of(mutant.id.c_str())) + "u)";
    if (mutant.is_statement()) {
      return "if (" + on + ") {" + mutant.replacement + "\n} else {" + original + "}";
    }
    return "(" + on + " ? (" + mutant.replacement + ") : (" + original + "))";
  }

  std::string_view text_;
  std::vector<Place> places_;
  std::size_t next_ = 0;
};

std::map<std::string, std::vector<Mutant>> by_file(const std::vector<Mutant>& mutants) {
  std::map<std::string, std::vector<Mutant>> files;
  for (const Mutant& mutant : mutants) files[mutant.file].push_back(mutant);
  return files;
}

Expected<void> write_if_changed(const fs::path& path, const std::string& text) {
  if (const auto known = read_text(path.string()); known && *known == text) return {};
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fail(ErrorCode::environment, path.string() + ": cannot be written");
  return {};
}

/// Files of `root` as text, woven where a list has mutants of them.
Expected<void> write_woven(const std::string& root, const std::string& out,
                           const std::vector<std::string>& files,
                           const std::vector<Mutant>& mutants) {
  const auto lists = by_file(mutants);
  for (const std::string& file : files) {
    auto text = read_text(root + "/" + file);
    if (!text) return std::unexpected(text.error());
    if (const auto list = lists.find(file); list != lists.end()) {
      text = weave(*text, list->second);
      if (!text) return std::unexpected(text.error());
    }
    const fs::path copy = fs::path(out) / file;
    if (auto written = write_if_changed(copy, *text); !written) return written;
    std::error_code error;  // what runs in the tree, as the compiler's launcher, runs in its copy
    fs::permissions(copy, fs::status(fs::path(root) / file).permissions(), error);
    if (error) return fail(ErrorCode::environment, copy.string() + ": " + error.message());
  }
  return {};
}

Expected<void> all_fit(const std::string& root, const std::vector<Mutant>& mutants) {
  std::string text;
  for (const std::string& message : misfits(root, mutants)) {
    text += (text.empty() ? "" : "\n") + message;
  }
  if (!text.empty()) return fail(ErrorCode::bad_input, text);
  return {};
}

/// Everything of the tree but what builds and tools leave in it.
std::vector<std::string> files_of(const fs::path& root) {
  std::vector<std::string> files;
  for (auto i = fs::recursive_directory_iterator(root); i != fs::recursive_directory_iterator();
       ++i) {
    const std::string name = i->path().filename().string();
    const bool top = i.depth() == 0;
    if (i->is_directory() && (name[0] == '.' || (top && (name == "build" || name == "out")))) {
      i.disable_recursion_pending();
    } else if (i->is_regular_file()) {
      files.push_back(fs::relative(i->path(), root).string());
    }
  }
  return files;
}

}  // namespace

Expected<std::string> weave(std::string_view text, const std::vector<Mutant>& mutants) {
  const Packed file(text);
  std::vector<Place> places;
  for (const Mutant& mutant : mutants) {
    const auto place = find(file, mutant);
    if (!place) return std::unexpected(place.error());
    places.push_back(*place);
  }
  return Weaver(text, std::move(places)).woven();
}

std::vector<std::string> misfits(const std::string& root, const std::vector<Mutant>& mutants) {
  std::vector<std::string> messages;
  for (const auto& [file, list] : by_file(mutants)) {
    const auto text = read_text(root + "/" + file);
    if (!text) {
      messages.push_back(list.front().place + ": " + text.error().message);
      continue;
    }
    const std::size_t before = messages.size();
    for (const Mutant& mutant : list) {
      const auto alone = weave(*text, {mutant});
      if (!alone) messages.push_back(alone.error().message);
    }
    if (messages.size() != before) continue;
    if (const auto all = weave(*text, list); !all) messages.push_back(all.error().message);
  }
  return messages;
}

Expected<void> weave_folder(const std::string& root, const std::string& folder,
                            const std::string& out, const std::vector<Mutant>& mutants) {
  if (auto fit = all_fit(root, mutants); !fit) return fit;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(root) / folder)) {
    if (entry.is_regular_file()) files.push_back(folder + "/" + entry.path().filename().string());
  }
  return write_woven(root, out, files, mutants);
}

Expected<void> weave_tree(const std::string& root, const std::string& out,
                          const std::vector<Mutant>& mutants) {
  if (auto fit = all_fit(root, mutants); !fit) return fit;
  const std::vector<std::string> files = files_of(root);
  if (auto written = write_woven(root, out, files, mutants); !written) return written;
  // What is gone from the tree is gone from its copy: sources are found by pattern.
  if (!fs::exists(out)) return {};
  const std::set<std::string> kept(files.begin(), files.end());
  for (const std::string& file : files_of(out)) {
    if (!kept.contains(file)) fs::remove(fs::path(out) / file);
  }
  return {};
}

}  // namespace iommucheck::mutants
