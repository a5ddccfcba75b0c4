// SPDX-License-Identifier: MIT
// What devices of others did and were accused of, though the manual lets them (tests/data/devices):
// it is not held against them, and what is next to it and not allowed is.
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "monitor/replay.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/smmu/registers.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::device_traces_test {
namespace {

namespace reg = spec::reg;
namespace rule = spec::rule;

trace::Trace read(const std::string& name) {
  auto trace = trace::read_trace(test::in_tree("tests/data/devices/" + name + ".jsonl"));
  EXPECT_TRUE(trace) << trace.error().message;
  return trace ? *std::move(trace) : trace::Trace{};
}

std::vector<spec::Rule> rules_broken(const trace::Trace& trace) {
  std::vector<spec::Rule> rules;
  for (const Violation& one : replay_trace(trace).findings) rules.push_back(one.rule);
  return rules;
}

using Rules = std::vector<spec::Rule>;

/// A queue of one: the record of the second access is written first, and that of the first one
/// meets a full queue. IHI 0070 7.2, 7.4.
TEST(DeviceTraces, ARecordOfALaterAccessMayTakeThePlace) {
  const trace::Trace trace = read("a_later_record_takes_the_place");
  EXPECT_EQ(rules_broken(trace), Rules{});
  // With neither of them in the queue one is lost.
  trace::Trace lost = trace;
  std::erase_if(lost.events, [](const trace::Event& event) {
    return std::holds_alternative<trace::EventRecorded>(event.payload);
  });
  for (trace::Event& event : lost.events) {
    auto* read = std::get_if<trace::MmioRead>(&event.payload);
    if (read != nullptr && read->offset == reg::eventq_prod) read->value &= ~u64{1};
    auto* write = std::get_if<trace::MmioWrite>(&event.payload);
    if (write != nullptr && write->offset == reg::eventq_cons) write->value &= ~u64{1};
  }
  const Rules found = rules_broken(lost);
  EXPECT_FALSE(found.empty());
  for (const spec::Rule one : found) EXPECT_EQ(one, rule::EVENT_LOST);
}

/// The same from SMMUv3.1 on.
trace::Trace of_v31(trace::Trace trace) {
  trace.header.id_registers->at("AIDR") = 1;
  return trace;
}

/// IHI 0070 3.4.3 notes 1 and 3, 5.4 (T0SZ).
TEST(DeviceTraces, Version30RefusesClampsOrTruncates) {
  struct Choice {
    const char* name;
    spec::Rule rule;
  };
  for (const auto& [name, rule] :
       {Choice{"v30_f_cd_fetch", rule::STE_S1CONTEXTPTR},
        Choice{"v30_truncates_l2ptr", rule::L1CD_L2PTR}, Choice{"v30_clamps_t0sz", rule::CD_TSZ}}) {
    const trace::Trace trace = read(name);
    EXPECT_EQ(rules_broken(trace), Rules{}) << name;
    EXPECT_EQ(rules_broken(of_v31(trace)), Rules{rule}) << name;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::device_traces_test
