// SPDX-License-Identifier: MIT
// How long the one question takes that everything else asks.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/sections.h"
#include "bench/world.h"
#include "host/user_memory.h"
#include "spec/smmu/recordings.h"

namespace iommucheck::bench {
namespace {

constexpr u64 iova = u64{64} << 30;
constexpr u64 pa = u64{0x10} << 32;
constexpr AgentId cpu = AgentId::cpu0;

/// Where the driver wrote the CD of a domain, once a device that uses it is attached.
class CdPlace final : public oracle::Monitor::Sink {
 public:
  explicit CdPlace(spec::Caches& caches) : caches_(caches) {}
  void event(const trace::Event& event) override {
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) stored_.push_back(store->pa);
  }
  [[nodiscard]] u64 find() const {
    for (const u64 place : stored_) {
      const auto structure = structure_at(caches_.view(), place);
      if (structure && structure->kind == spec::ConfigKind::cd) return structure->place;
    }
    throw std::runtime_error("the driver stored no CD that can be fetched");
  }

 private:
  spec::Caches& caches_;
  std::vector<u64> stored_;
};

std::string_view kind_text(spec::OutcomeKind kind) {
  switch (kind) {
    case spec::OutcomeKind::translation: return "translation";
    case spec::OutcomeKind::bypass: return "bypass";
    case spec::OutcomeKind::fault: return "fault";
    case spec::OutcomeKind::abort: return "abort";
    case spec::OutcomeKind::denied: return "denied";
    case spec::OutcomeKind::within: return "within";
    case spec::OutcomeKind::any: break;
  }
  return "any";
}

class OutcomesBench {
 public:
  OutcomesBench() : world_(2) {
    place_ = map_for(0);
    other_place_ = map_for(1);
    find_leaf();
    world_.remember();
  }

  void run() {
    fmt::print("  {:<60}{:>9}{:>9}   {}\n", "ns a question (4000 batches of 32)", "median", "99th",
               "what may happen");
    measure("one candidate: a page, nothing stale");
    fmt::print("  {:<60}{:>9}            (270 at 2771239)\n", "  goal", 250);
    stale({leaf_, 0, leaf_ + World::page, 0, leaf_ + 2 * World::page, 0});
    measure("three stale leaves of other outputs, memory invalid");
    world_.back();
    stale({leaf_ | read_only, leaf_ & ~for_all, leaf_ ^ execute_never});
    measure("three stale leaves of other rights beside memory's");
    world_.back();
    world_.monitor().store(cpu, place_, content(place_) & ~(u64{1} << 31));
    measure("a half-written CD: V = 0 stored, no barrier, no CFGI");
    world_.back();
    half_of_another_cd();
    measure("a half-written CD: 2 words of another domain's stored");
    world_.back();
    measure_making();
    measure_both_stages();
  }

 private:
  static constexpr u64 read_only = u64{1} << 7;       // AP[2]
  static constexpr u64 for_all = u64{1} << 6;         // AP[1]
  static constexpr u64 execute_never = u64{1} << 54;  // UXN

  /// A domain of the device with one page; the address of its CD.
  u64 map_for(u32 device) {
    CdPlace sink(world_.caches());
    world_.monitor().set_sink(&sink);
    const u64 domain = world_.paging_domain();
    world_.attach(domain, device);
    world_.monitor().set_sink(nullptr);
    world_.map(domain, iova, pa + device * World::page);
    return sink.find();
  }

  u64 content(u64 address) { return world_.caches().memory().newest(address).value; }

  void find_leaf() {
    std::vector<spec::StreamOption> options;
    world_.caches().fetches().stream_options(1, 0, false, options);
    std::vector<spec::Candidate> found;
    if (!options.empty()) world_.caches().lookups().collect(options.front().tag, iova, found);
    if (found.size() != 1 || found.front().kind != spec::Candidate::Kind::leaf) {
      throw std::runtime_error("the mapped page is not exactly one candidate");
    }
    leaf_at_ = found.front().origin;
    leaf_ = found.front().value;
  }

  /// Visible one after the other, and nothing is invalidated: each that was replaced lives on.
  void stale(std::initializer_list<u64> versions) {
    for (const u64 version : versions) {
      world_.monitor().store(cpu, leaf_at_, version);
      world_.monitor().barrier(cpu);
    }
    if (world_.caches().items_alive() != 3) {
      throw std::runtime_error(fmt::format("{} items live, not 3", world_.caches().items_alive()));
    }
  }

