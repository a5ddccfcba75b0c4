// SPDX-License-Identifier: MIT
// What the core needs of an IOMMU; nothing here names one. The core decides who reaches what, and
// in which order things are taken away, made known and given back; the backend stores and sends.
//
// The words:
//   route   what a device's accesses go through: nothing, untranslated, or a table
//   table   what stands for the accesses without a PASID, and at each PASID: entries
//   entry   a process's own table, as the CPUs have it, or a space of the driver's
//   space   an address space that the driver maps into
//   tag     what translations carry that the IOMMU has cached; a process's is the CPUs'
//   place   (device, PASID) where an entry with a tag stands, or has stood until now
//   forget  drop what the IOMMU has cached of routes and entries
//   drop    drop translations, the IOMMU's own or those that a device has cached
//   outer   of a space: what is mapped there may be the output of tables of a user's
//   user    who has tables of its own over an outer space, which say its own addresses
//   structure  what a user's own route would be, in the words of the backend
//
// What is forgotten or dropped is queued, and has acted when flush() says so. What two flushes
// apart guarantee, one does not: an entry first, then translations, then those of devices, as each
// can fill the next. Stores are visible to the IOMMU by the next flush or barrier.
//
// A store of a route or an entry may time out, where that is more than memory: then nobody knows
// what stands there, and recovery stores it again before it invalidates everything.
//
// Tables and spaces are objects of the backend's, derived from those of the core.
#pragma once

#include <array>

#include "base/types.h"
#include "impl/core/space.h"
#include "impl/pgtable/progress.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

/// Of a batch that was sent.
enum class SyncResult : u8 {
  complete,   ///< every command of the batch has taken effect
  skipped,    ///< a command was refused, and had no effect
  timed_out,  ///< nothing is known about the batch
  unanswered  ///< as complete, but some device has not said that it has dropped what it had to
};

struct Limits {
  u32 input_bits_min = 0;
  u32 input_bits_max = 0;
  u32 output_bits = 0;
};

/// Entries of a PASID table, and the one for accesses without a PASID: the backend's.
struct Table {
  Table* next_waiting = nullptr;  ///< the core's, of those that a time-out keeps
};

using Structure = std::array<u64, 2>;

struct Route {
  /// A user's goes by its structure, and what comes of that through the table of an outer space.
  enum class Kind : u8 { blocked, bypass, table, user };
  Kind kind = Kind::blocked;
  const Table* table = nullptr;
  Structure structure{};
  unsigned pasid_bits = 0;   ///< how much of it the device may reach
  Kind first = Kind::table;  ///< where accesses without a PASID go beside a table
};

/// Where translations of a tag can have come from: each device and PASID at which an entry with it
/// stands, or has stood until now. One may come several times.
class Places {
 public:
  /// for_each(visit) calls visit(device, pasid); it is used while this lives.
  template <class ForEach>
  explicit Places(const ForEach& for_each)
      : of_(&for_each), go_([](const void* of, Visitor& visitor) {
          (*static_cast<const ForEach*>(of))(
              [&](u32 device, u32 pasid) { visitor.at(device, pasid); });
        }) {}

  template <class Visit>
  void for_each(Visit visit) const {
    struct Each final : Visitor {
      explicit Each(Visit& each) : its(each) {}
      void at(u32 device, u32 pasid) override { its(device, pasid); }
      Visit& its;
    };
    Each each(visit);
    go_(of_, each);
  }

 private:
  struct Visitor {
    virtual void at(u32 device, u32 pasid) = 0;

   protected:
    ~Visitor() = default;
  };
  const void* of_;
  void (*go_)(const void* of, Visitor& visitor);
};

struct Entry {
  const Space* space = nullptr;       ///< the driver's own, or
  const iommucheck_mm* mm = nullptr;  ///< a process's, or
  const Space* outer = nullptr;       ///< a user's over that one, by `structure`
  Structure structure{};
  Tag tag{};
  bool waits = false;  ///< faults wait for an answer
  bool quiet = false;  ///< nothing is translated, and nothing reported

  /// Accesses pass as they are, where the backend can_route() so.
  bool passes() const { return space == nullptr && mm == nullptr && outer == nullptr; }
};

/// A command of a user's, as far as the core has to know it.
struct UserCommand {
  /// Each can refill what is about the next.
  enum class About : u8 { refused, entries, translations, device };
  About about = About::refused;
  bool names_device = false;
  u32 number = 0;  ///< by which the user calls the device
  /// Where PASIDs are the host's: it is about one at which the device is the user's, or no_pasid.
  bool names_pasid = false;
  u32 pasid = no_pasid;
};

/// An access that waits for an answer; of a device that asks for pages one of a group, which waits
/// for one.
struct Fault {
  u64 id = 0;  ///< the backend's, of the group
  u32 pasid = no_pasid;
  u32 prot = 0;
  u64 iova = 0;
  bool last = true;    ///< of its group: it is whole
  bool inner = false;  ///< on a user's route its own stage has made it: it is the user's to answer
};

