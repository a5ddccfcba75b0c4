// SPDX-License-Identifier: MIT
// A device under test against what the specification allows it, over the sequence: each access with
// what became of it, each event record with the access it belongs to, each register with the
// progress it shows: it is right if everything it does is one of the allowed outcomes.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "monitor/ats_allowed.h"
#include "monitor/finding.h"
#include "monitor/nested_probes.h"
#include "monitor/record_matching.h"
#include "monitor/waiting_stalls.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The access that the event says; what the source does not know is as most often.
spec::Access access_in(const trace::Dma& dma);
/// A translation request that asks for reading, as an access that is not translated.
spec::Access access_in(const trace::AtsRequest& request);
/// What a page request asks for: of several rights the write, then the execution.
spec::Access access_in(const trace::PageRequest& request);
/// The event of an access: from where, to where and what for.
trace::Dma dma_of(const spec::Access& access);

class DeviceRules {
 public:
  /// Accesses to [first, first + bytes) are seen to arrive; others that pass are not judged.
  DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes);

  /// Nothing answers there: what the SMMU fetches from there ends in an external abort. Such
  /// accesses are judged while nothing has changed since SMMUEN = 1, so that memory alone says what
  /// is right.
  void no_memory_at(u64 first, u64 bytes) {
    absent_first_ = first;
    absent_bytes_ = bytes;
  }

  // ---- events, in order; the monitor tells caches and smmu of them ------------------------------
  /// Before memory has it.
  void stored(u64 pa, u64 words = 1);
  void register_write(u32 offset, u64 value);
  /// Before the SMMU as a judge sees it. True: it is judged here.
  bool register_read(u32 offset, u64 value);
  void access(const trace::Dma& dma);
  /// One that takes time, whose end is an access(): any record may be of it.
  void access_begins(const trace::Dma& dma);
  /// A translation request of ATS and its answer. It counts as an access.
  void ats_request(const trace::AtsRequest& request);
  /// An endpoint has done an invalidation: CMDQ_CONS may have waited for it.
  void endpoint_answered() { waits_cons_ = 0; }
  void record(const trace::EventRecord& words);
  /// The case is over: what did not come now does not come.
  void finish();

  /// Findings since the last call.
  std::vector<Finding> take();
  /// What was missing to judge what was done since the last call.
  std::vector<std::string> take_missing();
  /// Forgets the case.
  void begin_case();
  /// The untranslated accesses of the case that has begun: what both stages may yield after a
  /// change is judged of these only.
  void expect_accesses(const std::vector<spec::Access>& accesses) { nested_.begin(accesses); }

  struct Numbers {
    std::array<u64, spec::rule_numbers> asked{};
    std::array<u64, spec::rule_numbers> discriminating{};
    u64 accesses = 0;
    u64 any = 0;            ///< of these, accesses to which anything may happen
    u64 open = 0;           ///< of these, ones with several allowed outcomes
    u64 stale_allowed = 0;  ///< of these, ones that memory no longer explains, and that are allowed
    u64 undetermined = 0;   ///< of these, ones that are neither accepted nor refused
    u64 records = 0;
    Numbers& operator+=(const Numbers& more);
  };
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }
  /// Takes back what was counted since.
  void set_numbers(const Numbers& numbers) { numbers_ = numbers; }
  /// How many outcomes each access of the case was allowed, in order; ~0: anything.
  [[nodiscard]] const std::vector<u32>& breadth() const { return breadth_; }

 private:
  using Features = std::vector<std::string>;

  /// A terminated access whose record, if it has one, was not seen yet.
  struct Open {
    spec::Access access;
    std::vector<spec::Outcome> candidates;  ///< of those allowed, the ones that terminate
    bool any = false;
    bool wrong = false;       ///< it should not have been terminated; `rule`, `features` say why
    bool translates = false;  ///< by what memory says, whatever a cache may still say
    bool stalled = false;
    bool alone = false;  ///< it stalled, and surely nothing else waited; nothing changed since
    bool only_stalls = false;  ///< whatever a cache may have, it faults and waits
    bool again = false;    ///< it waited, and CMD_RESUME has it tried again: as if it had just come
    bool resumed = false;  ///< that command is consumed
    bool passes = false;   ///< of one that is tried again: it may pass now
    bool met_full = false;   ///< it may have found no room, and nothing that may take it came since
    bool has_room = true;    ///< a record of it surely finds a place in the queue
    bool overflows = false;  ///< it surely finds none, and OVFLG toggles
    u64 overflows_before = 0;
    u32 pushed = 0;       ///< how many of them there were before it
    bool merges = false;  ///< an STE that the stream may use lets events be merged (MEV)
    unsigned looks = 0;   ///< how often the queue was seen without it
    u32 which = 0;        ///< how many accesses came before it
    spec::Rule rule{};
    Features features{};
    /// Its record may stand for several accesses, or another's for it.
    [[nodiscard]] bool may_be_merged() const;
  };
  /// A record and its access, that fit: another record may show that they belong to others.
  struct Settled {
    SeenRecord record;
    Open open;
  };
  struct Plain {
    bool known = false;
    bool aborts = false;  ///< a fetch ends in an external abort
    spec::Outcome outcome;
    /// Of hardware that sets AF of a leaf that refuses the access: what stage 2 has against it.
    std::optional<spec::Outcome> other{};
    Features features{};  ///< what is special about the access, the STE or the descriptor
    [[nodiscard]] std::vector<spec::Outcome> outcomes() const {
      std::vector<spec::Outcome> all{outcome};
      if (other) all.push_back(*other);
      return all;
    }
  };

  struct Allowed {
    std::vector<spec::Outcome> outcomes;
    bool judged = false;   ///< they are all that may happen
    bool is_open = false;  ///< some of it SMMUv3.0 leaves open (version_choices.h)
    Plain memory;
  };

  [[nodiscard]] Plain plain(const spec::Access& access) const;
  [[nodiscard]] Allowed allowed_now(const spec::Access& access) const;
  /// The refusal of a leaf that leads to where the access went, if one is allowed: that is what it
  /// passed over, whichever others caches allow besides. nullptr: none is.
  static const spec::Outcome* refused_at(const std::vector<spec::Outcome>& allowed,
                                         const spec::Access& access, u64 pa);
  /// What of that leaf forbids the access; empty: not the leaf alone.
  static Features why_refused(const spec::Outcome& refusal, const spec::Access& access);
  // device_ats.cpp
  struct Right {
    spec::AccessType type{};
    bool granted = false;
    bool asked = false;
  };
  void translated(const trace::Dma& dma);
  [[nodiscard]] AtsAllowed ats_allowed() const;
  void push_records(const spec::Access& access, const std::vector<AtsAllowed::Answer>& answers,
                    trace::AtsResult result);
  void judge_grant(const trace::AtsRequest& request, const spec::Access& access);
  void judge_right(const trace::AtsRequest& request, spec::Access access, const Right& right);
  void judge_extent(const trace::AtsRequest& request, const spec::Access& access);
  void judge_reached(const spec::Access& access, const trace::Dma& dma,
                     const std::vector<spec::Outcome>& allowed, const Plain& memory);
  void judge_terminated(const spec::Access& access, const trace::Dma& dma,
                        const std::vector<spec::Outcome>& allowed, const Plain& memory);
  void judge_outcome(const spec::Access& access, const trace::Dma& dma,
                     const std::vector<spec::Outcome>& allowed, const Plain& memory);
  [[nodiscard]] static const char* not_known(const trace::Dma& dma);
  /// One that passes may go to where an engine does not see it.
  [[nodiscard]] bool may_be_unseen(const std::vector<spec::Outcome>& allowed) const;
  [[nodiscard]] bool records(const Open& open, const spec::Outcome& outcome) const;
  [[nodiscard]] bool may_record(const Open& open) const;
  [[nodiscard]] bool may_overflow(const Open& open) const;
  [[nodiscard]] bool surely_records(const Open& open) const;
  void push_open(Open open);
  void forget_accesses();
  void events_shown(u64 prod);
  void assign_records();
  [[nodiscard]] static bool fits(const RecordClaim& claim, const trace::EventRecord& words);
  void check_stag(u32 which, const trace::EventRecord& words);
  void stalls_may_end();
  void stalls_end_by_commands();
  void meets(Open& open) const;
  void stalled_meet();
  void try_again(const WaitingStalls::Again& one);
  void commands_consumed();
  void stalls_change();
  void settle(const SeenRecord& record, const Open& open, bool fresh);
  void nobodys(const SeenRecord& record);
  [[nodiscard]] RecordClaim claim_of(const Open& open) const;
  void queue_looked_at();
  [[nodiscard]] bool finds_room(const Open& open) const;
  void overflow_seen(bool flag);
  void missing(const Open& open);
  [[nodiscard]] bool is_merged(const Open& open) const;
  void mismatch(const Open& open, const trace::EventRecord& words);
  void wrong_fields(const Open& open, const trace::EventRecord& words,
                    const std::vector<spec::FieldDifference>& wrong);
  void find(spec::Rule rule, DeviceKind kind, std::string text);
  void find(spec::Rule rule, std::string what, std::string text) {
    find(rule, DeviceKind{.what = std::move(what)}, std::move(text));
  }
  void find_of(u32 which, spec::Rule rule, DeviceKind kind, std::string text);
  void find_of(u32 which, spec::Rule rule, std::string what, std::string text) {
    find_of(which, rule, DeviceKind{.what = std::move(what)}, std::move(text));
  }
  void push_anything(const spec::Access& access, const trace::Dma& dma);
  void undetermined(std::string missing);
  void ask_rules(const std::vector<spec::Outcome>& allowed);
  void ask(spec::Rule rule, bool discriminating);

  spec::Caches& caches_;
  spec::Smmu& smmu_;
  WaitingStalls stalls_;
  u64 seen_first_, seen_bytes_;
  u64 absent_first_ = 0, absent_bytes_ = 0;
  std::vector<Finding> found_;
  std::vector<std::string> missing_;
  std::vector<Open> open_;
  std::vector<SeenRecord> batch_;  // records of this look, until the last of them has come
  std::vector<u32> took_room_;     // Open::pushed of those that found a place though none was sure
  u32 pushed_ = 0;
  std::vector<Settled> settled_;  // of the looks before, the latest ones
  RecordMatching matching_;
  NestedProbes nested_;
  std::set<std::string> named_;  // fields of records that were found wrong in this case
  Numbers numbers_;
  std::vector<u32> breadth_;
  std::vector<trace::EventRecord> came_;  // records of the case
  u32 before_ = 0;                        // accesses before the one that is judged
  u64 new_records_ = 0;                   // that EVENTQ_PROD showed and record() did not bring yet
  u64 shown_at_ = 0;                      // accesses that there were when it showed them
  bool overflow_possible_ = false;        // since the last look a record may have met a full queue
  bool met_full_queue_ = false;           // at some time in the case
  u64 overflows_ = 0;                     // how often OVFLG was seen to toggle
  u64 lost_ = 0;            // of open_, so many at least have lost their record by that
  unsigned forgotten_ = 0;  // looks until records of forgotten accesses have come
  bool changed_since_enabled_ = false;
  bool enabled_once_ = false;
  bool surely_disabled_ = true;  // SMMUEN = 0, and CR0ACK has shown it
  bool left_open_ = false;       // an access met what the device's version leaves open
  bool atschk_changed_ = false;  // while SMMUEN = 1: it may be cached with an STE
  u64 last_cons_ = 0;
  unsigned waits_cr0_ = 0, waits_cons_ = 0, waits_gbpa_ = 0, waits_gerror_ = 0;
  u64 gerrorn_ = 0;
  bool error_shown_ = false;  // CMDQ_CONS said at which command, and why
};

}  // namespace iommucheck::oracle
