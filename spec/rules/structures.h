// SPDX-License-Identifier: MIT
// Stream table entries, context descriptors, and the way to them.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace structures_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/structures.def"
#undef RULE
};
}  // namespace structures_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::structures + structures_rules::id};
#include "spec/rules/structures.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
