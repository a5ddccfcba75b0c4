// SPDX-License-Identifier: MIT
// What every outcome that hardware may give is held against, and how tables and configuration
// change meanwhile.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace promises_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/promises.def"
#undef RULE
};
}  // namespace promises_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::promises + promises_rules::id};
#include "spec/rules/promises.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
