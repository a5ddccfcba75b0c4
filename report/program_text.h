// SPDX-License-Identifier: MIT
// Programs that are written for somebody else's language: texts with places to fill in, and
// comments.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::oracle {

/// The one place `name` in a text that was written for it becomes `value`.
inline void fill_in(std::string& text, const std::string& name, const std::string& value) {
  text.replace(text.find(name), name.size(), value);
}

/// Each line behind `mark`, such as "# " or "// ".
inline std::string comment_lines(std::string_view mark, std::string_view text) {
  std::string lines(mark);
  for (const char c : text) {
    lines += c;
    if (c == '\n') lines += mark;
  }
  return lines + '\n';
}

/// Lines within a comment of C. No comment ends within a comment.
inline std::string c_comment(std::string_view text) {
  std::string open;
  for (const char c : text) {
    if (c == '/' && open.ends_with('*')) open += ' ';
    open += c;
  }
  return comment_lines(" * ", open);
}

}  // namespace iommucheck::oracle
