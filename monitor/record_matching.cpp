// SPDX-License-Identifier: MIT
#include "monitor/record_matching.h"

#include <algorithm>

#include "monitor/assignment.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using std::int64_t;

// What a difference says against the record being of that access. That an access stays without the
// record that it has to have counts less than any field in which the device can be trusted, and
// more than one in which it cannot.
constexpr int64_t mistrusted_field = 1;
constexpr int64_t left_without = 2;
constexpr int64_t other_type = 24;
/// One that has another type is one mistake; a record of an access that should have none leaves the
/// other one without, which makes two.
constexpr int64_t should_have_none = 28;
/// A record that is of no access: worse than another StreamID with all else as it should be.
constexpr int64_t of_nobody = 176;
/// The same for one that repeats another, address and all: it was rather recorded twice than for an
/// access with another address.
constexpr int64_t repeated = 60;

int64_t weight(std::string_view field) {
  if (field == "SID") return 160;
  if (field == "InputAddr") return 64;
  if (field == "SSID" || field == "SSV") return 40;
  if (field == "RnW") return 32;
  if (field == "PnU" || field == "InD") return 12;
  return 4;
}

}  // namespace

std::vector<spec::FieldDifference> RecordMatching::wrong_fields(const RecordClaim& claim,
                                                                const trace::EventRecord& words) {
  const spec::EventType type = spec::event_type_of(words);
  std::optional<std::vector<spec::FieldDifference>> least;
  for (const RecordClaim::Permitted& one : claim.permitted) {
    if (one.type != type) continue;
    auto wrong = spec::differences(spec::record_of(type, one.fields), words);
    if (!least || wrong.size() < least->size()) least = std::move(wrong);
  }
  if (least) return *least;
  spec::EventFields fields = claim.fields;
  if (claim.any_stall) fields.stall = spec::stall_in(words).has_value();
  return spec::differences(spec::record_of(type, fields), words);
}

bool RecordMatching::unreliable(std::string_view field) const {
  const auto found = wrong_.find(field);
  // A field that is constant is right by chance, RnW in half of all records.
  return found != wrong_.end() && found->second * 8 >= records_;
}

void RecordMatching::learn(const RecordClaim& claim, const trace::EventRecord& words) {
  ++records_;
  for (const spec::FieldDifference& one : wrong_fields(claim, words)) {
    ++wrong_[std::string(one.name)];
  }
}

int64_t RecordMatching::difference(const RecordClaim& claim, const SeenRecord& record) const {
  if (claim.since >= record.before) return forbidden_pair;
  const spec::EventType type = spec::event_type_of(record.words);
  int64_t sum = claim.surely ? 0 : left_without;
  const bool silent = claim.permitted.empty() && !claim.wrong;
  if (!claim.permits(type)) sum += silent ? should_have_none : other_type;
  for (const spec::FieldDifference& one : wrong_fields(claim, record.words)) {
    sum += unreliable(one.name) ? mistrusted_field : weight(one.name);
  }
  return sum;
}

std::vector<std::optional<std::size_t>> RecordMatching::assign(
    const std::vector<SeenRecord>& records, const std::vector<RecordClaim>& claims) const {
  if (records.empty() || claims.empty()) {
    return std::vector<std::optional<std::size_t>>(records.size());
  }
  // Of assignments that differ as much, the one that keeps the order: the sum of squared distances
  // is least where nothing crosses. It never outweighs a difference.
  constexpr int64_t unit = int64_t{1} << 26;
  static_assert(most * most * most < unit);
  CostTable costs(records.size(), std::vector<int64_t>(claims.size()));
  std::vector<int64_t> alone;
  for (const SeenRecord& record : records) {
    alone.push_back((record.repeats ? repeated : of_nobody) * unit);
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (std::size_t k = 0; k < claims.size(); ++k) {
      const int64_t differs = difference(claims[k], records[i]);
      const auto apart = static_cast<int64_t>(i) - static_cast<int64_t>(k);
      costs[i][k] = differs >= forbidden_pair ? forbidden_pair : differs * unit + apart * apart;
    }
  }
  return least_cost_assignment(costs, alone);
}

}  // namespace iommucheck::oracle
