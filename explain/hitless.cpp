// SPDX-License-Identifier: MIT
#include "explain/hitless.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/recordings.h"
#include "spec/smmu/ste_legal.h"
#include "spec/smmu/visits.h"

namespace iommucheck::oracle {
namespace {

using Version = SeenStructure::Version;

struct StoreWord {
  unsigned word = 0;
  u64 value = 0;
};
/// A store of 16 bytes: to an SMMU two words, since it need not read more than 8 bytes as one.
struct StorePair {
  StoreWord low, high;
};
struct Barrier {};
struct Sync {};
using HitlessAction = std::variant<StoreWord, StorePair, Barrier, Sync>;

spec::StreamWorld world_of(const HitlessQuestion& question) {
  return spec::stream_world(question.ste, question.caps, false);
}

/// Fields of an STE that this SMMU has. IHI 0070 5.2: the others are RES0 or ignored.
u64 fields_there_are(const spec::Capabilities& caps, unsigned word) {
  u64 missing = 0;
  const auto without = [&](bool has, u64 fields) {
    if (!has) missing |= fields;
  };
  if (word == 1) {
    without(caps.attr_types_ovr, mask(40, 32) | mask(45, 44));  // MemAttr, MTCFG, ALLOCCFG, SHCFG
    without(caps.attr_perms_ovr, mask(51, 48));                 // PRIVCFG, INSTCFG
    without(caps.ats, mask(29, 28));                            // EATS
    without(caps.hyp, mask(31, 30));                            // STRW
    without(caps.pri && caps.ssidsize != 0 && !caps.pps, mask(18, 18));  // PPAR
  }
  if (word == 2) without(caps.s2p, mask(15, 0));  // S2VMID
  return ~missing;
}

/// Bits of a word by which a fetch of this very structure can be told from another.
u64 used_mask(const HitlessQuestion& question, const StructureWords& words, unsigned word) {
  if (question.cd) return spec::cd_used_mask(word, spec::Cd<u64>{words}, world_of(question));
  return spec::ste_used_mask(word, spec::Ste<u64>{words}) & fields_there_are(question.caps, word);
}

StructureWords used_words(const HitlessQuestion& question, const StructureWords& words) {
  StructureWords used{};
  for (unsigned w = 0; w < used.size(); ++w) used[w] = words[w] & used_mask(question, words, w);
  return used;
}

u64 valid_bit(const HitlessQuestion& question) { return u64{1} << (question.cd ? 31 : 0); }

// ---- orders -------------------------------------------------------------------------------------

/// N+M, of words that 16 bytes hold.
Expected<HitlessAction> pair_of(const HitlessQuestion& question, std::string_view text,
                                std::size_t column) {
  const std::size_t plus = text.find('+');
  const auto low = parse_number(text.substr(0, plus));
  const auto high = parse_number(text.substr(plus + 1));
  if (!low || !high || *low >= spec::ste_words || *low % 2 != 0 || *high != *low + 1) {
    return fail(ErrorCode::bad_input,
                fmt::format("the order:1:{}: '{}': a store of 16 bytes is of an even word and the "
                            "next one: 0+1, 2+3, 4+5, 6+7",
                            column, text));
  }
  return StorePair{.low = {static_cast<unsigned>(*low), question.to[*low]},
                   .high = {static_cast<unsigned>(*high), question.to[*high]}};
}

Expected<HitlessAction> action_of(const HitlessQuestion& question, std::string_view text,
                                  std::size_t column) {
  if (text == "sync") return Sync{};
  if (text == "barrier") return Barrier{};
  if (text.contains('+')) return pair_of(question, text, column);
  const std::size_t equals = text.find('=');
  const auto word = parse_number(text.substr(0, equals));
  if (!word || *word >= spec::ste_words) {
    return fail(
        ErrorCode::bad_input,
        fmt::format("the order:1:{}: '{}': neither a word from 0 to 7, nor barrier, nor sync",
                    column, text));
  }
  StoreWord store{static_cast<unsigned>(*word), question.to[*word]};
  if (equals == std::string_view::npos) return store;
  const auto value = parse_number(text.substr(equals + 1));
  if (!value) {
    return fail(ErrorCode::bad_input, fmt::format("the order:1:{}: '{}': behind = there is no "
                                                  "number of 64 bits",
                                                  column, text));
  }
  store.value = *value;
  return store;
}

Expected<std::vector<HitlessAction>> actions_of(const HitlessQuestion& question,
                                                std::string_view order) {
  constexpr std::size_t actions_max = 64;
  std::vector<HitlessAction> actions;
  StructureWords memory = question.from;
  for (std::size_t at = 0; at <= order.size();) {
    const std::size_t end = std::min(order.find(',', at), order.size());
    auto action = action_of(question, order.substr(at, end - at), at + 1);
    if (!action) return std::unexpected(std::move(action.error()));
    if (const auto* store = std::get_if<StoreWord>(&*action)) memory[store->word] = store->value;
    if (const auto* pair = std::get_if<StorePair>(&*action)) {
      for (const StoreWord& one : {pair->low, pair->high}) memory[one.word] = one.value;
    }
    actions.push_back(*action);
    at = end + 1;
  }
  if (actions.size() > actions_max) {
    return fail(ErrorCode::bad_input,
                fmt::format("the order:1:1: more than {} steps", actions_max));
  }
  for (unsigned w = 0; w < memory.size(); ++w) {
    const u64 counts = used_mask(question, question.to, w);
    if ((memory[w] & counts) == (question.to[w] & counts)) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("the order:1:{}: it does not end in NEW: word {} is {:#x} then and not "
                            "{:#x}; add {}",
                            order.size() + 1, w, memory[w], question.to[w], w));
  }
  return actions;
}

// ---- what may be seen ---------------------------------------------------------------------------

/// The engine, with the structure of stream 1 in memory and nothing else that is known.
class HitlessRun {
 public:
  explicit HitlessRun(const HitlessQuestion& question)
      : question_(question), caches_(question.caps, spec::Profile{}) {
    const u64 page = free_page();
    const spec::StreamTable table{.base = page, .log2size = 1, .sid_bits = 1};
    place_ = page + spec::ste_bytes;
    caches_.memory().assume_zero(page);
    if (question.cd) {
      const u64 ste = place_;
      place_ = page + u64{2} * spec::ste_bytes;
      spec::Ste<u64> leads = question.ste;
      leads.dw[0] = (leads.dw[0] & ~(mask(51, 6) | mask(5, 4))) | place_;  // linear, and here
      assume(ste, leads.dw);
    }
    assume(place_, question.from);
    caches_.set_stream_table(table);
    caches_.write_smmuen(true);
    caches_.acknowledge_smmuen();
  }

