// SPDX-License-Identifier: MIT
#include "backends/door_backend.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

constexpr unsigned stream_lsb = 32;  // in the number of a fault, above the hardware's
constexpr u64 smallest_page = 4096;

constexpr u32 kind_of(impl::Route::Kind kind) {
  switch (kind) {
    case impl::Route::Kind::bypass: return IOMMUCHECK_ROUTE_UNTRANSLATED;
    case impl::Route::Kind::table: return IOMMUCHECK_ROUTE_TABLE;
    case impl::Route::Kind::user: return IOMMUCHECK_ROUTE_USER;
    case impl::Route::Kind::blocked: break;
  }
  return IOMMUCHECK_ROUTE_BLOCKED;
}

constexpr bool within(u64 value, u64 first, u64 last) { return value >= first && value <= last; }

iommucheck_tag c_tag(impl::Tag tag) { return {tag.outer, tag.inner}; }

/// Of one that there is none of.
int why_no_space(int error, Nonsense& nonsense) {
  if (error == -IOMMUCHECK_ENOSPC) return error;
  if (error != 0 && error != -IOMMUCHECK_ENOMEM) {
    nonsense.push_back(fmt::format(
        "a space that there is none of has error {}: it may be 0, ENOMEM, ENOSPC", error));
  }
  return -IOMMUCHECK_ENOMEM;
}

}  // namespace

// An answer that cannot be goes on as success wherever the driver is up: what is found is the
// answer, and not a failure that the core would have to make up.

/// Of what brings the IOMMU up: what is no errno, nor one that anybody may answer, becomes ENODEV.
int DoorBackend::checked(const char* function, int answer) const {
  switch (answer) {
    case 0:
    case -IOMMUCHECK_ENOMEM:
    case -IOMMUCHECK_ENODEV:
    case -IOMMUCHECK_ETIMEDOUT: return answer;
    default:
      nonsense(fmt::format("{} answered {}: it may answer 0, ENOMEM, ENODEV, ETIMEDOUT", function,
                           answer));
      return on_ ? 0 : -IOMMUCHECK_ENODEV;
  }
}

impl::Stored DoorBackend::stored(const char* function, int answer) const {
  if (answer == -IOMMUCHECK_ETIMEDOUT) return impl::Stored::timed_out;
  if (within(static_cast<u32>(answer), 0, 1)) {
    return answer != 0 ? impl::Stored::changed : impl::Stored::unchanged;
  }
  nonsense(fmt::format("{} answered {}: it may answer 0, 1 or ETIMEDOUT", function, answer));
  return impl::Stored::changed;
}

impl::Prepared DoorBackend::prepared(const char* function, int answer) const {
  switch (stored(function, answer)) {
    case impl::Stored::timed_out: return impl::Prepared::timed_out;
    case impl::Stored::changed: return impl::Prepared::again;
    case impl::Stored::unchanged: break;
  }
  return impl::Prepared::ready;
}

// ---- life ---------------------------------------------------------------------------------------

std::string DoorBackend::open() {
  info_ = {};
  info_.size = sizeof info_;
  info_.abi = IOMMUCHECK_BACKEND_ABI;
  self_ = ops().open(&given_, config_, &info_);
  return self_ == nullptr ? "the backend's open gave NULL" : "";
}

/// Its own words of what it can do are held by then: some read them from registers in begin_reset.
int DoorBackend::probe() {
  const bool right = info_.pasid_bits <= 20 && within(info_.input_bits_min, 12, 64) &&
                     within(info_.input_bits_max, info_.input_bits_min, 64) &&
                     within(info_.output_bits, 12, 52) && (info_.page_sizes & smallest_page) != 0 &&
                     info_.page_sizes % smallest_page == 0 &&
                     (!has(IOMMUCHECK_BACKEND_WAITS) || within(info_.faults_max, 1, 65536));
  if (right) return 0;
  nonsense(
      fmt::format("open says pasid_bits {}, input_bits {} to {}, output_bits {}, page_sizes "
                  "{:#x}, faults_max {}: backend.h says what may be",
                  info_.pasid_bits, info_.input_bits_min, info_.input_bits_max, info_.output_bits,
                  info_.page_sizes, info_.faults_max));
  return -IOMMUCHECK_ENODEV;
}

