// SPDX-License-Identifier: MIT
// What else may be seen of a word than what memory says: older versions that no barrier has ended,
// what a configuration cache, a TLB or a walk cache may hold of it, content that nobody knows.
#pragma once

#include <string>
#include <vector>

#include "spec/smmu/caches.h"

namespace iommucheck::oracle {

/// A word of memory.
std::string word_text(const spec::Content& content);

class WordNotes {
 public:
  explicit WordNotes(const spec::Caches& caches);

  /// One note each, in words; none for a word that is as memory says and nothing else.
  [[nodiscard]] std::vector<std::string> of_table_word(u64 pa) const;
  /// A word of the structure that serves (sid, ssid).
  [[nodiscard]] std::vector<std::string> of_configuration_word(u64 pa, u32 sid, u32 ssid) const;
  /// SubstreamIDs of the stream whose CD a cache may hold although memory says otherwise.
  [[nodiscard]] std::vector<u32> cached_substreams(u32 sid) const;
  /// Cached translations and pointers under the tag: where each was read, and the nearest
  /// invalidation.
  [[nodiscard]] std::vector<std::string> under_tag(const spec::Tag<u64>& tag) const;
  /// The same under tags that are not among `tags`.
  [[nodiscard]] std::vector<std::string> under_other_tags(
      const std::vector<spec::Tag<u64>>& tags) const;

 private:
  void versions(u64 pa, std::vector<std::string>& notes) const;

  struct Cached {
    spec::Tag<u64> tag;
    spec::Item item;
  };
  const spec::Caches& caches_;
  std::vector<Cached> items_;
  std::vector<spec::ConfigItem> words_;
};

}  // namespace iommucheck::oracle
