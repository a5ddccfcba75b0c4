// SPDX-License-Identifier: MIT
// Events of a trace, one after the other. Whatever calls the monitor directly in a lockstep comes
// back here in the same order with the same numbers.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "monitor/trace_feeder.h"
#include "spec/rules/promises.h"
#include "spec/smmu/recordings.h"

namespace iommucheck::oracle {

namespace {

/// Larger ranges than any driver's structures have: not followed, so that no input hangs.
constexpr u64 range_max = u64{1} << 30;

constexpr const char* not_followed =
    "another SMMU: no device of the header is behind it, or calls are known, where 0 is followed";
constexpr const char* not_built = "the specification of this event is not built";

}  // namespace

/// Dispatches on the kind of event. A class for its access to the monitor.
class TraceFeeder::Feeder {
 public:
  Feeder(TraceFeeder& monitor, AgentId by) : m_(monitor), by_(by) {}

  // ---- driver to memory -------------------------------------------------------------------------
  void operator()(const trace::Store& store) {
    const u64 word = align_down(store.pa, 3);
    if (swept_by_check(store)) {
      const auto same = [&](const SweptStore& other) { return other.pa == store.pa; };
      if (std::ranges::any_of(m_.fed_.swept, same)) m_.take_swept();
      m_.fed_.swept.push_back({store.pa, *store.value});
      m_.fed_.swept_by = by_;
      return;
    }
    const bool inside = store.pa - word + store.size <= 8;
    if (m_.recording_) m_.recording_->before_store(store.pa, store.size);
    if (store.size == 8 && inside && store.value) {
      m_.store(by_, store.pa, *store.value);
    } else if (inside && store.word) {
      m_.store(by_, word, *store.word);
    } else if (store.size <= 8 && store.value) {
      m_.store(by_, store.pa, store.size, *store.value, 0, 0);
    } else if (store.size == 16 && store.value && store.value_high && store.pa % 8 == 0) {
      m_.store(by_, store.pa, 16, *store.value, *store.value_high, 0);
    } else if (store.size == 16 && store.value && store.pa % 8 == 0) {
      m_.store(by_, store.pa, *store.value);
      unknown(store.pa + 8, 8);
    } else {
      unknown(store.pa, store.size);
    }
    stored(store.pa, store.size);
  }
  void operator()(const trace::Fill& fill) {
    if (!bounded(fill.words, range_max / 8)) return;
    if (m_.recording_) m_.recording_->before_store(fill.pa, fill.words * 8);
    m_.fill(by_, fill.pa, fill.words, fill.value);
    if (!m_.setup_.barriers_known) m_.make_visible(by_);
    stored(fill.pa, fill.words * 8);
  }
  void operator()(const trace::Rmw& rmw) {
    const u64 word = align_down(rmw.pa, 3);
    const bool inside = rmw.pa - word + rmw.size <= 8;
    const spec::Content before = m_.caches_.memory().newest(word);
    if (m_.recording_) m_.recording_->before_store(rmw.pa, rmw.size);
    if (!inside || !rmw.value || (rmw.size < 8 && before.unknown)) {
      unknown(rmw.pa, rmw.size);
      if (rmw.ordered.value_or(false)) m_.make_visible(by_);
    } else {
      m_.rmw(by_, {.pa = rmw.pa,
                   .size = rmw.size,
                   .value = *rmw.value,
                   .ordered = rmw.ordered.value_or(false)});
    }
    stored(rmw.pa, rmw.size);
  }
  void operator()(const trace::Load& load) {
    m_.load(by_, load.pa, load.size, load.value.value_or(in_memory(load)),
            load.ordered.value_or(false));
    if (!load.value || load.size != 8 || load.pa % 8 != 0) return;
    const spec::Content memory = m_.caches_.memory().newest(load.pa);
    if (memory.unknown || memory.value == *load.value) return;
    m_.undetermined("a store that made the loaded value");
  }
  void operator()(const trace::Barrier& barrier) {
    m_.barrier(by_, barrier.kind, barrier.completes.value_or(false));
  }
  void operator()(const trace::CacheClean& clean) {
    if (bounded(clean.length, range_max)) m_.clean(by_, clean.pa, clean.length);
  }
  void operator()(const trace::CacheInvalidate& what) {
    m_.cache_invalidate(by_, what.pa, what.length);
  }
  void operator()(const trace::Alloc& alloc) {
    if (!bounded(alloc.length, range_max)) return;
    if (by_ != trace::environment_agent) ++m_.fed_.blocks;  // the driver's own
    m_.alloc(by_, alloc.pa, alloc.length, alloc.cacheable.value_or(true));
    if (!alloc.zeroed.value_or(false)) return;
    for (u64 pa = alloc.pa; pa - alloc.pa < alloc.length; pa += 8) m_.caches_.assume(pa, 0);
  }
  void operator()(const trace::Free& free) {
    if (!bounded(free.length, range_max)) return;
    if (m_.fed_.blocks != 0 && by_ != trace::environment_agent) --m_.fed_.blocks;
    m_.free(by_, free.pa, free.length);
  }
  void operator()(const trace::PageRelease& release) {
    m_.page_released(by_, release.pa, release.length);
  }
  void operator()(const trace::Handoff& handoff) { m_.handoff(handoff.from, handoff.to); }

