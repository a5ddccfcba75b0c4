// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <random>
#include <set>
#include <string>

#include "operations/older_words.h"
#include "operations/operation.h"
#include "tests/places.h"

namespace iommucheck::fuzz::operation_codec_test {
namespace {

std::vector<Operation> from_words(const std::vector<u64>& words) {
  std::vector<Operation> operations;
  for (const u64 word : words) operations.push_back(random_operation(word));
  return operations;
}

Operation arbitrary() {
  Operation operation;
  operation.kind =
      static_cast<OperationKind>(*rc::gen::inRange<int>(0, static_cast<int>(OperationKind::count)));
  for (const FieldInfo& field : operation_fields()) {
    operation.*field.member = *rc::gen::arbitrary<u16>();
  }
  return operation;
}

RC_GTEST_PROP(OperationCodec, every_operation_has_a_word, ()) {
  const Operation operation = arbitrary();
  const Operation expected = normalised(operation);
  RC_ASSERT(decode_word(encode_word(operation)) == expected);
  RC_ASSERT(normalised(expected) == expected);
}

RC_GTEST_PROP(OperationCodec, every_word_is_a_normalised_operation, (u64 word)) {
  const Operation operation = decode_word(word);
  RC_ASSERT(normalised(operation) == operation);
  RC_ASSERT(decode_word(encode_word(operation)) == operation);
}

RC_GTEST_PROP(OperationCodec, sequences_survive_bytes, ()) {
  const auto words =
      *rc::gen::resize(static_cast<int>(operations_max),
                       rc::gen::container<std::vector<u64>>(rc::gen::arbitrary<u64>()));
  auto operations = from_words(words);
  if (operations.size() > operations_max) operations.resize(operations_max);
  RC_ASSERT(decode(encode(operations)) == operations);
}

RC_GTEST_PROP(OperationCodec, any_bytes_decode_and_then_are_stable, (std::vector<u8> bytes)) {
  if (!bytes.empty() && *rc::gen::arbitrary<bool>()) bytes[0] = codec_version;
  const auto operations = decode(bytes);
  const auto again = encode(operations);
  RC_ASSERT(decode(again) == operations);
  RC_ASSERT(encode(decode(again)) == again);
}

TEST(OperationCodec, Bounds) {
  EXPECT_TRUE(decode({}).empty());
  std::vector<u8> bytes(1 + 8 * 100, 0x5a);
  EXPECT_TRUE(decode(bytes).empty()) << "another version has no operations";
  bytes[0] = codec_version;
  EXPECT_EQ(decode(bytes).size(), operations_max);
  bytes.resize(1 + 8 * 3 + 7);
  EXPECT_EQ(decode(bytes).size(), 3U) << "an incomplete word is none";
  EXPECT_EQ(encode(std::vector<Operation>(100)).size(), 1 + 8 * operations_max);
}

/// What the codecs themselves made of random words, one of each kind and variant. Who replaces a
/// codec adds the words of the one that goes.
TEST(OperationCodec, WordsOfEarlierCodecsMeanWhatTheyDid) {
  std::ifstream file(test::in_tree("tests/data/operations/older_words.txt"));
  std::set<unsigned> versions;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    unsigned version = 0;
    unsigned long long word = 0;
    int text = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "%u %llx %n", &version, &word, &text), 2) << line;
    const auto meant = parse_operation(line.substr(static_cast<std::size_t>(text)));
    ASSERT_TRUE(meant) << meant.error().message;
    const Operation read = decode_word_of(version, word);
    EXPECT_EQ(print(read), print(*meant)) << line;
    EXPECT_EQ(normalised(read), read) << line;
    versions.insert(version);
  }
  EXPECT_EQ(versions.size(), codec_version - 1U);
}

RC_GTEST_PROP(OperationCodec, every_word_of_each_codec_is_a_normalised_operation, (u64 word)) {
  for (unsigned version = 1; version <= codec_version; ++version) {
    const Operation operation = decode_word_of(version, word);
    RC_ASSERT(normalised(operation) == operation);
  }
  RC_ASSERT(decode_word_of(codec_version, word) == decode_word(word));
}

/// The word is a format on disk: corpora and findings hold it. A change needs a new codec_version,
/// and the tables of this one in older_words.cpp.
TEST(OperationCodec, TheWordIsFixed) {
  EXPECT_EQ(print(decode_word(0)), "map");
  EXPECT_EQ(print(decode_word(~u64{0})), "remove device=3 variant=selected choices=0x7ff");
  EXPECT_EQ(print(decode_word(0x0123456789abcdef)),
            "sva_alloc device=3 domain=6 fail=1 choices=0x9");
}

