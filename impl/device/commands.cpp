// SPDX-License-Identifier: MIT
// The command queue. IHI 0070 3.5, 4, 7.1. Commands are done in their order, by whoever writes
// CMDQ_PROD; what a CMD_SYNC promises is true when CMDQ_CONS is past it.
#include <algorithm>
#include <thread>

#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

constexpr unsigned vmid_place = 32, asid_place = 48;
constexpr u64 world_mask = u64{3} << tag::world;
constexpr u64 vmid_mask = u64{0xffff} << tag::vmid;
constexpr u64 asid_mask = u64{0xffff} << tag::asid;

constexpr u64 op_of(u64 low) { return low & 0xff; }
constexpr bool is(u64 low, Op op) { return op_of(low) == static_cast<u64>(op); }

bool by_address(u64 low) {
  return is(low, Op::tlbi_nh_va) || is(low, Op::tlbi_nh_vaa) || is(low, Op::tlbi_el2_va) ||
         is(low, Op::tlbi_el2_vaa) || is(low, Op::tlbi_s2_ipa);
}

/// What of a TLBI by address is covered, as the TLB has addresses.
struct Range {
  u64 first = 0, last = 0;
};

/// A 56-bit address with its sign, as TLB inputs are ordered. What lies between the halves is
/// nobody's, and goes to the lower end of the upper half.
u64 as_input(u64 address) {
  constexpr u64 half = u64{1} << 52;
  if (address < half) return address;
  const u64 top = u64{1} << 56;
  return address >= top - half ? (address & (half - 1)) | Tlb::upper_half : Tlb::upper_half;
}

Range range_of(u64 low, u64 high, bool ranges) {
  const u64 tg = ranges ? bits(high, 11, 10) : 0;
  u64 bytes = 4096;
  if (tg != 0) bytes = (bits(low, 16, 12) + 1) << bits(low, 24, 20) << (10 + 2 * tg);
  if (is(low, Op::tlbi_s2_ipa)) {
    const u64 first = high & mask(51, 12);
    return {first, first + (bytes - 1)};
  }
  const u64 first = high & mask(55, 12);
  const u64 last = std::min(first + (bytes - 1), mask(55, 0));
  return {as_input(first), as_input(last)};
}

}  // namespace

/// May the Non-secure queue have it? IHI 0070 4.1.6, 4.2 to 4.7.
bool Smmu::exists(u64 op) const {
  const Features& f = features_;
  switch (static_cast<Op>(op)) {
    case Op::prefetch_config:
    case Op::prefetch_addr:
    case Op::cfgi_ste:
    case Op::cfgi_ste_range:
    case Op::tlbi_nsnh_all:
    case Op::sync: return true;
    case Op::cfgi_cd:
    case Op::cfgi_cd_all:
    case Op::tlbi_nh_all:
    case Op::tlbi_nh_asid:
    case Op::tlbi_nh_va:
    case Op::tlbi_nh_vaa: return f.s1p;
    case Op::tlbi_el2_all:
    case Op::tlbi_el2_asid:
    case Op::tlbi_el2_va:
    case Op::tlbi_el2_vaa: return f.hyp;
    case Op::tlbi_s12_vmall:
    case Op::tlbi_s2_ipa: return f.s2p;
    case Op::atc_inv: return f.ats;
    case Op::pri_resp: return f.pri;
    case Op::resume:
    case Op::stall_term: return f.stalls != Stalls::never;
  }
  return false;
}

