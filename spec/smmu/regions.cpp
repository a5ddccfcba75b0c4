// SPDX-License-Identifier: MIT
// Where in memory configuration structures lie that a fetch may lead to.
#include <algorithm>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/configuration.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

void Configuration::add_region(const Region& region) {
  if (config_.add_region(region)) return;
  findings_.give_up("the table of " + std::string(region.kind == ConfigKind::cd ? "CDs" : "STEs") +
                    " at " + findings_.name(region.first) + " has " + hex(region.bytes) +
                    " bytes, more than are followed");
}

/// The arrays of STEs that the L1STD of `first_sid` may lead to.
void Configuration::refresh_l2_arrays(u32 first_sid) {
  fetches_.note_change();  // other STEs, or none, for streams of which none was formed
  config_.remove_regions(first_sid, ConfigKind::ste);
  Fetches::Words words;
  fetches_.words_at(ConfigKind::l1std, first_sid, 0,
                    l1std_address(controls_.stream_table(), u64{first_sid}), 0, words);
  for (const Fetches::Word& word : words) {
    const L1Std<u64> l1std{word.value};
    if (word.unknown) {
      findings_.report(rule::WILD_STRUCTURE, "the L1STD of stream " + hex(first_sid) +
                                                 " is memory of unknown content" +
                                                 ignored_text(controls_.stream_table()));
      continue;
    }
    if (l1std_illegal(controls_.stream_table(), l1std, u64{first_sid})) continue;
    add_region({.kind = ConfigKind::ste,
                .sid = first_sid,
                .first = l1std.l2ptr(),
                .bytes = pow2(static_cast<unsigned>(l1std.span()) - 1) * ste_bytes,
                .made_by = first_sid,
                .dies = word.dies,
                .via = l1std_address(controls_.stream_table(), u64{first_sid})});
  }
}

/// The CD tables that a stream's possible STEs lead to.
void Configuration::refresh_regions(u32 sid, const Fetches::SteOptions& stes) {
  config_.remove_regions(sid, ConfigKind::l1cd);
  config_.remove_regions(sid, ConfigKind::cd);
  for (const Fetches::SteOption& ste : stes) {
    // Under stage 2 they are a user's.
    if (!ste.is_read() || ste.decision.kind != SteKind::stage1) continue;
    const u64 cds =
        substreams_used(ste.ste, caps_).value ? pow2(static_cast<unsigned>(ste.ste.s1cdmax())) : 1;
    const unsigned leaf_bits = cd_leaf_bits(ste.ste, caps_);
    if (leaf_bits == 0) {
      add_region({.kind = ConfigKind::cd,
                  .sid = sid,
                  .first = ste.ste.s1contextptr(),
                  .bytes = cds * cd_bytes,
                  .made_by = sid,
                  .dies = ste.dies});
      continue;
    }
    const u64 l1cds = std::max<u64>(1, cds >> leaf_bits);
    add_region({.kind = ConfigKind::l1cd,
                .sid = sid,
                .first = ste.ste.s1contextptr(),
                .bytes = l1cds * 8,
                .made_by = sid,
                .dies = ste.dies});
    for (u64 n = 0; n < l1cds; ++n) {
      const u64 place = ste.ste.s1contextptr() + 8 * n;
      const auto ssid = static_cast<u32>(n << leaf_bits);
      Fetches::Words words;
      fetches_.words_at(ConfigKind::l1cd, sid, ssid, place, 0, words);
      for (const Fetches::Word& word : words) {
        const L1Cd<u64> l1cd{word.value};
        if (word.unknown || l1cd_illegal(l1cd, caps_)) continue;
        add_region({.kind = ConfigKind::cd,
                    .sid = sid,
                    .first = l1cd.l2ptr(),
                    .bytes = std::min<u64>(cds, pow2(leaf_bits)) * cd_bytes,
                    .ssid = ssid,
                    .made_by = sid,
                    .dies = std::min(ste.dies, word.dies),
                    .via = place});
      }
    }
  }
}

void Configuration::find_stream_table() {
  const u64 streams = pow2(controls_.stream_table().sid_bits);
  if (!controls_.stream_table().two_level) {
    add_region({.kind = ConfigKind::ste,
                .first = controls_.stream_table().base,
                .bytes = streams * ste_bytes,
                .made_by = ~u32{0}});
  } else {
    const u64 l1stds = std::max<u64>(1, streams >> controls_.stream_table().split);
    add_region({.kind = ConfigKind::l1std,
                .first = controls_.stream_table().base,
                .bytes = l1stds * 8,
                .made_by = ~u32{0}});
    for (u64 n = 0; n < l1stds; ++n) {
      const u64 place = controls_.stream_table().base + 8 * n;
      const Content now = memory_.newest(place);
      if (now.unknown || now.value != 0 || memory_.is_pending(place)) {
        refresh_l2_arrays(static_cast<u32>(n << controls_.stream_table().split));
      }
    }
  }
}

/// Streams whose STE is anything but invalid or abort, or states a span, wherever one may stand.
void Configuration::add_configured_streams(std::vector<u32>& sids) const {
  for (u32 i = 0; i < config_.size(); ++i) sids.push_back(config_[i].sid);
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region region = config_.region(i);
    if (region.kind != ConfigKind::ste) continue;
    for (u64 n = 0; n < region.bytes / ste_bytes; ++n) {
      const u64 place = region.first + n * ste_bytes;
      const Frame& frame = memory_.frame(place);
      if (const u64 zeros = frame.zeros_from(place); zeros >= ste_bytes) {
        n += zeros / ste_bytes - 1;
        continue;
      }
      const auto index = static_cast<unsigned>(bits(place, 11, 3));
      const Content word = frame.newest(index);
      const Ste<u64> ste{{word.value, frame.newest(index + 1).value}};
      const bool states = ste.config_translates() || ste.cont() != 0;
      if (word.unknown || (ste.v() && states) || frame.is_pending(index)) {
        sids.push_back(region.sid + static_cast<u32>(n));
        if (word.unknown) break;  // one report is enough
      }
    }
  }
}

}  // namespace iommucheck::spec