  void half_of_another_cd() {
    for (const u64 word : {u64{8}, u64{0}}) {
      world_.monitor().store(cpu, place_ + word, content(other_place_ + word));
    }
  }

  void measure(std::string_view what) {
    const spec::Caches& caches = world_.caches();
    const spec::Access access{.sid = 1, .type = spec::AccessType::write, .va = iova};
    measure(what, [&](auto&& visit) { return caches.outcomes(access, visit); });
  }

  /// `ask(visit)`: false if a bound was hit.
  template <class Ask>
  static void measure(std::string_view what, Ask&& ask) {
    constexpr unsigned batches = 4000;
    constexpr unsigned size = 32;
    std::string seen;
    const bool done = ask([&](const spec::Outcome& outcome) {
      seen += (seen.empty() ? "" : ", ") + std::string(kind_text(outcome.kind));
    });
    if (!done) throw std::runtime_error("a bound was hit");
    Samples samples;
    for (unsigned i = 0; i < batches; ++i) {
      const double began = now_ns();
      u64 sum = 0;
      for (unsigned k = 0; k < size; ++k) {
        ask([&](const spec::Outcome& outcome) { sum += outcome.pa; });
      }
      keep(sum);
      samples.add((now_ns() - began) / size);
    }
    fmt::print("  {:<60}{:>9.0f}{:>9.0f}   {}\n", what, samples.median(), samples.quantile(0.99),
               seen);
  }

  /// Mixtures are made when a word is stored, not when somebody asks.
  void measure_making() {
    constexpr unsigned times = 4000;
    Samples samples;
    for (unsigned i = 0; i < times; ++i) {
      const u64 words[] = {content(other_place_ + 8), content(other_place_)};
      const double began = now_ns();
      world_.monitor().store(cpu, place_ + 8, words[0]);
      world_.monitor().store(cpu, place_, words[1]);
      samples.add(now_ns() - began);
      world_.back();
    }
    fmt::print("  {:<60}{:>9.0f}{:>9.0f}   (two stores, their mixtures and rules)\n",
               "  making that half-written CD", samples.median(), samples.quantile(0.99));
  }

  /// Four levels of a user's, each found by four of its parent's, as is the page itself.
  static void measure_both_stages() {
    constexpr u64 pages = 6;  // CD, tables of levels 0 to 3, and what they lead to
    constexpr u64 ipa = oracle::UserMemory::first_ipa;
    constexpr u64 cd_word0 = 0x0001'6205'c000'3510;  // V, AA64, ASID 1, T0SZ 16, EPD1, 48-bit IPS
    constexpr u64 leaf = 0x4c3;                      // a page, AF, read only
    World world(1, u64{16} << 20, nullptr, World::Stages::both);
    const u64 memory = world.users_pa();
    const u64 parent = world.stage2_domain();
    for (u64 i = 0; i < pages; ++i)
      world.map(parent, ipa + i * World::page, memory + i * World::page);
    const auto store = [&](u64 place, u64 value) {
      world.monitor().store(trace::environment_agent, memory + place, value);
    };
    for (u64 at = 0; at < pages * World::page; at += 8) store(at, 0);
    store(0, cd_word0);
    for (u64 i = 1; i < pages; ++i) {
      const u64 next = ipa + i * World::page;
      store(i == 1 ? 8 : (i - 1) * World::page, i == 1 ? next : next | (i + 1 == pages ? leaf : 3));
    }
    world.monitor().barrier(trace::environment_agent);
    const u64 domain = world.nested_domain(parent, oracle::UserMemory::structure(ipa, 0));
    world.attach(domain, 0);
    world.check();
    const spec::NestedAccesses& nested = world.caches().nested();
    measure("both stages, 4 + 4 levels, one candidate",
            [&](auto&& visit) { return nested.outcomes({.sid = 1, .va = 0}, visit); });
    fmt::print("  {:<60}{:>9}\n", "  goal", 2000);
  }

  World world_;
  u64 place_ = 0;
  u64 other_place_ = 0;
  u64 leaf_at_ = 0;
  u64 leaf_ = 0;
};

}  // namespace

void outcomes() { OutcomesBench().run(); }

}  // namespace iommucheck::bench