  void perform(const HitlessAction& action) {
    caches_.set_now(caches_.now() + 1);
    std::visit([this](const auto& what) { perform(what); }, action);
  }

  /// Nothing: a bound was hit.
  std::optional<std::vector<SeenStructure>> may_see() {
    std::vector<SeenStructure> seen;
    if (may_be_invalid()) seen.push_back(seen_of({}));
    std::vector<StructureWords> versions;
    const auto kind = question_.cd ? spec::ConfigKind::cd : spec::ConfigKind::ste;
    if (!versions_of(caches_.view(), {.kind = kind, .sid = stream, .place = place_}, versions))
      return {};
    if (caches_.gave_up()) return {};
    for (const StructureWords& words : versions) {
      SeenStructure one = seen_of(used_words(question_, words));
      const auto same = [&](const SeenStructure& known) { return known.words == one.words; };
      if (std::ranges::none_of(seen, same)) seen.push_back(std::move(one));
    }
    std::ranges::sort(seen, {},
                      [](const SeenStructure& s) { return std::pair(s.version, s.words); });
    return seen;
  }

 private:
  static constexpr u32 stream = 1;

  /// A page that no pointer of either version leads to, nor to what may lie behind it: tables of
  /// CDs have at most 64 MiB.
  [[nodiscard]] u64 free_page() const {
    constexpr unsigned block_lg2 = 27;
    const auto is_led_to = [&](u64 block) {
      for (unsigned w = 0; w < 4; ++w) {  // S1ContextPtr, S2TTB, TTB0, TTB1
        for (const u64 word : {question_.from[w], question_.to[w]}) {
          if (block - ((word & mask(51, 0)) >> block_lg2) < 2) return true;
        }
      }
      return false;
    };
    u64 block = 1;  // at most 16 are led to, and 32 bits of address have 32
    while (is_led_to(block)) ++block;
    return block << block_lg2;
  }