  // ---- registers, commands ----------------------------------------------------------------------
  void operator()(const trace::MmioWrite& write) {
    if (!register_is_here(write.offset)) return;
    m_.mmio_write(by_, static_cast<u32>(write.offset), write.size, write.value,
                  write.ordered.value_or(false));
    settle_left();
    commands_changed();
  }
  void operator()(const trace::MmioRead& read) {
    if (!register_is_here(read.offset)) return;
    m_.mmio_read(by_, static_cast<u32>(read.offset), read.size, read.value);
    if (read.ordered.value_or(false)) m_.smmu_.observe_load_barrier();
    // Whoever waits for an endpoint that does not answer may give up, as before a stuck queue.
    const bool of_queue = read.offset == spec::reg::cmdq_cons && !m_.hardware_;
    const auto error =
        static_cast<spec::CommandError>(spec::cmdq_cons_err(static_cast<u32>(read.value)));
    m_.fed_.queue_was_stuck |= of_queue && error == spec::CommandError::atc_inv_sync;
    settle_left();
    commands_changed();
  }
  void operator()(const trace::CommandConsumed& consumed) {
    std::optional<spec::CommandWords> words;
    if (consumed.command) words = {consumed.command->low, consumed.command->high};
    if (!words && m_.setup_.commands_in_events) m_.undetermined("the words of the command");
    m_.command_consumed(consumed.slot, words);
    settle_left();
    commands_changed();
  }

