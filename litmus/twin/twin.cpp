// SPDX-License-Identifier: MIT
#include "litmus/twin/twin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fingerprint.h"
#include "litmus/twin/invalidate.h"
#include "litmus/twin/judge.h"
#include "litmus/twin/ways.h"

namespace iommucheck::litmus {
namespace twin {
namespace {

class Schedules {
 public:
  Schedules(Facts facts, u64 states_max, bool merge, std::vector<std::vector<Way>>* ways)
      : facts_(std::move(facts)), states_max_(states_max), merge_(merge), ways_(ways) {
    if (ways_ != nullptr) ways_->resize(facts_.test->accesses.size());
    judgement_.allowed.resize(facts_.test->accesses.size());
    judgement_.dmas.resize(facts_.test->dmas.size());
    judgement_.loads.resize(facts_.test->loads.size());
  }

  Judgement run() {
    State state(Memory(facts_.layout, facts_.interest, facts_.offsets));
    state.strtab = facts_.layout.strtab_base;
    state.two_level = facts_.layout.strtab_format == TableFormat::two_level;
    state.ats_sids = facts_.layout.ats_sids;
    state.atschk = facts_.layout.atschk;
    state.vmw = facts_.layout.vmw;
    state.e2h = facts_.layout.e2h;
    state.gbpa_abort = {facts_.layout.gbpa_abort};
    if (facts_.layout.reset) {
      state.may_translate = false;
      state.may_bypass = true;
      keep_from_reset(state);
    }
    state.between_steps = true;
    settle(state);
    state.between_steps = false;
    explore(state, 0);
    finish();
    return std::move(judgement_);
  }

 private:
  /// What caches may hold that nobody has invalidated.
  void keep_from_reset(State& state) const {
    const std::set<Lack>& lacks = facts_.layout.lacks;
    if (lacks.contains(Lack::reset_caches)) return;
    if (!lacks.contains(Lack::config_cache)) {
      state.unknown_sids = facts_.sids;
      state.unknown_sids.insert(other_sid);
    }
    if (lacks.contains(Lack::tlb) && lacks.contains(Lack::walk_cache)) return;
    state.reset_unknown = {facts_.tags, facts_.spaces, {}};
    for (const auto& [world, vmid] : facts_.spaces) {
      if (world == World::el1) state.reset_unknown.vmids.insert(vmid);
    }
  }

  /// A moment: all that can be filled is, then the rules are judged.
  void settle(State& state) {
    fill(facts_, state);
    judge_state(facts_, state, judgement_.broken);
  }

  /// From here any queued command may act now, or the driver goes on with its next step.
  void explore(State state, std::size_t next) {
    while (true) {
      if (states_ > states_max_) return;
      if (merge_ && !seen_.insert({next, fingerprint_of(state)}).second) return;
      ++states_;
      explore_moments(state, next);
      if (next == facts_.layout.actions.size()) {
        collect(std::move(state));
        return;
      }
      std::vector<State> after = perform(state, facts_.layout.actions[next]);
      ++next;
      if (after.empty()) return;
      for (State& one : after) settle(one);
      for (std::size_t i = 1; i < after.size(); ++i) explore(std::move(after[i]), next);
      state = std::move(after.front());
    }
  }

  /// What may happen now by itself.
  void explore_moments(const State& state, std::size_t next) {
    for (std::size_t i = 0; i < state.queue.size(); ++i) {
      if (!may_act(state, i)) continue;
      State after = state;
      after.queue[i].acted = true;
      const Command command = after.queue[i].command;
      if (command.op == CommandOp::resume || command.op == CommandOp::stall_term) {
        answer(std::move(after), command, next);
        continue;
      }
      const Acting by{
          .command = command,
          .vmw = state.vmw,
          .e2h = state.e2h,
          .e2h_open = state.e2h_open,
          .untagged_leaves_pasids = facts_.layout.lacks.contains(Lack::untagged_atc_inv)};
      for (Flight* flight : flights_using(after, by)) flight->commands.insert(i);
      see_marks(after, i);
      act(by, after);
      settle(after);
      explore(after, next);
    }
    for (std::size_t i = 0; i < state.queue.size(); ++i) {
      if (!may_signal(state, i)) continue;
      State after = state;
      signal(after, after.queue[i]);
      explore(after, next);
    }
    for (std::size_t i = 0; i < state.broadcasts.size(); ++i) {
      const Broadcast& broadcast = state.broadcasts[i];
      if (broadcast.acted || broadcast.dropped) continue;
      State after = state;
      after.broadcasts[i].acted = true;
      const Acting by{.command = broadcast.command, .vmw = state.vmw, .broadcast = true};
      for (Flight* flight : flights_using(after, by)) flight->broadcasts.insert(i);
      act(by, after);
      settle(after);
      explore(after, next);
    }
    for (std::size_t i = 0; i < state.flights.size(); ++i) fly(state, i, next);
  }