  void assume(u64 place, const StructureWords& words) {
    for (unsigned w = 0; w < words.size(); ++w) caches_.assume(place + u64{8} * w, words[w]);
  }

  void perform(const StoreWord& store) {
    caches_.store(AgentId::cpu0, place_ + u64{8} * store.word, store.value);
  }
  void perform(const StorePair& pair) {
    perform(pair.low);
    perform(pair.high);
  }
  void perform(const Barrier&) {
    if (!question_.caps.cohacc) caches_.clean(AgentId::cpu0, place_);
    caches_.barrier(AgentId::cpu0);
  }
  void perform(const Sync&) {
    perform(Barrier{});
    (void)caches_.expose(question_.cd ? spec::cmd_cfgi_cd(stream, 0) : spec::cmd_cfgi_ste(stream),
                         true);
    caches_.complete(caches_.expose(spec::cmd_sync(), true));
  }

  /// V = 0 in memory or cached; of such a one nothing else is looked at.
  [[nodiscard]] bool may_be_invalid() const {
    bool may = false;
    const u64 valid = valid_bit(question_);
    caches_.memory().visible(place_, [&](spec::Content c) { may |= (c.value & valid) == 0; });
    for_each_cached_word(caches_.view(), [&](const spec::ConfigItem& item) {
      may |= item.place == place_ && item.word == 0 && (item.value & valid) == 0;
    });
    return may;
  }

  [[nodiscard]] SeenStructure seen_of(const StructureWords& words) const {
    SeenStructure seen{.words = words};
    seen.version = words == used_words(question_, question_.from) ? Version::from
                   : words == used_words(question_, question_.to) ? Version::to
                                                                  : Version::neither;
    seen.meaning = question_.cd ? meaning_of(spec::Cd<u64>{words}, question_.ste, question_.caps)
                                : meaning_of(spec::Ste<u64>{words}, question_.caps);
    std::vector<std::string> parts;
    for (unsigned w = 0; w < words.size(); ++w) {
      const u64 counts = used_mask(question_, words, w);
      const bool old = words[w] == (question_.from[w] & counts);
      const bool is_new = words[w] == (question_.to[w] & counts);
      if (old && is_new) continue;
      parts.push_back(fmt::format("word {} {}", w, old ? "old" : is_new ? "new" : "of neither"));
    }
    const bool valid = (words[0] & valid_bit(question_)) != 0;
    seen.mixture = valid ? fmt::format("{}", fmt::join(parts, ", ")) : "V = 0";
    return seen;
  }

  const HitlessQuestion& question_;
  spec::Caches caches_;
  u64 place_ = 0;
};

std::string text_of(const HitlessQuestion& question, const HitlessAction& action) {
  if (const auto* store = std::get_if<StoreWord>(&action)) {
    return fmt::format("store word {} = {:#x}", store->word, store->value);
  }
  if (const auto* pair = std::get_if<StorePair>(&action)) {
    return fmt::format("store words {} and {}, 16 bytes = {:#x}, {:#x}", pair->low.word,
                       pair->high.word, pair->low.value, pair->high.value);
  }
  if (std::holds_alternative<Barrier>(action)) return "barrier";
  return fmt::format("barrier, {}, CMD_SYNC, complete", question.cd ? "CFGI_CD" : "CFGI_STE");
}

/// The first version that is neither; empty if there is none.
std::string first_hit(const std::vector<HitlessStep>& steps) {
  for (const HitlessStep& step : steps) {
    for (const SeenStructure& seen : step.may_see) {
      if (seen.version != Version::neither) continue;
      return fmt::format("behind '{}' a fetch may meet {}{}", step.step, seen.meaning.kind,
                         seen.mixture.empty() ? std::string() : " (" + seen.mixture + ")");
    }
  }
  return {};
}

}  // namespace

