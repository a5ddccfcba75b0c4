// SPDX-License-Identifier: MIT
// The specification as a device that is wrong in one thing. What it decides about an access it
// decides by the words of memory alone, or by a small TLB of its own, so that a mistake stands
// where a model would have it: in a word that is fetched, in a decision, in a register, in a
// command, in the match of a TLB entry. Devices that forget or mix up what they are told are in
// conform_support.h.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "conform/dut/spec_device.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What a mistake may look at, and remember until the device is reset.
struct MistakeContext {
  std::function<u64(u64 pa)> word;                ///< of memory, as it is
  std::function<u64(u32 offset)> register_value;  ///< as the right device reads
  std::function<void(u64 pa, u64 word)> replace;  ///< memory as it sees it, and nobody else
  std::map<u32, u64> written{};                   ///< registers, as they were written last
  unsigned cmdq_lg2 = 0;
  std::array<u64, 2> held{};  ///< its own
};

/// How entries of the TLB are found.
struct TlbMistake {
  u64 asid_bits = ~u64{0};        ///< of the ASID that are compared
  bool contiguous_first = false;  ///< a group goes only with the address of its first page
  bool rights_of_fill = false;    ///< who hits has the rights of who filled
  bool upper_half_stays = false;  ///< addresses of TTB1 match no command
  bool forgets_ttb = false;       ///< TTB0 and TTB1 share their entries
  bool blocks_by_first = false;   ///< a block goes only with an address in its first page
  bool keeps_tags = false;        ///< an entry is for the address with its top byte (TBI)
  bool ranges_cover = false;      ///< what begins before a range stays
};

/// Each hook is there or not. What none changes is as the specification has it.
struct Mistake {
  std::string name;
  std::string section;  ///< of IHI 0070, or of DDI 0487
  spec::Rule rule{};    ///< by which it is to be found
  std::string only{};   ///< the directed cases that find it
  /// Of what is found by them, at most: what is wrong of reads and of writes, of a command and of
  /// its form for ranges is told apart.
  std::size_t kinds = 2;

  using Context = MistakeContext;
  std::function<void(spec::Capabilities&)> claims{};  ///< what it is: its ID registers
  std::function<void(spec::SmmuState&)> state{};      ///< what it takes itself for
  std::function<u64(Context&, spec::Structure, u64 pa, u64 word)> fetch{};
  std::function<void(spec::Access&)> access{};  ///< as it translates it, not as it records it
  std::function<void(Context&, spec::Access&, spec::Outcome&)>
      outcome{};  ///< as it ends and is recorded
  std::function<void(spec::Access&)> request{};
  /// What says that it is translated, as it ends.
  std::function<void(const spec::Access&, spec::Outcome&)> translated{};
  std::function<void(DmaSeen&)> seen{};
  std::function<void(trace::EventRecord&)> record{};
  std::function<void(spec::Command&)> command{};
  std::function<u64(Context&, u32 offset, u64 value)> read{}, write{};
  std::function<void(AtcInvalidation&)> invalidation{};
  std::function<void(Context&, const spec::PageRequest&, spec::PageRequestOutcome&)> page{};
  std::function<void(spec::PageRequestWords&)> page_record{};
  std::function<void(std::vector<spec::PageResponse>&)> page_responses{};
  /// What the access, as it ends, writes into descriptors.
  std::function<void(Context&, const spec::Access&, const spec::Outcome&,
                     std::vector<spec::FlagUpdate>&)>
      flags{};
  std::optional<TlbMistake> tlb{};
};

/// For reports of tests.
inline void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class MistakenDevice final : public SpecDevice {
 public:
  MistakenDevice(const Mistake& mistake, u64 seed);

  Expected<void> reset() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override;
  Ticket load(u64 pa) override;
  [[nodiscard]] u64 value(Ticket ticket) const override;
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override;
  std::vector<AtcInvalidation> take_invalidations() override;
  std::vector<spec::PageResponse> take_page_responses() override;

 protected:
  std::optional<spec::Outcome> outcome_of(spec::Access& access) override;
  spec::AtsCompletion completion_of(const spec::Access& access) override;
  spec::PageRequestOutcome page_outcome_of(const spec::PageRequest& request) override;
  std::vector<spec::FlagUpdate> updates_of(const spec::Access& access,
                                           const spec::Outcome& outcome) override;

 private:
  struct Fetched;
  struct Entry {
    u64 asid = 0;
    bool global = false;
    bool aset = false;  ///< which tells global ones apart: IHI 0070 3.17.1
    u64 first = 0;      ///< address, without a tag
    unsigned bytes_lg2 = 12;
    spec::Leaf<u64> leaf;
  };

  [[nodiscard]] spec::SmmuState its_state() const;
  [[nodiscard]] bool translates_itself() const;
  // TLB
  spec::Outcome through_tlb(const spec::Access& access);
  [[nodiscard]] bool hits(const Entry& entry, const spec::Regime<u64>& regime, u64 va) const;
  void take_commands();
  void invalidate(const spec::Command& command);
  [[nodiscard]] bool covers(const spec::Command& command, const Entry& entry) const;

  Mistake mistake_;
  spec::Capabilities caps_;
  MistakeContext context_;
  u64 cmdq_ = 0, cmdq_bytes_ = 0, eventq_ = 0, eventq_bytes_ = 0;
  u64 priq_ = 0, priq_bytes_ = 0;
  u64 low_ = 0;               // first word of the command that is being stored
  std::map<u64, u64> meant_;  // words as they were stored, where it takes them as others
  std::map<Ticket, u64> values_;
  std::vector<Entry> tlb_;
  u64 taken_ = 0;  // commands up to there have acted upon it
};

std::vector<Mistake> mistakes_of_stage2();
std::vector<Mistake> mistakes_of_flags();

/// All of them, each with a name of its own.
const std::vector<Mistake>& all_mistakes();

}  // namespace iommucheck::oracle
