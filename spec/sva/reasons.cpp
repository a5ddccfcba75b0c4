// SPDX-License-Identifier: MIT
#include "spec/sva/reasons.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace iommucheck::spec::sva {

namespace {

struct Row {
  Status status;
  bool own;
  const char* name;
  const char* text;
};

/// The names of reasons.def, with one for a status that is somebody else's.
namespace column {
using enum Status;
constexpr Status any = static_cast<Status>(-2);
}  // namespace column

constexpr Row rows[] = {
#define REASON(name, status, text)                                                             \
  {column::status == column::any ? Status::ok : column::status, column::status != column::any, \
   #name, text},
#include "spec/sva/reasons.def"
#undef REASON
};

const Row& row_of(Reason reason) { return rows[static_cast<std::size_t>(reason)]; }

namespace of {
using enum Reason;
#define ANSWERS(call, ...) constexpr Reason call[] = {__VA_ARGS__};
#include "spec/sva/answers.def"
#undef ANSWERS
}  // namespace of

constexpr std::size_t calls = 64;
using Reasons = std::span<const Reason>;

constexpr std::array<Reasons, calls> reasons_of_calls = [] {
  std::array<Reasons, calls> each{};
#define ANSWERS(call, ...) each[static_cast<std::size_t>(CallKind::call)] = of::call;
#include "spec/sva/answers.def"
#undef ANSWERS
  return each;
}();

}  // namespace

Status status_of(Reason reason) { return row_of(reason).status; }
bool has_own_status(Reason reason) { return row_of(reason).own; }
const char* reason_text(Reason reason) { return row_of(reason).text; }
const char* reason_name(Reason reason) { return row_of(reason).name; }

std::span<const Reason> reasons_of(CallKind call) {
  return reasons_of_calls.at(static_cast<std::size_t>(call));
}

bool may_answer(CallKind call, Reason reason) {
  return std::ranges::find(reasons_of(call), reason) != reasons_of(call).end() ||
         !call_is_built(call);
}

}  // namespace iommucheck::spec::sva