HitlessPlan plan_of(const HitlessQuestion& question) {
  std::vector<unsigned> at_once;
  StructureWords middle{};  // OLD, and of NEW what OLD does not look at
  for (unsigned w = 0; w < middle.size(); ++w) {
    const u64 before = used_mask(question, question.from, w);
    const u64 after = used_mask(question, question.to, w);
    middle[w] = (question.from[w] & before) | (question.to[w] & ~before);
    if (((question.from[w] ^ question.to[w]) & before & after) != 0) at_once.push_back(w);
  }
  HitlessPlan plan;
  StructureWords memory = question.from;
  const auto store = [&](unsigned w, u64 value) {
    if (memory[w] == value) return;
    memory[w] = value;
    plan.order +=
        value == question.to[w] ? fmt::format("{},", w) : fmt::format("{}={:#x},", w, value);
  };
  const auto sync = [&] {
    if (!plan.order.empty() && !plan.order.ends_with("sync,")) plan.order += "sync,";
  };
  if (at_once.size() > 1) {
    plan.hitless = false;
    plan.why = fmt::format(
        "OLD and NEW differ in words {} in fields that count in both, and a store changes one word",
        fmt::join(at_once, ", "));
    store(0, question.from[0] & ~valid_bit(question));
    sync();
    for (unsigned w = 1; w < memory.size(); ++w) store(w, question.to[w]);
    sync();
  } else {
    for (unsigned w = 0; w < memory.size(); ++w) {
      if (at_once.empty() || w != at_once[0]) store(w, middle[w]);
    }
    sync();
    for (const unsigned w : at_once) store(w, question.to[w]);
    sync();
  }
  for (unsigned w = 0; w < memory.size(); ++w) store(w, question.to[w]);
  sync();
  if (plan.order.empty()) plan.order = "sync,";  // they are the same
  plan.order.pop_back();
  return plan;
}

Expected<HitlessAnswer> answer(const HitlessQuestion& question) {
  if (question.cd && spec::decode_ste(question.ste, question.caps).kind != spec::SteKind::stage1) {
    return fail(ErrorCode::bad_input,
                "the STE has no stage 1 alone: CDs behind another one are not followed");
  }
  const HitlessPlan plan = plan_of(question);
  HitlessAnswer answer{.order = question.order.empty() ? plan.order : question.order};
  const auto actions = actions_of(question, answer.order);
  if (!actions) return std::unexpected(actions.error());
  HitlessRun run(question);
  const auto look = [&](std::string step) {
    auto seen = run.may_see();
    if (!seen) return false;
    answer.steps.push_back({std::move(step), *std::move(seen)});
    return true;
  };
  bool all = look("before");
  for (const HitlessAction& action : *actions) {
    run.perform(action);
    all = all && look(text_of(question, action));
  }
  if (!all) return fail(ErrorCode::gave_up, "the order leads to more mixtures than are looked at");
  const std::vector<SeenStructure>& last = answer.steps.back().may_see;
  const StructureWords wanted = used_words(question, question.to);
  answer.settled = last.size() == 1 && last.front().words == wanted;
  answer.why = first_hit(answer.steps);
  answer.hitless = answer.why.empty();
  if (!answer.hitless && !plan.why.empty()) answer.why += "; " + plan.why;
  return answer;
}

}  // namespace iommucheck::oracle
