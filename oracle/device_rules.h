// SPDX-License-Identifier: MIT
// A device under test against what the specification allows it, over the sequence: each access with
// what became of it, each event record with the access it belongs to, each register with the
// progress it shows: it is right if everything it does is one of the allowed outcomes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What a device does that no device may do. `kind` says it without the case's addresses and
/// numbers, so that the same mistake has the same kind in every case.
struct DeviceFinding {
  spec::Rule rule{};
  std::string kind;
  std::string text;
  bool access = false;  ///< of what became of an access, which invalidations may have to do with
  std::optional<u32> which = {};  ///< of that access: how many came before it in the case
};

/// `text` with its numbers left out.
std::string kind_of(std::string_view text);

class DeviceRules {
 public:
  /// Accesses to [first, first + bytes) are seen to arrive; others that pass are not judged.
  DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes);

  // ---- events, in order; the monitor tells caches and smmu of them ------------------------------
  void stored(u64 pa);
  void register_write(u32 offset, u64 value);
  /// Before the SMMU as a judge sees it. True: it is judged here.
  bool register_read(u32 offset, u64 value);
  void access(const trace::Dma& dma);
  void record(const trace::EventRecord& words);
  /// The case is over: what did not come now does not come.
  void finish();

  /// Findings since the last call.
  std::vector<DeviceFinding> take();
  /// Forgets the case.
  void begin_case();

  struct Numbers {
    std::array<u64, 256> asked{};
    std::array<u64, 256> discriminating{};
    u64 accesses = 0;
    u64 any = 0;            ///< of these, accesses to which anything may happen
    u64 open = 0;           ///< of these, ones with several allowed outcomes
    u64 stale_allowed = 0;  ///< of these, ones that memory no longer explains, and that are allowed
    u64 unjudged = 0;       ///< of these, ones that the specification cannot judge
    u64 records = 0;
  };
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }
  /// Takes back what was counted since.
  void set_numbers(const Numbers& numbers) { numbers_ = numbers; }
  /// How many outcomes each access of the case was allowed, in order.
  [[nodiscard]] const std::vector<u32>& breadth() const { return breadth_; }

 private:
  /// A terminated access whose record, if it has one, was not seen yet.
  struct Open {
    spec::Access access;
    std::vector<spec::Outcome> candidates;  ///< of those allowed, the ones that terminate
    bool any = false;
    bool wrong = false;    ///< it should not have been terminated; `rule`, `detail` say why
    bool has_room = true;  ///< a record of it surely finds a place in the queue
    bool merges = false;   ///< an STE that the stream may use lets events be merged (MEV)
    unsigned looks = 0;    ///< how often the queue was seen without it
    u32 which = 0;         ///< how many accesses came before it
    spec::Rule rule{};
    std::string detail;
  };
  struct Plain {
    bool known = false;
    spec::Outcome outcome;
    std::string detail;  ///< what is special about the STE or the descriptor, or empty
  };

  [[nodiscard]] Plain plain(const spec::Access& access) const;
  [[nodiscard]] bool must_record(const spec::Outcome& outcome) const;
  void judge_reached(const spec::Access& access, const trace::Dma& dma,
                     const std::vector<spec::Outcome>& allowed, const Plain& memory);
  void judge_terminated(const spec::Access& access, const std::vector<spec::Outcome>& allowed,
                        const Plain& memory);
  void count_room(Open& open, bool records);
  void queue_looked_at();
  void missing(const Open& open);
  /// Its record may stand for several accesses, or another's for it.
  [[nodiscard]] bool merges(const Open& open) const;
  /// A record came that may stand for its own too.
  [[nodiscard]] bool may_be_merged(const Open& open) const;
  [[nodiscard]] unsigned likeness(const Open& open, const trace::EventRecord& words) const;
  void mismatch(const Open& open, const trace::EventRecord& words);
  void find(spec::Rule rule, std::string kind, std::string text);
  void find_of(u32 which, spec::Rule rule, std::string kind, std::string text);
  void push_anything(const spec::Access& access, const trace::Dma& dma);
  void ask_rules(const std::vector<spec::Outcome>& allowed);
  void ask(spec::Rule rule, bool discriminating);

  spec::Caches& caches_;
  spec::Smmu& smmu_;
  u64 seen_first_, seen_bytes_;
  std::vector<DeviceFinding> found_;
  std::vector<Open> open_;
  Numbers numbers_;
  std::vector<u32> breadth_;
  std::vector<trace::EventRecord> came_;  // records of the case
  u32 before_ = 0;                        // accesses before the one that is judged
  u64 new_records_ = 0;                   // that EVENTQ_PROD showed and record() did not bring yet
  bool overflow_expected_ = false;
  bool overflow_unsure_ = false;
  bool changed_since_enabled_ = false;
  bool enabled_once_ = false;
  unsigned waits_cr0_ = 0, waits_cons_ = 0, waits_gbpa_ = 0;
};

}  // namespace iommucheck::oracle
