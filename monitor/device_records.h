// SPDX-License-Identifier: MIT
// The event records of a device under test: each is of one access that was terminated, says what
// the architecture fixes, and is there within a few looks at the queue. IHI 0070 7.2 to 7.4.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "monitor/device_allowed.h"
#include "monitor/device_findings.h"
#include "monitor/record_matching.h"
#include "monitor/waiting_stalls.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class DeviceRecords {
 public:
  using Features = DeviceAllowed::Features;

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

  DeviceRecords(const spec::Caches& caches, spec::Smmu& smmu, const DeviceAllowed& allowed,
                DeviceFindings& findings)
      : caches_(caches), smmu_(smmu), allowed_(allowed), findings_(findings), stalls_(caches) {}

  void begin_case() {
    state_ = {};
    stalls_.begin_case();
  }

  // ---- events -----------------------------------------------------------------------------------
  /// Before memory has it. True: they are words of commands alone, which are no change yet.
  bool stored(u64 pa, u64 words);
  /// Before anything changes: so that all that was there until now is known.
  void stalled_meet();
  void register_written(u32 offset);
  /// True: it is judged here.
  bool register_read(u32 offset, u64 value);
  /// An access or a request begins.
  void access_begins() { ++state_.accesses; }
  /// Of that one: how many came before it.
  [[nodiscard]] u32 which() const { return state_.accesses - 1; }
  /// It was terminated.
  void push(Open open);
  [[nodiscard]] Open& latest() { return state_.open.back(); }
  void record(const trace::EventRecord& words);
  void finish();

  [[nodiscard]] bool may_record(const Open& open) const;

 private:
  /// A record and its access, that fit: another record may show that they belong to others.
  struct Settled {
    SeenRecord record;
    Open open;
  };
  // Of an access.
  [[nodiscard]] bool records(const Open& open, const spec::Outcome& outcome) const;
  [[nodiscard]] bool may_overflow(const Open& open) const;
  [[nodiscard]] bool surely_records(const Open& open) const;
  [[nodiscard]] bool finds_room(const Open& open) const;
  [[nodiscard]] bool is_merged(const Open& open) const;
  bool takes_record_of_newer(Open& older);
  [[nodiscard]] RecordClaim claim_of(const Open& open) const;
  // Of the queue.
  void forget_accesses();
  void events_shown(u64 prod);
  void overflow_seen(bool flag);
  void queue_looked_at();
  // Of its records.
  void assign_records();
  [[nodiscard]] static bool fits(const RecordClaim& claim, const trace::EventRecord& words);
  void settle(const SeenRecord& record, const Open& open, bool fresh);
  void check_stag(u32 which, const trace::EventRecord& words);
  void nobodys(const SeenRecord& record);
  void missing(const Open& open);
  struct Mismatch {
    spec::Rule rule;
    DeviceKind kind;
    std::string allowed;  ///< what it is to have
  };
  void mismatch(const Open& open, const trace::EventRecord& words);
  [[nodiscard]] Mismatch mismatch_with(const Open& open, const spec::Outcome& o,
                                       const DeviceKind& terminated) const;
  void wrong_fields(const Open& open, const trace::EventRecord& words,
                    const std::vector<spec::FieldDifference>& wrong);
  // Of what waits.
  void stalls_may_end();
  void stalls_end_by_commands();
  void meets(Open& open) const;
  void try_again(const WaitingStalls::Again& one);
  void commands_consumed();
  void stalls_change();

  /// What a case leaves here.
  struct State {
    u32 accesses = 0;  ///< that have begun
    std::vector<Open> open;
    std::vector<SeenRecord> batch;  ///< records of this look, until the last of them has come
    std::vector<u32> took_room;  ///< Open::pushed of those that found a place though none was sure
    u32 pushed = 0;
    std::vector<Settled> settled;  ///< of the looks before, the latest ones
    std::set<std::string> named;   ///< fields of records that were found wrong
    std::vector<trace::EventRecord> came;
    u64 new_records = 0;             ///< that EVENTQ_PROD showed and record() did not bring yet
    u64 shown_at = 0;                ///< accesses that there were when it showed them
    bool overflow_possible = false;  ///< since the last look a record may have met a full queue
    bool met_full_queue = false;
    u64 overflows = 0;       ///< how often OVFLG was seen to toggle
    u64 lost = 0;            ///< of `open`, so many at least have lost their record by that
    unsigned forgotten = 0;  ///< looks until records of forgotten accesses have come
  };
  const spec::Caches& caches_;
  spec::Smmu& smmu_;
  const DeviceAllowed& allowed_;
  DeviceFindings& findings_;
  WaitingStalls stalls_;
  RecordMatching matching_;  // learns over cases
  State state_;
};

}  // namespace iommucheck::oracle
