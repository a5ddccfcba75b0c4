// SPDX-License-Identifier: MIT
#include "check/containment.h"

#include <vector>

#include "host/user_memory.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::DomainKind;
using spec::sva::Status;

constexpr u32 read_write = spec::sva::prot_read | spec::sva::prot_write;
constexpr u64 page_bytes = UserMemory::page_bytes;
constexpr u64 memory_bytes = u64{64} << 10;  ///< of a user, in which its structures lie
constexpr u64 pages_ipa = 0x10000;           ///< what else it has
constexpr u32 user_pages = 8;
constexpr u32 hosts_device = 2;  // devices 0 and 1 are the users'

Setup containment_setup(const iommucheck_driver& driver) {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.s1p = caps.s2p = caps.ats = caps.vmid16 = true;
  caps.stall_model = spec::StallModel::both;
  Setup setup;
  setup.id = spec::make_id_registers(caps);
  setup.devices = {{.stream_ids = {1}, .ssid_bits = 4, .ats = true},
                   {.stream_ids = {2}, .ssid_bits = 4, .stall = true},
                   {.stream_ids = {3}, .ssid_bits = 4, .ats = true}};
  setup.window_bytes = u64{4} << 20;
  setup.per_device_tables = (driver.flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES) != 0;
  return setup;
}

}  // namespace

Containment::Containment(const iommucheck_driver& driver)
    : monitor_(containment_setup(driver)), host_(driver, monitor_) {
  host_.set_choices(first_);
}

spec::sva::Observed Containment::call(const Call& call) { return host_.call(call); }

u64 Containment::page_pa(u32 user, u32 page) const {
  return users_[user].memory_pa + memory_bytes + page * page_bytes;
}

bool Containment::map_page(u32 user, u32 page) {
  Call map{.kind = CallKind::map, .domain = users_[user].parent};
  map.iova = pages_ipa + page * page_bytes;
  map.pa = page_pa(user, page);
  map.size = page_bytes;
  map.prot = read_write;
  if (call(map).status != Status::ok) return false;
  users_[user].mapped |= u64{1} << page;
  return true;
}

bool Containment::make_user(u32 user) {
  User& its = users_[user];
  its.memory_pa = host_.users_pa() + user * (memory_bytes + user_pages * page_bytes);
  Call alloc{.kind = CallKind::domain_alloc};
  alloc.domain_kind = static_cast<u32>(DomainKind::paging_s2);
  its.parent = call(alloc).value;
  Call memory{.kind = CallKind::map, .domain = its.parent};
  memory.iova = UserMemory::first_ipa;
  memory.pa = its.memory_pa;
  memory.size = memory_bytes;
  memory.prot = read_write;
  if (its.parent == 0 || call(memory).status != Status::ok) return false;
  for (u32 page = 0; page < user_pages; ++page) {
    if (!map_page(user, page)) return false;
  }
  for (u64 at = 0; at < memory_bytes; at += 8) {
    monitor_.store(trace::environment_agent, its.memory_pa + at, 0);
  }
  monitor_.barrier(trace::environment_agent);
  Call number{.kind = CallKind::vdevice, .domain = its.parent, .device = user};
  number.number = 1;
  return call(number).status == Status::ok;
}

std::string Containment::boot() {
  if (std::string failed = host_.boot(); !failed.empty()) return failed;
  for (u32 user = 0; user < users; ++user) {
    if (!make_user(user)) return "it has no users of stage 2 domains";
  }
  Call alloc{.kind = CallKind::domain_alloc};
  alloc.domain_kind = static_cast<u32>(DomainKind::paging);
  const u64 domain = call(alloc).value;
  Call map{.kind = CallKind::map, .domain = domain};
  map.iova = pages_ipa;
  map.pa = page_pa(users, 0);
  map.size = page_bytes;
  map.prot = read_write;
  const Call attach{.kind = CallKind::attach, .domain = domain, .device = hosts_device};
  if (call(map).status != Status::ok || call(attach).status != Status::ok) {
    return "it has no domains";
  }
  if (!monitor_.findings().empty()) return "it is wrong before a user does anything";
  host_.snapshot();
  booted_ = monitor_.trail().mark();
  booted_at_ = monitor_.now();
  booted_users_ = users_;
  return {};
}

void Containment::run(std::span<const u8> bytes) {
  host_.restore();
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(booted_at_);
  users_ = booted_users_;
  for (ByteStream rest(bytes); !rest.is_empty() && monitor_.findings().empty();) {
    const u8 what = rest.byte();
    const u32 user = what >> 7;
    switch (what & 7) {
      case 0:
      case 1:
      case 2: store(user, rest); break;
      case 3: change_structure(user, rest); break;
      case 4: send_commands(user, rest); break;
      case 5: change_stage2(user, rest); break;
      default: access(user, rest);
    }
    if (monitor_.gave_up()) return;
  }
}

