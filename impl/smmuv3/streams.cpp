// SPDX-License-Identifier: MIT
// Devices as streams: what their STEs say, and in which steps they come to say it. IHI 0070 5.2,
// 3.21.3; arch 2.4, 7.3.
#include <algorithm>
#include <bit>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

unsigned Smmu::pasid_bits(u32 device) const {
  if (stage2_alone()) return 0;
  return std::min<u32>(device_config(device).ssid_bits, features_.ssid_bits);
}

bool Smmu::can_wait(u32 device) const {
  return !stage2_alone() && features_.stall_model == 0 &&
         (device_config(device).flags & IOMMUCHECK_DEVICE_STALL) != 0;
}

bool Smmu::has_cache(u32 device) const {
  return features_.ats && (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
}

Backend::Added Smmu::add_device(u32 device) {
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if ((u64{config.stream_ids[i]} >> features_.stream_id_bits) != 0) return {-IOMMUCHECK_ENODEV};
  }
  const u64 word1 = ste::word1(features_, can_wait(device), has_cache(device));
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

/// Which of the words 1 to 3 differ, as bits.
unsigned differing(const ste::Words& a, const ste::Words& b) {
  unsigned words = 0;
  for (unsigned i = 1; i < a.size(); ++i) words |= a[i] != b[i] ? 1u << i : 0;
  return words;
}

constexpr unsigned word1_only = 1u << 1;

/// To stage 1, where at most S1DSS is another one.
bool is_of_s1dss(const ste::Words& from, const ste::Words& to) {
  return ste::is_stage1(to[0]) && differing(from, to) == word1_only;
}

bool is_one_store(const ste::Words& from, const ste::Words& to) {
  return from[0] == to[0] && std::has_single_bit(differing(from, to));
}

}  // namespace

/// Of blocked and bypass only word 0 counts.
ste::Words Smmu::words_of(u32 device, const Route& route) const {
  if (route.kind == Route::Kind::blocked) return {ste::blocked};
  if (route.kind == Route::Kind::bypass) return {ste::bypass};
  if (route.kind == Route::Kind::user) return words_of_user(device, route);
  const auto& table = static_cast<const SmmuTable&>(*route.table);
  const u64 word1 = ste::word1(features_, can_wait(device), has_cache(device));
  if (table.stage2) return {ste::stage2, word1, table.word2, table.word3};
  return {table.cds.ste_word0(route.pasid_bits), ste::with_s1dss(word1, s1dss_of(route)), 0, 0};
}

ste::Words Smmu::words_at(u32 sid) const {
  ste::Words words;
  for (unsigned i = 0; i < words.size(); ++i) words[i] = streams_.word(platform_, sid, i);
  return words;
}

/// False if it says so already.
bool Smmu::set_words(u32 sid, const ste::Words& to, unsigned first, unsigned last) {
  bool changed = false;
  for (unsigned i = first; i <= last; ++i) {
    if (streams_.word(platform_, sid, i) == to[i]) continue;
    streams_.set_word(platform_, sid, i, to[i]);
    changed = true;
  }
  return changed;
}

/// One step, with a CFGI behind it, of those after which one store of word 0 is left. Any mixture
/// of old and new words may be read (IHI 0070 3.21.3): while nothing is translated nobody looks at
/// words 1 to 3, and they go first. Between stage 1 and stage 1 word 0 goes first: where S1DSS
/// changes as well, CD 0 of the new table is invalid, or the old S1DSS passes it by. All others are
/// blocked in between.
bool Smmu::prepare_ste(u32 sid, const ste::Words& to) {
  const ste::Words from = words_at(sid);
  if (!ste::translates(to[0]) || differing(from, to) == 0) return false;
  if (!ste::translates(from[0])) return set_words(sid, to, 1, 3);
  if (is_of_s1dss(from, to)) return set_words(sid, to, 0, 0);
  return !is_one_store(from, to) && set_words(sid, {ste::blocked}, 0, 0);
}

/// The last step. Behind a time-out an STE may have to say again what it no longer does: then it is
/// blocked until all was invalidated.
bool Smmu::set_ste(u32 sid, const ste::Words& to, bool& postponed) {
  const ste::Words from = words_at(sid);
  if (!ste::translates(to[0]) || differing(from, to) == 0) return set_words(sid, to, 0, 0);
  if (is_one_store(from, to)) return set_words(sid, to, 1, 3);
  if (is_of_s1dss(from, to)) {
    const bool changed = set_words(sid, to, 1, 1);
    return set_words(sid, to, 0, 0) || changed;
  }
  postponed = true;
  return set_words(sid, {ste::blocked}, 0, 0);
}

bool Smmu::prepare_route(u32 device, const Route& route) {
  const ste::Words to = words_of(device, route);
  postponed_[device].is = false;
  bool changed = false;
  for_each_stream(device, [&](u64 sid) { changed |= prepare_ste(static_cast<u32>(sid), to); });
  return changed;
}

bool Smmu::set_route(u32 device, const Route& route) {
  const ste::Words to = words_of(device, route);
  postponed_[device] = {.words = to};
  bool changed = false;
  for_each_stream(device, [&](u64 sid) {
    changed |= set_ste(static_cast<u32>(sid), to, postponed_[device].is);
  });
  return changed;
}

/// After all configuration was invalidated. False: the time was up.
bool Smmu::set_postponed() {
  for (const bool prepares : {true, false}) {
    bool any = false;
    for (u32 device = 0; device < config_->device_count; ++device) {
      const Postponed& its = postponed_[device];
      if (!its.is) continue;
      for_each_stream(device, [&](u64 sid) {
        any |= set_words(static_cast<u32>(sid), its.words, prepares ? 1 : 0, prepares ? 3 : 0);
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
