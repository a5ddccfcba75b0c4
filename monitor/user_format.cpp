// SPDX-License-Identifier: MIT
#include "monitor/user_format.h"

#include "spec/smmu/command.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/coverage.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/ste.h"
#include "spec/smmu/ste_legal.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::UserCommand;
using spec::sva::UserRoute;

constexpr u32 cd_bytes = 64;
constexpr u64 page_mask = 4095;
constexpr u64 whole_atc = 52;  // Size of a CMD_ATC_INV: 2^64 bytes

/// Of words 0 and 1: V, Config, S1Fmt, S1ContextPtr, S1CDMax; S1DSS, S1CIR, S1COR, S1CSH, S1STALLD,
/// EATS.
constexpr u64 users_bits(unsigned word) {
  return word == 0 ? mask(5, 0) | mask(51, 6) | mask(63, 59) : mask(7, 0) | mask(29, 27);
}

UserRoute::First first_of(const spec::Ste<u64>& ste) {
  switch (ste.s1dss()) {
    case 1: return UserRoute::First::bypass;
    case 2: return UserRoute::First::entry_0;
    default: return UserRoute::First::terminate;  // 3 is reserved, and acts like 0
  }
}

/// Legal over a stage 2 that is; what stage 2 says itself is the host's. S1ContextPtr, then an
/// intermediate address, and EATS are not judged as they are without one. IHI 0070 5.2.2.
bool is_legal(const spec::Ste<u64>& ste, const spec::Capabilities& caps) {
  spec::Ste<u64> alone = ste;
  alone.dw[0] &= ~mask(51, 6);
  alone.dw[1] &= ~mask(29, 28);
  if (spec::decode_ste(alone, caps).kind == spec::SteKind::bad) return false;
  if (ste.stage2().value) return false;
  const bool eats_counts = caps.ats && ste.stage1().value;
  return !eats_counts || ste.eats() != 2 || !caps.ns1ats;
}

/// Reserved encodings, which hardware takes for others; what it ignores; a table beyond the input
/// of stage 2, which may make the STE ILLEGAL; and split-stage ATS, which a host need not offer.
/// IHI 0070 3.4.3, 5.2: Config, S1CDMax, S1DSS, S1Fmt, S1CSH, S1ContextPtr, EATS.
bool may_be_refused(const spec::Ste<u64>& ste, const spec::Capabilities& caps) {
  const bool translates = ste.config_translates().value;
  const bool stage1 = translates && ste.stage1().value;
  const bool has_table = stage1 && spec::substreams_used(ste, caps).value;
  if (!translates && ste.config() != 0) return true;
  if (caps.ssidsize == 0 && ste.s1cdmax() != 0) return true;
  if (has_table && (ste.s1dss() == 3 || ste.s1fmt() == 3)) return true;
  if (stage1 && ste.s1csh() == 1) return true;
  if (stage1 && (ste.s1contextptr() >> spec::ias_lg2(caps)) != 0) return true;
  return ste.eats() > 1 || (ste.eats() == 1 && (!caps.ats || !stage1));
}

/// Whether a TLBI by address removes what users map: pages of 4 KiB at level 3. IHI 0070 4.4.1.
bool is_of_users_pages(const spec::Command& command) {
  if (command.tg == 0) return true;
  const bool leaves = command.ttl == 0 || command.ttl == spec::last_level;
  return command.tg == 1 && leaves && spec::tlbi_range_predictable(command);
}

}  // namespace

std::optional<UserRoute> Smmuv3UserFormat::route(const std::array<u64, 2>& structure) const {
  if ((structure[0] & ~users_bits(0)) != 0 || (structure[1] & ~users_bits(1)) != 0) {
    return std::nullopt;
  }
  spec::Ste<u64> ste;
  ste.dw[0] = structure[0];
  ste.dw[1] = structure[1];
  if (!is_legal(ste, caps_)) return std::nullopt;
  UserRoute route;
  route.may_be_refused = may_be_refused(ste, caps_);
  const bool has_table = spec::substreams_used(ste, caps_).value;
  route.table_is_ignored = !has_table && ste.s1cdmax() != 0;
  if (!ste.config_translates().value) return route;
  if (!ste.stage1().value) {
    route.kind = UserRoute::Kind::bypass;
    return route;
  }
  route.kind = UserRoute::Kind::stage1;
  route.entries = ste.s1contextptr();
  route.entry_bytes = cd_bytes;
  route.pasid_bits = has_table ? static_cast<u32>(ste.s1cdmax()) : 0;
  route.linear = route.pasid_bits == 0 || ste.s1fmt() == 0 || ste.s1fmt() == 3;
  route.never_waits = ste.s1stalld().value;
  if (route.pasid_bits == 0) return route;
  route.first = first_of(ste);
  return route;
}

