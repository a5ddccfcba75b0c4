// SPDX-License-Identifier: MIT
// Memory that a worker process writes to, record by record, and that outlives it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"

namespace iommucheck::oracle {

class Tape {
 public:
  struct Record {
    u64 kind = 0;
    std::span<const u64> words;
  };

  /// environment if there is no memory.
  static Expected<Tape> create(std::size_t bytes);

  // --- the worker ---
  /// The record is there whole, or not at all. False: there is no room for it.
  bool put(u64 kind, std::span<const u64> words);
  bool put_text(u64 kind, std::string_view text);

  // --- who started it ---
  /// A driver that went wild may have written here, too: what is no record ends them.
  [[nodiscard]] std::vector<Record> records() const;
  /// Of put_text().
  static std::string text_of(const Record& record);
  void clear();

 private:
  struct Block;
  Mapped<Block> block_;
  u64 room_ = 0;  // words
};

}  // namespace iommucheck::oracle
