// SPDX-License-Identifier: MIT
// A profile: a file of JSON that says what an implementation states. It is read as changes of a
// machine, so that whoever takes a machine takes a profile. docs/profiles.md.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace iommucheck::oracle {

struct ProfileFile {
  std::string name;
  std::string machine;  ///< as change_machine() takes it: "cohacc=0,page1=absent"
};

/// bad_input names file, line and column, the member, and what there is.
Expected<ProfileFile> parse_profile(std::string_view text, std::string_view path);
Expected<ProfileFile> read_profile(const std::string& path);

}  // namespace iommucheck::oracle
