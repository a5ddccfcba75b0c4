// SPDX-License-Identifier: MIT
#include "conform/case_words.h"

#include <algorithm>
#include <optional>

#include "spec/smmu/stream_table.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

/// Memory as the steps before have left it; what was never stored is 0.
struct Reader {
  const std::map<u64, u64>& memory;
  std::map<u64, WordKind>& kinds;
  bool stage2 = false;

  std::optional<u64> read(spec::Structure structure, u64 pa) {
    WordKind kind = WordKind::ste;
    switch (structure) {
      case spec::Structure::l1std: kind = WordKind::l1std; break;
      case spec::Structure::ste: break;
      case spec::Structure::l1cd: kind = WordKind::l1cd; break;
      case spec::Structure::cd: kind = WordKind::cd; break;
      case spec::Structure::descriptor: kind = stage2 ? WordKind::stage2 : WordKind::stage1;
    }
    kinds.try_emplace(pa, kind);
    const auto found = memory.find(pa);
    return found == memory.end() ? 0 : found->second;
  }
  void stage2_begins(u64 /*ipa*/) { stage2 = true; }
  void stage2_passed(spec::Stage2Input /*input*/, bool /*dirties*/) { stage2 = false; }
};

}  // namespace

std::map<u64, WordKind> words_of(const Case& what, const DeviceIdentity& device) {
  constexpr u64 most = 4096;  // of a step that fills
  std::map<u64, WordKind> kinds;
  std::map<u64, u64> memory;
  spec::SmmuState state{.caps = spec::parse_capabilities(device.id), .streams = {}, .smmuen = true};
  u64 strtab = 0;
  u32 cfg = 0;
  for (const Step& step : what.steps) {
    switch (step.kind) {
      case StepKind::store: memory[step.a] = step.b; break;
      case StepKind::fill:
        for (u64 i = 0; i < std::min(step.b, most); ++i) memory[step.a + 8 * i] = step.c;
        break;
      case StepKind::write:
        if (step.a == spec::reg::strtab_base) strtab = step.b;
        if (step.a == spec::reg::strtab_base_cfg) cfg = static_cast<u32>(step.b);
        if (step.a == spec::reg::cr2) state.e2h = (step.b & spec::cr2::e2h) != 0;
        state.streams = spec::stream_table_of(strtab, cfg, state.caps);
        break;
      case StepKind::access:
      case StepKind::request:
      case StepKind::page_request: {
        spec::Access access{.sid = device.sids[step.c & step_engine], .va = step.a};
        if (step.b != 0) access.type = spec::AccessType::write;
        access.privileged = (step.c & step_privileged) != 0;
        access.ssv = (step.c & step_substream) != 0;
        access.ssid = static_cast<u32>(step.c >> step_substream_place);
        Reader reader{memory, kinds};
        (void)spec::untranslated_transaction(reader, state, access);
        break;
      }
      default: break;
    }
  }
  return kinds;
}

}  // namespace iommucheck::oracle
