// SPDX-License-Identifier: MIT
// Mutations of text whose lines mean something each for itself, for libFuzzer.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace iommucheck::fuzz {

/// Changes a line, without its end, in place: as libFuzzer's own mutator does.
using MutateLine = std::function<void(std::string& line)>;

/// One to four steps, all drawn from `seed`: a line is left out, doubled, swapped with another,
/// moved; a number or name in it becomes another one of the text; or `other` changes it. The first
/// line keeps its place, since it names the test. At most `size_max` bytes, cut at the end of a
/// line; not empty unless size_max is too small for a line.
std::string mutate_lines(std::string_view text, std::size_t size_max, u64 seed,
                         const MutateLine& other);

/// `first` with a run of lines of `second` in it, which stand in for as many of its own or come in
/// between. The first line of `second` is never taken. At most `size_max` bytes.
std::string cross_lines(std::string_view first, std::string_view second, std::size_t size_max,
                        u64 seed);

}  // namespace iommucheck::fuzz
