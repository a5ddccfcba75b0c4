// SPDX-License-Identifier: MIT
#include "litmus/fast.h"

#include <algorithm>
#include <bit>
#include <map>

#include "base/text.h"
#include "litmus/layout.h"
#include "litmus/names.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/visits.h"

namespace iommucheck::litmus {

namespace {

using spec::Caches;
using spec::Outcome;
using spec::OutcomeKind;

/// The device that the format assumes (README: "The device has ...").
spec::Capabilities litmus_device(const Layout& layout) {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = true;
  caps.hyp = caps.ats = caps.cd2l = caps.two_level_stream_table = caps.ril = caps.had = caps.e0pd =
      true;
  caps.cohacc = layout.coherent;
  caps.httu = 3;
  caps.attr_perms_ovr = true;
  caps.btm = true;
  caps.sidsize = 16;
  caps.ssidsize = 20;
  caps.bbml = layout.bbml;
  caps.oas_lg2 = 48;
  caps.gran4k = caps.gran16k = caps.gran64k = true;
  return caps;
}

spec::Profile litmus_profile(const Layout& layout) {
  const auto has = [&](Lack what) { return !layout.lacks.contains(what); };
  return {.config_atom = layout.atom_bytes,
          .untagged_covers_pasids = has(Lack::untagged_atc_inv),
          .caches_config = has(Lack::config_cache),
          .caches_walks = has(Lack::walk_cache),
          .caches_leaves = has(Lack::tlb),
          .combines = has(Lack::combined_entries),
          .empty_at_reset = !has(Lack::reset_caches)};
}

/// A table of 16 or 64 KiB is somewhere.
bool varies_granules(const Test& test) {
  bool varies = false;
  for_each_object(test, [&varies](const Object& object) {
    if (const auto* ste = std::get_if<SteLine>(&object)) varies |= is_wide(ste->s2tg);
    const auto* cd = std::get_if<CdLine>(&object);
    if (cd != nullptr) varies |= is_wide(cd->tg0) || is_wide(cd->tg1);
  });
  return varies;
}

/// What the engine has not got, by what the test asks for.
std::string unsupported_feature(const Test& test, const Layout& layout) {
  if (!test.dmas.empty()) return "DMAs that take time";
  if (!test.loads.empty()) return "what software reads of descriptors";
  for (const Step& step : test.run) {
    // The engine's endpoints lose what they hold, as PCIe has it; the format's keep it.
    const auto* ats = std::get_if<AtsStep>(&step.what);
    if (ats != nullptr && ats->value.value == 0) return "ATS that is switched off at an endpoint";
    const auto* store = std::get_if<StoreStep>(&step.what);
    if (store != nullptr && store->wide && layout.atom_bytes == 16) {
      return "stores of 16 bytes where fetches are of 16 bytes";
    }
  }
  for (const Action& action : layout.actions) {
    if (std::holds_alternative<DmaBeginAction>(action.what)) return "DMAs that take time";
  }
  return {};
}

spec::Command to_command(const Command& c) {
  const auto number = [](const std::optional<Number>& n) { return n ? n->value : u64{0}; };
  spec::Command command;
  using Op = spec::Opcode;
  constexpr Op ops[] = {Op::cfgi_ste,       Op::cfgi_cd,       Op::cfgi_cd_all,  Op::cfgi_ste_range,
                        Op::cfgi_ste_range, Op::tlbi_nh_all,   Op::tlbi_nh_asid, Op::tlbi_nh_va,
                        Op::tlbi_nh_vaa,    Op::tlbi_el3_all,  Op::tlbi_el3_va,  Op::tlbi_el2_all,
                        Op::tlbi_el2_asid,  Op::tlbi_el2_va,   Op::tlbi_el2_vaa, Op::tlbi_s12_vmall,
                        Op::tlbi_s2_ipa,    Op::tlbi_nsnh_all, Op::atc_inv,      Op::sync,
                        Op::resume,         Op::stall_term};
  command.op = ops[static_cast<std::size_t>(c.op)];
  command.sid = number(c.sid);
  command.ssid = number(c.ssid);
  command.ssv = c.ssid.has_value() && c.op == CommandOp::atc_inv;
  command.leaf = number(c.leaf) != 0;
  command.vmid = number(c.vmid);
  command.asid = number(c.asid);
  command.address = number(c.va) & ~u64{0xfff};
  command.tg = number(c.tg);
  if (command.tg != 0) {
    command.num = number(c.num);
    command.scale = number(c.scale);
    const bool reserved = command.tg == 2 && number(c.ttl) == 1;  // IHI 0070 4.4.1.1
    command.ttl = reserved ? 0 : number(c.ttl);
  }
  command.size = number(c.size);
  command.range = c.op == CommandOp::cfgi_all ? 31 : number(c.range);
  return command;
}

spec::AccessType type_of(Direction direction) {
  switch (direction) {
    case Direction::read: return spec::AccessType::read;
    case Direction::write: return spec::AccessType::write;
    case Direction::execute: break;
  }
  return spec::AccessType::execute;
}

/// Of an address that is let by, in a request too (IHI 0070 13.6.4). Output sizes never limit:
/// README of the format.
bool is_too_large(const Outcome& outcome) {
  const bool refused = outcome.kind == OutcomeKind::fault || outcome.kind == OutcomeKind::denied;
  return refused && (outcome.rule == spec::rule::STE_BYPASS_SIZE ||
                     outcome.rule == spec::rule::S1_BYPASS_SIZE);
}

/// The format's names for outcomes.
std::string to_text(const Outcome& outcome, const Layout& layout) {
  switch (outcome.kind) {
    case OutcomeKind::any: return "any";
    case OutcomeKind::within: return "within";  // not asked: see unsupported_feature()
    case OutcomeKind::abort: return "abort";
    case OutcomeKind::bypass: return "bypass";
    case OutcomeKind::denied: return is_too_large(outcome) ? "bypass" : "denied";
    case OutcomeKind::fault:
      if (is_too_large(outcome)) return "bypass";
      return std::string(spec::event_name(outcome.event)) + (outcome.stalled() ? "!stall" : "");
    case OutcomeKind::translation: break;
  }
  const bool device = (outcome.attr & 0xf0) == 0;
  return layout.name_of(outcome.pa, device) + (outcome.dirty ? "!dirty" : "");
}

/// The README's families: a torn structure is a configuration that breaks its tag.
std::string family_of(spec::Rule rule) {
  const spec::Family family = spec::rule_info(rule).family;
  return std::string(spec::family_name(family == spec::Family::torn ? spec::Family::tag : family));
}

class Runner {
 public:
  Runner(const Test& test, const Layout& layout)
      : test_(test),
        layout_(layout),
        caps_(litmus_device(layout)),
        caches_(caps_, litmus_profile(layout)) {
    caches_.set_namer([this](u64 pa) { return name(pa); });
  }

