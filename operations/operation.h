// SPDX-License-Identifier: MIT
// One thing that a fuzzer does, in one word of 64 bits. A case is a sequence of these: whatever
// produces words (libFuzzer, a random generator, RapidCheck) produces cases, and every word is one.
//
// An operation names nothing absolutely: objects are numbers modulo those alive, addresses are
// aimed at existing mappings or at a few crowded places (resolve.h). So an operation that is
// removed leaves a meaningful rest, which is what shrinking needs. 0 is the simplest value of every
// field.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "operations/other_queries.h"

namespace iommucheck::fuzz {

enum class OperationKind : u16 {
  map,
  unmap,
  unmap_fast,
  iotlb_sync,
  flush_iotlb_all,
  tlb_range_add,
  iova_to_phys,
  access,
  domain_alloc,
  domain_free,
  attach,
  detach,
  map_sg,
  sva_init,      ///< sva_device_init
  sva_shutdown,  ///< sva_device_shutdown
  bind,          ///< bind_device
  unbind,        ///< unbind_device
  unbind_all,    ///< unbind_dev_all
  sva_query,     ///< sva_drvdata, io_mm_of, io_mm_get_pasid and the attributes
  pasid_alloc,
  pasid_free,
  sva_alloc,        ///< sva_alloc_pasid
  sva_free,         ///< sva_free_pasid
  process_map,      ///< the environment: mmap
  process_unmap,    ///< munmap
  process_protect,  ///< mprotect
  process_fork,
  process_exit,    ///< exit or exec
  handler_return,  ///< an mm_exit handler returns, or its time is over
  queue,           ///< the command queue is stuck for the next call; or recover
  remove,          ///< a device vanishes
  dynamic_alloc,   ///< domain_alloc of a dynamic domain
  gpu_switch,      ///< the context bank of a device goes to a dynamic domain's table, or back
  gpu_flush,       ///< and drops what it has cached
  task_bind,       ///< bind_task
  task_unbind,     ///< unbind_task
  faults,          ///< a queue of faults that wait, its answers, and accesses that wait
  link,            ///< sva_attach, sva_detach
  attach_pasid,    ///< and detach_pasid
  hardware,        ///< how the SMMU behaves from here on
  dirty,           ///< a write of a device, and dirty_read; or dirty_set
  user,            ///< the user of a stage 2 domain: what it writes, its commands, its devices
  count
};

/// Where the range begins.
enum class Aim : u16 {
  absolute,  ///< at (window, page)
  start,   ///< where mapping k begins; iova_to_phys with an odd page: beyond the input size by that
  inside,  ///< `page` pages into mapping k, modulo its size
  behind,  ///< right after mapping k
  count
};

/// Places of absolute addresses. Within the input range all are taken modulo its size.
enum class Window : u16 {
  low,        ///< page * 4 KiB
  around_2m,  ///< 2 MiB - 64 KiB + page * 4 KiB: both sides of a boundary of last-level tables
  around_1g,  ///< the same around 1 GiB
  around_512g,
  spots_2m,  ///< page * 2 MiB
  spots_1g,  ///< page * 1 GiB
  high,      ///< the last page - page * 4 KiB
  odd,       ///< page < 16: beyond the end or wrapping; from 16 on: not aligned
  count
};

/// Bytes, by name. `whole` is what is left of the mapping aimed at (16 KiB if none is).
enum class Size : u16 {
  k4,
  k8,
  k12,
  k32,
  k60,
  k64,
  k68,
  m2_less_4k,
  m2,
  m2_4k,
  m4,
  g1,
  g1_2m,
  whole,
  zero,
  k2,
  count
};

/// Physical addresses. Congruent ones let a driver use blocks.
enum class Pa : u16 {
  congruent_1g,  ///< region pa_page, equal to the IOVA modulo 1 GiB
  congruent_2m,  ///< equal modulo 2 MiB only
  page,          ///< equal modulo 4 KiB only
  odd,           ///< end of the output range, beyond it, not aligned, wrapping
  count
};

enum class Prot : u16 { rw, r, w, rx, rwx, rw_privileged, rw_device, none, count };

/// `variant` of an access.
enum class AccessKind : u16 {
  read,
  write,
  execute,
  read_privileged,
  write_privileged,
  read_substream_0,
  read_many,  ///< until the event queue is full, and once more
  count
};
/// `variant` of domain_alloc.
enum class AllocKind : u16 {
  paging,
  paging_39,
  paging_25,
  blocked,
  identity,
  bad_bits,
  stage2,  ///< PAGING_S2
  count
};
/// `variant` of calls on an object: the next one from `domain` (or `device`, `mapping`) on that the
/// call can change something of, if there is any, or the one that the operation says.
enum class Pick : u16 { fitting, selected, count };
/// `variant` of sva_init: features asked for.
enum class Features : u16 { all, private_only, iopf_only, none, not_its_own, unknown, count };
/// `window` of sva_init and pasid_alloc: the range of PASIDs.
enum class PasidRange : u16 { any, small, two, one, from_0, high, beyond, reversed, count };
/// `mapping` of sva_init.
enum class Handler : u16 { present, null, count };
/// `variant` of bind.
enum class BindKind : u16 { fitting, further, selected, bad_flags, count };
/// `variant` of sva_query.
enum class Query : u16 {
  drvdata,
  io_mm_of,
  pasid_of,
  io_mm_attr,
  domain_attr,
  other,  ///< a call that no operation is made for, see other_queries
  count = other + (other_queries.empty() ? 0 : 1)
};
/// `variant` of process_exit.
enum class ExitKind : u16 { fitting, selected, exec, count };
/// `variant` of handler_return.
enum class HandlerReturn : u16 { done, error, bound_passes, count };
/// `variant` of gpu_switch: to a table, one that is made if there is none, or back to the master's.
enum class Switch : u16 { table, master, count };
/// `variant` of task_bind.
enum class TaskBind : u16 { explicit_maps, svm, bad_flags, count };
/// `variant` of faults; `mapping` says how deep, which group, where.
enum class FaultKind : u16 {
  open,
  read,
  answer,
  late,  ///< an answer that comes too late, or to something else
  close,
  fault,  ///< an access where nothing is mapped
  count
};
/// `variant` of link: to a device that it can reach or from one that does, or as the operation
/// says.
enum class LinkKind : u16 { attach, detach, selected, count };
/// `variant` of attach_pasid: a number that is held to a domain, or away; or as the operation says.
enum class AttachPasid : u16 { attach, detach, selected, count };
/// `variant` of dirty. To read what is not tracked turns that on first; `arguments`: what no caller
/// should give.
enum class DirtyKind : u16 { clear, keep, on, off, arguments, count };
/// The lowest three bits of its choices, and above: of the parent of a user's, where there is one.
inline constexpr u16 dirty_of_user = 6;
/// `variant` of user: what it does with its own table, entries of its PASID table, commands; a
/// number for a device; an access of one. What it needs is made before.
/// Events: a queue, what its devices meet, and what it says of that.
enum class UserKind : u16 { table, entry, commands, number, access, events, count };
/// `variant` of queue.
enum class QueueKind : u16 { stuck, recover, count };

/// `variant` of hardware. Numbers: `at` (in `page`), `looks` (in `size`: hardware_looks()),
/// `commands` (in `mapping`). What is refused or stops is that once.
enum class HardwareKind : u16 {
  /// After `looks` at CMDQ_CONS so many `commands` are consumed, 0: all; after fewer looks where a
  /// full queue would take some hundred.
  pace,
  stop,         ///< the queue stops at the `at`-th command that calls send, until the call's end
  stop_sync,    ///< the same at the `at`-th CMD_SYNC
  refuse,       ///< the `at`-th CMD_SYNC behind a CMD_ATC_INV ends in CERROR_ATC_INV_SYNC
  acknowledge,  ///< registers follow after `looks`
  interrupts,   ///< the driver hears of records of the event queue with each `at`-th one
  /// Accesses of the SMMU to its queues and messages abort: those that `commands` says, several
  /// times, by `at`, each when the driver has dealt with the one before.
  abort,
  count
};

inline constexpr u16 domain_of_device = 8;  ///< `domain`: the one that `device` is attached to
inline constexpr u16 fail_max = 6;
// Values of `fail` beyond it, of calls that make address spaces at PASIDs: a hook of the driver's
// backend fails.
inline constexpr u16 fail_mm_alloc = 7;
inline constexpr u16 fail_mm_alloc_null = 8;
inline constexpr u16 fail_mm_attach = 9;
inline constexpr std::size_t operations_max = 64;
inline constexpr u64 kind_mask = 0x7f;  ///< where a word holds its kind
inline constexpr unsigned choice_bits = 11;
inline constexpr u16 access_substreams = 5;  ///< `pa_page` of an access: 0 none, k: the k-th

struct Operation {
  OperationKind kind{};
  u16 device{};   ///< 0..3, modulo the devices
  u16 domain{};   ///< 0..7, modulo the live spaces (domains, private io_mm; or processes); or
                  ///< domain_of_device
  u16 aim{};      ///< Aim
  u16 mapping{};  ///< 0..15: k of `aim`, modulo the live mappings of the space; of a call on bonds,
                  ///< numbers or handlers: which; Handler
  u16 window{};   ///< Window or PasidRange
  u16 page{};     ///< 0..31
  u16 size{};     ///< Size
  u16 pa{};       ///< Pa
  u16 pa_page{};  ///< 0..7; of an access: its substream
  u16 prot{};     ///< Prot
  u16 fail{};     ///< 0: none; n in 1..fail_max: the n-th allocation of the call fails;
                  ///< fail_mm_alloc and the others above
  u16 variant{};  ///< AccessKind, AllocKind, Pick and the others above
  u16 choices{};  ///< 11 bits for the environment: which poll shows progress, orders, stream ID
  friend bool operator==(const Operation&, const Operation&) = default;
};

/// Fields of an operation, for code that treats them alike.
struct FieldInfo {
  std::string_view name;
  u16 Operation::* member;
  unsigned lo, width;  ///< its bits in the word
};
std::span<const FieldInfo> operation_fields();
/// Whether operations of this kind look at the field; those they do not are 0.
bool uses(OperationKind kind, const FieldInfo& field);
/// Values of the field are 0 .. value_count - 1.
u16 value_count(OperationKind kind, const FieldInfo& field);

std::string_view to_string(OperationKind kind);

/// `looks` of an operation on hardware: how often the driver looks in vain; a queue with so many
/// entries. Until it is full, or all but, where the operation says that.
u64 hardware_looks(const Operation& operation, u64 queue_entries);

/// The operation with unused fields 0 and values out of range reduced into it. All that follows
/// gives and takes operations of this form.
Operation normalised(Operation operation);

/// Total: every word is an operation. Random words give sequences of which most calls can succeed.
Operation decode_word(u64 word);
/// decode_word(encode_word(given)) == normalised(given).
u64 encode_word(const Operation& given);
/// An operation from one random word.
inline Operation random_operation(u64 random_word) { return decode_word(random_word); }
/// The same, of that kind: what of the word says which is not looked at.
Operation random_operation(OperationKind kind, u64 random_word);
/// Of the kind_mask + 1 beginnings of a word, how many stand for the kind.
u16 beginnings_of(OperationKind kind);

inline constexpr u8 codec_version = 3;

/// One byte of version, then 8 bytes (little-endian) an operation; at most operations_max, the rest
/// and an incomplete last word are ignored. Of an earlier version by its own tables
/// (older_words.h); one that is not known has no operations.
std::vector<Operation> decode(std::span<const u8> bytes);
/// decode(encode(o)) gives back normalised operations. `operations` beyond operations_max are lost.
std::vector<u8> encode(std::span<const Operation> operations);

/// "map domain=1 aim=behind mapping=2 size=2M choices=0x1f": fields that are 0 are left out.
std::string print(const Operation& given);
/// One line an operation.
std::string print(std::span<const Operation> operations);
/// The inverse of print. bad_input with "name:line:column".
Expected<Operation> parse_operation(std::string_view line, std::string_view name = "<operation>",
                                    u64 line_number = 1);
/// Empty lines and lines that begin with # are skipped.
Expected<std::vector<Operation>> parse_operations(std::string_view text,
                                                  std::string_view name = "<operations>");

}  // namespace iommucheck::fuzz
