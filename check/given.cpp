// SPDX-License-Identifier: MIT
#include "check/given.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/hash.h"
#include "base/input.h"
#include "base/text.h"
#include "check/cases.h"
#include "operations/older_words.h"
#include "trace/file.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t given_bytes_max = std::size_t{1} << 20;
constexpr std::string_view end_word = "end";

/// "end whole_space teardown", or "end shutdown"; the column of a word that is none of them, from
/// 1, or 0.
std::size_t read_ends(std::string_view line, Lockstep::Ends& ends) {
  std::size_t at = line.find(end_word) + end_word.size();
  while (at < line.size()) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    std::size_t behind = at;
    while (behind < line.size() && !is_blank(line[behind])) ++behind;
    const std::string_view word = line.substr(at, behind - at);
    const auto named = std::ranges::find(all_ends, word, &NamedEnd::name);
    if (named == std::end(all_ends)) return at + 1;
    ends.*named->member = true;
    at = behind;
  }
  return 0;
}

bool is_end(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return false;
  const std::string_view rest = line.substr(first);
  return rest.starts_with(end_word) && (rest.size() == end_word.size() || is_blank(rest[3]));
}

Expected<Sequence> sequence_of_input(std::string_view text, const std::string& path) {
  std::vector<u8> bytes(text.begin(), text.end());
  const std::size_t words = (bytes.size() - 1) / 8;
  if (words > fuzz::operations_max) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {} operations; a sequence has at most {}",
                                                  path, words, fuzz::operations_max));
  }
  Sequence sequence;
  sequence.operations = fuzz::decode(bytes);
  sequence.ends = ends_of_input(bytes);
  if (sequence.operations.empty()) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: an input of the fuzz target without a whole operation", path));
  }
  return sequence;
}

}  // namespace

std::string print(const Sequence& sequence) {
  std::string text = fuzz::print(sequence.operations);
  std::string ends;
  for (const auto& [name, member] : all_ends) {
    if (sequence.ends.*member) ends += fmt::format(" {}", name);
  }
  return ends.empty() ? text : fmt::format("{}{}{}\n", text, end_word, ends);
}

Expected<Sequence> parse_sequence(std::string_view text, std::string_view name) {
  Sequence sequence;
  std::string operations;  // the lines without those of the end, which stay as empty ones
  u64 number = 0;
  bool ended = false;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    ++number;
    const std::size_t first = line.find_first_not_of(" \t\r");
    const bool says_nothing = first == std::string_view::npos || line[first] == '#';
    if (ended && !says_nothing) {
      return fail(ErrorCode::bad_input,
                  fmt::format("{}:{}:{}: nothing comes behind the end", name, number, first + 1));
    }
    if (is_end(line)) {
      ended = true;
      if (const std::size_t column = read_ends(line, sequence.ends); column != 0) {
        return fail(ErrorCode::bad_input,
                    fmt::format("{}:{}:{}: an end is whole_space, teardown or shutdown", name,
                                number, column));
      }
    } else {
      operations += line;
    }
    operations += '\n';
  }
  auto parsed = fuzz::parse_operations(operations, name);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  if (parsed->empty()) {
    return fail(ErrorCode::bad_input, fmt::format("{}: there is no operation in it", name));
  }
  if (parsed->size() > fuzz::operations_max) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {} operations; a sequence has at most {}",
                                                  name, parsed->size(), fuzz::operations_max));
  }
  sequence.operations = std::move(*parsed);
  return sequence;
}

Lockstep::Ends ends_of_input(std::span<const u8> bytes) {
  const bool thorough = bytes.size() > 8 && bytes[8] % 64 == 0;
  return {.whole_space = thorough, .teardown = thorough};
}

u32 machine_of_input(std::span<const u8> bytes, u32 machines) {
  const bool names = !bytes.empty() && bytes.size() % 8 == 2;
  return names ? bytes.back() % machines : 0;
}

namespace {

/// The one that ended the run; those before it are what its process had done already.
Expected<GivenCase> case_of_trace(const std::string& path) {
  const auto reader = trace::TraceReader::open(path);
  if (!reader) return fail(ErrorCode::bad_input, reader.error().message);
  auto cases = cases_of(reader->header());
  if (!cases) return fail(ErrorCode::bad_input, path + ": " + cases.error().message);
  if (cases->empty() || cases->back().operations.empty()) {
    return fail(ErrorCode::bad_input, path + ": names no operations; what check writes does");
  }
  return GivenCase{.path = path, .sequence = std::move(cases->back())};
}

}  // namespace

Expected<GivenCase> read_given(const std::string& path) {
  if (fs::path(path).filename().string().contains(".jsonl")) return case_of_trace(path);
  const auto text = read_whole(path, given_bytes_max);
  if (!text) return std::unexpected(text.error());
  const auto is_text = [](char c) {
    return c == '\n' || c == '\t' || c == '\r' || (c >= ' ' && c != '\x7f');
  };
  if (text->empty()) return fail(ErrorCode::bad_input, path + ": is empty");
  if (text->front() == '{') return case_of_trace(path);
  if (text->starts_with("\x7f"
                        "ELF")) {
    return fail(ErrorCode::bad_input,
                path + ": is a program or shared object; a driver is named by --driver");
  }
  GivenCase given{.path = path, .sequence = {}};
  Expected<Sequence> sequence;
  if (fuzz::is_known_codec(static_cast<u8>(text->front()))) {
    sequence = sequence_of_input(*text, path);
  } else if (std::ranges::all_of(*text, is_text)) {
    sequence = parse_sequence(*text, path);
  } else {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: is no lines of operations, no trace and no input of the fuzz "
                            "target (its first byte is {:#04x}; the codecs 1 to {} are known)",
                            path, static_cast<u8>(text->front()), fuzz::codec_version));
  }
  if (!sequence) return std::unexpected(std::move(sequence.error()));
  given.sequence = std::move(*sequence);
  return given;
}

Expected<GivenFolder> read_folder(const std::string& folder) {
  GivenFolder all;
  std::error_code error;
  if (!fs::exists(folder, error)) return all;
  std::vector<std::string> paths;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->path().filename().string().starts_with('.')) continue;
    std::error_code unknown;
    if (!entries->is_directory(unknown)) paths.push_back(entries->path().string());
  }
  if (error) return fail(ErrorCode::environment, folder + ": " + error.message());
  std::ranges::sort(paths);
  for (const std::string& path : paths) {
    auto given = read_given(path);
    if (given) {
      all.cases.push_back(std::move(*given));
    } else {
      all.unread.push_back(std::move(given.error().message));
    }
  }
  std::ranges::sort(all.cases, {}, [](const GivenCase& one) {
    return std::pair(one.sequence.operations.size(), std::string_view(one.path));
  });
  return all;
}

std::string corpus_path(const std::string& folder, const Sequence& sequence) {
  return fmt::format("{}/{:016x}.ops", folder, fnv1a(print(sequence)));
}

bool is_of_a_run(const std::string& path) {
  const fs::path name = fs::path(path).filename();
  const std::string stem = name.stem().string();
  return name.extension() == ".ops" && stem.size() == 16 &&
         stem.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Expected<void> keep(const std::string& folder, const Sequence& sequence) {
  const std::string path = corpus_path(folder, sequence);
  std::error_code error;
  if (fs::exists(path, error)) return {};
  fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::environment, folder + ": " + error.message());
  return trace::write_file(path, print(sequence));
}

}  // namespace iommucheck::oracle
