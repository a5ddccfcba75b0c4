// SPDX-License-Identifier: MIT
#include "spec/rule_notes.h"
#include "spec/rules/commands.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

std::string_view rule_note(Rule rule) {
  switch (rule) {
#define NOTE(id, text) \
  case rule::id: return text;
#include "spec/rule_notes.def"
#undef NOTE
    default: return {};
  }
}

}  // namespace iommucheck::spec