  static bool is_done(const State& state, std::size_t sync) {
    for (std::size_t i = 0; i < sync; ++i) {
      const Slot& slot = state.queue[i];
      if (!slot.stale && !slot.dropped && !slot.sync && !slot.acted) return false;
      // An MSI is written before a later CMD_SYNC is complete; an interrupt comes when it comes.
      if (slot.command.msi && may_signal(state, i)) return false;
    }
    for (const Flight& flight : state.flights) {
      if (!flight.done && !flight.commands.empty() && *flight.commands.begin() < sync) return false;
    }
    return state.queue[sync].exposed;
  }

  static bool may_signal(const State& state, std::size_t index) {
    const Slot& slot = state.queue[index];
    if (!slot.command.msi && !slot.command.irq) return false;
    return !slot.signalled && !slot.stale && !slot.dropped && is_done(state, index);
  }

  static void signal(State& state, Slot& slot) {
    slot.signalled = true;
    if (slot.command.msi) state.words[slot.command.msi->text] = slot.command.data->value;
    if (slot.command.irq) state.interrupt = true;
  }

  /// What is waited for has happened in this schedule.
  static bool has_come(State& state, const WaitAction& wait) {
    if (wait.irq) return std::exchange(state.interrupt, false);
    if (!wait.stall.empty()) {
      bool stalled = false;
      for (Flight& flight : state.flights) {
        if (flight.name == wait.stall) stalled = flight.told = flight.recorded;
      }
      return stalled;
    }
    if (!wait.msi.empty()) return state.words[wait.msi] == wait.data;
    for (std::size_t i = 0; i < state.queue.size(); ++i) {
      const Slot& slot = state.queue[i];
      if (!slot.sync || !slot.exposed || slot.stale || slot.dropped) continue;
      if (!is_done(state, i)) return false;
    }
    return true;
  }

  /// New accesses of the stream surely end: what it stalls is for CMD_STALL_TERM to end.
  static bool ends_for_sure(const State& state, u64 sid) {
    bool all = !state.unknown_sids.contains(sid);
    for_each_ste(state, sid, [&all](const Ste& ste) {
      all &= !ste.unknown && (!ste.valid || ste.illegal || ste.config == Ste::Config::abort);
    });
    return all;
  }

  /// CMD_RESUME, CMD_STALL_TERM. Whether the one finds an access whose record nobody has read is
  /// CONSTRAINED UNPREDICTABLE, and whether the other ends anything of a stream that does not end
  /// new ones UNPREDICTABLE. IHI 0070 4.7.1, 4.7.2.
  void answer(State after, const Command& command, std::size_t next) {
    bool unread = false;
    const State before = after;
    for (Flight& flight : after.flights) {
      const bool named = command.dma ? flight.name == command.dma->text
                                     : flight.stream.sid.value == command.sid->value;
      if (!flight.stalled || !named) continue;
      unread |= command.dma ? !flight.told : !ends_for_sure(after, command.sid->value);
      if (command.retry) {
        flight.stalled = flight.told = flight.recorded = false;
        flight.text.clear();
      } else {
        end_stall(after, flight);
      }
    }
    explore(std::move(after), next);
    if (unread) explore(before, next);
  }

  void end_stall(const State& state, Flight& flight) {
    flight.stalled = flight.told = false;
    flight.done = true;
    flight.text = "abort";
    record(state, flight.name, flight.text);
  }

  /// Every DMA that uses what the command covers: the CMD_SYNC after it, or the DSB, waits for it.
  static std::vector<Flight*> flights_using(State& state, const Acting& by) {
    const auto covered = [&by](const auto& used) { return removes(by, used); };
    std::vector<Flight*> found;
    for (Flight& flight : state.flights) {
      if (flight.done) continue;
      const bool used = std::ranges::any_of(flight.items, covered) ||
                        std::ranges::any_of(flight.configuration, covered);
      if (used || (flight.entry && removes(by, *flight.entry, state))) found.push_back(&flight);
    }
    return found;
  }

