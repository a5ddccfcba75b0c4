// SPDX-License-Identifier: MIT
// A scenario as it is written: one step a line. docs/scenarios.md has the format.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/types.h"

namespace iommucheck::scenario {

/// Where something stands; places do not matter to equality.
struct Place {
  u32 line = 0;
  u32 column = 0;
  friend bool operator==(const Place& /*a*/, const Place& /*b*/) { return true; }
};

struct Name {
  std::string text;
  Place place;
  friend bool operator==(const Name&, const Name&) = default;
};

/// An argument, result or outcome.
struct Value {
  enum class Kind : u8 {
    number,
    word,   ///< `rw`, `EINVAL`, `P1`, `P1+0x10`, `F.quiet`
    list,   ///< `[a, b]`
    term,   ///< `va(0x1000)`
    tuple,  ///< `(P1, 0x1000)`
    pair    ///< `key=value`, `P1:0x1000`: two items
  };
  Kind kind = Kind::number;
  u64 number = 0;     ///< of a number; of a word what is added to it
  bool hex = false;   ///< how the number is written
  bool plus = false;  ///< a word with `+number`
  char mark = ':';    ///< what stands between a pair: ':' or '='
  std::string word;
  std::vector<Value> items;
  Place place;
  friend bool operator==(const Value&, const Value&) = default;

  [[nodiscard]] bool is_word(std::string_view text) const {
    return kind == Kind::word && !plus && word == text;
  }
};

using Values = std::vector<Value>;

/// `key=value` of world and dev.
struct Setting {
  Name key;
  Name value;
  friend bool operator==(const Setting&, const Setting&) = default;
};

/// world, dev, page, run, huge, proc.
struct Declare {
  enum class Kind : u8 { world, dev, page, run, huge, proc };
  Kind kind = Kind::world;
  std::vector<Name> names;
  std::vector<Setting> settings;
  u64 count = 1;  ///< run: pages
  friend bool operator==(const Declare&, const Declare&) = default;
};

/// mmap, munmap, mprotect; upt, upt_clear.
struct Change {
  enum class Kind : u8 { mmap, munmap, mprotect, upt, upt_clear };
  Kind kind = Kind::mmap;
  Name object;
  Value at;
  std::optional<Value> to;  ///< the page, or the intermediate address
  std::string prot;
  friend bool operator==(const Change&, const Change&) = default;
};

/// ucd C pasid U.
struct UserEntry {
  Name table;
  Value pasid;
  Name entry;
  friend bool operator==(const UserEntry&, const UserEntry&) = default;
};

/// The handler that a call is made from.
struct Handler {
  Name device;
  Value pasid;
  friend bool operator==(const Handler&, const Handler&) = default;
};

struct Invoke {
  enum class Memory : u8 { normal, each_alloc, none };
  Memory memory = Memory::normal;
  std::optional<Handler> inside;
  std::optional<Name> result_name;
  Name call;
  Values arguments;
  Values results;  ///< alternatives; empty: none written (no-memory, race)
  friend bool operator==(const Invoke&, const Invoke&) = default;
};

/// ?, ?sid, ?walk, ?gpu.
struct Probe {
  enum class Kind : u8 { device, stream, walk, gpu };
  Kind kind = Kind::device;
  Name target;
  std::optional<Value> pasid;
  u64 stream = 0;  ///< ?sid: which of the device's
  Value iova;
  char access = 'r';
  Values outcomes;
  friend bool operator==(const Probe&, const Probe&) = default;
};

struct Dma {
  std::optional<Name> result_name;
  Name device;
  std::optional<Value> pasid;
  Value iova;
  char access = 'r';
  u64 group = 0;
  bool last = true;
  Values outcomes;
  friend bool operator==(const Dma&, const Dma&) = default;
};

/// What is looked at, or happens, and is no call.
struct Check {
  enum class Kind : u8 {
    mark,
    same,
    blame,          ///< the party
    hw,             ///< none, some
    callbacks,      ///< terms; empty: none
    hook,           ///< name, value
    hooks_balance,  ///< number
    leaks,          ///< pairs; empty: none
    asid_pinned,    ///< process, yes or no
    cpu_asid_collides,
    distinct,
    same_format,
    draw,  ///< words as they stand
    bound_passes,
    stuck,  ///< number of the CMD_SYNC; empty: at once
    unstuck,
    recover  ///< results, may be empty
  };
  Kind kind = Kind::mark;
  Values values;
  friend bool operator==(const Check&, const Check&) = default;
};

/// `T1 -> ok`.
struct Resume {
  Values results;
  friend bool operator==(const Resume&, const Resume&) = default;
};

using Action = std::variant<Invoke, Change>;

struct Race {
  Action first, second;
  Values results;
  friend bool operator==(const Race&, const Race&) = default;
};

struct Step {
  Name thread;  ///< empty: the ordinary caller
  std::variant<Declare, Change, UserEntry, Invoke, Probe, Dma, Check, Resume, Race> what;
  Place place;
  friend bool operator==(const Step&, const Step&) = default;
};

struct Scenario {
  std::string id;
  std::string keys;   ///< "R1,R3"
  std::string title;  ///< words with one blank between them
  std::vector<Step> steps;
  Place place;
  friend bool operator==(const Scenario&, const Scenario&) = default;
};

struct File {
  std::string name;
  std::vector<Scenario> scenarios;
};

}  // namespace iommucheck::scenario
