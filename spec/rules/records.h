// SPDX-License-Identifier: MIT
// Events, page requests, interrupts, ID registers: what a device tells.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace records_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/records.def"
#undef RULE
};
}  // namespace records_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::records + records_rules::id};
#include "spec/rules/records.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
