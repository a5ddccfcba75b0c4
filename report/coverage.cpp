// SPDX-License-Identifier: MIT
#include "report/coverage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/input.h"
#include "base/text.h"
#include "trace/file.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonValue;

constexpr std::string_view file_key = "iommucheck-rule-coverage";
constexpr u64 file_version = 1;
constexpr u64 bytes_max = u64{16} << 20;

u64 sum(u64 a, u64 b) { return a > ~u64{0} - b ? ~u64{0} : a + b; }

std::unexpected<Error> bad(std::string_view text, std::string_view name, u32 column,
                           std::string_view what) {
  // The whole file is one value: its column is an offset.
  return fail(ErrorCode::bad_input,
              fmt::format("{}:{}: {}; no rule-coverage file", name,
                          place_in(text, column == 0 ? 0 : column - 1), what));
}

std::unexpected<Error> failed(const std::string& path, std::string_view what) {
  return fail(ErrorCode::environment,
              fmt::format("{}: cannot {}: {}", path, what, std::system_category().message(errno)));
}

bool number(const JsonValue& object, std::string_view name, u64& out) {
  const trace::JsonMember* member = object.find(name);
  if (member == nullptr || !member->value.whole_number) return false;
  out = member->value.number;
  return true;
}

/// The file of that name, held alone until the end. Whoever replaces a file leaves those who wait
/// for it with the old one; they look again.
class LockedFile {
 public:
  static Expected<LockedFile> open(const std::string& path) {
    while (true) {
      LockedFile file;
      file.number_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      if (file.number_ < 0) return failed(path, "open it to add to it");
      struct stat mine{};
      struct stat named{};
      if (::fstat(file.number_, &mine) != 0) return failed(path, "look at it");
      if (!S_ISREG(mine.st_mode)) {
        return fail(ErrorCode::bad_input, path + ": is no regular file");
      }
      while (::flock(file.number_, LOCK_EX) != 0) {
        if (errno != EINTR) return failed(path, "lock it");
      }
      if (::stat(path.c_str(), &named) == 0 && named.st_ino == mine.st_ino &&
          named.st_dev == mine.st_dev) {
        return file;
      }
    }
  }
  LockedFile(LockedFile&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  LockedFile& operator=(LockedFile&&) = delete;
  ~LockedFile() {
    if (number_ >= 0) ::close(number_);
  }

 private:
  LockedFile() = default;
  int number_ = -1;
};

}  // namespace

RuleCoverage RuleCoverage::of(const RuleTally& tally) {
  RuleCoverage coverage;
  coverage.runs = 1;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    const std::size_t i = spec::number_of(info.rule);
    coverage.rules[std::string(info.name)] = {tally.asked[i], tally.discriminating[i],
                                              tally.broken[i]};
  }
  return coverage;
}

void RuleCoverage::add(const RuleCoverage& other) {
  runs = sum(runs, other.runs);
  for (const auto& [name, counts] : other.rules) {
    Counts& mine = rules[name];
    mine.asked = sum(mine.asked, counts.asked);
    mine.discriminating = sum(mine.discriminating, counts.discriminating);
    mine.broken = sum(mine.broken, counts.broken);
  }
}

std::string to_json(const RuleCoverage& coverage) {
  std::string out = fmt::format("{{\"{}\": {}, \"runs\": {}, \"rules\": {{", file_key, file_version,
                                coverage.runs);
  bool first = true;
  for (const auto& [name, counts] : coverage.rules) {
    out += first ? "\n  " : ",\n  ";
    first = false;
    trace::append_json_string(out, name);
    out += fmt::format(": {{\"asked\": {}, \"discriminating\": {}, \"broken\": {}}}", counts.asked,
                       counts.discriminating, counts.broken);
  }
  return out + "\n}}\n";
}

Expected<RuleCoverage> coverage_from_json(std::string_view text, std::string_view name) {
  const auto value = trace::parse_json(text);
  if (!value) return bad(text, name, value.error().column, value.error().message);
  u64 written = 0;
  if (value->kind != JsonValue::Kind::object || !number(*value, file_key, written)) {
    return bad(text, name, value->column, fmt::format("key \"{}\" is missing", file_key));
  }
  if (written != file_version) {
    return bad(text, name, value->column,
               fmt::format("its version is {}, {} is known", written, file_version));
  }
  RuleCoverage coverage;
  const trace::JsonMember* rules = value->find("rules");
  if (!number(*value, "runs", coverage.runs) || rules == nullptr ||
      rules->value.kind != JsonValue::Kind::object || value->members.size() != 3) {
    return bad(text, name, value->column, "keys \"runs\" and \"rules\" are expected, no others");
  }
  for (const trace::JsonMember& rule : rules->value.members) {
    RuleCoverage::Counts& counts = coverage.rules[rule.key];
    if (rule.value.kind != JsonValue::Kind::object || rule.value.members.size() != 3 ||
        !number(rule.value, "asked", counts.asked) ||
        !number(rule.value, "discriminating", counts.discriminating) ||
        !number(rule.value, "broken", counts.broken)) {
      return bad(text, name, rule.column,
                 "three whole numbers are expected: asked, discriminating, broken");
    }
  }
  return coverage;
}

Expected<void> add_to_coverage_file(const std::string& path, const RuleCoverage& coverage) {
  const auto lock = LockedFile::open(path);
  if (!lock) return std::unexpected(lock.error());
  const auto text = read_whole(path, bytes_max);
  if (!text) return std::unexpected(text.error());
  RuleCoverage total;
  if (!text->empty()) {
    auto known = coverage_from_json(*text, path);
    if (!known) return std::unexpected(std::move(known.error()));
    total = std::move(*known);
  }
  total.add(coverage);
  return trace::write_file(path, to_json(total));
}

}  // namespace iommucheck::oracle
