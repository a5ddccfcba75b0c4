// SPDX-License-Identifier: MIT
// Calls of the interface as operations of driver.h: arguments in, what was observed out. An
// operation takes the arguments of calls.def in their order, and gives its result as its type says;
// the few that do not are written out.
#include <algorithm>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/call_arguments.h"
#include "host/driver_door.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;

Observed status(int result) { return {.status = spec::sva::status_from_driver(result)}; }

Observed with_value(int result, u64 value) {
  Observed observed = status(result);
  if (observed.status == spec::sva::Status::ok) observed.value = value;
  return observed;
}

// ---- arguments, by their name in calls.def ------------------------------------------------------

struct Given {
  const Call& call;
  std::vector<iommucheck_sg> list;
  std::vector<u64> commands;
};

Given given(const Call& call) {
  Given all{.call = call, .list = {}, .commands = {}};
  for (const spec::sva::Segment& segment : call.segments) {
    all.list.push_back({segment.pa, segment.size});
  }
  for (const spec::sva::CommandWords& one : call.commands) {
    all.commands.insert(all.commands.end(), {one.low, one.high});
  }
  return all;
}

auto c_domain(const Given& g) { return std::tuple(g.call.domain); }
auto c_device(const Given& g) { return std::tuple(g.call.device); }
auto c_pasid(const Given& g) { return std::tuple(g.call.pasid); }
auto c_io_mm(const Given& g) { return std::tuple(g.call.io_mm); }
auto c_token(const Given& g) { return std::tuple(g.call.token); }
auto c_iova(const Given& g) { return std::tuple(g.call.iova); }
auto c_pa(const Given& g) { return std::tuple(g.call.pa); }
auto c_size(const Given& g) { return std::tuple(g.call.size); }
auto c_rights(const Given& g) { return std::tuple(g.call.prot); }
auto c_pieces(const Given& g) { return std::tuple(g.list.data(), g.list.size()); }
auto c_number(const Given& g) { return std::tuple(g.call.number); }
auto c_commands(const Given& g) { return std::tuple(g.commands.data(), g.call.commands.size()); }
auto c_features(const Given& g) { return std::tuple(g.call.features); }
auto c_min_pasid(const Given& g) { return std::tuple(g.call.min_pasid); }
auto c_max_pasid(const Given& g) { return std::tuple(g.call.max_pasid); }
auto c_min(const Given& g) { return c_min_pasid(g); }
auto c_max(const Given& g) { return c_max_pasid(g); }
auto c_mm_exit(const Given& g) { return std::tuple(g.call.has_mm_exit ? 1 : 0); }
auto c_queue(const Given& g) { return std::tuple(g.call.queue); }
auto c_depth(const Given& g) { return std::tuple(g.call.depth); }
auto c_fault_group(const Given& g) { return std::tuple(g.call.group); }
auto c_response(const Given& g) { return std::tuple(g.call.response); }
auto c_present(const Given& g) { return std::tuple(g.call.present ? 1 : 0); }
auto c_on(const Given& g) { return std::tuple(g.call.on ? 1 : 0); }
auto c_drvdata(const Given& g) { return std::tuple(g.call.drvdata); }
auto c_attribute(const Given& g) { return std::tuple(g.call.attribute); }

/// The operation's result: an errno; bytes; an address; or an errno, and a value behind a pointer.
template <class Operation, class... Arguments>
Observed answer(Operation* operation, void* self, Arguments... arguments) {
  if constexpr (std::is_invocable_r_v<iommucheck_result, Operation*, void*, Arguments...>) {
    const iommucheck_result result = operation(self, arguments...);
    return {.status = spec::sva::status_from_driver(result.error), .value = result.bytes};
  } else if constexpr (std::is_invocable_v<Operation*, void*, Arguments...>) {
    const auto result = operation(self, arguments...);
    if constexpr (std::is_same_v<decltype(result), const u64>)
      return {.value = result};
    else
      return status(result);
  } else if constexpr (std::is_invocable_v<Operation*, void*, Arguments..., u32*>) {
    u32 value = 0;
    const int error = operation(self, arguments..., &value);
    return with_value(error, value);
  } else {
    u64 value = 0;
    const int error = operation(self, arguments..., &value);
    return with_value(error, value);
  }
}

