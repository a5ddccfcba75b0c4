// SPDX-License-Identifier: MIT
// Walks of both stages, and what an access gets by them.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace translation_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/translation.def"
#undef RULE
};
}  // namespace translation_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::translation + translation_rules::id};
#include "spec/rules/translation.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
