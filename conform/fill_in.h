// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace iommucheck::oracle {

/// The one place `name` in a text that was written for it becomes `value`.
inline void fill_in(std::string& text, const std::string& name, const std::string& value) {
  text.replace(text.find(name), name.size(), value);
}

}  // namespace iommucheck::oracle
