// SPDX-License-Identifier: MIT
#include "trace/json_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "trace/utf8.h"

namespace iommucheck::trace {
namespace {

/// Tells how far the parser has read: it copies its iterator, so the count lives outside.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, std::size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_;
  std::size_t* count_;
};

/// Builds the tree from the parser's callbacks; false from one of them ends the parse.
class TreeBuilder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  TreeBuilder(std::string_view text, const std::size_t* consumed)
      : text_(text), consumed_(consumed) {}

  bool null() { return word(JsonValue::Kind::null); }
  bool boolean(bool value) {
    JsonValue* added = add(JsonValue::Kind::boolean);
    if (added == nullptr) return false;
    added->boolean = value;
    return skip_word();
  }
  bool number_integer(number_integer_t) { return word(JsonValue::Kind::number); }
  bool number_unsigned(number_unsigned_t value) {
    JsonValue* added = add(JsonValue::Kind::number);
    if (added == nullptr) return false;
    added->whole_number = true;
    added->number = value;
    return skip_word();
  }
  bool number_float(number_float_t, const string_t&) { return word(JsonValue::Kind::number); }
  bool string(string_t& value) {
    JsonValue* added = add(JsonValue::Kind::string);
    if (added == nullptr) return false;
    added->text = std::move(value);
    end_ = *consumed_;
    return true;
  }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(JsonValue::Kind::object); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(JsonValue::Kind::array); }
  bool end_array() { return close(); }
  bool key(string_t& value) {
    auto& members = open_.back()->members;
    const u32 column = next_column();
    if (members.size() == json_members_max) return stop(column, "the object has too many keys");
    const auto same = [&](const JsonMember& member) { return member.key == value; };
    if (std::ranges::any_of(members, same)) {
      return stop(column, fmt::format("key \"{}\" comes twice", value));
    }
    members.push_back({.key = std::move(value), .column = column, .value = {}});
    end_ = *consumed_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) {
    std::string_view what = e.what();
    // "[json.exception.…] parse error at line 1, column 7: syntax error while …"
    const auto colon = what.find(": ");
    if (colon != std::string_view::npos) what.remove_prefix(colon + 2);
    const auto column = std::clamp<std::size_t>(position, 1, text_.size() + 1);
    return stop(static_cast<u32>(column), to_utf8(what));
  }

  JsonValue& root() { return root_; }
  const std::optional<JsonError>& error() const { return error_; }

 private:
  bool stop(u32 column, std::string message) {
    if (!error_) error_ = JsonError{column, std::move(message)};
    return false;
  }
  /// Column of the next token after the last one.
  u32 next_column() {
    const auto at = text_.find_first_not_of(" \t\r\n,:", end_);
    end_ = at == std::string_view::npos ? text_.size() : at;
    return static_cast<u32>(end_ + 1);
  }
  bool skip_word() {
    const auto at = text_.find_first_of(" \t\r\n,:]}", end_);
    end_ = at == std::string_view::npos ? text_.size() : at;
    return true;
  }
  bool word(JsonValue::Kind kind) { return add(kind) != nullptr && skip_word(); }

  JsonValue* add(JsonValue::Kind kind) {
    const u32 column = next_column();
    if (++values_ > json_values_max) {
      stop(column, "the line has too many values");
      return nullptr;
    }
    JsonValue* place = &root_;
    if (!open_.empty()) {
      JsonValue& parent = *open_.back();
      place = parent.kind == JsonValue::Kind::array ? &parent.items.emplace_back()
                                                    : &parent.members.back().value;
    }
    place->kind = kind;
    place->column = column;
    return place;
  }
  bool open(JsonValue::Kind kind) {
    JsonValue* added = add(kind);
    if (added == nullptr) return false;
    if (open_.size() == json_depth_max) return stop(added->column, "the value is nested too deep");
    open_.push_back(added);  // stays put: siblings are added only after it is closed
    ++end_;
    return true;
  }
  bool close() {
    next_column();
    ++end_;
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::size_t* consumed_;
  std::size_t end_ = 0;  ///< offset behind the last token
  std::size_t values_ = 0;
  JsonValue root_;
  std::vector<JsonValue*> open_;
  std::optional<JsonError> error_;
};

}  // namespace

const JsonMember* JsonValue::find(std::string_view key) const {
  for (const JsonMember& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

std::string_view kind_name(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::null: return "null";
    case JsonValue::Kind::boolean: return "true or false";
    case JsonValue::Kind::number: return "a number";
    case JsonValue::Kind::string: return "a string";
    case JsonValue::Kind::array: return "an array";
    case JsonValue::Kind::object: return "an object";
  }
  return "?";
}

std::expected<JsonValue, JsonError> parse_json(std::string_view text) {
  if (const auto at = text.find('\0'); at != std::string_view::npos) {
    return std::unexpected(JsonError{static_cast<u32>(at + 1), "a zero byte: this is no text"});
  }
  std::size_t consumed = 0;
  TreeBuilder builder(text, &consumed);
  const CountingIterator first(text.data(), &consumed);
  const CountingIterator last(text.data() + text.size(), &consumed);
  const bool done = nlohmann::json::sax_parse(first, last, &builder);
  if (done) return std::move(builder.root());
  return std::unexpected(builder.error().value_or(JsonError{1, "this is no JSON"}));
}

void append_json_string(std::string& out, std::string_view text) {
  std::string repaired;
  if (!is_utf8(text)) text = repaired = to_utf8(text);
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<u8>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_json_hex(std::string& out, u64 value) {
  fmt::format_to(std::back_inserter(out), "\"{:#x}\"", value);
}

// ---- writing ------------------------------------------------------------------------------------

struct JsonTree::Tree {
  nlohmann::ordered_json json;
};

JsonTree::JsonTree() : tree_(std::make_unique<Tree>()) {}
JsonTree::JsonTree(JsonTree&&) noexcept = default;
JsonTree& JsonTree::operator=(JsonTree&&) noexcept = default;
JsonTree::~JsonTree() = default;
JsonTree::JsonTree(std::string_view text) : JsonTree() { tree_->json = std::string(text); }
JsonTree::JsonTree(bool yes) : JsonTree() { tree_->json = yes; }
JsonTree::JsonTree(int number) : JsonTree() { tree_->json = number; }
JsonTree::JsonTree(double number) : JsonTree() {
  constexpr double thousandths = 1000;  // nothing here is measured more exactly
  tree_->json = std::round(number * thousandths) / thousandths;
}

JsonTree JsonTree::whole(u64 number) {
  JsonTree tree;
  tree.tree_->json = number;
  return tree;
}
JsonTree JsonTree::object() {
  JsonTree tree;
  tree.tree_->json = nlohmann::ordered_json::object();
  return tree;
}
JsonTree JsonTree::array() {
  JsonTree tree;
  tree.tree_->json = nlohmann::ordered_json::array();
  return tree;
}

JsonTree& JsonTree::set(std::string_view key, JsonTree value) {
  tree_->json[std::string(key)] = std::move(value.tree_->json);
  return *this;
}
JsonTree& JsonTree::add(JsonTree value) {
  tree_->json.push_back(std::move(value.tree_->json));
  return *this;
}
std::size_t JsonTree::size() const { return tree_->json.size(); }
std::string JsonTree::text(int indent) const {
  return tree_->json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace iommucheck::trace
