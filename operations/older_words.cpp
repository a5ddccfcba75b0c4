// SPDX-License-Identifier: MIT
#include "operations/older_words.h"

#include <array>
#include <initializer_list>
#include <span>

#include "base/bits.h"
#include "operations/spread.h"

namespace iommucheck::fuzz {
namespace {

using Table = std::span<const u8>;

// Kinds are numbered as today's: both codecs end before those that came later.
constexpr auto kinds_1 =
    spread<64>(std::to_array({22u, 9u, 6u, 3u, 1u, 1u, 1u, 8u, 4u, 2u, 5u, 2u}));
constexpr auto kinds_2 =
    spread<128>(std::to_array({28u, 12u, 8u, 4u, 2u, 2u, 2u, 14u, 6u, 2u, 8u, 2u, 2u, 5u, 1u, 6u,
                               3u,  1u,  1u, 1u, 1u, 4u, 1u, 4u,  2u, 1u, 1u, 1u, 1u, 1u, 1u}));
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
constexpr auto accesses_1 = spread<8>(std::to_array({2u, 2u, 1u, 1u, 1u, 1u}));
constexpr auto accesses_2 = spread<8>(std::to_array({2u, 1u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto allocs = spread<8>(std::to_array({3u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto picks = spread<8>(std::to_array({6u, 2u}));
constexpr auto features = spread<8>(std::to_array({3u, 1u, 1u, 1u, 1u, 1u}));
constexpr auto handlers = spread<16>(std::to_array({12u, 4u}));
constexpr auto binds = spread<8>(std::to_array({5u, 1u, 1u, 1u}));
constexpr auto queries = spread<8>(std::to_array({3u, 2u, 1u, 1u, 1u}));
constexpr auto exits = spread<8>(std::to_array({6u, 1u, 1u}));
constexpr auto returns = spread<8>(std::to_array({5u, 1u, 2u}));
constexpr auto queues = spread<8>(std::to_array({6u, 2u}));
constexpr auto substreams = spread<8>(std::to_array({3u, 2u, 1u, 1u, 1u}));

constexpr bool is_one_of(OperationKind kind, std::initializer_list<OperationKind> kinds) {
  for (const OperationKind one : kinds) {
    if (one == kind) return true;
  }
  return false;
}

Table variants_of(unsigned version, OperationKind kind) {
  using enum OperationKind;
  switch (kind) {
    case access: return version == 1 ? Table(accesses_1) : Table(accesses_2);
    case domain_alloc: return allocs;
    case sva_init: return features;
    case bind: return binds;
    case sva_query: return queries;
    case process_exit: return exits;
    case handler_return: return returns;
    case queue: return queues;
    default: return picks;
  }
}

/// Raw value to value of the field; empty: they are the same.
Table table_of(unsigned version, OperationKind kind, std::string_view field) {
  using enum OperationKind;
  const bool maps = is_one_of(kind, {map, map_sg, process_map});
  const bool unmaps = is_one_of(kind, {unmap, unmap_fast, process_unmap});
  if (field == "domain") {
    return is_one_of(kind, {attach, domain_free}) ? Table(domains_any) : Table(domains_used);
  }
  if (field == "aim") return maps ? Table(aim_map) : unmaps ? Table(aim_unmap) : Table(aim_look);
  if (field == "size") return maps ? Table(size_map) : Table(size_unmap);
  if (field == "mapping" && kind == sva_init) return handlers;
  if (field == "pa") return pas;
  if (field == "pa_page" && kind == access) return substreams;
  if (field == "prot") return prots;
  if (field == "fail") return fails;
  if (field == "variant") return variants_of(version, kind);
  return {};
}

/// Kinds of codec 1 looked at the same fields as today's, but for the substream of an access.
bool looks_at(unsigned version, OperationKind kind, const FieldInfo& field) {
  const bool substream = kind == OperationKind::access && field.name == "pa_page";
  return uses(kind, field) && (version != 1 || !substream);
}

}  // namespace

// In codec 1 the kind had six bits and `choices` twelve; the fields between lay one bit lower.
Operation decode_word_of(unsigned version, u64 word) {
  if (version >= codec_version) return decode_word(word);
  const unsigned lower = version == 1 ? 1 : 0;
  const u8 kind = version == 1 ? kinds_1[word & mask(5, 0)] : kinds_2[word & mask(6, 0)];
  Operation operation{.kind = static_cast<OperationKind>(kind)};
  for (const FieldInfo& field : operation_fields()) {
    if (!looks_at(version, operation.kind, field)) continue;
    const unsigned lo = field.lo - lower;
    const u64 raw = bits(word, lo + field.width - 1, lo);
    const Table table = table_of(version, operation.kind, field.name);
    operation.*field.member = table.empty() ? static_cast<u16>(raw) : table[raw];
  }
  return operation;
}

}  // namespace iommucheck::fuzz
