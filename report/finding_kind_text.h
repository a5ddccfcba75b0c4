// SPDX-License-Identifier: MIT
// A finding's kind in words and in a file of known findings. Only here are its words made, and only
// here are they read: what a user or an older version has written.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "monitor/finding_kind.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

/// "unmap; leaf cached, level", "map: reach, promised unmapped", "bind_device: ok, permitted:
/// ESRCH (the process is dead or dying)". Nothing of a kind that is empty.
std::string text_of(const FindingKind& kind);
/// What text_of() made of a kind. Nothing where more of it is a sentence than names.
std::optional<FindingKind> kind_of_text(std::string_view text);

/// {"in": "unmap", "cached": "left_over", "left_by": "level"}: by names that no rewording changes.
trace::JsonTree to_json(const FindingKind& kind);
/// What is wrong with it, at the column where it is. A device's kind has no such form.
std::expected<FindingKind, trace::JsonError> kind_of_json(const trace::JsonValue& json);

}  // namespace iommucheck::oracle