/// Of garbage hardly anything leads on: some words are what a walk or a fetch takes, but for a few
/// bits.
void Containment::store(u32 user, ByteStream& bytes) {
  const u64 place = 8 * (bytes.byte() | u64{bytes.byte()} << 8) % memory_bytes;
  const u8 form = bytes.byte();
  const u64 inside = UserMemory::first_ipa + (u64{form} >> 4) * page_bytes;
  const auto* bits_of = (form & 8) != 0 ? &bytes : nullptr;
  const u64 noise = bits_of != nullptr ? bytes.word() : 0;
  u64 value = 0;
  switch (form & 7) {
    case 0: value = bytes.word(); break;
    case 1: value = inside | 3; break;                                      // a table
    case 2: value = (pages_ipa + (form >> 4) * page_bytes) | 0x4c3; break;  // a page
    case 3: value = 0x0001'6205'c000'3519 | u64{form} << 44; break;         // word 0 of a CD
    case 4: value = inside; break;                                          // TTB0
    case 5: value = page_pa(1 - user, 0) | 0x4c3; break;                    // the other's
    case 6: value = inside | 1; break;                                      // L1CD, a block
    default: value = 0;
  }
  monitor_.store(trace::environment_agent, users_[user].memory_pa + place, value ^ noise);
  monitor_.barrier(trace::environment_agent);
  ++numbers_.stores;
}

/// Another route for its device, most of it as a user would say it.
void Containment::change_structure(u32 user, ByteStream& bytes) {
  User& its = users_[user];
  const u8 how = bytes.byte();
  const u32 cdmax = how & 3;
  Call alloc{.kind = CallKind::domain_alloc, .parent = its.parent};
  alloc.domain_kind = static_cast<u32>(cdmax == 0 ? DomainKind::nested : DomainKind::nested_pasid);
  alloc.structure = UserMemory::structure(UserMemory::first_ipa + (how >> 4) * page_bytes, cdmax);
  if ((how & 4) != 0) alloc.structure[how >> 3 & 1] ^= u64{1} << (bytes.byte() & 63);
  const u64 made = call(alloc).value;
  if (made == 0 || !monitor_.findings().empty()) return;
  const Call attach{.kind = CallKind::attach, .domain = made, .device = user};
  const bool is_on = call(attach).status == Status::ok;
  const u64 left = is_on ? std::exchange(its.domain, made) : made;
  const Call free{.kind = CallKind::domain_free, .domain = left};
  if (left != 0 && monitor_.findings().empty()) call(free);
  if (is_on) ++numbers_.structures;
}

void Containment::send_commands(u32 user, ByteStream& bytes) {
  const u64 domain = users_[user].domain;
  if (domain == 0) return;
  constexpr u8 opcodes[] = {0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13,
                            0x20, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0x46};
  std::vector<spec::sva::CommandWords> commands(1 + (bytes.byte() & 3));
  for (spec::sva::CommandWords& one : commands) {
    const u8 form = bytes.byte();
    one.low = opcodes[form & 15] | ((form & 16) != 0 ? u64{1} << 32 : 0);  // its own device
    if ((form & 32) != 0) one.low ^= bytes.word();
    one.high = (form & 64) != 0 ? bytes.word() : u64{bytes.byte()} * page_bytes;
  }
  Call invalidate{.kind = CallKind::cache_invalidate, .domain = domain};
  invalidate.commands = commands;
  call(invalidate);
  numbers_.commands += commands.size();
}

/// The host gives pages and takes them away.
void Containment::change_stage2(u32 user, ByteStream& bytes) {
  const u32 page = bytes.byte() % user_pages;
  if ((users_[user].mapped >> page & 1) == 0) {
    map_page(user, page);
  } else {
    Call unmap{.kind = CallKind::unmap, .domain = users_[user].parent};
    unmap.iova = pages_ipa + page * page_bytes;
    unmap.size = page_bytes;
    call(unmap);
    users_[user].mapped &= ~(u64{1} << page);
  }
  ++numbers_.changes;
}

void Containment::access(u32 user, ByteStream& bytes) {
  const u8 how = bytes.byte();
  spec::Access access{.sid = user + 1};
  access.va = (how & 1) != 0 ? bytes.word() : u64{bytes.byte()} * page_bytes;
  if ((how & 2) != 0) access.type = spec::AccessType::write;
  access.ssv = (how & 4) != 0;
  if (access.ssv) access.ssid = how >> 4;
  if (access.ssv && monitor_.interface().duty_of_dma(user, access.ssid).blames_caller) return;
  monitor_.device_access(access, first_);
  ++numbers_.accesses;
}

}  // namespace iommucheck::oracle
