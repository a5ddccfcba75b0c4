// SPDX-License-Identifier: MIT
// Stream tables of two levels end beside the StreamIDs of the device, whichever these are: by
// LOG2SIZE and by Span. IHI 0070 5.1, 6.3.25.
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "asked_support.h"
#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle::stream_table_edges_test {
namespace {

using Asked = std::set<std::pair<u32, u64>>;

TEST(StreamTableEdges, LieBesideEachStreamId) {
  DeviceIdentity device;
  (void)asked::directed_cases_of_everything(device);
  device.sids = {0, 1, 0x21, 0x45, 0x2a0};
  std::vector<Case> cases;
  stream_table_cases(device, cases);
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  Asked sizes, spans;
  bool own_alignment = false;  // an array that is aligned to its own size alone
  for (const Case& one : cases) {
    std::map<u64, u64> words;
    u32 config = 0;
    for (const Step& step : one.steps) {
      if (step.kind == StepKind::store) words[step.a] = step.b;
      if (step.kind == StepKind::write && step.a == spec::reg::strtab_base_cfg) {
        config = static_cast<u32>(step.b);
      }
      if (step.kind != StepKind::access || bits(config, 17, 16) != 1) continue;
      const u32 sid = device.sids[step.c & step_engine];
      const spec::StreamTable table = spec::stream_table_of(device.structures_pa, config, caps);
      const auto first = words.find(spec::l1std_address<u64>(table, sid));
      if (first == words.end()) continue;
      sizes.emplace(sid, bits(config, 5, 0));
      spans.emplace(sid, bits(first->second, 4, 0));
      const u64 size = u64{64} << bits(first->second, 4, 0) >> 1;
      const u64 array = first->second & ~mask(5, 0);
      own_alignment |= size != 0 && array % size == 0 && bits(array, 11, 6) != 0;
    }
  }
  EXPECT_TRUE(own_alignment);
  for (const u32 sid : device.sids) {
    const u64 bits_of_it = static_cast<u64>(std::bit_width(sid));
    EXPECT_TRUE(sizes.contains({sid, bits_of_it})) << sid;
    if (sid != 0) EXPECT_TRUE(sizes.contains({sid, bits_of_it - 1})) << sid;
    const u64 span = static_cast<u64>(std::bit_width(sid & 63));
    if (span == 0) continue;  // the first of an array is in each that is not empty
    EXPECT_TRUE(spans.contains({sid, span})) << sid;
    EXPECT_TRUE(spans.contains({sid, span + 1})) << sid;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::stream_table_edges_test
