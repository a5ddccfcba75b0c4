// SPDX-License-Identifier: MIT
// A question in one line: 'use std; store word B 1 0; barrier; access 1 0x1000 r'.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::litmus {

/// The question as the text of a test, for parse(). Its parts are parted by `;` or stand in lines
/// of their own. Each is a line of a test; `init` and `run` may be left out where the word behind
/// says which it is (`ats` and `dma` are steps behind the first step), the first `;` of a `do`
/// belongs to it as long as commands follow, and an access, load or DMA without
/// `->` asks. What is wrong with it parse() says.
std::string question_text(std::string_view question);

}  // namespace iommucheck::litmus