  // ---- devices ----------------------------------------------------------------------------------
  void operator()(const trace::Dma& dma) { m_.observe_access(dma); }
  void operator()(const trace::DmaBegin& begin) { m_.access_begins(begin); }
  void operator()(const trace::DmaEnd& end) { m_.access_ends(end); }
  void operator()(const trace::EventRecorded& event) { m_.observe_record(event); }
  void operator()(const trace::PageRequest& request) {
    if (m_.hardware_) return m_.observe_hardware_request(by_, request);
    if (m_.recording_ || m_.device_rules_) {
      m_.tick();
      m_.undetermined(not_built);
      return;
    }
    m_.observe_page_request(request);
  }
  /// What becomes of a request is known when it comes.
  void operator()(const trace::PageRequestQueued& /*record*/) {
    m_.tick();
    if (m_.recording_ || m_.device_rules_) m_.undetermined(not_built);
  }
  void operator()(const trace::AtsRequest& request) {
    m_.tick();
    m_.emit(by_, request);
    if (!m_.device_rules_) return m_.undetermined(not_built);
    m_.device_rules_->ats_request(request);
    m_.gather_device();
  }
  void operator()(const trace::AtcInvalidated& event) {
    m_.tick();
    m_.emit(by_, event);
    if (!m_.device_rules_) return m_.undetermined(not_built);
    m_.device_rules_->endpoint_answered();
  }
  void operator()(const trace::DeviceStore& store) {
    m_.tick();
    const u64 word = align_down(store.pa, 3);
    if (!store.value || store.pa - word + store.size > 8) {
      m_.undetermined("what a device stored");
      return;
    }
    if (store.cause == trace::StoreCause::msi && store.size == 4) {
      m_.smmu_.message_written(store.pa, *store.value);
    }
    const spec::Content before = m_.caches_.memory().newest(word);
    const auto shift = static_cast<unsigned>(8 * (store.pa - word));
    if (store.size < 8 && before.unknown) return;  // stays unknown
    if (m_.hardware_) return m_.put(word, *store.value);
    m_.caches_.device_store(
        word, store.size == 8
                  ? *store.value
                  : with_bits(before.value, shift + 8U * store.size - 1, shift, *store.value));
    const bool flags = store.cause == trace::StoreCause::access_flag ||
                       store.cause == trace::StoreCause::dirty_flag;
    if (flags && m_.setup_.calls_are_known) m_.tell_flags(word);
    m_.gather();
  }

  // ---- calls ------------------------------------------------------------------------------------
  void operator()(const trace::Call& call) {
    const auto judged = from_trace(call.call);
    if (!m_.setup_.calls_are_known || !judged) {
      m_.tick();
      m_.undetermined(judged ? "the calls before this one" : judged.error().message);
      return;
    }
    spec::sva::Call whole = judged->get();
    if (call.handler_device && call.handler_pasid) {
      whole.context = {true, static_cast<u32>(*call.handler_device), *call.handler_pasid};
    }
    if (m_.in_call()) {
      m_.tick();
      m_.undetermined("the specification of calls that do not wait for each other is not built");
      return;
    }
    whole.structure[1] = std::exchange(m_.fed_.users_attributes, 0);
    know(whole.mm);
    // A duty that it breaks is judged; what else stands in the way cannot be.
    const bool breach = m_.interface_.duty_of_call(whole).blames_caller;
    if (const char* why = breach ? nullptr : m_.interface_.caller_may_not(whole)) {
      m_.tick();
      m_.undetermined(std::string("the caller may not make the call: ") + why);
      return;
    }
    m_.fed_.allocation_failed = false;
    // It stood still while a handler ran, and goes on: that is nothing for this call.
    if (m_.fed_.calls.empty()) m_.fed_.queue_was_stuck = m_.smmu_.is_stuck();
    m_.fed_.calls[static_cast<u64>(call.id)] = m_.call_begins(whole);
  }
  void operator()(const trace::Return& result) {
    const auto open = m_.fed_.calls.find(static_cast<u64>(result.id));
    if (open == m_.fed_.calls.end()) {
      m_.tick();
      m_.undetermined("the call that returns here");
      return;
    }
    m_.call_resumes(open->second);
    if (!m_.in_call() || m_.current().id != open->second) {
      m_.tick();
      m_.undetermined("the order of the calls that wait");
      return;
    }
    m_.fed_.calls.erase(open);
    m_.call_returns(
        from_trace(m_.current().call, result),
        {.allocation_failed = m_.fed_.allocation_failed, .queue_stuck = m_.fed_.queue_was_stuck});
    m_.fed_.queue_was_stuck = m_.smmu_.is_stuck();
  }
  void operator()(const trace::CallWait& wait) {
    if (wait.phase == trace::Phase::begin) {
      if (m_.in_call()) return m_.call_waits();
    } else if (const auto id = number_of(wait)) {
      return m_.call_resumes(*id);
    }
    m_.tick();
    m_.undetermined("the call that waits here");
  }
  void operator()(const trace::AllocationFailure& /*failure*/) {
    m_.fed_.allocation_failed = true;
    m_.allocation_fails();
  }
  void operator()(const trace::BackendHook& hook) {
    using spec::sva::Status;
    const bool is_null = hook.is_null.value_or(false);
    const auto failed = is_null ? Status::enomem : static_cast<Status>(hook.error.value_or(0));
    m_.hook_called(static_cast<spec::sva::Hook>(hook.hook), hook.io_mm,
                   hook.device ? static_cast<u32>(*hook.device) : 0, failed, is_null);
  }
  void operator()(const trace::DriverPhase& phase) {
    switch (phase.phase) {
      case trace::DriverLife::starting: m_.driver_begins(); break;
      case trace::DriverLife::ready:
        m_.driver_ready();
        m_.fed_.ready = m_.trail().mark();
        m_.fed_.blocks_at_ready = m_.fed_.blocks;
        m_.fed_.ready_at = m_.case_.now;
        break;
      case trace::DriverLife::stopping:
        m_.fed_.stopping = true;
        m_.driver_stops();
        break;
      case trace::DriverLife::restored: restored(); break;
    }
  }
  void operator()(const trace::StuckQueue& queue) {
    m_.queue_stuck(queue.stuck);
    m_.fed_.queue_was_stuck |= queue.stuck;
  }

