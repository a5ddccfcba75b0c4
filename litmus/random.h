// SPDX-License-Identifier: MIT
// Small random tests: drivers that are nearly right, so that what is judged is near the edge.
#pragma once

#include <string>

#include "litmus/ast.h"

namespace iommucheck::litmus {

/// A test with at most `size` run steps (2 to 12 make sense) and one to three accesses, over a
/// built-in prelude; expectations are empty and the driver has no verdict. The same seed and size
/// give the same test everywhere. Only what the literal model supports is used.
Test random_test(u64 seed, unsigned size);

/// The same as text of the format.
std::string random_text(u64 seed, unsigned size);

/// Likewise of streams that stage 2 alone translates.
Test random_stage2_test(u64 seed, unsigned size);
std::string random_stage2_text(u64 seed, unsigned size);

/// Likewise of tables of 16 and 64 KiB, at either stage.
Test random_granule_test(u64 seed, unsigned size);
std::string random_granule_text(u64 seed, unsigned size);

/// Likewise of streams in EL2, with and without E2H, whose tagged addresses ATS serves as well.
Test random_el2_test(u64 seed, unsigned size);
std::string random_el2_text(u64 seed, unsigned size);

/// Likewise of STEs that state a span (STE.CONT).
Test random_span_test(u64 seed, unsigned size);
std::string random_span_text(u64 seed, unsigned size);

/// The one test of a text that a generator wrote. Ends the program where it is none.
Test test_of(const std::string& text);

}  // namespace iommucheck::litmus