  /// What this CPU has broadcast is done, and so is every DMA that used what that removed.
  static bool are_broadcasts_done(const State& state, u16 agent) {
    for (std::size_t i = 0; i < state.broadcasts.size(); ++i) {
      const Broadcast& broadcast = state.broadcasts[i];
      if (broadcast.agent != agent || broadcast.dropped) continue;
      const auto waits = [i](const Flight& flight) {
        return !flight.done && flight.broadcasts.contains(i);
      };
      if (!broadcast.acted || std::ranges::any_of(state.flights, waits)) return false;
    }
    return true;
  }

  static void set_vmw(State& state, unsigned vmw) {
    if (state.vmw == vmw) return;
    state.vmw = vmw;
    for (Slot& slot : state.queue) {
      if (slot.exposed && !slot.acted && !slot.sync && names_vmid(slot.command)) slot.stale = true;
    }
    for (Broadcast& broadcast : state.broadcasts) {
      if (!broadcast.acted && names_vmid(broadcast.command)) broadcast.dropped = true;
    }
  }

  /// By what commands tell them apart, and each once.
  static std::vector<Item> as_covered(const std::vector<Item>& items) {
    std::vector<Item> found;
    for (const Item& item : items) {
      Item one;
      one.stage = item.stage;
      one.pointer = item.pointer;
      one.global = item.global;
      one.tag = item.tag;
      one.span_va = item.span_va;
      one.span_bytes = item.span_bytes;
      one.level = item.level;
      one.granule = item.granule;
      one.apart = item.apart;
      one.vmw = item.vmw;
      const auto is_one = [&](const Item& other) { return other.identity() == one.identity(); };
      if (std::ranges::none_of(found, is_one)) found.push_back(one);
    }
    return found;
  }

  /// A DMA may be translated now, or take its effect now.
  void fly(const State& state, std::size_t index, std::size_t next) {
    const Flight& flight = state.flights[index];
    if (flight.done) return;
    if (flight.stalled) {
      if (state.may_bypass) {  // SMMUEN = 0 ends it. IHI 0070 6.3.9.6
        State after = state;
        end_stall(after, after.flights[index]);
        explore(after, next);
      }
      return retry_early(state, index, next);
    }
    if (flight.translated) {
      State after = state;
      finish_flight(after, after.flights[index]);
      const bool marks =
          !flight.marks.empty() ||
          (flight.entry && !(flight.entry->dirtied.empty() && flight.entry->accessed.empty()));
      if (marks || !facts_.test->loads.empty()) settle(after);
      explore(after, next);
      return;
    }
    Transaction how = transaction_of(flight);
    if (flight.ats && !flight.entry) {
      begin_by_ats(state, index, how, next);
      return;
    }
    for (Outcome& outcome :
         flight.entry ? by_entry(state, how, *flight.entry) : outcomes(facts_, state, how)) {
      State after = state;
      Flight& changed = after.flights[index];
      // What waits uses nothing, and is nobody's to wait for. IHI 0070 4.7.3.
      if (outcome.text.ends_with("!stall")) {
        changed.stalled = changed.recorded = true;
        changed.text = outcome.text;
      } else {
        translate_by(changed, std::move(outcome));
      }
      explore(after, next);
    }
  }

  static void translate_by(Flight& flight, Outcome outcome) {
    flight.translated = true;
    flight.text = std::move(outcome.text);
    flight.pa = outcome.pa;
    flight.items = as_covered(outcome.items);
    flight.configuration = std::move(outcome.configuration);
    flight.marks = std::move(outcome.marks);
  }

  /// What waits may be tried again unasked, which records nothing more: it goes on, or ends as it
  /// is told to by then, or waits still. IHI 0070 3.12.2.2.
  void retry_early(const State& state, std::size_t index, std::size_t next) {
    if (!state.may_translate) return;
    State enabled = state;
    enabled.may_bypass = false;
    const Flight& flight = state.flights[index];
    for (Outcome& outcome : outcomes(facts_, enabled, transaction_of(flight))) {
      if (outcome.text.ends_with("!stall")) continue;
      State after = state;
      Flight& changed = after.flights[index];
      if (is_end_without_access(outcome)) {
        end_stall(after, changed);
      } else {
        changed.stalled = changed.told = false;
        translate_by(changed, std::move(outcome));
      }
      explore(after, next);
    }
  }
  static bool is_end_without_access(const Outcome& outcome) {
    return !outcome.pa && outcome.text != "any" && outcome.text != "bypass";
  }