  FastResult run() {
    set_up();
    note_nesting();
    caches_.tolerate_disabled_halves(true);
    for (const Action& action : layout_.actions) {
      caches_.set_now(caches_.now() + 1);
      agent_ = static_cast<AgentId>(action.agent);
      std::visit([this](const auto& what) { perform(what); }, action.what);
      note_nesting();
      check_released();
      gather();
    }
    caches_.tolerate_disabled_halves(false);
    gather();
    for (const Access& access : test_.accesses) judge_access(access);
    FastResult result{.judgement = std::move(judgement_),
                      .reasons = std::move(reasons_),
                      .configuration = std::move(configuration_),
                      .evidence = std::move(evidence_)};
    result.judgement.unsupported = caches_.unsupported();
    if (result.judgement.unsupported.empty()) result.judgement.unsupported = unsupported_;
    if (caches_.gave_up() || gave_up_) result.judgement.unsupported = "a bound was hit";
    return result;
  }

 private:
  /// A CMD_SYNC that the SMMU has for certain, and the slot behind it.
  struct Sync {
    spec::Group group{};
    std::size_t end = 0;
  };
  struct Message {
    Command signal;
    Sync sync;
    bool seen = false;  ///< what it writes was there, and no other could have written it
  };
  static constexpr const char* signal_over_reset =
      "a signal that may still come of a command queue that was reset";
  static constexpr u64 queue_base = u64{1} << 47;  // beyond what layout() uses

  /// The first reason stands: waits that hang on what is not followed are no waits for ever.
  void leave_unsupported(const char* what) {
    if (unsupported_.empty()) unsupported_ = what;
  }

