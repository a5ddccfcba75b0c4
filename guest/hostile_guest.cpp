// SPDX-License-Identifier: MIT
#include "guest/hostile_guest.h"

#include <fmt/format.h>

#include <array>

#include "guest/virtual_registers.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 structures_bytes = 0x8000;  // in which what it writes lies
constexpr unsigned queue_lg2 = 4;
// Where it has what a driver would have, at first.
constexpr u64 commands_at = 0x0, events_at = 0x1000, streams_at = 0x2000, cds_at = 0x3000,
              table_at = 0x4000;
constexpr unsigned streams_lg2 = 4, cds_lg2 = 2;
constexpr u64 first_pages = 16;                                        // that its table maps
constexpr u64 word0_of_cd = 0x0001'6e05'c000'3519, mair_of_cd = 0xff;  // HA, HD
constexpr u64 leaf = 0x743;                                  // a page, to be read and written
constexpr u64 clean = u64{1} << 51 | 1 << 7;                 // which a write marks
constexpr u64 stage1_ste = 1 | 5 << 1, word1_of_ste = 0xd6;  // write-back, S1DSS = entry 0
/// Of a step: all that a queue of the greatest size may hold, twice, and what each may cost.
constexpr u64 commands_max = u64{2} << 8;

/// Everything that a driver claims to be done is drawn from few places.
constexpr std::array<u32, 22> offsets = {vsmmu::cr0,           vsmmu::cr0,
                                         vsmmu::cr0,           vsmmu::cr1,
                                         vsmmu::cr2,           vsmmu::gbpa,
                                         vsmmu::irq_ctrl,      vsmmu::gerrorn,
                                         vsmmu::gerrorn,       vsmmu::strtab_base,
                                         vsmmu::strtab_base,   vsmmu::strtab_base_cfg,
                                         vsmmu::cmdq_base,     vsmmu::cmdq_prod,
                                         vsmmu::cmdq_prod,     vsmmu::cmdq_cons,
                                         vsmmu::eventq_base,   vsmmu::eventq_prod,
                                         vsmmu::eventq_cons,   vsmmu::strtab_base + 4,
                                         vsmmu::cmdq_base + 4, 0xffc};

spec::Capabilities hostile_capabilities() {
  spec::Capabilities caps = guest_capabilities(spec::parse_capabilities(default_id_registers()));
  caps.httu = 2;
  return caps;
}

}  // namespace

HostileGuest::HostileGuest(const iommucheck_driver& driver, const Guest::MakeSmmu& make_smmu)
    : setup_{.caps = hostile_capabilities(),
             .devices = {{.stream_ids = {1}, .ssid_bits = 4}, {.stream_ids = {2}}}},
      guest_(driver, setup_, make_smmu) {}

/// What leads on, so that not every sequence has to find it.
std::string HostileGuest::boot() {
  if (std::string failed = guest_.host().boot(); !failed.empty()) return failed;
  VirtualSmmu& smmu = guest_.smmu();
  const u64 base = setup_.places.window_pa;
  const auto put = [&](u64 at, u64 value) { smmu.stored(base + at, value); };
  for (u64 sid = 1; sid <= 2; ++sid) {
    put(streams_at + 64 * sid, base + cds_at + stage1_ste + ((sid == 1 ? u64{cds_lg2} : 0) << 59));
    put(streams_at + 64 * sid + 8, word1_of_ste);
  }
  for (u64 cd = cds_at; cd < cds_at + (u64{64} << cds_lg2); cd += 64) {
    put(cd, word0_of_cd);
    put(cd + 8, base + table_at);
    put(cd + 24, mair_of_cd);
  }
  put(table_at, (base + table_at + 0x1000) | 3);
  put(table_at + 0x1000, (base + table_at + 0x2000) | 3);
  for (u64 i = 0; i < first_pages; ++i) {
    const u64 flags = i % 2 == 0 ? leaf : leaf | clean;
    put(table_at + 0x2000 + 8 * i, (setup_.places.pages_pa + i * 0x81000) | flags);
  }
  switch_on();
  guest_.snapshot();
  return {};
}

void HostileGuest::switch_on() {
  using namespace vsmmu;
  VirtualSmmu& smmu = guest_.smmu();
  const u64 base = setup_.places.window_pa;
  smmu.write(cr0, 4, 0);
  smmu.write(cmdq_base, 8, base + commands_at + queue_lg2);
  smmu.write(cmdq_prod, 4, 0);
  smmu.write(cmdq_cons, 4, 0);
  smmu.write(eventq_base, 8, base + events_at + queue_lg2);
  smmu.write(strtab_base, 8, base + streams_at);
  smmu.write(strtab_base_cfg, 4, streams_lg2);
  smmu.write(gerrorn, 4, smmu.read(gerror, 4));
  smmu.write(cr0, 4, cr0_fields);
  prod_ = 0;
}

std::string HostileGuest::run(std::span<const u8> bytes) {
  guest_.restore();
  prod_ = 0;
  const Monitor& monitor = guest_.host().monitor();
  for (ByteStream rest(bytes); !rest.is_empty();) {
    const u64 commands = guest_.smmu().numbers().commands;
    std::string wrong;
    switch (rest.byte() & 15) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: store(rest); break;
      case 5: write(rest); break;
      case 6: switch_on(); break;
      case 7:
      case 8:
      case 9: command(rest); break;
      case 10: change_memory(rest); break;
      default: wrong = access(rest);
    }
    if (!wrong.empty()) return wrong;
    if (!monitor.findings().empty()) return "the host's driver breaks a rule";
    if (guest_.smmu().numbers().commands - commands > commands_max) {
      return "one register write has made more commands than a queue can hold";
    }
    if (monitor.gave_up()) return {};
  }
  return {};
}

