// SPDX-License-Identifier: MIT
#include "tests/scenario/two_twins_support.h"

#include <set>
#include <utility>

#include "backends/two_machine.h"
#include "scenario/run/driver_subject.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::stories {
namespace two_twins_support {
namespace {

using impl::Gather;
using impl::Space;
using impl::Two;
namespace rule = spec::rule;

template <class Twin>
NamedBackend make() {
  return {.name = "twin", .make = [](const spec::sva::Setup& setup) {
            return std::make_unique<TwoMachine>(
                setup, [](const iommucheck_platform& platform, const iommucheck_config& config) {
                  return std::make_unique<Twin>(platform, config);
                });
          }};
}

struct MapNotTold : Two {
  using Two::Two;
  bool remembers_unmapped() const override { return false; }
};

struct UnmapNotTold : Two {
  using Two::Two;
  // What a map owes names no level, and is dropped as ever, as is all of a space.
  void drop_gathered(const Gather& gather, impl::Tag tag, const impl::Places& places) override {
    bool any = gather.all();
    for (const impl::TlbRange& range : gather) any |= range.leaf_levels == impl::any_level;
    if (any) Two::drop_gathered(gather, tag, places);
  }
};

struct EntryNotForgotten : Two {
  using Two::Two;
  void forget_entry(u32 /*device*/, u32 /*pasid*/, bool /*whole*/) override {}
};

struct RouteNotForgotten : Two {
  using Two::Two;
  void forget_route(u32 /*device*/, bool /*whole*/) override {}
};

struct TableFreedEarly : Two {
  using Two::Two;
  impl::UnmapProgress unmap(Space& space, u64 iova, u64 bytes) override {
    const impl::UnmapProgress progress = Two::unmap(space, iova, bytes);
    if (progress.tables_left) free_retired(space);
    return progress;
  }
};

struct DeviceNotDropped : Two {
  using Two::Two;
  void drop_device(u32 /*device*/, u32 /*pasid*/) override {}
  void drop_device_range(u32 /*device*/, u32 /*pasid*/, u64 /*first*/, u64 /*end*/) override {}
};

struct NobodyWaits : Two {
  using Two::Two;
  impl::SyncResult flush() override { return impl::SyncResult::complete; }
};

/// Translations are dropped first, and entries, by which they come back, are forgotten then.
struct EntryLast : Two {
  using Two::Two;
  void forget_entry(u32 device, u32 pasid, bool /*whole*/) override {
    late_.emplace_back(device, pasid);
  }
  void drop_translations(impl::Tag tag, const impl::Places& places) override {
    Two::drop_translations(tag, places);
    dropped_ = true;
  }
  impl::SyncResult flush() override {
    const impl::SyncResult result = Two::flush();
    if (late_.empty() || (!dropped_ && !std::exchange(asked_, true))) return result;
    dropped_ = asked_ = false;
    for (const auto& [device, pasid] : std::exchange(late_, {})) {
      Two::forget_entry(device, pasid, false);
    }
    return Two::flush();
  }
  std::vector<std::pair<u32, u32>> late_;
  bool dropped_ = false;
  bool asked_ = false;  // a batch has gone by since
};

struct RespondsNever : Two {
  using Two::Two;
  impl::Answered answer(const impl::Fault& /*fault*/, impl::Response /*response*/) override {
    return impl::Answered::done;
  }
};

struct RespondsTwice : Two {
  using Two::Two;
  impl::Answered answer(const impl::Fault& fault, impl::Response response) override {
    Two::answer(fault, response);
    return Two::answer(fault, response);
  }
};

/// A group is handed on with its first page.
struct FirstIsLast : Two {
  using Two::Two;
  void read_faults(impl::FaultSink& sink) override {
    struct Each final : impl::FaultSink {
      explicit Each(impl::FaultSink& its_sink) : to(its_sink) {}
      bool take(const impl::Fault& fault) override {
        impl::Fault whole = fault;
        whole.last = true;
        return to.take(whole);
      }
      bool tell(const impl::Event& event) override { return to.tell(event); }
      void groups_lost() override { to.groups_lost(); }
      impl::FaultSink& to;
    };
    Each each(sink);
    Two::read_faults(each);
  }
};

struct FailureForInvalid : Two {
  using Two::Two;
  impl::Answered answer(const impl::Fault& fault, impl::Response response) override {
    const bool ends = response == impl::Response::invalid;
    return Two::answer(fault, ends ? impl::Response::failure : response);
  }
};

/// The host's own tag is replaced by what the user has written.
struct UsersTagKept : Two {
  using Two::Two;
  void forward(const u64* words, impl::Tag /*tag*/, u32 device,
               const impl::Structure& structure) override {
    Two::forward(words, {.inner = words[0] & mask(51, 12)}, device, structure);
  }
};

struct ForbiddenPassedOn : Two {
  using Two::Two;
  using About = impl::UserCommand::About;
  impl::UserCommand understand(const u64* words) const override {
    impl::UserCommand command = Two::understand(words);
    if (command.about == About::refused) command.about = About::translations;
    return command;
  }
  void forward(const u64* words, impl::Tag tag, u32 device,
               const impl::Structure& structure) override {
    if (Two::understand(words).about != About::refused) {
      return Two::forward(words, tag, device, structure);
    }
    send(static_cast<impl::two::Command>(words[0] & mask(5, 0)), tag.inner, words[1], ~u64{0});
  }
};

struct CombinedEntriesLeft : Two {
  using Two::Two;
  void drop_inner(impl::Tag /*tag*/) override {}
};

/// Where nobody is on an outer table any more.
struct CombinedEntriesStay : Two {
  using Two::Two;
  void drop_translations(impl::Tag tag, const impl::Places& /*places*/) override {
    send(impl::two::Command::drop_range, tag.inner, 0, ~u64{0});
  }
};

/// The device is the user's somewhere, and that is all that is asked.
struct PasidOfAnotherUser : Two {
  using Two::Two;
  impl::UserCommand understand(const u64* words) const override {
    impl::UserCommand command = Two::understand(words);
    command.names_pasid = false;
    return command;
  }
};

/// A user's table is led to as one of the host's.
struct HostAddressReachable : Two {
  using Two::Two;
  impl::Entry as_hosts(const impl::Entry& entry) {
    if (entry.outer == nullptr || (entry.structure[0] & 1) == 0) return entry;
    space_.table_pa = entry.structure[0] & mask(51, 12);
    space_.input_bits = 39;
    return {.space = &space_};
  }
  impl::Stored set_first_entry(impl::Table& table, const impl::Entry* entry) override {
    if (entry == nullptr) return Two::set_first_entry(table, entry);
    const impl::Entry its = as_hosts(*entry);
    return Two::set_first_entry(table, &its);
  }
  impl::Stored store_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) override {
    return Two::store_entry(table, pasid, as_hosts(entry));
  }
  Space space_;
};

/// For a moment the entry leads over the outer table of whoever had its place before.
struct OuterWordLate : Two {
  using Two::Two;
  impl::Prepared prepare_entry(impl::Table& /*table*/, u32 /*pasid*/,
                               const impl::Entry& /*entry*/) override {
    return impl::Prepared::ready;
  }
  impl::Stored store_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) override {
    Two::store_entry(table, pasid, entry);
    Two::prepare_entry(table, pasid, entry);
    return impl::Stored::changed;
  }
};

