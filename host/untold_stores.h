// SPDX-License-Identifier: MIT
// How many words of table memory a driver that `iommucheck cc` built has changed without a word of
// its hooks: stores of objects that were built otherwise, whose order nobody knows. One count for
// all processes of a run; a run begins it anew.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle::untold_stores {

void begin();
void add(u64 words);
u64 words();

/// Before a call of the platform has effect: whether memory is worth a comparison, though the hooks
/// have told all that they know. True for the first calls, and once they have missed something.
bool are_likely();

}  // namespace iommucheck::oracle::untold_stores
