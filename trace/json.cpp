// SPDX-License-Identifier: MIT
#include "trace/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "trace/check.h"
#include "trace/json_value.h"
#include "trace/members.h"

namespace iommucheck::trace {
namespace {

template <class T>
concept Integer = std::unsigned_integral<T> && !std::same_as<T, bool>;

// ---- writing ----

template <class T>
  requires(Integer<T> || ObjectId<T>)
void write(std::string& out, T value) {
  append_json_hex(out, static_cast<u64>(value));
}
void write(std::string& out, const bool& value) { out += value ? "true" : "false"; }
void write(std::string& out, const std::string& value) { append_json_string(out, value); }
void write(std::string& out, AgentId value) { append_json_string(out, to_string(value)); }
void write(std::string& out, Rights value) { append_json_string(out, to_string(value)); }
void write(std::string& out, Substream value) {
  value.valid ? append_json_hex(out, value.value) : append_json_string(out, "none");
}
template <NamedEnum E>
void write(std::string& out, E value) {
  append_json_string(out, to_string(value));
}
void write(std::string& out, const CallArguments& value);
void write(std::string& out, const ProfileValue& value) {
  std::visit([&](const auto& alternative) { write(out, alternative); }, value);
}
template <Described T>
void write(std::string& out, const T& value);
template <class T>
void write(std::string& out, const std::map<std::string, T>& map) {
  out += '{';
  for (const auto& [key, value] : map) {
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    write(out, value);
  }
  out += '}';
}
template <class List>
  requires requires(const List& list) {
    list.begin();
    list.size();
    typename List::value_type;
  }
void write(std::string& out, const List& list) {
  out += '[';
  for (const auto& item : list) {
    if (out.back() != '[') out += ',';
    write(out, item);
  }
  out += ']';
}

/// A field that is there, as `,"name":value` (no comma after a brace).
struct WriteMember {
  std::string& out;

  void operator()(const FieldInfo& field, const auto& member) const {
    if (out.back() != '{') out += ',';
    append_json_string(out, field.name);
    out += ':';
    write(out, member);
  }
  template <class T>
  void operator()(const FieldInfo& field, const std::optional<T>& fact) const {
    if (fact) (*this)(field, *fact);
  }
};
void write_members(std::string& out, const ConstMembers& members) {
  for_each_member(members, WriteMember{out});
}
template <Described T>
void write(std::string& out, const T& value) {
  out += '{';
  write_members(out, members(value));
  out += '}';
}
void write(std::string& out, const CallArguments& value) {
  out += "{\"name\":";
  append_json_string(out, info(value).name);
  write_members(out, members(value));
  out += '}';
}

// ---- reading ----

/// Reads values of every type of field. Each function returns false after setting `error`.
class JsonReader {
 public:
  JsonError error;

  bool fail_at(u32 column, std::string message) {
    error = {column, std::move(message)};
    return false;
  }
  bool expect(const JsonValue& value, JsonValue::Kind kind, std::string_view what) {
    if (value.kind == kind) return true;
    return fail_at(value.column, fmt::format("{} is expected, this is {}", what, kind_name(value)));
  }