/// What a user may know of what one of its devices has met: in the words of the backend, without a
/// number of the device and without what is the host's.
struct Event {
  Fault from;  ///< whose device's
  std::array<u64, 4> words{};
};

class FaultSink {
 public:
  /// Whether a user has it to answer.
  virtual bool take(const Fault& fault) = 0;
  /// Nobody answers it. False: it is no user's.
  virtual bool tell(const Event& event) = 0;
  /// Requests were lost: groups that have begun may never become whole, or were answered.
  virtual void groups_lost() = 0;

 protected:
  ~FaultSink() = default;
};

/// Of a space, at which what was written to is asked for: one bit a grain.
struct DirtyWindow {
  u64 iova = 0;
  u64 last = 0;
  u64 grain = 0;
  bool clear = false;  ///< what lies wholly inside is to be clean again
  u64* bitmap = nullptr;
  bool cleared = false;  ///< something was: what is cached is to forget that it was dirty

  bool holds(u64 first, u64 end) const { return iova <= first && end - 1 <= last; }
  bool has(u64 address) const {
    const u64 bit = (address - iova) / grain;
    return (bitmap[bit / 64] >> (bit % 64) & 1) != 0;
  }
  /// Of the part of [first, end) that is in it.
  void set(u64 first, u64 end) const {
    const u64 from = first < iova ? iova : first;
    const u64 to = end - 1 < last ? end - 1 : last;
    for (u64 bit = (from - iova) / grain; bit <= (to - iova) / grain; ++bit) {
      bitmap[bit / 64] |= u64{1} << (bit % 64);
    }
  }
  void empty() const {
    for (u64 word = 0; word <= (last - iova) / grain / 64; ++word) bitmap[word] = 0;
  }
};

/// To a fault: its accesses are made again, or aborted; or aborted, and a device that asks for
/// pages asks no more until somebody enables that.
enum class Response : u8 { success, invalid, failure };

/// What became of an answer.
enum class Answered : u8 {
  done,        ///< it has acted
  on_its_way,  ///< it will, when the IOMMU goes on
  no,          ///< it did not get through
};

/// What became of a store of a route or an entry.
enum class Stored : u8 {
  unchanged,  ///< it has said so already
  changed,
  timed_out  ///< it says the one or the other
};
/// And of a step before it.
enum class Prepared : u8 {
  ready,  ///< there is none (left) to be known of before the store
  again,  ///< what has changed is to be forgotten and flushed, and then the next one asked for
  timed_out
};

class Backend {
 public:
  // ---- life: probe, begin_reset, end_reset; then block, stop, power_off, free_everything ----

  /// Reads what the IOMMU can do. 0, ENODEV, ENOMEM.
  virtual int probe() = 0;
  virtual Limits limits() const = 0;
  /// From any state to one that takes commands, with every device blocked.
  virtual int begin_reset() = 0;
  /// After everything that it may have cached was invalidated: it translates.
  virtual int end_reset() = 0;
  virtual bool takes_commands() const = 0;
  virtual bool translates() const = 0;
  /// Nothing passes any more once it does not translate.
  virtual int block() = 0;
  virtual int stop() = 0;
  virtual int power_off() = 0;
  /// Memory that nothing reaches any more.
  virtual void free_everything() = 0;
  /// Global errors: told, and acknowledged.
  virtual void handle_errors() = 0;

  // ---- devices ----

  struct Added {
    int error = 0;         ///< ENODEV, ENOMEM
    bool changed = false;  ///< its route has to be forgotten, whole; on an error as well
  };
  /// Makes place for the routes of a device, blocked.
  virtual Added add_device(u32 device) = 0;
  /// The lowest number that is a PASID: 1 where what stands at 0 is for accesses without one.
  virtual u32 first_pasid() const = 0;
  /// Width of the PASIDs that device and IOMMU can do, 0: none.
  virtual unsigned pasid_bits(u32 device) const = 0;
  /// Whether its faulting accesses can wait for an answer.
  virtual bool can_wait(u32 device) const = 0;
  /// Whether an entry that waits leaves it to each device: one that cannot ends its accesses there.
  /// Else all that reach an entry have to be able to wait.
  virtual bool devices_wait_alone() const { return false; }
  /// Whether it caches translations itself.
  virtual bool has_cache(u32 device) const = 0;
  /// Whether it may cache too that accesses pass untranslated: then it drops that when they do not
  /// any more.
  virtual bool devices_cache_untranslated() const { return false; }

