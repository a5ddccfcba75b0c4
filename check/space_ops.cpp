// SPDX-License-Identifier: MIT
#include "check/space_ops.h"

#include <algorithm>

#include "base/random.h"
#include "iommucheck/driver.h"

namespace iommucheck::oracle {

namespace {

using fuzz::OperationKind;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;
using spec::sva::Substream;

/// The call of an operation on a space. A task's are few: what there is none for is map or unmap.
CallKind call_of(OperationKind kind, bool io_mm, bool task) {
  if (task) {
    const bool maps = kind == OperationKind::map || kind == OperationKind::map_sg;
    return maps ? CallKind::task_map : CallKind::task_unmap;
  }
  switch (kind) {
    case OperationKind::map: return io_mm ? CallKind::sva_map : CallKind::map;
    case OperationKind::map_sg: return io_mm ? CallKind::sva_map_sg : CallKind::map_sg;
    case OperationKind::unmap: return io_mm ? CallKind::sva_unmap : CallKind::unmap;
    case OperationKind::unmap_fast: return io_mm ? CallKind::sva_unmap_fast : CallKind::unmap_fast;
    case OperationKind::iotlb_sync: return io_mm ? CallKind::sva_iotlb_sync : CallKind::iotlb_sync;
    case OperationKind::flush_iotlb_all:
      return io_mm ? CallKind::sva_flush_tlb_all : CallKind::flush_iotlb_all;
    case OperationKind::tlb_range_add:
      return io_mm ? CallKind::sva_tlb_range_add : CallKind::tlb_range_add;
    case OperationKind::iova_to_phys:
      return io_mm ? CallKind::sva_iova_to_phys : CallKind::iova_to_phys;
    case OperationKind::domain_free: return CallKind::domain_free;
    case OperationKind::attach: return CallKind::attach;
    default: return CallKind::detach;
  }
}

// Bits of an access's choices: it comes in the middle of the next call, and where.
constexpr unsigned comes_later_lsb = 8;
constexpr unsigned later_at_lsb = 6;
// Of one that comes at once: interrupts come that nothing has asked for.
constexpr unsigned spurious_lsb = 5;
// One more comes while the driver empties the queue.
constexpr unsigned meanwhile_lsb = 7;

// Of a domain_alloc's where ASIDs, or VMIDs of what it asks for, have 8 bits: every one is taken;
// and so many domains are tried.
constexpr u16 every_asid = 0xff;
constexpr u16 every_tag = 7;
constexpr u32 few_tags_max = 32;
constexpr std::size_t domains_max = 300;

/// What both have.
spec::sva::DomainFacts common_facts(const spec::sva::DomainFacts& a,
                                    const spec::sva::DomainFacts& b) {
  return {.input_bits = std::min(a.input_bits, b.input_bits),
          .output_bits = std::min(a.output_bits, b.output_bits),
          .page_sizes = a.page_sizes & b.page_sizes};
}

bool has_range(OperationKind kind) {
  switch (kind) {
    case OperationKind::map:
    case OperationKind::map_sg:
    case OperationKind::unmap:
    case OperationKind::unmap_fast:
    case OperationKind::tlb_range_add:
    case OperationKind::iova_to_phys: return true;
    default: return false;
  }
}

}  // namespace

/// Of the machine, and of a space that can do no more: where callers have memory.
fuzz::SpaceView SpaceOps::empty_view(unsigned output_bits) const {
  fuzz::SpaceView view;
  view.output_bits = output_bits;
  const CallersMemory memory = memory_of(output_bits);
  view.pa_base = memory.base;
  view.pa_regions = memory.regions;
  if (options_.place) {
    view.near_pa = options_.place->pages_pa;
    view.near_bytes = options_.place->pages_bytes;
  }
  return view;
}

/// What its driver can have mapped at all, be the IOMMU wider or not.
CallersMemory SpaceOps::memory_of(unsigned output_bits) const {
  return callers_memory(std::min(options_.machine.caps.oas_lg2, output_bits));
}

/// Somewhere else in the memory of callers.
u64 SpaceOps::elsewhere(const Space& space, u64 pa) const {
  if (options_.place && options_.place->has_page(pa)) return options_.place->other_page(pa);
  return memory_of(space.facts.output_bits).elsewhere(pa);
}

/// Pages of processes. Which ones an IOMMU of others can output nobody knows before it has a
/// domain: the lowest.
fuzz::SpaceView SpaceOps::processes_view() const {
  constexpr unsigned lowest = 32;
  const unsigned bits = options_.machine.caps.oas_lg2;
  return empty_view(monitor_.interface().limits_are_the_drivers() ? std::min(bits, lowest) : bits);
}

fuzz::SpaceView SpaceOps::space_of(const Space& space) const {
  fuzz::SpaceView view = empty_view(space.facts.output_bits);
  view.input_bits = space.facts.input_bits;
  view.leaf_max = u64{1} << 30;
  if (space.facts.page_sizes != 0) {
    view.page = space.facts.page_sizes & (~space.facts.page_sizes + 1);
    view.leaf_max = u64{1} << (63 - std::countl_zero(space.facts.page_sizes));
  }
  view.mappings = space.mappings;
  view.left = space.left;
  return view;
}

void SpaceOps::forget_what_is_gone() {
  host_.forget_handlers();
  const spec::sva::Interface& interface = monitor_.interface();
  std::erase_if(case_.spaces, [&](const Space& space) {
    if (space.task) return !interface.is_token(space.handle);
    return space.io_mm ? !interface.is_io_mm(space.handle) : !interface.is_domain(space.handle);
  });
  std::erase_if(case_.svm_tasks,
                [&](const SvmTask& its) { return !interface.is_token(its.token); });
  std::erase_if(case_.queues,
                [&](const Queue& queue) { return !interface.is_queue(queue.handle); });
  std::erase_if(case_.groups, [&](const Group& group) {
    return group.queue != 0 && !interface.is_queue(group.queue);
  });
  std::erase_if(case_.bonds,
                [&](const Bond& bond) { return !interface.has_bond(bond.device, bond.pasid); });
}

void SpaceOps::perform_alloc(const fuzz::Operation& operation) {
  const fuzz::DomainWanted wanted = fuzz::domain_wanted(operation);
  Call call{.kind = CallKind::domain_alloc};
  call.domain_kind = wanted.kind;
  call.input_bits = wanted.input_bits;
  // Of one SMMU, or of that of the first device on it.
  const bool apart = monitor_.setup().registers_each && !monitor_.setup().domains_span;
  if (apart && (operation.choices & 3) != 3) {
    call.iommu = (operation.choices >> 2) % monitor_.smmu_count();
  }
  if (!may_call(call) || case_.spaces.size() >= spaces_max) return;
  const spec::Capabilities& caps = options_.machine.caps;
  // Of which stage a paging domain is, is the driver's choice.
  const bool few_vmids = caps.s2p && !caps.vmid16;
  const bool few_asids = caps.s1p && !caps.asid16;
  const bool few = call.domain_kind == IOMMUCHECK_DOMAIN_PAGING_S2
                       ? few_vmids
                       : call.domain_kind == IOMMUCHECK_DOMAIN_PAGING && (few_asids || few_vmids);
  // Of an IOMMU of others that has so few they run out often.
  const spec::sva::Interface& interface = monitor_.interface();
  const bool mapped = call.domain_kind == IOMMUCHECK_DOMAIN_PAGING ||
                      call.domain_kind == IOMMUCHECK_DOMAIN_PAGING_S2;
  const bool few_tags = interface.limits_are_the_drivers() && mapped &&
                        interface.address_spaces_max() <= few_tags_max;
  const u16 mask = few_tags ? every_tag : every_asid;
  if ((few || few_tags) && (operation.choices & mask) == mask) return take_every_asid(call);
  Observed made = make_call(call);
  // A hypervisor's driver may have domains of stage 2 and no others.
  if (made.status == Status::not_built && call.domain_kind == IOMMUCHECK_DOMAIN_PAGING &&
      options_.machine.caps.s2p && monitor_.findings().empty()) {
    call.domain_kind = IOMMUCHECK_DOMAIN_PAGING_S2;
    if (may_call(call)) made = make_call(call);
  }
  note_domain(made);
}

/// One device goes from each of the domains to the next, while another stays on the first: numbers
/// that were given twice, or anew with what caches hold of them, meet.
void SpaceOps::meet_all(const std::vector<Observed>& domains) {
  constexpr u32 stays = 1, goes = 0;
  if (domains.empty() || stays >= monitor_.interface().device_count()) return;
  const auto attach = [&](const Observed& domain, u32 device) {
    const Call call{.kind = CallKind::attach, .domain = domain.value, .device = device};
    if (may_call(call) && monitor_.findings().empty()) make_call(call);
  };
  attach(domains.front(), stays);
  for (std::size_t i = 1; i < domains.size(); ++i) attach(domains[i], goes);
}

/// Domains until there is no number left for another one. The last two stay, each with a device on
/// it if that can be.
void SpaceOps::take_every_asid(const Call& alloc) {
  std::vector<Observed> made;
  while (made.size() < domains_max && monitor_.findings().empty()) {
    made.push_back(make_call(alloc));
    if (made.back().status == Status::ok) continue;
    made.pop_back();
    break;
  }
  meet_all(made);
  constexpr std::size_t stay = 2;
  for (std::size_t i = 0; i < made.size() && monitor_.findings().empty(); ++i) {
    if (made.size() - i <= stay) {
      note_domain(made[i]);
      const Call attach{.kind = CallKind::attach,
                        .domain = made[i].value,
                        .device = static_cast<u32>(made.size() - i - 1)};
      if (attach.device < monitor_.interface().device_count() && may_call(attach))
        make_call(attach);
    } else {
      const Call free{.kind = CallKind::domain_free, .domain = made[i].value};
      if (may_call(free)) make_call(free);
    }
  }
}

void SpaceOps::note_domain(const Observed& observed) {
  if (observed.status != Status::ok) return;
  const bool paging = monitor_.interface().is_mapped(observed.value);
  Space space;
  space.handle = observed.value;
  space.facts = aim_ ? common_facts(observed.facts, *aim_) : observed.facts;
  space.paging = paging;
  case_.spaces.push_back(std::move(space));
}

/// Whether the call can change something of the space.
bool SpaceOps::fits(const fuzz::Operation& operation, std::size_t index) const {
  const spec::sva::Interface& interface = monitor_.interface();
  const Space& space = case_.spaces[index];
  const bool devices_own = !space.task && space.handle == interface.domain_of(device_of(operation));
  bool used = false;
  for (u32 d = 0; d < interface.device_count(); ++d) {
    used |= interface.domain_of(d) == space.handle;
    for (const u32 pasid : case_.plain_pasids)
      used |= interface.attached_at(d, pasid) == space.handle;
  }
  switch (operation.kind) {
    case OperationKind::map:
    case OperationKind::map_sg: return space.paging;
    case OperationKind::unmap:
    case OperationKind::unmap_fast: return !space.mappings.empty();
    case OperationKind::iotlb_sync:
    case OperationKind::flush_iotlb_all: return space.gathered;
    case OperationKind::domain_free:
      return !space.io_mm && !space.task && !used && !interface.is_master(space.handle) &&
             !interface.has_users(space.handle);
    case OperationKind::attach:
      return !space.io_mm && !space.dynamic && !space.task && !devices_own;
    case OperationKind::dynamic_alloc: return may_master(space);
    case OperationKind::gpu_switch: return space.dynamic;
    case OperationKind::detach:
    case OperationKind::sva_alloc: return !space.io_mm && !space.task && devices_own;
    case OperationKind::sva_free: return space.io_mm;
    default: return true;
  }
}

/// The space that the operation means: chosen so that a call can change something where that is
/// asked for.
std::size_t SpaceOps::pick_space(const fuzz::Operation& operation) {
  const u64 own = monitor_.interface().domain_of(device_of(operation));
  fuzz::DomainsView view{.live = case_.spaces.size(), .of_device = {}, .fitting = 0};
  for (std::size_t i = 0; i < case_.spaces.size(); ++i) {
    const bool domain = !case_.spaces[i].io_mm && !case_.spaces[i].task;
    if (domain && case_.spaces[i].handle == own && !view.of_device) view.of_device = i;
    if (is_walked_by(case_.spaces[i], device_of(operation))) view.of_device = i;
    if (fits(operation, i)) view.fitting |= u64{1} << i;
  }
  return fuzz::domain_index(operation, view);
}

// ---- accesses -----------------------------------------------------------------------------------

/// PASIDs at which the device reaches something, or may, and that its driver permits it to send.
std::vector<u32> SpaceOps::sendable(u32 device) const {
  const spec::sva::Interface& interface = monitor_.interface();
  std::vector<u32> numbers;
  interface.for_each_substream(device, [&](u32 number) {
    if (!interface.duty_of_dma(device, number).blames_caller) numbers.push_back(number);
  });
  return numbers;
}

/// The mappings to aim at: of a process, a private space or the device's domain.
fuzz::SpaceView SpaceOps::reached_by(u32 device, Substream at) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u64 attached = at.present ? interface.attached_at(device, at.number) : 0;
  const u64 own = at.present ? attached : interface.domain_of(device);
  for (const Space& space : case_.spaces) {
    const bool is_it = at.present && attached == 0 ? space.io_mm && space.pasid == at.number
                                                   : !space.io_mm && space.handle == own;
    if (is_it && !space.task) return space_of(space);
  }
  process_mappings_.clear();
  for (const Bond& bond : case_.bonds) {
    if (!at.present || bond.pasid != at.number) continue;
    for (const Processes::Mapping& m : host_.processes().mappings(bond.mm)) {
      process_mappings_.push_back({m.va, m.bytes});
    }
    break;
  }
  fuzz::SpaceView view = processes_view();
  view.mappings = process_mappings_;
  return view;
}

