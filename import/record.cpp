// SPDX-License-Identifier: MIT
#include "import/record.h"

#include <fmt/format.h>

#include <charconv>

namespace iommucheck::oracle {

using trace::JsonMember;
using trace::JsonValue;

Expected<Record> Record::parse(std::string_view line, trace::LinePlace place) {
  auto object = trace::parse_json(line);
  if (!object) {
    return fail(ErrorCode::bad_input, fmt::format("{}:{}:{}: {}", place.file, place.line,
                                                  object.error().column, object.error().message));
  }
  Record record(std::move(*object), place);
  if (record.object_.kind == JsonValue::Kind::object) return record;
  return record.fail_line("a JSON object is expected");
}

void Record::stop_at(u32 column, std::string message) {
  if (failed()) return;
  column_ = column;
  message_ = std::move(message);
}

void Record::stop(std::string_view key, std::string message) {
  const JsonMember* member = object_.find(key);
  stop_at(member != nullptr ? member->value.column : 1,
          fmt::format("field \"{}\": {}", key, message));
}

std::unexpected<Error> Record::error(ErrorCode code) const {
  return fail(code, fmt::format("{}:{}:{}: {}", place_.file, place_.line, column_, message_));
}

std::unexpected<Error> Record::fail_line(std::string_view message) const {
  return fail(ErrorCode::bad_input,
              fmt::format("{}:{}:{}: {}", place_.file, place_.line, object_.column, message));
}

const JsonValue* Record::find(std::string_view key) {
  const JsonMember* member = object_.find(key);
  if (member != nullptr) return &member->value;
  stop_at(object_.column, fmt::format("field \"{}\" is missing", key));
  return nullptr;
}

std::string Record::text(std::string_view key) {
  const JsonValue* value = find(key);
  if (value == nullptr) return {};
  if (value->kind == JsonValue::Kind::string) return value->text;
  stop(key, fmt::format("a string is expected, this is {}", kind_name(*value)));
  return {};
}

u64 Record::number(std::string_view key, u64 max) {
  const JsonValue* value = find(key);
  if (value == nullptr) return 0;
  if (value->whole_number && value->number <= max) return value->number;
  stop(key, value->whole_number
                ? fmt::format("{} is larger than {}", value->number, max)
                : fmt::format("a whole number is expected, this is {}", kind_name(*value)));
  return 0;
}

u8 Record::size(std::string_view key) {
  const u64 bytes = number(key, 16);
  if (failed()) return 1;
  if (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16) {
    return static_cast<u8>(bytes);
  }
  stop(key, fmt::format("{} is no size of an access: 1, 2, 4, 8, 16 are", bytes));
  return 1;
}

bool Record::to_hex(const JsonValue& value, std::string_view key, u64& out) {
  const std::string& text = value.text;
  if (value.kind != JsonValue::Kind::string || !text.starts_with("0x") || text.size() < 3) {
    stop(key, "a string \"0x…\" is expected");
    return false;
  }
  const char* end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data() + 2, end, out, 16);
  if (code == std::errc{} && stopped == end) return true;
  stop(key, fmt::format("\"{}\" is no hexadecimal number of at most 64 bits", text));
  return false;
}

u64 Record::hex(std::string_view key) {
  const JsonValue* value = find(key);
  u64 out = 0;
  return value != nullptr && to_hex(*value, key, out) ? out : 0;
}

std::vector<std::pair<std::string, std::string>> Record::texts(std::string_view key) {
  std::vector<std::pair<std::string, std::string>> out;
  const JsonValue* value = find(key);
  if (value == nullptr) return out;
  if (value->kind != JsonValue::Kind::object) {
    stop(key, fmt::format("an object is expected, this is {}", kind_name(*value)));
    return out;
  }
  for (const JsonMember& member : value->members) {
    if (member.value.kind != JsonValue::Kind::string) {
      stop(key, fmt::format("\"{}\" is to be a string", member.key));
      return out;
    }
    out.emplace_back(member.key, member.value.text);
  }
  return out;
}

void Record::read_words(std::string_view key, u64* out, std::size_t count) {
  const JsonValue* value = find(key);
  if (value == nullptr) return;
  if (value->kind != JsonValue::Kind::array || value->items.size() != count) {
    return stop(key, fmt::format("an array of {} strings \"0x…\" is expected", count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!to_hex(value->items[i], key, out[i])) return;
  }
}

}  // namespace iommucheck::oracle