  bool integer(const JsonValue& value, u64 max, u64& out) {
    if (!expect(value, JsonValue::Kind::string, "an integer as a string \"0x…\"")) return false;
    const std::string& text = value.text;
    const char* end = text.data() + text.size();
    const auto [stop, code] =
        std::from_chars(text.data() + (text.starts_with("0x") ? 2 : 0), end, out, 16);
    if (!text.starts_with("0x") || code == std::errc::invalid_argument || stop != end) {
      return fail_at(value.column, fmt::format("\"{}\" is no integer: write it as \"0x1f\"", text));
    }
    if (code != std::errc{} || out > max) {
      return fail_at(value.column, fmt::format("{} is larger than {:#x}", text, max));
    }
    return true;
  }
  template <class T>
    requires(Integer<T>)
  bool read(const JsonValue& value, T& out) {
    u64 number = 0;
    if (!integer(value, std::numeric_limits<T>::max(), number)) return false;
    out = static_cast<T>(number);
    return true;
  }
  template <ObjectId T>
  bool read(const JsonValue& value, T& out) {
    std::underlying_type_t<T> number{};
    if (!read(value, number)) return false;
    out = T{number};
    return true;
  }
  bool read(const JsonValue& value, bool& out) {
    out = value.boolean;
    return expect(value, JsonValue::Kind::boolean, "true or false");
  }
  bool read(const JsonValue& value, std::string& out) {
    out = value.text;
    return expect(value, JsonValue::Kind::string, "a string");
  }
  bool read(const JsonValue& value, AgentId& out) {
    if (!expect(value, JsonValue::Kind::string, "an agent such as \"cpu0\"")) return false;
    const auto agent = agent_from_string(value.text);
    if (!agent) {
      return fail_at(value.column,
                     fmt::format("\"{}\" is no agent: cpu<n>, smmu<n>, device<n> (or ? for n), "
                                 "environment, guest, user, gpu are",
                                 value.text));
    }
    out = *agent;
    return true;
  }
  bool read(const JsonValue& value, Rights& out) {
    if (!expect(value, JsonValue::Kind::string, "rights such as \"rw\"")) return false;
    const auto rights = rights_from_string(value.text);
    if (!rights) {
      return fail_at(value.column, fmt::format("\"{}\" is no set of rights: \"none\" or letters "
                                               "of \"rwx\" in this order are",
                                               value.text));
    }
    out = *rights;
    return true;
  }
  bool read(const JsonValue& value, Substream& out) {
    out = {};
    if (value.kind == JsonValue::Kind::string && value.text == "none") return true;
    out.valid = true;
    u64 number = 0;
    if (!integer(value, (1U << 20) - 1, number)) return false;
    out.value = static_cast<u32>(number);
    return true;
  }
  template <NamedEnum E>
  bool read(const JsonValue& value, E& out) {
    if (!expect(value, JsonValue::Kind::string, EnumInfo<E>::text)) return false;
    if (const auto found = enum_from_string<E>(value.text)) {
      out = *found;
      return true;
    }
    std::string known;
    for (const ValueInfo& v : EnumInfo<E>::values) {
      known += (known.empty() ? "" : ", ") + std::string(v.name);
    }
    return fail_at(value.column,
                   fmt::format("\"{}\" is not known here; {} are", value.text, known));
  }
  bool read(const JsonValue& value, ProfileValue& out) {
    if (value.kind == JsonValue::Kind::boolean) {
      out = value.boolean;
      return true;
    }
    if (!expect(value, JsonValue::Kind::string, "true, false or a string")) return false;
    if (!value.text.starts_with("0x")) {
      out = value.text;
      return true;
    }
    u64 number = 0;
    const bool done = integer(value, ~u64{0}, number);
    out = number;
    return done;
  }
  template <class T>
  bool read(const JsonValue& value, std::map<std::string, T>& out) {
    if (!expect(value, JsonValue::Kind::object, "an object")) return false;
    for (const JsonMember& member : value.members) {
      if (!read(member.value, out[member.key])) return false;
    }
    return true;
  }
  template <class T>
  bool read(const JsonValue& value, std::vector<T>& out) {
    if (!expect(value, JsonValue::Kind::array, "an array")) return false;
    out.resize(value.items.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!read(value.items[i], out[i])) return false;
    }
    return true;
  }
  template <std::size_t n>
  bool read(const JsonValue& value, std::array<u64, n>& out) {
    if (!expect(value, JsonValue::Kind::array, "an array")) return false;
    if (value.items.size() != n) {
      return fail_at(value.column,
                     fmt::format("{} integers are expected, there are {}", n, value.items.size()));
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (!read(value.items[i], out[i])) return false;
    }
    return true;
  }
  template <Described T>
  bool read(const JsonValue& value, T& out) {
    return expect(value, JsonValue::Kind::object, "an object") &&
           fields(value, members(out), "object", {});
  }
  bool read(const JsonValue& value, CallArguments& out) {
    if (!expect(value, JsonValue::Kind::object, "an object")) return false;
    const JsonMember* name = value.find("name");
    if (name == nullptr) return fail_at(value.column, "key \"name\" of the call is missing");
    std::string text;
    if (!read(name->value, text)) return false;
    const auto call = call_from_string(text);
    if (!call) {
      return fail_at(name->value.column,
                     fmt::format("\"{}\" is no call: see docs/trace-format.md", text));
    }
    out.make(static_cast<std::size_t>(*call));
    const std::string_view own[] = {"name"};
    return fields(value, members(out), text, own);
  }

  /// Every field of `out` from a member, and no member left over but those in `own`.
  bool fields(const JsonValue& object, const Members& out, std::string_view what,
              std::span<const std::string_view> own) {
    Object from{.value = object, .what = what, .known = {own.begin(), own.end()}};
    for_each_member(out, [&](const FieldInfo& field, auto& member) {
      from.good = from.good && member_of(from, field, member);
    });
    return from.good && (from.used + own.size() == object.members.size() || stranger(from));
  }

 private:
  /// An object while its fields are read.
  struct Object {
    const JsonValue& value;
    std::string_view what;
    std::vector<std::string_view> known;  ///< keys that may be there
    std::size_t used = 0;                 ///< fields that are
    bool good = true;
  };

  const JsonValue* find(Object& from, const FieldInfo& field) {
    from.known.push_back(field.name);
    const JsonMember* found = from.value.find(field.name);
    if (found != nullptr) {
      ++from.used;
      return &found->value;
    }
    if (!field.may_be_absent) {
      fail_at(from.value.column,
              fmt::format("key \"{}\" ({}) of {} is missing", field.name, field.type, from.what));
    }
    return nullptr;
  }
  template <class T>
  bool member_of(Object& from, const FieldInfo& field, T& member) {
    const JsonValue* value = find(from, field);
    return value != nullptr && read(*value, member);
  }
  template <class T>
  bool member_of(Object& from, const FieldInfo& field, std::optional<T>& member) {
    const JsonValue* value = find(from, field);
    return value == nullptr || read(*value, member.emplace());
  }

