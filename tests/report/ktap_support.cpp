// SPDX-License-Identifier: MIT
#include "tests/report/ktap_support.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "trace/utf8.h"

namespace iommucheck::oracle {
namespace {

class KtapReader {
 public:
  explicit KtapReader(std::string_view text) : text_(text) {
    if (!text.empty() && text.back() != '\n') wrong("no end of line");
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines_.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!trace::is_utf8(text_)) wrong("no UTF-8");
    if (std::ranges::any_of(
            text_, [](char c) { return (static_cast<u8>(c) < 0x20 && c != '\n') || c == 0x7f; })) {
      wrong("a control character");
    }
  }

  std::expected<KtapTest, std::string> read() {
    KtapTest all;
    all.ok = true;
    level(0, all);
    std::vector<std::string> tail;
    if (wrong_.empty()) diagnostics(0, tail);
    if (wrong_.empty() && at_ != lines_.size()) wrong("a line behind the end");
    if (!wrong_.empty()) return std::unexpected(wrong_);
    return all;
  }

 private:
  void wrong(const std::string& what) {
    if (wrong_.empty()) wrong_ = fmt::format("line {}: {}", at_ + 1, what);
  }
  /// The next line without the indentation of `depth`; nothing where it has less.
  [[nodiscard]] std::string_view peek(std::size_t depth) const {
    if (at_ == lines_.size()) return {};
    const std::string_view line = lines_[at_];
    const std::size_t indent = 2 * depth;
    if (line.find_first_not_of(' ') < indent || line.size() < indent) return {};
    return line.substr(indent);
  }

  void diagnostics(std::size_t depth, std::vector<std::string>& all) {
    for (;;) {
      const std::string_view line = peek(depth);
      if (!line.starts_with('#')) return;
      if (line.size() > 1 && line[1] != ' ') return wrong("no blank behind '#'");
      all.emplace_back(line.substr(std::min<std::size_t>(2, line.size())));
      ++at_;
    }
  }

  /// From a version line to the last result of its plan.
  void level(std::size_t depth, KtapTest& parent) {
    if (peek(depth) != "KTAP version 1") return wrong("a version line is due");
    ++at_;
    std::vector<std::string> head;
    diagnostics(depth, head);
    const std::string subtest = "Subtest: ";
    std::string announced;
    if (depth > 0 && !head.empty() && head.front().starts_with(subtest)) {
      announced = head.front().substr(subtest.size());
    }
    const std::string_view plan = peek(depth);
    u64 count = 0;
    if (!plan.starts_with("1..") || !number(plan.substr(3), count)) return wrong("no plan");
    ++at_;
    for (u64 i = 1; i <= count && wrong_.empty(); ++i) test(depth, i, parent);
    announced_.push_back(announced);
  }

  void test(std::size_t depth, u64 place, KtapTest& parent) {
    KtapTest one;
    diagnostics(depth, one.diagnostics);
    std::string announced;
    if (peek(depth).starts_with("  ")) {
      level(depth + 1, one);
      if (!wrong_.empty()) return;
      announced = announced_.back();
      announced_.pop_back();
      diagnostics(depth, one.diagnostics);
    }
    result(peek(depth), place, one);
    if (!wrong_.empty()) return;
    if (!announced.empty() && announced != one.name)
      wrong("its subtests are of '" + announced + "'");
    if (one.ok && one.count(false) != 0) wrong("ok, and a subtest is not");
    ++at_;
    parent.subtests.push_back(std::move(one));
  }

  void result(std::string_view line, u64 place, KtapTest& one) {
    one.ok = line.starts_with("ok ");
    if (!one.ok && !line.starts_with("not ok ")) return wrong("a result is due");
    line.remove_prefix(one.ok ? 3 : 7);
    const std::size_t blank = std::min(line.find(' '), line.size());
    u64 is = 0;
    if (!number(line.substr(0, blank), is) || is != place) return wrong("another number is due");
    line.remove_prefix(blank);
    const std::size_t hash = std::min(line.find('#'), line.size());
    std::string_view name = line.substr(0, hash);
    std::string_view rest = line.substr(hash);
    if (!name.starts_with(' ')) return wrong("no description");
    name.remove_prefix(1);
    if (!rest.empty()) {
      if (!rest.starts_with("# ") || !name.ends_with(' ')) return wrong("no blank beside '#'");
      name.remove_suffix(1);
      rest.remove_prefix(2);
      directive(rest, one);
    }
    if (name.empty() || name.starts_with(' ') || name.ends_with(' ') || name.starts_with('-')) {
      return wrong("a description that readers take for another");
    }
    one.name = name;
  }

  void directive(std::string_view rest, KtapTest& one) {
    if (rest.contains('#')) return wrong("a second '#'");
    const std::string_view word = rest.substr(0, std::min(rest.find(' '), rest.size()));
    for (const std::string_view known : {"SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"}) {
      if (word == known) one.directive = known;
    }
    if (!one.directive.empty()) rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    one.data = rest;
    const bool fails = one.directive == "TIMEOUT" || one.directive == "ERROR";
    if (fails && one.ok) wrong("a directive of what is not ok");
  }

  static bool number(std::string_view text, u64& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
  }

  std::string_view text_;
  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
  std::vector<std::string> announced_;
  std::string wrong_;
};

}  // namespace

std::expected<KtapTest, std::string> parse_ktap(std::string_view text) {
  return KtapReader(text).read();
}

}  // namespace iommucheck::oracle
