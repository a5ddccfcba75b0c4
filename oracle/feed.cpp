// SPDX-License-Identifier: MIT
// Events of a trace, one after the other. Whatever calls the monitor directly in a lockstep comes
// back here in the same order with the same numbers.
#include <algorithm>

#include "base/bits.h"
#include "oracle/monitor.h"

namespace iommucheck::oracle {

namespace {

/// Larger ranges than any driver's structures have: not followed, so that no input hangs.
constexpr u64 range_max = u64{1} << 30;

}  // namespace

/// Dispatches on the kind of event. A class for its access to the monitor.
class Feeder {
 public:
  Feeder(Monitor& monitor, AgentId by) : m_(monitor), by_(by) {}

  // ---- driver to memory -------------------------------------------------------------------------
  void operator()(const trace::Store& store) {
    const u64 word = align_down(store.pa, 3);
    const bool inside = store.pa - word + store.size <= 8;
    if (m_.recording_) m_.recording_->before_store(store.pa, store.size);
    if (store.size == 8 && inside && store.value) {
      m_.store(by_, store.pa, *store.value);
    } else if (inside && store.word) {
      m_.store(by_, word, *store.word);
    } else if (store.size <= 8 && store.value) {
      m_.store_bytes(by_, store.pa, store.size, *store.value);
    } else if (store.size == 16 && store.value && store.pa % 8 == 0) {
      m_.store(by_, store.pa, *store.value);
      if (store.value_high) {
        m_.store(by_, store.pa + 8, *store.value_high);
      } else {
        unknown(store.pa + 8, 8);
      }
    } else {
      unknown(store.pa, store.size);
    }
    stored(store.pa, store.size);
  }
  void operator()(const trace::Fill& fill) {
    if (!bounded(fill.words, range_max / 8)) return;
    if (m_.recording_) m_.recording_->before_store(fill.pa, fill.words * 8);
    m_.fill(by_, fill.pa, fill.words, fill.value);
    if (!m_.setup_.barriers_known) m_.caches_.barrier(by_);
    stored(fill.pa, fill.words * 8);
  }
  void operator()(const trace::Rmw& rmw) {
    const u64 word = align_down(rmw.pa, 3);
    const bool inside = rmw.pa - word + rmw.size <= 8;
    const spec::Content before = m_.caches_.memory().newest(word);
    if (m_.recording_) m_.recording_->before_store(rmw.pa, rmw.size);
    if (!inside || !rmw.value || (rmw.size < 8 && before.unknown)) {
      unknown(rmw.pa, rmw.size);
    } else {
      const auto shift = static_cast<unsigned>(8 * (rmw.pa - word));
      m_.rmw(by_, word,
             rmw.size == 8 ? *rmw.value
                           : with_bits(before.value, shift + 8U * rmw.size - 1, shift, *rmw.value));
    }
    if (rmw.ordered.value_or(false) || !m_.setup_.barriers_known) m_.caches_.barrier(by_);
    stored(rmw.pa, rmw.size);
  }
  void operator()(const trace::Load& load) {
    m_.tick();
    if (!load.value || load.size != 8 || load.pa % 8 != 0) return;
    const spec::Content memory = m_.caches_.memory().newest(load.pa);
    if (memory.unknown || memory.value == *load.value) return;
    m_.undetermined("a store that made the loaded value");
  }
  void operator()(const trace::Barrier& barrier) {
    if (barrier.kind == trace::BarrierKind::load) {
      m_.tick();  // orders no store
    } else {
      m_.barrier(by_);
    }
  }
  void operator()(const trace::CacheClean& clean) {
    if (bounded(clean.length, range_max)) m_.clean(by_, clean.pa, clean.length);
  }
  void operator()(const trace::Alloc& alloc) {
    if (!bounded(alloc.length, range_max)) return;
    ++m_.fed_.blocks;
    m_.alloc(by_, alloc.pa, alloc.length);
    if (!alloc.zeroed.value_or(false)) return;
    for (u64 pa = alloc.pa; pa - alloc.pa < alloc.length; pa += 8) m_.caches_.assume(pa, 0);
  }
  void operator()(const trace::Free& free) {
    if (!bounded(free.length, range_max)) return;
    if (m_.fed_.blocks != 0) --m_.fed_.blocks;
    m_.free(by_, free.pa, free.length);
  }
  void operator()(const trace::PageRelease& release) {
    m_.window_ends();
    m_.tick();
    m_.count(spec::Rule::PAGE_REUSE);
    bool found = false;
    m_.caches_.for_each_translation([&](u32 /*tag*/, const spec::Candidate& c) {
      if (found || c.kind != spec::Candidate::Kind::leaf) return;
      const u64 bytes = pow2(c.extent_lg2);
      if (c.leaf.output - release.pa >= release.length && release.pa - c.leaf.output >= bytes) {
        return;
      }
      found = true;
      m_.find(spec::Rule::PAGE_REUSE,
              "a page is given back that an access may still reach: " + m_.candidate_text(c, c.va));
    });
  }
  void operator()(const trace::Handoff& handoff) { m_.handoff(handoff.from, handoff.to); }

