// SPDX-License-Identifier: MIT
// Queues and registers: what a driver, and a device, keep there.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec {

namespace protocol_rules {
enum : u16 {
#define RULE(id, family, keeper, section, text) id,
#include "spec/rules/protocol.def"
#undef RULE
};
}  // namespace protocol_rules

namespace rule {
#define RULE(id, family, keeper, section, text) \
  inline constexpr Rule id{area::protocol + protocol_rules::id};
#include "spec/rules/protocol.def"
#undef RULE
}  // namespace rule

}  // namespace iommucheck::spec