UserCommand Smmuv3UserFormat::command(const spec::sva::CommandWords& words) const {
  UserCommand user;
  const spec::Command command = spec::decode_command(words.low, words.high, caps_);
  const spec::CommandWords again = spec::encode_command(command);
  // Of 16 KiB TTL = 1 is reserved, and hardware takes it for 0. IHI 0070 4.4.1.
  const u64 ignored = command.tg == 2 && command.ttl == 0 ? words.high & mask(9, 8) : 0;
  const bool reserved = again.dw0 != words.low || (again.dw1 | ignored) != words.high;
  if (reserved || spec::check_command(command, caps_)) return user;
  user.may_be_refused = ignored != 0;
  using spec::Opcode;
  switch (command.op) {
    case Opcode::tlbi_nh_va: user.asid = command.asid; [[fallthrough]];
    case Opcode::tlbi_nh_vaa: {
      const bool removes = is_of_users_pages(command);
      user.kind = removes ? UserCommand::Kind::translations : UserCommand::Kind::nothing_owed;
      user.leaves_only = command.leaf.value;
      const auto range = spec::tlbi_range(command);
      user.first = range.first & ~page_mask;
      user.last = range.last | page_mask;
      return user;
    }
    case Opcode::tlbi_nh_asid: user.asid = command.asid; [[fallthrough]];
    case Opcode::tlbi_nh_all:
    case Opcode::tlbi_nsnh_all: user.kind = UserCommand::Kind::translations; return user;
    case Opcode::cfgi_cd: user.pasid = static_cast<u32>(command.ssid); [[fallthrough]];
    case Opcode::cfgi_cd_all:
      user.kind = UserCommand::Kind::entry;
      user.stream = command.sid;
      return user;
    // A new structure is a new call, and this one changes nothing. INTERFACE "Nested"; IHI 0070
    // 4.3.7.
    case Opcode::cfgi_ste: user.may_be_refused = true; [[fallthrough]];
    // A Size beyond all of it may stop the host's queue. IHI 0070 4.5.1.
    case Opcode::atc_inv:
      user.may_be_refused |= command.op == Opcode::atc_inv && command.size > whole_atc;
      user.kind = UserCommand::Kind::nothing_owed;
      user.stream = command.sid;
      return user;
    default: return user;
  }
}

/// Of the user's are faults of stage 1, and what its CDs, S1DSS and S1CDMax make. External aborts,
/// whose records have physical addresses (7.3.12), conflicts of what is cached, the STE, ATS, and
/// all of stage 2 are the host's. What is UNKNOWN in a record may be anybody's: it is 0 here, as
/// are STAG and Stall, since the user can resume nothing. IHI 0070 7.3.
std::optional<spec::sva::EventWords> Smmuv3UserFormat::event(const spec::sva::EventWords& record,
                                                             u64 number) const {
  using spec::EventType;
  constexpr u64 pnu_ind_rnw = mask(35, 33);
  constexpr u64 class_field = mask(41, 40);
  const EventType type = spec::event_type_of(record);
  spec::sva::EventWords told = {static_cast<u64>(type) | number << 32};
  if (spec::is_translation_fault(type)) {
    if (bit(record[1], 39)) return std::nullopt;  // S2
    told[1] = record[1] & (pnu_ind_rnw | class_field);
    told[2] = record[2];  // InputAddr: the user's, as S2 is 0
  }
  switch (type) {
    case EventType::f_translation:
    case EventType::f_addr_size:
    case EventType::f_access:
    case EventType::f_permission:
    case EventType::c_bad_cd:
      if (bit(record[0], 11)) told[0] |= record[0] & (mask(11, 11) | mask(31, 12));  // SSV
      return told;
    case EventType::c_bad_substreamid: told[0] |= record[0] & mask(31, 12); return told;
    case EventType::f_stream_disabled: return told;
    default: return std::nullopt;
  }
}

}  // namespace iommucheck::oracle
