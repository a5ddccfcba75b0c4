// SPDX-License-Identifier: MIT
#include "impl/core/faults.h"

#include "impl/core/core.h"

namespace iommucheck::impl {

/// Whether `ending` says that the fault is to end, whoever would answer it.
bool Faults::ends(const Fault& fault, const Ending& ending) const {
  u32 device = 0;
  if (fault.pasid == 0 || !core_.device_of(fault, &device)) return true;
  const bool of_device = ending.whose == Ending::Whose::device && ending.of == device;
  const bool of_domain =
      ending.whose == Ending::Whose::domain && ending.of == core_.domain_of(device);
  return (of_device || of_domain) && ending.pasid == fault.pasid;
}

/// Sends the answer. False if it does not get through: the fault stays open.
bool Faults::send(Open& open, bool again) {
  if (!backend_.answer(open.fault, again)) return false;
  if (open.counted) sva_.fault_ends(open.fault.pasid);
  open.counted = false;
  return true;
}

/// Ends an open fault: again if whoever handles the process's faults says so, else abort. The
/// handler may call the driver, which may end this very fault (an unbind), or read further ones.
bool Faults::answer(Open& open, const Ending& ending) {
  bool again = false;
  u32 device = 0;
  if (!ends(open.fault, ending) && core_.device_of(open.fault, &device)) {
    open.state = Open::State::asked;
    again = sva_.answer_fault(device, open.fault.pasid, open.fault.iova, open.fault.prot);
    const bool ended = open.state == Open::State::ended;
    open.state = Open::State::open;
    if (ended) {
      open.state = Open::State::none;
      return true;
    }
  }
  if (!send(open, again)) return false;
  open.state = Open::State::none;
  return true;
}

/// A fault that was read now. Handlers that fault inside of handlers end somewhere: beyond so many
/// nobody is asked.
bool Faults::take(const Fault& fault, const Ending& ending) {
  for (Open& open : open_) {
    if (open.state != Open::State::none) continue;
    open = {.state = Open::State::open, .counted = sva_.fault_begins(fault.pasid), .fault = fault};
    return answer(open, ending);
  }
  Open unasked = {.fault = fault};
  send(unasked, false);
  return true;
}

/// Faults that were read before: those whose answer did not get through are answered again, and
/// those whose handler runs further out end if they are to. False: not all of them could be.
bool Faults::end_open(const Ending& ending) {
  for (Open& open : open_) {
    if (open.state == Open::State::open && !answer(open, ending)) return false;
    if (open.state != Open::State::asked || !ends(open.fault, ending)) continue;
    if (!send(open, false)) return false;
    open.state = Open::State::ended;
  }
  return true;
}

bool Faults::drain(Ending ending) {
  if (!backend_.reports_faults()) return true;
  if (!end_open(ending)) return false;
  struct Sink final : FaultSink {
    Sink(Faults& f, const Ending& e) : faults(f), ending(e) {}
    bool take(const Fault& fault) override {
      all = faults.take(fault, ending);
      return all;
    }
    Faults& faults;
    const Ending& ending;
    bool all = true;
  };
  Sink sink(*this, ending);
  backend_.read_faults(sink);
  return sink.all;
}

}  // namespace iommucheck::impl
