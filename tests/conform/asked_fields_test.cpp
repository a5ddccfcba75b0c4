// SPDX-License-Identifier: MIT
// What directed cases ask: of each field of STEs and CDs, where stage 1 translates and where both
// stages do, each value is met by an access, or stands here with the reason why not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "conform/cases/directed.h"
#include "conform/cases/fields.h"
#include "conform/conform.h"
#include "spec/smmu/stream_table.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle::asked_fields_test {
namespace {

using Values = std::set<u64>;
/// By "STE.S1DSS, stage 1".
using Asked = std::map<std::string, Values>;

/// The words of a case that are not 0, and what its registers say.
class Followed {
 public:
  Followed(const DeviceIdentity& device, Asked& asked)
      : device_(device), caps_(spec::parse_capabilities(device.id)), asked_(asked) {}

  void follow(const Step& step) {
    switch (step.kind) {
      case StepKind::store: words_[step.a] = step.b; break;
      case StepKind::fill:
        words_.erase(words_.lower_bound(step.a), words_.lower_bound(step.a + 8 * step.b));
        for (u64 i = 0; step.c != 0 && i < step.b; ++i) words_[step.a + 8 * i] = step.c;
        break;
      case StepKind::write: registers_[step.a] = step.b; break;
      case StepKind::access:
      case StepKind::request: note(step); break;
      default: break;
    }
  }

 private:
  [[nodiscard]] u64 word(u64 pa) const {
    const auto found = words_.find(pa);
    return found == words_.end() ? 0 : found->second;
  }

  void note(const Step& step) {
    const auto table =
        spec::stream_table_of(registers_[spec::reg::strtab_base],
                              static_cast<u32>(registers_[spec::reg::strtab_base_cfg]), caps_);
    const u64 sid = device_.sids[step.c & step_engine];
    u64 at = spec::linear_ste_address<u64>(table, sid);
    if (table.two_level) {
      const spec::L1Std<u64> l1std{word(spec::l1std_address<u64>(table, sid))};
      at = spec::second_level_ste_address<u64>(table, l1std, sid);
    }
    spec::Ste<u64> ste;
    for (unsigned i = 0; i < ste.dw.size(); ++i) ste.dw[i] = word(at + 8 * u64{i});
    const bool one = ste.stage1().value, two = ste.stage2().value;
    const char* kind = one && two ? "both stages" : one ? "stage 1" : two ? "stage 2" : "bypass";
    note_fields("STE", kind, fields_of_ste, ste.dw);
    if (!one) return;
    const u64 number = (step.c & step_substream) != 0 ? step.c >> step_substream_place : 0;
    Words words{words_};
    const auto cd = two ? cd_through_stage2(words, ste, number)
                        : spec::find_cd(words, ste, caps_, static_cast<u32>(number));
    if (cd) note_fields("CD", kind, fields_of_cd, cd->dw);
  }

  /// Memory as the SMMU reads it.
  struct Words {
    const std::map<u64, u64>& stored;
    [[nodiscard]] std::optional<u64> read(spec::Structure /*kind*/, u64 pa) const {
      const auto found = stored.find(pa);
      return found == stored.end() ? 0 : found->second;
    }
  };
  [[nodiscard]] std::expected<spec::Cd<u64>, spec::Outcome> cd_through_stage2(
      Words& words, const spec::Ste<u64>& ste, u64 number) const {
    spec::Intermediate<Words> memory(words, ste, caps_, true, {});
    return spec::find_cd(memory, ste, caps_, static_cast<u32>(number));
  }

  template <std::size_t N, class Words>
  void note_fields(const char* structure, const char* kind, const Field (&fields)[N],
                   const Words& words) {
    const std::vector<u64> now(words.begin(), words.end());
    if (!noted_.emplace(structure, kind, now).second) return;
    for (const Field& field : fields) {
      const u64 value = bits(words[field.word], field.hi, field.lo);
      asked_[fmt::format("{}.{}, {}", structure, field.name, kind)].insert(value);
    }
  }

  const DeviceIdentity& device_;
  spec::Capabilities caps_;
  Asked& asked_;
  std::set<std::tuple<std::string_view, std::string_view, std::vector<u64>>> noted_;
  std::map<u64, u64> words_;
  std::map<u64, u64> registers_;
};

Asked asked_of(u64 seed) {
  Asked asked;
  const auto device = open_device("fast", seed, 5);
  EXPECT_TRUE(device) << device.error().message;
  if (!device) return asked;
  for (const Case& one : directed_cases((*device)->identity())) {
    Followed followed((*device)->identity(), asked);
    for (const Step& step : one.steps) followed.follow(step);
  }
  return asked;
}

struct NotAsked {
  const char* field;  ///< and kind
  u64 value;
  const char* why;
};
constexpr const char* its_shape =
    "the tables of a case have one shape; stage 1 or 2 alone is asked";
constexpr NotAsked not_asked[] = {
    {"CD.TG0, both stages", 3, its_shape},
    {"STE.S2SL0, both stages", 3, its_shape},
    {"STE.S2TG, both stages", 3, its_shape},
};

/// Of fields up to width_of_each_value, in each kind of configuration that looks at them.
std::set<std::pair<std::string, u64>> wanted() {
  std::set<std::pair<std::string, u64>> all;
  const auto add = [&](const char* structure, const Field& field, const char* kind) {
    if (field.width() > width_of_each_value || field.name == std::string_view("Config")) return;
    for (u64 value = 0; value < pow2(field.width()); ++value) {
      all.emplace(fmt::format("{}.{}, {}", structure, field.name, kind), value);
    }
  };
  for (const Field& field : fields_of_ste) {
    for (const char* kind : {"stage 1", "stage 2", "both stages", "bypass"})
      add("STE", field, kind);
  }
  for (const Field& field : fields_of_cd) {
    for (const char* kind : {"stage 1", "both stages"}) add("CD", field, kind);
  }
  return all;
}

TEST(AskedFields, EachValueIsMetByAnAccessOrHasItsReason) {
  const Asked asked = asked_of(2);
  const auto is_asked = [&](const std::string& field, u64 value) {
    const auto found = asked.find(field);
    return found != asked.end() && found->second.contains(value);
  };
  std::set<std::pair<std::string, u64>> excused;
  for (const NotAsked& one : not_asked) {
    EXPECT_FALSE(is_asked(one.field, one.value))
        << one.field << " " << one.value << ": " << one.why;
    excused.emplace(one.field, one.value);
  }
  const auto all = wanted();
  EXPECT_GT(all.size(), 500U);
  for (const auto& [field, value] : all) {
    if (excused.contains({field, value})) continue;
    EXPECT_TRUE(is_asked(field, value)) << field << " = " << value << " is met by no access";
  }
}

}  // namespace
}  // namespace iommucheck::oracle::asked_fields_test
