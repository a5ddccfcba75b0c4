// SPDX-License-Identifier: MIT
#include "tests/report/xml_support.h"

#include <charconv>

#include "base/types.h"
#include "trace/utf8.h"

namespace iommucheck::oracle {

namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool characters_are_valid(std::string_view text) {
  if (!trace::is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<u8>(text[i]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return false;
    const std::string_view three = text.substr(i, 3);
    if (three == "\xef\xbf\xbe" || three == "\xef\xbf\xbf") return false;
  }
  return true;
}

std::optional<char> reference(std::string_view name) {
  if (name == "amp") return '&';
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  if (!name.starts_with('#')) return std::nullopt;
  unsigned number = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + 1, end, number);
  if (parsed.ptr != end || parsed.ec != std::errc()) return std::nullopt;
  if (number != 9 && number != 10 && number != 13) return std::nullopt;
  return static_cast<char>(number);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<XmlElement> document() {
    constexpr std::string_view declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    if (!take(declaration)) return std::nullopt;
    spaces();
    XmlElement root;
    if (!element(root)) return std::nullopt;
    spaces();
    return rest_.empty() ? std::optional(std::move(root)) : std::nullopt;
  }

 private:
  bool take(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  bool spaces() {
    const std::size_t count = std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size());
    rest_.remove_prefix(count);
    return count != 0;
  }
  bool name(std::string& out) {
    while (!rest_.empty() && is_name_char(rest_.front())) {
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return !out.empty() && !(out.front() >= '0' && out.front() <= '9');
  }
  bool attribute(XmlElement& out) {
    std::string key;
    if (!name(key) || !take("=\"")) return false;
    const std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) return false;
    const auto value = parse_xml_text(rest_.substr(0, end), true);
    rest_.remove_prefix(end + 1);
    return value && out.attributes.emplace(key, *value).second;
  }
  bool element(XmlElement& out) {
    if (++depth_ > 16 || !take("<") || !name(out.name)) return false;
    while (spaces() && !rest_.starts_with('/') && !rest_.starts_with('>')) {
      if (!attribute(out)) return false;
    }
    if (take("/>")) {
      --depth_;
      return true;
    }
    if (!take(">")) return false;
    while (!rest_.starts_with("</")) {
      if (rest_.starts_with('<')) {
        if (!element(out.children.emplace_back())) return false;
        continue;
      }
      const std::size_t end = rest_.find('<');
      if (end == std::string_view::npos) return false;
      const auto text = parse_xml_text(rest_.substr(0, end), false);
      if (!text) return false;
      out.text += *text;
      rest_.remove_prefix(end);
    }
    std::string closed;
    --depth_;
    return take("</") && name(closed) && closed == out.name && take(">");
  }

  std::string_view rest_;
  int depth_ = 0;
};

}  // namespace

std::vector<const XmlElement*> XmlElement::all(std::string_view child) const {
  std::vector<const XmlElement*> found;
  for (const XmlElement& one : children) {
    if (one.name == child) found.push_back(&one);
  }
  return found;
}

std::optional<std::string> parse_xml_text(std::string_view text, bool attribute) {
  if (!characters_are_valid(text)) return std::nullopt;
  if (text.find("]]>") != std::string_view::npos) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' || (attribute && c == '"')) return std::nullopt;
    if (c == '\r') {  // \r\n and \r become \n, in attributes a blank
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
      out += attribute ? ' ' : '\n';
    } else if (attribute && (c == '\n' || c == '\t')) {
      out += ' ';
    } else if (c == '&') {
      const std::size_t end = text.find(';', i);
      if (end == std::string_view::npos) return std::nullopt;
      const auto meant = reference(text.substr(i + 1, end - i - 1));
      if (!meant) return std::nullopt;
      out += *meant;
      i = end;
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<XmlElement> parse_xml(std::string_view document) {
  return Parser(document).document();
}

}  // namespace iommucheck::oracle