impl::Limits DoorBackend::limits() const {
  return {info_.input_bits_min, info_.input_bits_max, info_.output_bits};
}

int DoorBackend::begin_reset() {
  on_ = false;
  const int error = checked("begin_reset", ops().begin_reset(self_));
  reset_ = error == 0;
  return error;
}

int DoorBackend::end_reset() {
  const int error = checked("end_reset", ops().end_reset(self_));
  on_ = error == 0;
  return error;
}

int DoorBackend::stop() {
  on_ = false;
  return checked("stop", ops().stop(self_));
}

void DoorBackend::free_everything() {
  reset_ = false;
  ops().free_everything(self_);
}

// ---- devices ------------------------------------------------------------------------------------

impl::Backend::Added DoorBackend::add_device(u32 device) {
  return {.error = checked("add_device", ops().add_device(self_, device)), .changed = true};
}

unsigned DoorBackend::pasid_bits(u32 device) const {
  return std::min<unsigned>(device_config(device).ssid_bits, info_.pasid_bits);
}

bool DoorBackend::can_wait(u32 device) const {
  constexpr u32 waits = IOMMUCHECK_DEVICE_PRI | IOMMUCHECK_DEVICE_STALL;
  return has(IOMMUCHECK_BACKEND_WAITS) && (device_config(device).flags & waits) != 0;
}

bool DoorBackend::has_cache(u32 device) const {
  return (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
}

bool can_pass(const BackendDoor& door, void* self, u32 device, bool at_pasid, Nonsense& nonsense) {
  if (door.backend.can_route == nullptr) return !at_pasid;
  const int answer =
      door.backend.can_route(self, IOMMUCHECK_ROUTE_UNTRANSLATED, device, at_pasid ? 1 : 0);
  if (!within(static_cast<u32>(answer), 0, 1)) {
    nonsense.push_back(fmt::format("can_route answered {}: it answers 0 or 1", answer));
  }
  return answer == 1;
}

iommucheck_route DoorBackend::route_of(const impl::Route& route) {
  iommucheck_route given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  given.kind = kind_of(route.kind);
  given.first = kind_of(route.first);
  given.pasid_bits = route.pasid_bits;
  if (route.table != nullptr) given.table = static_cast<const DoorTable*>(route.table)->theirs;
  std::ranges::copy(route.structure, given.structure);
  return given;
}

impl::Prepared DoorBackend::prepare_route(u32 device, const impl::Route& route) {
  if (ops().prepare_route == nullptr) return impl::Prepared::ready;
  const iommucheck_route given = route_of(route);
  return prepared("prepare_route", ops().prepare_route(self_, device, &given));
}

impl::Stored DoorBackend::set_route(u32 device, const impl::Route& route) {
  const iommucheck_route given = route_of(route);
  return stored("set_route", ops().set_route(self_, device, &given));
}

void DoorBackend::forget_route(u32 device, bool whole) {
  ops().forget_route(self_, device, whole ? 1 : 0);
}

// ---- tables -------------------------------------------------------------------------------------

impl::Table* DoorBackend::open_table() {
  DoorTable* table = tables_.allocate(platform_);
  if (table == nullptr) return nullptr;
  table->theirs = ops().open_table(self_);
  if (table->theirs != nullptr) return table;
  tables_.release(*table);
  return nullptr;
}

void DoorBackend::close_table(impl::Table& table) {
  auto& its = static_cast<DoorTable&>(table);
  ops().close_table(self_, its.theirs);
  tables_.release(its);
}

iommucheck_entry DoorBackend::entry_of(const impl::Entry& entry) {
  iommucheck_entry given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  given.flags = (entry.mm != nullptr ? IOMMUCHECK_ENTRY_PROCESS : 0) |
                (entry.waits ? IOMMUCHECK_ENTRY_WAITS : 0) |
                (entry.quiet ? IOMMUCHECK_ENTRY_QUIET : 0) |
                (entry.passes() ? IOMMUCHECK_ENTRY_UNTRANSLATED : 0);
  given.tag = c_tag(entry.tag);
  if (entry.mm != nullptr) {
    given.table_pa = entry.mm->table_pa;
    given.input_bits = entry.mm->input_bits;
  } else if (entry.space != nullptr) {
    given.table_pa = entry.space->table_pa;
    given.input_bits = entry.space->input_bits;
    const auto& its = static_cast<const DoorSpace&>(*entry.space);
    given.space = its.theirs;
    if (its.outer) given.flags |= IOMMUCHECK_ENTRY_OUTER;
  }
  return given;
}

impl::Stored DoorBackend::set_first_entry(impl::Table& table, const impl::Entry* entry) {
  const iommucheck_entry given = entry != nullptr ? entry_of(*entry) : iommucheck_entry{};
  return stored("set_first_entry",
                ops().set_first_entry(self_, static_cast<DoorTable&>(table).theirs,
                                      entry != nullptr ? &given : nullptr));
}

impl::Backend::Place DoorBackend::make_place(impl::Table& table, u32 pasid) {
  const int answer = ops().make_place(self_, static_cast<DoorTable&>(table).theirs, pasid);
  if (answer == IOMMUCHECK_PLACE_PRESENT) return Place::present;
  if (answer == IOMMUCHECK_PLACE_MADE) return Place::made;
  if (answer == -IOMMUCHECK_ENOMEM) return Place::no_memory;
  nonsense(fmt::format("make_place answered {}: it answers IOMMUCHECK_PLACE_* or ENOMEM", answer));
  return Place::made;
}

impl::Prepared DoorBackend::prepare_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) {
  if (ops().prepare_entry == nullptr) return impl::Prepared::ready;
  const iommucheck_entry given = entry_of(entry);
  return prepared("prepare_entry",
                  ops().prepare_entry(self_, static_cast<DoorTable&>(table).theirs, pasid, &given));
}