/// As many as the event queue has room for, and one more. Of a long queue one operation of so many
/// does, so that it costs what a short one does.
u64 SpaceOps::accesses_to_overflow(const fuzz::Operation& operation) const {
  constexpr u64 short_queue = 256;
  const u64 room = smmu_of(device_of(operation)).event_slots();
  const u64 one_in = std::max<u64>(1, room / short_queue);
  return SplitMix64(fuzz::encode_word(operation)).below(one_in) == 0 ? room + 1 : 1;
}

spec::Access SpaceOps::access_of(const fuzz::Operation& operation) {
  const u32 device = device_of(operation);
  Substream at;
  const std::vector<u32> numbers = sendable(device);
  if (operation.pa_page != 0 && !numbers.empty()) {
    at = spec::sva::substream(numbers[(operation.pa_page - 1U) % numbers.size()]);
  }
  const fuzz::Target target = fuzz::resolve(operation, reached_by(device, at));
  const std::vector<u32>& sids = monitor_.interface().stream_ids(device);
  spec::Access access{.sid = sids[operation.choices % sids.size()],
                      .ssid = at.number,
                      .ssv = at.present,
                      .va = target.iova,
                      .route = spec::Route::untranslated};
  using fuzz::AccessKind;
  switch (static_cast<AccessKind>(operation.variant)) {
    case AccessKind::write: access.type = spec::AccessType::write; break;
    case AccessKind::execute: access.type = spec::AccessType::execute; break;
    case AccessKind::read_privileged: access.privileged = true; break;
    case AccessKind::write_privileged:
      access.privileged = true;
      access.type = spec::AccessType::write;
      break;
    case AccessKind::read_substream_0: access.ssv = true; break;
    default: break;
  }
  return access;
}