  /// Its device has an answer to a request, held or new: it keeps it until it is done.
  void begin_by_ats(const State& state, std::size_t index, const Transaction& how,
                    std::size_t next) {
    if (state.ats_sids.contains(how.sid)) {
      Transaction asked = how;
      if (!asked.ssid) asked.kind = without_pasid(asked.kind);
      for (const AtcEntry& entry : usable(state, asked)) {
        State after = state;
        after.flights[index].entry = entry;
        explore(after, next);
      }
    }
    std::set<std::string> ends;
    for (const Outcome& outcome : outcomes(facts_, state, how)) {
      if (outcome.text == "denied" || outcome.text == "any") ends.insert(outcome.text);
    }
    for (const std::string& text : ends) {
      State after = state;
      after.flights[index].translated = true;
      after.flights[index].text = text;
      explore(after, next);
    }
  }

  /// The request for it, perhaps its own, has marked the page dirty.
  std::vector<Outcome> by_entry(const State& state, Transaction how, const AtcEntry& entry) const {
    if (!how.ssid) how.kind = without_pasid(how.kind);
    std::vector<Outcome> found = outcomes_of_translated(facts_, state, how, entry);
    if (how.kind.type != Kind::Type::write || entry.dirtied.empty()) return found;
    for (std::size_t i = 0, count = found.size(); i < count; ++i) {
      if (!found[i].pa || found[i].text.ends_with("!dirty")) continue;
      found.push_back(found[i]);
      found.back().text += "!dirty";
    }
    return found;
  }

  void finish_flight(State& state, Flight& flight) {
    flight.done = true;
    const auto exposed = static_cast<std::size_t>(
        std::ranges::count_if(state.queue, [](const Slot& slot) { return slot.exposed; }));
    if (flight.entry) {
      for (const u64 pa : flight.entry->accessed) flight.marks.insert({pa, false});
    }
    const State::Since since{exposed, state.broadcasts.size(), flight.items};
    for (const Mark& mark : flight.marks) {
      state.marks[mark] = since;
      if (mark.dirty) continue;
      state.memory.hardware_sets_af(mark.pa);
      // Set for this access or before it: by a write through stage 2, which is dirty since then.
      const auto ways = state.af_written_by.find(mark.pa);
      if (ways == state.af_written_by.end() || ways->second.size() != 1) continue;
      const u64 descriptor = *ways->second.begin();
      if (descriptor == State::no_descriptor) continue;
      state.marks[{descriptor, true}] = since;
    }
    flight.marks.clear();
    // With ATS the dirty state is visible before the data is. IHI 0070 3.13.7.1.
    const bool wrote = flight.pa && flight.kind.type == Kind::Type::write && flight.entry;
    for (const u64 pa : wrote ? flight.entry->dirtied : std::set<u64>{}) {
      state.marks[{pa, true}] = since;
      see(state, {pa, true});
    }
    if (flight.pa && is_released(state, *flight.pa)) judgement_.broken.insert("page-reuse");
    record(state, flight.name, flight.text);
  }

  void record(const State& state, const std::string& name, const std::string& text) {
    const auto& dmas = facts_.test->dmas;
    for (std::size_t i = 0; i < dmas.size(); ++i) {
      if (dmas[i].name.text != name) continue;
      judgement_.dmas[i].insert(state.marked && text != "any" ? "late:" + text : text);
    }
  }

  static Kind kind_of(Direction direction, bool privileged) {
    switch (direction) {
      case Direction::read: return {Kind::Type::read, privileged};
      case Direction::write: return {Kind::Type::write, privileged};
      case Direction::execute: break;
    }
    return {Kind::Type::execute, privileged};
  }

  static Transaction transaction_of(const Flight& flight) {
    return transaction_of(flight.stream, flight.va, flight.kind, flight.ats);
  }
  static Transaction transaction_of(const Stream& stream, u64 va, Kind kind, bool ats) {
    Transaction by;
    by.ats = ats;
    by.sid = stream.sid.value;
    if (stream.ssid) by.ssid = stream.ssid->value;
    by.va = va;
    by.kind = kind;
    return by;
  }