/// What was made clean may be written without a mark, by what is cached.
struct ClearNotTold : Two {
  using Two::Two;
  void read_marks(Space& space, impl::DirtyWindow& window) override {
    const Gather before = space.gather;
    Two::read_marks(space, window);
    space.gather = before;
    window.cleared = false;
  }
};

/// What is mapped while it is tracked is not.
struct MapNotTracked : Two {
  using Two::Two;
  impl::MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) override {
    const bool tracked = std::exchange(space.tracked, false);
    const impl::MapProgress progress = Two::map(space, iova, pa, bytes, prot);
    space.tracked = tracked;
    return progress;
  }
};

/// Where the host's table lies is in what the user reads.
struct HostAddressTold : Two {
  using Two::Two;
  impl::Event event_of(u64 word, u64 iova) const override {
    impl::Event event = Two::event_of(word, iova);
    event.words[2] = platform().read64(impl::two::reg::event_table);
    return event;
  }
};

/// By the number of the host's.
struct StreamTold : Two {
  using Two::Two;
  void set_number(impl::Event& event, u32 /*number*/) const override {
    event.words[0] |= event.from.id & mask(63, 32);
  }
};

struct OuterFaultTold : Two {
  using Two::Two;
  bool is_users(u64 /*word*/) const override { return true; }
};

/// Whoever is on the RID is told of all PASIDs.
struct EventOfAnotherUser : Two {
  using Two::Two;
  impl::Event event_of(u64 word, u64 iova) const override {
    impl::Event event = Two::event_of(word, iova);
    event.from.pasid = impl::no_pasid;
    return event;
  }
};

struct EventsNotRead : Two {
  using Two::Two;
  bool is_users(u64 /*word*/) const override { return false; }
};

/// Whosever number it is.
struct AnyNumberTaken : Two {
  using Two::Two;
  impl::UserCommand understand(const u64* words) const override {
    impl::UserCommand command = Two::understand(words);
    command.names_device = false;
    return command;
  }
};

/// What only whoever walks such a table by himself can meet.
struct ForeignLeafStays : Two {
  using Two::Two;
  int open_foreign_space(const Space& like, Space** space) override {
    const int error = Two::open_foreign_space(like, space);
    if (error == 0) foreign_.insert(*space);
    return error;
  }
  void close_space(Space& space) override {
    foreign_.erase(&space);
    Two::close_space(space);
  }
  impl::UnmapProgress unmap(Space& space, u64 iova, u64 bytes) override {
    const u64 pa = foreign_.contains(&space) ? translate(space, iova) : 0;
    const impl::UnmapProgress progress = Two::unmap(space, iova, bytes);
    constexpr u64 page_bytes = 0x1000;
    if (pa != 0) map(space, iova, pa, page_bytes, IOMMUCHECK_PROT_READ);
    return progress;
  }
  std::set<const Space*> foreign_;
};