impl::Stored DoorBackend::store(impl::Table& table, u32 pasid, const iommucheck_entry* entry) {
  void* its = static_cast<DoorTable&>(table).theirs;
  return stored("store_entry", ops().store_entry(self_, its, pasid, entry));
}

impl::Stored DoorBackend::store_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) {
  const iommucheck_entry given = entry_of(entry);
  return store(table, pasid, &given);
}

impl::Stored DoorBackend::clear_entry(impl::Table& table, u32 pasid) {
  return store(table, pasid, nullptr);
}

void DoorBackend::forget_entry(u32 device, u32 pasid, bool whole) {
  ops().forget_entry(self_, device, pasid, whole ? 1 : 0);
}

bool DoorBackend::understands(const iommucheck_mm& mm) const {
  return ops().understands(self_, &mm) != 0;
}

int DoorBackend::take_tag(const iommucheck_mm& mm, u64 /*cpus*/, impl::Tag* tag) {
  iommucheck_tag given{};
  const int answer = ops().take_tag(self_, &mm, &given);
  *tag = {given.outer, given.inner};
  if (answer == 0 || answer == -IOMMUCHECK_ENOSPC) return answer;
  nonsense(fmt::format("take_tag answered {}: it may answer 0 or ENOSPC", answer));
  return 0;
}

void DoorBackend::release_tag(impl::Tag tag) {
  const iommucheck_tag given = c_tag(tag);
  if (ops().release_tag != nullptr) ops().release_tag(self_, &given);
}

// ---- spaces -------------------------------------------------------------------------------------

int DoorBackend::new_space(u32 input_bits, SpaceKind kind, impl::Space** space) {
  const bool foreign = kind == SpaceKind::foreign;
  DoorSpace* made = spaces_.allocate(platform_);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  iommucheck_space given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  made->outer = kind == SpaceKind::outer;
  made->theirs = made->outer ? ops().open_outer(self_, input_bits, &given)
                             : ops().open_space(self_, input_bits, foreign ? 1 : 0, &given);
  if (made->theirs == nullptr) {
    spaces_.release(*made);
    // Whoever makes no table for walkers beside it has nothing to give for one.
    return foreign ? -IOMMUCHECK_EOPNOTSUPP : why_no_space(given.error, nonsense_);
  }
  if (foreign && given.table_pa == 0) {
    nonsense("open_space gave a foreign space whose table_pa is 0: others could not walk it");
  }
  made->page_sizes = info_.page_sizes;
  made->page_mask = smallest_page - 1;
  made->table_pa = given.table_pa;
  if (!foreign) made->tag = {given.tag.outer, given.tag.inner};
  made->input_bits = input_bits;
  made->foreign = foreign;
  *space = made;
  return 0;
}