/// First as a caller of an abi that nobody has: who refuses that has taken nothing.
template <class Taken, class Read>
int read_refusing_abi(Taken& taken, Read&& read) {
  int error = -IOMMUCHECK_EINVAL;
  for (const u32 abi : {~u32{0}, u32{IOMMUCHECK_DRIVER_ABI}}) {
    if (error == 0) break;
    taken = {};
    taken.size = sizeof(taken);
    taken.abi = abi;
    error = read();
  }
  return error;
}

// ---- has, and do --------------------------------------------------------------------------------

template <class Driver>
bool has_operation(const Driver& driver, CallKind kind) {
  switch (kind) {
#define CALL(name, ...)                            \
  case CallKind::name:                             \
    if constexpr (requires { driver.name; }) {     \
      return driver.name != nullptr;               \
    } else {                                       \
      return false; /* no operation of driver.h */ \
    }
#include "base/calls.def"
#undef CALL
  }
  return false;
}

/// Whether the arguments are all that the operation needs: else the door has a function for it.
constexpr bool is_plain(CallKind kind) {
  return call_shapes[static_cast<std::size_t>(kind)].built && kind != CallKind::domain_alloc &&
         kind != CallKind::bind_device && kind != CallKind::bind_task &&
         kind != CallKind::sva_alloc_pasid && kind != CallKind::fault_queue_open &&
         kind != CallKind::fault_queue_read && kind != CallKind::event_read &&
         kind != CallKind::dirty_read;
}

template <class Driver, class Arguments>
Observed perform(const Driver& driver, void* self, CallKind kind, const Arguments& g) {
  switch (kind) {
#define ARGUMENT(Type, name, text) , c_##name(g)
#define FACT(Type, name, text)
#define CALL(name, Struct, group, state, effect, result, text, ...)                   \
  case CallKind::name:                                                                \
    if constexpr (is_plain(CallKind::name) && requires { driver.name; }) {            \
      return std::apply(                                                              \
          [&](auto... arguments) { return answer(driver.name, self, arguments...); }, \
          std::tuple_cat(std::tuple<>() __VA_ARGS__));                                \
    }                                                                                 \
    break;
#include "base/calls.def"
#undef CALL
#undef FACT
#undef ARGUMENT
  }
  return {.status = spec::sva::Status::not_built};
}

}  // namespace

bool DriverDoor::has(CallKind kind) const {
  if (!spec::sva::call_is_built(kind)) return false;
  // What is allocated says its number by an operation of its own.
  if (kind == CallKind::sva_alloc_pasid && driver_.io_mm_get_pasid == nullptr) return false;
  if (kind == CallKind::bind_task && driver_.task_get_attr == nullptr) return false;
  return has_operation(driver_, kind);
}

Observed DriverDoor::call(const Call& call) const {
  if (!has(call.kind)) return {.status = spec::sva::Status::not_built};
  switch (call.kind) {
    case CallKind::domain_alloc: return alloc_domain(call);
    case CallKind::bind_device: return bind(call);
    case CallKind::bind_task: return bind_task(call);
    case CallKind::sva_alloc_pasid: return alloc_private(call);
    case CallKind::fault_queue_open: return open_queue(call);
    case CallKind::fault_queue_read: return read_fault(call);
    case CallKind::event_read: return read_event(call);
    case CallKind::dirty_read: return read_dirty(call);
    default: return perform(driver_, state_, call.kind, given(call));
  }
}

