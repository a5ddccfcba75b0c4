// SPDX-License-Identifier: MIT
#include "guest/virtual_smmu.h"

#include <algorithm>

#include "base/bits.h"
#include "guest/virtual_registers.h"

namespace iommucheck::oracle {

using namespace vsmmu;

namespace {

constexpr UsersRoute passes = {ste_v | config_bypass << 1, 0};

}  // namespace

u64 VirtualSmmu::Queue::slot(u32 index, u64 bytes) const {
  const u64 size = bytes << lg2();
  return align_down(base & base_address, static_cast<unsigned>(std::countr_zero(size))) +
         (index & (indices() >> 1)) * bytes;
}

bool VirtualSmmu::Queue::is_full() const {
  return ((prod ^ cons) & indices()) == (indices() ^ (indices() >> 1));
}

VirtualSmmu::VirtualSmmu(HostSide& host, const GuestSetup& guest)
    : host_(host),
      sids_(guest_streams(guest.devices)),
      id_(spec::make_id_registers(guest.caps)),
      cmdqs_(guest.caps.cmdqs),
      eventqs_(guest.caps.eventqs) {
  state_.gbpa = gbpa_abort;
}

// ---- registers ----------------------------------------------------------------------------------

/// In halves where it is one of 64 bits.
void VirtualSmmu::write(u32 offset, unsigned size, u64 value) {
  const bool high =
      offset == strtab_base + 4 || offset == cmdq_base + 4 || offset == eventq_base + 4;
  if (high) {
    write_register(offset - 4, with_bits(read_register(offset - 4), 63, 32, value));
  } else if (size == 4 && (offset == strtab_base || offset == cmdq_base || offset == eventq_base)) {
    write_register(offset, with_bits(read_register(offset), 31, 0, value));
  } else {
    write_register(offset, value);
    if (size == 8 && offset == cmdq_prod) write_register(cmdq_cons, value >> 32);
  }
}

u64 VirtualSmmu::read(u32 offset, unsigned size) {
  const bool high =
      offset == strtab_base + 4 || offset == cmdq_base + 4 || offset == eventq_base + 4;
  if (high) return read_register(offset - 4) >> 32;
  const u64 low = read_register(offset);
  return size == 4 ? low & 0xffff'ffff : low;
}

/// What is enabled stays as it is.
void VirtualSmmu::write_register(u32 offset, u64 value) {
  State& s = state_;
  const auto low = static_cast<u32>(value);
  const bool smmuen = (s.cr0 & cr0_smmuen) != 0;
  const bool cmdqen = (s.cr0 & cr0_cmdqen) != 0;
  const bool eventqen = (s.cr0 & cr0_eventqen) != 0;
  const auto queue_base = [&](unsigned most) {
    const u64 lg2 = std::min<u64>(value & 31, most);
    return (value & base_fields & ~u64{31}) | lg2;
  };
  switch (offset) {
    case cr0: return write_cr0(low);
    case cr1: s.cr1 = low & cr1_fields; return;
    case cr2:
      if (!smmuen) s.cr2 = low & cr2_fields;
      return;
    case gbpa: return write_gbpa(low);
    case irq_ctrl: s.irq_ctrl = low & irq_fields; return;
    case gerrorn: s.gerrorn = low & gerror_cmdq; return run_commands();
    case strtab_base:
      if (!smmuen) s.strtab_base = value & strtab_fields;
      return;
    case strtab_base_cfg:
      if (!smmuen) s.strtab_base_cfg = low;
      return;
    case cmdq_base:
      if (!cmdqen) s.commands.base = queue_base(cmdqs_);
      return;
    case cmdq_prod: s.commands.prod = low & index_fields; return run_commands();
    case cmdq_cons:
      if (!cmdqen) s.commands.cons = low & index_fields;
      return;
    case eventq_base:
      if (!eventqen) s.events.base = queue_base(eventqs_);
      return;
    case eventq_prod:
      if (!eventqen) s.events.prod = low & (index_fields | overflow);
      return;
    case eventq_cons: s.events.cons = low & (index_fields | overflow); return;
    default: return;
  }
}

u64 VirtualSmmu::read_register(u32 offset) const {
  const State& s = state_;
  if (offset <= idr5) return id_.idr[offset / 4];
  switch (offset) {
    case iidr: return id_.iidr;
    case aidr: return id_.aidr;
    case cr0:
    case cr0ack: return s.cr0;
    case cr1: return s.cr1;
    case cr2: return s.cr2;
    case gbpa: return s.gbpa;
    case irq_ctrl:
    case irq_ctrlack: return s.irq_ctrl;
    case gerror: return s.gerror;
    case gerrorn: return s.gerrorn;
    case strtab_base: return s.strtab_base;
    case strtab_base_cfg: return s.strtab_base_cfg;
    case cmdq_base: return s.commands.base;
    case cmdq_prod: return s.commands.prod;
    case cmdq_cons: return s.commands.cons;
    case eventq_base: return s.events.base;
    case eventq_prod: return s.events.prod;
    case eventq_cons: return s.events.cons;
    default: return 0;
  }
}

void VirtualSmmu::write_cr0(u32 value) {
  const u32 changed = (state_.cr0 ^ value) & cr0_fields;
  state_.cr0 ^= changed;
  if ((changed & cr0_smmuen) != 0) install_all();
  if ((changed & cr0_cmdqen) != 0) run_commands();
}

void VirtualSmmu::write_gbpa(u32 value) {
  if ((value & gbpa_update) == 0) return;
  state_.gbpa = value & gbpa_fields;
  if ((state_.cr0 & cr0_smmuen) == 0) install_all();
}

// ---- commands -----------------------------------------------------------------------------------

void VirtualSmmu::set_stuck(bool stuck) {
  state_.stuck = stuck;
  run_commands();
}

/// All that are there. However the guest writes PROD, it is at most twice the queue.
void VirtualSmmu::run_commands() {
  Queue& queue = state_.commands;
  Batch batch;
  const auto runs = [&] {
    return (state_.cr0 & cr0_cmdqen) != 0 && !state_.stuck &&
           ((state_.gerror ^ state_.gerrorn) & gerror_cmdq) == 0;
  };
  while (runs() && !queue.is_empty()) {
    const u32 index = queue.cons & queue.indices();
    const u64 at = queue.slot(index, command_bytes);
    const Command command = {host_.load(at), host_.load(at + 8)};
    ++numbers_.commands;
    const Done done = execute(command, index, batch);
    if (done == Done::host_refused) return;
    if (done == Done::illegal) {
      if (flush(batch) == Done::yes) stop_at(index);
      return;
    }
    queue.cons = (index + 1) & queue.indices();
  }
  flush(batch);
}

/// CMDQ_CONS stays there, with the error.
void VirtualSmmu::stop_at(u32 index) {
  state_.commands.cons = index | cerror_ill << cons_err_lsb;
  state_.gerror ^= gerror_cmdq;
}

VirtualSmmu::Done VirtualSmmu::execute(const Command& command, u32 index, Batch& batch) {
  const auto sid = static_cast<u32>(command.low >> 32);
  switch (command.low & 0xff) {
    case prefetch_config:
    case prefetch_addr: return Done::yes;
    case cfgi_ste:
    case cfgi_ste_range: {
      const Done done = flush(batch);
      if (done != Done::yes) return done;
      Command given = command;
      if (!hands_on(given)) return Done::yes;
      const bool one = (given.low & 0xff) == cfgi_ste;
      install_range(sid, one ? 0 : (given.high & 31) + 1);
      return Done::yes;
    }
    case cfgi_cd:
    case cfgi_cd_all:
      if (!device_of(sid)) return Done::yes;
      break;
    case tlbi_nh_all:
    case tlbi_nh_asid:
    case tlbi_nh_va:
    case tlbi_nh_vaa:
    case tlbi_nsnh_all: break;
    case cmd_sync:
      if (bits(command.low, 13, 12) == sync_reserved) return Done::illegal;
      return flush(batch);
    default: return Done::illegal;
  }
  Command given = command;
  if (!hands_on(given)) return Done::yes;
  batch.commands.push_back(given);
  batch.indices.push_back(index);
  return Done::yes;
}

/// The host says which was none that the guest may give: there the queue stops.
VirtualSmmu::Done VirtualSmmu::flush(Batch& batch) {
  if (batch.commands.empty()) return Done::yes;
  const std::size_t done = host_.invalidate(batch.commands);
  numbers_.handed_on += done;
  const bool all = done >= batch.commands.size();
  if (!all) stop_at(batch.indices[done]);
  batch = {};
  return all ? Done::yes : Done::host_refused;
}

// ---- the stream table ---------------------------------------------------------------------------

/// 0: there is none.
u64 VirtualSmmu::ste_place(u32 sid) {
  const u32 cfg = state_.strtab_base_cfg;
  const u64 base = state_.strtab_base & strtab_address;
  const unsigned lg2 = std::min(cfg & 63, 32U);
  if ((u64{sid} >> lg2) != 0) return 0;
  const bool two_levels = (cfg >> 16 & 3) == 1;
  if (!two_levels) return align_down(base, std::min(lg2 + 6, 51U)) + ste_bytes * sid;
  const unsigned split = cfg >> 6 & 31;
  const unsigned first_lg2 = std::max(lg2, split) - split;
  const u64 first = align_down(base, std::max(first_lg2 + 3, 6U));
  const u64 word = host_.load(first + 8 * (u64{sid} >> split));
  const u64 span = word & 31;
  const u64 within = sid & ((u64{1} << split) - 1);
  if (span == 0 || span > split + 1 || within >= u64{1} << (span - 1)) return 0;
  return (word & strtab_address) + ste_bytes * within;
}

/// What the user may not say is the host's, and what is no STE aborts.
UsersRoute VirtualSmmu::route_of(u32 device) {
  if ((state_.cr0 & cr0_smmuen) == 0) return (state_.gbpa & gbpa_abort) != 0 ? aborts : passes;
  const u64 place = ste_place(sids_[device]);
  if (place == 0) return aborts;
  const u64 word0 = host_.load(place);
  const u64 config = word0 >> 1 & 7;
  if ((word0 & ste_v) == 0) return aborts;
  if (config == config_bypass) return passes;
  if (config != config_stage1) return aborts;
  return {word0 & word0_of_stage1, host_.load(place + 8) & word1_of_stage1};
}

void VirtualSmmu::install(u32 device) {
  ++(host_.install(device, route_of(device)) ? numbers_.installed : numbers_.refused);
}

/// Of the StreamIDs that differ in so many low bits.
void VirtualSmmu::install_range(u32 sid, u64 range) {
  for (u32 device = 0; device < sids_.size(); ++device) {
    if (((u64{sids_[device]} ^ sid) >> range) == 0) install(device);
  }
}

void VirtualSmmu::install_all() {
  for (u32 device = 0; device < sids_.size(); ++device) install(device);
}

// ---- accesses -----------------------------------------------------------------------------------

std::optional<u32> VirtualSmmu::device_of(u32 sid) const {
  const auto its = std::ranges::find(sids_, sid);
  if (its == sids_.end()) return std::nullopt;
  return static_cast<u32>(its - sids_.begin());
}

HostSide::Place VirtualSmmu::place_of(u32 device, const spec::Access& access) const {
  HostSide::Place place{.device = device, .va = access.va};
  if (access.ssv) place.at = spec::sva::substream(access.ssid);
  place.write = access.type == spec::AccessType::write;
  place.execute = access.type == spec::AccessType::execute;
  place.privileged = access.privileged;
  return place;
}

namespace {

OtherSmmu::Seen seen_of(const HostSide::Met& met) {
  if (!met.ipa) return {.result = trace::DmaResult::abort};
  return {.result = trace::DmaResult::ok, .pa = met.ipa, .dirties = met.dirties, .lost = met.lost};
}

}  // namespace

OtherSmmu::Seen VirtualSmmu::access(const spec::Access& access, Traces& traces) {
  const auto device = device_of(access.sid);
  if (!device) return {.result = trace::DmaResult::abort};
  std::vector<spec::FlagUpdate> set;
  const HostSide::Met met = host_.access(place_of(*device, access), set);
  for (spec::FlagUpdate mark : set) {
    if (!marks(mark)) continue;
    traces.marks.push_back(mark);
    ++numbers_.marks;
  }
  for (Record words : host_.take_events()) {
    if (records(words) && record(words)) traces.records.push_back(words);
  }
  return seen_of(met);
}

std::vector<OtherSmmu::Seen> VirtualSmmu::may_meet(const spec::Access& access) {
  std::vector<Seen> seen;
  const auto device = device_of(access.sid);
  if (!device) return seen;
  ++numbers_.compared;
  const auto met = host_.may_meet(place_of(*device, access));
  if (!met) {
    ++numbers_.unknown;
    return seen;
  }
  for (const HostSide::Met& one : *met) seen.push_back(seen_of(one));
  return seen;
}

void VirtualSmmu::follow(const spec::Access& access) {
  if (const auto device = device_of(access.sid)) host_.follow(place_of(*device, access));
}

/// Where the queue is full it is lost, and the queue says so once. IHI 0070 7.4.
bool VirtualSmmu::record(const Record& words) {
  Queue& queue = state_.events;
  if ((state_.cr0 & cr0_eventqen) == 0) return false;
  if (queue.is_full()) {
    if (((queue.prod ^ queue.cons) & overflow) == 0) queue.prod ^= overflow;
    return false;
  }
  const u64 at = queue.slot(queue.prod, event_bytes);
  for (u64 i = 0; i < words.size(); ++i) host_.store(at + 8 * i, words[i]);
  queue.prod = ((queue.prod + 1) & queue.indices()) | (queue.prod & overflow);
  ++numbers_.records;
  last_record_ = words;
  return true;
}

}  // namespace iommucheck::oracle