int DoorBackend::open_space(u32 input_bits, impl::Space** space) {
  return new_space(input_bits, SpaceKind::own, space);
}

int DoorBackend::open_foreign_space(const impl::Space& like, impl::Space** space) {
  return new_space(like.input_bits, SpaceKind::foreign, space);
}

void DoorBackend::close_space(impl::Space& space) {
  auto& its = static_cast<DoorSpace&>(space);
  ops().close_space(self_, its.theirs);
  spaces_.release(its);
}

impl::MapProgress DoorBackend::map(impl::Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) {
  u64 done = 0;
  const int answer =
      ops().map(self_, static_cast<DoorSpace&>(space).theirs, iova, pa, bytes, prot, &done);
  const bool whole = answer == 0;
  const bool timed_out = answer == -IOMMUCHECK_ETIMEDOUT;
  if (done > bytes || done % smallest_page != 0 || (!timed_out && whole != (done == bytes))) {
    nonsense(fmt::format("map of {:#x} bytes answered {} and did {:#x}", bytes, answer, done));
    return {bytes, impl::MapStop::done};
  }
  if (whole) return {done, impl::MapStop::done};
  if (timed_out) return {done, impl::MapStop::timed_out};
  if (answer != -IOMMUCHECK_EEXIST && answer != -IOMMUCHECK_ENOMEM) {
    nonsense(fmt::format("map answered {}: it may answer 0, EEXIST, ENOMEM, ETIMEDOUT", answer));
    return {bytes, impl::MapStop::done};
  }
  return {done, answer == -IOMMUCHECK_EEXIST ? impl::MapStop::exists : impl::MapStop::no_memory};
}

impl::UnmapProgress DoorBackend::unmap(impl::Space& space, u64 iova, u64 bytes) {
  u32 tables = 0;
  const u64 done = ops().unmap(self_, static_cast<DoorSpace&>(space).theirs, iova, bytes, &tables);
  if (done > bytes || done % smallest_page != 0) {
    nonsense(fmt::format("unmap of {:#x} bytes did {:#x}", bytes, done));
  }
  return {.bytes = std::min(done & ~(smallest_page - 1), bytes),
          .leaf_levels = impl::any_level,
          .tables_left = tables != 0};
}

u64 DoorBackend::translate(const impl::Space& space, u64 iova) const {
  return ops().translate(self_, static_cast<const DoorSpace&>(space).theirs, iova);
}

void DoorBackend::free_retired(impl::Space& space) {
  ops().free_retired(self_, static_cast<DoorSpace&>(space).theirs);
}

// ---- invalidation -------------------------------------------------------------------------------

void DoorBackend::drop_translations(impl::Tag tag, const impl::Places& places) {
  impl::Gather all;
  all.add_all();
  drop_gathered(all, tag, places);
}

void DoorBackend::drop_gathered(const impl::Gather& gather, impl::Tag tag,
                                const impl::Places& places) {
  const auto number = [](const iommucheck_place& at) { return u64{at.pasid} << 32 | at.device; };
  places_.clear();
  places.for_each([&](u32 device, u32 pasid) { places_.push_back({device, pasid}); });
  std::ranges::sort(places_, {}, number);
  const auto again = std::ranges::unique(places_, {}, number);
  places_.erase(again.begin(), again.end());
  const iommucheck_tag its = c_tag(tag);
  const auto drop = [&](u64 first, u64 last, bool tables) {
    ops().drop_range(self_, &its, places_.data(), static_cast<u32>(places_.size()), first, last,
                     tables ? 1 : 0);
  };
  if (gather.all()) return drop(0, ~u64{0}, true);
  for (const impl::TlbRange& range : gather) drop(range.first, range.end - 1, range.tables);
}

void DoorBackend::drop_device(u32 device, u32 pasid) {
  ops().drop_device(self_, device, pasid, 0, ~u64{0});
}

void DoorBackend::drop_device_range(u32 device, u32 pasid, u64 first, u64 end) {
  ops().drop_device(self_, device, pasid, first, end - 1);
}