  /// What has to be known of a route before set_route(), where one store cannot change it: then
  /// accesses without a PASID meet the old route's, the new one's, or nothing, and those at PASIDs
  /// no other than before and after. It is asked until it is `ready`.
  virtual Prepared prepare_route(u32 device, const Route& route) = 0;
  virtual Stored set_route(u32 device, const Route& route) = 0;
  /// With it every entry that the device has reached; `whole`: also that there was none.
  virtual void forget_route(u32 device, bool whole) = 0;

  // ---- tables ----

  /// Whether accesses of the device can go there, without a PASID or at one: each can be led to a
  /// table, or nowhere; `bypass` is what a backend may not have.
  virtual bool can_route(Route::Kind kind, u32 /*device*/, bool at_pasid) const {
    return kind != Route::Kind::bypass || !at_pasid;
  }
  /// Whether entries lead to users' tables: each access of a user's device goes by one, that
  /// without a PASID too, and PASIDs are the host's. Else routes do.
  virtual bool users_by_entries() const { return false; }
  /// Whether what a user's own table ends can wait for an answer (Fault::inner).
  virtual bool users_wait() const { return false; }
  /// Null: no memory.
  virtual Table* open_table() = 0;
  /// Nothing may reach it any more, in memory or in caches.
  virtual void close_table(Table& table) = 0;
  /// The entry of accesses without a PASID, before any route leads to the table. Null: none.
  virtual Stored set_first_entry(Table& table, const Entry* entry) = 0;

  enum class Growth : u8 {
    none,       ///< it has place for PASIDs
    moved,      ///< it is another one in memory: all routes to it are to be set again
    no_memory,  ///< nothing changed
  };
  virtual Growth grow(Table& table) = 0;
  /// After `moved`: the routes have moved, or could not.
  virtual void grown(Table& table) = 0;
  virtual void not_grown(Table& table) = 0;
  /// What not_grown() left, once nothing can reach it.
  virtual void free_abandoned(Table& table) = 0;

