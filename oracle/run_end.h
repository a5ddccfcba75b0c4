// SPDX-License-Identifier: MIT
// What check, replay and conform make of their results: the facts that their verdict stands on.
#pragma once

#include "oracle/check.h"
#include "oracle/conform/conform.h"
#include "oracle/judge.h"
#include "oracle/verdict.h"

namespace iommucheck::oracle {

RunEnd end_of(const CheckOptions& asked, const CheckResult& result);
RunEnd end_of(const ReplayResult& result);
RunEnd end_of(const ConformResult& result);

}  // namespace iommucheck::oracle
