// SPDX-License-Identifier: MIT
#include "tests/report/json_schema_support.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <set>

namespace iommucheck::oracle {

namespace {

using trace::JsonValue;
using Kind = JsonValue::Kind;

/// The value again as text, for comparing two of them.
std::string canonical(const JsonValue& value) {
  switch (value.kind) {
    case Kind::null: return "null";
    case Kind::boolean: return value.boolean ? "true" : "false";
    case Kind::number: return value.whole_number ? std::to_string(value.number) : value.text;
    case Kind::string: return "\"" + value.text + "\"";
    case Kind::array: {
      std::string text = "[";
      for (const JsonValue& item : value.items) text += canonical(item) + ",";
      return text + "]";
    }
    case Kind::object: {
      std::set<std::string> members;
      for (const auto& member : value.members) {
        members.insert("\"" + member.key + "\":" + canonical(member.value));
      }
      std::string text = "{";
      for (const std::string& member : members) text += member + ",";
      return text + "}";
    }
  }
  return {};
}

bool is_of_type(const JsonValue& value, const std::string& type) {
  if (type == "string") return value.kind == Kind::string;
  if (type == "boolean") return value.kind == Kind::boolean;
  if (type == "object") return value.kind == Kind::object;
  if (type == "array") return value.kind == Kind::array;
  if (type == "number") return value.kind == Kind::number;
  if (type == "integer") return value.kind == Kind::number && value.whole_number;
  return false;
}

/// RFC 3986: only its characters, and % with two digits.
bool is_uri(const std::string& text, bool absolute) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      if (i + 2 >= text.size() || std::isxdigit(static_cast<unsigned char>(text[i + 1])) == 0 ||
          std::isxdigit(static_cast<unsigned char>(text[i + 2])) == 0) {
        return false;
      }
    } else if (std::isalnum(c) == 0 &&
               !std::string_view("-._~:/?#[]@!$&'()*+,;=").contains(text[i])) {
      return false;
    }
  }
  const std::size_t colon = text.find(':');
  return !absolute || (colon != std::string::npos && colon != 0);
}

bool says_nothing_of_values(std::string_view keyword) {
  for (const char* one : {"$comment", "$schema", "definitions", "description", "title"}) {
    if (keyword == one) return true;
  }
  return false;
}

class Validator {
 public:
  explicit Validator(const JsonValue& root) : root_(root) {}

  void check(const JsonValue& value, const JsonValue& schema, const std::string& path) {
    for (const auto& [key, column, rule] : schema.members) {
      if (says_nothing_of_values(key)) continue;
      const auto handler = handlers_.find(key);
      if (handler == handlers_.end()) {
        wrong(path, "the schema's " + key + " is not known here");
      } else {
        handler->second(*this, value, schema, rule, path);
      }
    }
  }
  std::vector<std::string> take() { return std::move(wrong_); }

 private:
  using Handler = std::function<void(Validator&, const JsonValue&, const JsonValue& schema,
                                     const JsonValue& rule, const std::string& path)>;

  void wrong(const std::string& path, const std::string& what) {
    wrong_.push_back((path.empty() ? "/" : path) + ": " + what);
  }
  bool fits(const JsonValue& value, const JsonValue& schema) const {
    Validator alone(root_);
    alone.check(value, schema, "");
    return alone.wrong_.empty();
  }

  static const JsonValue* known_member(const JsonValue& schema, const std::string& key) {
    const auto* properties = schema.find("properties");
    const auto* found = properties == nullptr ? nullptr : properties->value.find(key);
    return found == nullptr ? nullptr : &found->value;
  }

  void members(const JsonValue& value, const JsonValue& schema, const JsonValue& rule,
               const std::string& path) {
    for (const auto& member : value.members) {
      if (known_member(schema, member.key) != nullptr) continue;
      if (rule.kind == Kind::boolean && !rule.boolean) wrong(path, "no " + member.key + " here");
      if (rule.kind == Kind::object) check(member.value, rule, path + "/" + member.key);
    }
  }

  const JsonValue& root_;
  std::vector<std::string> wrong_;
  static const std::map<std::string, Handler> handlers_;
};

const std::map<std::string, Validator::Handler> Validator::handlers_{
    {"type",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       if (!is_of_type(value, rule.text)) v.wrong(path, "is no " + rule.text);
     }},
    {"enum",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       const auto same = [&](const JsonValue& one) { return canonical(one) == canonical(value); };
       if (std::ranges::none_of(rule.items, same)) v.wrong(path, "is none of the words for it");
     }},
    {"required",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       for (const JsonValue& key : rule.items) {
         if (value.find(key.text) == nullptr) v.wrong(path, "has no " + key.text);
       }
     }},
    {"properties",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       for (const auto& member : rule.members) {
         const auto* its = value.find(member.key);
         if (its != nullptr) v.check(its->value, member.value, path + "/" + member.key);
       }
     }},
    {"additionalProperties",
     [](Validator& v, const JsonValue& value, const JsonValue& schema, const JsonValue& rule,
        const std::string& path) { v.members(value, schema, rule, path); }},
    {"items",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       for (std::size_t i = 0; i < value.items.size(); ++i) {
         v.check(value.items[i], rule, path + "/" + std::to_string(i));
       }
     }},
    {"minItems",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       if (value.items.size() < rule.number) v.wrong(path, "has too few items");
     }},
    {"uniqueItems",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       std::set<std::string> seen;
       for (const JsonValue& item : value.items) {
         if (rule.boolean && !seen.insert(canonical(item)).second) v.wrong(path, "has one twice");
       }
     }},
    {"minimum",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       // A whole number is never negative here, so only a bound above 0 says anything.
       if (rule.whole_number && value.whole_number && value.number < rule.number) {
         v.wrong(path, "is too small");
       }
     }},
    {"format",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       if (!is_uri(value.text, rule.text == "uri")) v.wrong(path, "is no " + rule.text);
     }},
    {"anyOf",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       const auto one = [&](const JsonValue& schema) { return v.fits(value, schema); };
       if (std::ranges::none_of(rule.items, one)) v.wrong(path, "is none of what it may be");
     }},
    {"$ref",
     [](Validator& v, const JsonValue& value, const JsonValue&, const JsonValue& rule,
        const std::string& path) {
       const std::string name = rule.text.substr(rule.text.rfind('/') + 1);
       const auto* all = v.root_.find("definitions");
       const auto* its = all == nullptr ? nullptr : all->value.find(name);
       if (its == nullptr) {
         v.wrong(path, "the schema has no " + name);
       } else {
         v.check(value, its->value, path);
       }
     }},
};

}  // namespace

std::vector<std::string> validate(const JsonValue& value, const JsonValue& schema) {
  Validator validator(schema);
  validator.check(value, schema, "");
  return validator.take();
}

}  // namespace iommucheck::oracle
