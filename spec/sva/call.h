// SPDX-License-Identifier: MIT
// A call of the interface, what was observed of it, and under which circumstances it ran.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace iommucheck::spec::sva {

/// What a call says of itself: Linux's errno numbers; other values are possible and never right.
enum class Status : int {
  ok = 0,
  not_built = -1,
  enoent = 2,
  esrch = 3,
  eio = 5,
  eagain = 11,
  enomem = 12,
  ebusy = 16,
  eexist = 17,
  enodev = 19,
  einval = 22,
  enospc = 28,
  erange = 34,
  edeadlk = 35,
  eopnotsupp = 95,
  etimedout = 110,
};

/// From the int that a driver returns: 0, a negative errno, or 1 for "not built". Whatever else it
/// is, it stays what it was (the least int has no negative and becomes the one above it).
constexpr Status status_from_driver(int result) {
  constexpr int least = -2147483647;
  return static_cast<Status>(result < least ? -least : -result);
}

/// "EINVAL"; "errno 7" for one that the interface does not know, "12345" for what is no errno.
std::string status_text(Status status);

enum class CallKind : u8 {
#define CALL(name, ...) name,
#include "base/calls.def"
#undef CALL
};

std::string_view call_name(CallKind kind);
bool call_is_built(CallKind kind);
u32 call_count();

/// Calls on an io_mm's space, which are those of a domain.
constexpr bool is_io_mm_call(CallKind kind) {
  return kind >= CallKind::sva_map && kind <= CallKind::sva_iova_to_phys;
}

/// Calls on a task's token.
constexpr bool is_task_call(CallKind kind) {
  return kind == CallKind::unbind_task || kind == CallKind::task_map ||
         kind == CallKind::task_unmap || kind == CallKind::task_get_attr;
}

/// The call of a domain that an io_mm's or a token's call is like; every other call is itself.
constexpr CallKind as_domain_call(CallKind kind) {
  switch (kind) {
    case CallKind::sva_map: return CallKind::map;
    case CallKind::sva_map_sg: return CallKind::map_sg;
    case CallKind::sva_unmap: return CallKind::unmap;
    case CallKind::sva_unmap_fast: return CallKind::unmap_fast;
    case CallKind::sva_iotlb_sync: return CallKind::iotlb_sync;
    case CallKind::sva_flush_tlb_all: return CallKind::flush_iotlb_all;
    case CallKind::sva_tlb_range_add: return CallKind::tlb_range_add;
    case CallKind::sva_iova_to_phys: return CallKind::iova_to_phys;
    case CallKind::task_map: return CallKind::map;
    case CallKind::task_unmap: return CallKind::unmap;
    default: return kind;
  }
}

/// Of a domain, an io_mm or a task.
constexpr bool is_map(CallKind kind) {
  const CallKind like = as_domain_call(kind);
  return like == CallKind::map || like == CallKind::map_sg;
}
constexpr bool is_unmap(CallKind kind) {
  const CallKind like = as_domain_call(kind);
  return like == CallKind::unmap || like == CallKind::unmap_fast;
}

/// Calls that drop bonds, and wait for an mm_exit that runs.
constexpr bool ends_bonds(CallKind kind) {
  return kind == CallKind::unbind_device || kind == CallKind::unbind_dev_all ||
         kind == CallKind::sva_device_shutdown || kind == CallKind::detach;
}

/// Calls that change what a device can reach.
constexpr bool takes_device(CallKind kind) {
  switch (kind) {
    case CallKind::attach:
    case CallKind::detach:
    case CallKind::attach_pasid:
    case CallKind::detach_pasid:
    case CallKind::sva_device_init:
    case CallKind::sva_device_shutdown:
    case CallKind::bind_device:
    case CallKind::bind_task:
    case CallKind::unbind_dev_all:
    case CallKind::fault_queue_open:
    case CallKind::fault_handler_set:
    case CallKind::sva_alloc_pasid:
    case CallKind::sva_attach:
    case CallKind::sva_detach: return true;
    default: return false;
  }
}

/// The values are those of the C interface.
enum class DomainKind : u32 {
  paging = 1,
  blocked = 2,
  identity = 3,
  paging_s2 = 4,
  dynamic = 5,
  nested = 6,
  nested_pasid = 7,
};

/// A user's own route over a stage 2 domain.
constexpr bool is_nested(u32 kind) {
  return kind == static_cast<u32>(DomainKind::nested) ||
         kind == static_cast<u32>(DomainKind::nested_pasid);
}

// Permissions of a mapping, the values of the C interface. read is implied by write and exec: no
// stage 1 format can leave it out.
inline constexpr u32 prot_read = 0x1;
inline constexpr u32 prot_write = 0x2;
inline constexpr u32 prot_exec = 0x4;
inline constexpr u32 prot_privileged = 0x8;
inline constexpr u32 prot_device = 0x10;
inline constexpr u32 prot_access = prot_read | prot_write | prot_exec;
inline constexpr u32 prot_known = prot_access | prot_privileged | prot_device;

