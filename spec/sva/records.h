// SPDX-License-Identifier: MIT
// What the interface's state is made of: all of it lies in trailed pools, by index, 0 is none.
// Every record is a multiple of 8 bytes, as the trail wants it.
#pragma once

#include <array>

#include "base/types.h"
#include "spec/sva/call.h"

namespace iommucheck::spec::sva::records {

enum class Owner : u32 {
  domain,         ///< a domain's space, which RIDs reach
  private_pasid,  ///< of an io_mm that sva_alloc_pasid made
  process,        ///< the environment's
  task,           ///< of a token of the explicit model
  user,           ///< a table in a user's memory, which the environment tells of
};

enum Life : u32 {
  unused = 0,
  living = 1,
  zombie = 2,     ///< its handle is gone, but a time-out keeps what it mapped reachable
  releasing = 3,  ///< a process of which Release began
  dead = 4,       ///< a process of which Release returned, or that is gone
};

enum StaleTag : u32 { gathered = 0, in_quarantine = 1 };

/// What may be cached at one place beside what was there first; more of it is not kept.
inline constexpr unsigned older_layers = 7;
/// A bit of a layer's `prot`: more layers than are kept.
inline constexpr u32 unknown_layers = u32{1} << 31;

/// An address space: one object, whoever reaches it. A process's `stale` and `older` are tagged
/// with the number of the environment's change that made them old.
struct Space {
  u64 handle = 0;  ///< domain's, io_mm's, or the environment's mm
  u64 map = 0;     ///< root: what is mapped
  u64 stale = 0;   ///< root: not any more (so), not invalidated; tagged StaleTag
  u64 page_sizes = 0;
  u64 added_first = ~u64{0};  ///< hull of what tlb_range_add added to the gather
  u64 added_last = 0;
  u32 kind = 0;  ///< a DomainKind; of a private or process space: paging
  u32 input_bits = 0;
  u32 output_bits = 0;
  u32 devices = 0;  ///< attached, at a PASID too; of a process: bonds, ghosts included
  u32 ghosts = 0;   ///< devices that a time-out left with a way to it
  u32 life = unused;
  u32 next = 0;  ///< of the pool
  Owner owner = Owner::domain;
  std::array<u64, older_layers> older{};  ///< roots: further layers of what was there
  u64 table = 0;                          ///< attribute TTBR0, once it was seen
  u32 number = 0;     ///< PASID record: a private space's; the one that plain binds share
  u32 domain = 0;     ///< private: of which it is; dynamic: the master; nested, user's: the parent
  u32 maker = 0;      ///< private: the device
  u32 links = 0;      ///< private, tables per device: list of devices that reach it
  u64 written = 0;    ///< root: pages that devices have written since the last clear
  u64 maybe = 0;      ///< root: pages of which that is not known
  u64 meanwhile = 0;  ///< root: written while a call on its dirty state is in progress
  u32 tracked = 0;    ///< dirty_set(on)
  u32 asked = 0;      ///< tracked, and a device that may ask for translations was on it
  u32 used = 0;       ///< stage 2: a device was on a route of its user's, which may be cached
  u32 iommu = 0;      ///< 1 above the number of that which it is for; 0: nobody has said it yet
  /// A user's table: a table below it that was taken out, of which a pointer may be cached still,
  /// when it was (0: none is), and of which addresses.
  u64 taken_out = 0;
  u64 taken_first = 0;
  u64 taken_last = 0;
  /// nested: the user's own route; of its table: where it begins, and its ASID or number; of a
  /// parent: whether its user's numbers are mixed up.
  std::array<u64, 2> structure{};
};

/// By which number the user of a parent calls a device.
struct VirtualDevice {
  u64 number = 0;
  u32 parent = 0;  ///< 0: none
  u32 device = 0;
  u32 next = 0;  ///< of the pool
  u32 padding = 0;
};

/// What stands, or stood and may be cached, at an entry of a user's PASID table.
struct UserContext {
  u64 entry = 0;      ///< its IPA
  u64 changes = 0;    ///< the environment's when it was replaced; 0: it stands there
  u64 cached_by = 0;  ///< replaced: devices that may have it still, one bit each
  u32 parent = 0;     ///< 0: none
  u32 table = 0;      ///< a user's space, if it leads to one
  UserEntryKind kind = UserEntryKind::empty;
  u32 next = 0;    ///< of the pool
  u32 stalls = 0;  ///< it asks that faults wait
  u32 padding = 0;
};

/// Whether a device has a table of PASIDs of its own where tables belong to domains.
enum class OwnTable : u32 {
  no,
  yes,
  either,  ///< an attach_pasid that would have given it one timed out
};

/// Whether a device has answered what it was told to forget of its own cache.
enum class Silence : u32 {
  none,
  silent,     ///< a CMD_SYNC has waited for it in vain: whoever drives may isolate it
  answered,   ///< since then, in a call that goes on
  timed_out,  ///< in one that timed out, or in none: until recovery
};

/// Whether a device asks for pages, where its accesses would wait for them.
enum class Requests : u32 {
  on,
  off,     ///< "failure" has switched them off
  either,  ///< an answer that says so timed out
};

struct alignas(8) Device {
  u32 domain = 0;  ///< index, 0: none
  u32 ghosts = 0;  ///< list of further domains that it may meet
  u32 group = 0;
  u32 present = 0;
  u32 initialised = 0;  ///< sva_device_init
  u32 features = 0;
  u32 first_pasid = 0;  ///< the range that it gets numbers from
  u32 last_pasid = 0;
  u32 has_mm_exit = 0;
  OwnTable own_table = OwnTable::no;
  Silence silence = Silence::none;
  u32 was_read = 0;  ///< somebody had a queue or a handler for its faults
  u64 hooked = 0;    ///< root: the driver's numbers of io_mms, from mm_attach to mm_detach
  Requests requests = Requests::on;
  u32 padding = 0;
};

/// Where a number of pasid_alloc leads on a device.
struct alignas(8) Attachment {
  u32 device = 0;
  u32 number = 0;  ///< record; 0: none
  u32 domain = 0;  ///< 0: detached, and a time-out left what it had
  u32 ghosts = 0;  ///< list of further domains that it may lead to
  u32 next = 0;    ///< of the pool
  u32 padding = 0;
};

struct alignas(8) Ghost {
  u32 domain = 0;
  u32 next = 0;
};

struct alignas(8) Link {
  u32 device = 0;
  u32 next = 0;
  u32 doubtful = 0;  ///< a time-out: it may or may not reach it
  u32 padding = 0;
};

enum class NumberState : u32 {
  free,
  plain,          ///< pasid_alloc
  private_pasid,  ///< sva_alloc_pasid
  bound,          ///< bonds, of which the states say whether it is stopping or in quarantine
  doubtful,       ///< a time-out: held until a covering invalidation completed, which none sees
};

/// A PASID that was given at least once.
struct Number {
  u64 io_mm = 0;       ///< of a process: handle that io_mm_of gave, once it was seen
  u64 freed_at = 0;    ///< history of the cyclic rule: when it was freed last, at the latest
  u64 freed_from = 0;  ///< and at the earliest, after a time-out
  u32 value = 0;
  NumberState state = NumberState::free;
  u32 space = 0;
  u32 bonds = 0;    ///< list
  u32 further = 0;  ///< made by the further-PASID flag
  u32 next = 0;     ///< of the pool
};

enum class BondState : u32 {
  active,
  owed,     ///< Release began, its handler is to be called
  running,  ///< its handler was called
  done,     ///< its handler returned 0; gone when Release returns
  overdue,  ///< its handler is past its bound
  failed,   ///< its handler returned an error
  without,  ///< Release began, it has no handler
  ended,    ///< done, while others hold the number in quarantine; for the caller it is gone
  ghost,    ///< a time-out: gone for the caller, but it may be reached
};

/// A device and a process at a PASID.
struct Bond {
  u64 drvdata = 0;
  u32 device = 0;
  u32 number = 0;
  u32 refs = 0;
  BondState state = BondState::active;
  u32 next = 0;        ///< of the number's list, of the pool
  u32 domain = 0;      ///< the device's, which it keeps while it is bound
  u64 fault_word = 0;  ///< of its fault handler
  u32 handled = 0;     ///< it has one
  u32 padding = 0;
};

/// What stands, or may stand, at a number that nobody saw: one of [first, last] that is free as far
/// as is known, or in doubt.
struct alignas(8) Unseen {
  u32 next = 0;    ///< of the list, of the pool
  u32 space = 0;   ///< a process's, or a private one; 0: a private one without a mapping
  u32 domain = 0;  ///< in whose table
  u32 device = 0;  ///< for which it was asked
  u32 first = 1;
  u32 last = 0;
  u32 count = 0;  ///< calls that timed out; 0: it is there, and only its number is not known
  u32 padding = 0;
};

/// What bind_task gave.
struct Token {
  u64 handle = 0;
  u32 next = 0;  ///< of the pool
  u32 device = 0;
  u32 space = 0;  ///< explicit model: its own; 0: full SVM
  u32 bond = 0;   ///< full SVM: of which it is a reference; 0: the bond is gone
  u32 pasid = 0;
  u32 padding = 0;
};

/// Somebody beside the IOMMU that walks a dynamic domain's or a private PASID's table by itself.
struct alignas(8) Walker {
  u32 number = 0;   ///< of the device whose context bank it is; beyond them: a walker of its own
  u32 space = 0;    ///< whose table it has; 0: nothing that is known
  u32 flushed = 0;  ///< since the last unmap there
  u32 padding = 0;
};

/// What was unmapped in a private PASID's table, and a walker of it may have cached: the driver's
/// invalidations are for the IOMMU's own caches.
struct KeptByWalker {
  u64 first = 0;
  u64 last = 0;
  u64 pa = 0;
  u32 prot = 0;
  u32 walker = 0;  ///< its number
};

/// Where faults of a device's processes go, faults of a user's domain, or events of a user.
struct Queue {
  u64 handle = 0;
  u64 given = 0;  ///< root: group numbers that it gave
  u32 next = 0;   ///< of the pool
  u32 device = 0;
  u32 depth = 0;
  u32 parent = 0;  ///< of events: whose user's; `device` is no_device
  u32 domain = 0;  ///< of a user's domain; `device` is no_device
  u32 padding = 0;
};

enum class EventState : u32 {
  reported,  ///< recorded, but nobody knows whether the driver has read that yet
  unread,    ///< in the queue
  lost,      ///< it found the queue full
};

/// A record that a user is to be told of.
struct UserEvent {
  u64 order = 0;  ///< in which they were recorded; 0: none
  std::array<u64, 4> words{};
  u64 number = 0;  ///< by which the user calls the device
  u32 parent = 0;
  u32 device = 0;
  u32 numbered = 0;  ///< it has a number
  EventState state = EventState::reported;
  u32 unsure = 0;  ///< whether it is there, or was lost, nobody knows
  u32 tight = 0;   ///< it may have found the queue full
  u32 next = 0;    ///< of the pool
  u32 padding = 0;
  u64 waits = 0;  ///< order of what waits, and may go to a fault queue in its place; 0: none
};

enum class FaultState : u32 {
  begun,     ///< of a group whose last page has not come: there for nobody
  reported,  ///< recorded, but nobody knows whether the driver has read that yet
  unread,    ///< in the queue, or owed to the handler
  read,      ///< of a group that is to be answered
  refused,   ///< it found the queue full
};

inline constexpr u32 by_handler = ~u32{0};  ///< in the place of a queue

/// What the process's own handler said of a fault that nobody else has.
enum class ProcessAnswer : u32 { none, no, again, unknown };

/// Accesses that wait for one answer, at a PASID of a process: a stall, or a group of page
/// requests. Or of a device on a user's domain: a stall, with and without a PASID.
struct Waiting {
  u64 order = 0;  ///< in which they were recorded, by the last page; 0: none
  u64 iova = 0;   ///< of the first page
  u32 next = 0;   ///< of the pool
  u32 device = 0;
  u32 pasid = 0;
  u32 prot = 0;
  u32 group = 0;    ///< once it was read
  u32 further = 0;  ///< list of the pages behind the first
  u32 told = 0;     ///< how many of its pages were read, or given to the handler
  u32 request = 0;  ///< pages were asked for; 0: it stalls
  u32 seen = 0;     ///< begun: the driver was interrupted since
  ProcessAnswer process = ProcessAnswer::none;
  u32 queue = 0;  ///< 0: there was none; by_handler: its fault handler's
  FaultState state = FaultState::reported;
  u32 unsure = 0;  ///< whether it is in the queue nobody knows
  u32 tight = 0;   ///< reported: it may find the queue full
  u32 bond = 0;    ///< 0: the device has none there
  u32 sid = 0;
  u32 stag = 0;
  u32 user = 0;   ///< the user's domain that it met, as far as is known; 0: none
  u32 loose = 0;  ///< of a user's: its device moved, and it may have met another one's
};

/// A page of a group that is not its first.
struct FurtherPage {
  u64 iova = 0;
  u32 prot = 0;
  u32 behind = 0;  ///< the page behind it
  u32 next = 0;    ///< of the pool
  u32 padding = 0;
};

/// How a bond went while a call that wanted it gone waited.
enum class Gone : u32 { no, by_exit, by_another };

/// A call, an Invalidate or a Release in progress, and what it may have done already.
struct Pending {
  u64 fresh = 0;  ///< root: what a map may already have made
  u64 first = 1;  ///< of an unmap or Invalidate; first > last: none
  u64 last = 0;
  u64 drvdata = 0;  ///< bind_device; attach_pasid, detach_pasid: PASID record
  u64 changes = 0;  ///< Invalidate: the environment's changes before it
  u32 kind = 0;     ///< a CallKind, or one of the two below
  u32 space = 0;    ///< domain, io_mm or process that it concerns
  u32 device = 0;
  u32 bond = 0;         ///< unbind_device, or a bond that exit took before bind_device returned
  u32 first_pasid = 1;  ///< a number of these may become reachable; first > last: none
  u32 last_pasid = 0;
  Gone gone = Gone::no;
  u32 flags = 0;
  u32 freed = 0;    ///< Release: a number of the process is no longer needed by anybody
  u32 present = 0;  ///< its device was there when it began
};

inline constexpr u32 invalidate_in_progress = 1000;
inline constexpr u32 release_in_progress = 1001;

}  // namespace iommucheck::spec::sva::records