const TwoTwin all[] = {
    {"map_not_told",
     "map does not make known that something is mapped",
     {rule::PROMISE_OUTCOME},
     make<MapNotTold>},
    {"unmap_not_told",
     "unmap drops no translations",
     {rule::PROMISE_OUTCOME, rule::TABLE_FREE},
     make<UnmapNotTold>},
    {"entry_not_forgotten",
     "entries of PASIDs stay cached",
     {rule::PROMISE_OUTCOME},
     make<EntryNotForgotten>},
    {"route_not_forgotten",
     "words of the device table stay cached",
     {rule::PROMISE_OUTCOME},
     make<RouteNotForgotten>},
    {"table_freed_early",
     "a table that unmap took out is given back before any invalidation",
     {rule::TABLE_FREE},
     make<TableFreedEarly>},
    {"device_not_dropped",
     "what devices have cached themselves is never dropped",
     {rule::PROMISE_OUTCOME},
     make<DeviceNotDropped>},
    {"nobody_waits",
     "commands are sent, and not waited for",
     {rule::PROMISE_OUTCOME, rule::TABLE_FREE},
     make<NobodyWaits>},
    {"entry_last",
     "translations are dropped before the entry that brings them back is forgotten",
     {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT, rule::TABLE_FREE},
     make<EntryLast>},
    {"responds_never",
     "page requests are taken, and never answered",
     {rule::FAULT_ENDED, rule::FAULT_ANSWERED, rule::FAULT_REFUSED},
     make<RespondsNever>},
    {"responds_twice",
     "each group of page requests has two responses",
     {rule::FAULT_ANSWERED},
     make<RespondsTwice>},
    {"first_is_last",
     "a group of page requests is handed on, and answered, before its last page has come",
     {rule::FAULT_ANSWERED, rule::FAULT_HANDLED, rule::RESULT_EXACT},
     make<FirstIsLast>},
    {"failure_for_invalid",
     "what nobody's answer ends has \"failure\", which switches the device's requests off",
     {rule::FAULT_ANSWERED, rule::FAULT_REFUSED},
     make<FailureForInvalid>},
    {"users_tag_kept",
     "a user's command acts on what the user calls its table, and not on the user's own",
     {rule::PROMISE_OUTCOME},
     make<UsersTagKept>},
    {"forbidden_passed_on",
     "a command that a user may not give is sent",
     {rule::RESULT_EXACT},
     make<ForbiddenPassedOn>},
    {"combined_entries_left",
     "what a user's table has made of a mapping stays when the outer table loses it",
     {rule::PROMISE_OUTCOME},
     make<CombinedEntriesLeft>},
    {"combined_entries_stay",
     "what users' tables have made stays when the last device has left the outer one",
     {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT},
     make<CombinedEntriesStay>},
    {"pasid_of_another_user",
     "a user speaks of its device at a PASID of another user's",
     {rule::RESULT_EXACT},
     make<PasidOfAnotherUser>},
    {"host_address_reachable",
     "what a user's table says are addresses of the host's",
     {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT},
     make<HostAddressReachable>},
    {"outer_word_late",
     "an entry is valid before its outer table is written",
     {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT},
     make<OuterWordLate>},
    {"clear_not_told",
     "what is made clean is not invalidated",
     {rule::RESULT_EXACT},
     make<ClearNotTold>},
    {"map_not_tracked",
     "what is mapped into a space that is tracked is not",
     {rule::RESULT_EXACT},
     make<MapNotTracked>},
    {"host_address_told",
     "a user reads where the host's table lies",
     {rule::RESULT_EXACT},
     make<HostAddressTold>},
    {"stream_told",
     "a user reads the host's number of its device",
     {rule::RESULT_EXACT},
     make<StreamTold>},
    {"outer_fault_told",
     "a user is told of what the outer table has ended",
     {rule::RESULT_EXACT},
     make<OuterFaultTold>},
    {"event_of_another_user",
     "whoever has the RID is told of what others have met at PASIDs of it",
     {rule::RESULT_EXACT},
     make<EventOfAnotherUser>},
    {"events_not_read", "a user is told of nothing", {rule::RESULT_EXACT}, make<EventsNotRead>},
    {"any_number_taken",
     "a user speaks of a device by a number that is another user's",
     {rule::RESULT_EXACT},
     make<AnyNumberTaken>},
    {"foreign_leaf_stays",
     "the table of a dynamic domain keeps a leaf that was unmapped",
     {rule::PROMISE_OUTCOME},
     make<ForeignLeafStays>},
};

}  // namespace
}  // namespace two_twins_support

std::span<const TwoTwin> two_twins() { return two_twins_support::all; }

}  // namespace iommucheck::oracle::stories
