// SPDX-License-Identifier: MIT
// What a driver does not claim: promises of the interface that its callers have never needed, and
// rules that are somebody else's to keep. Each has a name for the command line and for traces.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"
#include "spec/rules.h"

namespace iommucheck::oracle {

/// In the order of the flags of driver.h: time_outs is the first, blocking the first of a second
/// row, execution of a third.
enum class Claim : u8 {
  time_outs,
  memory_type,
  moves,
  ranges,
  unrolling,
  short_memory,
  structures,
  domains,
  stage_2,
  groups,
  blocking,
  interrupts,
  execution,
  addresses,
  count
};

struct ClaimInfo {
  Claim claim{};
  std::string_view name;   ///< "time-outs"
  std::string_view scope;  ///< what is judged where it is not claimed: "no time-outs"
  std::string_view text;   ///< a sentence on what is not asked
  /// Rules that say less where it is not claimed, or nothing where `whole` is set.
  std::span<const spec::Rule> rules;
  bool whole = false;
  bool judged = true;  ///< false: nobody is told of a breach of these rules
};
std::span<const ClaimInfo> all_claims();
const ClaimInfo& claim_info(Claim claim);

/// A set of them.
class NotClaimed {
 public:
  [[nodiscard]] bool has(Claim claim) const { return (bits_ >> static_cast<unsigned>(claim)) & 1; }
  void add(Claim claim) { bits_ |= u32{1} << static_cast<unsigned>(claim); }
  void add(NotClaimed others) { bits_ |= others.bits_; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  /// One of them says that nobody is told of a breach of the rule.
  [[nodiscard]] bool leaves_out(spec::Rule rule) const;
  /// A bit each, by the claim's number.
  [[nodiscard]] u32 bits() const { return bits_; }
  static NotClaimed of_bits(u64 bits);

  /// Names with commas between; empty: none. bad_input names what is wrong and what there is.
  static Expected<NotClaimed> parse(std::string_view text);
  [[nodiscard]] std::string text() const;

 private:
  u32 bits_ = 0;
};

}  // namespace iommucheck::oracle
