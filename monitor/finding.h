// SPDX-License-Identifier: MIT
// A finding: which rule is broken, by whom, where and when, what hardware may do against what is
// promised, and why. Facts only; report makes text, JSON, JUnit and SARIF of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/finding_kind.h"
#include "operations/operation.h"
#include "spec/rules.h"
#include "spec/smmu/caches.h"
#include "spec/sva/expectation.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Where something was or may be met.
struct Where {
  std::optional<u32> sid{};
  std::optional<u32> device{};
  bool nobodys = false;  ///< the stream is no device's
  bool walker = false;   ///< by a walker beside the SMMU: the device's, or one of its own
  std::optional<u32> pasid{};
  std::optional<u64> address{};
  std::optional<spec::AccessType> access{};
  bool privileged = false;
};

struct AccessRights {
  bool read = false, write = false, execute = false;
  friend bool operator==(const AccessRights&, const AccessRights&) = default;
};

/// One thing that hardware may do to an access.
struct May {
  using Kind = MayKind;
  Kind kind = Kind::anything;
  u64 pa = 0;
  u64 asid = 0;
  std::optional<u64> vmid{};  ///< tables of stage 2, which have no ASID
  AccessRights user{}, privileged{};
  u64 attr = 0;          ///< the MAIR byte
  bool device = false;   ///< Device memory
  std::string memory{};  ///< all of its attributes, in words; empty: not known
  spec::EventType event = spec::EventType::none;
  bool waits = false;                    ///< the event's access waits for an answer
  std::optional<spec::Rule> rule{};      ///< why it is so, where that is no word of memory
  std::optional<spec::AccessType> as{};  ///< for that kind of access alone
  std::optional<spec::Cause> because{};  ///< of one of several allowed outcomes
};

/// What the interface promises of an access.
struct Promised {
  spec::sva::State state = spec::sva::State::blocked;
  u64 pa = 0;
  u32 prot = 0;
};

/// What an object that a finding names was in then, by the numbers of the trace.
struct ObjectState {
  u32 device = 0;
  u64 domain = 0;  ///< that it is attached to, 0: none
};

struct Finding {
  spec::Rule rule{};
  spec::Keeper party{};       ///< at fault
  bool of_a_backend = false;  ///< found above one: registers have offsets, and no names
  EventIndex at = 0;          ///< event after which it was found
  /// One sentence of the check that found it. Empty where the members below say all.
  std::string statement{};
  Where where{};
  u32 smmu = 0;                 ///< of several, the number of the one that it is about
  std::vector<May> hardware{};  ///< what it may do and should not be able to; a device's: could
  std::vector<Promised> promised{};
  bool transient = false;             ///< what is promised while the call in progress lasts
  EventIndex during = 0;              ///< event with which the call in progress began; 0: none is
  std::vector<spec::Cause> causes{};  ///< in the order in which they lead there
  std::string why{};                  ///< and in the words of a backend's model of its hardware
  std::vector<ObjectState> objects{};
  std::vector<EventIndex> events{};  ///< that have to do with it, beside those of the causes
  std::optional<spec::sva::Status> answer{};  ///< RESULT_EXACT: what the call said
  std::string wrong{};                        ///< and what is wrong with it
  bool changed_nothing = false;               ///< that was an error, by which nothing has changed
  FindingKind kind{};                         ///< what is the same in every case; else empty
  // Of a device's:
  bool access = false;         ///< about what became of an access
  std::optional<u32> which{};  ///< how many accesses came before that one
};

/// `text` with each of its numbers as "#".
std::string without_numbers(std::string_view text);
/// "stream 0x1 (device 0, PASID 0x2)".
std::string where_text(const Where& where);
std::vector<Promised> promised_of(const spec::sva::Alternatives& allowed);
/// What an outcome is, causes aside.
May may_of(const spec::Outcome& outcome);
/// A finding of `rule`, blamed on whom the rule names.
Finding finding_of(spec::Rule rule, std::string statement);

/// Where in its driver's life something is that is in no call.
enum class BesideCalls : u8 { boot, ready, shutdown };

/// An event that a finding names, as it stands in its trace.
struct NamedEvent {
  EventIndex number = 0;  ///< as causes have it
  u64 line = 0;           ///< of the trace's file, from 1; the header is line 1
  u64 call = 0;           ///< the last call that began before it, from 1; 0: none did
  bool inside = false;    ///< that call had not returned
  BesideCalls beside = BesideCalls::boot;  ///< of what is not inside
  trace::Event event;
  std::string symbol{};  ///< of the code that did it; empty: not known
  std::string source{};  ///< and the driver's file, as its compiler was given it; empty: not known
  u64 source_line = 0;
};

/// The calls up to a finding, with what devices and the environment did in between.
struct Story {
  std::vector<trace::Event> events{};
  u64 calls_before = 0;  ///< left out in front
  bool known = false;    ///< false: a recording below the interface
};

/// A finding with all that is told of it.
struct Violation : Finding {
  std::vector<NamedEvent> named{};
  Story story{};
  std::vector<std::string> remarks{};         ///< how it was seen: what the driver printed, ...
  std::vector<fuzz::Operation> operations{};  ///< the shortest sequence found; empty: a recording
  u64 calls = 0;                              ///< of that sequence
  u64 sequence = 0;          ///< number of the random sequence that showed it first
  std::string machine{};     ///< on which; see machine_text
  std::string trace_path{};  ///< replays it alone; empty if it was not written
  std::string again{};       ///< the command that shows it once more; empty: `replay` of the trace

  Violation() = default;
  explicit Violation(Finding finding) : Finding(std::move(finding)) {}
};

/// A sequence that is left without a verdict: a bound of the specification was hit, or it came to
/// what is not modelled. It is counted, and takes nothing from the verdict of the others; what is
/// not modelled leaves the run undecided.
struct GaveUp {
  std::string bound;
  bool unmodelled = false;
  std::vector<fuzz::Operation> operations;  ///< the shortest sequence found
  u64 sequence = 0;
  std::string trace_path;
};

/// As bytes, for the way from one process to another, and back: nothing for any other bytes (a
/// driver may have scribbled over them).
std::string encode(const Violation& violation);
std::string encode(const GaveUp& gave_up);
std::optional<Violation> decode_violation(std::string_view bytes);
std::optional<GaveUp> decode_gave_up(std::string_view bytes);

}  // namespace iommucheck::oracle
