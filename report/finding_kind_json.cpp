// SPDX-License-Identifier: MIT
// A kind by its members, as files keep it.
#include <fmt/format.h>

#include <algorithm>

#include "report/finding_json.h"
#include "report/finding_kind_names.h"
#include "report/finding_kind_text.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonError;
using trace::JsonMember;
using trace::JsonTree;
using trace::JsonValue;
using What = FindingKind::What;

constexpr u32 names_max = 256;  // of events and states

template <class T, std::size_t n>
void set(JsonTree& json, std::string_view key, const MemberName<T> (&names)[n], T value) {
  if (const MemberName<T>* its = named(names, value); its != nullptr) json.set(key, its->name);
}

class KindReader {
 public:
  explicit KindReader(FindingKind& kind) : kind_(kind) {}

  /// Whether there is such a member, with such a value.
  bool read(const JsonMember& member) {
    const JsonValue& value = member.value;
    const std::string_view key = member.key;
    if (key == "walker") return flag(value, kind_.walker);
    if (key == "number") return number(value, kind_.number);
    if (key == "may") return list(value, kind_.may, may_of_name) && is(What::may);
    if (key == "promised") return list(value, kind_.promised, state_of_name);
    if (value.kind != JsonValue::Kind::string) return false;
    const std::string& text = value.text;
    if (key == "in") return take(kind_.doing, text);
    if (key == "answer") return status(text) && is(What::answer);
    if (key == "words") {
      return take(kind_.words, text) && (kind_.what == What::answer || is(What::sentence));
    }
    if (key == "model") return take(kind_.words, text) && is(What::model);
    if (key == "memory") return take(kind_.memory, text);
    if (key == "rule") return (kind_.rule = spec::find_rule(text)).has_value();
    if (key == "end") return named_value(end_names, text, kind_.end) && is(What::end);
    if (key == "wrong") return named_value(wrong_names, text, kind_.wrong);
    if (key == "left_over") return named_value(thing_names, text, left().thing);
    if (key == "left_by") return named_value(why_names, text, left().why.emplace());
    if (key == "since") return take(left().since, text);
    return false;
  }

 private:
  bool is(What what) {
    kind_.what = what;
    return true;
  }
  LeftOver& left() { return kind_.left ? *kind_.left : kind_.left.emplace(); }
  bool status(const std::string& text) {
    const auto status = status_of_name(text);
    kind_.status = status.value_or(spec::sva::Status{});
    return status.has_value();
  }
  static bool take(std::string& member, const std::string& text) {
    member = text;
    return true;
  }
  static bool flag(const JsonValue& value, bool& member) {
    member = value.boolean;
    return value.kind == JsonValue::Kind::boolean;
  }
  static bool number(const JsonValue& value, u32& member) {
    member = static_cast<u32>(value.number);
    return value.kind == JsonValue::Kind::number && value.whole_number && member == value.number;
  }
  template <class T, std::size_t n>
  static bool named_value(const MemberName<T> (&names)[n], const std::string& text, T& member) {
    const auto value = value_of(names, text, &MemberName<T>::name);
    member = value.value_or(T{});
    return value.has_value();
  }
  template <class T, class OfName>
  static bool list(const JsonValue& value, std::vector<T>& members, OfName of_name) {
    for (const JsonValue& item : value.items) {
      const auto one = of_name(item.text);
      if (!one) return false;
      members.push_back(*one);
    }
    std::ranges::sort(members);
    return value.kind == JsonValue::Kind::array;
  }
  FindingKind& kind_;
};

}  // namespace

std::string_view name_of(const MayDo& may) {
  return may.kind == MayKind::event ? spec::event_name(may.event) : kind_name(may.kind);
}

std::optional<MayDo> may_of_name(std::string_view name) {
  for (u32 i = 0; i <= static_cast<u32>(MayKind::not_granted); ++i) {
    const auto kind = static_cast<MayKind>(i);
    if (kind != MayKind::event && kind_name(kind) == name) return MayDo{kind, {}};
  }
  for (u32 i = 0; i < names_max; ++i) {
    const MayDo may{MayKind::event, static_cast<spec::EventType>(i)};
    if (name_of(may) == name) return may;
  }
  return std::nullopt;
}

std::optional<spec::sva::State> state_of_name(std::string_view name) {
  for (u32 i = 0; i < names_max; ++i) {
    const auto state = static_cast<spec::sva::State>(i);
    if (state_name(state) == name) return state;
  }
  return std::nullopt;
}

std::optional<spec::sva::Status> status_of_name(std::string_view name) {
  constexpr int errno_max = 4095;
  for (int i = -1; i <= errno_max; ++i) {
    const auto status = static_cast<spec::sva::Status>(i);
    if (spec::sva::status_text(status) == name) return status;
  }
  return std::nullopt;
}

JsonTree to_json(const FindingKind& kind) {
  JsonTree json = JsonTree::object();
  if (!kind.doing.empty()) json.set("in", kind.doing);
  if (kind.what == What::answer) json.set("answer", spec::sva::status_text(kind.status));
  if (kind.what == What::model) json.set("model", kind.words);
  const bool answers = kind.what == What::answer && !kind.words.empty();
  if (answers || kind.what == What::sentence) json.set("words", kind.words);
  if (kind.what == What::end) set(json, "end", end_names, kind.end);
  if (kind.what == What::end && kind.end != FindingKind::End::never)
    json.set("number", kind.number);
  if (kind.what == What::device) json.set("device", text_of(kind.device));
  if (kind.what == What::may) {
    JsonTree may = JsonTree::array();
    for (const MayDo& one : kind.may) may.add(name_of(one));
    json.set("may", std::move(may));
    JsonTree promised = JsonTree::array();
    for (const spec::sva::State state : kind.promised) promised.add(state_name(state));
    if (!kind.promised.empty()) json.set("promised", std::move(promised));
  }
  set(json, "wrong", wrong_names, kind.wrong);
  if (kind.wrong == FindingKind::Wrong::memory) json.set("memory", kind.memory);
  if (kind.walker) json.set("walker", true);
  if (kind.rule) json.set("rule", spec::rule_name(*kind.rule));
  if (!kind.left) return json;
  set(json, "left_over", thing_names, kind.left->thing);
  if (kind.left->why) set(json, "left_by", why_names, *kind.left->why);
  if (!kind.left->since.empty()) json.set("since", kind.left->since);
  return json;
}

std::expected<FindingKind, JsonError> kind_of_json(const JsonValue& json) {
  FindingKind kind;
  KindReader reader(kind);
  if (json.kind != JsonValue::Kind::object) {
    return std::unexpected(JsonError{json.column, "the members of a kind are an object"});
  }
  for (const JsonMember& member : json.members) {
    if (reader.read(member)) continue;
    return std::unexpected(
        JsonError{member.column, fmt::format("a kind has no such member '{}'", member.key)});
  }
  return kind;
}

}  // namespace iommucheck::oracle
