// SPDX-License-Identifier: MIT
// What the words of a case are: which of them its accesses would be translated by, at each moment.
#pragma once

#include <map>

#include "conform/case.h"

namespace iommucheck::oracle {

enum class WordKind : u8 { l1std, ste, l1cd, cd, stage1, stage2 };

/// By address. A word that is met as several things is the one that it was met as first.
std::map<u64, WordKind> words_of(const Case& what, const DeviceIdentity& device);

}  // namespace iommucheck::oracle