  static bool may_act(const State& state, std::size_t index) {
    const Slot& slot = state.queue[index];
    if (slot.sync || !slot.exposed || slot.stale || slot.acted || slot.dropped) return false;
    for (std::size_t i = 0; i < index; ++i) {
      const Slot& earlier = state.queue[i];
      if (earlier.sync && !earlier.stale && !earlier.dropped && !is_done(state, i)) return false;
    }
    return true;
  }

  void collect(State state) {
    ended_ = true;
    state.between_steps = true;
    settle(state);
    for (std::size_t i = 0; i < judgement_.allowed.size(); ++i) {
      const Access& access = facts_.test->accesses[i];
      if (state.may_translate && span_is_beyond(state, access.stream.sid.value)) {
        judgement_.broken.insert("cont");
      }
      const Transaction by = transaction_of(
          access.stream, access.va.value, kind_of(access.direction, access.privileged), access.ats);
      for (const Outcome& outcome : outcomes(facts_, state, by)) {
        const bool is_new = judgement_.allowed[i].insert(outcome.text).second;
        if (is_new && ways_ != nullptr) {
          (*ways_)[i].push_back(way_to(facts_, state, by, outcome));
        }
      }
    }
    collect_loads(state);
    // What has not ended takes its effect after the last step.
    for (const Flight& flight : state.flights) {
      if (flight.done) continue;
      if (flight.stalled && state.may_bypass) record(state, flight.name, "abort");
      if (flight.translated || flight.stalled)
        record(state, flight.name, flight.text);
      else
        for (const Outcome& outcome : flight.entry
                                          ? by_entry(state, transaction_of(flight), *flight.entry)
                                          : outcomes(facts_, state, transaction_of(flight))) {
          record(state, flight.name, outcome.text);
        }
    }
  }

  void collect_loads(const State& state) {
    for (std::size_t i = 0; i < judgement_.loads.size(); ++i) {
      const LoadExpectation& load = facts_.test->loads[i];
      const Region* table = facts_.layout.region_named(load.table.text);
      if (table == nullptr) continue;
      judgement_.loads[i].merge(loads(facts_, state, table->pa + 8 * load.index.value));
    }
  }

  /// Software writes the word: whatever hardware had done to it is part of what it knew, or lost.
  static void forget_marks(State& state, u64 pa) {
    for (const bool dirty : {false, true}) {
      state.marks.erase({pa, dirty});
      state.seen_marks.erase({pa, dirty});
    }
    state.may_be_dirty.erase(pa);
    state.af_written_by.erase(pa);
    for (auto& [word, ways] : state.af_written_by) {
      if (ways.erase(pa) != 0) ways.insert(State::no_descriptor);
    }
    std::set<AtcEntry> atc;
    for (AtcEntry entry : state.atc) {
      entry.dirtied.erase(pa);
      entry.accessed.erase(pa);
      atc.insert(std::move(entry));
    }
    state.atc = std::move(atc);
    for (Flight& flight : state.flights) {
      if (!flight.entry) continue;
      flight.entry->dirtied.erase(pa);
      flight.entry->accessed.erase(pa);
    }
  }

  /// Everyone reads the flag as hardware has left it, other walks too.
  void see(State& state, const Mark& mark) const {
    if (!state.seen_marks.insert(mark).second) return;
    constexpr u64 accessed = u64{1} << 10, right = u64{1} << 7;  // AP[2], or S2AP[1]
    if (!mark.dirty) {
      state.memory.settle(mark.pa, accessed, 0);
      return;
    }
    const Region* table = facts_.layout.region_of(mark.pa);
    const bool stage2 = table != nullptr && facts_.layout.stage2_tables.contains(table->pa);
    state.memory.settle(mark.pa, accessed | (stage2 ? right : 0), stage2 ? 0 : right);
  }

  /// Which slots are complete, by what was waited for: all, or those up to a CMD_SYNC that has
  /// signalled.
  static std::size_t complete_behind(const State& state, const WaitAction& wait) {
    if (wait.msi.empty() && !wait.irq && wait.stall.empty()) return state.queue.size();
    std::size_t end = state.queue.size();
    while (end != 0 && !state.queue[end - 1].signalled) --end;
    return end;
  }

  /// A CMD_SYNC that was submitted behind a completed access shows the flags that it changed.
  /// Those before slot `end` are complete.
  void see_marks(State& state, std::size_t end) const {
    for (std::size_t i = 0; i < end; ++i) {
      const Slot& slot = state.queue[i];
      if (!slot.sync || !slot.exposed || slot.stale || slot.dropped || !is_done(state, i)) continue;
      for (const auto& [mark, since] : state.marks) {
        if (since.commands <= i) see(state, mark);
      }
    }
  }

