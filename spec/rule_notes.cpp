// SPDX-License-Identifier: MIT
#include "spec/rule_notes.h"

namespace iommucheck::spec {

std::string_view rule_note(Rule rule) {
  switch (rule) {
#define NOTE(rule, text) \
  case Rule::rule: return text;
#include "spec/rule_notes.def"
#undef NOTE
    default: return {};
  }
}

}  // namespace iommucheck::spec