/// Bits that no field has are not looked at. IHI 0070 4.1.5.
bool Smmu::is_legal(u64 low, u64 high) const {
  if (!exists(op_of(low))) return false;
  if (by_address(low)) {
    const bool pointless =
        bits(low, 16, 12) == 0 && bits(low, 24, 20) == 0 && bits(high, 9, 8) == 0;
    const bool reserved = bits(high, 11, 10) == 2 && bits(high, 9, 8) == 1;  // TTL 1 of 16 KiB: 0
    const bool none = bits(low, 16, 12) == 0 && bits(low, 24, 20) == 0 && reserved;
    return !features_.ril || bits(high, 11, 10) == 0 || !(pointless || none);
  }
  switch (static_cast<Op>(op_of(low))) {
    case Op::prefetch_config:
    case Op::prefetch_addr:
    case Op::cfgi_ste:
    case Op::cfgi_ste_range:
    case Op::cfgi_cd:
    case Op::cfgi_cd_all:
    case Op::resume:
    case Op::stall_term: return !bit(low, 10);  // SSec
    case Op::sync: return bits(low, 13, 12) != 3;
    case Op::pri_resp: return bits(high, 13, 12) != 3;
    default: return true;
  }
}

void Smmu::work() {
  const std::lock_guard control(control_);
  run_commands(work_at_once);
}

/// Until the queue is empty, an error stops it, a CMD_SYNC waits for endpoints, or about `budget`
/// entries of caches and commands were looked at.
void Smmu::run_commands(u64 budget) {
  const unsigned lg2 = std::min<unsigned>(r_.commands.base & 31, features_.cmdqs);
  const u64 base = align_down(r_.commands.base & mask(51, 5) & low_mask(features_.oas), lg2 + 4);
  const u32 wrap = static_cast<u32>(low_mask(lg2 + 1));
  bool left = false;
  while ((r_.cr0 & cr0::cmdqen) != 0) {
    {
      const std::lock_guard outputs(outputs_);
      if (((r_.gerror ^ r_.gerrorn) & gerror::cmdq_err) != 0) break;
    }
    const u32 used = (r_.commands.prod - r_.commands.cons) & wrap;
    if (used == 0 || used > u32{1} << lg2) break;
    if (budget == 0) {
      left = true;
      break;
    }
    const u64 slot = base + u64{r_.commands.cons & (wrap >> 1)} * 16;
    std::array<u64, 2> words{};
    u32 error = 0;
    bool waits = false;
    u64 done = 1;
    if (!bus_.words(slot, words)) {
      error = cerror::abt;
    } else {
      done += execute(words[0], words[1], error, waits);
    }
    if (waits) break;
    if (error != 0) {
      r_.commands.cons = (r_.commands.cons & wrap) | error << 24;
      raise(gerror::cmdq_err);
      break;
    }
    r_.commands.cons = (r_.commands.cons + 1) & wrap;
    budget -= std::min(budget, done);
  }
  work_left_.store(left, std::memory_order_relaxed);
}

/// Returns the work done. `waits`: it is not consumed yet.
u64 Smmu::execute(u64 low, u64 high, u32& error, bool& waits) {
  if (!is_legal(low, high)) {
    error = cerror::ill;
    return 0;
  }
  switch (static_cast<Op>(op_of(low))) {
    case Op::prefetch_config:
    case Op::prefetch_addr: return 0;  // a hint
    case Op::cfgi_ste:
    case Op::cfgi_ste_range:
    case Op::cfgi_cd:
    case Op::cfgi_cd_all: return invalidate_config(low, high);
    case Op::atc_inv:
      waits = r_.open_count == invalidations_most;
      if (!waits && (r_.cr0 & cr0::smmuen) != 0) send_atc(low, high);
      return 1;
    case Op::pri_resp:
      if ((r_.cr0 & cr0::smmuen) != 0) {
        constexpr u32 codes[] = {15, 1, 0};
        PageResponse response{.sid = static_cast<u32>(low >> 32),
                              .ssv = bit(low, 11) && features_.ssidsize != 0,
                              .ssid = static_cast<u32>(bits(low, 31, 12)),
                              .prg_index = static_cast<u32>(bits(high, 8, 0)),
                              .code = codes[bits(high, 13, 12)]};
        if (!response.ssv) response.ssid = 0;
        host_.page_response(response);
      }
      return 1;
    case Op::resume:
    case Op::stall_term: end_stalls(low, high); return 1;
    case Op::sync:
      waits = r_.open_count != 0;
      if (waits) return 0;
      if (r_.timed_out != 0) {
        r_.timed_out = 0;
        error = cerror::atc_inv_sync;
        return 0;
      }
      complete_sync(low, high);
      return 1;
    default: return invalidate_tlb(low, high);
  }
}

