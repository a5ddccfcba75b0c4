// SPDX-License-Identifier: MIT
#include "check/dirty_ops.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using fuzz::DirtyKind;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

constexpr u64 bits_max = 4096;  // of one window

// Bits of the choices of an operation, of which the lowest three say how.
constexpr unsigned grain_lsb = 4;
constexpr unsigned at_once_lsb = 7;
constexpr unsigned moment_lsb = 9;
constexpr unsigned outputs_lsb = 10;  // of a user's, where the moment says nothing

/// What no caller should give, by three bits.
void spoil(Call& call, unsigned which) {
  switch (which) {
    case 0: call.grain = 0x800; break;
    case 1: call.grain = 0x3000; break;
    case 2: call.grain = 0; break;
    case 3: call.size = 0; break;
    case 4: call.iova += call.grain / 2; break;
    case 5: call.size += call.grain / 2; break;
    case 6: call.iova = ~u64{0} - (call.grain - 1), call.size = 2 * call.grain; break;
    default: call.grain = u64{1} << 63; break;
  }
}

u64 smallest_page(const LockstepCase::Space& space) {
  const u64 sizes = space.facts.page_sizes;
  return sizes == 0 ? page_4k : sizes & (~sizes + 1);
}

/// Of a window that is read in two calls.
bool in_halves(const fuzz::Operation& operation) {
  const unsigned how = operation.choices & 7;
  return how == 3 || how == 4;
}

}  // namespace

/// The first from the one that the operation says on that can be tracked; any other for arguments
/// that are wrong.
std::optional<std::size_t> DirtyOps::space_to_track(const fuzz::Operation& operation) const {
  const bool any = static_cast<DirtyKind>(operation.variant) == DirtyKind::arguments;
  for (std::size_t n = 0; n < case_.spaces.size(); ++n) {
    const std::size_t i = (operation.domain + n) % case_.spaces.size();
    const Space& space = case_.spaces[i];
    if (space.io_mm || space.task || !(space.paging || any)) continue;
    return i;
  }
  return std::nullopt;
}

/// Where nothing is mapped pages are, or a block where the driver has such.
void DirtyOps::map_to_track(std::size_t index, const fuzz::Operation& operation) {
  const Space& space = case_.spaces[index];
  if (!space.paging || space.dynamic || !space.mappings.empty()) return;
  constexpr u64 block = 0x200000;
  Call map{.kind = CallKind::map};
  map.domain = space.handle;
  map.iova = block * operation.page;
  map.pa = options_.place ? options_.place->pages_pa : spaces_.space_of(space).pa_base;
  if (!claims(Claim::addresses)) map.iova = map.pa;
  map.size = (operation.choices & 8) != 0 ? block : 8 * smallest_page(space);
  map.prot = spec::sva::prot_read | spec::sva::prot_write;
  if (may_call(map)) spaces_.note_result(index, map, make_call(map));
}

/// Where no device is on the domain one moves there.
void DirtyOps::attach_to_track(const Space& space, const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 devices = interface.device_count();
  for (u32 device = 0; device < devices; ++device) {
    if (interface.domain_of(device) == space.handle) return;
  }
  Call attach{.kind = CallKind::attach};
  attach.domain = space.handle;
  attach.device = device_of(operation);
  if (space.paging && may_call(attach)) make_call(attach);
}

/// By a device that is on the domain, now or in the middle of the next call. False: none is.
bool DirtyOps::write_there(const Space& space, u64 iova, const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 devices = interface.device_count();
  for (u32 n = 0; n < devices; ++n) {
    const u32 device = (operation.device + n) % devices;
    if (interface.domain_of(device) != space.handle || !interface.device_exists(device)) continue;
    const std::vector<u32>& sids = interface.stream_ids(device);
    // Where there is ATS, by what it was granted before as well: that write leaves no mark.
    const unsigned when = (operation.choices >> at_once_lsb) & 3;
    const spec::Access access{.sid = sids[operation.choices % sids.size()],
                              .type = spec::AccessType::write,
                              .va = iova,
                              .route = when >= 2 ? spec::Route::either : spec::Route::untranslated};
    if (when != 0) {
      caller_.send(access);
      return true;
    }
    // What has looked at a descriptor before it changes it may have missed a mark meanwhile.
    const u32 moment = (operation.choices >> moment_lsb) & 3;
    case_.next.access = access;
    case_.next.before_atomic = moment == 3;
    case_.next.access_at = moment == 3 ? 1 : 1 + moment;
    return true;
  }
  return false;
}

/// A write, and what is told of it. By the choices: nothing is written before; what was read is
/// written and read once more; or the write is behind the window, in another one that is read next.
void DirtyOps::read_dirty(const Space& space, const Call& read, const fuzz::Mapped& range,
                          const fuzz::Operation& operation) {
  const unsigned how = operation.choices & 7;  // see in_halves()
  const auto makes = [&](const Call& call) {
    if (monitor_.findings().empty() && may_call(call)) make_call(call);
  };
  const u64 bits = read.size / read.grain;
  const bool halves = in_halves(operation) && bits > 1;
  if (how != 0) write_there(space, halves ? range.iova + (range.bytes - 1) : range.iova, operation);
  if (!halves) {
    makes(read);
    const bool again = how == 1 || how == 2;
    if (!again || !monitor_.findings().empty()) return;
    if (write_there(space, range.iova, operation)) makes(read);
    return;
  }
  Call half = read;
  half.size = bits / 2 * read.grain;
  makes(half);
  half.iova += half.size;
  half.size = read.size - half.size;
  makes(half);
}

