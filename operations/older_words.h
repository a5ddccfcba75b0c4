// SPDX-License-Identifier: MIT
// Words as earlier codecs had them: corpora and traces outlive the program that wrote them. A codec
// that is replaced leaves its tables here, as they were at its end.
#pragma once

#include "operations/operation.h"

namespace iommucheck::fuzz {

/// Whether words of that codec can be read: every one that there was, and today's.
constexpr bool is_known_codec(unsigned version) { return version >= 1 && version <= codec_version; }

/// decode_word() of a known codec; normalised. What today's operations have no bit for is left out:
/// of codec 1 the highest of 12 choices.
Operation decode_word_of(unsigned version, u64 word);

}  // namespace iommucheck::fuzz
