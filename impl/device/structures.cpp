// SPDX-License-Identifier: MIT
// From a StreamID to its STE and to its CD. IHI 0070 3.3, 5.1, 5.3, and 7.3.22 for what comes
// first.
#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

bool failed(Fault& fault, Event event, u64 fetch = 0) {
  fault = {.event = event, .fetch = fetch};
  return false;
}

}  // namespace

bool Smmu::find_ste(const Mode& mode, u32 sid, Words& ste, Fault& fault) const {
  if (u64{sid} >> mode.sid_bits != 0) return failed(fault, Event::c_bad_streamid);
  const u64 beyond = ~low_mask(features_.oas);
  u64 place = mode.streams + u64{sid} * 64;
  if (mode.two_level) {
    const u64 at = mode.streams + (u64{sid} >> mode.split) * 8;
    const auto l1std = (at & beyond) != 0 ? std::nullopt : bus_.word(at);
    if (!l1std) return failed(fault, Event::f_ste_fetch, at);
    const auto span = static_cast<unsigned>(bits(*l1std, 4, 0));
    const u64 index = sid & low_mask(mode.split);
    if (span == 0 || span > 11 || span > mode.split + 1U || index >> (span - 1) != 0) {
      return failed(fault, Event::c_bad_streamid);
    }
    place = (*l1std & mask(51, 6) & ~low_mask(span + 5)) + index * 64;
  }
  if ((place & beyond) != 0 || !bus_.words(place, ste)) {
    return failed(fault, Event::f_ste_fetch, place);
  }
  return true;
}

bool Smmu::find_cd(const Words& ste, u32 number, const Context& context, Words& cd, Found& found,
                   Fault& fault) const {
  Walker walker(bus_, tlb_, context, found);
  const u64 beyond = ~low_mask(features_.oas);
  // Where it is, for one whose tables stage 2 translates.
  const auto physical = [&](u64 address, u64& pa) {
    if (!context.stage2) {
      pa = address;
      return true;
    }
    const auto reached = walker.fetch_address(address);
    if (!reached) fault = walker.fault();
    pa = reached.value_or(0);
    return reached.has_value();
  };
  u64 place = (ste[0] & mask(51, 6)) + u64{number} * 64, pa = 0;
  if (const unsigned leaf = cd_leaf_bits(ste, features_); leaf != 0) {
    const u64 at = (ste[0] & mask(51, 6)) + u64{number >> leaf} * 8;
    if (!physical(at, pa)) return false;
    const auto l1cd = bus_.word(pa);
    if (!l1cd) return failed(fault, Event::f_cd_fetch, pa);
    const u64 table = *l1cd & mask(51, 12);
    if (!bit(*l1cd, 0) || (table & beyond) != 0) return failed(fault, Event::c_bad_substreamid);
    place = table + (number & low_mask(leaf)) * 64;
  }
  if (!physical(place, pa)) return false;
  return bus_.words(pa, cd) || failed(fault, Event::f_cd_fetch, pa);
}

bool Smmu::find_context(const Mode& mode, const Access& access, Context& out, Found& found,
                        Fault& fault) const {
  Words ste{}, cd{};
  if (!find_ste(mode, access.sid, ste, fault)) return false;
  const Decoding by{features_, mode.e2h};
  out = {};
  if (!decode_ste(ste, by, out)) return failed(fault, Event::c_bad_ste);
  if (out.way == Context::Way::abort) return true;
  const CdChoice choice = choose_cd(ste, features_, access.ssv, access.ssid);
  if (choice.event != Event::none) return failed(fault, choice.event);
  out.skips_stage1 = choice.bypass;
  if (!out.stage1 || choice.bypass) return true;
  // Beyond the input size it is this or a fault of stage 2, CONSTRAINED UNPREDICTABLE: 3.4.3.
  if (out.stage2 && (ste[0] & mask(51, 6) & ~low_mask(features_.oas)) != 0) {
    return failed(fault, Event::c_bad_ste);
  }
  if (!find_cd(ste, choice.number, out, cd, found, fault)) return false;
  return decode_cd(cd, ste, by, out) || failed(fault, Event::c_bad_cd);
}

}  // namespace iommucheck::device
