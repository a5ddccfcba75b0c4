// SPDX-License-Identifier: MIT
#include "explain/notes.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/visits.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using spec::Content;

const char* what_it_is(const spec::Item& item) {
  switch (item.kind) {
    case spec::ItemKind::pointer: return "a walk cache";
    case spec::ItemKind::unknown: return "a TLB or walk cache, from unknown content,";
    case spec::ItemKind::final: break;
  }
  return "a TLB";
}

}  // namespace

std::string word_text(const Content& content) {
  return content.unknown ? std::string("content that nobody knows")
                         : fmt::format("{:#x}", content.value);
}

WordNotes::WordNotes(const spec::Caches& caches) : caches_(caches) {
  for_each_item(caches.view(), [this](const spec::Tag<u64>& tag, const spec::Item& item) {
    items_.push_back({tag, item});
  });
  for_each_cached_word(caches.view(),
                       [this](const spec::ConfigItem& word) { words_.push_back(word); });
}

void WordNotes::versions(u64 pa, std::vector<std::string>& notes) const {
  if (!caches_.memory().is_pending(pa)) return;
  const Content newest = caches_.memory().newest(pa);
  caches_.memory().visible(pa, [&](const Content& content) {
    if (content == newest) return;
    notes.push_back(fmt::format("may still be seen as {}: no barrier covers the store at event {}",
                                word_text(content), caches_.memory().first_pending(pa)));
  });
}

std::vector<std::string> WordNotes::of_table_word(u64 pa) const {
  std::vector<std::string> notes;
  versions(pa, notes);
  for (const auto& [tag, item] : items_) {
    if (pa - item.origin >= u64{8} * item.count) continue;
    const u64 value = item.part((pa - item.origin) / 8, 1).value;
    notes.push_back(fmt::format("{} may hold {:#x} under {} (replaced at event {})",
                                what_it_is(item), value, spec::tag_text(tag), item.stored_at));
  }
  return notes;
}

std::vector<std::string> WordNotes::of_configuration_word(u64 pa, u32 sid, u32 ssid) const {
  std::vector<std::string> notes;
  versions(pa, notes);
  for (const spec::ConfigItem& cached : words_) {
    if (!cached.serves(sid, ssid)) continue;
    const auto note = [&](unsigned word, bool unknown, u64 value) {
      if (cached.place + u64{8} * word != pa) return;
      notes.push_back(fmt::format("a configuration cache may hold {} (replaced at event {})",
                                  word_text({value, unknown}), cached.stored_at));
    };
    note(cached.word, (cached.unknown & 1) != 0, cached.value);
    if (cached.partner != 0 || (cached.unknown & 2) != 0) {
      note(cached.word + 1U, (cached.unknown & 2) != 0, cached.partner);
    }
  }
  return notes;
}

std::vector<u32> WordNotes::cached_substreams(u32 sid) const {
  std::vector<u32> numbers;
  for (const spec::ConfigItem& word : words_) {
    if (word.kind == spec::ConfigKind::cd && sid - word.sid < word.sid_count) {
      numbers.push_back(word.ssid);
    }
  }
  return numbers;
}

std::vector<std::string> WordNotes::under_tag(const spec::Tag<u64>& tag) const {
  std::vector<std::string> texts;
  for (const auto& [its, item] : items_) {
    if (its == tag) texts.push_back(explained(caches_.view(), item));
  }
  return texts;
}

std::vector<std::string> WordNotes::under_other_tags(
    const std::vector<spec::Tag<u64>>& tags) const {
  std::vector<std::string> texts;
  for (const auto& [its, item] : items_) {
    if (std::ranges::find(tags, its) == tags.end())
      texts.push_back(explained(caches_.view(), item));
  }
  return texts;
}

}  // namespace iommucheck::oracle