  void operator()(const trace::Held& held) { m_.driver_holds(held); }
  /// What the driver does about it are events of its own.
  void operator()(const trace::Irq& irq) {
    m_.tick();
    if (irq.kind == trace::IrqKind::event_queue) m_.interrupt_of_event_queue();
    if (irq.kind == trace::IrqKind::page_request_queue) m_.interrupt_of_page_queue();
    if (irq.kind == trace::IrqKind::command_sync) m_.interrupt_of_sync();
    if (irq.kind == trace::IrqKind::global_error) m_.interrupt_of_error();
  }

  // ---- processes --------------------------------------------------------------------------------
  void operator()(const trace::ProcessMap& map) {
    // To be made is an event of its own where the hardware keeps its table.
    const bool is_made = m_.hardware_ && !m_.interface_.is_process(static_cast<u64>(map.mm));
    know(static_cast<u64>(map.mm));
    if (is_made && !map.pa) return;
    if (!map.pa) return m_.tick();  // without pages nothing is reachable
    m_.process_maps(static_cast<u64>(map.mm), map.va, map.length, *map.pa, prot_of(map.rights));
  }
  void operator()(const trace::ProcessUnmap& unmap) {
    know(static_cast<u64>(unmap.mm));
    m_.process_unmaps(static_cast<u64>(unmap.mm), unmap.va, unmap.length);
  }
  void operator()(const trace::ProcessProtect& protect) {
    know(static_cast<u64>(protect.mm));
    m_.process_protects(static_cast<u64>(protect.mm), protect.va, protect.length,
                        prot_of(protect.rights));
  }
  void operator()(const trace::Fork& fork) {
    know(static_cast<u64>(fork.mm));
    m_.process_forks(static_cast<u64>(fork.mm), static_cast<u64>(fork.child));
  }
  void operator()(const trace::UserTable& made) {
    m_.user_table_made(static_cast<u64>(made.parent), {.root = made.root,
                                                       .input_bits = made.input_bits,
                                                       .first = made.first,
                                                       .bytes = made.length,
                                                       .pa = made.pa});
  }
  /// The call that it is of says so once more.
  void operator()(const trace::UserRoute& route) { m_.fed_.users_attributes = route.attributes; }
  void operator()(const trace::UserFetch& fetch) {
    const auto at = fetch.ssid ? spec::sva::substream(*fetch.ssid) : spec::sva::Substream{};
    m_.user_fetched(fetch.sid, at, fetch.va);
  }
  void operator()(const trace::UserProbe& probe) {
    const auto at = probe.ssid ? spec::sva::substream(*probe.ssid) : spec::sva::Substream{};
    m_.user_probed(probe.sid, at, probe.va);
  }
  void operator()(const trace::UserMap& map) {
    const auto parent = static_cast<u64>(map.parent);
    if (!map.ipa) return m_.user_unmaps(parent, map.root, map.va, map.length);
    m_.user_maps(parent, map.root, map.va, map.length, *map.ipa, prot_of(map.rights));
  }
  void operator()(const trace::UserTakesOut& table) {
    m_.user_takes_out(static_cast<u64>(table.parent), table.root, table.va, table.length);
  }
  void operator()(const trace::UserEntry& entry) {
    m_.user_sets_entry(static_cast<u64>(entry.parent), entry.entry,
                       {.kind = static_cast<spec::sva::UserEntryKind>(entry.kind),
                        .root = entry.root.value_or(0),
                        .asid = entry.asid.value_or(0),
                        .stalls = entry.stalls.value_or(false)});
  }
  void operator()(const trace::Exit& exit) { m_.process_exits(static_cast<u64>(exit.mm)); }
  void operator()(const trace::Invalidate& invalidate) {
    if (invalidate.phase == trace::Phase::begin) {
      if (!ready_for_a_call()) return;
      know(static_cast<u64>(invalidate.mm));
      return m_.invalidate_begins(static_cast<u64>(invalidate.mm), invalidate.va,
                                  invalidate.length);
    }
    if (runs(Running::Kind::invalidate)) {
      m_.invalidate_ends(invalidate.timed_out.value_or(false));
    }
  }
  void operator()(const trace::Release& release) {
    const auto mm = static_cast<u64>(release.mm);
    if (release.phase == trace::Phase::begin) {
      if (!ready_for_a_call()) return;
      know(mm);
      m_.fed_.releases[mm] = m_.release_begins(mm);
      return;
    }
    const auto open = m_.fed_.releases.find(mm);
    if (open != m_.fed_.releases.end()) {
      m_.call_resumes(open->second);
      m_.fed_.releases.erase(open);
    }
    if (runs(Running::Kind::release)) m_.release_ends(release.timed_out.value_or(false));
  }
  void operator()(const trace::Callback& callback) {
    if (!callback.pasid.valid) {
      m_.tick();
      return m_.undetermined("no handler is known at no PASID");
    }
    if (callback.kind == trace::CallbackKind::fault_handler) {
      if (!callback.fault_group) {
        m_.tick();
        return m_.undetermined("which group the handler was given is not known");
      }
      return m_.fault_handler_called({.device = static_cast<u32>(callback.device),
                                      .pasid = callback.pasid.value,
                                      .group = *callback.fault_group,
                                      .iova = std::nullopt,
                                      .word = callback.drvdata.value_or(0)});
    }
    m_.handler_called(static_cast<u32>(callback.device), callback.pasid.value,
                      callback.drvdata.value_or(0));
  }
  void operator()(const trace::Done& done) {
    const spec::sva::Observed observed =
        from_trace(spec::sva::Call{}, trace::Return{.status = done.status});
    m_.handler_returned(static_cast<u32>(done.device), done.pasid, observed.status);
  }
  void operator()(const trace::BoundPasses& bound) {
    m_.bound_passes(static_cast<u32>(bound.device), bound.pasid);
  }
  void operator()(const trace::DeviceRemove& remove) {
    const auto device = static_cast<u32>(remove.device);
    if (device >= m_.interface_.device_count()) {
      m_.tick();
      return m_.undetermined("the device that is removed");
    }
    if (remove.phase.value_or(trace::Phase::begin) == trace::Phase::begin) {
      if (ready_for_a_call()) m_.device_vanishes(device);
      return;
    }
    if (runs(Running::Kind::removal)) {
      m_.device_vanished(remove.timed_out.value_or(false));
    }
  }

