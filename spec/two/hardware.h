// SPDX-License-Identifier: MIT
// The second IOMMU as a specification: which answers may an access get now, given all that was
// stored, sent and completed? All of them, always: nothing is evicted at random.
//
// The rules, each of them used in one place of hardware.cpp:
//  1. Stores are seen at once and in their order.
//  2. A command acts at one moment between being sent and being complete. Reading `done` completes
//     what was sent, unless the IOMMU is stuck. Commands that are under way have no order.
//  3. What is cached is what memory said at some moment while a way led there. It lives until a
//     command that covers it has acted: so what memory last said before the sending of a command
//     that is complete is gone, all later may be there.
//  4. Caches hold: words of the device table; for each stream ID and PASID where its accesses go,
//     "nowhere" too; words of page tables that point to tables; and answers for pages, "not mapped"
//     too, but never of a table that is the CPUs'. All that comes from a page table is known by the
//     address of its root, whoever filled it.
//  5. A device that caches translations fills from every answer that a page table may give it. It
//     keeps no failures, nor what passes untranslated, and uses what it keeps whatever the IOMMU's
//     words say by then.
//  6. An access at a way that waits, and that is not mapped or permitted, becomes a page request
//     and waits for a response. Requests come in groups: a device says which is the last one of a
//     group, and one response, by the group, ends all of it, whole or not.
//  7. A user's table, behind an outer one, is walked as any; each of its addresses, that of its
//  root
//     too, is translated by the outer table then, as the caches have that by then. What comes of
//     both is cached together, pointers and answers, known by both roots, and lives until a command
//     that covers it so; what comes of the outer table alone is cached for itself, known by its
//     root as any. "Not mapped" by the user is never remembered, by the outer table is. Devices
//     cache nothing of it, and no access waits there.
//  8. A write by a leaf that tracks marks it, before it is done, as one step: in memory, if that
//  says
//     the same still; else the walk begins anew. What is cached as written marks nothing. A
//     device's own cache has its right to write by such a mark.
//  9. Whoever follows a pointer to a page that was given back since is in memory that may be
//     anybody's: it may get anything (wild). Words of a user's table that nobody has stored may say
//     anything: what is behind them is inside of what the outer table maps.
// 10. An access that is not mapped or not permitted, by either table, and does not wait leaves a
//     record, which has room in a queue of `events_max`, or is lost.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "spec/two/format.h"

namespace iommucheck::spec::two {

/// What an access may get.
struct Answer {
  enum class Kind : u8 {
    address,
    blocked,     ///< the device goes nowhere
    no_entry,    ///< there is nothing at the PASID
    not_mapped,  ///< and reported
    denied,      ///< and reported
    waits,       ///< as a page request
    quiet,
    wild,
    outer_not_mapped,  ///< by the outer table
    outer_denied,
    inside,  ///< anything that the outer table may give
  };
  Kind kind = Kind::blocked;
  u64 pa = 0;
  std::optional<u64> ipa{};  ///< what the outer table was asked for
  u64 mark = 0;              ///< the word that it marks; 0: none
  auto operator<=>(const Answer&) const = default;
};

struct Who {
  u32 stream = 0;
  u32 pasid = no_pasid;
  auto operator<=>(const Who&) const = default;
};

class Hardware {
 public:
  struct Stream {
    u32 id = 0;
    bool caches = false;      ///< translations, itself
    bool can_wait = false;    ///< its accesses
    unsigned pasid_bits = 0;  ///< of what it can send
  };
  /// `pasid_bits`: the widest PASIDs that it can do. `marks`: what is written.
  Hardware(std::vector<Stream> streams, unsigned pasid_bits, bool marks = true);

