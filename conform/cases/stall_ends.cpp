// SPDX-License-Identifier: MIT
// What stalled and is ended does nothing more: by CMD_RESUME with each action that terminates, by
// CMD_STALL_TERM, by SMMUEN = 0. What is tried again is as though it had just arrived, and what met
// a full event queue is told when there is room. IHI 0070 3.12.2, 4.7.1, 4.7.2, 6.3.9.
#include <fmt/format.h>

#include <optional>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

constexpr unsigned looks_in_finite_time = 4;

/// Stream 0 has CD.S = 1 and nothing mapped; what stream 1 sends is a configuration error.
CaseBuilder one_stalling(const DeviceIdentity& device, const std::string& name,
                         CaseOptions options = {}) {
  options.about_stalls = true;
  CaseBuilder b(device, "stalls end: " + name, options);
  spec::Cd<u64> cd = b.plain_cd(b.root(Granule::g4k, 25));
  cd.dw[0] |= u64{1} << 44;
  b.translate(0, cd);
  return b;
}

/// Three, each of its own page: none of them stands for another.
void stall_three(CaseBuilder& b, u64 first) {
  for (u64 i = 0; i < 3; ++i) {
    b.access(first + 0x1000 * i, i == 1);
    b.poll();
  }
  b.poll();
}

void look_often(CaseBuilder& b) {
  for (unsigned i = 0; i < looks_in_finite_time; ++i) b.poll();
}

/// Ac = 0 terminates, whatever Ab says of how: nothing is tried again, so that no record follows
/// although the fault is there still. 4.7.1.
void terminate_case(const DeviceIdentity& device, std::vector<Case>& cases, bool aborts) {
  CaseBuilder b = one_stalling(device, fmt::format("CMD_RESUME, Ac = 0, Ab = {}", aborts ? 1 : 0));
  for (u64 round = 0; round < 2; ++round) {
    stall_three(b, 0x1000 + 0x10000 * round);
    b.resume(false, aborts);
    look_often(b);
  }
  cases.push_back(b.take());
}

/// All of the stream end, not the first of them alone: with their STAGs nothing is tried again. The
/// stream is configured to terminate meanwhile, as 4.7.2 demands.
void stall_term_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b = one_stalling(device, "CMD_STALL_TERM ends all of its stream");
  const auto put = [&](const spec::Ste<u64>& ste) {
    b.ste(0, ste);
    b.command(spec::cmd_cfgi_ste(b.sid(0), true));
    b.sync();
  };
  stall_three(b, 0x1000);
  put(spec::make_abort_ste());
  b.command(spec::cmd_stall_term(b.sid(0)));
  b.sync();
  look_often(b);
  put(b.stage1_ste(0));
  b.resume(true);
  look_often(b);
  cases.push_back(b.take());
}

/// So does SMMUEN = 0, as CR0ACK shows.
void disable_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b = one_stalling(device, "SMMUEN = 0 ends all");
  stall_three(b, 0x1000);
  b.disable();
  for (unsigned i = 0; i < 4; ++i) b.read(spec::reg::cr0ack);
  look_often(b);
  b.enable();
  b.resume(true);
  look_often(b);
  cases.push_back(b.take());
}

/// Ac = 1: as though it had just arrived, so that it is told anew, again and again. Of one that
/// waits alone the record has to come. 4.7.1, 3.12.2.1.
void again_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 waiting) {
  CaseBuilder b = one_stalling(device, fmt::format("CMD_RESUME, Ac = 1, of {}", waiting));
  b.asks(spec::rule::EVENT_LOST);
  for (u64 i = 0; i < waiting; ++i) {
    b.access(0x1000 * (1 + i), i == 1, 0, {.privileged = device.sends_privileged});
    b.poll();
  }
  for (u64 round = 0; round < 3; ++round) {
    b.poll();
    b.resume(true);
    look_often(b);
  }
  b.resume(false);
  look_often(b);
  cases.push_back(b.take());
}