Observed DriverDoor::alloc_domain(const Call& call) const {
  const iommucheck_driver& d = driver_;
  iommucheck_domain_params params{};
  params.size = sizeof(params);
  params.abi = IOMMUCHECK_DRIVER_ABI;
  params.kind = call.domain_kind;
  params.input_bits = call.input_bits;
  const bool several = (d.flags & IOMMUCHECK_DRIVER_SEVERAL_IOMMUS) != 0;
  params.iommu = call.iommu.value_or(several ? IOMMUCHECK_ANY_IOMMU : 0);
  iommucheck_dynamic_params dynamic{};
  dynamic.size = sizeof(dynamic);
  dynamic.abi = IOMMUCHECK_DRIVER_ABI;
  dynamic.master = call.parent;
  iommucheck_nested_params nested{};
  nested.size = sizeof(nested);
  nested.abi = IOMMUCHECK_DRIVER_ABI;
  nested.parent = call.parent;
  nested.format = format_;
  nested.table = call.structure[0];
  nested.config = call.structure[1];
  if (call.domain_kind == IOMMUCHECK_DOMAIN_DYNAMIC) params.of_kind = &dynamic;
  if (spec::sva::is_nested(call.domain_kind)) params.of_kind = &nested;
  iommucheck_handle handle = 0;
  Observed observed = status(d.domain_alloc(state_, &params, &handle));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.value = handle;
  iommucheck_domain_info info{};
  info.size = sizeof(info);
  info.abi = IOMMUCHECK_DRIVER_ABI;
  if (d.domain_get_info != nullptr && d.domain_get_info(state_, handle, &info) == 0) {
    observed.facts = {info.input_bits, info.output_bits, info.page_sizes};
  }
  return observed;
}

/// The number of its bond is asked at once: nothing else tells it.
Observed DriverDoor::bind_task(const Call& call) const {
  const iommucheck_mm mm = process_(call.mm);
  iommucheck_handle token = 0;
  Observed observed =
      status(driver_.bind_task(state_, call.device, &mm, call.flags, call.drvdata, &token));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.value = token;
  u64 pasid = 0;
  if (call.flags == spec::sva::task_svm &&
      driver_.task_get_attr(state_, token, IOMMUCHECK_ATTRIBUTE_PASID, &pasid) == 0) {
    observed.pasid = static_cast<u32>(pasid);
  }
  return observed;
}

Observed DriverDoor::bind(const Call& call) const {
  const iommucheck_mm mm = process_(call.mm);
  u32 pasid = 0;
  const int error = driver_.bind_device(state_, call.device, &mm, call.flags, call.drvdata, &pasid);
  return with_value(error, pasid);
}

Observed DriverDoor::alloc_private(const Call& call) const {
  iommucheck_handle io_mm = 0;
  u32 pasid = 0;
  Observed observed = status(driver_.sva_alloc_pasid(state_, call.domain, call.device, &io_mm));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.value = io_mm;
  if (driver_.io_mm_get_pasid(state_, io_mm, &pasid) == 0) observed.pasid = pasid;
  return observed;
}

Observed DriverDoor::open_queue(const Call& call) const {
  iommucheck_handle queue = 0;
  const int error = driver_.fault_queue_open(state_, call.device, call.domain, call.depth, &queue);
  return with_value(error, queue);
}

/// What is behind the last bit is nobody's.
Observed DriverDoor::read_dirty(const Call& call) const {
  constexpr u64 bits_max = u64{1} << 20;
  const u64 count = call.grain == 0 ? 0 : call.size / call.grain;
  if (count > bits_max) return {.status = spec::sva::Status::enomem};
  std::vector<u64> bits(count / 64 + 1);
  Observed observed = status(driver_.dirty_read(state_, call.domain, call.iova, call.size,
                                                call.grain, call.clear ? 1 : 0, bits.data()));
  if (observed.status != spec::sva::Status::ok) return observed;
  bits[count / 64] &= (u64{1} << (count % 64)) - 1;
  observed.bits = std::move(bits);
  return observed;
}

Observed DriverDoor::read_event(const Call& call) const {
  iommucheck_user_event event{};
  Observed observed = status(
      read_refusing_abi(event, [&] { return driver_.event_read(state_, call.queue, &event); }));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.event.lost = event.lost != 0;
  std::copy(std::begin(event.record), std::end(event.record), observed.event.words.begin());
  return observed;
}

Observed DriverDoor::read_fault(const Call& call) const {
  iommucheck_fault fault{};
  Observed observed = status(read_refusing_abi(
      fault, [&] { return driver_.fault_queue_read(state_, call.queue, &fault); }));
  if (observed.status != spec::sva::Status::ok) return observed;
  observed.fault = {.device = fault.device,
                    .pasid = fault.pasid,
                    .iova = fault.iova,
                    .prot = fault.prot,
                    .group = fault.group,
                    .last = fault.last != 0};
  return observed;
}

}  // namespace iommucheck::oracle