  /// What a stage 1 below stage 2 yields it does not look at.
  void note_nesting() {
    if (caches_.combines()) leave_unsupported("nested translation");
  }

  std::string name(u64 pa) const {
    const Region* region = layout_.region_of(pa);
    if (region == nullptr) return hex(pa);
    if (region->paged) return layout_.name_of(pa);
    const u64 offset = pa - region->pa;
    return region->name + "[" + std::to_string(offset / 8) + "]";
  }

  spec::StreamTable stream_table(u64 base) const {
    spec::StreamTable table;
    table.base = base;
    table.two_level = layout_.strtab_format == TableFormat::two_level;
    table.split = stream_table_split;
    // As large as the streams in use need: nothing can tell the rest from V = 0.
    u64 largest = 63;
    for (const Access& access : test_.accesses)
      largest = std::max(largest, access.stream.sid.value);
    for (const InitLine& line : test_.init) {
      if (const auto* ste = std::get_if<SteLine>(&line.what)) {
        largest = std::max(largest, ste->sid.value);
      }
    }
    table.sid_bits =
        std::min<unsigned>(stream_table_lg2, static_cast<unsigned>(std::bit_width(largest)));
    table.log2size = table.sid_bits;
    return table;
  }

  /// Of a linear one, the larger of the two.
  u64 stream_table_bytes() const { return u64{64} << stream_table(layout_.strtab_base).sid_bits; }

  /// Of the largest linear table of CDs that an STE of the test states.
  u64 cd_table_bytes() const {
    u64 most = 0;
    for_each_object(test_, [&](const Object& object) {
      const auto* ste = std::get_if<SteLine>(&object);
      if (ste != nullptr && ste->cdmax) most = std::max(most, ste->cdmax->value);
    });
    return u64{64} << std::min<u64>(most, 20);
  }

  void set_up() {
    constexpr u64 some_pages = u64{64} << 12, largest_table = u64{1} << 20;  // 16 of 64 KiB
    const u64 structures = std::max({some_pages, stream_table_bytes(), cd_table_bytes()});
    for (const Region& region : layout_.regions) {
      if (region.unknown) continue;
      const u64 most = region.paged                    ? some_pages
                       : region.bytes <= largest_table ? region.bytes
                                                       : structures;
      const u64 bytes = std::min(region.bytes, most);
      for (u64 pa = region.pa; pa < region.pa + bytes; pa += 4096) {
        caches_.memory().assume_zero(pa);
      }
    }
    if (varies_granules(test_)) set_up_pages_as_tables();
    for (const MemoryWord& word : layout_.memory) caches_.assume(word.pa, word.value);
    caches_.set_stream_table(stream_table(layout_.strtab_base));
    caches_.set_atschk(layout_.atschk);
    caches_.set_e2h(layout_.e2h);
    caches_.set_vmw(layout_.vmw);
    caches_.set_gbpa_abort(layout_.gbpa_abort);
    gbpa_ = {layout_.gbpa_abort};
    if (layout_.reset) {
      caches_.reset();
    } else {
      caches_.write_smmuen(true);
      caches_.acknowledge_smmuen();
      was_enabled_ = true;
    }
    for (const u64 sid : layout_.ats_sids) caches_.set_ats(static_cast<u32>(sid), true);
    gather();
  }

  /// What a walk of another granule may take for a table is zero, too: whatever a word leads to
  /// that reads as a page here.
  void set_up_pages_as_tables() {
    const auto target = [&](u64 word) {
      if (bits(word, 1, 0) != 3) return;
      const u64 first = word & mask(47, 12);
      const Region* region = layout_.region_of(first);
      if (region == nullptr || region->unknown) return;
      const u64 end = std::min(region->pa + region->bytes, first + (u64{64} << 10));
      for (u64 pa = first; pa < end; pa += 4096) caches_.memory().assume_zero(pa);
    };
    for (const MemoryWord& word : layout_.memory) target(word.value);
    for (const Action& action : layout_.actions) {
      if (const auto* write = std::get_if<WriteAction>(&action.what)) target(write->value);
    }
  }

