// SPDX-License-Identifier: MIT
// Page requests: each state of the PRI queue, each kind of message, the record bit by bit, and the
// responses of CMD_PRI_RESP. IHI 0070 4.5.2, 8.
#include "spec/smmu/command_legal.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/page_request.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "smmu_device_support.h"
#include "spec/rules/commands.h"
#include "spec/smmu/ppar.h"

namespace iommucheck::spec::smmu_page_request_test {
namespace {

using End = PageRequestEnd;

Capabilities with_pri(unsigned ssidsize = 8, bool pps = false) {
  Capabilities caps = full_capabilities();
  caps.pri = true;
  caps.priqs = 4;
  caps.ssidsize = ssidsize;
  caps.pps = pps;
  return caps;
}

PageRequest a_request(bool last, std::optional<u32> ssid = {}) {
  return {.sid = 3, .ssid = ssid, .address = 0x5000, .prg_index = 7, .last = last, .read = true};
}
PageRequest a_marker() { return {.sid = 3, .ssid = 5, .prg_index = 7, .last = true}; }

/// "recorded", "Success", "Success with PASID", "nothing"; "+ OVFLG", "+ abort", "+ event".
std::string text(const PageRequestOutcome& outcome) {
  std::string said = outcome.end == End::recorded ? "recorded" : "nothing";
  if (outcome.response) {
    said = std::string(response_name(outcome.response->code));
    if (outcome.response->ssid) said += " with PASID";
  }
  if (outcome.overflows) said += " + OVFLG";
  if (outcome.aborts) said += " + abort";
  if (outcome.event != EventType::none) said += " + " + std::string(event_name(outcome.event));
  return said;
}
std::string all_of(const PageRequest& request, const PageQueue& queue, const Capabilities& caps,
                   const PparCheck& check = {.ppar = Ppar::no_pasid}) {
  std::string said;
  for (const PageRequestOutcome& one : page_request_outcomes(request, queue, caps, check)) {
    said += (said.empty() ? "" : " | ") + text(one);
  }
  return said;
}

// ---- a message arrives --------------------------------------------------------------------------

constexpr PageQueue open_queue{.enabled = true};
constexpr PageQueue full_queue{.enabled = true, .full = true};
constexpr PageQueue overflowing{.enabled = true, .full = true, .overflow = true};
constexpr PageQueue with_room_again{.enabled = true, .overflow = true};
constexpr PageQueue aborted_queue{.enabled = true, .aborted = true};
constexpr PageQueue absent_queue{.enabled = true, .write_aborts = true};

TEST(PageRequests, WhatBecomesOfThemInEachState) {
  struct Row {
    const char* name;
    PageQueue queue;
    const char *first, *last, *marker;  ///< of a group; a Stop Marker
  };
  const Row rows[] = {
      {"PRIQEN = 0", {}, "Response Failure", "Response Failure", "nothing"},
      {"PRIQEN = 0, full", {.full = true}, "Response Failure", "Response Failure", "nothing"},
      {"PRIQEN = 0, overflow",
       {.overflow = true},
       "Response Failure",
       "Response Failure",
       "nothing"},
      {"there is room", open_queue, "recorded", "recorded", "recorded"},
      {"full", full_queue, "nothing + OVFLG", "Success + OVFLG", "nothing + OVFLG"},
      {"full, in overflow", overflowing, "nothing", "Success", "nothing"},
      {"room again, in overflow", with_room_again, "nothing", "Success", "nothing"},
      {"PRIQ_ABT_ERR", aborted_queue, "Response Failure", "Response Failure", "nothing"},
      {"PRIQ_ABT_ERR, in overflow",
       {.enabled = true, .aborted = true, .full = true, .overflow = true},
       "Response Failure",
       "Response Failure",
       "nothing"},
      {"the write aborts", absent_queue, "nothing + abort | Response Failure + abort",
       "nothing + abort | Response Failure + abort", "nothing + abort"},
      {"full, the write would abort",
       {.enabled = true, .full = true, .write_aborts = true},
       "nothing + OVFLG",
       "Success + OVFLG",
       "nothing + OVFLG"},
  };
  for (const Row& row : rows) {
    const Capabilities caps = with_pri();
    EXPECT_EQ(all_of(a_request(false), row.queue, caps), row.first) << row.name;
    EXPECT_EQ(all_of(a_request(true), row.queue, caps), row.last) << row.name;
    EXPECT_EQ(all_of(a_marker(), row.queue, caps), row.marker) << row.name;
    PageRequest secure = a_request(false);
    secure.secure = true;
    EXPECT_EQ(all_of(secure, row.queue, caps), "Response Failure") << row.name;
  }
}

/// The PASID of a response to an overflow, and its code. 8.1.
TEST(PageRequests, ThePasidOfAnOverflowsResponse) {
  struct Row {
    unsigned ssidsize;
    bool pps, tagged;
    Ppar ppar;
    const char* expected;
  };
  const Row rows[] = {
      {8, false, false, Ppar::no_pasid, "Success"},
      {8, false, false, Ppar::pasid, "Success"},
      {8, false, false, Ppar::not_found, "Success"},
      {8, true, false, Ppar::not_found, "Success"},
      {8, true, true, Ppar::not_found, "Success with PASID"},
      {8, true, true, Ppar::no_pasid, "Success with PASID"},
      {8, true, true, Ppar::pasid, "Success with PASID"},
      {8, false, true, Ppar::no_pasid, "Success"},
      {8, false, true, Ppar::pasid, "Success with PASID"},
      {8, false, true, Ppar::not_found, "Response Failure"},
      {0, false, true, Ppar::pasid, "Success"},
      {0, false, false, Ppar::pasid, "Success"},
      {0, false, true, Ppar::not_found, "Success | Response Failure"},
      {0, false, false, Ppar::not_found, "Success | Response Failure"},
  };
  for (const Row& row : rows) {
    const PageRequest request = a_request(true, row.tagged ? std::optional<u32>(9) : std::nullopt);
    EXPECT_EQ(all_of(request, overflowing, with_pri(row.ssidsize, row.pps), {.ppar = row.ppar}),
              row.expected)
        << row.ssidsize << row.pps << row.tagged << static_cast<int>(row.ppar);
  }
  EXPECT_EQ(all_of(a_request(true, 9), overflowing, with_pri(),
                   {.ppar = Ppar::not_found, .event = EventType::c_bad_ste}),
            "Response Failure + C_BAD_STE");
  // No PASID where PRIQEN = 0 or PRIQ_ABT_ERR is the reason. 8.2.
  EXPECT_EQ(all_of(a_request(true, 9), {}, with_pri(8, true)), "Response Failure");
  EXPECT_EQ(all_of(a_request(true, 9), aborted_queue, with_pri(8, true)), "Response Failure");
}

/// LWR = 0b100 without a PASID is a page request; whether one with a PASID is, where the SMMU has
/// no SubstreamIDs, is open.
TEST(PageRequests, WhatIsAStopMarker) {
  PageRequest untagged = a_marker();
  untagged.ssid.reset();
  EXPECT_TRUE(is_stop_marker(a_marker()));
  EXPECT_FALSE(is_stop_marker(untagged));
  for (bool PageRequest::* wants : {&PageRequest::read, &PageRequest::write}) {
    PageRequest request = a_marker();
    request.*wants = true;
    EXPECT_FALSE(is_stop_marker(request));
  }
  PageRequest executes = a_marker();
  executes.execute = true;
  EXPECT_TRUE(is_stop_marker(executes)) << "L, W and R alone count";
  EXPECT_EQ(all_of(untagged, overflowing, with_pri()), "Success");
  EXPECT_EQ(all_of(a_marker(), overflowing, with_pri(0)), "nothing | Success");
  EXPECT_EQ(all_of(a_marker(), {}, with_pri(0)), "nothing | Response Failure");
}

/// Over all states: no message is both recorded and answered, a response goes back to where the
/// message came from and has its PASID or none, and nothing is recorded that must not be.
TEST(PageRequests, NoMessageIsBothRecordedAndAnswered) {
  u64 states = 0;
  for (u64 n = 0; n < u64{1} << 16; ++n) {
    const PageQueue queue{.enabled = bit(n, 0),
                          .aborted = bit(n, 1),
                          .full = bit(n, 2),
                          .overflow = bit(n, 3),
                          .write_aborts = bit(n, 4)};
    PageRequest request{.sid = 0x1234,
                        .address = 0xabcd'e000,
                        .prg_index = 0x1a5,
                        .last = bit(n, 5),
                        .write = bit(n, 6),
                        .read = bit(n, 7),
                        .execute = bit(n, 8),
                        .secure = bit(n, 9)};
    if (bit(n, 10)) request.ssid = 0x54321;
    const PparCheck check{.ppar = static_cast<Ppar>(bits(n, 12, 11) % 3)};
    const auto all =
        page_request_outcomes(request, queue, with_pri(bit(n, 13) ? 20 : 0, bit(n, 14)), check);
    ASSERT_FALSE(all.empty());
    for (const PageRequestOutcome& one : all) {
      ++states;
      ASSERT_EQ(one.response.has_value(), one.end == End::answered) << n;
      ASSERT_FALSE(one.section.empty());
      if (one.end == End::recorded) {
        ASSERT_TRUE(queue.enabled && !queue.aborted && !queue.full && !queue.overflow &&
                    !queue.write_aborts && !request.secure)
            << n;
      }
      if (one.overflows) {
        ASSERT_TRUE(queue.enabled && queue.full && !queue.overflow) << n;
      }
      if (!one.response) continue;
      ASSERT_EQ(one.response->sid, request.sid);
      ASSERT_EQ(one.response->prg_index, request.prg_index);
      ASSERT_NE(one.response->code, ResponseCode::invalid_request) << "software alone says that";
      if (one.response->ssid) {
        ASSERT_EQ(one.response->ssid, request.ssid) << n;
        ASSERT_EQ(one.response->code, ResponseCode::success) << n;
      }
    }
  }
  EXPECT_GT(states, u64{1} << 16);
}

// ---- STE.PPAR -----------------------------------------------------------------------------------

/// Words as a map says; what is not in it aborts.
struct Words {
  std::map<u64, u64> at;
  std::optional<u64> read(Structure /*kind*/, u64 pa) {
    const auto found = at.find(pa);
    return found == at.end() ? std::nullopt : std::optional(found->second);
  }
};

TEST(PageRequests, WhereStePparIsFound) {
  constexpr u64 table = 0x10000;
  SmmuState smmu;
  smmu.caps = with_pri();
  smmu.smmuen = true;
  smmu.streams.base = table;
  smmu.streams.log2size = smmu.streams.sid_bits = 2;
  Words memory;
  const auto put = [&](u32 sid, const Ste<u64>& ste) {
    for (u64 i = 0; i < ste_words; ++i) memory.at[table + 64 * u64{sid} + 8 * i] = ste.dw[i];
  };
  Ste<u64> ste = make_stage1_ste({.s1contextptr = 0x2000});
  put(0, ste);
  ste.dw[1] |= u64{1} << (82 - 64);
  put(1, ste);
  put(2, {});  // V = 0
  const auto found = [&](u32 sid) { return check_ppar(memory, smmu, sid); };
  EXPECT_EQ(found(0).ppar, Ppar::no_pasid);
  EXPECT_EQ(found(1).ppar, Ppar::pasid);
  for (const bool recinvsid : {false, true}) {
    for (const bool rec_cfg_ats : {false, true}) {
      smmu.recinvsid = recinvsid;
      smmu.rec_cfg_ats = rec_cfg_ats;
      const auto said = [&](EventType event, bool asked) {
        return rec_cfg_ats && asked ? event : EventType::none;
      };
      for (const u32 sid : {2U, 3U, 4U}) EXPECT_EQ(found(sid).ppar, Ppar::not_found) << sid;
      EXPECT_EQ(found(2).event, said(EventType::c_bad_ste, true));
      EXPECT_EQ(found(3).event, said(EventType::f_ste_fetch, true));
      EXPECT_EQ(found(4).event, said(EventType::c_bad_streamid, recinvsid));
    }
  }
  put(0, make_abort_ste());  // it is valid all the same
  EXPECT_EQ(found(0).ppar, Ppar::no_pasid);
  smmu.smmuen = false;
  EXPECT_EQ(found(1).ppar, Ppar::not_found);
  EXPECT_EQ(found(2).event, EventType::none);
}

// ---- the record ---------------------------------------------------------------------------------

TEST(PageRequests, TheRecordBitByBit) {
  const Capabilities caps = with_pri(20);
  PageRequest request{.sid = 0x89abcdef, .ssid = 0xfedcb, .address = 0x1234'5678'9abc'd000};
  request.prg_index = 0x155;
  const PageRequestRecord plain = record_of(request, caps);
  EXPECT_EQ(plain.dw[0], 0x800f'edcb'89ab'cdefU);
  EXPECT_EQ(plain.dw[1], 0x1234'5678'9abc'd155U);
  EXPECT_EQ(plain.fixed[0], ~u64{0});
  EXPECT_EQ(plain.fixed[1], ~u64{0});
  const std::pair<bool PageRequest::*, unsigned> flags[] = {{&PageRequest::last, 62},
                                                            {&PageRequest::write, 61},
                                                            {&PageRequest::read, 60},
                                                            {&PageRequest::execute, 59},
                                                            {&PageRequest::privileged, 58}};
  for (const auto& [flag, place] : flags) {
    PageRequest other = request;
    other.*flag = true;
    EXPECT_EQ(record_of(other, caps).dw[0] ^ plain.dw[0], u64{1} << place);
  }
}

/// X and Priv are 0 then, and SubstreamID says nothing. 8.
TEST(PageRequests, WithoutAPasid) {
  PageRequest request = a_request(true);
  request.execute = request.privileged = true;
  for (const unsigned ssidsize : {0U, 8U}) {
    request.ssid = ssidsize == 0 ? std::optional<u32>(5) : std::nullopt;
    const PageRequestRecord record = record_of(request, with_pri(ssidsize));
    EXPECT_EQ(bits(record.dw[0], 63, 58), 0b010100U) << "SSV, Last, W, R, X, Priv";
    EXPECT_EQ(record.fixed[0], ~mask(51, 32));
    PageRequestWords seen = record.dw;
    seen[0] |= u64{0x77} << 32;
    EXPECT_TRUE(matches(record, seen));
    seen[0] |= u64{1} << 52;
    EXPECT_FALSE(matches(record, seen)) << "a reserved bit";
  }
}

TEST(PageRequests, ARecordNamesItsMessage) {
  std::mt19937_64 engine(5);
  for (unsigned i = 0; i < 2000; ++i) {
    PageRequest request{.sid = static_cast<u32>(engine()),
                        .address = engine() & ~mask(11, 0),
                        .prg_index = static_cast<u32>(engine() & mask(8, 0)),
                        .last = engine() % 2 == 0,
                        .write = engine() % 2 == 0,
                        .read = engine() % 2 == 0};
    if (engine() % 2 == 0) {
      request.ssid = static_cast<u32>(engine() & mask(19, 0));
      request.execute = engine() % 2 == 0;
      request.privileged = engine() % 2 == 0;
    }
    const PageRequestRecord record = record_of(request, with_pri(20));
    ASSERT_EQ(page_request_in(record.dw), request);
    ASSERT_TRUE(matches(record, record.dw));
    // Each bit that is another one is named, but those of a SubstreamID that is UNKNOWN.
    const auto n = static_cast<unsigned>(engine() % 128);
    PageRequestWords wrong = record.dw;
    wrong[n / 64] ^= u64{1} << (n % 64);
    const bool unknown = n >= 32 && n < 52 && !request.ssid;
    ASSERT_EQ(matches(record, wrong), unknown) << n;
    ASSERT_EQ(differences(record, wrong).size(), unknown ? 0U : 1U) << n;
  }
  const PageRequestRecord record = record_of(a_request(true), with_pri());
  EXPECT_EQ(differences(record, {record.dw[0], record.dw[1] ^ 2}).front().name, "PRGIndex");
  EXPECT_EQ(differences(record, {record.dw[0], record.dw[1] ^ 0x200}).front().name,
            "a reserved bit");
}

// ---- CMD_PRI_RESP -------------------------------------------------------------------------------

Command pri_resp(u64 resp, std::optional<u32> ssid = {}) {
  Command command;
  command.op = Opcode::pri_resp;
  command.sid = 3;
  command.prg_index = 0x1ff;
  command.resp = resp;
  command.ssv = ssid.has_value();
  command.ssid = ssid.value_or(0);
  return command;
}

std::string sent(const Command& command, const Capabilities& caps, bool smmuen = true) {
  std::string said;
  for (const auto& one : command_responses(command, caps, smmuen)) {
    said += (said.empty() ? "" : " | ") + (one ? describe(*one) : "nothing");
  }
  return said;
}

TEST(PageResponses, WhatACommandSends) {
  const Capabilities caps = with_pri();
  EXPECT_EQ(sent(pri_resp(0), caps), "Response Failure to 0x3, PRG index 511, without a PASID");
  EXPECT_EQ(sent(pri_resp(1), caps), "Invalid Request to 0x3, PRG index 511, without a PASID");
  EXPECT_EQ(sent(pri_resp(2), caps), "Success to 0x3, PRG index 511, without a PASID");
  EXPECT_EQ(sent(pri_resp(2, 0), caps), "Success to 0x3, PRG index 511, PASID 0x0");
  EXPECT_EQ(sent(pri_resp(0, 0xfffff), with_pri(20)),
            "Response Failure to 0x3, PRG index 511, PASID 0xfffff");
  EXPECT_EQ(sent(pri_resp(2, 4), with_pri(0)),
            "Success to 0x3, PRG index 511, without a PASID | nothing");
}

TEST(PageResponses, WhatSendsNothing) {
  const Capabilities caps = with_pri();
  Capabilities without = caps;
  without.pri = false;
  EXPECT_EQ(sent(pri_resp(3), caps), "nothing") << "CERROR_ILL";
  EXPECT_EQ(check_command(pri_resp(3), caps), rule::CMD_PRI_RESP);
  EXPECT_EQ(sent(pri_resp(2), without), "nothing") << "CERROR_ILL";
  EXPECT_EQ(check_command(pri_resp(2), without), rule::CMD_NOT_IMPLEMENTED);
  EXPECT_FALSE(check_command(pri_resp(2, 4), with_pri(0)).has_value());
  EXPECT_EQ(sent(pri_resp(2), caps, false), "nothing") << "SMMUEN = 0";
  EXPECT_EQ(sent(cmd_sync(), caps), "nothing");
}

// ---- the queue ----------------------------------------------------------------------------------

/// A PRI queue of four records.
struct PageQueues : ::testing::Test {
  DriverMachine m{with_pri()};

  void SetUp() override {
    m.boot();
    m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
    m.write(reg::priq_prod, 0);
    m.write(reg::priq_cons, 0);
    m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen | cr0::smmuen);
  }
  std::string take(const PageRequest& request) {
    const auto all =
        page_request_outcomes(request, m.smmu.page_queue(), with_pri(), {.ppar = Ppar::no_pasid});
    EXPECT_EQ(all.size(), 1U);
    m.smmu.take_page_request(request, all.front());
    return text(all.front());
  }
};

TEST_F(PageQueues, FillsOverflowsAndGoesOn) {
  constexpr u64 ovflg = queue_overflow_flag;
  for (u64 round = 0; round < 3; ++round) {
    const u64 flag = round % 2 == 0 ? 0 : ovflg;
    const u64 cons = m.read(reg::priq_prod) & 7;
    for (u64 i = 0; i < 4; ++i) {
      PageRequest request = a_request(i == 3);
      request.prg_index = static_cast<u32>(i);
      const u64 place = m.smmu.page_slot();
      EXPECT_EQ(take(request), "recorded");
      const PageRequestWords words = {m.caches().memory().newest(place).value,
                                      m.caches().memory().newest(place + 8).value};
      EXPECT_EQ(page_request_in(words), request);
    }
    EXPECT_EQ(m.read(reg::priq_prod), ((cons + 4) & 7) | flag);
    EXPECT_EQ(take(a_request(true)), "Success + OVFLG");
    EXPECT_EQ(take(a_request(false)), "nothing");
    EXPECT_EQ(m.read(reg::priq_prod), ((cons + 4) & 7) | (flag ^ ovflg)) << "toggles once";
    m.write(reg::priq_cons, ((cons + 2) & 7) | flag);
    EXPECT_EQ(take(a_request(true)), "Success") << "there is room, and it is not acknowledged";
    m.write(reg::priq_cons, ((cons + 4) & 7) | (flag ^ ovflg));
    EXPECT_EQ(m.broken(), "");
  }
}

TEST_F(PageQueues, IsDisabledByEachOfTwoBits) {
  EXPECT_EQ(take(a_request(false)), "recorded");
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen);
  EXPECT_EQ(take(a_request(false)), "Response Failure");
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::priqen);
  EXPECT_EQ(take(a_request(false)), "recorded");
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::smmuen);
  EXPECT_EQ(take(a_request(false)), "Response Failure");
  EXPECT_EQ(m.read(reg::priq_prod), 2U);
}

TEST_F(PageQueues, AnAbortIsAGlobalError) {
  PageQueue queue = m.smmu.page_queue();
  queue.write_aborts = true;
  for (const PageRequestOutcome& one :
       page_request_outcomes(a_request(true), queue, with_pri(), {})) {
    m.smmu.take_page_request(a_request(true), one);
  }
  EXPECT_EQ(m.read(reg::gerror), gerror::priq_abt_err) << "it is active once";
  EXPECT_EQ(m.read(reg::priq_prod), 0U);
  EXPECT_EQ(take(a_request(false)), "Response Failure");
  m.write(reg::gerrorn, gerror::priq_abt_err);
  EXPECT_EQ(take(a_request(false)), "recorded");
  EXPECT_EQ(m.broken(), "");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_page_request_test
