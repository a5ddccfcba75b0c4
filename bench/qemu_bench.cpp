// SPDX-License-Identifier: MIT
// Full rounds per second on QEMU as a device under test: four levels of tables and a leaf are
// stored, everything is invalidated and synchronised, one engine reads and one writes, where both
// went is checked, the event queue is looked at. One round after the other, and with many pairs of
// engines at once (goal 10,000; a Python client did 3,500). And whole cases of conform, judged.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "base/bits.h"
#include "bench/measure.h"
#include "bench/sections.h"
#include "conform/cases/directed.h"
#include "conform/dut/qemu.h"
#include "conform/judge_case.h"
#include "conform/runner.h"

namespace iommucheck::bench {

namespace {

using oracle::CaseBuilder;
using oracle::QemuDevice;
using oracle::Step;
using oracle::StepKind;
using oracle::Ticket;
namespace reg = spec::reg;

constexpr u64 page = 4096;

void require(const Expected<void>& ok) {
  if (!ok) throw std::runtime_error(ok.error().message);
}

/// What a round needs to know of the case that brought the SMMU up.
struct World {
  u64 cmdq = 0, cmdq_slots = 0;
  struct Space {
    u64 entry[4] = {};  // of the path to va 0: level 0, 1, 2, and the leaf table
    u64 table[3] = {};
  };
  std::vector<Space> spaces;  // each of two engines
};

World bring_up(QemuDevice& device, unsigned pairs) {
  device.set_independent(false);
  require(device.reset());
  CaseBuilder b(device.identity(), "bench", {.log2size = 8});
  World world;
  for (unsigned p = 0; p < pairs; ++p) {
    World::Space space;
    const u64 root = b.root(spec::Granule::g4k, 16);
    for (unsigned level = 0; level < 4; ++level) {
      space.entry[level] = b.entry(root, spec::Granule::g4k, 16, 0, level);
      if (level != 0) space.table[level - 1] = b.word(space.entry[level - 1]);
    }
    for (unsigned e = 2 * p; e < 2 * p + 2; ++e) {
      b.cd(e, b.plain_cd(root, 16, 1 + p));
      b.ste(e, b.stage1_ste(e));
    }
    world.spaces.push_back(space);
  }
  b.enable();
  const oracle::Case what = b.take();
  world.cmdq = what.queues.cmdq;
  world.cmdq_slots = pow2(what.queues.cmdq_lg2);
  // By hand: run_case() would reset the device at its beginning.
  u64 prod = 0;
  const auto command = [&](u64 low, u64 high) {
    device.store(world.cmdq + 16 * (prod % world.cmdq_slots), low);
    device.store(world.cmdq + 16 * (prod % world.cmdq_slots) + 8, high);
    device.mmio_write(reg::cmdq_prod, 4, ++prod);
  };
  for (const Step& step : what.steps) {
    switch (step.kind) {
      case StepKind::store: device.store(step.a, step.b); break;
      case StepKind::fill: device.fill(step.a, step.b, step.c); break;
      case StepKind::write:
        device.mmio_write(static_cast<u32>(step.a), static_cast<unsigned>(step.c), step.b);
        break;
      case StepKind::command: command(step.a, step.b); break;
      case StepKind::sync: command(static_cast<u64>(spec::Opcode::sync), 0); break;
      default: break;
    }
  }
  device.mmio_write(reg::cmdq_prod, 4, prod);
  require(device.settle());
  return world;
}

struct Asked {
  Ticket cons = 0, read = 0, write = 0, events = 0;
  u64 read_pa = 0, write_pa = 0, prod = 0;
};

/// The answers of `rounds`: true if all are right.
bool right(QemuDevice& device, const std::vector<Asked>& rounds) {
  bool all = true;
  for (const Asked& one : rounds) {
    all &= device.value(one.cons) == one.prod;
    all &= device.seen(one.read) == oracle::DmaSeen{true, one.read_pa};
    all &= device.seen(one.write) == oracle::DmaSeen{true, one.write_pa};
    all &= device.value(one.events) == 0;
  }
  return all;
}

/// Rounds of `pairs` pairs of engines, each with tables and an ASID of its own, overlap: they are
/// waited for together. With one pair each round waits for the one before.
double rounds_per_second(QemuDevice& device, unsigned rounds, unsigned pairs) {
  const World world = bring_up(device, pairs);
  device.set_independent(pairs > 1);
  const u64 data = device.identity().data_pa;
  const u64 pages = device.identity().data_bytes / page;
  const spec::CommandWords commands[3] = {spec::encode_command(spec::cmd_cfgi_all()),
                                          spec::encode_command(spec::cmd_tlbi_nsnh_all()),
                                          spec::encode_command(spec::cmd_sync())};
  u64 prod = 3;  // bring-up's
  std::vector<Asked> asked;
  std::vector<u64> mapped;
  const double began = now_ns();
  for (unsigned i = 0; i < rounds; ++i) {
    const World::Space& space = world.spaces[i % pairs];
    const u64 slot = i / pairs % 512;
    const u64 offset = 16 * u64{i % pairs};  // those that overlap write apart from one another
    const u64 pa = data + page * (i % pages);
    for (unsigned level = 0; level < 3; ++level) {
      device.store(space.entry[level], space.table[level]);
    }
    mapped.push_back(space.entry[3] + 8 * slot);
    device.store(mapped.back(), oracle::leaf_word(spec::Granule::g4k, 3, pa, {}));
    for (const spec::CommandWords& words : commands) {
      const u64 place = world.cmdq + 16 * (prod % world.cmdq_slots);
      device.store(place, words.dw0);
      device.store(place + 8, words.dw1);
      prod = (prod + 1) % (2 * world.cmdq_slots);
    }
    Asked one{.read_pa = pa + 0x400 + offset, .write_pa = pa + 0x800 + offset, .prod = prod};
    device.mmio_write(reg::cmdq_prod, 4, prod);
    one.cons = device.mmio_read(reg::cmdq_cons, 4);
    one.events = device.mmio_read(reg::eventq_prod, 4);  // of the rounds before
    one.read = device.dma(2 * (i % pairs), page * slot + 0x400 + offset, false, {});
    one.write = device.dma(2 * (i % pairs) + 1, page * slot + 0x800 + offset, true, {});
    asked.push_back(one);
    const bool last = i + 1 == rounds;
    if (mapped.size() < pairs && !last) continue;
    device.finish_dmas();
    for (const u64 place : mapped) device.store(place, 0);
    mapped.clear();
    if (asked.size() < u64{256} * pairs && !last) continue;
    require(device.settle());
    if (!right(device, asked)) throw std::runtime_error("a round did not do what it should");
    asked.clear();
  }
  return rounds / ((now_ns() - began) / 1e9);
}

void cases(QemuDevice& device, double seconds) {
  oracle::CaseJudge judge(device.identity());
  const double began = now_ns();
  u64 number = 0;
  u64 events = 0;
  double judging = 0;
  while (now_ns() - began < seconds * 1e9) {
    const auto run = oracle::run_case(device, oracle::random_case(device.identity(), 1, number++));
    if (!run) throw std::runtime_error(run.error().message);
    const double before = now_ns();
    (void)judge.judge(run->trace);
    judging += now_ns() - before;
    events += run->trace.events.size();
  }
  const double took = (now_ns() - began) / 1e9;
  fmt::print(
      "  {:>10.0f} random cases/s, judged; {:.0f} events/s; {:.0f}% of the time is the judge\n",
      static_cast<double>(number) / took, static_cast<double>(events) / took,
      judging / 1e9 / took * 100);
}

}  // namespace

void qemu() {
  constexpr unsigned rounds = 4096, passes = 4;
  for (const unsigned pairs : {1U, oracle::qemu_map::engines_max / 2}) {
    oracle::QemuOptions options;
    options.engines = std::max(4U, 2 * pairs);
    auto device = QemuDevice::start(options);
    if (!device) {
      fmt::print("  skipped: {}\n", device.error().message);
      return;
    }
    const QemuDevice::Counts before = (*device)->counts();
    double best = 0;
    for (unsigned pass = 0; pass < passes; ++pass) {
      best = std::max(best, rounds_per_second(**device, rounds, pairs));
    }
    const QemuDevice::Counts after = (*device)->counts();
    fmt::print(
        "  QEMU {}: {:>6.0f} full rounds/s, {} (the best of {} passes of {})\n",
        (*device)->identity().version, best,
        pairs == 1 ? "one after the other" : fmt::format("{} pairs of engines overlapping", pairs),
        passes, rounds);
    fmt::print("  {:.1f} qtest commands and {:.1f} DMAs a round; every round was checked\n",
               static_cast<double>(after.commands - before.commands) / (rounds * passes),
               static_cast<double>(after.dmas - before.dmas) / (rounds * passes));
    if (pairs == 1) cases(**device, 3);
  }
}

}  // namespace iommucheck::bench