  // ---- what is done to it ----
  void store(u64 pa, u64 value);
  /// Whether the page is one of a device's or a PASID's words, and no page table.
  [[nodiscard]] bool is_structure(u64 pa) const { return structures_.contains(pa & ~u64{4095}); }
  /// False if an access may still lead there: rule 9.
  bool give_back(u64 pa, u64 bytes);
  void write(u64 offset, u64 value);
  u64 read(u64 offset);
  void set_stuck(bool stuck) { stuck_ = stuck; }
  /// The device is gone, with what it has cached.
  void remove(u32 stream);
  /// A walker of its own gets a table, 0: none; it has nothing cached. It knows no "not mapped".
  void walker_switches(u32 walker, u64 root, unsigned levels);
  void walker_flushes(u32 walker);

  // ---- questions ----
  enum class Access : u8 { read, write, execute };
  [[nodiscard]] std::set<Answer> answers(const Who& who, u64 iova, Access access);
  [[nodiscard]] std::set<Answer> walker_answers(u32 walker, u64 iova, Access access) const;

  // ---- accesses that end ----
  /// Its words are those of the registers; the last one is 0.
  using Record = std::array<u64, 4>;
  /// What an access leaves that gets that; nothing: it is not reported.
  [[nodiscard]] std::optional<Record> record_of(const Who& who, u64 iova, Access access,
                                                Answer::Kind kind) const;
  /// It joins the queue, where there is room; else it is lost.
  void report(const Record& record) {
    if (has_room()) events_.push_back(record);
  }
  [[nodiscard]] bool has_room() const { return events_.size() < events_max; }

  // ---- accesses that wait ----
  /// The access is made and waits; its id. It is told by the registers. `index`: the device's
  /// number of its group, to which all belong that it sends for the PASID until the `last` one.
  u64 request(const Who& who, u64 iova, Access access, u64 index, bool last);
  /// The group that the access is of: the id of its first one.
  [[nodiscard]] u64 group_of(u64 id) const;
  struct Response {
    u64 id = 0;
    u64 group = 0;
    ResponseCode code{};
  };
  [[nodiscard]] std::vector<Response> take_responses() { return std::exchange(responses_, {}); }
  [[nodiscard]] bool is_waiting(u64 id) const { return waiting_.contains(id); }
  /// Groups that were responded to and did not wait, since the last time.
  [[nodiscard]] std::vector<u64> take_strays() { return std::exchange(strays_, {}); }

 private:
  using Time = u64;
  static constexpr Time never = ~Time{0};
  /// What a word said, from a moment on until it said something else.
  struct Version {
    Time from = 0;
    u64 value = 0;
  };
  struct Page {
    std::array<std::vector<Version>, 512> words;
    std::vector<Time> given_back;
  };
  /// A cached word of the device table.
  struct DeviceItem {
    u32 stream = 0;
    u64 word = 0;
    Time until = never;  ///< memory said so until then
  };
  /// A way that accesses may take: in use from..to, filled by a device item that it dies with.
  struct Lead {
    Who who;
    Way way = Way::blocked;
    u64 entry = 0;
    u64 outer = 0;  ///< the second word of a user's
    bool wild = false;
    u64 by = 0;  ///< the device item's word
    Time from = 0;
    Time until = never;  ///< it could be filled until then
    Time to = never;

    [[nodiscard]] bool translates() const {
      return way == Way::table && EntryWord{entry}.valid() && !EntryWord{entry}.quiet();
    }
  };
  struct Command {
    CommandKind kind{};
    u64 a = 0, b = 0, c = 0, d = 0;
    Time sent = 0;
    Time complete = never;
  };
  /// Which tables an access is translated by.
  struct Tables {
    u64 root = 0;
    unsigned levels = 0;
    u64 outer = 0;  ///< root of the outer table of a user's; 0: none
    unsigned outer_levels = 0;
    bool cpus = false;
    bool passes_inner = false;  ///< a user's accesses, by the outer table alone
  };
  /// What a walk ends in.
  struct End {
    enum class Kind : u8 { mapped, not_mapped, wild, outer_not_mapped, inside };
    Kind kind = Kind::not_mapped;
    u64 leaf = 0;
    u64 pa = 0;
    u64 outer_leaf = 0;  ///< 0: there is no outer table
    u64 ipa = 0;
    u64 place = 0;  ///< of the leaf; where there is an outer table, of that one's
    auto operator<=>(const End&) const = default;
  };
  /// Where an access may end, whatever it wants.
  struct Met {
    std::optional<Answer> always{};  ///< no walk is made
    End end{};
    Tables by{};
    bool waits = false;
    bool cached = false;  ///< by the device
  };
  /// With the earliest moment at which it can have been found.
  using Ends = std::map<End, Time>;
  struct Walk;
  static void find(Ends& found, const End& end, Time at);

