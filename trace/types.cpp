// SPDX-License-Identifier: MIT
#include "trace/types.h"

namespace iommucheck::trace {

std::string to_string(Rights rights) {
  std::string text;
  if (rights.read) text += 'r';
  if (rights.write) text += 'w';
  if (rights.execute) text += 'x';
  return text.empty() ? "none" : text;
}

std::optional<Rights> rights_from_string(std::string_view text) {
  if (text == "none") return Rights{};
  Rights rights;
  for (char c : text) {
    if (c == 'r') rights.read = true;
    if (c == 'w') rights.write = true;
    if (c == 'x') rights.execute = true;
  }
  if (text.empty() || to_string(rights) != text) return std::nullopt;
  return rights;
}

}  // namespace iommucheck::trace