  // ---- registers, commands ----------------------------------------------------------------------
  void operator()(const trace::MmioWrite& write) {
    if (!register_is_here(write.offset, write.iommu)) return;
    m_.mmio_write(by_, static_cast<u32>(write.offset), write.size, write.value,
                  write.ordered.value_or(false));
    settle_left();
    commands_changed();
  }
  void operator()(const trace::MmioRead& read) {
    if (!register_is_here(read.offset, read.iommu)) return;
    m_.mmio_read(by_, static_cast<u32>(read.offset), read.size, read.value);
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
  void operator()(const trace::EventRecorded& event) { m_.observe_record(event); }
  void operator()(const trace::DeviceStore& store) {
    m_.tick();
    const u64 word = align_down(store.pa, 3);
    if (!store.value || store.pa - word + store.size > 8) {
      m_.undetermined("what a device stored");
      return;
    }
    const spec::Content before = m_.caches_.memory().newest(word);
    const auto shift = static_cast<unsigned>(8 * (store.pa - word));
    if (store.size < 8 && before.unknown) return;  // stays unknown
    m_.caches_.assume(word, store.size == 8 ? *store.value
                                            : with_bits(before.value, shift + 8U * store.size - 1,
                                                        shift, *store.value));
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
    if (!m_.fed_.calls.empty()) {
      m_.tick();
      m_.undetermined("the specification of calls at the same time is not built");
      return;
    }
    if (const char* why = m_.interface_.caller_may_not(*judged)) {
      m_.tick();
      m_.undetermined(std::string("the caller may not make the call: ") + why);
      return;
    }
    m_.fed_.allocation_failed = false;
    m_.fed_.calls.emplace(static_cast<u64>(call.id), *judged);
    m_.call_begins(*judged);
    m_.call_text_ = spec::sva::call_text(*judged);
  }
  void operator()(const trace::Return& result) {
    const auto open = m_.fed_.calls.find(static_cast<u64>(result.id));
    if (open == m_.fed_.calls.end()) {
      m_.tick();
      m_.undetermined("the call that returns here");
      return;
    }
    const spec::sva::Call call = open->second;
    m_.fed_.calls.erase(open);
    m_.call_returns(call, from_trace(call, result),
                    {.allocation_failed = m_.fed_.allocation_failed});
  }
  void operator()(const trace::AllocationFailure& /*failure*/) {
    m_.fed_.allocation_failed = true;
    m_.allocation_fails();
  }
  void operator()(const trace::DriverPhase& phase) {
    switch (phase.phase) {
      case trace::DriverLife::starting: m_.driver_begins(); break;
      case trace::DriverLife::ready: m_.driver_ready(); break;
      case trace::DriverLife::stopping:
        m_.fed_.stopping = true;
        m_.driver_stops();
        break;
    }
  }
  void operator()(const trace::StuckQueue& queue) {
    m_.tick();
    m_.smmu_.set_stuck(queue.stuck);
  }

  // ---- what only recordings have ----------------------------------------------------------------
  void operator()(const trace::Reach& reach) {
    if (!reach.words) {
      m_.undetermined("what the region held when it became reachable");
      return;
    }
    if (!bounded(reach.length, range_max)) return;
    m_.count(spec::Rule::TABLE_FREE);
    std::vector<Monitor::Left>& left = m_.fed_.left;
    for (std::size_t i = left.size(); i-- != 0;) {
      const Monitor::Left& old = left[i];
      if (reach.pa - old.first >= old.bytes && old.first - reach.pa >= reach.length) continue;
      if (m_.caches_.is_fetchable(old.first, old.bytes)) {
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

  /// Everything that has no meaning to the monitor yet.
  template <class Other>
  void operator()(const Other& /*event*/) {
    m_.tick();
    m_.undetermined("the specification of this event is not built");
  }

  /// Table pages that lie where others were, now that it is known for which addresses.
  void judge_reused() {
    for (const Monitor::Left& page : std::exchange(m_.fed_.reused, {})) {
      if (page.kind < trace::RegionKind::pt0 || page.kind > trace::RegionKind::pt3) continue;
      const auto level =
          static_cast<unsigned>(page.kind) - static_cast<unsigned>(trace::RegionKind::pt0);
      std::vector<spec::Caches::Way> ways;
      m_.caches_.ways_to(page.first, level, ways);
      const auto in_memory = [&](const spec::Caches::Way& stale) {
        return std::ranges::any_of(ways, [&](const spec::Caches::Way& way) {
          return !way.stale && way.tag == stale.tag && way.va == stale.va;
        });
      };
      for (const spec::Caches::Way& way : ways) {
        if (!way.stale || in_memory(way)) continue;
        reused(page, "it is a table for other addresses");
        break;
      }
    }
  }

 private:
  bool bounded(u64 amount, u64 most) {
    if (amount <= most) return true;
    m_.tick();
    m_.undetermined("ranges of more than 1 GiB are not followed");
    return false;
  }
  bool register_is_here(u64 offset, const std::optional<u32>& iommu) {
    if (offset <= ~u32{0} && iommu.value_or(0) == 0) return true;
    m_.tick();
    m_.undetermined("only the registers of one SMMU are followed");
    return false;
  }
  void unknown(u64 pa, u64 bytes) {
    m_.tick();
    for (u64 word = align_down(pa, 3); word < pa + bytes; word += 8) {
      m_.caches_.store_unknown(by_, word);
    }
    if (!m_.setup_.barriers_known) m_.caches_.barrier(by_);
    m_.gather();
    m_.undetermined("the value that was stored");
  }
  void stored(u64 pa, u64 bytes) {
    if (!m_.recording_) return;
    m_.recording_->after_store(pa, bytes, m_.now_);
    m_.gather_late();
    settle_left();
  }
  void commands_changed() {
    if (!m_.recording_) return;
    m_.recording_->commands_changed();
  }
  /// What is not seen any more and cannot be fetched is unknown from here on. What still can be
  /// keeps its last content until then: accesses that need it are undetermined (observe.cpp).
  void settle_left() {
    std::vector<Monitor::Left>& left = m_.fed_.left;
    for (std::size_t i = left.size(); i-- != 0;) {
      const Monitor::Left region = left[i];
      if (m_.caches_.is_fetchable(region.first, region.bytes)) continue;
      for (u64 pa = region.first; pa - region.first < region.bytes; pa += 8) {
        m_.caches_.memory().assume(pa, {0, true});
      }
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  void reused(const Monitor::Left& page, const std::string& how) {
    m_.find(spec::Rule::TABLE_FREE, "hardware may still fetch " + m_.caches_.name(page.first) +
                                        " as " + std::string(trace::to_string(page.kind)) +
                                        " by something cached, but " + how);
  }

  Monitor& m_;
  AgentId by_;
};

void Monitor::feed(const trace::Event& event) {
  // A recording's own numbers, for texts, as long as they ascend.
  constexpr u64 last = ~EventIndex{0} - 1;
  const bool facts = std::holds_alternative<trace::Reach>(event.payload);
  if (event.origin && !facts && *event.origin > now_ && *event.origin < last) {
    now_ = static_cast<EventIndex>(*event.origin - 1);
  }
  if (now_ >= last) {
    undetermined("events are numbered in 32 bits");
    return;
  }
  Feeder feeder(*this, event.agent);
  std::visit(feeder, event.payload);
  if (!facts && !fed_.reused.empty()) feeder.judge_reused();
}

void Monitor::finish() {
  gather();
  if (setup_.calls_are_known && fed_.calls.empty() && findings_.empty()) {
    if (promises_on_) check_whole_space();
    if (fed_.stopping) account(fed_.blocks);
  }
  if (recording_) {
    recording_->ends();
    gather_late();
  }
}

}  // namespace iommucheck::oracle