void SpaceOps::perform_access(const fuzz::Operation& operation) {
  const u32 device = device_of(operation);
  const spec::Access access = access_of(operation);
  if (((operation.choices >> comes_later_lsb) & 3) == 3) {
    case_.next.access = access;
    case_.next.access_at = 1 + ((operation.choices >> later_at_lsb) & 3);
    return;
  }
  const bool many = static_cast<fuzz::AccessKind>(operation.variant) == fuzz::AccessKind::read_many;
  const u64 times = many ? accesses_to_overflow(operation) : 1;
  // One comes while the driver empties the queue; of many, the one that there is no room for.
  const bool meanwhile = ((operation.choices >> meanwhile_lsb) & 1) != 0;
  const auto is_full = [&] { return smmu_of(device).event_slots() == 0; };
  bool recorded = false;
  for (u64 n = 0; n < times && !(n != 0 && meanwhile && is_full()); ++n) {
    caller_.count_access();
    if (n % 1024 == 1023 && options_.on_step != nullptr) options_.on_step(options_.step_context);
    const bool again = monitor_.device_access(access, host_.choices());
    recorded |= again;
    if (!again) break;
  }
  // The driver hears of the records at once, or with the next one; now and then of none.
  const bool at_once = interrupts_now(operation, recorded);
  const bool spurious = ((operation.choices >> spurious_lsb) & 3) == 3;
  if (!at_once || (!recorded && !spurious)) return;
  if (recorded && meanwhile) {
    const auto once_more = [this, access] { caller_.send(access); };
    const u32 cons = smmu_of(device).register_of_page1(spec::reg::eventq_cons);
    host_.in_the_middle(1, once_more, cons);
  }
  const u32 iommu = monitor_.smmu_number_of(device);
  host_.irq(IOMMUCHECK_OF_IOMMU(iommu, IOMMUCHECK_IRQ_EVENT_QUEUE));
  host_.nothing_in_the_middle();
  if (spurious) host_.irq(IOMMUCHECK_OF_IOMMU(iommu, IOMMUCHECK_IRQ_GLOBAL_ERROR));
}

