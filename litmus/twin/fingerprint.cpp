// SPDX-License-Identifier: MIT
#include "litmus/twin/fingerprint.h"

#include <optional>
#include <ranges>
#include <string>

#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {
namespace {

/// The parts of a state, each of which may be made of others.
struct Parts {
  static void put(Fingerprint& to, const std::string& text) {
    to.add(text.size());
    for (const char c : text) to.add(static_cast<unsigned char>(c));
  }
  static void put(Fingerprint& to, const Tag& tag) {
    to.add(u64{static_cast<u8>(tag.world)} << 32 | u64{tag.vmid} << 16 | tag.asid);
  }
  static void put(Fingerprint& to, const Value& value) {
    to.add(value.word);
    to.add(value.known ? 1 : 0);
  }
  static void put(Fingerprint& to, const Mark& mark) {
    to.add(mark.pa << 1 | (mark.dirty ? 1 : 0));
  }
  static void put(Fingerprint& to, u64 value) { to.add(value); }
  static void put(Fingerprint& to, u16 value) { to.add(value); }
  static void put(Fingerprint& to, const std::pair<u64, bool>& of) {
    to.add(of.first);
    to.add(of.second ? 1 : 0);
  }
  static void put(Fingerprint& to, const std::pair<World, u16>& of) {
    to.add(u64{static_cast<u8>(of.first)} << 16 | of.second);
  }
  static void put(Fingerprint& to, const std::optional<u64>& of) {
    to.add(of ? 1 : 0);
    to.add(of.value_or(0));
  }

  template <class Range>
  static void put_each(Fingerprint& to, const Range& range) {
    to.add(std::ranges::size(range));
    for (const auto& one : range) put(to, one);
  }
  /// Whatever their order.
  template <class Range>
  static void put_all(Fingerprint& to, const Range& range) {
    to.add(std::ranges::size(range));
    for (const auto& one : range) {
      Fingerprint its;
      put(its, one);
      to.add_unordered(its);
    }
    to.end_unordered();
  }

  static u64 packed(std::initializer_list<bool> bits) {
    u64 out = 0;
    for (const bool bit : bits) out = out << 1 | (bit ? 1 : 0);
    return out;
  }

  static void put(Fingerprint& to, const std::array<Value, 2>& unit) {
    put(to, unit[0]);
    put(to, unit[1]);
  }
  static void put(Fingerprint& to, const Structure& one) {
    to.add(static_cast<u64>(one.kind));
    to.add(one.sid);
    to.add(one.ssid);
    to.add(one.place);
    for (const auto& unit : one.units) put_all(to, unit);
  }
  static void put(Fingerprint& to, const Item& item) {
    put(to, item.tag);
    for (const u64 field : {item.va, item.bytes, item.span_va, item.span_bytes, item.out,
                            item.source, item.source2}) {
      to.add(field);
    }
    const Rights& r = item.rights;
    const Rights2& s = item.rights2;
    to.add(u64{static_cast<u8>(item.stage)} << 48 | u64{item.level} << 40 |
           u64{item.granule} << 32 | item.vmw);
    to.add(packed({item.nested, item.pointer, item.unknown, item.global, item.aset, item.apart,
                   item.tbi,    item.e0pd,    item.nt,      item.device, item.cont, item.ha,
                   item.hd,     item.haft,    r.writable,   r.dirtyable, r.user,    r.uxn,
                   r.pxn,       s.readable,   s.writable,   s.dirtyable, s.xn}));
    to.add(u64{item.order} << 32 | item.first_order);
    put_each(to, item.marked);
  }
  static void put(Fingerprint& to, const AtcEntry& entry) {
    to.add(entry.sid);
    put(to, entry.ssid);
    to.add(packed({entry.every_pasid, entry.unknown, entry.identity, entry.ipa, entry.device})
               << 8 |
           entry.granted);
    to.add(entry.va);
    to.add(entry.bytes);
    to.add(entry.out);
    put_each(to, entry.dirtied);
    put_each(to, entry.accessed);
  }
  static void put(Fingerprint& to, const Slot& slot) {
    to.add(packed({slot.sync, slot.rung, slot.exposed, slot.dropped, slot.stale, slot.acted,
                   slot.signalled, slot.pending}));
    to.add(slot.owners);
  }
  static void put(Fingerprint& to, const Broadcast& one) {
    to.add(packed({one.acted, one.dropped}));
  }
  static void put(Fingerprint& to, const UnknownTags& unknown) {
    put_each(to, unknown.tags);
    put_each(to, unknown.globals);
    put_each(to, unknown.vmids);
  }
  static void put(Fingerprint& to, const Extent& extent) {
    to.add(extent.pa);
    to.add(extent.bytes);
  }
  static void put(Fingerprint& to, const Flight& flight) {
    to.add(packed({flight.translated, flight.done, flight.stalled, flight.recorded, flight.told,
                   flight.entry.has_value()}));
    if (flight.done) return;
    if (flight.entry) put(to, *flight.entry);
    put(to, flight.text);
    put(to, flight.pa);
    put_each(to, flight.commands);
    put_each(to, flight.broadcasts);
    put_all(to, flight.items);
    put_all(to, flight.configuration);
    put_each(to, flight.marks);
  }
  static void put(Fingerprint& to, const std::pair<const Mark, State::Since>& mark) {
    put(to, mark.first);
    to.add(mark.second.commands);
    to.add(mark.second.broadcasts);
    put_all(to, mark.second.by);
  }
  static void put(Fingerprint& to, const std::pair<const u64, std::set<u64>>& ways) {
    to.add(ways.first);
    put_each(to, ways.second);
  }
  static void put(Fingerprint& to, const std::pair<const std::string, u64>& word) {
    put(to, word.first);
    to.add(word.second);
  }
};

}  // namespace

Fingerprint fingerprint_of(const State& state) {
  Fingerprint to;
  state.memory.put(to);
  Parts::put_each(to, state.queue);
  Parts::put_each(to, state.broadcasts);
  to.add(state.vmw);
  Parts::put_each(to, state.words);
  to.add(Parts::packed({state.queue_off, state.interrupt, state.may_translate, state.may_bypass,
                        state.two_level, state.atschk, state.e2h, state.e2h_open, state.marked}));
  to.add(Parts::packed({state.gbpa_abort.contains(false), state.gbpa_abort.contains(true)}));
  to.add(state.strtab);
  Parts::put_all(to, state.structures);
  Parts::put_all(to, state.items);
  Parts::put_each(to, state.ats_sids);
  Parts::put_each(to, state.old_atschk);
  Parts::put_each(to, state.old_e2h);
  Parts::put_each(to, state.atc);
  Parts::put_each(to, state.unknown_sids);
  Parts::put(to, state.reset_unknown);
  Parts::put(to, state.wild_unknown);
  Parts::put_each(to, state.released);
  Parts::put_each(to, state.flights);
  Parts::put_each(to, state.marks);
  Parts::put_each(to, state.may_be_dirty);
  Parts::put_each(to, state.seen_marks);
  Parts::put_each(to, state.af_written_by);
  return to;
}

}  // namespace iommucheck::litmus::twin
