// SPDX-License-Identifier: MIT
// Lines of text, indented; what the drawings of this folder are made of.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace iommucheck::oracle {

class Lines {
 public:
  template <class... Args>
  void add(unsigned indent, fmt::format_string<Args...> format, Args&&... args) {
    text_.append(2 * std::size_t{indent}, ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void blank() { text_ += '\n'; }
  void append(const std::string& lines) { text_ += lines; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace iommucheck::oracle
