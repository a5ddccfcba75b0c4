// SPDX-License-Identifier: MIT
// A strict reader of the part of XML 1.0 that JUnit needs, for tests: what it reads is valid.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::oracle {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< of all its text, references replaced
  std::vector<XmlElement> children;

  /// The children of that name.
  [[nodiscard]] std::vector<const XmlElement*> all(std::string_view child) const;
};

/// A document with one root; nothing if any rule of XML 1.0 that it touches is broken: characters,
/// UTF-8, nesting, quotes, attributes that come twice, "<" and "&" in texts, "]]>".
std::optional<XmlElement> parse_xml(std::string_view document);
/// What stands between tags, references replaced and line ends normalised as a reader does.
std::optional<std::string> parse_xml_text(std::string_view text, bool attribute);

}  // namespace iommucheck::oracle
