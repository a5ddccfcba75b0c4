// SPDX-License-Identifier: MIT
// What memory alone says of an access of a device under test.
#include <fmt/format.h>

#include "monitor/device_rules.h"
#include "spec/arch/walk.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::AccessType;
using spec::OutcomeKind;
using spec::Rule;

const char* granule_name(spec::Granule granule) {
  switch (granule) {
    case spec::Granule::g4k: return "4K";
    case spec::Granule::g16k: return "16K";
    case spec::Granule::g64k: return "64K";
  }
  return "?";
}

/// The words that a walk reads from memory as it is now, and the last ones for the detail.
struct Reader {
  const spec::Memory& memory;
  bool unknown = false;
  u64 last = 0;
  u64 tables = 0;  ///< all descriptors before the last one, joined
  unsigned reads = 0;
  void begin_walk() { tables = last = reads = 0; }
  std::optional<u64> read(u64 pa) {
    const spec::Content content = memory.newest(pa);
    unknown |= content.unknown;
    tables |= last;
    last = content.value;
    ++reads;
    return content.value;
  }
};

/// What of the descriptors forbids the access, from the leaf up.
std::string why_not_permitted(const Reader& reader, const Access& access) {
  const bool write = access.type == AccessType::write;
  if (!access.privileged && !bit(reader.last, 6)) return "AP[1]";
  if (write && bit(reader.last, 7)) return "AP[2]";
  if (!access.privileged && bit(reader.tables, 61)) return "APTable[0]";
  if (write && bit(reader.tables, 62)) return "APTable[1]";
  return {};
}

}  // namespace

/// What the access meets if nothing is cached: words of its own reading, not those of the engine.
DeviceRules::Plain DeviceRules::plain(const Access& access) const {
  Plain result;
  const spec::Capabilities& caps = caches_.capabilities();
  const spec::StreamTable& table = caches_.stream_table();
  Reader reader{caches_.memory()};
  const auto fault = [&](spec::EventType event, Rule rule) {
    result.outcome = {.kind = OutcomeKind::fault, .event = event, .rule = rule};
    result.known = !reader.unknown;
    return result;
  };
  if (!spec::sid_in_range<u64>(table, access.sid)) {
    return fault(spec::EventType::c_bad_streamid, Rule::STREAM_ID_RANGE);
  }
  u64 place = spec::linear_ste_address<u64>(table, access.sid);
  if (table.two_level) {
    const spec::L1Std<u64> l1{*reader.read(spec::l1std_address<u64>(table, access.sid))};
    if (const auto rule = spec::l1std_illegal<u64>(table, l1, access.sid)) {
      return fault(spec::EventType::c_bad_streamid, *rule);
    }
    place = spec::second_level_ste_address<u64>(table, l1, access.sid);
  }
  spec::Ste<u64> ste;
  for (unsigned i = 0; i < spec::ste_words; ++i) ste.dw[i] = *reader.read(place + 8 * i);
  const spec::SteDecision decision = spec::decode_ste<u64>(ste, caps);
  if (decision.kind == spec::SteKind::bad) {
    return fault(spec::EventType::c_bad_ste, decision.rule);
  }
  result.known = !reader.unknown;
  if (decision.kind == spec::SteKind::abort) {
    result.outcome = {.kind = OutcomeKind::abort, .rule = Rule::STE_ABORT};
    return result;
  }
  if (decision.kind == spec::SteKind::bypass) {
    if ((access.va & ~low_mask(u64{spec::ias_lg2(caps)})) != 0) {
      return fault(spec::EventType::f_addr_size, Rule::STE_BYPASS_SIZE);
    }
    result.outcome = {.kind = OutcomeKind::bypass,
                      .pa = access.va & low_mask(u64{caps.oas_lg2}),
                      .rule = Rule::STE_BYPASS};
    return result;
  }
  const auto substream = spec::select_substream<u64>(ste, caps, access.ssv, access.ssid);
  if (decision.kind != spec::SteKind::stage1 || substream.kind != spec::SubstreamKind::cd ||
      spec::cd_leaf_bits(ste, caps) != 0) {
    result.known = false;  // not asked of devices yet
    return result;
  }
  if (ste.s1cdmax() != 0 && caps.ssidsize == 0) result.detail = "S1CDMax is ignored";
  spec::Cd<u64> cd;
  const u64 cd_place = spec::linear_cd_address<u64>(ste, substream.number);
  for (unsigned i = 0; i < spec::cd_words; ++i) cd.dw[i] = *reader.read(cd_place + 8 * i);
  if (const auto rule = spec::decode_cd<u64>(cd, ste, caps)) {
    return fault(spec::EventType::c_bad_cd, *rule);
  }
  const spec::Regime<u64> regime = spec::regime_of<u64>(ste, cd, caps);
  if (spec::unsupported_tables(cd, regime)) {
    result.known = false;
    return result;
  }
  reader.begin_walk();
  const spec::AccessKind kind =
      spec::effective_access({access.type, access.privileged}, spec::overrides_of<u64>(ste, caps));
  const auto walked = spec::walk_stage1<u64>(reader, regime, access.va, kind);
  const unsigned half = spec::select_half(regime, access.va);
  if (const auto* failed = std::get_if<spec::Fault>(&walked)) {
    const bool at_descriptor = failed->rule != Rule::S1_VA_IN_RANGE &&
                               failed->rule != Rule::S1_EPD && failed->rule != Rule::S1_E0PD;
    if (at_descriptor) {
      const spec::Granule tg = regime.half[half].tg;
      const unsigned level = spec::start_level<u64>(tg, regime.half[half].tsz) + reader.reads - 1;
      const bool block = bit(reader.last, 0) && !bit(reader.last, 1);
      if (failed->rule == Rule::S1_OUTPUT_SIZE) {
        result.detail =
            bit(reader.last, 1) && level != spec::last_level ? "of the next table" : "of the leaf";
      } else if (failed->rule == Rule::S1_DESCRIPTOR_VALID && block) {
        result.detail = level == spec::last_level
                            ? "bits 01 at level 3"
                            : fmt::format("a block at level {}, {}", level, granule_name(tg));
      } else if (failed->rule == Rule::S1_PERMISSION) {
        result.detail = why_not_permitted(reader, access);
      }
    }
    (void)fault(failed->event, failed->rule);
    result.outcome.reaction = spec::reaction_of(cd, caps);
    result.outcome.seen = kind;
    return result;
  }
  const auto& translation = std::get<spec::Translation<u64>>(walked);
  result.outcome = {
      .kind = OutcomeKind::translation, .pa = translation.output, .rule = Rule::TRANSLATION_RESULT};
  result.known = !reader.unknown;
  return result;
}

}  // namespace iommucheck::oracle
