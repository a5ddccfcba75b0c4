// SPDX-License-Identifier: MIT
// What the SMMU may read while a structure becomes another one, step by step; and all ways that
// there are, by brute force: is one shorter, or does one do less harm?
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "impl/smmuv3/hitless.h"

namespace iommucheck::test {

using impl::hitless::Step;
using impl::hitless::Words;

/// How far from harmless it is to read something on the way.
enum class Harm : u8 { none, abort, other };

using Writer = Step (*)(const Words&, const Words&);

inline Words mixed(const Words& old, const Words& stored, unsigned which) {
  Words words = old;
  for (unsigned w = 0; w < words.size(); ++w) {
    if ((which >> w & 1) != 0) words[w] = stored[w];
  }
  return words;
}

/// All that counts is there.
template <class Structures>
bool says(const Words& words, const Words& to) {
  for (unsigned w = 0; w < to.size(); ++w) {
    if ((words[w] & Structures::used_mask(w, words)) != (to[w] & Structures::used_mask(w, to))) {
      return false;
    }
  }
  return true;
}

struct Way {
  unsigned steps = 0;
  Harm worst = Harm::none;
  bool arrives = false;
};

/// Every subset of the words of each step. `Structures` says what words mean.
template <class Structures>
Way way_of(const Writer& writer, const Words& from, const Words& to) {
  const auto old = Structures::meaning_of(from);
  const auto wanted = Structures::meaning_of(to);
  Way way;
  Words memory = from;
  for (bool more = true; more && way.steps < 8;) {
    const Step step = writer(memory, to);
    more = !step.last;
    if (step.stored == 0) break;
    ++way.steps;
    for (unsigned which = 0; which < 16; ++which) {
      if ((which & ~step.stored) != 0) continue;
      const Words seen = mixed(memory, step.words, which);
      way.worst = std::max(way.worst, Structures::harm(Structures::meaning_of(seen), old, wanted));
    }
    memory = mixed(memory, step.words, step.stored);
  }
  way.arrives = Structures::meaning_of(memory) == wanted && says<Structures>(memory, to);
  return way;
}

// ---- all ways -----------------------------------------------------------------------------------

/// All structures whose words are made of the old one's and the new one's: each field that
/// something depends on is for itself, the others by who uses them; and some that neither has.
template <class Structures>
class AllWays {
 public:
  AllWays(const Words& from, const Words& to)
      : from_(Structures::meaning_of(from)), to_(Structures::meaning_of(to)) {
    for (unsigned w = 0; w < 4; ++w) choose(w, from, to);
    sizes_ = {words_[0].size(), words_[1].size(), words_[2].size(), words_[3].size()};
    const std::size_t count = sizes_[0] * sizes_[1] * sizes_[2] * sizes_[3];
    for (std::size_t i = 0; i < count; ++i) {
      const Words words = at(i);
      harm_.push_back(Structures::harm(Structures::meaning_of(words), from_, to_));
      if (words == from) start_ = i;
      if (says<Structures>(words, to)) ends_.push_back(i);
    }
  }

  /// The fewest steps of a way that does no more harm; at most `enough`, which is one of them.
  unsigned fewest(Harm most, unsigned enough) const {
    std::vector<std::size_t> reached{start_};
    std::vector<bool> known(harm_.size());
    known[start_] = true;
    for (unsigned steps = 0; steps + 1 < enough && !reached.empty(); ++steps) {
      for (const std::size_t from : reached) {
        const bool arrives = std::ranges::any_of(
            ends_, [&](std::size_t end) { return from == end || is_step(from, end, most); });
        if (arrives) return from == start_ && is_end(start_) ? 0 : steps + 1;
      }
      if (steps + 2 >= enough) break;
      std::vector<std::size_t> next;
      for (const std::size_t from : reached) {
        for (std::size_t i = 0; i < harm_.size(); ++i) {
          if (known[i] || harm_[i] > most || !is_step(from, i, most)) continue;
          known[i] = true;
          next.push_back(i);
        }
      }
      reached = std::move(next);
    }
    return enough;
  }

