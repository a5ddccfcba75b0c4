// SPDX-License-Identifier: MIT
#include "host/user_words.h"

#include "base/bits.h"
#include "host/drawn_commands.h"
#include "host/page_descriptor.h"
#include "host/user_commands.h"
#include "iommucheck/driver.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::CommandWords;

/// IHI 0070 7.3.
UserWords::Event smmuv3_event(const spec::sva::EventWords& words) {
  const u64 type = words[0] & 0xff;
  UserWords::Event event{.number = words[0] >> 32, .says_nothing_else = words[3] == 0};
  switch (type) {
    case 0x06:
    case 0x08: event.fault = "F.pasid"; break;
    case 0x0a: event.fault = "F.badcd"; break;
    case 0x10: event.fault = "F.unmapped"; break;
    case 0x13: event.fault = "F.perm"; break;
    default: break;
  }
  if (bit(words[0], 11) || type == 0x08) event.pasid = bits(words[0], 31, 12);
  if (type < 0x10) return event;
  event.iova = words[2];
  event.access = !bit(words[1], 35) ? 'w' : bit(words[1], 34) ? 'x' : 'r';
  return event;
}

/// spec/two/format.h: kind, whether the outer table ended it, rights wanted, PASID; the address.
UserWords::Event event_of_two(const spec::sva::EventWords& words) {
  UserWords::Event event{.number = words[0] >> 32, .iova = words[1]};
  const u64 kind = words[0] & 7;
  if (kind == 1) event.fault = "F.unmapped";
  if (kind == 2) event.fault = "F.perm";
  event.access = bit(words[0], 4) ? 'w' : bit(words[0], 5) ? 'x' : 'r';
  if (bit(words[0], 11)) event.pasid = bits(words[0], 31, 12);
  event.says_nothing_else = words[2] == 0 && words[3] == 0;
  return event;
}

class Smmuv3Words final : public UserWords {
 public:
  [[nodiscard]] u32 number() const override { return IOMMUCHECK_FORMAT_SMMUV3; }
  [[nodiscard]] bool empties_pages() const override { return false; }
  [[nodiscard]] u64 pointer(u64 ipa) const override {
    return ipa | page::valid | page::table_or_page;
  }
  [[nodiscard]] u64 leaf(u64 ipa, u32 prot) const override {
    return page::leaf(ipa, page::last_level, prot);
  }
  [[nodiscard]] u64 next(u64 word) const override { return word & mask(47, 12); }

  [[nodiscard]] bool has_entries() const override { return true; }
  /// Words 0 and 1 of an STE: V, stage 1; S1DSS, S1CIR, S1COR, S1CSH. IHI 0070 5.2.
  [[nodiscard]] std::array<u64, 2> route_to(u64 at) const override {
    return {1 | u64{5} << 1 | at, 2 | u64{1} << 2 | u64{1} << 4 | u64{3} << 6};
  }
  /// Config bypass, or abort.
  [[nodiscard]] std::array<u64, 2> route_without_tables(bool passes) const override {
    return {1 | u64{passes ? 4U : 0U} << 1, 0};
  }

