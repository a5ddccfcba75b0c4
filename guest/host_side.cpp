// SPDX-License-Identifier: MIT
#include "guest/host_side.h"

#include <algorithm>

#include "base/bits.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::DomainKind;
using spec::sva::Status;

constexpr u32 all_rights = spec::sva::prot_read | spec::sva::prot_write | spec::sva::prot_exec;
constexpr u32 doorbell_rights = spec::sva::prot_write | spec::sva::prot_device;
constexpr u32 events_depth = 64;  // they are read behind each access
constexpr std::size_t followed_max = 96;

unsigned cdmax_of(const UsersRoute& route) { return static_cast<unsigned>(route[0] >> 59); }
bool has_stage1(const UsersRoute& route) { return (route[0] >> 1 & 7) == 5; }

Setup host_setup(const iommucheck_driver& driver, const GuestSetup& guest) {
  Setup setup;
  setup.id = spec::make_id_registers(host_capabilities(guest.caps));
  setup.devices = host_devices(guest.devices);
  setup.window_bytes = u64{4} << 20;
  setup.process_bytes = u64{1} << 20;
  setup.per_device_tables = (driver.flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES) != 0;
  return setup;
}

}  // namespace

HostSide::HostSide(const iommucheck_driver& driver, const GuestSetup& guest)
    : monitor_(host_setup(driver, guest)),
      host_(driver, monitor_),
      memory_(guest.places.regions(), host_.users_pa()),
      number_of_(guest_streams(guest.devices)) {
  host_.set_choices(first_);
  for (const spec::sva::DeviceSetup& device : monitor_.setup().devices) {
    state_.devices.push_back({.sid = device.stream_ids.front()});
  }
}

// ---- its life -----------------------------------------------------------------------------------

bool HostSide::map(const GuestMemory::Piece& piece) {
  Call map{.kind = CallKind::map, .domain = parent_};
  map.iova = piece.ipa;
  map.pa = piece.pa;
  map.size = piece.bytes;
  map.prot = piece.device ? doorbell_rights : all_rights;
  return call(map).status == Status::ok;
}

bool HostSide::make_devices() {
  for (u32 device = 0; device < state_.devices.size(); ++device) {
    Call number{.kind = CallKind::vdevice, .domain = parent_, .device = device};
    number.number = number_of_[device];
    if (call(number).status != Status::ok || !install(device, aborts)) return false;
  }
  return true;
}

std::string HostSide::boot() {
  if (std::string failed = host_.boot(); !failed.empty()) return "the host: " + failed;
  Call alloc{.kind = CallKind::domain_alloc};
  alloc.domain_kind = static_cast<u32>(DomainKind::paging_s2);
  parent_ = call(alloc).value;
  if (parent_ == 0) return "the host's driver has no domains of stage 2";
  for (const GuestMemory::Piece& piece : memory_.pieces()) {
    if (!map(piece)) return "the host's driver does not map the guest's memory";
  }
  if (!make_devices()) return "the host's driver has no users of stage 2 domains";
  Call queue{.kind = CallKind::event_queue_open, .domain = parent_};
  queue.depth = events_depth;
  queue_ = call(queue).value;
  if (queue_ == 0) return "the host's driver has no event queues of users";
  if (!monitor_.findings().empty()) return "the host's driver is wrong before the guest comes";
  return {};
}

void HostSide::snapshot() {
  host_.snapshot();
  booted_ = monitor_.trail().mark();
  booted_at_ = monitor_.now();
  booted_state_ = state_;
}

void HostSide::restore() {
  host_.restore();
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(booted_at_);
  state_ = booted_state_;
  followed_.clear();
  words_.clear();
  changed_ = true;
}

// ---- memory -------------------------------------------------------------------------------------

/// Of what the guest has not stored to the host knows that it is empty.
void HostSide::zero_pages(u64 pa, u64 bytes) {
  for (u64 page = align_down(pa, 12); page < pa + bytes; page += guest_page_bytes) {
    if (!state_.zeroed.insert(page).second) continue;
    monitor_.fill(trace::environment_agent, page, guest_page_bytes / 8, 0);
    monitor_.barrier(trace::environment_agent);
  }
}

