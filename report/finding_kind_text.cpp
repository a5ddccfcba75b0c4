// SPDX-License-Identifier: MIT
#include "report/finding_kind_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "report/finding_json.h"
#include "report/finding_kind_names.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using What = FindingKind::What;
using Wrong = FindingKind::Wrong;

constexpr std::string_view of_attributes = "memory attributes", by_walker = " by a walker";
constexpr std::string_view between = ", ", cause_begins = "; ", or_else = " or ";
constexpr std::string_view promised_begins = ", promised ", since_begins = ", since ";

template <class T, std::size_t n>
std::string_view words_of(const MemberName<T> (&names)[n], T value) {
  const MemberName<T>* its = named(names, value);
  return its == nullptr ? "?" : its->words;  // bytes of a process that went wild
}

std::string joined(std::vector<std::string_view> words) {
  std::ranges::sort(words);
  const auto again = std::ranges::unique(words);
  words.erase(again.begin(), again.end());
  return fmt::format("{}", fmt::join(words, or_else));
}

/// "leaf cached, level, since unmap".
std::string text_of(const LeftOver& left) {
  std::string text(words_of(thing_names, left.thing));
  if (left.why) text += fmt::format("{}{}", between, words_of(why_names, *left.why));
  if (!left.since.empty()) text += fmt::format("{}{}", since_begins, left.since);
  return text;
}

/// "reach, promised unmapped", "reach elsewhere".
std::string text_of_may(const FindingKind& kind) {
  std::vector<std::string_view> may, promised;
  for (const MayDo& one : kind.may) may.push_back(name_of(one));
  for (const spec::sva::State state : kind.promised) promised.push_back(state_name(state));
  std::string text = joined(std::move(may));
  if (kind.wrong == Wrong::memory) return text + " " + kind.memory;
  if (kind.wrong != Wrong::nothing) {
    return fmt::format("{} {}", text, words_of(wrong_names, kind.wrong));
  }
  if (!promised.empty()) text += fmt::format("{}{}", promised_begins, joined(std::move(promised)));
  if (kind.rule) text += fmt::format("{}{}", between, spec::rule_name(*kind.rule));
  return text;
}

std::string text_of_end(const FindingKind& kind) {
  const std::string_view words = words_of(end_names, kind.end);
  return kind.end == FindingKind::End::never ? std::string(words)
                                             : fmt::format("{} {}", words, kind.number);
}

/// What stands before the cause.
std::string text_before_cause(const FindingKind& kind) {
  const auto behind = [](std::string_view doing, const std::string& what) {
    return doing.empty() ? what : fmt::format("{}: {}", doing, what);
  };
  switch (kind.what) {
    case What::nothing: return kind.doing;
    case What::answer:
      return behind(kind.doing, spec::sva::status_text(kind.status) +
                                    (kind.words.empty() ? "" : std::string(between) + kind.words));
    case What::sentence: return behind(kind.doing, kind.words);
    case What::model: return fmt::format("{}{}{}", kind.doing, cause_begins, kind.words);
    case What::end: return behind(kind.doing, text_of_end(kind));
    case What::device: return text_of(kind.device);
    case What::may: break;
  }
  // A wrong MAIR is met by each call that maps or moves something.
  std::string doing(kind.wrong == Wrong::memory ? of_attributes : kind.doing);
  if (kind.walker) doing += by_walker;
  return fmt::format("{}: {}", doing, text_of_may(kind));
}

// ---- back ---------------------------------------------------------------------------------------

bool take_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

/// What is before `mark`, which is taken off `text` with it. All of it where that has none.
std::string_view take_until(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  const std::string_view first = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
  return first;
}

std::optional<LeftOver> left_of_text(std::string_view text) {
  LeftOver left;
  std::string_view since = text;
  text = take_until(since, since_begins);
  left.since = since;
  std::string_view why = text;
  const auto thing =
      value_of(thing_names, take_until(why, between), &MemberName<LeftOver::Thing>::words);
  if (!thing) return std::nullopt;
  left.thing = *thing;
  if (why.empty()) return left;
  left.why = value_of(why_names, why, &MemberName<LeftOver::Why>::words);
  return left.why ? std::optional(std::move(left)) : std::nullopt;
}

