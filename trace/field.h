// SPDX-License-Identifier: MIT
// What the .def files say of one field. Every described struct has an overload
//   for_each_field(value, visit), which calls visit(const FieldInfo&, member) in order.
// JSON, codec, hash and documentation are loops over it, or over trace/members.h; nothing is twice.
#pragma once

#include <string_view>

#include "base/types.h"

namespace iommucheck::trace {

struct FieldInfo {
  std::string_view name;
  std::string_view type;
  std::string_view text;
  bool may_be_absent;  ///< a fact: absent if the source cannot give it, never defaulted
};

/// A struct of a .def file: for_each_field is found by its argument.
template <class T>
concept Described =
    requires(const T& value) { for_each_field(value, [](const FieldInfo&, const auto&) {}); };

}  // namespace iommucheck::trace