/// One piece of map_sg.
struct Segment {
  u64 pa = 0;
  u64 size = 0;
};

/// What a user has written into its command queue: 16 bytes.
struct CommandWords {
  u64 low = 0;
  u64 high = 0;

  friend bool operator==(const CommandWords&, const CommandWords&) = default;
};

// sva_device_init features, flags of bind_device, attributes: the values of the C interface.
inline constexpr u32 feature_iopf = 0x1;
inline constexpr u32 feature_private = 0x2;
inline constexpr u32 bind_further_pasid = 0x1;
inline constexpr u32 task_svm = 0x1;  ///< flags of bind_task: one of the two
inline constexpr u32 task_explicit = 0x2;
inline constexpr u32 attribute_ttbr0 = 1;
inline constexpr u32 attribute_pasid = 2;

inline constexpr u32 pasid_limit = u32{1} << 20;  ///< PASIDs are below it
inline constexpr u32 pasid_unknown = ~u32{0};

/// The address space of a device that an access uses: none is the RID's, else that of a PASID.
struct Substream {
  bool present = false;
  u32 number = 0;

  friend bool operator==(const Substream&, const Substream&) = default;
};

constexpr Substream substream(u32 number) { return {.present = true, .number = number}; }

inline constexpr u32 no_device = ~u32{0};            ///< fault_queue_open: of a domain
inline constexpr u32 without_pasid = pasid_unknown;  ///< of a fault at a user's domain: it has none

/// Answers to a fault: the values of the C interface.
inline constexpr u32 response_success = 0;
inline constexpr u32 response_invalid = 1;
inline constexpr u32 response_failure = 2;
inline constexpr u32 response_ended = 3;  ///< seen: one of the two, nobody knows which
inline constexpr u32 response_last = 2;

/// By which name a group of page requests is known: the device's index of it, 9 bits, and where.
constexpr u32 request_name(u32 pasid, u64 index) {
  return u32{1} << 31 | pasid << 9 | static_cast<u32>(index & 0x1ff);
}

/// What the IOMMU calls an access that waits.
struct StallName {
  u32 sid = 0;
  u32 stag = 0;
};

/// What fault_queue_read gives.
struct FaultRecord {
  u32 device = 0;
  u32 pasid = 0;
  u64 iova = 0;
  u32 prot = 0;   ///< what the access wanted: prot_read, prot_write or prot_exec
  u32 group = 0;  ///< by which it is answered
  bool last = false;

  friend bool operator==(const FaultRecord&, const FaultRecord&) = default;
};

/// Of an IOMMU's event queue, in its own format.
using EventWords = std::array<u64, 4>;

/// What event_read gives: a record, or that some are missing here.
struct EventRead {
  bool lost = false;
  EventWords words{};

  friend bool operator==(const EventRead&, const EventRead&) = default;
};

/// Inside of which mm_exit handler a call is made, if inside of one.
struct Context {
  bool inside = false;
  u32 device = 0;
  u32 pasid = 0;
};

/// Arguments by name; a call reads those that it has. Addresses and sizes in bytes.
struct Call {
  CallKind kind = CallKind::domain_alloc;
  u64 domain = 0;  ///< handle
  u32 device = 0;  ///< index
  u64 iova = 0;
  u64 pa = 0;
  u64 size = 0;
  u32 prot = 0;
  u32 domain_kind = 0;         ///< domain_alloc: a DomainKind, or what a caller made up
  u32 input_bits = 0;          ///< domain_alloc; 0: the driver's choice
  std::optional<u32> iommu{};  ///< domain_alloc: for which; none: that of the first device on it
  u64 parent = 0;  ///< domain_alloc: handle of a dynamic domain's master, of a nested one's parent
  std::array<u64, 2> structure{};            ///< domain_alloc: the user's own route (nested.h)
  std::span<const CommandWords> commands{};  ///< cache_invalidate
  u64 number = 0;                            ///< vdevice: how the user calls the device
  std::span<const Segment> segments{};       ///< map_sg, sva_map_sg
  u64 io_mm = 0;                             ///< handle: calls on an io_mm, sva_free_pasid
  u64 token = 0;                             ///< handle: calls on a token
  u64 mm = 0;                ///< bind_device, bind_task: the environment's number of a process
  u64 drvdata = 0;           ///< the same, fault_handler_set: the handler's
  u32 pasid = 0;             ///< of (device, pasid), pasid_free
  u32 flags = 0;             ///< bind_device, bind_task
  u32 features = 0;          ///< sva_device_init
  u32 min_pasid = 0;         ///< sva_device_init, pasid_alloc
  u32 max_pasid = 0;         ///< the same; 0: no limit of the caller
  bool has_mm_exit = false;  ///< sva_device_init
  u32 attribute = 0;         ///< domain_get_attr, io_mm_get_attr, task_get_attr
  u64 queue = 0;             ///< handle: calls on a fault queue
  u32 depth = 0;             ///< fault_queue_open: groups; event_queue_open: events
  u32 group = 0;             ///< fault_queue_respond
  u32 response = 0;          ///< the same
  bool present = false;      ///< fault_handler_set: there is a handler
  u64 grain = 0;             ///< dirty_read: bytes a bit
  bool on = false;           ///< dirty_set
  bool clear = false;        ///< dirty_read: and forget what was read
  Context context{};
};

