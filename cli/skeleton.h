// SPDX-License-Identifier: MIT
// What `iommucheck init` writes: the examples of this tree under a name of one's own, with a line
// that builds and a line that judges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::cli {

struct SkeletonFile {
  std::string path;  ///< in the folder that it is written to
  std::string text;
  std::string_view says;   ///< what it is, for people; empty: not worth a word
  bool may_exist = false;  ///< one that is there is kept, and is no objection
};

/// Of `kind` driver, device, backend or ci. `name` is what the plug-in calls itself. Empty for any
/// other kind.
std::vector<SkeletonFile> skeleton_of(std::string_view kind, const std::string& name);

/// A name for what lies in the folder: lower case letters, digits and underscores, at most 24 of
/// them; "mine" where nothing is left.
std::string skeleton_name(std::string_view folder);

}  // namespace iommucheck::cli
