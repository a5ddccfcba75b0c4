// SPDX-License-Identifier: MIT
// Results in the kernel's Test Anything Protocol, version 1 (Documentation/dev-tools/ktap.rst of
// Linux), as `kunit.py parse` and kselftest read it: the groups of a suite are tests, its cases
// their subtests, and evidence stands in diagnostic lines before the result that it is of.
#pragma once

#include <string>

#include "report/junit.h"

namespace iommucheck::oracle {

/// The document, with the end of its last line. What failed or came to no verdict is "not ok" (the
/// latter with the directive ERROR), and so is its group; what was skipped has SKIP and the reason.
/// Names are of one line and without '#', which the format has no other way to hold; bytes that
/// are no UTF-8 become "\xff" and the like.
std::string to_ktap(const JunitSuite& suite);

}  // namespace iommucheck::oracle
