// SPDX-License-Identifier: MIT
#include "check/finding_kind.h"

#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "report/finding_json.h"

namespace iommucheck::oracle {

namespace {

constexpr unsigned hash_bits = 48;

void add_once(std::vector<std::string_view>& words, std::string_view word) {
  if (std::ranges::find(words, word) == words.end()) words.push_back(word);
}

std::string joined(std::vector<std::string_view> words) {
  std::ranges::sort(words);
  std::string text;
  for (const std::string_view word : words) {
    text += text.empty() ? "" : " or ";
    text += word;
  }
  return text;
}

}  // namespace

std::string kind_of(const Finding& finding, std::string_view doing, std::string_view result) {
  std::string kind(doing);
  if (finding.rule == spec::Rule::RESULT_EXACT && !result.empty()) {
    return kind + ": " + std::string(result);
  }
  std::vector<std::string_view> hardware, promised;
  for (const May& may : finding.hardware) add_once(hardware, kind_name(may.kind));
  for (const Promised& one : finding.promised) add_once(promised, state_name(one.state));
  if (!hardware.empty()) kind += ": " + joined(std::move(hardware));
  if (!promised.empty()) kind += ", promised " + joined(std::move(promised));
  return kind;
}

u64 key_of(spec::Rule rule, std::string_view kind) {
  u64 hash = fnv1a(kind);
  hash ^= hash >> hash_bits;
  return static_cast<u64>(rule) << hash_bits | (hash & ((u64{1} << hash_bits) - 1));
}

spec::Rule rule_of(u64 key) { return static_cast<spec::Rule>(key >> hash_bits); }

}  // namespace iommucheck::oracle