 private:
  void choose(unsigned w, const Words& from, const Words& to) {
    const u64 by_old = Structures::used_mask(w, from);
    const u64 by_new = Structures::used_mask(w, to);
    std::vector<u64> fields = Structures::fields(w);
    u64 rest = ~u64{0};
    for (const u64 field : fields) rest &= ~field;
    fields.insert(fields.end(),
                  {rest & by_old & by_new, rest & by_old & ~by_new, rest & ~by_old & by_new});
    std::vector<u64> values{from[w]};
    for (const u64 field : fields) {
      if (((from[w] ^ to[w]) & field) == 0) continue;
      const std::size_t so_far = values.size();
      for (std::size_t i = 0; i < so_far; ++i) {
        values.push_back((values[i] & ~field) | (to[w] & field));
        for (const u64 other : Structures::others(w, values[i], field)) values.push_back(other);
      }
    }
    for (const u64 word : {from[w], to[w]}) {
      for (const u64 other : Structures::others(w, word, 0)) values.push_back(other);
    }
    std::ranges::sort(values);
    const auto twice = std::ranges::unique(values);
    values.erase(twice.begin(), twice.end());
    words_[w] = std::move(values);
  }

  std::array<std::size_t, 4> places(std::size_t i) const {
    std::array<std::size_t, 4> each{};
    for (unsigned w = 0; w < 4; ++w) {
      each[w] = i % sizes_[w];
      i /= sizes_[w];
    }
    return each;
  }
  Words at(std::size_t i) const {
    const auto each = places(i);
    return {words_[0][each[0]], words_[1][each[1]], words_[2][each[2]], words_[3][each[3]]};
  }
  bool is_end(std::size_t i) const { return std::ranges::find(ends_, i) != ends_.end(); }

  /// Every subset of the words in which they differ.
  bool is_step(std::size_t a, std::size_t b, Harm most) const {
    const auto old = places(a);
    const auto stored = places(b);
    for (unsigned which = 0; which < 16; ++which) {
      std::size_t i = 0;
      for (unsigned w = 4; w-- > 0;) {
        i = i * sizes_[w] + ((which >> w & 1) != 0 ? stored[w] : old[w]);
      }
      if (harm_[i] > most) return false;
    }
    return true;
  }

  typename Structures::Meaning from_, to_;
  std::array<std::vector<u64>, 4> words_;
  std::array<std::size_t, 4> sizes_{};
  std::vector<Harm> harm_;
  std::vector<std::size_t> ends_;
  std::size_t start_ = 0;
};

// ---- the proof ----------------------------------------------------------------------------------

struct Proof {
  std::map<unsigned, unsigned> hitless;  ///< pairs by the number of steps
  std::map<unsigned, unsigned> others;   ///< those that abort on the way
  unsigned illegal = 0;                  ///< pairs of which one is: only that they arrive
  std::vector<std::string> wrong;
};

/// One pair: that it arrives, by what is one of the two or an abort, and that no way is shorter.
template <class Structures>
void prove_pair(const Writer& writer, const Words& from, const Words& to, bool legal,
                const std::string& name, Proof& proof) {
  constexpr unsigned most_hitless = 6;  // so many steps a way that aborts nothing may have
  const Way way = way_of<Structures>(writer, from, to);
  const auto wrong = [&](const std::string& what) { proof.wrong.push_back(name + ": " + what); };
  if (!way.arrives) wrong("it does not arrive");
  if (way.worst == Harm::other) wrong("something is read that is neither, and no abort");
  if (!legal) {
    ++proof.illegal;
    return;
  }
  const AllWays<Structures> all(from, to);
  const bool hits = way.worst != Harm::none;
  const unsigned best = all.fewest(Harm::none, hits ? most_hitless : way.steps);
  if (hits && best < most_hitless) wrong("it aborts, and need not");
  if (!hits && best < way.steps) wrong("there is a shorter way: " + std::to_string(best));
  if (hits && all.fewest(Harm::abort, way.steps) < way.steps) wrong("there is a shorter way");
  ++(hits ? proof.others : proof.hitless)[way.steps];
}

// ---- twins --------------------------------------------------------------------------------------

inline Step all_at_once(const Words& from, const Words& to) {
  Step step{.words = to};
  for (unsigned w = 0; w < to.size(); ++w) step.stored |= from[w] != to[w] ? 1u << w : 0;
  return step;
}

inline Step word0_first(const Words& from, const Words& to) {
  if (from[0] != to[0]) return {.stored = 1, .words = to, .last = false};
  return all_at_once(from, to);
}

}  // namespace iommucheck::test