  /// So does a TLBI that this CPU has broadcast since, once it is complete: of the accesses that
  /// it completes, those by what it removes. IHI 0070 3.13.4, 3.21.1.
  void see_marks_by_broadcasts(State& state, u16 agent) const {
    for (std::size_t i = 0; i < state.broadcasts.size(); ++i) {
      const Broadcast& broadcast = state.broadcasts[i];
      if (broadcast.agent != agent || broadcast.dropped) continue;
      const Acting by{.command = broadcast.command, .vmw = state.vmw, .broadcast = true};
      const auto removed = [&by](const Item& item) { return removes(by, item); };
      for (const auto& [mark, since] : state.marks) {
        if (since.broadcasts <= i && std::ranges::any_of(since.by, removed)) see(state, mark);
      }
    }
  }

  /// The states after a step: several where the SMMU may have read a slot too early, none where
  /// what is waited for has not happened in this schedule.
  std::vector<State> perform(const State& before, const Action& action) {
    std::vector<State> after{before};
    State& state = after.front();
    Memory& memory = state.memory;
    if (const auto* write = std::get_if<WriteAction>(&action.what)) {
      if (loses_update(state, *write)) judgement_.broken.insert("lost-update");
      memory.store(*write, action.agent);
      forget_marks(state, write->pa);
      give_back(state, *write);
    } else if (const auto* zero = std::get_if<ZeroAction>(&action.what)) {
      for (u64 page = align_down(zero->pa, 12); page < zero->pa + zero->bytes; page += 4096) {
        for (const u64 index : memory.indices(page)) {
          const WriteAction word{.pa = page + 8 * index};
          if (loses_update(state, word)) judgement_.broken.insert("lost-update");
          forget_marks(state, word.pa);
        }
      }
      memory.zero(zero->pa, zero->bytes, action.agent);
    } else if (std::holds_alternative<BarrierAction>(action.what)) {
      barrier(state, action.agent);
    } else if (const auto* clean = std::get_if<CleanAction>(&action.what)) {
      memory.clean(clean->pa, action.agent);
    } else if (const auto* handoff = std::get_if<HandoffAction>(&action.what)) {
      hand_over(state, *handoff);
    } else if (const auto* free = std::get_if<FreeAction>(&action.what)) {
      // With SMMUEN = 0 nothing is fetched; what is cached leads there once it is 1 again. 6.3.9.6.
      const bool fetched = state.may_translate;
      if (fetched && leads_to(facts_, state, free->pa, free->bytes)) {
        judgement_.broken.insert("table-free");
      }
      memory.forget(free->pa, free->bytes);
    } else if (const auto* release = std::get_if<ReleaseAction>(&action.what)) {
      state.released.push_back({release->pa, release->bytes});
    } else {
      perform_register_step(after, action);
    }
    return after;
  }

  void perform_register_step(std::vector<State>& after, const Action& action) {
    State& state = after.front();
    if (const auto* command = std::get_if<CommandAction>(&action.what)) {
      Slot slot;
      slot.command = command->command;
      slot.sync = command->command.op == CommandOp::sync || is_illegal(command->command);
      slot.owners = agent_bit(action.agent);
      state.queue.push_back(slot);
    } else if (const auto* ring = std::get_if<RingAction>(&action.what)) {
      if (!ring->relaxed) barrier(state, action.agent);
      for (Slot& slot : state.queue) slot.rung = true;
      if (!state.queue_off) expose(after);
    } else if (const auto* wait = std::get_if<WaitAction>(&action.what)) {
      const bool come = has_come(state, *wait);
      if (come) see_marks(state, complete_behind(state, *wait));
      if (!come) after.clear();
    } else if (const auto* stored = std::get_if<MsiStoreAction>(&action.what)) {
      state.words[stored->word] = stored->data;
    } else if (const auto* cmdq = std::get_if<CmdqAction>(&action.what)) {
      barrier(state, action.agent);
      change_queue(after, cmdq->change);
    } else if (const auto* smmuen = std::get_if<SmmuenAction>(&action.what)) {
      barrier(state, action.agent);
      set_smmuen(state, *smmuen);
      for (Flight& flight : state.flights) {
        if (flight.stalled && !state.may_translate) end_stall(state, flight);
      }
    } else if (const auto* ats = std::get_if<AtsAction>(&action.what)) {
      barrier(state, action.agent);
      set_ats(state, *ats);
    } else if (const auto* field = std::get_if<RegisterAction>(&action.what)) {
      barrier(state, action.agent);
      if (field->which == Bit::atschk) set_atschk(state, field->value != 0);
      if (field->which == Bit::e2h) set_e2h(state, field->value != 0);
      if (field->which == Bit::vmw) set_vmw(state, static_cast<unsigned>(field->value));
      if (field->which == Bit::gbpa) set_gbpa(state, *field);
    } else if (const auto* broadcast = std::get_if<BroadcastAction>(&action.what)) {
      const bool heard = facts_.layout.broadcasts && !is_illegal(broadcast->command);
      if (heard) state.broadcasts.push_back({broadcast->command, action.agent});
    } else if (std::holds_alternative<DsbAction>(action.what)) {
      barrier(state, action.agent);
      if (are_broadcasts_done(state, action.agent)) {
        see_marks_by_broadcasts(state, action.agent);
      } else {
        after.clear();
      }
    } else if (const auto* strtab = std::get_if<StrtabAction>(&action.what)) {
      barrier(state, action.agent);
      if (!state.may_translate) state.strtab = strtab->pa;
    } else {
      perform_dma_step(after, action);
    }
  }

