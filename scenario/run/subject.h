// SPDX-License-Identifier: MIT
// What a scenario is run on: a driver in lockstep with the specification, or the interface
// specification alone with the results of a right driver.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "host/user_memory.h"
#include "scenario/run/offers.h"
#include "scenario/run/world.h"
#include "spec/rules.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle::stories {

/// What became of a call, or of a Release.
struct Answer {
  enum class State : u8 {
    returned,
    blocked,
    not_built,
  };
  State state = State::returned;
  spec::sva::Observed observed{};
  std::string permitted{};  ///< what INTERFACE permits, for the report; may be empty
  /// The same, of a driver that may choose among them otherwise than the builtin ones.
  std::optional<spec::sva::Permitted> choices{};
  /// Of such a driver: what the step wants of an unmap or a dirty_read that succeeds is permitted.
  bool wanted_is_permitted = false;
  bool allocation_failed = false;  ///< the allocation that was to fail did
  std::string word{};              ///< instead of a value: "waiting"
  u64 bits = 0;                    ///< of dirty_read: how many its window has
};

/// What a step expects, for a subject that chooses among right results.
struct Wanted {
  bool anything = false;  ///< any result
  bool success = false;   ///< `ok`, `new`
  std::vector<spec::sva::Status> errors;
  std::vector<u64> values;
  std::vector<u64> before_errors;      ///< commands done before one failed: of `done(n, error)`
  std::vector<std::vector<u64>> bits;  ///< of dirty_read, as Observed has them
};

/// What an access may meet: an address, or a fault by its name ("F.perm"); "?…" for what no
/// scenario can expect.
struct Reached {
  bool address = false;
  u64 pa = 0;
  std::string fault;
  auto operator<=>(const Reached&) const = default;
};
using Reachable = std::set<Reached>;

struct CallbackSeen {
  u32 device = 0;
  u32 pasid = 0;
  u64 drvdata = 0;
  std::optional<u32> group{};  ///< of a fault handler; nothing: mm_exit
};

/// A rule that was broken.
struct Trouble {
  spec::Rule rule{};
  spec::Keeper keeper{};  ///< who broke it
  std::string text;
};

/// What a call did to the IOMMU.
struct Touched {
  u64 register_writes = 0;
  u64 commands = 0;
  u64 structure_stores = 0;  ///< to stream and PASID tables
  bool known = true;         ///< false: this subject has no hardware
  [[nodiscard]] bool none() const {
    return register_writes == 0 && commands == 0 && structure_stores == 0;
  }
};

/// How an allocation of the next call goes.
struct Memory {
  u32 fail_at = 0;  ///< from 1; 0: none
  bool none = false;
};

struct Probing {
  /// A device through the IOMMU, a walker of its own with the root `table`, or whatever the context
  /// bank of a device has.
  enum class By : u8 { stream, walker, context_bank };
  By by = By::stream;
  u64 table = 0;
  u32 device = 0;
  u32 stream = 0;  ///< which of the device's
  spec::sva::Substream at{};
  u64 iova = 0;
  char access = 'r';
  /// Of a device that asks for pages: its number of the group, and whether it is the last of that.
  u64 group = 0;
  bool last = true;
};

class Subject {
 public:
  virtual ~Subject() = default;

  /// Before anything else: what there is in a machine for this world.
  virtual Offers offers(const World& world) = 0;
  /// Empty, or why the driver did not come up.
  virtual std::string boot(const World& world) = 0;
  /// What the world asks for and is not there, as it told when it came up; empty: nothing.
  [[nodiscard]] virtual std::string lacks() const { return {}; }
  /// Whether PASIDs are those of the builtin allocator.
  [[nodiscard]] virtual bool exact_pasids() const = 0;
  [[nodiscard]] virtual bool has(spec::sva::CallKind kind) const = 0;
  virtual spec::sva::Interface& interface() = 0;

  /// `thread` 0 is the ordinary caller; a thread makes one call at a time.
  virtual Answer call(u32 thread, const spec::sva::Call& call, const Wanted& wanted,
                      Memory memory) = 0;
  /// The process's address space goes away.
  virtual Answer release(u32 thread, u64 mm) = 0;
  /// What became of the thread's call by now.
  virtual Answer poll(u32 thread) = 0;
  /// Behind each line of the scenario.
  virtual void step_ends() {}

