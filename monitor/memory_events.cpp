// SPDX-License-Identifier: MIT
#include "monitor/memory_events.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "monitor/broadcasts.h"
#include "spec/rules/promises.h"
#include "spec/smmu/command_legal.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

// ---- memory -------------------------------------------------------------------------------------

void MemoryEvents::store(AgentId by, u64 pa, u64 value) {
  tick();
  emit(by, trace::Store{.pa = pa, .size = 8, .value = value});
  if (hardware_) return hardware_stores(pa, 8, value, 0);
  before_store(pa);
  caches_.store(by, pa, value);
  after_store(by);
  tell_other_smmu(pa, 8);
}

void MemoryEvents::store(AgentId by, u64 pa, unsigned size, u64 value, u64 high, u64 pc) {
  tick();
  trace::Store event{.pa = pa, .size = static_cast<u8>(size), .value = value};
  if (size == 16) event.value_high = high;
  if (pc != 0) event.pc = pc;
  emit(by, event);
  if (hardware_) return hardware_stores(pa, size, value, high);
  for (u64 word = align_down(pa, 3); word < pa + size; word += 8) before_store(word);
  if (size < 8 || pa % 8 != 0) {
    caches_.store_bytes(by, pa, size, value);
  } else {
    caches_.store(by, pa, value);
    if (size == 16) caches_.store(by, pa + 8, high);
  }
  after_store(by);
  tell_other_smmu(pa, size);
}

void MemoryEvents::fill(AgentId by, u64 pa, u64 words, u64 value) {
  tick();
  emit(by, trace::Fill{.pa = pa, .words = words, .value = value});
  if (hardware_) {
    for (u64 i = 0; i < words; ++i) put(pa + 8 * i, value);
    return gather_hardware();
  }
  smmu_.before_store(pa, words * 8);
  if (device_rules_) device_rules_->stored(pa, words);
  caches_.fill(by, pa, words, value);
  if (probes(by)) window_ends();
  gather();
  if (setup_.other_smmu != nullptr) setup_.other_smmu->filled(pa, words, value);
}

/// Of what has been stored there.
void MemoryEvents::tell_other_smmu(u64 pa, u64 bytes) {
  if (setup_.other_smmu == nullptr) return;
  for (u64 word = align_down(pa, 3); word < pa + bytes; word += 8) {
    const spec::Content now = caches_.memory().newest(word);
    if (!now.unknown) setup_.other_smmu->stored(word, now.value);
  }
}

void MemoryEvents::before_store(u64 word) {
  smmu_.before_store(word);
  if (device_rules_) device_rules_->stored(word);
}

void MemoryEvents::make_visible(AgentId by) {
  // What the environment stores is judged when it has told why.
  if (by != trace::environment_agent && caches_.barrier_ends_version(by)) window_ends();
  caches_.barrier(by);
}

void MemoryEvents::after_store(AgentId by) {
  if (!setup_.barriers_known) make_visible(by);
  if (probes(by)) window_ends();
  gather();
}

void MemoryEvents::load(AgentId by, u64 pa, unsigned size, u64 value, bool ordered) {
  tick();
  trace::Load event{.pa = pa, .size = static_cast<u8>(size), .value = value};
  if (ordered) event.ordered = true;
  emit(by, event);
  // Whoever tries a device is no driver: what it loads is what the device put there last.
  if (setup_.device_is_judged || hardware_) return;
  if (pa % 8 + size <= 8) smmu_.observe_message(pa, size, value);
  if (setup_.barriers_known) smmu_.observe_load(pa);
  gather();
}

void MemoryEvents::rmw(AgentId by, const Atomic& atomic) {
  tick();
  trace::Rmw event{.pa = atomic.pa,
                   .size = static_cast<u8>(atomic.size),
                   .old_value = atomic.old_value,
                   .value = atomic.value,
                   .ordered = atomic.ordered};
  if (atomic.pc != 0) event.pc = atomic.pc;
  emit(by, event);
  if (hardware_) return hardware_stores(atomic.pa, atomic.size, atomic.value, 0);
  const u64 word = align_down(atomic.pa, 3);
  before_store(word);
  const auto shift = static_cast<unsigned>(8 * (atomic.pa - word));
  const spec::Content before = caches_.memory().newest(word);
  if (by != trace::environment_agent && caches_.rmw_ends_version(word)) window_ends();
  if (atomic.size == 8) {
    caches_.rmw(by, word, atomic.value);
  } else if (before.unknown) {
    caches_.store_unknown(by, word);
  } else {
    caches_.rmw(by, word,
                with_bits(before.value, shift + 8 * atomic.size - 1, shift, atomic.value));
  }
  if (atomic.ordered || !setup_.barriers_known) make_visible(by);
  if (probes(by)) window_ends();
  gather();
  tell_other_smmu(word, 8);
}

