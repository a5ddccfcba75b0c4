// SPDX-License-Identifier: MIT
// INTERFACE "Faults".
#include "impl/core/faults.h"

#include <algorithm>

#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/pasids.h"
#include "impl/core/sva_devices.h"
#include "impl/core/user_events.h"

namespace iommucheck::impl {

namespace {

constexpr u32 handlers_max = 4;    // one inside of another: beyond so many nobody is asked
constexpr u32 waiting_max = 1024;  // that are kept; an IOMMU may hold 65,535, and no device does

}  // namespace

bool Faults::create(u32 devices) {
  // An answer that is on its way may still have its place when the IOMMU has used the access's.
  const u32 count = 2 * std::min(backend_.faults_max(), waiting_max) + handlers_max;
  Open* places = platform_.arena<Open>(count);
  queue_of_ = platform_.arena<iommucheck_handle>(std::max<u32>(devices, 1));
  if (places == nullptr || queue_of_ == nullptr) return false;
  for (u32 i = count; i > 0; --i) {
    places[i - 1].next = free_;
    free_ = &places[i - 1];
  }
  Page* pages = platform_.arena<Page>(count);
  if (pages == nullptr) return false;
  for (u32 i = count; i > 0; --i) {
    pages[i - 1].next = free_pages_;
    free_pages_ = &pages[i - 1];
  }
  return true;
}

void Faults::shutdown() {
  for_each_open([&](Open& open) { leave(open); });
  queues_.for_each_used([&](FaultQueue& queue) { release(queue); });
  handlers_ = 0;
}

void Faults::release(FaultQueue& queue) {
  if (queue.domain == 0) queue_of_[queue.device] = 0;
  if (Domain* domain = domains_.find(queue.domain)) domain->faults = 0;
  queues_.release(queue);
}

/// The domain of a user's in which the device has met it, if it is the user's to answer.
Domain* Faults::user_met(const Fault& fault, u32 device) {
  Domain* domain = fault.inner ? events_.met_by(fault, device) : nullptr;
  return domain != nullptr && domain->is_nested() ? domain : nullptr;
}

/// Null: as many wait as there are places.
Faults::Open* Faults::begin(const Fault& fault) {
  Open* open = free_;
  if (open == nullptr) return nullptr;
  free_ = open->next;
  *open = Open();
  open->state = Open::State::lost;
  u32 device = 0;
  const bool users = devices_.device_of(fault, &device) && user_met(fault, device) != nullptr;
  open->counted = !users && pasids_.fault_begins(fault.pasid);  // PASIDs of a user are others
  open->fault = fault;
  open->previous = last_;
  (last_ != nullptr ? last_->next : first_) = open;
  last_ = open;
  return open;
}

/// They are read in the order in which they become whole.
void Faults::become_last(Open& open) {
  if (last_ == &open) return;
  (open.previous != nullptr ? open.previous->next : first_) = open.next;
  open.next->previous = open.previous;
  open.previous = last_;
  open.next = nullptr;
  last_->next = &open;
  last_ = &open;
}

/// That of the device's group with the number, of which further pages come.
Faults::Open* Faults::find_begun(const Fault& fault) {
  Open* found = nullptr;
  for_each_open([&](Open& open) {
    const bool same = open.fault.id == fault.id && open.fault.pasid == fault.pasid;
    if (same && open.state == Open::State::begun) found = &open;
  });
  return found;
}

void Faults::add_page(Open& open, const Fault& fault) {
  Page* page = free_pages_;
  open.cut |= page == nullptr;
  if (page == nullptr) return;
  free_pages_ = page->next;
  *page = {.iova = fault.iova, .prot = fault.prot, .next = nullptr};
  Page** end = &open.further;
  while (*end != nullptr) end = &(*end)->next;
  *end = page;
}

/// Gives the place back.
void Faults::leave(Open& open) {
  while (open.further != nullptr) {
    Page* page = open.further;
    open.further = page->next;
    page->next = free_pages_;
    free_pages_ = page;
  }
  (open.previous != nullptr ? open.previous->next : first_) = open.next;
  (open.next != nullptr ? open.next->previous : last_) = open.previous;
  open.state = Open::State::none;
  open.next = free_;
  free_ = &open;
}

/// Whether `ending` says that the fault is to end, whoever would answer it.
bool Faults::ends(const Open& open, const Ending& ending) {
  u32 device = 0;
  if (!devices_.device_of(open.fault, &device)) return true;
  const bool users = open.user != 0 || user_met(open.fault, device) != nullptr;
  if (users) return ending.whose == Ending::Whose::queue && open.queue == ending.of;
  if (open.fault.pasid == no_pasid) return true;
  switch (ending.whose) {
    case Ending::Whose::nobody: return false;
    case Ending::Whose::queue: return open.queue == ending.of;
    case Ending::Whose::device: return ending.of == device && ending.pasid == open.fault.pasid;
    case Ending::Whose::domain:
      return domains_.holder_of(device) == Holder{.domain = ending.of} &&
             ending.pasid == open.fault.pasid;
  }
  return false;
}

void Faults::over(Open& open) {
  if (open.counted) pasids_.fault_ends(open.fault.pasid);
  leave(open);
}

void Faults::leave_queue(Open& open) {
  FaultQueue* queue = queues_.find(open.queue);
  if (queue != nullptr && open.state == Open::State::unread) --queue->unread;
  open.queue = 0;
  open.user = 0;
  open.begun_to_read = false;  // who has its number cannot answer it any more
}

/// Sends the answer. False if it has not acted yet: then nobody sends another one.
bool Faults::send(Open& open, Response response) {
  leave_queue(open);
  open.response = response;
  switch (backend_.answer(open.fault, response)) {
    case Answered::done: over(open); return true;
    case Answered::on_its_way: open.state = Open::State::sent; return false;
    case Answered::no: open.state = Open::State::lost; return false;
  }
  return false;
}

/// To the caller's handler, each page, which answers by respond(). It runs by itself; what it calls
/// meanwhile may end this very fault.
void Faults::hand_over(Open& open, u32 device, u64 word) {
  open.state = Open::State::read;
  open.device = device;
  const u32 group = open.group = ++handlers_group_;
  const u32 pasid = open.fault.pasid;
  platform_.fault_handler(device, pasid, open.fault.iova, open.fault.prot, group, word);
  const auto has_it = [&] { return open.state == Open::State::read && open.group == group; };
  for (const Page* page = has_it() ? open.further : nullptr; page != nullptr;) {
    platform_.fault_handler(device, pasid, page->iova, page->prot, group, word);
    page = has_it() ? page->next : nullptr;
  }
}

/// Whoever handles the process's faults is asked for each page, until one is not to be had.
bool Faults::handlers_agree(Open& open, u32 device) {
  const u32 pasid = open.fault.pasid;
  bool all = bonds_.answer_fault(device, pasid, open.fault.iova, open.fault.prot);
  for (const Page* page = open.further; all && page != nullptr; page = page->next) {
    if (open.state != Open::State::asked) return false;
    all = bonds_.answer_fault(device, pasid, page->iova, page->prot);
  }
  return all;
}

/// Again if whoever handles the process's faults says so, else abort. The handler may call the
/// driver, which may end this very fault (an unbind), or read further ones.
void Faults::ask(Open& open, const Ending& ending) {
  u32 device = 0;
  if (open.cut || ends(open, ending) || !devices_.device_of(open.fault, &device)) {
    send(open, Response::invalid);
    return;
  }
  if (Domain* user = user_met(open.fault, device)) {
    FaultQueue* its = queues_.find(user->faults);
    if (its == nullptr || !put_in_queue(open, *its, device)) send(open, Response::invalid);
    return;
  }
  if (const Bond* bond = bonds_.fault_handler_of(device, open.fault.pasid)) {
    hand_over(open, device, bond->fault_word);
    return;
  }
  // Whoever handles the process's faults answers where the device has no queue.
  FaultQueue* queue = queue_of(device);
  if (queue != nullptr && bonds_.is_processes(device, open.fault.pasid)) {
    if (!put_in_queue(open, *queue, device)) send(open, Response::invalid);
    return;
  }
  // Handlers that fault inside of handlers end somewhere.
  if (handlers_ == handlers_max) {
    send(open, Response::invalid);
    return;
  }
  ++handlers_;
  open.state = Open::State::asked;
  const bool again = handlers_agree(open, device);
  --handlers_;
  if (open.state == Open::State::asked) {
    send(open, again ? Response::success : Response::invalid);
  } else {
    leave(open);
  }
}

/// False: it is full.
bool Faults::put_in_queue(Open& open, FaultQueue& queue, u32 device) {
  if (queue.unread >= queue.depth) return false;
  open.state = Open::State::unread;
  open.queue = queues_.handle(queue);
  open.user = queue.domain;
  open.device = device;
  ++queue.unread;
  return true;
}

/// Whose it is to answer is there still.
bool Faults::is_answerable(const Open& open) {
  if (open.user == 0) return bonds_.is_processes(open.device, open.fault.pasid);
  Domain* user = user_met(open.fault, open.device);
  return user != nullptr && domains_.handle(*user) == open.user;
}

/// A fault that was read now: a group is asked of when it is whole. Beyond the places that there
/// are nobody is asked.
bool Faults::take(const Fault& fault, const Ending& ending) {
  Open* open = find_begun(fault);
  if (open != nullptr) {
    add_page(*open, fault);
  } else {
    open = begin(fault);
    if (open != nullptr) open->state = Open::State::begun;
  }
  if (!fault.last) return false;
  if (open == nullptr) {
    backend_.answer(fault, Response::invalid);
    return false;
  }
  open->state = Open::State::lost;
  become_last(*open);
  ask(*open, ending);
  return open->user != 0;
}

/// Of groups that have begun those that are to end do. False: not all of that acted.
bool Faults::end_begun(const Ending& ending) {
  bool all = true;
  for_each_open([&](Open& open) {
    if (open.state != Open::State::begun) return;
    u32 device = 0;
    const bool known = devices_.device_of(open.fault, &device);
    const bool ended =
        ends(open, ending) || (known && !bonds_.is_processes(device, open.fault.pasid));
    if (ended) all &= send(open, Response::invalid);
  });
  return all;
}

/// What is left of them may be of groups that were answered already.
void Faults::lose_begun() {
  for_each_open([&](Open& open) {
    if (open.state == Open::State::begun) over(open);
  });
}

/// Faults that were read before: what was lost is sent again, what is on its way may have acted,
/// and what is to end ends. False: not all of the last acted.
bool Faults::go_on(const Ending& ending) {
  bool refused = false;
  bool on_its_way = false;
  const auto answer = [&](Open& open, Response response, bool its) {
    if (send(open, response) || !its) return;
    (open.state == Open::State::sent ? on_its_way : refused) = true;
  };
  bool waits = false;
  for_each_open([&](Open& open) {
    const bool ended = ends(open, ending);
    const bool its = ended && (ending.whose != Ending::Whose::queue || open.queue == ending.of);
    switch (open.state) {
      case Open::State::lost: answer(open, ended ? Response::invalid : open.response, its); break;
      case Open::State::unread:
      case Open::State::read:
        // After a time-out nobody may have come back for those at a number that is given up.
        if (ended || !is_answerable(open)) {
          answer(open, Response::invalid, its);
        }
        break;
      case Open::State::asked: {
        if (!ended) break;
        // Its place is kept for the handler, which finds out.
        if (backend_.answer(open.fault, Response::invalid) == Answered::done) {
          if (open.counted) pasids_.fault_ends(open.fault.pasid);
          open.counted = false;
        } else {
          refused = true;
        }
        open.state = Open::State::ended;
        break;
      }
      case Open::State::sent: on_its_way |= its; break;
      default: break;
    }
    waits |= open.state == Open::State::sent;
  });
  if (!waits) return !refused;
  if (!backend_.wait_for_answers()) return !refused && !on_its_way;
  for_each_open([&](Open& open) {
    if (open.state == Open::State::sent) over(open);
  });
  return !refused;
}

bool Faults::drain(Ending ending) {
  if (!backend_.reports_faults()) return true;
  bool all = go_on(ending);
  struct Sink final : FaultSink {
    Sink(Faults& f, const Ending& e) : faults(f), ending(e) {}
    bool take(const Fault& fault) override { return faults.take(fault, ending); }
    bool tell(const Event& event) override { return faults.events_.tell(event); }
    void groups_lost() override { faults.lose_begun(); }
    Faults& faults;
    const Ending& ending;
  };
  Sink sink(*this, ending);
  backend_.read_faults(sink);
  all &= end_begun(ending);
  for_each_open([&](const Open& open) {
    all &= open.state != Open::State::lost && open.state != Open::State::sent;
  });
  return all;
}

void Faults::end_device_faults(u32 device, u32 pasid) {
  batch_.owe_if(!drain({Ending::Whose::device, device, pasid}));
}

void Faults::end_holder_faults(const Holder& holder, u32 pasid) {
  if (holder.is_own()) return end_device_faults(holder.device, pasid);
  batch_.owe_if(!drain({Ending::Whose::domain, holder.domain, pasid}));
}

void Faults::read_all() { batch_.owe_if(!drain({})); }

// ---- queues of users ----

int Faults::open(u32 device, u32 depth, iommucheck_handle* handle) {
  if (depth == 0 || !sva_devices_.has_asked_for_faults(device)) return -IOMMUCHECK_EINVAL;
  if (queue_of(device) != nullptr || sva_devices_.has_fault_handler(device))
    return -IOMMUCHECK_EBUSY;
  if (bonds_.is_silenced(device)) return -IOMMUCHECK_EBUSY;
  FaultQueue* queue = queues_.allocate(platform_);
  if (queue == nullptr) return -IOMMUCHECK_ENOMEM;
  queue->device = device;
  queue->depth = depth;
  *handle = queue_of_[device] = queues_.handle(*queue);
  return 0;
}

/// One domain has one; where it is full, or there is none, the user is told by its event queue.
int Faults::open_for_user(iommucheck_handle handle, u32 depth, iommucheck_handle* opened) {
  Domain* domain = domains_.find(handle);
  const bool is_users = domain != nullptr && domain->is_nested() && !domain->zombie;
  if (!is_users || depth == 0) return -IOMMUCHECK_EINVAL;
  if (!backend_.users_wait()) return -IOMMUCHECK_EOPNOTSUPP;
  if (domain->faults != 0) return -IOMMUCHECK_EBUSY;
  FaultQueue* queue = queues_.allocate(platform_);
  if (queue == nullptr) return -IOMMUCHECK_ENOMEM;
  queue->domain = handle;
  queue->depth = depth;
  *opened = domain->faults = queues_.handle(*queue);
  return 0;
}

int Faults::read(iommucheck_handle handle, iommucheck_fault& fault) {
  FaultQueue* queue = queues_.find(handle);
  if (queue == nullptr) return -IOMMUCHECK_EINVAL;
  Open* oldest = nullptr;
  for_each_open([&](Open& open) {
    const bool its = open.queue == handle && open.state == Open::State::unread;
    if (its && oldest == nullptr) oldest = &open;
  });
  if (oldest == nullptr) return -IOMMUCHECK_EAGAIN;
  // A group is read page by page, with one number, and is unread until its last.
  if (!oldest->begun_to_read) {
    oldest->begun_to_read = true;
    oldest->group = ++queue->group;
    fault.iova = oldest->fault.iova;
    fault.prot = oldest->fault.prot;
    fault.last = oldest->further == nullptr ? 1 : 0;
  } else {
    oldest->told = oldest->told == nullptr ? oldest->further : oldest->told->next;
    fault.iova = oldest->told->iova;
    fault.prot = oldest->told->prot;
    fault.last = oldest->told->next == nullptr ? 1 : 0;
  }
  fault.device = oldest->device;
  fault.pasid = oldest->fault.pasid;
  fault.group = oldest->group;
  if (fault.last == 0) return 0;
  oldest->state = Open::State::read;
  --queue->unread;
  return 0;
}

int Faults::respond(iommucheck_handle handle, u32 device, u32 pasid, u32 group, u32 response) {
  const bool of_handlers = handle == 0;
  if (!of_handlers && queues_.find(handle) == nullptr) return -IOMMUCHECK_EINVAL;
  if (response > IOMMUCHECK_FAULT_FAILURE) return -IOMMUCHECK_EINVAL;
  Open* answered = nullptr;
  for_each_open([&](Open& open) {
    const bool has_number = open.state == Open::State::read || open.begun_to_read;
    const bool its = open.queue == handle && has_number;
    if (its && open.device == device && open.fault.pasid == pasid && open.group == group) {
      answered = &open;
    }
  });
  if (answered == nullptr) return -IOMMUCHECK_EINVAL;
  constexpr Response responses[] = {Response::success, Response::invalid, Response::failure};
  return send(*answered, responses[response]) ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

int Faults::close(iommucheck_handle handle) {
  FaultQueue* queue = queues_.find(handle);
  if (queue == nullptr) return -IOMMUCHECK_EINVAL;
  const bool all = go_on({.whose = Ending::Whose::queue, .of = handle});
  release(*queue);
  return all ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

/// What the handler before was given is answered all the same, unless no other follows it.
int Faults::set_handler(u32 device, u32 pasid, bool present, u64 word) {
  if (queue_of(device) != nullptr) return -IOMMUCHECK_EBUSY;
  const bool had_one = bonds_.fault_handler_of(device, pasid) != nullptr;
  if (int error = bonds_.set_fault_handler(device, pasid, present, word)) return error;
  if (present || !had_one) return 0;
  const Ending ending{.whose = Ending::Whose::device, .of = device, .pasid = pasid};
  return go_on(ending) ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

u32 Faults::queues() {
  u32 count = 0;
  queues_.for_each_used([&](const FaultQueue&) { ++count; });
  return count;
}

void Faults::device_gone(u32 device) {
  if (queue_of_[device] != 0) close(queue_of_[device]);
}

}  // namespace iommucheck::impl
