// SPDX-License-Identifier: MIT
// Accesses that wait for an answer: each is read once, counted at its PASID, and answered, by
// whoever handles the process's faults or because it is to end.
#pragma once

#include <array>

#include "base/types.h"
#include "impl/core/backend.h"

namespace iommucheck::impl {

class Core;
class Sva;

/// Which faults are to end, whoever would answer them.
struct Ending {
  enum class Whose : u8 { nobody, device, domain };
  Whose whose = Whose::nobody;
  u64 of = 0;  // device or domain
  u32 pasid = 0;
};

class Faults {
 public:
  Faults(Backend& backend, const Core& core, Sva& sva)
      : backend_(backend), core_(core), sva_(sva) {}

  /// Reads and answers all that was reported so far. False: not every answer got through.
  bool drain(Ending ending);

 private:
  /// One that was read, until it is answered.
  struct Open {
    enum class State : u8 {
      none,
      open,   ///< the answer did not get through
      asked,  ///< its handler runs
      ended   ///< by a call from inside of its handler
    };
    State state = State::none;
    bool counted = false;  ///< as a fault that waits, in the word of its number
    Fault fault;
  };

  bool ends(const Fault& fault, const Ending& ending) const;
  bool send(Open& open, bool again);
  bool answer(Open& open, const Ending& ending);
  bool take(const Fault& fault, const Ending& ending);
  bool end_open(const Ending& ending);

  Backend& backend_;
  const Core& core_;
  Sva& sva_;
  std::array<Open, 4> open_{};
};

}  // namespace iommucheck::impl
