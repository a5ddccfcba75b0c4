// SPDX-License-Identifier: MIT
// A question in one line: 'use std; store word B 1 0; barrier; access 1 0x1000 r'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "litmus/ast.h"

namespace iommucheck::litmus {

/// Its parts are parted by `;` or stand in lines of their own. Each is a line of a test; `init` and
/// `run` may be left out where the word behind says which it is (`ats` and `dma` are steps behind
/// the first step), the first `;` of a `do` belongs to it as long as commands follow, and an
/// access, load or DMA with nothing behind `->`, or without it, asks. What is wrong with it the
/// parser of tests says.
class Question {
 public:
  explicit Question(std::string_view asked, std::string_view name = "the question");

  /// As the text of a test, for parse().
  [[nodiscard]] std::string text() const;
  /// Errors are those of parse(), and that it asks nothing: it has neither an access nor a step.
  [[nodiscard]] Expected<File> read() const;
  /// An error about the test, with line and column of the question as it was asked.
  [[nodiscard]] Error placed(Error error) const;

 private:
  /// One line of the test, and where its pieces stood in the question.
  struct Line {
    struct Piece {
      std::size_t in_line, in_question;
    };
    std::string text;
    std::vector<Piece> pieces;
  };
  void part();
  void complete();
  [[nodiscard]] std::string place_of(u64 line, u64 column) const;

  std::string asked_;
  std::string name_;
  std::vector<Line> lines_;
};

}  // namespace iommucheck::litmus
