// SPDX-License-Identifier: MIT
// A slice as JSON.
#include <fmt/format.h>

#include "check/campaign_folder.h"
#include "report/finding_kind_text.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonTree;
using trace::JsonValue;

constexpr std::string_view slice_format = "iommucheck-campaign-slice";

/// Members of one object, each of the kind that is due; the first that is not is remembered.
class Members {
 public:
  explicit Members(const JsonValue& object) : object_(object) {}

  /// For what slices of before have not, and others need not have.
  [[nodiscard]] bool has(std::string_view key) const { return object_.find(key) != nullptr; }
  u64 number(std::string_view key) {
    const JsonValue* value = of(key, JsonValue::Kind::number);
    if (value != nullptr && !value->whole_number) missing_ = key;
    return value == nullptr ? 0 : value->number;
  }
  std::string text(std::string_view key) {
    const JsonValue* value = of(key, JsonValue::Kind::string);
    return value == nullptr ? std::string() : value->text;
  }
  bool yes(std::string_view key) {
    const JsonValue* value = of(key, JsonValue::Kind::boolean);
    return value != nullptr && value->boolean;
  }
  /// Its parts, or what its words say: those of older slices are all that they have.
  FindingKind kind() {
    const std::string words = text("kind");
    if (const JsonValue* parts = has("parts") ? of("parts", JsonValue::Kind::object) : nullptr) {
      if (auto kind = kind_of_json(*parts)) return std::move(*kind);
      missing_ = "parts";
    }
    return kind_of_text(words).value_or(kind_in_words(words));
  }
  const std::vector<JsonValue>& items(std::string_view key) {
    static const std::vector<JsonValue> none;
    const JsonValue* value = of(key, JsonValue::Kind::array);
    return value == nullptr ? none : value->items;
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  const JsonValue* of(std::string_view key, JsonValue::Kind kind) {
    const trace::JsonMember* member = object_.find(key);
    if (member != nullptr && member->value.kind == kind) return &member->value;
    if (missing_.empty()) missing_ = key;
    return nullptr;
  }
  const JsonValue& object_;
  std::string missing_;
};

}  // namespace

std::string to_json(const CampaignSlice& slice) {
  JsonTree json = JsonTree::object();
  json.set(slice_format, 1);
  if (!slice.older.empty()) json.set("older", slice.older);
  json.set("seed", slice.seed).set("number", slice.number).set("asked", slice.asked);
  json.set("sequences", slice.sequences);
  json.set("calls", slice.calls).set("outcomes", slice.outcomes);
  json.set("driver_name", slice.driver_name).set("scope", slice.scope);
  for (const auto& [name, texts] : {std::pair("open", &slice.open), {"unseen", &slice.unseen}}) {
    JsonTree list = JsonTree::array();
    for (const std::string& one : *texts) list.add(one);
    json.set(name, std::move(list));
  }
  JsonTree features = JsonTree::array();
  for (const std::string& feature : slice.features) features.add(feature);
  json.set("features", std::move(features));
  if (slice.blocks_of != 0) {
    JsonTree blocks = JsonTree::array();
    for (const u64 block : slice.blocks) blocks.add(block);
    json.set("blocks_of", slice.blocks_of).set("blocks", std::move(blocks));
  }
  json.set("rules", to_json(slice.rules));
  JsonTree kinds = JsonTree::array();
  for (const auto& [order, kind] : slice.kinds) {
    JsonTree one = JsonTree::object();
    one.set("rule", order.first).set("kind", text_of(kind)).set("parts", to_json(kind));
    kinds.add(std::move(one));
  }
  json.set("kinds", std::move(kinds));
  JsonTree findings = JsonTree::array();
  for (const CampaignFinding& finding : slice.findings) {
    JsonTree one = JsonTree::object();
    one.set("rule", finding.rule).set("kind", text_of(finding.kind));
    one.set("parts", to_json(finding.kind)).set("id", finding.id);
    one.set("text", finding.text).set("traced", finding.traced);
    one.set("source", finding.source).set("source_line", finding.source_line);
    findings.add(std::move(one));
  }
  json.set("findings", std::move(findings));
  JsonTree corpus = JsonTree::array();
  for (const auto& [name, text] : slice.corpus) {
    corpus.add(std::move(JsonTree::object().set("name", name).set("text", text)));
  }
  json.set("corpus", std::move(corpus));
  return json.text() + "\n";
}

Expected<CampaignSlice> slice_from_json(std::string_view text, const std::string& name) {
  const auto damaged = [&](const std::string& what) {
    return fail(ErrorCode::bad_input, fmt::format("{}: no slice of a campaign: {}", name, what));
  };
  const auto json = trace::parse_json(text);
  if (!json) return damaged(json.error().message);
  Members members(*json);
  CampaignSlice slice;
  if (members.number(slice_format) != 1) return damaged("it has no version 1");
  if (members.has("older")) slice.older = members.text("older");
  if (slice.older.contains('/')) return damaged("'older'");
  slice.seed = members.number("seed");
  slice.number = members.number("number");
  slice.asked = members.number("asked");
  slice.sequences = members.number("sequences");
  slice.calls = members.number("calls");
  slice.outcomes = members.number("outcomes");
  slice.driver_name = members.text("driver_name");
  slice.scope = members.text("scope");
  for (const JsonValue& why : members.items("open")) slice.open.push_back(why.text);
  for (const JsonValue& what : members.items("unseen")) slice.unseen.push_back(what.text);
  for (const JsonValue& feature : members.items("features")) {
    // Before they had names they were numbers, of which nothing can be said.
    if (feature.kind == JsonValue::Kind::number) continue;
    if (feature.kind != JsonValue::Kind::string) return damaged("'features'");
    slice.features.insert(feature.text);
  }
  if (members.has("blocks_of")) {
    slice.blocks_of = members.number("blocks_of");
    for (const JsonValue& block : members.items("blocks")) {
      if (!block.whole_number) return damaged("'blocks'");
      slice.blocks.insert(block.number);
    }
  }
  auto rules = coverage_from_json(members.text("rules"), name);
  if (!rules) return std::unexpected(std::move(rules.error()));
  slice.rules = std::move(*rules);
  std::string missing;
  for (const JsonValue& item : members.items("kinds")) {
    Members one(item);
    FindingKind kind = one.kind();
    slice.kinds.emplace(order_of(one.text("rule"), kind), kind);
    missing += one.missing();
  }
  for (const JsonValue& item : members.items("findings")) {
    Members one(item);
    slice.findings.push_back(
        {.rule = one.text("rule"),
         .kind = one.kind(),
         .id = one.text("id"),
         .text = one.text("text"),
         .traced = one.yes("traced"),
         .source = one.has("source") ? one.text("source") : "",
         .source_line = one.has("source_line") ? one.number("source_line") : 0});
    missing += one.missing();
  }
  for (const JsonValue& item : members.items("corpus")) {
    Members one(item);
    const std::string file = one.text("name");
    if (file.empty() || file.contains('/')) missing += "name";
    slice.corpus[file] = one.text("text");
    missing += one.missing();
  }
  missing += members.missing();
  if (!missing.empty()) return damaged(fmt::format("'{}' is not what it should be", missing));
  return slice;
}

}  // namespace iommucheck::oracle