impl::SyncResult DoorBackend::flush() {
  const int answer = ops().flush(self_);
  switch (answer) {
    case IOMMUCHECK_FLUSH_COMPLETE: return impl::SyncResult::complete;
    case IOMMUCHECK_FLUSH_SKIPPED: return impl::SyncResult::skipped;
    case IOMMUCHECK_FLUSH_TIMED_OUT: return impl::SyncResult::timed_out;
    case IOMMUCHECK_FLUSH_UNANSWERED: return impl::SyncResult::unanswered;
    default:
      nonsense(fmt::format("flush answered {}: it answers IOMMUCHECK_FLUSH_*", answer));
      return impl::SyncResult::complete;
  }
}

bool DoorBackend::drop_everything() {
  return checked("drop_everything", ops().drop_everything(self_)) == 0;
}

// ---- users
// ----------------------------------------------------------------------------------------

int DoorBackend::open_outer(u32 input_bits, impl::Space** space, impl::Table** table) {
  if (!has(IOMMUCHECK_BACKEND_USERS)) return -IOMMUCHECK_EOPNOTSUPP;
  const u32 bits = input_bits != 0 ? input_bits : info_.input_bits_max;
  if (!within(bits, info_.input_bits_min, info_.input_bits_max)) return -IOMMUCHECK_EINVAL;
  impl::Table* made = open_table();
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  if (int error = new_space(bits, SpaceKind::outer, space)) {
    close_table(*made);
    return error;
  }
  const impl::Entry entry = {.space = *space, .tag = (*space)->tag};
  if (set_first_entry(*made, &entry) == impl::Stored::timed_out) {
    nonsense("set_first_entry of an outer space timed out: nothing leads there yet");
  }
  *table = made;
  return 0;
}

int DoorBackend::check_structure(const iommucheck_nested_params& params, bool pasids,
                                 const impl::Space& outer) const {
  const bool none = pasids && door_->users.entry_words == 0;
  if (!has(IOMMUCHECK_BACKEND_USERS) || none) return -IOMMUCHECK_EOPNOTSUPP;
  if (params.format != door_->users.format) return -IOMMUCHECK_EINVAL;
  const u64 structure[] = {params.table, params.config};
  const int answer = ops().check_structure(self_, structure, pasids ? 1 : 0,
                                           static_cast<const DoorSpace&>(outer).theirs);
  if (answer == 0 || answer == -IOMMUCHECK_EINVAL || answer == -IOMMUCHECK_EOPNOTSUPP) {
    return answer;
  }
  nonsense(fmt::format("check_structure answered {}: it may answer 0, EINVAL, EOPNOTSUPP", answer));
  return 0;
}

void DoorBackend::drop_inner(impl::Tag tag) {
  const iommucheck_tag its = c_tag(tag);
  if (ops().drop_inner != nullptr) ops().drop_inner(self_, &its);
}

void DoorBackend::drop_device_wholly(u32 device) {
  if (has(IOMMUCHECK_BACKEND_USERS)) {
    ops().drop_device_wholly(self_, device);
  } else {
    Backend::drop_device_wholly(device);
  }
}

impl::UserCommand DoorBackend::understand(const u64* words) const {
  iommucheck_user_about about{};
  about.size = sizeof about;
  about.abi = IOMMUCHECK_BACKEND_ABI;
  ops().understand(self_, words, &about);
  const bool can_be =
      about.about <= IOMMUCHECK_USER_DEVICE && about.names_device <= 1 &&
      ((about.about != IOMMUCHECK_USER_DEVICE && about.about != IOMMUCHECK_USER_ENTRIES) ||
       about.names_device == 1);
  if (!can_be) {
    nonsense(fmt::format("understand says about {}, names_device {}: that cannot be", about.about,
                         about.names_device));
    return {};
  }
  static_assert(static_cast<u32>(impl::UserCommand::About::device) == IOMMUCHECK_USER_DEVICE);
  return {.about = static_cast<impl::UserCommand::About>(about.about),
          .names_device = about.names_device != 0,
          .number = about.number};
}

void DoorBackend::forward(const u64* words, impl::Tag tag, u32 device,
                          const impl::Structure& /*structure*/) {
  const iommucheck_tag its = c_tag(tag);
  ops().forward(self_, words, &its, device);
}

// ---- what devices have written to
// ----------------------------------------------------------------

iommucheck_dirty DoorBackend::dirty_of(const impl::DirtyWindow& window) {
  iommucheck_dirty given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  given.iova = window.iova;
  given.bytes = window.last - window.iova + 1;
  given.grain = window.grain;
  given.clear = window.clear ? 1 : 0;
  given.bitmap = window.bitmap;
  return given;
}