template <class T, class OfName>
bool all_of_names(std::string_view text, std::vector<T>& all, OfName of_name) {
  while (!text.empty()) {
    const auto one = of_name(take_until(text, or_else));
    if (!one) return false;
    all.push_back(*one);
  }
  std::ranges::sort(all);
  return !all.empty();
}

bool read_end(std::string_view text, FindingKind& kind) {
  kind.what = What::end;
  std::string_view number = text;
  const std::string_view words = take_until(number, " ");
  const auto end = value_of(end_names, number.empty() || words == "no" ? text : words,
                            &MemberName<FindingKind::End>::words);
  if (!end) return false;
  kind.end = *end;
  if (*end == FindingKind::End::never) return true;
  const char* const last = number.data() + number.size();
  const auto read = std::from_chars(number.data(), last, kind.number);
  return read.ec == std::errc() && read.ptr == last && !number.empty();
}

bool read_answer(std::string_view text, FindingKind& kind) {
  kind.what = What::answer;
  const auto status = status_of_name(take_until(text, between));
  kind.status = status.value_or(spec::sva::Status{});
  kind.words = text;
  return status.has_value();
}

bool read_may(std::string_view doing, std::string_view text, FindingKind& kind) {
  kind.what = What::may;
  kind.walker = take_end(doing, by_walker);
  kind.doing = doing;
  if (doing == of_attributes) {
    kind.doing.clear();
    kind.wrong = Wrong::memory;
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return false;
    kind.memory = text.substr(space + 1);
    return all_of_names(text.substr(0, space), kind.may, may_of_name);
  }
  for (const auto& one : wrong_names) {
    if (one.words.empty() || !text.ends_with(one.words)) continue;
    kind.wrong = one.value;
    text.remove_suffix(one.words.size());
    return take_end(text, " ") && all_of_names(text, kind.may, may_of_name);
  }
  // "reach, promised unmapped, RULE", of which the last two may not be there.
  std::string_view rest = text;
  if (!all_of_names(take_until(rest, between), kind.may, may_of_name)) return false;
  constexpr std::string_view word = promised_begins.substr(between.size());
  if (rest.starts_with(word)) {
    rest.remove_prefix(word.size());
    if (!all_of_names(take_until(rest, between), kind.promised, state_of_name)) return false;
  }
  if (rest.empty()) return true;
  kind.rule = spec::find_rule(rest);
  return kind.rule.has_value();
}

std::optional<FindingKind> before_cause_of_text(std::string_view text) {
  std::string_view rest = text;
  const std::string_view doing = take_until(rest, ": ");
  FindingKind kind;
  if (rest.empty()) {
    kind.doing = text;
    return kind;
  }
  for (const auto read : {read_end, read_answer}) {
    kind = {};
    kind.doing = doing;
    if (read(rest, kind)) return kind;
  }
  kind = {};
  return read_may(doing, rest, kind) ? std::optional(std::move(kind)) : std::nullopt;
}

}  // namespace

std::string text_of(const FindingKind& kind) {
  std::string text = text_before_cause(kind);
  if (kind.left) text += fmt::format("{}{}", cause_begins, text_of(*kind.left));
  return text;
}

std::optional<FindingKind> kind_of_text(std::string_view text) {
  std::string_view cause = text;
  const std::string_view before = take_until(cause, cause_begins);
  auto kind = before_cause_of_text(before);
  if (!kind || (cause.empty() && kind->what == What::nothing)) return std::nullopt;
  if (cause.empty()) return kind;
  if (auto left = left_of_text(cause)) {
    kind->left = std::move(left);
  } else if (kind->what == What::nothing) {
    kind->what = What::model;
    kind->words = cause;
  } else {
    return std::nullopt;
  }
  return kind;
}

}  // namespace iommucheck::oracle
