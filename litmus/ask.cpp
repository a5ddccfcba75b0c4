// SPDX-License-Identifier: MIT
#include "litmus/ask.h"

#include <algorithm>
#include <vector>

#include "litmus/words.h"

namespace iommucheck::litmus {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t"));
}

std::string_view second_word(std::string_view text) {
  return first_word(trimmed(text.substr(first_word(text).size())));
}

/// The step behind an agent, if one is named.
std::string_view verb_of(std::string_view part) {
  const std::string_view word = first_word(part);
  return word.ends_with(':') ? second_word(part) : word;
}

std::vector<std::string> parts_of(std::string_view question) {
  std::vector<std::string> parts;
  while (!question.empty()) {
    const std::size_t end = question.find_first_of(";\n");
    const std::string_view part = trimmed(question.substr(0, end));
    question = end == std::string_view::npos ? std::string_view() : question.substr(end + 1);
    if (part.empty() || part.starts_with('#')) continue;
    const bool goes_on = !parts.empty() && verb_of(parts.back()) == "do" &&
                         contains(command_names, first_word(part));
    if (goes_on) {
      parts.back().append(" ; ").append(part);
    } else {
      parts.emplace_back(part);
    }
  }
  return parts;
}

/// `dma D begin ...` and `dma D end` are steps, `dma D -> ...` is none.
bool is_step(std::string_view part, bool behind_steps) {
  const std::string_view word = first_word(part);
  if (word == "dma") {
    const std::string_view edge = second_word(trimmed(part.substr(word.size())));
    return edge == "begin" || edge == "end";
  }
  if (word.ends_with(":")) return true;
  if (word == "ats") return behind_steps;
  return contains(step_words, word);
}

}  // namespace

std::string question_text(std::string_view question) {
  std::string text = "test question\n";
  bool behind_steps = false;
  for (std::string& part : parts_of(question)) {
    const std::string_view word = first_word(part);
    const bool step = word == "run" || is_step(part, behind_steps);
    behind_steps |= step;
    if (step && word != "run") {
      part.insert(0, "run ");
    } else if (!step && contains(init_words, word)) {
      part.insert(0, "init ");
    } else if ((word == "access" || word == "dma" || word == "load") &&
               part.find("->") == std::string::npos) {
      part += " -> ?";
    }
    text += part + "\n";
  }
  return text;
}

}  // namespace iommucheck::litmus
