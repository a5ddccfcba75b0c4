// SPDX-License-Identifier: MIT
// The second backend with one thing forgotten each: what its hardware's model and the scenarios
// have to notice, and by which rules.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backends/named.h"
#include "spec/rules.h"

namespace iommucheck::oracle::stories {

struct TwoTwin {
  std::string_view name;
  std::string_view what;          ///< it does wrong
  std::vector<spec::Rule> rules;  ///< one of them is found broken
  NamedBackend (*make)();
};

std::span<const TwoTwin> two_twins();

}  // namespace iommucheck::oracle::stories