/// What it meets is what is there when it is tried again, whatever a TLB had when it stalled.
void changed_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 va = 0x5000;
  const LeafBits read_only{.writable = false}, not_accessed{.af = false};
  const auto put_leaf = [&](CaseBuilder& b, u64 root, std::optional<LeafBits> leaf) {
    const u64 place = b.entry(root, Granule::g4k, 25, va, 3);
    b.store(place, leaf ? leaf_word(Granule::g4k, 3, b.data(0x1000), *leaf) : 0);
    b.command(spec::cmd_tlbi_nsnh_all());
    b.sync();
  };
  struct Way {
    const char* name;
    std::optional<LeafBits> before, after;
  };
  for (const auto& [name, before, after] :
       {Way{"read-only, then writable", read_only, LeafBits{}},
        Way{"not mapped, then mapped", std::nullopt, LeafBits{}},
        Way{"not mapped, then read-only", std::nullopt, read_only},
        Way{"not mapped, then AF = 0", std::nullopt, not_accessed},
        Way{"read-only, then not mapped", read_only, std::nullopt},
        Way{"AF = 0, then mapped", not_accessed, LeafBits{}}}) {
    CaseBuilder b(device, fmt::format("stalls end: tried again, {}", name), {.about_stalls = true});
    const u64 root = b.root(Granule::g4k, 25);
    b.map(root, va, b.data(), 3, before.value_or(LeafBits{.valid = false}));
    spec::Cd<u64> cd = b.plain_cd(root);
    cd.dw[0] |= u64{1} << 44;
    b.translate(0, cd);
    for (u64 round = 0; round < 2; ++round) {
      b.access(va, true);
      look_often(b);
      put_leaf(b, root, after);
      b.resume(true);
      look_often(b);
      b.both(va);
      look_often(b);
      b.resume(false);
      look_often(b);
      put_leaf(b, root, before);
    }
    cases.push_back(b.take());
  }
}

/// It is tried again under the configuration of then: a stream that aborts says nothing, one that
/// terminates says so, with Stall = 0.
void configured_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const bool aborts : {true, false}) {
    // CD.S = 0 is ILLEGAL where all has to stall.
    if (!aborts && caps.stall_model == spec::StallModel::always) continue;
    CaseBuilder b = one_stalling(
        device, aborts ? "tried again, of a stream that aborts" : "tried again, CD.S = 0");
    stall_three(b, 0x1000);
    if (aborts) {
      b.ste(0, spec::make_abort_ste());
    } else {
      b.cd(0, b.plain_cd(b.root(Granule::g4k, 25)));
    }
    b.command(spec::cmd_cfgi_all());
    b.sync();
    b.resume(true);
    look_often(b);
    b.access(0x1000);
    look_often(b);
    cases.push_back(b.take());
  }
}

/// Records of stream 1 fill the queue, and the first access that stalls finds no room. When the
/// driver has made room it is tried again as if it had just come, and told. 3.12.2.
void room_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned eventq_lg2) {
  CaseBuilder b = one_stalling(device, fmt::format("a queue of {} is full", 1U << eventq_lg2),
                               {.eventq_lg2 = eventq_lg2});
  b.asks(spec::rule::EVENT_LOST);
  for (u64 round = 0; round < 2; ++round) {
    for (u64 i = 0; i < pow2(eventq_lg2); ++i) b.access(0x1000 * i, i % 2 == 1, 1);
    b.access(0x1000 + 0x10000 * round);
    look_often(b);
    look_often(b);
    b.disable();  // it waits no longer
    b.enable();
  }
  cases.push_back(b.take());
}

}  // namespace

void stall_end_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.stall_model == spec::StallModel::never || !caps.s1p || !caps.gran4k) return;
  for (const bool aborts : {false, true}) terminate_case(device, cases, aborts);
  for (const unsigned lg2 : {0U, 1U, 2U}) room_case(device, cases, lg2);
  for (const u64 waiting : {u64{1}, u64{3}}) again_case(device, cases, waiting);
  changed_cases(device, cases);
  configured_cases(device, cases);
  // Others end what they were told to whenever they come to it, and are not to be asked meanwhile.
  if (!device.prompt) return;
  stall_term_case(device, cases);
  disable_case(device, cases);
}

}  // namespace iommucheck::oracle
