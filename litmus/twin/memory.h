// SPDX-License-Identifier: MIT
// Memory of the literal model: each word that matters is the list of what the SMMU may see of it.
// SEMANTICS 1.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "litmus/layout.h"
#include "litmus/twin/fingerprint.h"

namespace iommucheck::litmus::twin {

/// A set of agents is one bit for each.
inline u32 agent_bit(u16 agent) { return u32{1} << agent; }

/// What a word holds; `known` false: anything (freed, never written).
struct Value {
  u64 word = 0;
  bool known = true;
  friend auto operator<=>(const Value&, const Value&) = default;
};

/// A value with the moment of its store; larger is later, 0 is init.
struct Version {
  Value value;
  u32 order = 0;
  bool pending = false;
  bool cleaned = false;
  bool af_set = false;       ///< hardware may have set AF in it
  bool by_hardware = false;  ///< as hardware left it: AF was clear
  bool wide = false;         ///< one of two words of a 16-byte store, which have one order
  u32 owners = 0;            ///< agents whose barrier covers the store
  u32 cleaners = 0;          ///< agents whose barrier covers the cache clean
};

class Memory {
 public:
  /// Where words of unknown content are looked at. `interest`: indices within a page; `offsets`: in
  /// bytes from the begin of what is freed.
  Memory(const Layout& layout, const std::set<u64>& interest, const std::set<u64>& offsets);

  /// What the SMMU may see of the word now, each with its order. At least one.
  std::vector<Version> visible(u64 pa) const;
  /// The newest value in program order.
  Value newest(u64 pa) const;
  /// Indices of the words of this 4 KiB page that may be other than zero.
  const std::vector<u64>& indices(u64 page) const;

  void store(const WriteAction& write, u16 agent);
  void zero(u64 pa, u64 bytes, u16 agent);
  void barrier(u16 agent);
  void clean(u64 pa, u16 agent);
  void handoff(u16 from, u16 to);
  void forget(u64 pa, u64 bytes);
  /// True where nothing was known of it.
  bool hardware_sets_af(u64 pa);
  bool hardware_may_have_set_af(u64 pa) const;
  /// What hardware has made of the word is there for everyone: these bits are set, and those clear.
  /// Beside another version that may still be seen nothing is said.
  void settle(u64 pa, u64 set, u64 clear);
  void put(Fingerprint& to) const;

 private:
  using Words = std::map<u64, std::vector<Version>>;
  void push(u64 pa, Value value, u16 agent, bool at_once, bool wide);
  void track(u64 pa, const Layout& layout);

  Words words_;
  std::shared_ptr<const std::map<u64, std::vector<u64>>> indices_;
  /// What names of the test stand for, by first address: the rest is nobody's, and unknown.
  std::shared_ptr<const std::map<u64, u64>> known_;
  bool coherent_ = true;
  u32 order_ = 0;
};

}  // namespace iommucheck::litmus::twin