u64 Smmu::invalidate_config(u64 low, u64 high) {
  const std::lock_guard lock(fills_);
  epoch_.fetch_add(1, std::memory_order_acq_rel);
  const auto sid = static_cast<u32>(low >> 32);
  if (is(low, Op::cfgi_cd)) {
    configs_.invalidate_cd(sid, static_cast<u32>(bits(low, 31, 12)));
  } else if (is(low, Op::cfgi_ste_range)) {
    const auto block = static_cast<u32>(low_mask(static_cast<unsigned>(bits(high, 4, 0)) + 1));
    configs_.invalidate_streams(sid & ~block, sid | block);
  } else {
    configs_.invalidate_streams(sid, sid);
  }
  return configs_.places();
}

// ---- TLBI, IHI 0070 4.4, 3.17 -------------------------------------------------------------------

u64 Smmu::invalidate_tlb(u64 low, u64 high) {
  const unsigned wildcard =
      features_.vmw ? static_cast<unsigned>(bits(r_.cr0, 8, 6)) % 5 : 0;  // reserved: 0 or more
  const u64 vmid = features_.s2p ? bits(low, 47, vmid_place) : 0;
  const u64 same_vmid = vmid_mask & ~(low_mask(wildcard) << tag::vmid);
  const u64 el1 = tag::base(World::el1, vmid) & (tag::valid | world_mask | same_vmid);
  const u64 of_vmid = tag::valid | world_mask | same_vmid;
  const u64 asid = bits(low, 63, asid_place) << tag::asid;
  const u64 exact = Tlb::exact & ~(vmid_mask & ~same_vmid);
  const u64 el2 = tag::base(World::el2, 0), e2h = tag::base(World::el2_e2h, 0);
  const u64 any_world = tag::valid | world_mask;
  using Match = Tlb::Match;
  std::array<Match, 4> which{};
  std::size_t count = 0;
  const auto add = [&](u64 its_mask, u64 value) { which[count++] = {its_mask, value}; };
  switch (static_cast<Op>(op_of(low))) {
    case Op::tlbi_nh_all:
    case Op::tlbi_nh_vaa: add(of_vmid | tag::stage2, el1); break;
    case Op::tlbi_nh_asid: add(of_vmid | tag::stage2 | tag::global | asid_mask, el1 | asid); break;
    case Op::tlbi_nh_va:
      add(exact, el1 | asid);
      add(exact, el1 | tag::global);
      add(exact, el1 | tag::global | tag::aset);
      break;
    case Op::tlbi_el2_all:
    case Op::tlbi_el2_vaa:
      add(any_world, el2);
      add(any_world, e2h);
      break;
    case Op::tlbi_el2_asid: add(any_world | tag::global | asid_mask, e2h | asid); break;
    case Op::tlbi_el2_va:
      add(Tlb::exact, el2);
      add(Tlb::exact, e2h | asid);
      add(Tlb::exact, e2h | tag::global);
      add(Tlb::exact, e2h | tag::global | tag::aset);
      break;
    case Op::tlbi_s12_vmall: add(of_vmid, el1); break;
    case Op::tlbi_s2_ipa: add(exact, el1 | tag::stage2); break;
    default: add(any_world, tag::base(World::el1, 0)); break;  // NSNH_ALL
  }
  const std::span<const Match> any(which.data(), count);
  const std::lock_guard lock(fills_);
  tlb_epoch_.fetch_add(1, std::memory_order_acq_rel);
  if (!by_address(low)) return tlb_.invalidate(any);
  const Range range = range_of(low, high, features_.ril);
  const u64 parted = low_mask(is(low, Op::tlbi_s2_ipa) ? 0 : tlb_.parted_lg2());
  return tlb_.invalidate(any, range.first & ~parted, range.last | parted, bit(high, 0));
}

// ---- what others do -----------------------------------------------------------------------------