  enum class Place : u8 {
    present,
    made,       ///< that there was none is to be forgotten: forget_entry, whole
    no_memory,  ///< nothing changed
  };
  /// A place for the entry of a PASID; it stays, empty.
  virtual Place make_place(Table& table, u32 pasid) = 0;
  /// What of an entry has to be known before it is valid, by steps as of a route; behind the last
  /// one too it is forgotten and flushed. The place is empty, or leads to the same table.
  virtual Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry) = 0;
  /// Makes the entry valid, or another one with the same table behind it, by one store. no_pasid:
  /// that of accesses without one.
  virtual Stored store_entry(Table& table, u32 pasid, const Entry& entry) = 0;
  virtual Stored clear_entry(Table& table, u32 pasid) = 0;
  virtual void forget_entry(u32 device, u32 pasid, bool whole) = 0;

  /// Whether it can walk the tables of such a process.
  virtual bool understands(const iommucheck_mm& mm) const = 0;

  // ---- spaces ----

  /// An empty one, with a tag. ENOMEM, ENOSPC (no tag).
  virtual int open_space(u32 input_bits, Space** space) = 0;
  /// An outer one, and a table that leads there and nowhere else, without PASIDs: what it maps from
  /// may be the output of tables of a user's. `input_bits` 0: the backend's choice. EOPNOTSUPP,
  /// EINVAL (input_bits), ENOMEM, ENOSPC.
  virtual int open_outer(u32 /*input_bits*/, Space** /*space*/, Table** /*table*/) {
    return -IOMMUCHECK_EOPNOTSUPP;
  }
  /// One of the format of `like`, without a tag: the IOMMU never reaches it. ENOMEM.
  virtual int open_foreign_space(const Space& like, Space** space) = 0;
  /// Nothing may reach it any more, in memory or in caches. Its tags are free.
  virtual void close_space(Space& space) = 0;
  virtual MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) = 0;
  virtual UnmapProgress unmap(Space& space, u64 iova, u64 bytes) = 0;
  virtual u64 translate(const Space& space, u64 iova) const = 0;
  /// Takes out the empty subtree that made map() stop; hangs it back; frees it.
  virtual Detached detach(Space& space, u64 iova, u64 pa, u64 bytes) = 0;
  virtual void attach_back(Space& space, const Detached& subtree) = 0;
  virtual void free_detached(Space& space, const Detached& subtree) = 0;
  /// Parts of the table that unmap() took out: no cache leads to them any more.
  virtual void free_retired(Space& space) = 0;

  // ---- users: where there are outer spaces ----

  /// Whether a route may go by that structure, over that space. EINVAL, EOPNOTSUPP.
  virtual int check_structure(const iommucheck_nested_params& /*params*/, bool /*pasids*/,
                              const Space& /*outer*/) const {
    return -IOMMUCHECK_EOPNOTSUPP;
  }
  /// All that was made of what users' tables say and the outer space of that tag.
  virtual void drop_inner(Tag /*tag*/) {}
  /// All that the device has cached, at PASIDs that nobody knows of as well.
  virtual void drop_device_wholly(u32 device) { drop_device(device, no_pasid); }
  /// Two words of a user's.
  virtual UserCommand understand(const u64* /*command*/) const { return {}; }
  /// Instead of one that it understands: for that tag, of a device whose route goes by that
  /// structure.
  virtual void forward(const u64* /*command*/, Tag /*tag*/, u32 /*device*/,
                       const Structure& /*structure*/) {}

  // ---- what devices have written to: without it nothing is tracked ----

  virtual bool tracks_writes() const { return false; }
  /// From now on map() makes what is clean (`Space::tracked`), and all that stands there is; or
  /// nothing is marked any more.
  virtual void track(Space& /*space*/, bool /*on*/) {}
  /// Of accesses that have ended the marks are there behind the next flush().
  virtual void settle_marks() {}
  /// Sets the bits of what is marked; what it makes clean joins the gather.
  virtual void read_marks(Space& /*space*/, DirtyWindow& /*window*/) {}
  /// Of what was read and made clean, by its bits: it is dirty again.
  virtual void mark_again(Space& /*space*/, const DirtyWindow& /*window*/) {}

  // ---- hooks of an address space at a PASID (io_mm): INTERFACE "Hooks" ----
  // `io_mm` is a number that no other one has while it lives. A backend that has nothing to do
  // there leaves them as they are.

  /// Which of them there are. With neither mm_alloc nor mm_free the core makes io_mms alone.
  struct Hooks {
    bool mm_alloc = false;
    bool mm_free = false;
    bool mm_attach = true;
    bool mm_detach = true;
  };
  virtual Hooks hooks() const { return {}; }
  struct Made {
    int error = 0;         ///< a negative errno
    bool is_null = false;  ///< nothing was made, and nobody says why: no memory
  };
  /// What the backend keeps of an io_mm, before it has a PASID; mm_free() gives it back.
  virtual Made mm_alloc(u64 /*io_mm*/) { return {}; }
  virtual void mm_free(u64 /*io_mm*/) {}
  /// Before the first access of the device can reach it, and after the last could. 0 or an errno,
  /// with which the device does not get it.
  virtual int mm_attach(u64 /*io_mm*/, u32 /*device*/) { return 0; }
  virtual void mm_detach(u64 /*io_mm*/, u32 /*device*/) {}

  // ---- tags ----

  /// For a space in the place of its own; none: none is left.
  virtual Tag new_tag() = 0;
  /// What translations of a process are to carry, from now on; `cpus`: what they carry in the CPUs'
  /// own caches. 0, EBUSY (a space has it), ENOSPC (there is none for it).
  virtual int take_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag) = 0;
  virtual void release_tag(Tag tag) = 0;

  // ---- invalidation ----

  /// Whether caches may remember that nothing is mapped: then map owes that they forget it. Not of
  /// a process's table, whose owner tells of nothing that it adds.
  virtual bool remembers_unmapped() const = 0;
  /// Whether the CPUs' own TLB maintenance of a process's table reaches what the IOMMU has cached
  /// of it: what devices have cached it does not.
  virtual bool hears_cpus() const { return false; }
  /// Of a tag all, or what was gathered. `places`: where they can have come from.
  virtual void drop_translations(Tag tag, const Places& places) = 0;
  virtual void drop_gathered(const Gather& gather, Tag tag, const Places& places) = 0;
  /// Whether translations are known by their tag and their PASID: then those of a place are dropped
  /// at the latest when an entry has left it.
  virtual bool drops_by_place() const { return false; }
  /// Of one PASID, or no_pasid; all, or [first, end).
  virtual void drop_device(u32 device, u32 pasid) = 0;
  virtual void drop_device_range(u32 device, u32 pasid, u64 first, u64 end) = 0;
  virtual SyncResult flush() = 0;
  /// All that the IOMMU itself has cached, whatever is queued. False: the time was up.
  virtual bool drop_everything() = 0;

  // ---- faults ----

  virtual bool reports_faults() const = 0;
  /// Reads what was reported; those that wait go to `sink`.
  virtual void read_faults(FaultSink& sink) = 0;
  virtual bool came_from(const Fault& fault, u32 device) const = 0;
  /// How many accesses can wait at a time.
  virtual u32 faults_max() const = 0;
  /// Of what read_faults() tells: the number by which the user calls the device.
  virtual void set_number(Event& /*event*/, u32 /*number*/) const {}
  /// Ends it, with all of its group, whole or not.
  virtual Answered answer(const Fault& fault, Response response) = 0;
  /// Waits for answers that were on their way, and for nothing that others have queued: what of
  /// that was lost its own flush() tells. False: the time was up.
  virtual bool wait_for_answers() = 0;

 protected:
  ~Backend() = default;
};

}  // namespace iommucheck::impl
