// SPDX-License-Identifier: MIT
// Transactions that wait: each has a name of its own, and a command ends those that it names and no
// others. IHI 0070 3.12.2, 4.6, 4.7.1.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

/// Two streams with CD.S = 1 and nothing mapped.
CaseBuilder stalling(const DeviceIdentity& device, const std::string& name,
                     CaseOptions options = {}) {
  options.about_stalls = true;
  CaseBuilder b(device, "stalls: " + name, options);
  for (unsigned e = 0; e < 2; ++e) {
    spec::Cd<u64> cd = b.plain_cd(b.root(Granule::g4k, 25), 25, 1 + e);
    cd.dw[0] |= u64{1} << 44;
    b.cd(e, cd);
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  return b;
}

void names_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned streams) {
  CaseBuilder b = stalling(device, fmt::format("several of {} streams", streams));
  for (u64 i = 0; i < 6; ++i) {
    b.access(0x1000 * (1 + i), i % 2 == 0, static_cast<unsigned>(i % streams));
    if (i % 3 == 2) b.poll();
  }
  b.poll();
  cases.push_back(b.take());
}

/// With room for few records: what has none waits for room.
void full_queue_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b = stalling(device, "with a full event queue", {.eventq_lg2 = 1});
  for (unsigned round = 0; round < 2; ++round) {
    for (u64 i = 0; i < 4; ++i) b.access(0x1000 * (1 + i) + 0x10000 * u64{round});
    for (unsigned i = 0; i < 3; ++i) b.poll();
  }
  cases.push_back(b.take());
}

/// They end by a command for their stream, and others may come; SMMUEN = 0 ends all.
void end_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const bool disabled : {false, true}) {
    CaseBuilder b = stalling(device, disabled ? "SMMUEN = 0 ends them" : "CMD_STALL_TERM");
    for (unsigned round = 0; round < 3; ++round) {
      for (u64 i = 0; i < 3; ++i) {
        b.access(0x1000 * (1 + i), false, static_cast<unsigned>(i % 2));
      }
      b.poll();
      if (disabled) {
        b.disable();
        b.enable();
      } else {
        for (unsigned e = 0; e < 2; ++e) b.command(spec::cmd_stall_term(b.sid(e)));
        b.sync();
      }
    }
    b.poll();
    cases.push_back(b.take());
  }
}

enum class Ending : u8 { stall_term, disabled, terminated, tried_again };

const char* ending_name(Ending ending) {
  switch (ending) {
    case Ending::stall_term: return "CMD_STALL_TERM";
    case Ending::disabled: return "SMMUEN = 0";
    case Ending::terminated: return "CMD_RESUME, Ac = 0,";
    case Ending::tried_again: return "CMD_RESUME, Ac = 1,";
  }
  return "?";
}

/// As often as the SMMU has names, and once more: each is told, since nothing else waits.
void names_free_case(const DeviceIdentity& device, std::vector<Case>& cases, Ending ending) {
  const unsigned names = spec::parse_capabilities(device.id).stall_max;
  constexpr unsigned most = 64;
  if (names > most) return;
  CaseBuilder b = stalling(device, fmt::format("{} frees names", ending_name(ending)));
  const spec::Ste<u64> translates = b.stage1_ste(0);
  spec::Ste<u64> ends{};
  ends.dw[0] = 1;
  const auto end_all = [&] {
    b.command(spec::cmd_stall_term(b.sid(0)));
    b.sync();
  };
  const auto put = [&](const spec::Ste<u64>& ste) {
    b.ste(0, ste);
    spec::Command cfgi;
    cfgi.op = spec::Opcode::cfgi_ste;
    cfgi.sid = b.sid(0);
    b.command(cfgi);
    b.sync();
  };
  for (unsigned i = 0; i <= names; ++i) {
    if (i == 0 || ending != Ending::tried_again) b.access(0x1000);
    for (unsigned look = 0; look < 3; ++look) b.poll();
    switch (ending) {
      case Ending::stall_term:
        put(ends);
        end_all();
        put(translates);
        break;
      case Ending::disabled:
        b.disable();
        b.enable();
        break;
      case Ending::terminated:
      case Ending::tried_again: b.resume(ending == Ending::tried_again); break;
    }
  }
  cases.push_back(b.take());
}

/// Commands that name another stream leave what waits, and its STAG: CMD_RESUME of each of the
/// STAGs that it may have, CMD_STALL_TERM of a stream that ends what it sends. What is ended shows
/// where its STAG is given again, which may be late; what tries again is recorded anew at once.
void other_stream_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 stags = 16;
  struct Way {
    const char* name;
    bool by_name, retries;
  };
  for (const auto& [name, by_name, retries] :
       {Way{"CMD_RESUME of another stream", true, false},
        Way{"CMD_RESUME of another stream, which tries again", true, true},
        Way{"CMD_STALL_TERM of another stream", false, false}}) {
    CaseBuilder b = stalling(device, name);
    for (unsigned round = 0; round < 3; ++round) {
      for (u64 i = 0; i < 3; ++i) b.access(0x1000 * (1 + i + 3 * round));
      b.poll();
      if (round == 2) break;
      if (!by_name && round == 0) {
        spec::Ste<u64> ends_all{};
        ends_all.dw[0] = 1;
        b.ste(1, ends_all);
        spec::Command cfgi;
        cfgi.op = spec::Opcode::cfgi_ste;
        cfgi.sid = b.sid(1);
        b.command(cfgi);
        b.sync();
      }
      for (u64 i = 0; i < (by_name ? stags : 1); ++i) {
        spec::Command ends = spec::cmd_stall_term(b.sid(1));
        if (by_name) ends.op = spec::Opcode::resume;
        ends.stag = i;
        ends.ac = retries;
        ends.ab = by_name && !retries;
        b.command(ends);
      }
      b.sync();
    }
    cases.push_back(b.take());
  }
}

}  // namespace

void stall_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.stall_model == spec::StallModel::never || !caps.s1p || !caps.gran4k) return;
  for (const unsigned streams : {1U, 2U}) names_case(device, cases, streams);
  full_queue_case(device, cases);
  end_cases(device, cases);
  other_stream_cases(device, cases);
  for (const Ending ending :
       {Ending::stall_term, Ending::disabled, Ending::terminated, Ending::tried_again}) {
    names_free_case(device, cases, ending);
  }
}

}  // namespace iommucheck::oracle