  virtual u64 create_process() = 0;
  virtual bool map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) = 0;
  virtual bool unmap(u64 mm, u64 va, u64 bytes) = 0;
  virtual bool protect(u64 mm, u64 va, u64 bytes, u32 prot) = 0;
  virtual u64 fork(u64 mm) = 0;
  [[nodiscard]] virtual bool asid_pinned(u64 mm) = 0;
  /// The process's CPU ASID becomes the one by which the device's space there is tagged. False:
  /// it cannot.
  virtual bool collide_asid(u64 mm, u32 device, spec::sva::Substream at) = 0;

  /// What users of stage 2 domains keep; null: there are none.
  virtual UserMemory* users() { return nullptr; }

  virtual Answer handler_returns(u32 device, u32 pasid, spec::sva::Status status) = 0;
  virtual void bound_passes() = 0;
  virtual Answer remove(u32 device) = 0;
  /// The caller gives the page to somebody else.
  virtual void reuse_page(u64 pa, u64 bytes) = 0;
  /// The context bank of the device gets that table, 0: its own domain's again.
  virtual void switch_walker(u32 walker, u64 root) = 0;
  virtual void flush_walker(u32 walker) = 0;
  virtual void set_stuck(bool stuck) = 0;
  /// What is sent is done up to the n-th time from now on (n >= 1) that the driver waits for it:
  /// SMMUv3's CMD_SYNC, a backend's flush. That one and all later are not, until set_stuck(false).
  virtual void stick_at_sync(u64 n) = 0;
  /// What a hook answers from here on. `made_nothing`: mm_alloc gives null.
  virtual void set_hook(spec::sva::Hook hook, spec::sva::Status status, bool made_nothing) = 0;
  virtual Answer recover() = 0;

  [[nodiscard]] virtual Reachable reachable(const Probing& probing) = 0;
  /// A table in memory to which STE and CD of the device lead.
  struct Standing {
    spec::sva::Substream at;
    u64 root = 0;
  };
  /// All of them, as memory says; nullopt: there is no memory.
  [[nodiscard]] virtual std::optional<std::vector<Standing>> standing(u32 /*device*/) {
    return std::nullopt;
  }
  /// Where the process's own table begins, if there is memory.
  [[nodiscard]] virtual u64 root_of(u64 /*mm*/) const { return 0; }
  /// A real access, with one of the outcomes that it may have: one that is not wanted, if there is
  /// any. False, with the reason, if it cannot be made here. `waits`: by what access_state() knows
  /// it, if it waits for an answer.
  virtual bool access(const Probing& probing, const Reachable& wanted, Reached& reached,
                      std::string& reason, u64& waits) = 0;
  /// What became of one that waited: an address or a fault that it met when it was made again, or
  /// "waiting", "aborted".
  virtual Reached access_state(u64 waits) = 0;

  virtual std::vector<CallbackSeen> take_callbacks() = 0;
  virtual std::vector<Trouble> take_troubles() = 0;
  [[nodiscard]] virtual Touched touched() const = 0;
  /// How many io_mms mm_alloc has made and mm_free not given back; nullopt: nobody tells.
  [[nodiscard]] virtual std::optional<u32> hooked_io_mms() const { return std::nullopt; }
  /// What the driver itself counts; null: it does not say.
  virtual const spec::sva::Held* driver_held() = 0;
  /// What happened can be written: else there is nothing to be missed of what passed.
  [[nodiscard]] virtual bool has_traces() const { return true; }
  /// Writes what happened. Empty, or why not.
  virtual std::string write_trace(const std::string& path) = 0;
  /// The end: what is judged only then. Nothing may be called behind it but take_troubles().
  virtual void finish() = 0;
  /// Why what was not found says nothing: a bound of the specification was hit, or something is not
  /// modelled. Empty: it says something.
  [[nodiscard]] virtual std::string no_verdict() const { return {}; }
};

/// The walker by whose caches a probe is answered; nullopt: none, the IOMMU does. A walker of its
/// own that has not walked its table yet begins empty, and gets the next number.
std::optional<u32> walker_of(Subject& subject, const Probing& probing);

/// What the interface promises of an access, in the words of scenarios.
Reachable promised(const spec::sva::Interface& interface, const Probing& probing);

std::unique_ptr<Subject> make_model();

}  // namespace iommucheck::oracle::stories
