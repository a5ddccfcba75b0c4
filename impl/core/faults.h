// SPDX-License-Identifier: MIT
// Accesses that wait for an answer: each is read once, counted at its PASID, and answered once, by
// whoever handles the process's faults, by the user of a queue, or because it is to end.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Batch;
class Bonds;
class Devices;
class Domains;
struct Domain;
class Pasids;
class SvaDevices;
class UserEvents;

/// Which faults are to end, whoever would answer them.
struct Ending {
  enum class Whose : u8 { nobody, device, domain, queue };
  Whose whose = Whose::nobody;
  u64 of = 0;  // device, domain or queue
  u32 pasid = 0;
};

/// Where the faults of a device's processes go, or of a user's domain.
struct FaultQueue {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;                ///< where `domain` is 0
  iommucheck_handle domain = 0;  ///< a user's
  u32 depth = 0;
  u32 unread = 0;
  u32 group = 0;  // the last one that was given: none comes again, so that a late answer finds none
};

class Faults {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    Pasids& pasids;
    SvaDevices& sva_devices;
    Bonds& bonds;
    Batch& batch;
    UserEvents& events;
  };
  Faults(const Platform& platform, Backend& backend, const Parts& parts)
      : platform_(platform),
        backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        pasids_(parts.pasids),
        sva_devices_(parts.sva_devices),
        bonds_(parts.bonds),
        batch_(parts.batch),
        events_(parts.events) {}

  /// Place for all that may wait at a time, and for a queue of each device. False: no memory.
  bool create(u32 devices);
  /// Nothing waits any more, and the queues are gone.
  void shutdown();

  // The calls of driver.h; results and errors as stated there.
  int open(u32 device, u32 depth, iommucheck_handle* queue);
  int open_for_user(iommucheck_handle domain, u32 depth, iommucheck_handle* queue);
  int read(iommucheck_handle queue, iommucheck_fault& fault);
  int respond(iommucheck_handle queue, u32 device, u32 pasid, u32 group, u32 response);
  int close(iommucheck_handle queue);
  int set_handler(u32 device, u32 pasid, bool present, u64 word);
  u32 queues();
  bool has_queue(u32 device) const { return queue_of_[device] != 0; }

  /// The device is gone, and its queue with it.
  void device_gone(u32 device);

  /// Reads all that was reported so far, ends what is to end, and lets the others be answered.
  /// False: not every answer has acted.
  bool drain(Ending ending);
  /// Ends those of `pasid` that wait: of one device, or of every device of a table. An answer that
  /// does not get through is owed.
  void end_device_faults(u32 device, u32 pasid);
  void end_holder_faults(const Holder& holder, u32 pasid);
  /// Reads all, and ends none. What does not get through is owed.
  void read_all();

 private:
  /// One that was read from the backend, until its answer has acted.
  struct Page {
    u64 iova = 0;
    u32 prot = 0;
    Page* next = nullptr;
  };
  struct Open {
    enum class State : u8 {
      none,
      begun,   ///< of a group whose last page has not come: nobody knows of it
      asked,   ///< its handler runs
      ended,   ///< by a call from inside of its handler
      lost,    ///< the answer did not get through: it is to be sent
      sent,    ///< the answer is on its way, and will act when the IOMMU goes on
      unread,  ///< in a queue
      read     ///< its group is to be answered: by the queue's user, or by whose handler it is
    };
    State state = State::none;
    bool counted = false;  ///< as a fault that waits, in the word of its number
    bool cut = false;      ///< a page of it found no place
    Response response = Response::invalid;
    u32 device = 0;  ///< of a queue's or handler's
    u32 group = 0;
    iommucheck_handle queue = 0;  ///< 0, and `read`: a handler's
    iommucheck_handle user = 0;   ///< a user's domain, where it is in the queue of one
    Fault fault;                  ///< the first page
    Page* further = nullptr;      ///< the pages behind it
    Page* told = nullptr;         ///< the last of these that was read
    bool begun_to_read = false;
    Open* next = nullptr;  ///< the one that was read after it, or of the free places
    Open* previous = nullptr;
  };
  /// In the order in which they were read. `visit` may end the one that it is given, and no other.
  template <class Visit>
  void for_each_open(Visit visit) {
    for (Open* open = first_; open != nullptr;) {
      Open* next = open->next;
      visit(*open);
      open = next;
    }
  }
  Open* begin(const Fault& fault);
  Open* find_begun(const Fault& fault);
  void add_page(Open& open, const Fault& fault);

  bool ends(const Open& open, const Ending& ending);
  bool send(Open& open, Response response);
  void over(Open& open);
  void leave_queue(Open& open);
  void ask(Open& open, const Ending& ending);
  void become_last(Open& open);
  bool take(const Fault& fault, const Ending& ending);
  Domain* user_met(const Fault& fault, u32 device);
  bool is_answerable(const Open& open);
  bool put_in_queue(Open& open, FaultQueue& queue, u32 device);
  bool go_on(const Ending& ending);
  bool end_begun(const Ending& ending);
  void lose_begun();
  bool handlers_agree(Open& open, u32 device);
  void leave(Open& open);
  FaultQueue* queue_of(u32 device) { return queues_.find(queue_of_[device]); }
  void release(FaultQueue& queue);
  void hand_over(Open& open, u32 device, u64 word);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Pasids& pasids_;
  SvaDevices& sva_devices_;
  Bonds& bonds_;
  Batch& batch_;
  UserEvents& events_;
  Pool<FaultQueue> queues_;
  iommucheck_handle* queue_of_ = nullptr;  // of each device; 0: none
  Open* first_ = nullptr;
  Open* last_ = nullptr;
  Open* free_ = nullptr;
  Page* free_pages_ = nullptr;
  u32 handlers_ = 0;        // of processes, that run, one inside of another
  u32 handlers_group_ = 0;  // the last one that a handler was given: none comes again
};

}  // namespace iommucheck::impl
