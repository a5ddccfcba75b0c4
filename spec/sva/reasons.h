// SPDX-License-Identifier: MIT
// Reasons of answers (reasons.def), and which of them each call has (answers.def): what no call has
// there is no answer.
#pragma once

#include <span>

#include "spec/sva/call.h"

namespace iommucheck::spec::sva {

enum class Reason : u8 {
#define REASON(name, status, text) name,
#include "spec/sva/reasons.def"
#undef REASON
  count
};

/// Of a reason whose status is somebody else's: ok.
Status status_of(Reason reason);
[[nodiscard]] bool has_own_status(Reason reason);
const char* reason_text(Reason reason);
/// Its name in reasons.def.
const char* reason_name(Reason reason);

/// In the order of answers.def; none for a call that is not built.
std::span<const Reason> reasons_of(CallKind call);
bool may_answer(CallKind call, Reason reason);

}  // namespace iommucheck::spec::sva