  void perform(const WriteAction& action) {
    const spec::Content old = caches_.memory().newest(action.pa);
    const u64 value = (old.value & ~action.mask) | (action.value & action.mask);
    // A leaf that leads to a page again makes it the device's again: a descriptor is stored whole.
    if ((value & 1) != 0 && action.mask == ~u64{0}) {
      std::erase_if(released_, [&](const ReleaseAction& page) {
        return (value & mask(47, 12)) - page.pa < page.bytes;
      });
    }
    if (action.rmw) {
      caches_.rmw(agent_, action.pa, value);
    } else {
      caches_.store(agent_, action.pa, value);
    }
  }
  void perform(const ZeroAction& action) { caches_.fill(agent_, action.pa, action.bytes / 8, 0); }
  void perform(const BarrierAction&) { caches_.barrier(agent_); }
  void perform(const CleanAction& action) { caches_.clean(agent_, action.pa); }
  void perform(const HandoffAction& action) {
    caches_.handoff(static_cast<AgentId>(action.from), static_cast<AgentId>(action.to));
  }
  void perform(const FreeAction& action) {
    for (u64 pa = action.pa; pa < action.pa + action.bytes; pa += 4096) caches_.recycle(pa, true);
  }
  void perform(const ReleaseAction& action) { released_.push_back(action); }

  void perform(const CommandAction& action) {
    // A slot is memory: its two words are stores like any others. The queue itself is coherent.
    const u64 slot = queue_base + 16 * slots_.size();
    caches_.memory().set_coherent(true);
    caches_.store(agent_, slot, 1 + slots_.size());
    caches_.store(agent_, slot + 8, 1);
    caches_.memory().set_coherent(caps_.cohacc);
    slots_.push_back(to_command(action.command));
    signals_.push_back(action.command);
  }

