// SPDX-License-Identifier: MIT
// The word of an operation. Most fields are not numbers in it but positions in a table of weights,
// so that words drawn evenly give the distribution wanted; encoding takes the first position.
#include "operations/operation.h"

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "operations/older_words.h"
#include "operations/spread.h"

namespace iommucheck::fuzz {
namespace {

constexpr std::size_t kind_count = static_cast<std::size_t>(OperationKind::count);
constexpr unsigned kind_width = 7;

constexpr FieldInfo fields[] = {
    {"device", &Operation::device, 7, 2},
    {"domain", &Operation::domain, 9, 4},
    {"aim", &Operation::aim, 13, 4},
    {"mapping", &Operation::mapping, 17, 4},
    {"window", &Operation::window, 21, 3},
    {"page", &Operation::page, 24, 5},
    {"size", &Operation::size, 29, 6},
    {"pa", &Operation::pa, 35, 3},
    {"pa_page", &Operation::pa_page, 38, 3},
    {"prot", &Operation::prot, 41, 4},
    {"fail", &Operation::fail, 45, 5},
    {"variant", &Operation::variant, 50, 3},
    {"choices", &Operation::choices, 53, choice_bits},
};
enum FieldNumber : unsigned {
  device,
  domain,
  aim,
  mapping,
  window,
  page,
  size,
  pa,
  pa_page,
  prot,
  fail,
  variant,
  choices
};

// map unmap unmap_fast sync flush range_add iova_to_phys access alloc free attach detach
// map_sg sva_init sva_shutdown bind unbind unbind_all sva_query pasid_alloc pasid_free sva_alloc
// sva_free process_map process_unmap process_protect process_fork process_exit handler_return queue
// remove
constexpr auto kinds = [] {
  auto table =
      spread<128>(std::to_array({28u, 12u, 8u, 4u, 2u, 2u, 2u, 14u, 6u, 2u, 8u, 2u, 2u, 5u, 1u, 6u,
                                 3u,  1u,  1u, 1u, 1u, 4u, 1u, 4u,  2u, 1u, 1u, 1u, 1u, 1u, 1u}));
  // What came later has places of the many that map has, so that all other words mean what they
  // did.
  constexpr std::size_t maps = 28;
  table[maps - 1] = static_cast<u8>(OperationKind::dynamic_alloc);
  table[maps - 2] = static_cast<u8>(OperationKind::gpu_switch);
  table[maps - 3] = static_cast<u8>(OperationKind::gpu_switch);
  table[maps - 4] = static_cast<u8>(OperationKind::gpu_flush);
  table[maps - 5] = static_cast<u8>(OperationKind::task_bind);
  table[maps - 6] = static_cast<u8>(OperationKind::task_unbind);
  table[maps - 7] = static_cast<u8>(OperationKind::link);
  table[maps - 8] = static_cast<u8>(OperationKind::attach_pasid);
  table[maps - 9] = static_cast<u8>(OperationKind::attach_pasid);
  // The same of calls that seldom change anything: one of iotlb_sync, flush, range_add and
  // iova_to_phys each.
  for (const std::size_t place : std::to_array<std::size_t>({51, 53, 55, 57})) {
    table[place] = static_cast<u8>(OperationKind::faults);
  }
  table[maps - 10] = static_cast<u8>(OperationKind::hardware);
  // Another one of iotlb_sync.
  table[50] = static_cast<u8>(OperationKind::dirty);
  table[maps - 11] = static_cast<u8>(OperationKind::user);
  return table;
}();
constexpr auto domains_any = spread<16>(std::to_array({2u, 2u, 2u, 2u, 2u, 2u, 2u, 2u}));
constexpr auto domains_used = spread<16>(std::to_array({1u, 1u, 1u, 1u, 1u, 1u, 1u, 1u, 8u}));
constexpr auto aim_map = spread<16>(std::to_array({9u, 1u, 1u, 5u}));
constexpr auto aim_unmap = spread<16>(std::to_array({1u, 10u, 4u, 1u}));
constexpr auto aim_look = spread<16>(std::to_array({3u, 6u, 5u, 2u}));
constexpr auto size_map =
    spread<64>(std::to_array({22u, 8u, 5u, 4u, 2u, 4u, 2u, 1u, 6u, 1u, 2u, 2u, 1u, 2u, 1u, 1u}));
constexpr auto size_unmap =
    spread<64>(std::to_array({12u, 4u, 2u, 2u, 1u, 2u, 1u, 1u, 5u, 1u, 2u, 2u, 1u, 26u, 1u, 1u}));
constexpr auto pas = spread<8>(std::to_array({5u, 1u, 1u, 1u}));
constexpr auto prots = spread<16>(std::to_array({6u, 4u, 1u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto fails = spread<32>(std::to_array({26u, 1u, 1u, 1u, 1u, 1u, 1u}));
// Hooks have places of the many that nothing fails at, so that all other words mean what they did.
constexpr auto fails_with_hooks = [] {
  auto table = fails;
  table[23] = fail_mm_alloc;
  table[24] = fail_mm_alloc_null;
  table[25] = fail_mm_attach;
  return table;
}();
constexpr auto accesses = spread<8>(std::to_array({2u, 1u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto allocs = [] {
  auto table = spread<8>(std::to_array({3u, 1u, 1u, 1u, 1u, 1u}));
  table[2] = static_cast<u8>(AllocKind::stage2);  // came later: one of the three
  return table;
}();
constexpr auto picks = spread<8>(std::to_array({6u, 2u}));
constexpr auto features = spread<8>(std::to_array({3u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto ranges = spread<8>(std::to_array({1u, 1u, 1u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto handlers = spread<16>(std::to_array({12u, 4u}));
constexpr auto binds = spread<8>(std::to_array({5u, 1u, 1u, 1u}));
constexpr auto queries = spread<8>([] {
  std::array<unsigned, static_cast<std::size_t>(Query::count)> weights{3, 2, 1, 1, 1};
  if (!other_queries.empty()) weights[0]--, weights.back() = 1;
  return weights;
}());
constexpr auto exits = spread<8>(std::to_array({6u, 1u, 1u}));
constexpr auto returns = spread<8>(std::to_array({5u, 1u, 2u}));
constexpr auto queues = spread<8>(std::to_array({6u, 2u}));
constexpr auto switches = spread<8>(std::to_array({6u, 2u}));
constexpr auto task_binds = spread<8>(std::to_array({4u, 3u, 1u}));
constexpr auto fault_kinds = spread<8>(std::to_array({1u, 1u, 2u, 2u, 1u, 1u}));
constexpr auto links = spread<8>(std::to_array({4u, 3u, 1u}));
constexpr auto pasid_attaches = spread<8>(std::to_array({5u, 2u, 1u}));
constexpr auto dirty_kinds = spread<8>(std::to_array({3u, 2u, 1u, 1u, 1u}));
constexpr auto user_kinds = [] {
  auto table = spread<8>(std::to_array({3u, 1u, 2u, 1u, 1u}));
  table[1] = table[2] = static_cast<u8>(UserKind::events);  // came later: two of the three
  return table;
}();
constexpr auto hardware_kinds = [] {
  auto table = spread<8>(std::to_array({3u, 1u, 1u, 1u, 1u, 1u}));
  table[2] = static_cast<u8>(HardwareKind::abort);  // came later: one of the three
  return table;
}();
constexpr auto hardware_commands = spread<16>(std::to_array({3u, 6u, 2u, 1u, 1u, 1u, 1u, 1u}));
// Few looks fill a queue of any size as well: each new command begins them anew.
constexpr auto hardware_waits =
    spread<64>(std::to_array({6u, 8u, 8u, 8u, 8u, 6u, 4u, 3u, 2u, 2u, 2u, 1u, 1u, 1u, 1u, 2u, 1u}));
constexpr u64 looks[] = {0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 128};
constexpr auto substreams = spread<8>(std::to_array({3u, 2u, 1u, 1u, 1u}));

using Table = std::span<const u8>;

constexpr Table variants_of(OperationKind kind) {
  using enum OperationKind;
  switch (kind) {
    case access: return accesses;
    case domain_alloc: return allocs;
    case sva_init: return features;
    case bind: return binds;
    case sva_query: return queries;
    case process_exit: return exits;
    case handler_return: return returns;
    case queue: return queues;
    case gpu_switch: return switches;
    case task_bind: return task_binds;
    case faults: return fault_kinds;
    case link: return links;
    case attach_pasid: return pasid_attaches;
    case hardware: return hardware_kinds;
    case dirty: return dirty_kinds;
    case user: return user_kinds;
    default: return picks;
  }
}

/// Raw value to value; empty: they are the same.
constexpr Table table_of(OperationKind kind, unsigned field) {
  using enum OperationKind;
  const bool maps = kind == map || kind == map_sg || kind == process_map;
  const bool unmaps = kind == unmap || kind == unmap_fast || kind == process_unmap;
  switch (field) {
    case domain:
      return kind == attach || kind == domain_free ? Table(domains_any) : Table(domains_used);
    case aim: return maps ? Table(aim_map) : unmaps ? Table(aim_unmap) : Table(aim_look);
    case mapping:
      return kind == sva_init   ? Table(handlers)
             : kind == hardware ? Table(hardware_commands)
                                : Table();
    case window: return kind == sva_init || kind == pasid_alloc ? Table(ranges) : Table();
    case size:
      return maps ? Table(size_map) : kind == hardware ? Table(hardware_waits) : Table(size_unmap);
    case pa: return pas;
    case pa_page: return kind == access ? Table(substreams) : Table();
    case prot: return prots;
    case fail: {
      const bool hooks = kind == bind || kind == task_bind || kind == sva_alloc || kind == link;
      return hooks ? Table(fails_with_hooks) : Table(fails);
    }
    case variant: return variants_of(kind);
    default: return {};
  }
}

constexpr u32 set_of(std::initializer_list<unsigned> members) {
  u32 set = 0;
  for (const unsigned member : members) set |= 1U << member;
  return set;
}

constexpr u32 used_by(OperationKind kind) {
  using enum OperationKind;
  constexpr u32 always = set_of({choices});
  constexpr u32 in_domain = always | set_of({device, domain, variant});
  constexpr u32 address = in_domain | set_of({aim, mapping, window, page});
  constexpr u32 process = always | set_of({domain, variant});
  constexpr u32 process_range = always | set_of({domain, aim, mapping, window, page, size});
  switch (kind) {
    case map:
    case map_sg: return address | set_of({size, pa, pa_page, prot, fail});
    case unmap:
    case unmap_fast: return address | set_of({size, fail});
    case tlb_range_add: return address | set_of({size});
    case iotlb_sync:
    case flush_iotlb_all: return in_domain;
    case iova_to_phys: return address;
    case access: return always | set_of({device, aim, mapping, window, page, pa_page, variant});
    case domain_alloc: return always | set_of({fail, variant});
    case domain_free: return always | set_of({domain, variant});
    case attach:
    case detach: return in_domain | set_of({fail});
    case sva_init: return always | set_of({device, mapping, window, fail, variant});
    case sva_shutdown:
    case unbind_all:
    case remove: return always | set_of({device, variant});
    case bind: return in_domain | set_of({fail});
    case unbind:
    case sva_query: return always | set_of({device, mapping, variant});
    case pasid_alloc: return always | set_of({window, fail});
    case pasid_free: return always | set_of({mapping, variant});
    case sva_alloc: return in_domain | set_of({fail});
    case sva_free: return in_domain;
    case process_map: return process_range | set_of({pa, pa_page, prot});
    case process_unmap: return process_range;
    case process_protect: return process_range | set_of({prot});
    case process_fork:
    case process_exit: return process;
    case handler_return: return always | set_of({mapping, variant});
    case queue: return always | set_of({variant});
    case dynamic_alloc: return in_domain | set_of({fail});
    case gpu_switch: return in_domain;
    case gpu_flush: return always | set_of({device});
    case task_bind: return in_domain | set_of({fail});
    case task_unbind: return always | set_of({device, mapping, variant});
    case faults:
    case link: return always | set_of({device, mapping, fail, variant});
    case attach_pasid: return in_domain | set_of({mapping, fail});
    case hardware: return set_of({mapping, page, size, variant});
    case dirty: return address | set_of({size});
    case user: return in_domain | set_of({mapping, page, pa_page, prot, fail});
    case count: break;
  }
  return 0;
}

constexpr unsigned number_of(const FieldInfo& field) {
  return static_cast<unsigned>(&field - std::begin(fields));
}

constexpr bool fields_fill_the_word() {
  unsigned at = kind_width;
  for (const FieldInfo& field : fields) {
    if (field.lo != at) return false;
    at += field.width;
  }
  return at == 64;
}
static_assert(fields_fill_the_word());
static_assert(mask(kind_width - 1, 0) == kind_mask);

}  // namespace

std::span<const FieldInfo> operation_fields() { return fields; }

bool uses(OperationKind kind, const FieldInfo& field) {
  return ((used_by(kind) >> number_of(field)) & 1) != 0;
}

u16 value_count(OperationKind kind, const FieldInfo& field) {
  const Table table = table_of(kind, number_of(field));
  if (table.empty()) return static_cast<u16>(1U << field.width);
  return static_cast<u16>(std::ranges::max(table) + 1U);
}

u64 hardware_looks(const Operation& operation, u64 queue_entries) {
  const std::size_t given = operation.size;
  if (given < std::size(looks)) return looks[given];
  return given == std::size(looks) ? queue_entries - 1 : queue_entries;
}

Operation normalised(Operation operation) {
  if (operation.kind >= OperationKind::count) {
    operation.kind =
        static_cast<OperationKind>(static_cast<std::size_t>(operation.kind) % kind_count);
  }
  for (const FieldInfo& field : fields) {
    u16& value = operation.*field.member;
    value = uses(operation.kind, field)
                ? static_cast<u16>(value % value_count(operation.kind, field))
                : u16{0};
  }
  return operation;
}

Operation decode_word(u64 word) {
  return random_operation(static_cast<OperationKind>(kinds[word & kind_mask]), word);
}

Operation random_operation(OperationKind kind, u64 word) {
  Operation operation{.kind = kind};
  const u32 used = used_by(kind);
  for (unsigned i = 0; i < std::size(fields); ++i) {
    if (((used >> i) & 1) == 0) continue;
    const FieldInfo& field = fields[i];
    const u64 raw = bits(word, field.lo + field.width - 1, field.lo);
    const Table table = table_of(operation.kind, i);
    operation.*field.member = table.empty() ? static_cast<u16>(raw) : table[raw];
  }
  return operation;
}

u16 beginnings_of(OperationKind kind) {
  static constexpr auto counts = [] {
    std::array<u16, kind_count> of_kinds{};
    for (const u8 each : kinds) ++of_kinds[each];
    return of_kinds;
  }();
  return counts[static_cast<std::size_t>(kind)];
}

u64 encode_word(const Operation& given) {
  const Operation operation = normalised(given);
  const auto position = [](Table table, u64 value) {
    return static_cast<u64>(std::ranges::find(table, value) - table.begin());
  };
  u64 word = position(kinds, static_cast<u64>(operation.kind));
  for (unsigned i = 0; i < std::size(fields); ++i) {
    const FieldInfo& field = fields[i];
    if (!uses(operation.kind, field)) continue;
    const u64 value = operation.*field.member;
    const Table table = table_of(operation.kind, i);
    word |= (table.empty() ? value : position(table, value)) << field.lo;
  }
  return word;
}

std::vector<Operation> decode(std::span<const u8> bytes) {
  std::vector<Operation> operations;
  if (bytes.empty() || !is_known_codec(bytes[0])) return operations;
  const unsigned version = bytes[0];
  bytes = bytes.subspan(1);
  const std::size_t count = std::min(bytes.size() / 8, operations_max);
  operations.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    u64 word = 0;
    for (unsigned byte = 0; byte < 8; ++byte) word |= u64{bytes[i * 8 + byte]} << (8 * byte);
    operations.push_back(decode_word_of(version, word));
  }
  return operations;
}

std::vector<u8> encode(std::span<const Operation> operations) {
  const std::size_t count = std::min(operations.size(), operations_max);
  std::vector<u8> bytes;
  bytes.reserve(1 + count * 8);
  bytes.push_back(codec_version);
  for (const Operation& operation : operations.first(count)) {
    const u64 word = encode_word(operation);
    for (unsigned byte = 0; byte < 8; ++byte) bytes.push_back(static_cast<u8>(word >> (8 * byte)));
  }
  return bytes;
}

}  // namespace iommucheck::fuzz