  void operator()(const trace::DeviceAdd& add) {
    const auto device = static_cast<u32>(add.device);
    if (device >= m_.interface_.device_count()) {
      m_.tick();
      return m_.undetermined("the device that comes");
    }
    if (add.phase.value_or(trace::Phase::begin) == trace::Phase::begin) {
      if (ready_for_a_call()) m_.device_comes(device);
      return;
    }
    if (!runs(Running::Kind::arrival)) return;
    const trace::Return answer{.status = add.status.value_or(trace::Status::ok)};
    m_.device_came(from_trace(spec::sva::Call{}, answer).status);
  }

  void operator()(const trace::EndpointAts& ats) {
    const auto device = static_cast<u32>(ats.device);
    if (device < m_.interface_.device_count()) return m_.endpoint_ats(device, ats.on);
    m_.tick();
    m_.undetermined("the device whose ATS is switched");
  }

  // ---- what only recordings have ----------------------------------------------------------------
  void operator()(const trace::Reach& reach) {
    if (!reach.words) {
      m_.undetermined("what the region held when it became reachable");
      return;
    }
    if (!bounded(reach.length, range_max)) return;
    m_.count(spec::rule::TABLE_FREE);
    std::vector<Left>& left = m_.fed_.left;
    for (std::size_t i = left.size(); i-- != 0;) {
      const Left& old = left[i];
      if (reach.pa - old.first >= old.bytes && old.first - reach.pa >= reach.length) continue;
      if (is_fetchable(m_.caches_.view(), old.first, old.bytes)) {
        if (old.kind != reach.kind) {
          reused(old, "it became a " + std::string(trace::to_string(reach.kind)));
        } else {
          m_.fed_.reused.push_back(old);
        }
      }
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::size_t next = 0;
    for (u64 pa = reach.pa; pa - reach.pa < reach.length; pa += 8) {
      while (next < reach.words->size() && (*reach.words)[next].pa < pa) ++next;
      const bool given = next < reach.words->size() && (*reach.words)[next].pa == pa;
      m_.caches_.assume(pa, given ? (*reach.words)[next].value : 0);
    }
    m_.gather();
  }
  void operator()(const trace::Unreach& unreach) {
    m_.tick();
    if (!unreach.length) {
      m_.undetermined("the length of the region that is not followed any more");
      return;
    }
    if (!bounded(*unreach.length, range_max)) return;
    m_.fed_.left.push_back({unreach.kind, unreach.pa, *unreach.length});
    settle_left();
  }
  void operator()(const trace::Note& note) { m_.note(note.text); }

  void operator()(const trace::BroadcastTlbi& tlbi) { m_.broadcast(by_, tlbi); }

  void operator()(const trace::WalkerSwitch& walker) {
    if (!ready_for_a_call()) return;
    m_.walker_switches(static_cast<u32>(walker.device), walker.root);
    if (walker.root == 0 || m_.interface_.table_of_walker(static_cast<u32>(walker.device)) != 0)
      return;
    m_.undetermined("what stands at the root that a walker goes to: no attribute has told it");
  }
  /// A walker has one table: to flush another's is nothing.
  void operator()(const trace::WalkerFlush& walker) {
    if (!ready_for_a_call()) return;
    const auto number = static_cast<u32>(walker.device);
    if (walker.root && m_.interface_.table_of_walker(number) != *walker.root) return m_.tick();
    m_.walker_flushes(number);
  }

  /// Everything that has no meaning to the monitor yet.
  template <class Other>
  void operator()(const Other& /*event*/) {
    m_.tick();
    m_.undetermined(not_built);
  }

  /// Table pages that lie where others were, now that it is known for which addresses.
  void judge_reused() {
    for (const Left& page : std::exchange(m_.fed_.reused, {})) {
      if (page.kind < trace::RegionKind::pt0 || page.kind > trace::RegionKind::pt3) continue;
      const auto level =
          static_cast<unsigned>(page.kind) - static_cast<unsigned>(trace::RegionKind::pt0);
      std::vector<spec::TableWay> ways;
      ways_to(m_.caches_.view(), page.first, ways);
      std::erase_if(ways, [&](const spec::TableWay& way) { return way.level != level; });
      const auto in_memory = [&](const spec::TableWay& stale) {
        return std::ranges::any_of(ways, [&](const spec::TableWay& way) {
          return !way.stale && way.tag == stale.tag && way.va == stale.va;
        });
      };
      for (const spec::TableWay& way : ways) {
        if (!way.stale || in_memory(way)) continue;
        reused(page, "it is a table for other addresses");
        break;
      }
    }
  }

 private:
  /// What a load has found whose value nobody says.
  [[nodiscard]] u64 in_memory(const trace::Load& load) const {
    if (load.size == 0 || load.pa % 8 + load.size > 8) return 0;
    const auto low = static_cast<unsigned>(8 * (load.pa % 8));
    const spec::Content word = m_.caches_.memory().newest(align_down(load.pa, 3));
    return bits(word.value, low + 8U * load.size - 1, low);
  }
  bool bounded(u64 amount, u64 most) {
    if (amount <= most) return true;
    m_.tick();
    m_.undetermined("ranges of more than 1 GiB are not followed");
    return false;
  }
  bool register_is_here(u64 offset) {
    if (offset <= ~u32{0}) return true;
    m_.tick();
    m_.undetermined(not_followed);
    return false;
  }
  /// One of the words that were found together, of which a driver's trace has whole ones only.
  [[nodiscard]] bool swept_by_check(const trace::Store& store) const {
    return store.swept.value_or(false) && m_.setup_.calls_are_known && store.size == 8 &&
           store.value && store.pa % 8 == 0;
  }
  void restored() {
    m_.tick();
    if (!m_.fed_.ready) {
      m_.undetermined("the driver's start, to which everything is put back here");
      return;
    }
    m_.trail().undo_to(*m_.fed_.ready);
    m_.driver_restored();
  }
  /// A process is there as soon as it is spoken of.
  void know(u64 mm) {
    if (mm != 0 && !m_.interface_.is_process(mm)) m_.process_created(mm);
  }
  bool ready_for_a_call() {
    if (m_.setup_.calls_are_known && !m_.in_call()) return true;
    m_.tick();
    m_.undetermined(m_.in_call() ? "the specification of calls that do not wait for each other is "
                                   "not built"
                                 : "the calls before this one");
    return false;
  }
  bool runs(Running::Kind kind) {
    if (m_.in_call() && m_.current().kind == kind) return true;
    m_.tick();
    m_.undetermined("the begin of what ends here");
    return false;
  }
  [[nodiscard]] std::optional<u64> number_of(const trace::CallWait& wait) const {
    const auto& open = wait.id ? m_.fed_.calls : m_.fed_.releases;
    const auto found = open.find(wait.id ? static_cast<u64>(*wait.id)
                                         : static_cast<u64>(wait.mm.value_or(trace::MmId{})));
    if (found == open.end()) return std::nullopt;
    return found->second;
  }
  void unknown(u64 pa, u64 bytes) {
    m_.tick();
    for (u64 word = align_down(pa, 3); word < pa + bytes; word += 8) {
      m_.caches_.store_unknown(by_, word);
    }
    if (!m_.setup_.barriers_known) m_.make_visible(by_);
    m_.gather();
    m_.undetermined("the value that was stored");
  }
  void stored(u64 pa, u64 bytes) {
    if (!m_.recording_) return;
    m_.recording_->after_store(pa, bytes, m_.case_.now);
    m_.gather_late();
    settle_left();
  }
  void commands_changed() {
    if (!m_.recording_) return;
    m_.recording_->commands_changed();
  }
  /// What is not seen any more and cannot be fetched is unknown from here on. What still can be
  /// keeps its last content until then: accesses that need it are undetermined (accesses.cpp).
  void settle_left() {
    std::vector<Left>& left = m_.fed_.left;
    for (std::size_t i = left.size(); i-- != 0;) {
      const Left region = left[i];
      if (is_fetchable(m_.caches_.view(), region.first, region.bytes)) continue;
      for (u64 pa = region.first; pa - region.first < region.bytes; pa += 8) {
        m_.caches_.memory().assume(pa, {0, true});
      }
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  void reused(const Left& page, const std::string& how) {
    m_.find(spec::rule::TABLE_FREE, "hardware may still fetch " + m_.caches_.name(page.first) +
                                        " as " + std::string(trace::to_string(page.kind)) +
                                        " by something cached, but " + how);
  }

  TraceFeeder& m_;
  AgentId by_;
};

void TraceFeeder::feed(const trace::Event& event) {
  // A recording's own numbers, for texts, as long as they ascend.
  constexpr u64 last = ~EventIndex{0} - 1;
  const bool facts = std::holds_alternative<trace::Reach>(event.payload);
  if (event.origin && !facts && *event.origin > case_.now && *event.origin < last) {
    case_.now = static_cast<EventIndex>(*event.origin - 1);
  }
  if (case_.now >= last) {
    undetermined("events are numbered in 32 bits");
    return;
  }
  const bool by_another = trace::agent_kind(event.agent) == trace::AgentKind::smmu &&
                          trace::agent_number(event.agent) != 0;
  const bool of_another = trace::visit(
      [&](const auto& payload) {
        if constexpr (requires { payload.iommu.has_value(); }) {
          return payload.iommu.value_or(by_another ? 1 : 0) != 0;
        } else {
          return by_another;
        }
      },
      event.payload);
  if (of_another) {
    tick();
    undetermined(not_followed);
    return;
  }
  if (!fed_.swept.empty()) {
    const auto* store = std::get_if<trace::Store>(&event.payload);
    const bool more = store != nullptr && store->swept.value_or(false);
    if (!more || event.agent != fed_.swept_by) take_swept();
  }
  Feeder feeder(*this, event.agent);
  trace::visit(feeder, event.payload);
  if (!fed_.in_flight.empty()) look_at_in_flight(event);
  if (!facts && !fed_.reused.empty()) feeder.judge_reused();
}

void TraceFeeder::others_store(u64 pa, u64 value) {
  caches_.device_store(pa, value);
  gather();
}

void TraceFeeder::take_swept() {
  const std::vector<SweptStore> stores = std::exchange(fed_.swept, {});
  sweep(fed_.swept_by, stores);
}

void TraceFeeder::driver_restored() {
  const u64 blocks = fed_.blocks_at_ready;
  const auto ready = fed_.ready;
  const EventIndex ready_at = fed_.ready_at;
  fed_ = {};
  fed_.blocks = fed_.blocks_at_ready = blocks;
  fed_.ready = ready;
  fed_.ready_at = ready_at;
  caches_.violations().clear();
  caches_.changes().clear();
  case_.calls.touched.clear();
  forget_calls();
  case_.calls.numbers.clear();
  forget_allocations(ready_at);
  case_.promises_on = setup_.calls_are_known;
}

void TraceFeeder::go_back_to_ready() {
  if (!fed_.ready) return;
  trail().undo_to(*fed_.ready);
  driver_restored();
}

void TraceFeeder::finish() {
  take_swept();
  if (device_rules_) {
    device_rules_->finish();
    gather_device();
    return;
  }
  gather();
  if (setup_.calls_are_known && fed_.calls.empty() && findings().empty() && !any_was_told()) {
    if (case_.promises_on) check_whole_space();
    if (fed_.stopping) account(fed_.blocks);
  }
  if (recording_) {
    recording_->ends();
    gather_late();
  }
}

}  // namespace iommucheck::oracle