/// Of the event queue, behind an access that may have made a record.
bool SpaceOps::interrupts_now(const fuzz::Operation& operation, bool recorded) {
  if (case_.hardware.interrupt_every == 0) {
    return ((operation.choices >> (fuzz::choice_bits - 1)) & 1) != 0;
  }
  if (recorded) ++case_.hardware.records;
  if (case_.hardware.records < case_.hardware.interrupt_every) return false;
  case_.hardware.records = 0;
  return true;
}

// ---- calls --------------------------------------------------------------------------------------

void SpaceOps::note_mapped(Space& space, u64 iova, u64 bytes) {
  space.mappings.push_back({iova, bytes});
  std::erase_if(space.left, [&](const fuzz::Mapped& gone) {
    return gone.iova >= iova && gone.iova - iova < bytes;
  });
}

void SpaceOps::note_left(Space& space, u64 iova, u64 bytes) {
  constexpr std::size_t left_max = 4;
  if (space.left.size() == left_max) space.left.erase(space.left.begin());
  space.left.push_back({iova, bytes});
}

void SpaceOps::note_unmapped(Space& space, u64 iova, u64 bytes) {
  note_left(space, iova, bytes);
  std::vector<fuzz::Mapped> left;
  for (const fuzz::Mapped& m : space.mappings) {
    const u64 last = m.iova + (m.bytes - 1);
    const u64 gone_last = iova + (bytes - 1);
    if (last < iova || m.iova > gone_last) {
      left.push_back(m);
      continue;
    }
    if (m.iova < iova) left.push_back({m.iova, iova - m.iova});
    if (last > gone_last) left.push_back({gone_last + 1, last - gone_last});
  }
  space.mappings = std::move(left);
}