/// Of a map or unmap; of pieces all together.
constexpr u64 bytes_of(const Call& call) {
  u64 bytes = call.size;
  for (const Segment& segment : call.segments) bytes += segment.size;
  return bytes;
}

/// A table of a user's; addresses are IPAs of the parent.
struct UserTable {
  u64 root = 0;  ///< where it begins
  u32 input_bits = 0;
  u64 first = 0;  ///< all of it, as long as it lives, lies in [first, first + bytes),
  u64 bytes = 0;
  u64 pa = 0;  ///< which is there in physical memory
};

/// What a user has written at an entry of its PASID table.
enum class UserEntryKind : u32 {
  empty,    ///< not valid
  garbage,  ///< valid, and nothing that can be decoded
  outside,  ///< its place is not mapped by the parent
  table,
};
struct UserEntry {
  UserEntryKind kind = UserEntryKind::empty;
  u64 root = 0;  ///< of the table, an IPA
  u64 asid = 0;
  bool stalls = false;  ///< it asks that faults wait: a bad entry for a device that may not
};

/// What the lists of a call are in that outlives its caller.
struct CallLists {
  std::vector<Segment> segments;
  std::vector<CommandWords> commands;

  void take(const Call& call) {
    segments.assign(call.segments.begin(), call.segments.end());
    commands.assign(call.commands.begin(), call.commands.end());
  }
  /// As long as this lives where it is.
  void give(Call& call) const {
    call.segments = segments;
    call.commands = commands;
  }
};

/// What a domain turned out to be: asked of the driver after a domain_alloc that succeeded.
struct DomainFacts {
  u32 input_bits = 48;          ///< IOVAs are 0 .. 2^input_bits - 1
  u32 output_bits = 48;         ///< PAs are 0 .. 2^output_bits - 1
  u64 page_sizes = 0x40201000;  ///< bitmap; 0: nothing can be mapped
};

struct Observed {
  Status status = Status::ok;
  u64 value = 0;        ///< bytes, an address, a handle, a PASID, a drvdata, an attribute
  DomainFacts facts{};  ///< domain_alloc
  /// sva_alloc_pasid, bind_task: what io_mm_get_pasid or task_get_attr said right after it
  u32 pasid = pasid_unknown;
  FaultRecord fault{};      ///< fault_queue_read
  EventRead event{};        ///< event_read
  std::vector<u64> bits{};  ///< dirty_read: one a grain, the first in bit 0 of the first word
};

/// A function of the backend for an address space at a PASID. INTERFACE "Hooks".
enum class Hook : u32 { mm_alloc, mm_free, mm_attach, mm_detach };
std::string_view hook_name(Hook hook);

/// What the call had to do with the backend's hooks, of a driver that tells.
struct HookCalls {
  bool are_told = false;
  Status failed = Status::ok;  ///< what one has answered: then this, and no success, is right
  bool made_nothing = false;   ///< with ENOMEM: mm_alloc made nothing, and said no error
  u64 made = 0;                ///< the driver's number of the io_mm that mm_alloc made last, or 0
  bool attached = false;       ///< mm_attach has done its work
  u64 attached_io_mm = 0;      ///< and for which io_mm, at which device, at last
  u32 attached_device = 0;

  /// One was called, of that io_mm and, where it is about one, device.
  void note(Hook hook, u64 io_mm, u32 device, Status answer, bool nothing) {
    if (answer != Status::ok) {
      failed = answer;
      made_nothing = nothing;
    } else if (hook == Hook::mm_alloc) {
      made = io_mm;
    } else if (hook == Hook::mm_attach) {
      attached = true;
      attached_io_mm = io_mm;
      attached_device = device;
    }
  }
};

/// What the environment did to the call; each widens what is permitted.
struct Circumstances {
  bool allocation_failed = false;  ///< one of the call's allocations was refused
  bool queue_stuck = false;        ///< the command queue did not move during the call
  HookCalls hooks{};
};

/// "map(domain 0x5, iova 0x1000, pa 0x8000, size 0x1000, prot 0x3)".
std::string call_text(const Call& call);

}  // namespace iommucheck::spec::sva
