// SPDX-License-Identifier: MIT
// Calls: results, PASIDs, faults, and what callers owe.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace interface_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/interface.def"
#undef RULE
};
}  // namespace interface_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::interface + interface_rules::id};
#include "spec/rules/interface.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