  void perform(const RingAction& action) {
    if (!action.relaxed) caches_.barrier(agent_);
    rung_ = slots_.size();
    expose();
  }
  void expose() {
    for (; !queue_off_ && exposed_ < rung_; ++exposed_) {
      spec::Command command = slots_[exposed_];
      const u64 slot = queue_base + 16 * exposed_;
      const bool certain =
          !caches_.memory().is_pending(slot) && !caches_.memory().is_pending(slot + 8);
      // CERROR_ILL: the driver replaces the command by a CMD_SYNC, and the queue goes on.
      if (spec::check_command(command, caps_)) command = spec::cmd_sync();
      const spec::Group group = caches_.expose(command, certain);
      if (certain && command.op == spec::Opcode::sync) {
        synced_ = Sync{group, exposed_ + 1};
        if (signals_[exposed_].irq) interrupts_.push_back(*synced_);
        if (signals_[exposed_].msi) messages_.push_back({signals_[exposed_], *synced_});
      }
    }
  }
  void complete(const Sync& sync) {
    caches_.complete(sync.group);
    consumed_ = std::max(consumed_, sync.end);
    // What an MSI writes was written once a later CMD_SYNC is complete. IHI 0070 4.7.3.
    for (Message& message : messages_) {
      if (message.seen || message.sync.end >= sync.end) continue;
      message.seen = true;
      may_hold(message.signal.msi->text).insert(message.signal.data->value);
    }
  }
  void perform(const WaitAction& action) {
    if (action.irq) {
      // Each interrupt is of a CMD_SYNC of its own, and they complete in order.
      if (++interrupts_taken_ > count_exposed([](const Command& c) { return c.irq; })) {
        leave_unsupported(waits_for_ever);
      }
      if (interrupts_.empty()) return;
      complete(interrupts_.front());
      interrupts_.erase(interrupts_.begin());
    } else if (!action.msi.empty()) {
      wait_for_message(action.msi, action.data);
    } else if (synced_) {
      complete(*synced_);
    }
  }
  /// The word may hold what it held before, or what any of the CMD_SYNCs wrote that have not
  /// written for certain: surely complete is the first of them.
  void wait_for_message(const std::string& word, u64 data) {
    if (may_hold(word).contains(data)) return;
    const auto gives = [&](const Command& c) {
      return c.msi && c.msi->text == word && c.data->value == data;
    };
    if (count_exposed(gives) == 0) leave_unsupported(waits_for_ever);
    const auto writes = [&](const Message& one) { return !one.seen && gives(one.signal); };
    const auto first = std::ranges::find_if(messages_, writes);
    if (first == messages_.end()) return;
    complete(first->sync);
    may_hold(word) = {data};
    first->seen = true;  // those of later CMD_SYNCs are written behind it
  }
  std::set<u64>& may_hold(const std::string& word) {
    return may_hold_.try_emplace(word, std::set<u64>{0}).first->second;
  }
  /// Commands that the SMMU may have read.
  template <class Which>
  [[nodiscard]] std::size_t count_exposed(const Which& which) const {
    const auto end = signals_.begin() + static_cast<std::ptrdiff_t>(exposed_);
    return static_cast<std::size_t>(std::count_if(signals_.begin(), end, which));
  }
  void perform(const MsiStoreAction& action) { may_hold(action.word) = {action.data}; }
  void perform(const CmdqAction& action) {
    caches_.barrier(agent_);  // ordered register writes
    if (action.change == CmdqChange::reset) {
      // Whether a signal of before comes says what was consumed, and it may be taken for that of a
      // later CMD_SYNC. IHI 0070 6.3.9.3.
      const auto outstanding = [](const Message& message) { return !message.seen; };
      if (!interrupts_.empty() || std::ranges::any_of(messages_, outstanding)) {
        leave_unsupported(signal_over_reset);
      }
      // What no CMD_SYNC was waited for may not have been consumed.
      caches_.drop_commands(exposed_ - consumed_);
      synced_.reset();
      interrupts_.clear();
      messages_.clear();
      exposed_ = consumed_ = rung_ = slots_.size();
      return;
    }
    queue_off_ = action.change == CmdqChange::off;
    expose();
  }
  void perform(const SmmuenAction& action) {
    caches_.barrier(agent_);  // an ordered register write
    was_enabled_ |= action.on;
    caches_.write_smmuen(action.on);
    if (action.acknowledged) caches_.acknowledge_smmuen();
  }
  void perform(const AtsAction& action) {
    caches_.barrier(agent_);
    caches_.set_ats(static_cast<u32>(action.sid), action.on);
  }
  /// Nobody may rely on it where IDR0.BTM = 0 or CR2.PTM = 1.
  void perform(const BroadcastAction& action) {
    if (!layout_.broadcasts) return;
    spec::Command command = to_command(action.command);
    command.cpu_e2h = action.command.e2h && action.command.e2h->value != 0;
    if (!spec::check_command(command, caps_)) caches_.broadcast(agent_, command);
  }
  void perform(const DsbAction&) {
    caches_.barrier(agent_);
    caches_.complete_broadcasts(agent_);
  }
  void perform(const RegisterAction& action) {
    caches_.barrier(agent_);
    if (action.which == Bit::atschk) caches_.set_atschk(action.value != 0);
    if (action.which == Bit::vmw) caches_.set_vmw(static_cast<unsigned>(action.value));
    if (action.which == Bit::gbpa) write_gbpa(action.value != 0, action.acknowledged);
    const bool changes = action.which == Bit::e2h && caches_.e2h() != (action.value != 0);
    if (!changes || caches_.enabled()) return;  // ignored while SMMUEN = 1: IHI 0070 6.3.12.3
    // Look-ups may meet entries of the other EL2 regime from then on, and it may be cached with
    // STEs: the engine has neither.
    if (was_enabled_ && holds_el2()) {
      leave_unsupported("CR2.E2H that changes under what is cached");
    }
    caches_.set_e2h(action.value != 0);
  }
  /// GBPA.ABORT with Update = 1, which is polled until it is 0, or not.
  void write_gbpa(bool abort, bool acknowledged) {
    if (acknowledged) {
      caches_.set_gbpa_abort(abort);
      gbpa_ = {abort};
    } else {
      caches_.write_gbpa_abort(abort);
      gbpa_.insert(abort);
    }
  }
  /// An STE, or an entry of a regime of EL2, may be cached.
  [[nodiscard]] bool holds_el2() const {
    const spec::CachesView of = caches_.view();
    for (u32 i = 0; i < of.config.size(); ++i) {
      if (of.config[i].kind == spec::ConfigKind::ste) return true;
    }
    for (u32 i = 0; of.config.holds_all() && i < of.config.regions(); ++i) {
      if (of.config.region(i).kind == spec::ConfigKind::ste) return true;
    }
    for (u32 tag = 0; tag < of.regimes.tags(); ++tag) {
      const spec::TagState& state = of.regimes.tag(tag);
      if (state.tag.world == spec::StreamWorld::el1) continue;
      if (of.items.count(tag) != 0) return true;
      for (u64 r = state.first_regime; r != 0; r = of.regimes[r - 1].next) {
        if (of.regimes[r - 1].ghost != 0) return true;
      }
    }
    return false;
  }
  void perform(const StrtabAction& action) {
    caches_.barrier(agent_);
    if (caches_.enabled()) {
      caches_.violations().push_back({spec::rule::REGISTER_GUARDED, caches_.now(),
                                      "STRTAB_BASE is written while SMMUEN is 1"});
      return;
    }
    caches_.set_stream_table(stream_table(action.pa));
  }
  void perform(const DmaBeginAction&) {}
  void perform(const DmaEndAction&) {}
  void perform(const MarkAction&) {}