  [[nodiscard]] CommandWords va(u64 va) const override { return user_command::nh_vaa(va); }
  [[nodiscard]] CommandWords page(u64 asid, u64 va, bool ranges, u64 how) const override {
    using namespace user_command;
    const bool leaf = (how & 1) != 0;  // of pages no pointer has changed
    const bool of_all = (how >> 1 & 1) != 0;
    CommandWords one = of_all ? nh_vaa(va) : nh_va(asid, va, false);
    if (leaf) one.high |= 1;
    switch (how >> 2 & 7) {
      case 0: return nh_asid(asid);
      case 1:
      case 2:
      case 3: return ranges ? as_range(one, how >> 5) : one;
      default: return one;
    }
  }
  void pages(u64 asid, u64 va, u64 count, bool ranges, u64 how,
             std::vector<CommandWords>& commands) const override {
    using namespace user_command;
    if (!ranges || count == 1) return UserWords::pages(asid, va, count, ranges, how, commands);
    CommandWords one = (how & 1) != 0 ? nh_vaa(va) : nh_va(asid, va, false);
    if ((how >> 1 & 1) != 0) one.high |= 1;  // Leaf
    commands.push_back(as_range_of(one, count, (how >> 2 & 1) != 0));
  }
  [[nodiscard]] CommandWords all() const override { return user_command::nh_all(); }
  /// TLBI_NSNH_ALL, of a user's, is what its TLBI_NH_ALL is. IHI 0070 4.4.
  [[nodiscard]] CommandWords all_by(u64 how) const override {
    return (how & 3) == 0 ? user_command::nsnh_all() : all();
  }
  [[nodiscard]] CommandWords entry(u64 number, u64 pasid) const override {
    return user_command::cfgi_cd(number, pasid);
  }
  [[nodiscard]] CommandWords entry_by(u64 number, u64 pasid, u64 how) const override {
    return (how & 3) == 0 ? user_command::cfgi_cd_all(number) : entry(number, pasid);
  }
  [[nodiscard]] CommandWords device(u64 number, std::optional<u64> pasid, u64 va) const override {
    return pasid ? user_command::atc_inv(number, *pasid, va) : user_command::atc_inv(number, va);
  }
  [[nodiscard]] CommandWords device_by(u64 number, std::optional<u64> pasid, u64 va,
                                       u64 how) const override {
    constexpr u64 global = u64{1} << 9;
    constexpr u64 sizes[] = {0, 0, 1, 52};
    CommandWords one = device(number, pasid, va);
    one.high |= sizes[how & 3];
    if (pasid && (how >> 2 & 3) == 0) one.low |= global;
    return one;
  }
  [[nodiscard]] Event event(const spec::sva::EventWords& words) const override {
    return smmuv3_event(words);
  }
  [[nodiscard]] CommandWords all_of_host() const override { return user_command::el2_all(); }
  [[nodiscard]] CommandWords sync() const override { return user_command::sync(); }
  [[nodiscard]] CommandWords resume() const override { return user_command::resume(); }
  [[nodiscard]] CommandWords reserved() const override { return user_command::reserved(); }
  [[nodiscard]] CommandWords drawn(u64 word, std::span<const u64> /*roots*/) const override {
    return drawn_command(word);
  }
};

/// Words of the second IOMMU: spec/two/format.h, and of its users: impl/two/user_commands.h.
class TwoWords final : public UserWords {
 public:
  [[nodiscard]] u32 number() const override { return IOMMUCHECK_FORMAT_TWO; }
  [[nodiscard]] bool empties_pages() const override { return true; }
  [[nodiscard]] u64 pointer(u64 ipa) const override { return u64{1} << 63 | ipa >> 12; }
  [[nodiscard]] u64 leaf(u64 ipa, u32 prot) const override {
    u64 word = u64{3} << 62 | ipa >> 12;
    if ((prot & spec::sva::prot_privileged) == 0) word |= u64{1} << 61;
    if ((prot & spec::sva::prot_exec) != 0) word |= u64{1} << 60;
    if ((prot & spec::sva::prot_write) != 0) word |= u64{1} << 59;
    return word;
  }
  [[nodiscard]] u64 next(u64 word) const override { return (word & mask(39, 0)) << 12; }

  [[nodiscard]] bool has_entries() const override { return false; }
  [[nodiscard]] std::array<u64, 2> route_to(u64 at) const override { return {1 | at, 0}; }

  [[nodiscard]] CommandWords va(u64 va) const override {
    return two_user_command::drop_range(0, user_command::page_of(va), 0);
  }
  [[nodiscard]] CommandWords page(u64 /*asid*/, u64 at, bool /*ranges*/,
                                  u64 /*how*/) const override {
    return va(at);
  }
  [[nodiscard]] CommandWords all() const override { return two_user_command::drop_all(); }
  [[nodiscard]] CommandWords entry(u64 number, u64 pasid) const override {
    return {2 | pasid << 12 | number << 32, 1};  // forget_entry: the tables are the host's
  }
  [[nodiscard]] CommandWords device(u64 number, std::optional<u64> pasid, u64 va) const override {
    return two_user_command::drop_device(number, pasid, user_command::page_of(va), 0);
  }
  [[nodiscard]] Event event(const spec::sva::EventWords& words) const override {
    return event_of_two(words);
  }
  [[nodiscard]] CommandWords all_of_host() const override { return {8, 0}; }  // drop_root
  [[nodiscard]] CommandWords sync() const override { return {1, 0}; }         // forget_device
  [[nodiscard]] CommandWords resume() const override { return {6, 0}; }       // respond
  [[nodiscard]] CommandWords reserved() const override { return {63, 0}; }
  [[nodiscard]] CommandWords drawn(u64 word, std::span<const u64> roots) const override {
    return drawn_command_of_two(word, roots);
  }
};

}  // namespace

const UserWords& smmuv3_user_words() {
  static const Smmuv3Words words;
  return words;
}

const UserWords& two_user_words() {
  static const TwoWords words;
  return words;
}

const UserWords* user_words(const Setup& setup) {
  return setup.hardware != nullptr ? setup.hardware->user_words() : &smmuv3_user_words();
}

}  // namespace iommucheck::oracle