void DoorBackend::track(impl::Space& space, bool on) {
  ops().track(self_, static_cast<DoorSpace&>(space).theirs, on ? 1 : 0);
}

void DoorBackend::settle_marks() {
  if (ops().settle_marks != nullptr) ops().settle_marks(self_);
}

/// Of which leaves nobody says: caches forget that any of them was dirty.
void DoorBackend::read_marks(impl::Space& space, impl::DirtyWindow& window) {
  const iommucheck_dirty of = dirty_of(window);
  const int answer = ops().read_marks(self_, static_cast<DoorSpace&>(space).theirs, &of);
  if (!within(static_cast<u32>(answer), 0, 1)) {
    nonsense(fmt::format("read_marks answered {}: it answers 0 or 1", answer));
  }
  if (answer != 1) return;
  window.cleared = true;
  space.gather.add({.first = window.iova,
                    .end = window.last + 1,
                    .leaf_levels = impl::any_level,
                    .tables = false});
}

void DoorBackend::mark_again(impl::Space& space, const impl::DirtyWindow& window) {
  const iommucheck_dirty of = dirty_of(window);
  ops().mark_again(self_, static_cast<DoorSpace&>(space).theirs, &of);
}

// ---- faults -------------------------------------------------------------------------------------

/// Bounded, as those that wait.
void DoorBackend::read_ended(impl::FaultSink& sink) {
  constexpr u32 events_max = 4096;
  for (u32 i = 0; has(IOMMUCHECK_BACKEND_TELLS_USERS) && i < events_max; ++i) {
    iommucheck_ended event{};
    event.size = sizeof event;
    event.abi = IOMMUCHECK_BACKEND_ABI;
    const int answer = ops().read_event(self_, &event);
    if (answer == 0) return;
    if (answer != 1 || event.told > 1) {
      nonsense(fmt::format("read_event answered {}, told {}: each is 0 or 1", answer, event.told));
      return;
    }
    impl::Event told;
    told.from.id = u64{event.stream_id} << stream_lsb;
    told.from.pasid = event.pasid;
    std::ranges::copy(event.words, told.words.begin());
    if (event.told == 1) sink.tell(told);
  }
}

void DoorBackend::read_faults(impl::FaultSink& sink) {
  // Bounded: an IOMMU that is gone answers with ones, and never comes to an end.
  for (u32 i = 0; has(IOMMUCHECK_BACKEND_WAITS) && i < 2 * info_.faults_max; ++i) {
    iommucheck_waiting fault{};
    fault.size = sizeof fault;
    fault.abi = IOMMUCHECK_BACKEND_ABI;
    fault.last = 1;
    if (ops().read_fault(self_, &fault) == 0) break;
    sink.take({.id = fault.group | u64{fault.stream_id} << stream_lsb,
               .pasid = fault.pasid,
               .prot = fault.prot,
               .iova = fault.iova & ~(smallest_page - 1),
               .last = !has(IOMMUCHECK_BACKEND_GROUPS) || fault.last != 0});
  }
  read_ended(sink);
}

bool DoorBackend::came_from(const impl::Fault& fault, u32 device) const {
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if (config.stream_ids[i] == fault.id >> stream_lsb) return true;
  }
  return false;
}

impl::Answered DoorBackend::answer(const impl::Fault& fault, impl::Response response) {
  const u32 code = response == impl::Response::success   ? IOMMUCHECK_FAULT_SUCCESS
                   : response == impl::Response::failure ? IOMMUCHECK_FAULT_FAILURE
                                                         : IOMMUCHECK_FAULT_INVALID;
  const int answer = ops().answer(self_, static_cast<u32>(fault.id), code);
  switch (answer) {
    case IOMMUCHECK_ANSWERED_DONE: return impl::Answered::done;
    case IOMMUCHECK_ANSWERED_ON_ITS_WAY: return impl::Answered::on_its_way;
    case IOMMUCHECK_ANSWERED_NO: return impl::Answered::no;
    default:
      nonsense(fmt::format("answer answered {}: it answers IOMMUCHECK_ANSWERED_*", answer));
      return impl::Answered::done;
  }
}

}  // namespace iommucheck::oracle
