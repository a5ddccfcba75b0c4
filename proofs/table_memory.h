// SPDX-License-Identifier: MIT
// Memory that hardware may be walking while a driver stores to it, as a platform of
// impl/pgtable/page_table.h. A word is read as what it was or as anything that was stored since,
// until it is cleaned and a barrier follows (SEMANTICS 1). What is allocated holds rubbish.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/types.h"

namespace iommucheck::proofs {

class TableMemory {
 public:
  static constexpr u64 first = u64{1} << 40;
  /// A page, or a table beyond all memory.
  static constexpr u64 rubbish = 0x8000'7777'7fff'0fc3;

  explicit TableMemory(u64 words);

  // A state that changes begin from.
  void clear();
  u64 place_table(u64 bytes);  ///< of zeros
  void place(u64 pa, u64 word) { now_[index(pa)] = word; }
  void settle();
  /// What was stored since is undone, what was allocated is given back.
  void undo();

  bool has(u64 pa) const { return pa >= first && pa - first < 8 * words_; }
  u64 before(u64 pa) const { return before_[index(pa)]; }
  u64 now(u64 pa) const { return now_[index(pa)]; }
  bool is_settled(u64 pa) const { return newest_[index(pa)] == none; }
  bool is_settled() const { return pending_.empty(); }
  /// What may be read there, the newest first.
  std::optional<u64> version(u64 pa, unsigned n) const;

  struct Store {
    u64 pa, was, word;
  };
  std::span<const Store> stores() const { return stores_; }
  u64 allocations() const { return allocations_; }
  /// Somebody looked or stored where no memory is.
  bool strayed() const { return strayed_; }

  std::function<void()> on_barrier;  ///< before it acts
  std::optional<u64> memory_for;     ///< so many allocations succeed

  // What a driver does.
  u64 allocate(u64 bytes);
  const u64* words(u64 pa) const;
  void store(u64 pa, u64 word);
  void clean(u64 pa, u64 bytes);
  void barrier();

 private:
  static constexpr u32 none = ~u32{0};
  static constexpr u64 widest_table = 8192;
  struct Pending {
    u64 at;
    u64 was;
    u32 older;
    bool cleaned;
  };
  static u64 index(u64 pa) { return (pa - first) / 8; }
  u64 take(u64 bytes);
  void add_pending(u64 at, u64 was, bool cleaned);

  u64 words_;
  std::vector<u64> now_, before_;
  std::vector<u32> newest_;
  std::vector<Pending> pending_;
  std::vector<Store> stores_;
  u64 used_ = 0, settled_ = 0, allocations_ = 0;
  mutable bool strayed_ = false;
};

/// How a driver sees it.
struct TableDoor {
  TableMemory& memory;
  u64 table_alloc(u64 bytes) const { return memory.allocate(bytes); }
  void table_free(u64 /*pa*/, u64 /*bytes*/) const {}
  const u64* words(u64 pa) const { return memory.words(pa); }
  void store64(u64 pa, u64 word) const { memory.store(pa, word); }
  void fill64(u64 pa, u64 count, u64 word) const {
    for (u64 n = 0; n < count; ++n) memory.store(pa + 8 * n, word);
  }
  void clean(u64 pa, u64 bytes) const { memory.clean(pa, bytes); }
  void barrier() const { memory.barrier(); }
};

/// One of the ways in which a walk may read its words; next() makes another one of it.
class Mixture {
 public:
  explicit Mixture(const TableMemory& memory) : memory_(memory) {}
  std::optional<u64> read(u64 pa) {
    if (!memory_.has(pa)) return std::nullopt;
    if (reads_ == known_) picks_[known_++] = {pa, 0};
    return memory_.version(pa, picks_[reads_++].version);
  }
  /// False: there is none left.
  bool next() {
    for (reads_ = 0; known_ != 0; --known_) {
      Pick& last = picks_[known_ - 1];
      ++last.version;
      if (memory_.version(last.pa, last.version)) return true;
    }
    return false;
  }

 private:
  struct Pick {
    u64 pa;
    unsigned version;
  };
  const TableMemory& memory_;
  std::array<Pick, 4> picks_{};  // a level each
  std::size_t known_ = 0, reads_ = 0;
};

/// What was there at the start.
struct Before {
  const TableMemory& memory;
  std::optional<u64> read(u64 pa) const {
    if (!memory.has(pa)) return std::nullopt;
    return memory.before(pa);
  }
};

}  // namespace iommucheck::proofs