  void check_released() {
    if (released_.empty()) return;
    caches_.lookups().for_each_translation([&](u32 /*tag*/, const spec::Candidate& c) {
      if (c.kind != spec::Candidate::Kind::leaf) return;
      const u64 first = c.leaf.output + (c.at - c.va);
      const u64 last = first + ((u64{1} << c.leaf.extent_lg2) - 1);
      for (const ReleaseAction& page : released_) {
        if (last < page.pa || first > page.pa + (page.bytes - 1)) continue;
        caches_.violations().push_back(
            {spec::rule::PAGE_REUSE, caches_.now(),
             layout_.name_of(page.pa) + " was given back, and can still be reached at " +
                 hex(c.at) +
                 (c.item != 0 ? ": " + explained(caches_.view(), caches_.item(c.item - 1))
                              : " by the descriptor in " + name(c.origin))});
      }
    });
    for_each_atc_item(caches_.view(), [&](const spec::AtcOwner&, const spec::AtcItem& item) {
      // Like bypass, an identity leads to every page and so counts for none.
      if (item.kind == spec::ItemKind::unknown || item.identity != 0) return;
      for (const ReleaseAction& page : released_) {
        if (item.output + (item.last - item.first) < page.pa) continue;
        if (item.output > page.pa + (page.bytes - 1)) continue;
        const u64 va = item.first + (page.pa > item.output ? page.pa - item.output : 0);
        caches_.violations().push_back({spec::rule::PAGE_REUSE, caches_.now(),
                                        layout_.name_of(page.pa) +
                                            " was given back, and can still be reached: " +
                                            explained(caches_.view(), item, va)});
      }
    });
  }

  void gather() {
    for (const spec::Violation& violation : caches_.violations()) {
      note(violation.rule, "step " + std::to_string(violation.at) + ": " + violation.text);
    }
    caches_.violations().clear();
  }

  void note(spec::Rule rule, const std::string& text) {
    using spec::Family;
    // The format has no family of these, and says what comes of such a step.
    const Family its = spec::rule_info(rule).family;
    if (its == Family::register_protocol || its == Family::queue_protocol) return;
    const std::string family = family_of(rule);
    judgement_.broken.insert(family);
    // In part 2 of the format it has a name of its own, too.
    if (spec::rule_info(rule).family == spec::Family::torn) judgement_.broken.insert("torn");
    const auto same = [&](const Blame& b) { return b.rule == rule && b.what == text; };
    if (std::ranges::none_of(evidence_, same)) evidence_.push_back({rule, family, text});
  }

  [[nodiscard]] bool may_be(const spec::Access& access, spec::SteKind kind) const {
    const auto& ways = caches_.fetches().ways_of(access.sid, access.ssid, access.ssv).options;
    return std::ranges::any_of(ways,
                               [&](const spec::StreamOption& way) { return way.kind == kind; });
  }