/// Of garbage hardly anything leads on: some words are what a fetch or a walk takes, but for a few
/// bits. All of them are IPAs, or the host's own addresses, which mean nothing to a guest.
void HostileGuest::store(ByteStream& bytes) {
  const u64 base = setup_.places.window_pa;
  u64 place = base + 8 * (bytes.byte() | u64{bytes.byte()} << 8) % structures_bytes;
  const u8 form = bytes.byte();
  const u64 inside = base + (u64{form} >> 4) * guest_page_bytes;
  const u64 noise = (form & 8) != 0 ? bytes.word() : 0;
  u64 value = 0;
  switch (form & 7) {
    case 0: value = bytes.word(); break;
    case 1: value = inside | 3; break;  // a table
    case 2: value = (setup_.places.pages_pa + (u64{form} >> 4) * guest_page_bytes) | leaf; break;
    case 3: value = word0_of_cd | u64{form} << 44; break;
    case 4: value = inside; break;  // TTB0
    case 5: value = guest_.host().monitor().setup().window_pa | leaf; break;
    case 6:
      place = base + streams_at + 64 * (1 + (form >> 7));  // its devices' STEs
      value = inside | 1 | u64{form & 0x10 ? 4U : 5U} << 1 | u64{form & 0x20 ? 2U : 0U} << 59;
      break;
    default: value = 0;
  }
  guest_.smmu().stored(place, value ^ noise);
  ++numbers_.stores;
}

void HostileGuest::write(ByteStream& bytes) {
  const u8 how = bytes.byte();
  const u32 offset = offsets[how % offsets.size()];
  const u64 value = (how & 0x80) != 0 ? bytes.word() : u64{bytes.byte()};
  guest_.smmu().write(offset, (how & 0x40) != 0 ? 8 : 4, value);
  guest_.smmu().read(offset, 4);
  ++numbers_.writes;
}

/// In the next slot of the queue that it began with, and PROD behind it.
void HostileGuest::command(ByteStream& bytes) {
  constexpr u8 opcodes[] = {0x03, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12,
                            0x13, 0x20, 0x28, 0x2a, 0x30, 0x40, 0x44, 0x46};
  const u8 form = bytes.byte();
  u64 low = opcodes[form & 15] | (form & 16 ? u64{1} : u64{2}) << 32;  // one of its devices
  if ((form & 32) != 0) low ^= bytes.word();
  const bool by_address = (low & 0xfe) == vsmmu::tlbi_nh_va;
  const u64 page = by_address ? u64{bytes.byte()} * guest_page_bytes : 0;
  const u64 high = (form & 64) != 0 ? bytes.word() : page;
  const u64 at = setup_.places.window_pa + commands_at + 16 * (prod_ & ((1U << queue_lg2) - 1));
  guest_.smmu().stored(at, low);
  guest_.smmu().stored(at + 8, high);
  prod_ = (prod_ + 1) & ((2U << queue_lg2) - 1);
  guest_.smmu().write(vsmmu::cmdq_prod, 4, prod_);
  ++numbers_.commands;
  const u64 gerror = guest_.smmu().read(vsmmu::gerror, 4);
  if ((form & 128) != 0 || gerror == guest_.smmu().read(vsmmu::gerrorn, 4)) return;
  // As a driver does: another command in the place of the one at which the queue stands.
  const u64 stands = guest_.smmu().read(vsmmu::cmdq_cons, 4) & ((1U << queue_lg2) - 1);
  guest_.smmu().stored(setup_.places.window_pa + commands_at + 16 * stands, vsmmu::cmd_sync);
  guest_.smmu().write(vsmmu::gerrorn, 4, gerror);
}

void HostileGuest::change_memory(ByteStream& bytes) {
  const u64 ipa = setup_.places.pages_pa + u64{bytes.byte()} % 8 * (u64{2} << 20);
  HostSide& host = guest_.host();
  host.is_away(ipa) ? host.give_back(ipa) : host.take_away(ipa);
}

/// Where stage 2 lets nobody through the address is the guest's own, of memory that it has not.
std::string HostileGuest::access(ByteStream& bytes) {
  const u8 how = bytes.byte();
  spec::Access access{.sid = 1U + (how & 1)};
  access.va = (how & 18) == 18 ? bytes.word() : u64{bytes.byte()} % 32 * guest_page_bytes;
  if ((how & 4) != 0) access.type = spec::AccessType::write;
  access.ssv = (how & 8) != 0 && (how & 1) == 0;
  if (access.ssv) access.ssid = how >> 5;
  access.route = spec::Route::untranslated;
  OtherSmmu::Traces traces;
  const OtherSmmu::Seen seen = guest_.smmu().access(access, traces);
  guest_.smmu().may_meet(access);
  if (const auto where = guest_.host().escaped()) {
    return fmt::format("an access at {:#x} may reach {:#x}, which is not the guest's", access.va,
                       *where);
  }
  guest_.smmu().follow(access);
  ++numbers_.accesses;
  for (const OtherSmmu::Record& record : traces.records) {
    if (record[0] >> 32 != access.sid) {
      return fmt::format("an event of stream {:#x} names {:#x}", access.sid, record[0] >> 32);
    }
  }
  numbers_.marked += traces.marks.size();
  numbers_.reached += seen.pa && guest_.host().has(*seen.pa) ? 1 : 0;
  return {};
}

}  // namespace iommucheck::oracle