  [[nodiscard]] const std::vector<Version>* versions(u64 pa) const;
  [[nodiscard]] u64 newest(u64 pa) const;
  [[nodiscard]] bool gone_since(u64 pa, Time since, Time now) const;
  void complete_all();
  void respond(u64 group, ResponseCode code);
  void refresh();
  void fill(const DeviceItem& item, const Who& who);
  void find_pasids(const DeviceItem& item);
  static Tables tables_of(const Lead& lead);
  static bool takes(const Command& command, const Tables& by, u64 first, u64 last);
  [[nodiscard]] Time last_drop(const Tables& by, u64 first, u64 last, Time now) const;
  [[nodiscard]] std::vector<Time> before_drops(const Tables& by, Time from, Time now) const;
  [[nodiscard]] std::vector<std::pair<Time, Time>> usable(const Tables& by) const;
  void ends_at(const Tables& by, u64 iova, Time now, Time low, Ends& found) const;
  [[nodiscard]] Time last_drop_of_both(const Tables& by, Time now) const;
  void ends_by_user(const Walk& walk, Ends& found) const;
  void ends_in(const Walk& walk, u64 table, unsigned depth, Time low, Ends& found) const;
  [[nodiscard]] Ends through_outer(const Walk& walk, u64 ipa, Time low) const;
  const std::vector<Met>& met(const Stream& stream, const Who& who, u64 iova);
  void meet_by(const Lead& lead, const Stream& stream, u64 iova);
  void meet_cached(const Lead& lead, Time cached_from, u64 iova);
  static Answer answer_of(const End& end, const Tables& by, bool waits, Access access);
  [[nodiscard]] std::optional<u64> mark_of(const End& end, Access access) const;
  [[nodiscard]] bool leads_into(const Tables& by, u64 table, unsigned depth, u64 base, u64 pa,
                                u64 bytes) const;
  [[nodiscard]] const Stream* stream(u32 id) const;

  std::vector<Stream> streams_;
  std::unordered_map<u64, std::unique_ptr<Page>> pages_;
  std::set<u64> structures_;  // pages whose words lead somewhere
  std::set<u32> pasids_;      // at which something was
  std::vector<DeviceItem> devices_;
  std::vector<Lead> leads_;
  std::vector<Command> commands_;
  std::size_t completed_ = 0;
  std::map<u32, std::pair<EntryWord, Time>> walkers_;  // root, and since when
  struct Request {
    u64 group = 0;
    Who who;
    u64 index = 0;
    u64 page = 0;  ///< as the register has it
    bool last = false;
  };
  std::map<u64, Request> waiting_;
  std::vector<u64> untaken_;
  std::vector<Response> responses_;
  std::vector<u64> strays_;
  std::vector<Record> events_;
  std::map<u64, u64> registers_;
  u64 requests_ = 0;
  Time now_ = 1;
  struct {
    Time at = never;  ///< as of then
    Who who;
    u64 iova = 0;
    std::vector<Met> met;
  } known_;  // what was asked for last
  unsigned pasid_bits_;
  bool marks_;
  bool stuck_ = false;
};

}  // namespace iommucheck::spec::two