/// Hardware sets flags in the user's tables, and by that writes to the space; or what these lead to
/// is written, and once more by what is cached of both stages then.
void DirtyOps::read_of_user(const Space& space, const fuzz::Operation& operation) {
  constexpr u64 pages = 32;  // of its memory the first ones are in use
  const bool of_outputs = (operation.choices >> outputs_lsb & 1) != 0;
  const bool writes = of_outputs || (operation.choices >> moment_lsb & 1) != 0;
  Call read{.kind = CallKind::dirty_read};
  read.domain = space.handle;
  read.iova = of_outputs ? UserOps::first_output : UserMemory::first_ipa;
  read.size = (of_outputs ? UserOps::first_outputs : pages) * UserMemory::page_bytes;
  read.grain = UserMemory::page_bytes;
  read.clear = static_cast<DirtyKind>(operation.variant) == DirtyKind::clear;
  const auto page = of_outputs ? users_.page_to_write(operation) : users_.page_of(operation);
  for (unsigned round = 0; round < (of_outputs ? 2 : 1); ++round) {
    const bool sent = page && users_.accesses(space.handle, *page, writes, operation);
    if (round != 0 && !sent) return;
    if (monitor_.findings().empty() && may_call(read)) make_call(read);
    if (!monitor_.findings().empty()) return;
  }
}

void DirtyOps::perform_dirty(const fuzz::Operation& operation) {
  if (!host_.has(CallKind::dirty_set) || !host_.has(CallKind::dirty_read)) return;
  if (!monitor_.interface().has_dirty_hardware()) return;
  const auto kind = static_cast<DirtyKind>(operation.variant);
  const bool wrong = kind == DirtyKind::arguments;
  const bool of_user =
      !wrong && users_.has_tables() && (operation.choices & 7) >= fuzz::dirty_of_user;
  const auto index = of_user ? users_.parent_of_users(operation) : space_to_track(operation);
  if (!index || !monitor_.findings().empty()) return;
  if (!wrong) map_to_track(*index, operation);
  if (!monitor_.findings().empty()) return;
  const Space space = case_.spaces[*index];
  const bool tracked = monitor_.interface().is_tracked(space.handle);
  const fuzz::Target target = fuzz::resolve(operation, spaces_.space_of(space));
  if (of_user && users_.users_domain(space.handle, operation) == 0) return;
  if (!wrong && !of_user) attach_to_track(space, operation);
  Call set{.kind = CallKind::dirty_set};
  set.domain = space.handle;
  const bool sets = kind == DirtyKind::on || kind == DirtyKind::off;
  const auto sets_it = [&](bool on) {
    set.on = on;
    if (monitor_.findings().empty() && may_call(set)) make_call(set);
  };
  // What was tracked before it was off is told by nobody.
  const bool anew = kind == DirtyKind::off && (operation.choices & 3) != 0;
  if (!tracked && !wrong && (anew || !sets)) sets_it(true);
  if (anew && monitor_.findings().empty()) write_there(space, target.iova, operation);
  if (sets) sets_it(kind == DirtyKind::on);
  if (anew) sets_it(true);
  if (!monitor_.findings().empty() || (sets && !anew)) return;
  if (of_user) return read_of_user(space, operation);
  ask_what_is_dirty(*index, space, {target.iova, std::max<u64>(target.bytes, 1)}, anew, operation);
}

/// `space`: number `index`, as it was when the operation began. `anew`: it was tracked before, and
/// what was written then is not to be told.
void DirtyOps::ask_what_is_dirty(std::size_t index, const Space& space, fuzz::Mapped range,
                                 bool anew, const fuzz::Operation& operation) {
  const auto kind = static_cast<DirtyKind>(operation.variant);
  const bool wrong = kind == DirtyKind::arguments;
  if (!wrong && in_halves(operation) && !space.mappings.empty()) {
    range = *std::ranges::max_element(space.mappings, {}, &fuzz::Mapped::bytes);
  }
  const u64 page = smallest_page(space);
  const u64 grains[] = {page, page, page, page, 2 * page, 4 * page, 16 * page, 512 * page};
  Call read{.kind = CallKind::dirty_read};
  read.domain = space.handle;
  read.clear = kind == DirtyKind::clear || (wrong && (operation.choices & 1) != 0);
  read.grain = grains[(operation.choices >> grain_lsb) & 7];
  read.iova = range.iova / read.grain * read.grain;
  range.bytes = std::min(range.bytes, bits_max * read.grain - read.grain);
  read.size = (range.bytes + (range.iova - read.iova) + read.grain - 1) / read.grain * read.grain;
  if (wrong) spoil(read, (operation.choices >> 1) & 7);
  // What is taken away takes no other bits with it.
  const bool unmaps = !wrong && !anew && (operation.choices & 7) == 5;
  if (!wrong && !anew && !unmaps) return read_dirty(space, read, range, operation);
  if (unmaps) {
    write_there(space, range.iova, operation);
    Call unmap{.kind = CallKind::unmap};
    unmap.domain = space.handle;
    unmap.iova = (range.iova + (range.bytes - 1)) / page * page;
    unmap.size = page;
    if (monitor_.findings().empty() && may_call(unmap)) {
      spaces_.note_result(index, unmap, make_call(unmap));
    }
    if (!monitor_.findings().empty()) return;
  }
  if (may_call(read)) make_call(read);
}

}  // namespace iommucheck::oracle