void Smmu::send_atc(u64 low, u64 high) {
  constexpr u64 everything = 52;
  AtcInvalidation request{.sid = static_cast<u32>(low >> 32)};
  if (bit(low, 11) && features_.ssidsize != 0) {
    request.ssv = true;
    request.global = bit(low, 9);
    request.ssid = static_cast<u32>(bits(low, 31, 12));
  }
  if (const u64 size = bits(high, 5, 0); size < everything) {
    request.bytes = u64{4096} << std::min<u64>(size, 51);
    request.address = high & mask(63, 12) & ~(request.bytes - 1);
  }
  constexpr u32 tags = invalidations_most;
  while (bit(r_.open[r_.next_tag % tags / 64], r_.next_tag % 64)) ++r_.next_tag;
  request.tag = r_.next_tag++ % tags;
  r_.open[request.tag / 64] |= u64{1} << request.tag % 64;
  ++r_.open_count;
  host_.atc_invalidate(request);
}

void Smmu::atc_done(u32 tag) {
  const std::lock_guard control(control_);
  if (tag >= invalidations_most || !bit(r_.open[tag / 64], tag % 64)) return;
  r_.open[tag / 64] &= ~(u64{1} << tag % 64);
  --r_.open_count;
  run_commands(work_at_once);
}

void Smmu::atc_time_out() {
  const std::lock_guard control(control_);
  if (r_.open_count == 0) return;
  r_.open = {};
  r_.open_count = 0;
  r_.timed_out = 1;
  run_commands(work_at_once);
}

namespace {

/// By Ac and Ab. 4.7.1.
StallEnd resume_action(u64 low, const Features& f) {
  if (bit(low, 12)) return StallEnd::retry;
  if (bit(low, 13) || f.term_model) return StallEnd::abort;
  return StallEnd::raz_wi;
}

}  // namespace

void Smmu::end_stalls(u64 low, u64 high) {
  const auto sid = static_cast<u32>(low >> 32);
  const std::lock_guard outputs(outputs_);
  if (is(low, Op::resume)) {
    const u64 stag = bits(high, 15, 0);
    if (stag >= stalls_most || r_.stalls[stag].used == 0 || r_.stalls[stag].sid != sid) return;
    r_.stalls[stag] = {};
    return host_.stall_ended(sid, static_cast<u16>(stag), resume_action(low, features_));
  }
  for (std::size_t i = 0; i < stalls_most; ++i) {
    if (r_.stalls[i].used == 0 || r_.stalls[i].sid != sid) continue;
    r_.stalls[i] = {};
    host_.stall_ended(sid, static_cast<u16>(i), StallEnd::abort);
  }
}

/// Of outputs_.
void Smmu::end_all_stalls() {
  for (std::size_t i = 0; i < stalls_most; ++i) {
    if (r_.stalls[i].used == 0) continue;
    const u32 sid = r_.stalls[i].sid;
    r_.stalls[i] = {};
    host_.stall_ended(sid, static_cast<u16>(i), StallEnd::abort);
  }
}

/// Accesses that may have used what was invalidated are over. A section that began later has seen
/// that it is gone.
void Smmu::synchronize() {
  const std::lock_guard lock(ports_lock_);
  for (Port* port = ports_; port != nullptr; port = port->next_) {
    const u64 seen = port->inside_.fetch_add(0, std::memory_order_acq_rel);
    if ((seen & 1) == 0) continue;
    while (port->inside_.load(std::memory_order_acquire) == seen) std::this_thread::yield();
  }
}

void Smmu::complete_sync(u64 low, u64 high) {
  synchronize();
  if (bits(low, 13, 12) != 1) return;
  const u64 address = high & mask(51, 2) & low_mask(features_.oas);
  if (!features_.msi || address == 0) return host_.interrupt(Line::command_sync);
  const auto data = static_cast<u32>(low >> 32);
  if (!bus_.write(address, &data, sizeof data)) raise(gerror::msi_cmdq_abt);
}

}  // namespace iommucheck::device
