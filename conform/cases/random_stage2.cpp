// SPDX-License-Identifier: MIT
// Random cases of stage 2, alone and under stage 1: few guests, addresses and VMIDs, so that
// stores, invalidations of both stages and accesses meet each other.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <random>

#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;

constexpr unsigned pages = 4;  // of data, and of addresses

class RandomStage2 {
 public:
  RandomStage2(const DeviceIdentity& device, u64 seed, u64 number)
      : engine_(seed * 0xc2b2ae3d27d4eb4f + number),
        ats_engine_(seed * 0x9fb21c651e98df25 + number),
        first_engine_(std::mt19937_64(seed * 0xbf58476d1ce4e5b9 + number)() % device.sids.size()),
        b_(device, fmt::format("random: seed {}, case {}, stage 2", seed, number),
           {.eventq_lg2 = 6}),
        nested_(b_.capabilities().s1p) {}

  Case make() {
    configure();
    const u64 steps = 6 + pick(24);
    for (u64 i = 0; i < steps; ++i) step();
    if (chance(2)) {
      b_.invalidate_all();
      for (unsigned i = 0; i < 4; ++i) access();
    }
    b_.poll();
    return b_.take();
  }

 private:
  struct Stream {
    unsigned guest = 0;
    bool nested = false;
    u64 eats = 0;
  };

  u64 pick(u64 n) { return engine_() % n; }
  bool chance(u64 n) { return pick(n) == 0; }
  /// Of all that the device has, which one sends for the stream.
  [[nodiscard]] unsigned engine(unsigned stream) const {
    return static_cast<unsigned>((first_engine_ + stream) % b_.device().sids.size());
  }

  u16 vmid(unsigned guest) const {
    const unsigned apart = b_.capabilities().vmid16 ? 0x100 : 0x80;
    return static_cast<u16>(1 + guest * (far_vmids_ ? apart : 1));
  }
  u16 asid(unsigned guest) const { return static_cast<u16>(same_asids_ ? 7 : 7 + guest); }
  static u64 ipa(u64 page) { return GuestTables::data_ipa + 0x1000 * page; }
  static u64 va(u64 page) { return GuestTables::va + 0x1000 * page; }

  void configure() {
    far_vmids_ = chance(2);
    same_asids_ = chance(2);
    const auto engines = static_cast<unsigned>(std::min<u64>(b_.device().sids.size(), 1 + pick(3)));
    const auto guests = static_cast<unsigned>(1 + pick(2));
    for (unsigned g = 0; g < guests; ++g) {
      guests_.emplace_back(b_, vmid(g), 0x8000 * u64{g}, asid(g));
      for (u64 page = 0; page < pages; ++page) {
        map_stage2(g, page);
        if (!chance(4)) map_stage1(g, page);
      }
      b_.cd_at(guests_[g].cd_pa, guests_[g].cd);
    }
    const bool checks = b_.device().ats && draw(2) == 0;
    for (unsigned e = 0; e < engines; ++e) {
      const Stream stream{static_cast<unsigned>(pick(guests)), nested_ && !chance(3)};
      streams_.push_back(stream);
      GuestTables& guest = guests_[stream.guest];
      b_.ste(engine(e),
             with_ats(stream.nested ? guest.ste() : guest.stage2.alone(), streams_.back()));
    }
    b_.enable(checks);
  }

  /// By dice of their own, so that a case without ATS is what it was.
  u64 draw(u64 n) { return ats_engine_() % n; }
  spec::Ste<u64> with_ats(spec::Ste<u64> ste, Stream& stream) {
    if (!b_.device().ats) return ste;
    const bool split = stream.nested && !b_.capabilities().ns1ats;
    stream.eats = draw(split ? 3 : 2);
    ste.dw[1] = with_bits(ste.dw[1], 29, 28, stream.eats);
    return ste;
  }

  void map_stage2(unsigned g, u64 page) {
    u64 bits = Stage2Tables::all;
    if (chance(4)) bits &= ~Stage2Tables::may_write;
    guests_[g].stage2.map(ipa(page), b_.data(0x8000 * u64{g} + 0x1000 * pick(8)), bits);
  }
  void map_stage1(unsigned g, u64 page) {
    LeafBits bits;
    bits.writable = !chance(4);
    bits.ng = !chance(8);
    guests_[g].leaf(va(page), ipa(pick(pages)), bits);
  }

