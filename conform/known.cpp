// SPDX-License-Identifier: MIT
#include "conform/known.h"

#include <filesystem>

#include "trace/file.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

std::unexpected<Error> bad(const std::string& path, u32 column, const std::string& what) {
  return fail(ErrorCode::bad_input, path + ":1:" + std::to_string(column) + ": " + what);
}

Expected<std::string> text_of(const std::string& path, const trace::JsonValue& object,
                              const char* key) {
  const trace::JsonMember* member = object.find(key);
  if (member == nullptr || member->value.kind != trace::JsonValue::Kind::string) {
    return bad(path, object.column, std::string("'") + key + "' has to be a string");
  }
  return member->value.text;
}

void add_member(std::string& out, const char* key, const std::string& value, const char* end) {
  out += "   ";
  trace::append_json_string(out, key);
  out += ": ";
  trace::append_json_string(out, value);
  out += end;
}

}  // namespace

const KnownDivergence* KnownFile::find(const Divergence& found) const {
  for (const KnownDivergence& known : divergences) {
    if (known.rule == spec::rule_name(found.rule) && known.kind == found.kind) return &known;
  }
  return nullptr;
}

std::string KnownFile::trace_path(const KnownDivergence& known) const {
  return (std::filesystem::path(path).parent_path() / std::filesystem::path(path).stem() /
          (known.id + ".jsonl"))
      .string();
}

Expected<KnownFile> read_known(const std::string& path) {
  auto reader = trace::LineReader::open(path, {.bytes_max = u64{16} << 20});
  if (!reader) return std::unexpected(reader.error());
  std::string text;
  std::string line;
  while (true) {
    const auto more = reader->next(line);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    text += line + " ";
  }
  const auto json = trace::parse_json(text);
  if (!json) return bad(path, json.error().column, json.error().message);
  KnownFile file;
  file.path = path;
  for (const auto& [key, place] :
       {std::pair{"device", &file.device}, std::pair{"version", &file.version}}) {
    auto value = text_of(path, *json, key);
    if (!value) return std::unexpected(value.error());
    *place = *value;
  }
  const trace::JsonMember* list = json->find("divergences");
  if (list == nullptr || list->value.kind != trace::JsonValue::Kind::array) {
    return bad(path, json->column, "'divergences' has to be an array");
  }
  for (const trace::JsonValue& item : list->value.items) {
    KnownDivergence known;
    for (const auto& [key, place] :
         {std::pair{"id", &known.id}, std::pair{"rule", &known.rule},
          std::pair{"kind", &known.kind}, std::pair{"section", &known.section},
          std::pair{"why", &known.why}, std::pair{"correct", &known.correct}}) {
      auto value = text_of(path, item, key);
      if (!value) return std::unexpected(value.error());
      *place = *value;
    }
    if (!spec::find_rule(known.rule)) {
      return bad(path, item.column, "there is no rule '" + known.rule + "'");
    }
    if (known.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      return bad(path, item.column, "'id' is a name of lower case letters, digits and hyphens");
    }
    file.divergences.push_back(std::move(known));
  }
  return file;
}

std::string known_text(const KnownFile& file) {
  std::string out = "{\n \"device\": ";
  trace::append_json_string(out, file.device);
  out += ",\n \"version\": ";
  trace::append_json_string(out, file.version);
  out += ",\n \"divergences\": [";
  bool first = true;
  for (const KnownDivergence& known : file.divergences) {
    out += first ? "\n  {\n" : ",\n  {\n";
    first = false;
    add_member(out, "id", known.id, ",\n");
    add_member(out, "rule", known.rule, ",\n");
    add_member(out, "kind", known.kind, ",\n");
    add_member(out, "section", known.section, ",\n");
    add_member(out, "why", known.why, ",\n");
    add_member(out, "correct", known.correct, "\n  }");
  }
  return out + "\n ]\n}\n";
}

Expected<void> write_text(const std::string& path, const std::string& text) {
  auto file = trace::OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  if (auto ok = file->write(text); !ok) return ok;
  return file->finish();
}

std::string suggested_id(const Divergence& found) {
  std::string id;
  for (const char c : std::string(spec::rule_name(found.rule)) + "-" + found.kind) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper || plain) {
      id += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
    if (id.size() >= 90) break;
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

}  // namespace iommucheck::oracle
