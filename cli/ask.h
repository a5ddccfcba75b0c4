// SPDX-License-Identifier: MIT
// What `ask` answers, a function for each kind of question. Its JSON is described by
// docs/ask.schema.json.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "cli/console.h"
#include "cli/options.h"
#include "explain/structure_text.h"

namespace iommucheck::cli {

/// Of structures: is this STE or CD legal, and what does it say.
int answer_legality(const AskCommand& options);
/// What may be met between two of them.
int answer_hitless(const AskCommand& options);

/// The words of an option; what is missing is 0. bad_input names the word.
Expected<std::array<u64, spec::ste_words>> words_of(std::string_view option,
                                                    const std::string& text);
/// The STE of --ste, or one of stage 1 with no field set.
Expected<spec::Ste<u64>> leading_ste(const AskCommand& options);

/// "does not hold: STE.V is 1. [IHI 0070 5.2.2; arch 2.3 #1; STE_VALID]".
std::string sentence_of(const oracle::StructureMeaning& meaning);
/// Members of an object: meaning, legal, rule, section and sentence.
void write_members(JsonWriter& json, const oracle::StructureMeaning& meaning);

}  // namespace iommucheck::cli