  void step() {
    if (b_.device().ats && draw(3) == 0) ats_step();
    const auto g = static_cast<unsigned>(pick(guests_.size()));
    const u64 page = pick(pages);
    switch (pick(8)) {
      case 0: return change_stage2(g, page);
      case 1: return change_stage1(g, page);
      case 2:
      case 3: return invalidate(g, page);
      case 4:
        if (chance(3)) return change_cd(g);
        [[fallthrough]];
      default: return access();
    }
  }

  /// Break before make, with what that takes; or not valid, and nothing more for now.
  void change_stage2(unsigned g, u64 page) {
    b_.store(guests_[g].stage2.entry(ipa(page)), 0);
    if (chance(2)) return;
    command(s2_ipa(g, page));
    if (nested_) command(spec::cmd_tlbi_nh_all(vmid(g)));
    map_stage2(g, page);
  }
  void change_stage1(unsigned g, u64 page) {
    b_.store(guests_[g].place(GuestTables::levels - 1, va(page)), 0);
    if (chance(2)) return;
    command(chance(2) ? spec::cmd_tlbi_nh_all(vmid(g)) : spec::cmd_tlbi_s12_vmall(vmid(g)));
    map_stage1(g, page);
  }
  void change_cd(unsigned g) {
    b_.store(guests_[g].cd_pa, b_.word(guests_[g].cd_pa) ^ u64{1} << 31);
    if (chance(2)) return;
    for (unsigned e = 0; e < streams_.size(); ++e) {
      if (streams_[e].guest == g) b_.command(spec::cmd_cfgi_cd_all(b_.sid(engine(e))));
    }
    b_.sync();
  }

  Command s2_ipa(unsigned g, u64 page) {
    return spec::cmd_tlbi_s2_ipa(vmid(g), ipa(page), chance(2));
  }
  void command(const Command& command) {
    b_.command(command);
    b_.sync();
  }
  /// Of what may be cached, or of something else.
  Command invalidation(unsigned g, u64 page) {
    switch (pick(8)) {
      case 0: return spec::cmd_tlbi_s12_vmall(vmid(g));
      case 1: return spec::cmd_tlbi_nh_all(vmid(g));
      case 2: return spec::cmd_tlbi_nsnh_all();
      case 3:
      case 4: return s2_ipa(g, page);
      default: break;
    }
    switch (pick(3)) {
      case 0: return spec::cmd_tlbi_nh_va(vmid(g), asid(g), va(page), chance(2));
      case 1: return spec::cmd_tlbi_nh_vaa(vmid(g), va(page), chance(2));
      default: return spec::cmd_tlbi_nh_asid(vmid(g), asid(g));
    }
  }
  void invalidate(unsigned g, u64 page) {
    Command command = invalidation(g, page);
    if (spec::is_tlbi_by_address(command.op) && b_.capabilities().ril && chance(3)) {
      command.tg = 1;
      command.num = 1 + pick(3);
    }
    b_.command(command);
    if (!chance(4)) b_.sync();
  }

  void access() {
    const auto e = static_cast<unsigned>(pick(streams_.size()));
    const u64 page = pick(pages);
    b_.access((streams_[e].nested ? va(page) : ipa(page)) + 8 * pick(4), chance(2), engine(e));
    if (chance(6)) b_.poll();
  }

  /// A request, or an access as if an answer had given its address.
  void ats_step() {
    const auto e = static_cast<unsigned>(draw(streams_.size()));
    const Stream& stream = streams_[e];
    const u64 page = draw(pages);
    const bool write = draw(2) == 0;
    if (draw(2) == 0) {
      return b_.request((stream.nested ? va(page) : ipa(page)) + 8 * draw(4), write, engine(e));
    }
    const u64 physical = b_.data(0x8000 * u64{stream.guest} + 0x1000 * draw(8));
    b_.access((stream.eats == 2 ? ipa(page) : physical) + 8 * draw(4), write, engine(e),
              {.translated = true});
  }

  std::mt19937_64 engine_;
  std::mt19937_64 ats_engine_;
  std::size_t first_engine_;
  CaseBuilder b_;
  bool nested_;
  bool far_vmids_ = false, same_asids_ = false;
  std::deque<GuestTables> guests_;
  std::vector<Stream> streams_;
};

}  // namespace

bool is_stage2_case(const DeviceIdentity& device, u64 number) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  return caps.s2p && caps.gran4k && number % 4 == 3;
}

Case random_stage2_case(const DeviceIdentity& device, u64 seed, u64 number) {
  return RandomStage2(device, seed, number).make();
}

}  // namespace iommucheck::oracle
