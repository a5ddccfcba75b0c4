// SPDX-License-Identifier: MIT
#include "scenario/format/words.h"

namespace iommucheck::scenario {
namespace {

using Word = std::string_view;

constexpr Word kinds[] = {"paging",  "paging_s2", "blocked",     "identity",
                          "dynamic", "nested",    "nested_pasid"};
constexpr Word handlers[] = {"mm_exit", "null"};
constexpr Word presence[] = {"handler", "none"};
constexpr Word responses[] = {"success", "invalid", "failure", "unknown"};
constexpr Word attributes[] = {"ttbr0", "pasid", "unknown"};
constexpr Word features[] = {"iopf", "private", "unknown"};
constexpr Word flags[] = {"further", "svm", "explicit", "unknown"};
constexpr Word switches[] = {"on", "off"};
constexpr Word clearing[] = {"keep", "clear"};

}  // namespace

std::optional<std::span<const std::string_view>> words_for(char letter) {
  switch (letter) {
    case 'w': return kinds;
    case 'x': return handlers;
    case 'b': return presence;
    case 'u': return responses;
    case 'a': return attributes;
    case 'f': return features;
    case 'g': return flags;
    case 'o': return switches;
    case 'e': return clearing;
    default: return std::nullopt;
  }
}

}  // namespace iommucheck::scenario