/// What walks have met until now may be cached, and is not looked at before one of the words that
/// they have read changes.
void HostSide::before_store(u64 pa, u64 words) {
  if (followed_.empty()) return;
  if (changed_) tell();
  for (u64 i = 0; i < words && !changed_; ++i) changed_ = words_.contains(pa + 8 * i);
}

void HostSide::tell() {
  words_.clear();
  std::vector<u64> words;
  for (const Followed& one : followed_) monitor_.user_fetched(one.sid, one.at, one.page, &words);
  words_.insert(words.begin(), words.end());
  changed_ = false;
}

void HostSide::store(u64 ipa, u64 value) {
  const auto pa = memory_.physical(ipa);
  if (!pa) return;
  zero_pages(*pa, 8);
  before_store(*pa, 1);
  monitor_.store(trace::environment_agent, *pa, value);
  monitor_.barrier(trace::environment_agent);
}

void HostSide::fill(u64 ipa, u64 words, u64 value) {
  while (words != 0) {
    const u64 in_page = std::min(words, (guest_page_bytes - ipa % guest_page_bytes) / 8);
    if (const auto pa = memory_.physical(ipa)) {
      zero_pages(*pa, 8);
      before_store(*pa, in_page);
      monitor_.fill(trace::environment_agent, *pa, in_page, value);
      monitor_.barrier(trace::environment_agent);
    }
    ipa += 8 * in_page;
    words -= in_page;
  }
}

u64 HostSide::load(u64 ipa) {
  const auto pa = memory_.physical(align_down(ipa, 3));
  if (!pa) return 0;
  const spec::Content now = monitor_.caches().memory().newest(*pa);
  return now.unknown ? 0 : now.value;
}

const GuestMemory::Piece* HostSide::piece_at(u64 ipa) const {
  const auto& pieces = memory_.pieces();
  const auto its = std::ranges::find_if(
      pieces, [&](const GuestMemory::Piece& piece) { return ipa - piece.ipa < piece.bytes; });
  return its == pieces.end() ? nullptr : &*its;
}

void HostSide::take_away(u64 ipa) {
  const GuestMemory::Piece* piece = piece_at(ipa);
  if (piece == nullptr || !state_.away.insert(piece->ipa).second) return;
  if (!followed_.empty() && changed_) tell();
  Call unmap{.kind = CallKind::unmap, .domain = parent_};
  unmap.iova = piece->ipa;
  unmap.size = piece->bytes;
  call(unmap);
  changed_ = true;
}

void HostSide::give_back(u64 ipa) {
  const GuestMemory::Piece* piece = piece_at(ipa);
  if (piece == nullptr || state_.away.erase(piece->ipa) == 0) return;
  map(*piece);
  changed_ = true;
}

bool HostSide::is_away(u64 ipa) const {
  const GuestMemory::Piece* piece = piece_at(ipa);
  return piece != nullptr && state_.away.contains(piece->ipa);
}

// ---- devices ------------------------------------------------------------------------------------

/// A new structure is a new domain.
bool HostSide::install(u32 device, const UsersRoute& route) {
  if (!followed_.empty() && changed_) tell();
  changed_ = true;
  const bool pasids = has_stage1(route) && cdmax_of(route) != 0;
  Call alloc{.kind = CallKind::domain_alloc, .parent = parent_};
  alloc.domain_kind = static_cast<u32>(pasids ? DomainKind::nested_pasid : DomainKind::nested);
  alloc.structure = route;
  const spec::sva::Observed made = call(alloc);
  if (made.status != Status::ok) {
    if (route != aborts) install(device, aborts);
    return false;
  }
  const Call attach{.kind = CallKind::attach, .domain = made.value, .device = device};
  const bool is_on = call(attach).status == Status::ok;
  u64& its = state_.devices[device].domain;
  const u64 left = is_on ? std::exchange(its, made.value) : made.value;
  if (left != 0) call({.kind = CallKind::domain_free, .domain = left});
  return is_on;
}

std::size_t HostSide::invalidate(std::span<const spec::sva::CommandWords> commands) {
  if (state_.devices.empty()) return commands.size();  // nobody has fetched anything
  Call invalidate{.kind = CallKind::cache_invalidate, .domain = state_.devices.front().domain};
  invalidate.commands = commands;
  return call(invalidate).value;
}