  static void perform_dma_step(std::vector<State>& after, const Action& action) {
    State& state = after.front();
    if (const auto* begin = std::get_if<DmaBeginAction>(&action.what)) {
      Flight flight;
      flight.name = begin->name;
      flight.stream = begin->stream;
      flight.va = begin->va;
      flight.kind = kind_of(begin->direction, begin->privileged);
      flight.ats = begin->ats;
      state.flights.push_back(std::move(flight));
    } else if (const auto* end = std::get_if<DmaEndAction>(&action.what)) {
      const bool done = std::any_of(
          state.flights.begin(), state.flights.end(),
          [&](const Flight& flight) { return flight.name == end->name && flight.done; });
      if (!done) after.clear();
    } else if (std::holds_alternative<MarkAction>(action.what)) {
      state.marked = true;
    }
  }

  static void barrier(State& state, u16 agent) {
    state.memory.barrier(agent);
    for (Slot& slot : state.queue) {
      if ((slot.owners & agent_bit(agent)) != 0) slot.pending = false;
    }
  }

  static void hand_over(State& state, const HandoffAction& handoff) {
    state.memory.handoff(handoff.from, handoff.to);
    for (Slot& slot : state.queue) {
      if ((slot.owners & agent_bit(handoff.from)) != 0) slot.owners |= agent_bit(handoff.to);
    }
  }

  /// The PROD write. A slot whose store is not ordered before it may be read too early.
  static void expose(std::vector<State>& after) {
    for (std::size_t i = 0; i < after.front().queue.size(); ++i) {
      const Slot& slot = after.front().queue[i];
      if (slot.exposed || slot.dropped || !slot.rung) continue;
      for (State& state : after) state.queue[i].exposed = true;
      if (!after.front().queue[i].pending) continue;
      const std::size_t count = after.size();
      for (std::size_t n = 0; n < count; ++n) {
        after.push_back(after[n]);
        after.back().queue[i].stale = true;
      }
    }
  }

  static void change_queue(std::vector<State>& after, CmdqChange change) {
    if (change == CmdqChange::reset) {
      reset_queue(after);
      return;
    }
    after.front().queue_off = change == CmdqChange::off;
    if (change == CmdqChange::on) expose(after);
  }

  /// PROD := CONS, wherever the SMMU came to: a state for each place. It consumes in order, and a
  /// CMD_SYNC only when that is complete; what acted was consumed.
  static void reset_queue(std::vector<State>& after) {
    const State before = after.front();
    const std::vector<Slot>& queue = before.queue;
    after.clear();
    std::size_t cons = 0;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      if (queue[i].acted || queue[i].dropped) cons = i + 1;
    }
    for (;; ++cons) {
      after.push_back(before);
      for (std::size_t i = cons; i < queue.size(); ++i) after.back().queue[i].dropped = true;
      if (cons == queue.size() || !queue[cons].exposed) return;
      if (queue[cons].sync && !queue[cons].stale && !is_done(before, cons)) return;
    }
  }