  void judge_access(const Access& access) {
    const spec::Access asked{
        .sid = static_cast<u32>(access.stream.sid.value),
        .ssid = access.stream.ssid ? static_cast<u32>(access.stream.ssid->value) : 0,
        .ssv = access.stream.ssid.has_value(),
        .type = type_of(access.direction),
        .privileged = access.privileged,
        .va = access.va.value,
        .route = access.ats ? spec::Route::translated : spec::Route::untranslated};
    std::set<std::string> allowed;
    std::vector<Reason> reasons;
    const auto namer = [this](u64 pa) { return name(pa); };
    const auto add = [&](const std::string& text, const Outcome& outcome) {
      if (!allowed.insert(text).second) return;
      const bool illegal =
          outcome.kind == OutcomeKind::fault && (outcome.event == spec::EventType::c_bad_ste ||
                                                 outcome.event == spec::EventType::c_bad_cd);
      reasons.push_back(reason_of(text, cause_of(caches_.view(), outcome), illegal, namer));
    };
    const bool done = caches_.outcomes(asked, [&](const Outcome& outcome) {
      // Only what stage 2 is to translate can be too large: what ends alike is one outcome.
      const bool ipa = is_too_large(outcome) && may_be(asked, spec::SteKind::stage2);
      const bool requested = outcome.kind == OutcomeKind::denied;
      if (ipa) add(requested ? "denied" : std::string(spec::event_name(outcome.event)), outcome);
      // Likewise what GBPA does with an address that no bus has, and an STE that terminates.
      const bool disabled =
          outcome.kind == OutcomeKind::abort && outcome.rule == spec::rule::DISABLED_PASSES;
      if (disabled) {
        for (const bool abort : gbpa_) add(abort ? "abort" : "bypass", outcome);
        if (may_be(asked, spec::SteKind::abort)) add("abort", outcome);
      } else if (!ipa || may_be(asked, spec::SteKind::bypass)) {
        add(to_text(outcome, layout_), outcome);
      }
      // What an access meets is broken, too, if no step has been blamed for it.
      if (outcome.kind == OutcomeKind::any) note(outcome.rule, explained(caches_.view(), outcome));
    });
    if (!done) gave_up_ = true;
    if (access.promised) {
      for (const std::string& text : allowed) {
        const bool promised = std::ranges::any_of(*access.promised, [&](const OutcomeText& o) {
          return o.text == text || o.text == "any";
        });
        if (!promised) note(spec::rule::PROMISE_OUTCOME, text + " is possible and not promised");
      }
    }
    judgement_.allowed.push_back(std::move(allowed));
    reasons_.push_back(std::move(reasons));
    std::vector<std::string>& cached = configuration_.emplace_back();
    const std::optional<u32> ssid = asked.ssv ? std::optional(asked.ssid) : std::nullopt;
    for (const spec::Cause& cause : causes_of_stream(caches_.view(), asked.sid, ssid)) {
      cached.push_back(spec::cause_text(cause, namer));
    }
  }

  const Test& test_;
  const Layout& layout_;
  spec::Capabilities caps_;
  Caches caches_;
  AgentId agent_ = AgentId::cpu0;
  std::vector<spec::Command> slots_;
  std::vector<Command> signals_;  // as they were written: what their completion does
  std::size_t rung_ = 0;
  std::size_t exposed_ = 0;
  std::size_t consumed_ = 0;    // surely: up to the last CMD_SYNC that was waited for
  std::optional<Sync> synced_;  // the last one
  std::vector<Sync> interrupts_;
  std::size_t interrupts_taken_ = 0;
  std::vector<Message> messages_;
  std::map<std::string, std::set<u64>> may_hold_;  // words that MSIs write
  bool queue_off_ = false;
  bool was_enabled_ = false;
  std::set<bool> gbpa_;  // what GBPA.ABORT may be
  std::string unsupported_;
  std::vector<ReleaseAction> released_;
  bool gave_up_ = false;
  Judgement judgement_;
  std::vector<std::vector<Reason>> reasons_;
  std::vector<std::vector<std::string>> configuration_;
  std::vector<Blame> evidence_;
};

}  // namespace

Expected<FastResult> judge(const Test& test) {
  const Expected<Layout> laid_out = layout(test);
  if (!laid_out) return std::unexpected(laid_out.error());
  if (const std::string what = unsupported_feature(test, *laid_out); !what.empty()) {
    FastResult result;
    result.judgement.unsupported = what;
    return result;
  }
  return Runner(test, *laid_out).run();
}

}  // namespace iommucheck::litmus
