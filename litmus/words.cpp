// SPDX-License-Identifier: MIT
#include "litmus/words.h"

namespace iommucheck::litmus {

std::span<const WordList> word_lists() {
  static constexpr std::array lists{
      WordList{"lines", line_words},
      WordList{"init", init_words},
      WordList{"lacks", lacks_words},
      WordList{"steps", step_words},
      WordList{"fields of ste", ste_field_names},
      WordList{"fields of cd", cd_field_names},
      WordList{"fields of l1std", l1std_field_names},
      WordList{"fields of l1cd", l1cd_field_names},
      WordList{"fields of cont, fillcont", group_field_names},
      WordList{"flags of page, block", leaf_flag_names},
      WordList{"commands", command_names},
      WordList{"operands of TLBI", tlbi_field_names},
      WordList{"operands of ATC_INV", atc_inv_field_names},
      WordList{"operands of SYNC", sync_field_names},
      WordList{"operands of RESUME", resume_words},
      WordList{"outcomes", outcome_words},
      WordList{"events", fault_names},
      WordList{"with !stall", stalling_names},
      WordList{"what a load reads", load_names},
      WordList{"rules", rule_names},
  };
  return lists;
}

}  // namespace iommucheck::litmus