RC_GTEST_PROP(OperationText, parse_is_the_inverse_of_print, ()) {
  const Operation operation = normalised(arbitrary());
  const auto parsed = parse_operation(print(operation));
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == operation);
}

RC_GTEST_PROP(OperationText, any_text_gives_an_operation_or_an_error, (std::string text)) {
  const auto parsed = parse_operations(text, "T");
  if (!parsed) RC_ASSERT(parsed.error().message.starts_with("T:"));
}

TEST(OperationText, ManyLines) {
  const auto parsed = parse_operations("# found by seed 7\n\nmap size=2M\n  unmap aim=start\n");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ(print(*parsed), "map size=2M\nunmap aim=start\n");
}

TEST(OperationText, ErrorsNamePlaceAndWhatToWrite) {
  const auto message = [](std::string_view text) {
    const auto parsed = parse_operations(text, "F");
    return parsed ? std::string("parsed") : parsed.error().message;
  };
  EXPECT_TRUE(
      message("map\nmop").starts_with("F:2:1: 'mop' is no kind of operation; there are map"));
  EXPECT_EQ(message("unmap prot=r"),
            "F:1:7: 'prot=r' is no field of unmap, which has device, domain, aim, mapping, window, "
            "page, size, fail, variant, choices");
  EXPECT_EQ(message("map page=32"), "F:1:5: 'page=32' is no number from 0 to 31");
  EXPECT_EQ(message("map page="), "F:1:5: 'page=' is no number from 0 to 31");
  EXPECT_EQ(message("map page"), "F:1:5: 'page' is no field; write key=value");
  EXPECT_EQ(message("map page=1  page=2"), "F:1:13: 'page=2' is given twice");
  EXPECT_TRUE(message("map aim=up").starts_with("F:1:5: 'aim=up' has none of the values absolute"));
  EXPECT_TRUE(message("map domain=9").starts_with("F:1:5: 'domain=9' has none of the values 0 1"));
}

/// Of the hardware in the words of its own fields.
TEST(OperationText, HardwareSaysItsNumbers) {
  for (const std::string_view line :
       {"hardware commands=1 looks=3", "hardware at=17 variant=stop", "hardware looks=queue-1",
        "hardware at=2 variant=stop_sync", "hardware looks=16 variant=acknowledge",
        "hardware commands=1 at=3 variant=abort"}) {
    const auto operation = parse_operation(line);
    ASSERT_TRUE(operation) << operation.error().message;
    EXPECT_EQ(print(*operation), line);
  }
  EXPECT_FALSE(parse_operation("hardware page=3").has_value());
  EXPECT_FALSE(parse_operation("hardware looks=5").has_value()) << "none of the numbers";
  const auto full = parse_operation("hardware looks=queue");
  EXPECT_EQ(hardware_looks(*full, 64), 64U);
  EXPECT_EQ(hardware_looks(*parse_operation("hardware looks=12"), 64), 12U);
}

/// Every kind and every value of every field comes up: nothing is out of a fuzzer's reach.
TEST(OperationDistribution, EveryValueIsReached) {
  std::mt19937_64 random(1);
  std::vector<std::vector<u64>> seen(static_cast<std::size_t>(OperationKind::count) * 16,
                                     std::vector<u64>(1U << choice_bits, 0));
  for (int i = 0; i < 1'000'000; ++i) {
    const Operation operation = random_operation(random());
    std::size_t row = static_cast<std::size_t>(operation.kind) * 16;
    for (const FieldInfo& field : operation_fields()) ++seen[row++][operation.*field.member];
  }
  for (std::size_t kind = 0; kind < static_cast<std::size_t>(OperationKind::count); ++kind) {
    std::size_t row = kind * 16;
    for (const FieldInfo& field : operation_fields()) {
      const auto& counts = seen[row++];
      if (field.name == "choices" || !uses(static_cast<OperationKind>(kind), field)) continue;
      for (u16 v = 0; v < value_count(static_cast<OperationKind>(kind), field); ++v) {
        EXPECT_GT(counts[v], 0U) << kind << " " << field.name << " " << v;
      }
    }
  }
}

}  // namespace
}  // namespace iommucheck::fuzz::operation_codec_test
