// SPDX-License-Identifier: MIT
// Translation table walks: stage 1, stage 2, and stage 1 whose tables stage 2 translates.
// VMSAv8-64, DDI 0487 D8; the order of faults IHI 0070 7.3.22. A walk asks the TLB for pointers to
// tables and, of stage 2, for pages; what it found is noted for the TLB, which it never writes to
// itself.
//
// Every walk ends: four descriptors at most for each address, five addresses at most, and a walk
// whose descriptor changed while its flags were being written begins again three times at most.
#pragma once

#include <array>

#include "impl/device/memory.h"
#include "impl/device/tlb.h"

namespace iommucheck::device {

/// What a walk found and the TLB may keep.
class Found {
 public:
  struct One {
    u64 tag = 0, input = 0;
    Entry entry;
    u8 level = 0, shift = 0;  ///< level 0: a translation
  };
  void translation(u64 tag, u64 input, const Entry& entry) { add({tag, input, entry, 0, 0}); }
  void table(u64 tag, unsigned level, unsigned shift, u64 input, const Entry& entry) {
    add({tag, input, entry, static_cast<u8>(level), static_cast<u8>(shift)});
  }
  /// Under the lock of the TLB.
  void put_into(Tlb& tlb) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const One& one = all_[i];
      if (one.level == 0) {
        tlb.fill(one.tag, one.input, one.entry);
      } else {
        tlb.fill_table(one.tag, one.level, one.shift, one.input, one.entry);
      }
    }
  }
  void clear() { count_ = 0; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  static constexpr std::size_t most = 40;  // 3 tables, 7 addresses of stage 2 of 4 each, 1
  void add(const One& one) {
    if (count_ < most) all_[count_++] = one;
  }
  std::array<One, most> all_;
  std::size_t count_ = 0;
};

/// What is asked of an address.
struct Request {
  Kind kind;                 ///< after the STE's overrides
  bool reads_too = false;    ///< by ATS: who executes has to be let read
  bool by_ats = false;       ///< rights are asked for: nothing is refused but by a fault
  bool wants_write = false;  ///< by ATS
};

class Walker {
 public:
  Walker(const Bus& bus, const Tlb& tlb, const Context& context, Found& found)
      : bus_(bus), tlb_(tlb), context_(context), found_(found) {}

  /// What `input` comes to, with all stages that the context has. Nothing: fault().
  std::optional<Entry> translate(u64 input, const Request& request);
  /// Where an L1CD or CD of a stream with stage 2 is. Nothing: fault().
  std::optional<u64> fetch_address(u64 ipa);
  /// Why there is nothing.
  [[nodiscard]] const Fault& fault() const { return fault_; }

  /// How TTB1's addresses are told apart; the upper byte is none of the address.
  static u64 tlb_input(u64 address, unsigned half) {
    return (address & mask(51, 0)) | (half != 0 ? Tlb::upper_half : 0);
  }

 private:
  enum class Step : u8 { done, fault, again };
  enum class Of : u8 { cd, table, update, input };  ///< what stage 2 translates

  Step once(u64 input, const Request& request, Entry& out);
  Step stage1(u64 input, const Request& request, Entry& out);
  Step leaf1(u64 word, const Tables& tables, unsigned level, u64 above, const Request& request,
             Entry& out);
  Step final_stage2(u64 input, const Request& request, Entry& out);
  Step stage2(u64 ipa, Of of, u32 needs, u32 may_dirty, Entry& out);
  Step leaf2(u64 word, u64 place, unsigned level, u64 ipa, Of of, u32 needs, u32 may_dirty,
             Entry& out);
  [[nodiscard]] std::optional<u64> load(u64 place, bool big) const;
  std::optional<u64> descriptor(u64 address, Step& step);
  Step write_flags();
  Step fail(Event event, u64 fetch = 0);
  Step fail2(Event event, u64 ipa, Of of, u64 fetch = 0);
  [[nodiscard]] u32 rights1(u64 word, const Tables& tables, u64 above, bool& clean) const;

  const Bus& bus_;
  const Tlb& tlb_;
  const Context& context_;
  Found& found_;
  Fault fault_;
  u64 place_ = 0;               // of the stage 1 descriptor that was read last, physical
  u64 ipa_ = 0;                 // the same as stage 1 has it
  u64 read_ = 0;                // and what was there
  u64 flags_ = 0, clears_ = 0;  // what is to be set and cleared in it when all else is done
};

}  // namespace iommucheck::device