/// Two pieces where there are two pages: the second from elsewhere.
void SpaceOps::perform_map_sg(const Space& of, Call& call) {
  std::array<spec::sva::Segment, 2> pieces{};
  pieces[0] = {call.pa, call.size};
  std::size_t count = 1;
  if (call.size >= 2 * page_4k) {
    pieces[0].size = call.size / 2 / page_4k * page_4k;
    pieces[1] = {elsewhere(of, call.pa) + pieces[0].size, call.size - pieces[0].size};
    count = 2;
  }
  call.segments = std::span(pieces).first(count);
  const u64 bytes = call.size;
  call.size = call.pa = 0;
  if (!may_call(call)) return;
  const u64 iova = call.iova;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok || observed.value != bytes || bytes == 0) return;
  for (Space& space : case_.spaces) {
    const bool is_it = space.io_mm ? space.handle == call.io_mm : space.handle == call.domain;
    if (is_it && !space.task) note_mapped(space, iova, bytes);
  }
}

Status SpaceOps::perform_on_space(const fuzz::Operation& operation) {
  const std::size_t index = pick_space(operation);
  Space& space = case_.spaces[index];
  const bool of_domains = operation.kind == OperationKind::domain_free ||
                          operation.kind == OperationKind::attach ||
                          operation.kind == OperationKind::detach;
  if (of_domains && (space.io_mm || space.task)) return Status::ok;
  // What is missing of a task's calls.
  const bool of_tasks =
      operation.kind == OperationKind::map || operation.kind == OperationKind::map_sg ||
      operation.kind == OperationKind::unmap || operation.kind == OperationKind::unmap_fast;
  if (space.task && !of_tasks) return Status::ok;
  const fuzz::Target target = fuzz::resolve(operation, space_of(space));
  Call call{.kind = call_of(operation.kind, space.io_mm, space.task)};
  handle_in(call, space) = space.handle;
  call.device = device_of(operation);
  if (has_range(operation.kind)) {
    call.iova = target.iova;
    call.size = target.bytes;
  }
  if (operation.kind == OperationKind::map || operation.kind == OperationKind::map_sg) {
    call.pa = target.pa;
    call.prot = fuzz::prot_flags(operation);
    if (!claims(Claim::addresses)) call.iova = call.pa;
  }
  if (operation.kind == OperationKind::map_sg && !space.task) {
    perform_map_sg(space, call);
    return Status::ok;
  }
  if (call.kind == CallKind::unmap_fast && !host_.has(call.kind)) call.kind = CallKind::unmap;
  prepare_walkers(call);
  if (call.kind == CallKind::attach) map_before_it_moves(operation, call.device);
  if (!may_call(call)) return Status::ok;
  const Observed observed = make_call(call);
  note_result(index, call, observed);
  return observed.status;
}