void MemoryEvents::barrier(AgentId by, trace::BarrierKind kind, bool completes) {
  tick();
  trace::Barrier event{.kind = kind};
  if (completes) event.completes = true;
  emit(by, event);
  if (kind != trace::BarrierKind::store) smmu_.observe_load_barrier();
  if (kind == trace::BarrierKind::load) return;  // it orders no store
  make_visible(by);
  // A DSB of loads and stores; of stores alone it waits for no TLBI (ARM DDI 0487, DSB).
  if (completes && kind == trace::BarrierKind::full && !hardware_) {
    caches_.complete_broadcasts(by);
  }
  gather();
}

void MemoryEvents::broadcast(AgentId by, const trace::BroadcastTlbi& tlbi) {
  tick();
  emit(by, tlbi);
  if (hardware_ || !caches_.capabilities().btm) return;
  const auto command = command_of(tlbi);
  const bool acts = command && *command && !spec::check_command(**command, caches_.capabilities());
  // IHI 0070 3.17: with CR2.PTM = 1 nobody may rely on it.
  if (smmu_.ptm()) {
    if (acts) caches_.unheard_broadcast(**command);
    return;
  }
  if (!command) return caches_.unknown_broadcast(command.error());
  if (acts) caches_.broadcast(by, **command);
  gather();
}

void MemoryEvents::handoff(AgentId from, AgentId to) {
  tick();
  emit(from, trace::Handoff{.from = from, .to = to});
  caches_.handoff(from, to);
}

void MemoryEvents::clean(AgentId by, u64 pa, u64 bytes) {
  tick();
  emit(by, trace::CacheClean{.pa = pa, .length = bytes});
  if (caches_.capabilities().cohacc) caches_.memory().note_cleaned(pa, bytes);
  caches_.clean(by, pa, bytes);
}

void MemoryEvents::cache_invalidate(AgentId by, u64 pa, u64 bytes) {
  const bool coherent = caches_.capabilities().cohacc;
  tick();
  emit(by, trace::CacheInvalidate{.pa = pa, .length = bytes});
  if (coherent) {
    caches_.memory().note_cleaned(pa, bytes);
  } else if (by != trace::environment_agent) {
    smmu_.observe_invalidate(pa, bytes);
  }
}

void MemoryEvents::alloc(AgentId by, u64 pa, u64 bytes, bool cacheable) {
  tick();
  emit(by, trace::Alloc{.pa = pa, .length = bytes, .cacheable = cacheable});
  if (by != trace::environment_agent) {
    allocations_.push_back({.pa = pa, .bytes = bytes, .at = case_.now});
  }
  spec::Memory& memory = caches_.memory();
  for (u64 page = pa; page < pa + bytes; page += 4096) {
    caches_.recycle(page, false);
    if (!cacheable) memory.set_uncached(memory.frame(page));
  }
  gather();
}

void MemoryEvents::free(AgentId by, u64 pa, u64 bytes) {
  window_ends();
  tick();
  emit(by, trace::Free{.pa = pa, .length = bytes});
  count(spec::rule::TABLE_FREE);
  for (std::size_t i = allocations_.size(); i-- != 0;) {
    if (allocations_[i].pa != pa || allocations_[i].freed != 0) continue;
    allocations_[i].freed = case_.now;
    break;
  }
  if (hardware_) {
    if (!hardware_->hardware().given_back(pa, bytes)) {
      may_still_lead(fmt::format(
          "the page at {:#x} is given back, and the hardware may still read it as a table", pa));
    }
    return gather_hardware();
  }
  for (u64 page = pa; page < pa + bytes; page += 4096) caches_.recycle(page, true);
  smmu_.given_back(pa, bytes);
  gather();
}

void MemoryEvents::forget_allocations(EventIndex after) {
  std::erase_if(allocations_, [&](const Allocation& block) { return block.at > after; });
  for (Allocation& block : allocations_) {
    if (block.freed > after) block.freed = 0;
  }
}

void MemoryEvents::forget_freed() {
  std::erase_if(allocations_, [](const Allocation& block) { return block.freed != 0; });
}

}  // namespace iommucheck::oracle