  /// Off, the endpoint asks nothing and uses nothing, and what it holds stays.
  static void set_ats(State& state, const AtsAction& ats) {
    if (ats.on) {
      state.ats_sids.insert(ats.sid);
    } else {
      state.ats_sids.erase(ats.sid);
    }
  }

  /// What a register was may be cached with each STE that is.
  static void keep_with_stes(const State& state, bool value, std::set<std::pair<u64, bool>>& to) {
    for (const Structure& structure : state.structures) {
      if (structure.kind == StructureKind::ste) to.insert({structure.sid, value});
    }
  }

  static void set_atschk(State& state, bool on) {
    if (state.atschk == on) return;
    keep_with_stes(state, state.atschk, state.old_atschk);
    state.atschk = on;
  }

  /// Ignored unless SMMUEN = 0: IHI 0070 6.3.12.
  static void set_e2h(State& state, bool on) {
    if (state.may_translate || state.e2h == on) return;
    keep_with_stes(state, state.e2h, state.old_e2h);
    state.e2h = on;
    state.e2h_open = true;
  }

  static void set_gbpa(State& state, const RegisterAction& field) {
    if (field.acknowledged) state.gbpa_abort.clear();
    state.gbpa_abort.insert(field.value != 0);
  }

  static void set_smmuen(State& state, const SmmuenAction& smmuen) {
    if (smmuen.on) state.e2h_open = false;
    if (smmuen.acknowledged) {
      state.may_translate = smmuen.on;
      state.may_bypass = !smmuen.on;
    } else {
      state.may_translate |= smmuen.on;
      state.may_bypass |= !smmuen.on;
    }
  }

  /// A leaf that maps a released page again: the caller has given it back.
  static void give_back(State& state, const WriteAction& write) {
    const bool leaf = (write.value & 1) != 0 && write.mask == ~u64{0};
    if (!leaf) return;
    const u64 pa = write.value & mask(47, 12);
    std::erase_if(state.released, [&](const Extent& extent) {
      return pa >= extent.pa && pa - extent.pa < extent.bytes;
    });
  }

  void finish() {
    if (states_ > states_max_) {
      judgement_.unsupported = fmt::format("more than {} states", states_max_);
    } else if (!ended_) {
      judgement_.unsupported = waits_for_ever;
    }
    for (std::set<std::string>& dma : judgement_.dmas) {
      if (dma.contains("any")) dma = {"any"};
    }
    for (std::size_t i = 0; i < judgement_.allowed.size(); ++i) {
      hold_to(facts_.test->accesses[i].promised, judgement_.allowed[i]);
      if (ways_ != nullptr) in_order((*ways_)[i], judgement_.allowed[i]);
    }
    for (std::size_t i = 0; i < judgement_.loads.size(); ++i) {
      hold_to(facts_.test->loads[i].promised, judgement_.loads[i]);
    }
  }

  /// As their outcomes stand in the set, of which "any" has swallowed the others.
  static void in_order(std::vector<Way>& ways, const std::set<std::string>& allowed) {
    std::erase_if(ways, [&](const Way& one) { return !allowed.contains(one.outcome); });
    std::ranges::sort(ways, {}, &Way::outcome);
  }

  void hold_to(const std::optional<std::vector<OutcomeText>>& promised,
               std::set<std::string>& allowed) {
    if (allowed.contains("any")) allowed = {"any"};
    if (!promised) return;
    for (const std::string& outcome : allowed) {
      const bool kept =
          std::any_of(promised->begin(), promised->end(), [&](const OutcomeText& promise) {
            return promise.text == outcome || promise.text == "any";
          });
      if (!kept) judgement_.broken.insert("promise");
    }
  }

  Facts facts_;
  Judgement judgement_;
  u64 states_max_;
  bool merge_;
  std::vector<std::vector<Way>>* ways_;  ///< may be null
  u64 states_ = 0;
  std::set<std::pair<std::size_t, Fingerprint>> seen_;  // before which step
  bool ended_ = false;                                  // some schedule comes to the last step
};

}  // namespace
}  // namespace twin

Judgement judge_literally(const Test& test, u64 states_max, bool merge,
                          std::vector<std::vector<Way>>* ways) {
  Judgement judgement;
  auto laid = layout(test);
  if (!laid) {
    judgement.unsupported = laid.error().message;
    return judgement;
  }
  return twin::Schedules(twin::facts_of(test, std::move(*laid)), states_max, merge, ways).run();
}

}  // namespace iommucheck::litmus
