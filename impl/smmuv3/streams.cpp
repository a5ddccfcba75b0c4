// SPDX-License-Identifier: MIT
// Devices as streams: what their STEs say, and in which steps they come to say it. IHI 0070 5.2,
// 3.21.3; arch 2.4, 7.3.
#include <algorithm>

#include "impl/smmuv3/smmu.h"
#include "impl/smmuv3/ste_writer.h"

namespace iommucheck::impl {

unsigned Smmu::pasid_bits(u32 device) const {
  if (stage2_alone()) return 0;
  return std::min<u32>(device_config(device).ssid_bits, features_.ssid_bits);
}

bool Smmu::stalls(u32 device) const {
  return !stage2_alone() && features_.stall_model == 0 &&
         (device_config(device).flags & IOMMUCHECK_DEVICE_STALL) != 0;
}

bool Smmu::asks_for_pages(u32 device) const {
  return !stage2_alone() && features_.page_requests && has_cache(device) &&
         (device_config(device).flags & IOMMUCHECK_DEVICE_PRI) != 0;
}

/// The STEs' word 1 while nobody's structure says it.
u64 Smmu::word1_of(u32 device) const {
  return ste::word1(features_, can_wait(device), has_cache(device), asks_for_pages(device));
}

bool Smmu::has_cache(u32 device) const {
  return features_.ats && (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
}

Backend::Added Smmu::add_device(u32 device) {
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if ((u64{config.stream_ids[i]} >> features_.stream_id_bits) != 0) return {-IOMMUCHECK_ENODEV};
  }
  const u64 word1 = word1_of(device);
  Added result;
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    const StreamTable::Added added = streams_.add(platform_, config.stream_ids[i]);
    if (added == StreamTable::Added::no_memory) {
      result.error = -IOMMUCHECK_ENOMEM;
      break;
    }
    result.changed |= added == StreamTable::Added::linked;
    result.changed |= streams_.set_word1(platform_, config.stream_ids[i], word1);
  }
  return result;
}

namespace {

u64 s1dss_of(const Route& route) {
  if (route.first == Route::Kind::blocked) return ste::s1dss_terminate;
  return route.first == Route::Kind::bypass ? ste::s1dss_bypass : ste::s1dss_cd0;
}

}  // namespace

/// Of blocked only word 0 counts, of bypass no more than what is the same in all others.
ste::Words Smmu::words_of(u32 device, const Route& route) const {
  if (route.kind == Route::Kind::blocked) return {ste::blocked};
  if (route.kind == Route::Kind::bypass) return {ste::bypass, word1_of(device)};
  if (route.kind == Route::Kind::user) return words_of_user(device, route);
  const auto& table = static_cast<const SmmuTable&>(*route.table);
  const u64 word1 = word1_of(device);
  if (table.stage2) return {ste::stage2, word1, table.word2, table.word3};
  return {table.cds.ste_word0(route.pasid_bits), ste::with_s1dss(word1, s1dss_of(route)), 0, 0};
}

ste::Words Smmu::words_at(u32 sid) const {
  ste::Words words;
  for (unsigned i = 0; i < words.size(); ++i) words[i] = streams_.word(platform_, sid, i);
  return words;
}

/// Those whose bit is set in `which`. False if it says so already.
bool Smmu::store_words(u32 sid, const ste::Words& to, unsigned which) {
  bool changed = false;
  for (unsigned i = 0; i < to.size(); ++i) {
    if ((which >> i & 1) == 0 || streams_.word(platform_, sid, i) == to[i]) continue;
    streams_.set_word(platform_, sid, i, to[i]);
    changed = true;
  }
  return changed;
}

/// One step, with a CFGI behind it, of those after which the last one is left.
bool Smmu::prepare_ste(u32 sid, const ste::Words& to) {
  const ste::Step step = ste::next_step(words_at(sid), to);
  return !step.last && store_words(sid, step.words, step.stored);
}

/// The last step. Behind a time-out an STE may have to say again what it no longer does: then it is
/// blocked until all was invalidated.
bool Smmu::set_ste(u32 sid, const ste::Words& to, bool& postponed) {
  const ste::Words from = words_at(sid);
  const ste::Step step = ste::next_step(from, to);
  if (step.last) return store_words(sid, step.words, step.stored);
  if (ste::differ_by_table(from, to)) return store_words(sid, to, 3);
  postponed = true;
  return store_words(sid, {ste::blocked}, ste::word0_alone);
}

Prepared Smmu::prepare_route(u32 device, const Route& route) {
  const ste::Words to = words_of(device, route);
  postponed_[device].is = false;
  bool changed = false;
  for_each_stream(device, [&](u64 sid) { changed |= prepare_ste(static_cast<u32>(sid), to); });
  return changed ? Prepared::again : Prepared::ready;
}

Stored Smmu::set_route(u32 device, const Route& route) {
  const ste::Words to = words_of(device, route);
  postponed_[device] = {.words = to};
  bool changed = false;
  for_each_stream(device, [&](u64 sid) {
    changed |= set_ste(static_cast<u32>(sid), to, postponed_[device].is);
  });
  return changed ? Stored::changed : Stored::unchanged;
}

/// After all configuration was invalidated. False: the time was up.
bool Smmu::set_postponed() {
  for (const bool prepares : {true, false}) {
    bool any = false;
    for (u32 device = 0; device < config_->device_count; ++device) {
      const Postponed& its = postponed_[device];
      if (!its.is) continue;
      for_each_stream(device, [&](u64 sid) {
        any |= store_words(static_cast<u32>(sid), its.words,
                           prepares ? ~ste::word0_alone : ste::word0_alone);
      });
    }
    if (!any) continue;
    platform_.barrier();
    commands_.add(platform_, command::cfgi_all());
    const SyncResult result = commands_.sync(platform_);
    if (result != SyncResult::complete && result != SyncResult::unanswered) return false;
  }
  for (u32 device = 0; device < config_->device_count; ++device) postponed_[device].is = false;
  return true;
}

/// CFGI for every STE of the device, which drops its CDs as well; its L1STD too if `whole`.
void Smmu::forget_route(u32 device, bool whole) {
  for_each_stream(device, [&](u64 sid) { add(command::cfgi_ste(sid, !whole)); });
}

}  // namespace iommucheck::impl
