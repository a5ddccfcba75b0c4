// SPDX-License-Identifier: MIT
#include "litmus/words.h"

namespace iommucheck::litmus {

std::span<const WordList> word_lists() {
  static constexpr std::array lists{
      WordList{"lines", line_words},
      WordList{"init", init_words},
      WordList{"steps", step_words},
      WordList{"commands", command_names},
      WordList{"outcomes", outcome_words},
      WordList{"events", fault_names},
      WordList{"what a load reads", load_names},
      WordList{"rules", rule_names},
  };
  return lists;
}

}  // namespace iommucheck::litmus
