// SPDX-License-Identifier: MIT
#include "explain/walk_lines.h"

#include <optional>
#include <string>
#include <vector>

#include "explain/notes.h"
#include "explain/structure_text.h"
#include "report/finding_text.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

using spec::Content;
using spec::Structure;

/// A word that is read, or an intermediate address that stage 2 is asked for.
struct Step {
  enum class Kind : u8 { stage2_begins, of_stage2, of_stage1, of_cd, of_l1cd };
  Kind kind{};
  u64 at = 0;
  Content word{};
};

/// The words of memory, and which were asked for.
class Recorded {
 public:
  explicit Recorded(const spec::Memory& memory) : memory_(memory) {}

  std::optional<u64> read(Structure structure, u64 pa) {
    const Content word = memory_.newest(pa);
    switch (structure) {
      case Structure::l1std:
      case Structure::ste: break;
      case Structure::l1cd: steps_.push_back({Step::Kind::of_l1cd, pa, word}); break;
      case Structure::cd: steps_.push_back({Step::Kind::of_cd, pa, word}); break;
      case Structure::descriptor:
        steps_.push_back({in_stage2_ ? Step::Kind::of_stage2 : Step::Kind::of_stage1, pa, word});
    }
    return word.value;
  }
  void stage2_begins(u64 ipa) {
    in_stage2_ = true;
    steps_.push_back({.kind = Step::Kind::stage2_begins, .at = ipa});
  }
  void stage2_passed(spec::Stage2Input /*input*/, bool /*dirties*/) { in_stage2_ = false; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

 private:
  const spec::Memory& memory_;
  std::vector<Step> steps_;
  bool in_stage2_ = false;
};

/// Levels are counted from where each walk starts.
class Walk {
 public:
  Walk(Lines& lines, const spec::Ste<u64>& ste, const spec::Caches& caches, u64 va)
      : lines_(lines), ste_(ste), caches_(caches), va_(va) {
    const auto stage2 = spec::stage2_regime_of(ste, caches.capabilities());
    start2_ = spec::first_table(stage2, 0).level;
  }

  void take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::stage2_begins: return begins(step.at);
      case Step::Kind::of_stage2:
        if (silent_) return;
        lines_.add(3, "stage 2, level {}: {:#x} = {}", level2_++, step.at, word_text(step.word));
        return;
      case Step::Kind::of_l1cd:
        lines_.add(2, "L1CD at {:#x} = {}", step.at, word_text(step.word));
        return;
      case Step::Kind::of_cd: return context(step);
      case Step::Kind::of_stage1:
        lines_.add(2, "stage 1, level {}: {:#x} = {}", level1_++, step.at, word_text(step.word));
        return;
    }
  }

 private:
  /// The words of a CD lie in one page: its walk is shown once. Where an address is asked for
  /// again its descriptor is written to. IHI 0070 3.13.5.
  void begins(u64 ipa) {
    silent_ = cd_words_ != 0 && cd_words_ < spec::cd_words;
    level2_ = start2_;
    if (!silent_) lines_.add(1, "IPA {:#x}{}", ipa, asked_ == ipa ? ", to set a flag there" : "");
    asked_ = ipa;
  }
  void context(const Step& step) {
    if (cd_words_ == 0) lines_.add(2, "CD at {:#x}", step.at);
    cd_.dw[cd_words_++] = step.word.value;
    if (cd_words_ < spec::cd_words) return;
    for (unsigned i = 0; i < spec::cd_words; ++i) {
      if (cd_.dw[i] == 0 && i != 0) continue;
      lines_.add(3, "[{}] {:#018x}  {}", i, cd_.dw[i], cd_fields(cd_, i));
    }
    const auto& caps = caches_.capabilities();
    if (spec::decode_cd(cd_, ste_, caps, caches_.e2h())) return;
    const auto regime = spec::regime_of(ste_, cd_, caps, caches_.e2h());
    const unsigned half = spec::select_half(regime, va_);
    if (!regime.half[half].epd) level1_ = spec::first_table(regime, half).level;
  }

  Lines& lines_;
  const spec::Ste<u64>& ste_;
  const spec::Caches& caches_;
  u64 va_;
  spec::Cd<u64> cd_{};
  unsigned cd_words_ = 0, start2_ = 0, level1_ = 0, level2_ = 0;
  bool silent_ = false;
  std::optional<u64> asked_{};
};

std::string end_text(const spec::Outcome& outcome, const spec::Caches& caches) {
  switch (outcome.kind) {
    case spec::OutcomeKind::translation: return "reaches " + caches.name(outcome.pa);
    case spec::OutcomeKind::fault:
      return fmt::format("{}{}", spec::event_name(outcome.event),
                         outcome.stage2 ? fmt::format(" of stage 2, IPA {:#x}", outcome.ipa) : "");
    default: return std::string(spec::rule_info(outcome.rule).text);
  }
}

}  // namespace

void add_walk(Lines& lines, const spec::Caches& caches, const spec::Access& access) {
  Recorded words(caches.memory());
  const spec::SmmuState state{.caps = caches.capabilities(),
                              .streams = caches.stream_table(),
                              .smmuen = true,
                              .e2h = caches.e2h()};
  const auto ste = spec::find_ste(words, state.streams, access.sid);
  if (!ste || spec::decode_ste(*ste, state.caps).kind != spec::SteKind::nested) return;
  if (spec::stage2_unsupported(*ste, state.caps)) return;
  const spec::Outcome end = spec::through_ste(words, state, *ste, access, false);
  lines.add(0, "{} {} at {:#x} through both stages, by memory as it is",
            access.privileged ? "a privileged" : "an unprivileged",
            access.type == spec::AccessType::write ? "write" : "read", access.va);
  Walk walk(lines, *ste, caches, access.va);
  for (const Step& step : words.steps()) walk.take(step);
  lines.add(1, "{}", end_text(end, caches));
}

}  // namespace iommucheck::oracle