  /// Names the first member that is not known; true if there is none.
  bool stranger(const Object& from) {
    for (const JsonMember& member : from.value.members) {
      if (std::ranges::find(from.known, member.key) != from.known.end()) continue;
      return fail_at(member.column, fmt::format("key \"{}\" of {} is not known; {} are", member.key,
                                                from.what, fmt::join(from.known, ", ")));
    }
    return true;
  }
};

std::unexpected<Error> failure(LinePlace place, const JsonError& error,
                               ErrorCode code = ErrorCode::bad_input) {
  return fail(code,
              fmt::format("{}:{}:{}: {}", place.file, place.line, error.column, error.message));
}

/// Column of the value of `field`, else of its object.
u32 column_of(const JsonValue& object, std::string_view field) {
  if (const JsonMember* member = object.find(field)) return member->value.column;
  for (const JsonMember& member : object.members) {  // an argument of a call
    const JsonMember* inner = member.value.find(field);
    if (inner != nullptr) return inner->value.column;
  }
  return object.column;
}

bool read_event(const JsonValue& object, JsonReader& reader, Event& event) {
  if (!reader.expect(object, JsonValue::Kind::object, "an event (a JSON object)")) return false;
  const JsonMember* name = object.find("event");
  if (name == nullptr) return reader.fail_at(object.column, "key \"event\" is missing");
  std::string text;
  if (!reader.read(name->value, text)) return false;
  const auto kind = event_from_string(text);
  if (!kind) {
    return reader.fail_at(name->value.column,
                          fmt::format("\"{}\" is no event: see docs/trace-format.md", text));
  }
  const JsonMember* agent = object.find("agent");
  if (agent == nullptr) {
    return reader.fail_at(object.column, fmt::format("key \"agent\" of {} is missing", text));
  }
  if (!reader.read(agent->value, event.agent)) return false;
  const JsonMember* origin = object.find("origin");
  if (origin != nullptr && !reader.read(origin->value, event.origin.emplace())) return false;
  const std::string_view own[] = {"event", "agent", "origin"};
  event.payload.make(static_cast<std::size_t>(*kind));
  const std::span<const std::string_view> present(own, origin != nullptr ? 3 : 2);
  return reader.fields(object, members(event.payload), text, present);
}

}  // namespace

std::string to_json(const Event& event) {
  std::string out = "{\"event\":";
  append_json_string(out, info(kind_of(event)).name);
  out += ",\"agent\":";
  write(out, event.agent);
  write_members(out, members(event.payload));
  if (event.origin) {
    out += ",\"origin\":";
    append_json_hex(out, *event.origin);
  }
  out += '}';
  return out;
}

std::string to_json(const Header& header) {
  std::string out = fmt::format("{{\"iommucheck-trace\":{}", trace_version);
  write_members(out, members(header));
  out += '}';
  return out;
}

Expected<Event> event_from_json(std::string_view line, LinePlace place) {
  const auto object = parse_json(line);
  if (!object) return failure(place, object.error());
  JsonReader reader;
  Event event;
  if (!read_event(*object, reader, event)) return failure(place, reader.error);
  if (const auto wrong = check(event)) {
    const std::string message = fmt::format("key \"{}\": {}", wrong->field, wrong->message);
    return failure(place, {column_of(*object, wrong->field), message});
  }
  return event;
}

Expected<Header> header_from_json(std::string_view line, LinePlace place) {
  const auto object = parse_json(line);
  if (!object) return failure(place, object.error());
  JsonReader reader;
  const JsonMember* version = object->find("iommucheck-trace");
  if (version == nullptr) {
    return failure(place, {1,
                           "this is no trace: the first line is to be an object with the key "
                           "\"iommucheck-trace\" (import recordings first)"});
  }
  const JsonValue& number = version->value;
  if (!number.whole_number) {
    return failure(place, {number.column, "the version is to be a number, such as 1"});
  }
  if (number.number != trace_version) {
    const std::string message =
        fmt::format("version {} of the format is not known, {} is", number.number, trace_version);
    return failure(place, {number.column, message}, ErrorCode::unsupported);
  }
  const std::string_view own[] = {"iommucheck-trace"};
  Header header;
  if (!reader.fields(*object, members(header), "the header", own))
    return failure(place, reader.error);
  if (const auto wrong = check(header)) {
    const std::string message = fmt::format("key \"{}\": {}", wrong->field, wrong->message);
    return failure(place, {column_of(*object, wrong->field), message});
  }
  return header;
}

}  // namespace iommucheck::trace
