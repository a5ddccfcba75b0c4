// SPDX-License-Identifier: MIT
// Commands and what they remove.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace commands_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/commands.def"
#undef RULE
};
}  // namespace commands_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::commands + commands_rules::id};
#include "spec/rules/commands.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
