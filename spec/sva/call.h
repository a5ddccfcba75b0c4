// SPDX-License-Identifier: MIT
// A call of the interface, what was observed of it, and under which circumstances it ran.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace iommucheck::spec::sva {

/// What a call says of itself: Linux's errno numbers; other values are possible and never right.
enum class Status : int {
  ok = 0,
  not_built = -1,
  enoent = 2,
  esrch = 3,
  eio = 5,
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

/// From the int that a driver returns: 0, a negative errno, or 1 for "not built".
constexpr Status status_from_driver(int result) {
  return result > -4096 && result < 4096 ? static_cast<Status>(-result) : static_cast<Status>(4096);
}

/// "EINVAL"; "errno 7" for one that the interface does not know.
std::string status_text(Status status);

enum class CallKind : u8 {
#define SVA_CALL(name, state) name,
#include "spec/sva/calls.def"
#undef SVA_CALL
};

std::string_view call_name(CallKind kind);
bool call_is_built(CallKind kind);
u32 call_count();

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

/// Arguments by name; a call reads those that it has. Addresses and sizes in bytes.
struct Call {
  CallKind kind = CallKind::domain_alloc;
  u64 domain = 0;  ///< handle
  u32 device = 0;  ///< index
  u64 iova = 0;
  u64 pa = 0;
  u64 size = 0;
  u32 prot = 0;
  u32 domain_kind = 0;                  ///< domain_alloc: a DomainKind, or what a caller made up
  u32 input_bits = 0;                   ///< domain_alloc; 0: the driver's choice
  std::span<const Segment> segments{};  ///< map_sg
};

/// What a domain turned out to be: asked of the driver after a domain_alloc that succeeded.
struct DomainFacts {
  u32 input_bits = 48;          ///< IOVAs are 0 .. 2^input_bits - 1
  u32 output_bits = 48;         ///< PAs are 0 .. 2^output_bits - 1
  u64 page_sizes = 0x40201000;  ///< bitmap; 0: nothing can be mapped
};

struct Observed {
  Status status = Status::ok;
  u64 value = 0;        ///< bytes, an address, or the handle
  DomainFacts facts{};  ///< domain_alloc
};

/// What the environment did to the call; each widens what is permitted.
struct Circumstances {
  bool allocation_failed = false;  ///< one of the call's allocations was refused
  bool queue_stuck = false;        ///< the command queue did not move during the call
};

/// "map(domain 0x5, iova 0x1000, pa 0x8000, size 0x1000, prot 0x3)".
std::string call_text(const Call& call);

}  // namespace iommucheck::spec::sva