/// What a device may have cached where it is, at an IOMMU of others: a page, or so many that a
/// table may leave with them.
void SpaceOps::map_before_it_moves(const fuzz::Operation& operation, u32 device) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u64 handle = interface.domain_of(device);
  if (!interface.limits_are_the_drivers() || handle == 0) return;
  for (std::size_t i = 0; i < case_.spaces.size(); ++i) {
    const Space& space = case_.spaces[i];
    const bool is_it = !space.io_mm && !space.task && space.handle == handle;
    if (!is_it || !space.paging || space.dynamic || !space.mappings.empty()) continue;
    constexpr u64 table = u64{1} << 21;
    const fuzz::SpaceView view = space_of(space);
    const Call map{.kind = CallKind::map,
                   .domain = handle,
                   .iova = table * operation.page,
                   .pa = view.pa_base + table * operation.page,
                   .size = (operation.choices & 4) != 0 ? table : view.page,
                   .prot = spec::sva::prot_read | spec::sva::prot_write};
    if (may_call(map)) note_result(i, map, make_call(map));
    return;
  }
}

void SpaceOps::note_result(std::size_t index, const Call& call, const Observed& observed) {
  // Cleared, though it may still be reached: who keeps the ranges takes it away once.
  const bool gone = observed.status == Status::etimedout && !claims(Claim::ranges);
  const bool unmaps = call.kind == CallKind::unmap || call.kind == CallKind::sva_unmap;
  if (observed.status == Status::etimedout && unmaps && observed.value != 0 &&
      index < case_.spaces.size()) {
    note_left(case_.spaces[index], call.iova, observed.value);
  }
  if ((observed.status != Status::ok && !gone) || index >= case_.spaces.size()) return;
  Space& space = case_.spaces[index];
  switch (call.kind) {
    case CallKind::map:
    case CallKind::task_map:
    case CallKind::sva_map:
      if (call.size != 0) note_mapped(space, call.iova, call.size);
      break;
    case CallKind::unmap:
    case CallKind::task_unmap:
    case CallKind::sva_unmap:
      if (observed.value == 0) break;
      note_unmapped(space, call.iova, observed.value);
      space.gathered |= space.dynamic;  // until its walkers are flushed
      break;
    case CallKind::unmap_fast:
    case CallKind::sva_unmap_fast:
      if (observed.value == 0) break;
      note_unmapped(space, call.iova, observed.value);
      space.gathered = true;
      break;
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all:
    case CallKind::sva_iotlb_sync:
    case CallKind::sva_flush_tlb_all: space.gathered = false; break;
    default: break;
  }
}

// ---- walked by somebody beside the IOMMU
// ----------------------------------------------------------

u64 SpaceOps::table_of(const Space& space) const {
  const spec::sva::Interface& interface = monitor_.interface();
  return space.task ? interface.table_of_token(space.handle) : interface.table_of(space.handle);
}

bool SpaceOps::is_walked_by(const Space& space, u32 device) const {
  const u64 root = monitor_.interface().table_of_walker(device);
  if (root == 0 || (!space.dynamic && !space.task)) return false;
  return root == table_of(space);
}

/// What a GPU's driver does before the call: flushes before it says so, and leaves a table that it
/// gives back.
void SpaceOps::prepare_walkers(const Call& call) {
  const bool syncs = call.kind == CallKind::iotlb_sync || call.kind == CallKind::flush_iotlb_all;
  const bool frees = call.kind == CallKind::domain_free || call.kind == CallKind::unbind_task;
  if (!syncs && !frees) return;
  std::vector<u32> walkers;
  monitor_.interface().for_each_walker_of(call, [&](u32 walker) { walkers.push_back(walker); });
  for (const u32 walker : walkers) {
    if (syncs) {
      monitor_.walker_flushes(walker);
    } else {
      monitor_.walker_switches(walker, 0);
    }
  }
}

}  // namespace iommucheck::oracle