spec::Access HostSide::access_of(const Place& place) const {
  return {.sid = state_.devices[place.device].sid,
          .ssid = place.at.number,
          .ssv = place.at.present,
          .type = place.write     ? spec::AccessType::write
                  : place.execute ? spec::AccessType::execute
                                  : spec::AccessType::read,
          .privileged = place.privileged,
          .va = place.va,
          .route = spec::Route::untranslated};
}

/// Where the guest has no memory stage 2 lets nobody through; for the guest its stage 1 has.
std::optional<HostSide::Met> HostSide::met_by(const spec::Outcome& outcome) {
  using Kind = spec::OutcomeKind;
  switch (outcome.kind) {
    case Kind::translation:
    case Kind::bypass: {
      const auto ipa = memory_.intermediate(outcome.pa);
      if (!ipa) state_.escaped = outcome.pa;
      return Met{.ipa = ipa.value_or(outcome.pa), .dirties = outcome.dirty};
    }
    case Kind::fault: break;
    case Kind::abort:
    case Kind::denied: return Met{};
    case Kind::any:
    case Kind::within: return std::nullopt;
  }
  if (!outcome.stage2 || outcome.input != spec::Stage2Input::transaction) return Met{};
  if (piece_at(outcome.ipa) != nullptr && !is_away(outcome.ipa)) return Met{};
  return Met{.ipa = outcome.ipa, .lost = true};
}

/// Hardware may have cached what the words lead to as they are.
void HostSide::forget_before_marks(const spec::FlagUpdates& due) {
  for (const spec::FlagUpdate& one : due.all) before_store(one.pa, 1);
}

/// Those that are there by now, in the guest's memory.
void HostSide::note_marks(const spec::FlagUpdates& due, std::vector<spec::FlagUpdate>& marks) {
  for (const spec::FlagUpdate& one : due.all) {
    const auto ipa = memory_.intermediate(one.pa);
    const spec::Content now = monitor_.caches().memory().newest(one.pa);
    if (ipa && !now.unknown && now.value == one.to) marks.push_back({*ipa, one.from, one.to});
  }
}

HostSide::Met HostSide::access(const Place& place, std::vector<spec::FlagUpdate>& marks) {
  const spec::Access access = access_of(place);
  const spec::NestedAccesses& nested = monitor_.caches().nested();
  const auto met = met_by(nested.newest(access));
  const bool marked = monitor_.caches().capabilities().httu != 0;
  const spec::FlagUpdates due = marked ? nested.updates(access) : spec::FlagUpdates{};
  forget_before_marks(due);
  if (monitor_.device_access(access, first_)) host_.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  note_marks(due, marks);
  return met.value_or(Met{});
}

std::optional<std::vector<HostSide::Met>> HostSide::may_meet(const Place& place) {
  std::vector<spec::Outcome> found;
  if (!monitor_.caches().nested().collect(access_of(place), found)) return std::nullopt;
  std::vector<Met> all;
  for (const spec::Outcome& outcome : found) {
    const auto met = met_by(outcome);
    if (!met) return std::nullopt;
    if (std::ranges::find(all, *met) == all.end()) all.push_back(*met);
  }
  return all;
}

void HostSide::follow(const Place& place) {
  const u32 sid = state_.devices[place.device].sid;
  const u64 page = align_down(place.va, 12);
  const auto same = [&](const Followed& one) {
    return one.sid == sid && one.at == place.at && one.page == page;
  };
  if (followed_.size() >= followed_max || std::ranges::any_of(followed_, same)) return;
  followed_.push_back({sid, place.at, page});
  changed_ = true;
}

std::vector<spec::sva::EventWords> HostSide::take_events() {
  std::vector<spec::sva::EventWords> events;
  Call read{.kind = CallKind::event_read};
  read.queue = queue_;
  while (events.size() < events_depth && monitor_.findings().empty()) {
    const spec::sva::Observed observed = call(read);
    if (observed.status != Status::ok) break;
    if (!observed.event.lost) events.push_back(observed.event.words);
  }
  return events;
}

}  // namespace iommucheck::oracle
