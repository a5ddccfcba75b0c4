// SPDX-License-Identifier: MIT
// Where the source tree and the build lie. Functions of one file (made of places.cpp.in) and no
// compile definitions: with a path of its own in its command line no object could be taken from the
// cache in another clone.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::test {

/// The absolute path of `path` of the source tree; of the tree itself where it is empty.
std::string in_tree(std::string_view path = {});
/// The same in the build folder.
std::string in_build(std::string_view path = {});

}  // namespace iommucheck::test
