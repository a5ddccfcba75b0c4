// SPDX-License-Identifier: MIT
// Files of a test: two runs at once never meet.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace iommucheck::test {

inline std::string own_path(const std::string& name) {
  return testing::TempDir() + "iommucheck_" + std::to_string(::getpid()) + "_" + name;
}

}  // namespace iommucheck::test
